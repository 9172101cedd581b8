//! The writer carried out by hand instead of by its thread: for simulations, which decide when a batch runs and what goes wrong with it.
//!
//! It is the writer's own code from the queue to the commit; here is only what stands in for the thread and for a store that fails.

use std::sync::{Arc, Mutex, PoisonError};

#[cfg(all(feature = "sabotage", not(debug_assertions)))]
compile_error!("defects on purpose are never built into a release");

use kernel::{BootId, Source, Timestamp};
use tokio::sync::Notify;

use crate::engine::{Begun, Engine, Flush, Mode, Trouble};
#[cfg(feature = "sabotage")]
use crate::rows::Changes;
use crate::rows::{Load, StoredRow};
#[cfg(feature = "sabotage")]
use crate::table::TableMeta;
use crate::writer::{Batches, Writer, by_hand};

/// Says how many turns of the executor a read waits before it is answered.
pub type Turns = Arc<dyn Fn() -> u32 + Send + Sync>;

/// How a store is stepped.
#[derive(Clone)]
pub struct Stepping {
    /// Commands that may wait; one more is refused as busy.
    pub queue_places: usize,
    /// How long reads wait.
    pub turns: Turns,
}

/// What goes wrong with a batch, once: the batch is rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hitch {
    /// A statement is refused while rows are loaded.
    LoadRefused,
    /// A statement is refused while rows are written.
    WriteRefused,
    /// Another process is said to have been faster.
    Conflict,
    /// The file cannot be written.
    Away,
    /// Nothing is kept although all is said to be well: a store that lies, to see that this is found out.
    #[cfg(feature = "sabotage")]
    Lie,
    /// All tables are kept but those with this beginning of their name: what one commit should have held, torn apart.
    #[cfg(feature = "sabotage")]
    Torn(&'static str),
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing waited.
    Idle,
    /// A batch of so many commands was carried out and answered.
    Done(usize),
    /// The writer was closed.
    Closed,
}

/// The writer's batches in the hands of whoever steps them. Dropping it without a step is the death of the process: what waits is lost.
pub struct Steps {
    batches: Option<Batches>,
    queued: Arc<Notify>,
    hitch: Arc<Mutex<Option<Hitch>>>,
}

impl Steps {
    pub(crate) fn over(engine: Box<dyn Engine>, source: Source, queue_places: usize) -> (Writer, Steps) {
        let (queued, hitch) = (Arc::new(Notify::new()), Arc::default());
        let engine = Hitched { engine, hitch: Arc::clone(&hitch) };
        let (writer, batches) = by_hand(source, Box::new(engine), queue_places, queued.clone());
        (writer, Steps { batches: Some(batches), queued, hitch })
    }

    /// Waits until a command has been queued since the last step that was waited for.
    pub async fn queued(&mut self) {
        self.queued.notified().await;
    }

    /// Carries out one batch of at most so many commands, answers them, and says whether there was one. A hitch strikes it once.
    pub fn step(&mut self, commands_max: usize, hitch: Option<Hitch>) -> Step {
        let Some(batches) = &mut self.batches else { return Step::Closed };
        *self.hitch.lock().unwrap_or_else(PoisonError::into_inner) = hitch;
        let (count, closed) = batches.turn(commands_max);
        *self.hitch.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if closed.is_some() {
            if let Some(batches) = self.batches.take() {
                batches.end(closed);
            }
            return Step::Closed;
        }
        if count == 0 { Step::Idle } else { Step::Done(count) }
    }

    /// What the writer's thread does when nothing comes for a while.
    pub fn heartbeat(&mut self) {
        if let Some(batches) = &mut self.batches {
            batches.heartbeat();
        }
    }
}

/// An engine that fails when it is told to.
struct Hitched {
    engine: Box<dyn Engine>,
    hitch: Arc<Mutex<Option<Hitch>>>,
}

impl Hitched {
    fn takes(&self, at: impl Fn(Hitch) -> bool) -> Option<Hitch> {
        let mut hitch = self.hitch.lock().unwrap_or_else(PoisonError::into_inner);
        if hitch.is_some_and(at) { hitch.take() } else { None }
    }
}

impl Engine for Hitched {
    fn boot(&self) -> BootId {
        self.engine.boot()
    }

    fn begin(&mut self, mode: Mode) -> Result<Begun, Trouble> {
        self.engine.begin(mode)
    }

    fn load(&mut self, loads: &[Load], mode: Mode) -> Result<Vec<Vec<StoredRow>>, Trouble> {
        match self.takes(|hitch| hitch == Hitch::LoadRefused) {
            Some(_) => Err(Trouble::Broken("a statement was refused".into())),
            None => self.engine.load(loads, mode),
        }
    }

    fn commit(&mut self, flush: &Flush<'_>) -> Result<(), Trouble> {
        let trouble = match self.takes(|hitch| hitch != Hitch::LoadRefused) {
            None | Some(Hitch::LoadRefused) => return self.engine.commit(flush),
            Some(Hitch::WriteRefused) => Trouble::Broken("a statement was refused".into()),
            Some(Hitch::Conflict) => Trouble::Conflict,
            Some(Hitch::Away) => Trouble::Away("the database file cannot be written"),
            #[cfg(feature = "sabotage")]
            Some(Hitch::Lie) => {
                self.engine.rollback();
                return Ok(());
            }
            #[cfg(feature = "sabotage")]
            Some(Hitch::Torn(left_out)) => {
                let kept = |(meta, changes): &(&'static TableMeta, Changes)| {
                    (!meta.name.starts_with(left_out)).then(|| (*meta, changes.clone()))
                };
                let tables: Vec<_> = flush.tables.iter().filter_map(kept).collect();
                return self.engine.commit(&Flush { tables: &tables, ..*flush });
            }
        };
        self.engine.rollback();
        Err(trouble)
    }

    fn rollback(&mut self) {
        self.engine.rollback();
    }

    fn heartbeat(&mut self, oldest_work: Timestamp) -> Result<(), Trouble> {
        self.engine.heartbeat(oldest_work)
    }

    fn close(&mut self) {
        self.engine.close();
    }
}
