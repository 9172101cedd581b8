//! The front of the crate for the edge and for flows: memory first, then the store.

use std::sync::Arc;

use db::{Fault, Reader, Writer};
use kernel::Timestamp;

use crate::cache::{REPLAY_CACHE_BYTES_MAX, ReplayCache};
use crate::commands::Sweep;
use crate::error::CodecError;
use crate::in_flight::{InFlight, Working};
use crate::meter;
use crate::queries;
use crate::sealed::ReplySealer;
use crate::types::{BodyHash, InProcess, Known, Recorded, Reply, Scope};

/// How many claims one sweep command deletes. Small enough that the payments sharing its commit do not feel it.
pub const SWEEP_CLAIMS_MAX: u32 = 250;

/// What this process knows about idempotency keys, and the way to the store for the rest. Cheap to clone.
///
/// The order a request goes through: [`Idempotency::recall`] before its body is read. When the body or the state refuses the request,
/// [`Idempotency::find`], because a replay or a conflict comes before such a refusal. Otherwise [`Idempotency::begin`], and inside the
/// decision that writes down the intent [`crate::claim`]. When the reply is committed, [`Idempotency::done`], and only then is the
/// [`Working`] dropped.
#[derive(Clone)]
pub struct Idempotency {
    reader: Reader,
    cache: ReplayCache,
    in_flight: InFlight,
    sealer: Option<ReplySealer>,
}

impl Idempotency {
    /// An empty memory over the store that `reader` reads.
    pub fn new(reader: Reader) -> Self {
        Self { reader, cache: ReplayCache::new(REPLAY_CACHE_BYTES_MAX), in_flight: InFlight::default(), sealer: None }
    }

    /// Opens sealed replies with this.
    #[must_use]
    pub fn sealing(self, sealer: ReplySealer) -> Self {
        Self { sealer: Some(sealer), ..self }
    }

    /// The recorded reply of a claim, unpacked and, where it carries a secret, opened.
    ///
    /// # Errors
    /// [`CodecError`] when the stored bytes are damaged, packed by a newer program, or sealed under another key.
    pub fn reply(&self, scope: &Scope, recorded: &Recorded) -> Result<Reply, CodecError> {
        recorded.opened(scope, self.sealer.as_ref())
    }

    /// What memory says about a key. [`Known::Nothing`] proves nothing: the store decides.
    pub fn recall(&self, scope: &Scope, now: Timestamp) -> Known {
        if self.in_flight.contains(scope) {
            return Known::InProcess(InProcess { unknown: false });
        }
        self.cache.get(scope, now).map_or(Known::Nothing, Known::Replay)
    }

    /// What memory or else the store says about a key. Not for who is working on the key: that would find its own work in process.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn find(&self, scope: &Scope, now: Timestamp) -> Result<Known, Fault> {
        let known = match self.recall(scope, now) {
            Known::Nothing => queries::find(&self.reader, scope, now).await?,
            known => return Ok(known),
        };
        if let Known::Replay(recorded) = &known {
            self.cache.put(*scope, recorded.clone());
        }
        Ok(known)
    }

    /// Begins work on a key that [`Idempotency::recall`] knew nothing about.
    ///
    /// # Errors
    /// [`InProcess`] when another request with the key was quicker.
    pub fn begin(&self, scope: Scope, now: Timestamp) -> Result<Working, InProcess> {
        self.in_flight.enter(scope, now).ok_or(InProcess { unknown: false })
    }

    /// Remembers a reply that is committed, or was found in the store.
    pub fn done(&self, scope: Scope, recorded: Recorded) {
        self.cache.put(scope, recorded);
    }

    /// Since when this process has been working on its oldest key; `None` when it works on none.
    pub fn oldest_in_flight(&self) -> Option<Timestamp> {
        self.in_flight.oldest()
    }

    /// Counts a replay. Its request may say something else than the first one did: that is no reason to refuse it, but worth a line in
    /// the log, which names ids only.
    pub fn replayed(&self, scope: &Scope, recorded: &Recorded, body: BodyHash, request_id: &Arc<str>) {
        meter::replayed();
        self.differs(scope, recorded, body, request_id);
    }

    /// Whether a request says something else than the first one with its key did, which is counted and logged. An account that wants
    /// the same body with the same key refuses it then.
    pub fn differs(&self, scope: &Scope, recorded: &Recorded, body: BodyHash, request_id: &Arc<str>) -> bool {
        let differs = body != recorded.body_hash;
        if differs {
            meter::body_mismatch();
            let original = &recorded.request_id;
            tracing::warn!(%scope, %request_id, original_request_id = %original, "an idempotency key was repeated with another body");
        }
        differs
    }

    /// Deletes every claim whose time is over at `now`, in commands of at most [`SWEEP_CLAIMS_MAX`], and says how many there were.
    ///
    /// # Errors
    /// [`Fault`] of the store; what was deleted before it stays deleted.
    pub async fn sweep(&self, writer: &Writer, now: Timestamp) -> Result<usize, Fault> {
        let mut deleted = 0;
        loop {
            let scopes = queries::over(&self.reader, now, SWEEP_CLAIMS_MAX).await?;
            let found = scopes.len();
            if found == 0 {
                return Ok(deleted);
            }
            let Ok(gone) = writer.run(Sweep { scopes }).await?;
            meter::swept(gone);
            deleted += gone;
            // Fewer deleted than found: another process sweeps too, or the reader lags. The next sweep sees to the rest.
            if gone < found {
                return Ok(deleted);
            }
        }
    }
}
