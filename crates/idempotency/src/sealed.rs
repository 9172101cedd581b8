//! Stored replies that carry a secret: packed as all others, then sealed for their claim.

use std::sync::Arc;

use kernel::{PlatformKey, Sealer, Source};

use crate::codec;
use crate::error::CodecError;
use crate::types::Scope;

/// Seals and opens stored replies that carry a token or secret. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReplySealer(Sealer);

impl ReplySealer {
    /// With a key derived from the platform key.
    pub fn new(platform: &PlatformKey, source: &Source) -> Self {
        Self(Sealer::new(platform, "guichet/idempotency/reply", source))
    }

    /// Seals a packed reply for the claim it belongs to.
    pub(crate) fn seal(&self, frame: &[u8], scope: &Scope) -> Arc<[u8]> {
        let sealed = self.0.seal(frame, &place(scope));
        [[codec::SEALED].as_slice(), &sealed].concat().into()
    }

    /// The packed reply, as it was sealed for this claim.
    pub(crate) fn open(&self, stored: &[u8], scope: &Scope) -> Result<Vec<u8>, CodecError> {
        let (_, sealed) = stored.split_first().ok_or(CodecError::Damaged)?;
        self.0.open(sealed, &place(scope)).map(|frame| frame.to_vec()).map_err(|_| CodecError::Sealed)
    }
}

fn place(scope: &Scope) -> Vec<u8> {
    [b"claim.reply\0".as_slice(), &scope.account_id.bytes(), &scope.hash].concat()
}

#[cfg(test)]
mod tests {
    use kernel::{AccountId, Timestamp};

    use super::*;
    use crate::types::Reply;

    #[test]
    fn a_sealed_reply_opens_for_its_claim_only() {
        let (source, _) = Source::seeded(1, Timestamp::EPOCH);
        let sealer = ReplySealer::new(&PlatformKey::from_bytes([1; 32]), &source);
        let scope = Scope { account_id: AccountId::new(&source), hash: [3; 16] };
        let body = "whsec_hush whsec_hush whsec_hush";
        let reply = Reply { status: 201, content_type: "text/plain".into(), location: None, body: body.into() };
        let frame = codec::pack(&reply).expect("small");
        let stored = sealer.seal(&frame, &scope);
        assert!(codec::is_sealed(&stored) && !codec::is_sealed(&frame));
        assert_eq!(codec::unpack(201, &stored), Err(CodecError::Sealed));
        assert_eq!(sealer.open(&stored, &scope).as_deref(), Ok(&*frame));
        assert_eq!(sealer.open(&stored, &Scope { hash: [4; 16], ..scope }), Err(CodecError::Sealed));
    }
}
