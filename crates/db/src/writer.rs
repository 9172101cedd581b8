//! The writer: one thread that takes whatever has queued up, decides it, and commits it together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use kernel::{BootId, Source, Timestamp};
use tokio::sync::{Notify, oneshot};

use crate::command::{Command, Decided, Job, Waiting};
use crate::engine::{Engine, Flush, Mode, Trouble};
use crate::fault::Fault;
use crate::node::HEARTBEAT;
use crate::rows::{Keys, Rows};

/// Commands that may wait; one more is refused at once rather than accepted and then timed out.
pub const QUEUE_COMMANDS_MAX: usize = 10_000;
/// Commands decided in one batch at most.
pub const BATCH_COMMANDS_MAX: usize = 1_000;
/// Times a command may turn out to need rows that are not loaded, within one run of its batch. Each time more is loaded, so that a
/// decision about many rows it did not name is slow and ends all the same; this stops one that looks for something else each time.
const DECIDE_ROUNDS_MAX: usize = 1_000;
/// Times a batch is repeated because other processes wrote the same rows, before its commands are run one by one.
const BATCH_RUNS_MAX: usize = 3;
/// Times a single command is repeated before it is given up; each repetition holds its rows locked, so losing again takes deadlocks.
const SINGLE_RUNS_MAX: usize = 12;
/// After a conflict, this many batches lock their rows first: somebody else is working on them.
const CAREFUL_BATCHES: u32 = 64;

/// A pause for a batch to grow, taken only while batches are large anyway and this one is still smaller than the last, and again as long as
/// it grows. Each batch costs a statement, a sync and a wake-up whatever its size: at 64 callers the pause took a fifth of the CPU away and
/// added a quarter to the rate.
const GATHER: Duration = Duration::from_micros(25);
/// How often one batch pauses at most.
const GATHERS_MAX: usize = 8;
/// Batches from this size on count as large.
const GATHER_FROM_COMMANDS: usize = 4;

type OldestWork = Box<dyn Fn() -> Option<Timestamp> + Send + Sync>;

/// The way to the writer; cheap to clone.
#[derive(Clone)]
pub struct Writer(Arc<Shared>);

struct Shared {
    queue: Sender<Message>,
    closing: AtomicBool,
    boot: RwLock<BootId>,
    oldest_work: OnceLock<OldestWork>,
    /// Tells whoever steps the writer by hand that something waits; nobody does in a serving process.
    queued: Option<Arc<Notify>>,
}

enum Message {
    Run(Box<dyn Job>),
    /// Everything queued before this is still carried out.
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Carries out a command: queued, decided with its neighbours, committed, answered. Dropping the future does not stop it.
    ///
    /// # Errors
    /// A [`Fault`] when the store did not carry it out; the inner result is the command's own.
    pub async fn run<C: Command>(&self, command: C) -> Result<Result<C::Reply, C::Refusal>, Fault> {
        if self.0.closing.load(Ordering::Acquire) {
            return Err(Fault::Closing);
        }
        let (job, answer) = Waiting::new(command);
        match self.0.queue.try_send(Message::Run(Box::new(job))) {
            Ok(()) => self.0.told(),
            Err(TrySendError::Full(_)) => {
                metrics::counter!("guichet_writer_refused_total").increment(1);
                return Err(Fault::Busy);
            }
            Err(TrySendError::Disconnected(_)) => return Err(Fault::Closing),
        }
        answer.await.unwrap_or(Err(Fault::Closing))
    }

    /// This process's identity, which rows in work carry. It changes when another process took over while this one stood still.
    pub fn boot(&self) -> BootId {
        *self.0.boot.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Says how to learn when the oldest work in flight began (platform time, registered before its first command); should this process
    /// die, others look for its unfinished work from there. Only the first call counts.
    pub fn watch_oldest_work(&self, oldest: impl Fn() -> Option<Timestamp> + Send + Sync + 'static) {
        let _only_the_first_counts = self.0.oldest_work.set(Box::new(oldest));
    }

    /// Takes no new commands, carries out those that wait, gives the lease back.
    pub async fn close(&self) {
        self.0.closing.store(true, Ordering::Release);
        let (done, closed) = oneshot::channel();
        let mut message = Message::Close(done);
        while let Err(TrySendError::Full(back)) = self.0.queue.try_send(message) {
            message = back;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.0.told();
        let _closed_or_gone = closed.await;
    }
}

impl Shared {
    fn told(&self) {
        if let Some(queued) = &self.queued {
            queued.notify_one();
        }
    }
}

/// A writer without a thread: whoever holds the [`Batches`] carries them out, one at a time.
pub(crate) fn by_hand(source: Source, engine: Box<dyn Engine>, queue_places: usize, queued: Arc<Notify>) -> (Writer, Batches) {
    let (queue, messages) = bounded(queue_places);
    let boot = engine.boot();
    let shared = Arc::new(Shared {
        queue,
        closing: AtomicBool::new(false),
        boot: RwLock::new(boot),
        oldest_work: OnceLock::new(),
        queued: Some(queued),
    });
    let weak = Arc::downgrade(&shared);
    (Writer(shared), Batches { engine, messages, shared: weak, rows: Rows::new(boot), source, careful: 0, failed: false })
}

/// Starts the writer's thread. The engine is opened on it, because its connection belongs to that thread.
pub(crate) async fn start(
    source: Source,
    open: impl FnOnce() -> Result<Box<dyn Engine>, Fault> + Send + 'static,
) -> Result<Writer, Fault> {
    let (queue, messages) = bounded(QUEUE_COMMANDS_MAX);
    let (opened, ready) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("guichet-writer".into()).spawn(move || match open() {
        Ok(engine) => {
            let boot = engine.boot();
            let shared = Arc::new(Shared {
                queue,
                closing: AtomicBool::new(false),
                boot: RwLock::new(boot),
                oldest_work: OnceLock::new(),
                queued: None,
            });
            let weak = Arc::downgrade(&shared);
            if opened.send(Ok(Writer(shared))).is_ok() {
                Batches { engine, messages, shared: weak, rows: Rows::new(boot), source, careful: 0, failed: false }.run();
            }
        }
        Err(fault) => {
            let _nobody_waits = opened.send(Err(fault));
        }
    });
    spawned.map_err(|_| Fault::Unavailable("the writer's thread could not be started"))?;
    ready.await.unwrap_or(Err(Fault::Unavailable("the writer's thread could not be started")))
}

/// The writer's own side: engine, rows and what it has learned about its neighbours.
pub(crate) struct Batches {
    engine: Box<dyn Engine>,
    messages: Receiver<Message>,
    /// Weak: when the last [`Writer`] is dropped the thread ends.
    shared: std::sync::Weak<Shared>,
    rows: Rows,
    source: Source,
    /// Batches that still lock their rows first.
    careful: u32,
    /// A batch failed for lack of a store, said once.
    failed: bool,
}

type Jobs = Vec<Box<dyn Job>>;

impl Batches {
    fn run(mut self) {
        let (mut closed, mut last) = (None, 0);
        while closed.is_none() {
            let mut jobs: Jobs = Vec::new();
            match self.messages.recv_timeout(HEARTBEAT) {
                Ok(Message::Run(job)) => jobs.push(job),
                Ok(Message::Close(done)) => closed = Some(done),
                Err(RecvTimeoutError::Timeout) => self.heartbeat(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.drain_queue(&mut jobs, &mut closed, BATCH_COMMANDS_MAX);
            if last >= GATHER_FROM_COMMANDS && jobs.len() < last && closed.is_none() {
                self.gather(&mut jobs, &mut closed, last);
            }
            last = jobs.len();
            if !jobs.is_empty() {
                self.run_batch(jobs);
            }
        }
        self.end(closed);
    }

    /// Waits for a batch to become as large as the last one, as long as it grows.
    fn gather(&mut self, jobs: &mut Jobs, closed: &mut Option<oneshot::Sender<()>>, enough: usize) {
        for _ in 0..GATHERS_MAX {
            let before = jobs.len();
            std::thread::sleep(GATHER);
            self.drain_queue(jobs, closed, BATCH_COMMANDS_MAX);
            if jobs.len() == before || jobs.len() >= enough || closed.is_some() {
                break;
            }
        }
    }

    /// One batch of what waits, without waiting: how many commands it had, and whether the writer was asked to close.
    pub(crate) fn turn(&mut self, commands_max: usize) -> (usize, Option<oneshot::Sender<()>>) {
        let (mut jobs, mut closed): (Jobs, _) = (Vec::new(), None);
        self.drain_queue(&mut jobs, &mut closed, commands_max.min(BATCH_COMMANDS_MAX));
        let count = jobs.len();
        if count > 0 {
            self.run_batch(jobs);
        }
        (count, closed)
    }

    /// Lets the engine go, once nothing more is taken.
    pub(crate) fn end(mut self, closed: Option<oneshot::Sender<()>>) {
        // The lease is only given back in good order: with work unfinished its row is what others find that work by.
        if closed.is_some() && self.registered_work().is_none() {
            self.engine.close();
        }
        drop(self.engine);
        if let Some(done) = closed {
            let _nobody_waits = done.send(());
        }
    }

    /// Takes what has queued up, without waiting.
    fn drain_queue(&self, jobs: &mut Jobs, closed: &mut Option<oneshot::Sender<()>>, commands_max: usize) {
        while jobs.len() < commands_max && closed.is_none() {
            match self.messages.try_recv() {
                Ok(Message::Run(job)) => jobs.push(job),
                Ok(Message::Close(done)) => *closed = Some(done),
                Err(_) => return,
            }
        }
    }

    pub(crate) fn heartbeat(&mut self) {
        let oldest_work = self.oldest_work(None);
        if let Err(trouble) = self.engine.heartbeat(oldest_work) {
            self.note(&trouble);
        }
    }

    /// When the oldest work in flight began; `now` when there is none.
    fn oldest_work(&self, now: Option<Timestamp>) -> Timestamp {
        match (self.registered_work(), now) {
            (Some(oldest), Some(now)) => oldest.min(now),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => self.source.now(),
        }
    }

    /// When the oldest work that was registered began.
    fn registered_work(&self) -> Option<Timestamp> {
        self.shared.upgrade().and_then(|shared| shared.oldest_work.get().and_then(|oldest| oldest()))
    }

    /// Runs a batch to its end: everybody in it is answered.
    fn run_batch(&mut self, mut jobs: Jobs) {
        metrics::histogram!("guichet_writer_batch_commands").record(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        for _ in 0..BATCH_RUNS_MAX {
            match self.try_batch(&mut jobs) {
                Ok(()) => return jobs.into_iter().for_each(Job::answer),
                Err(Trouble::Conflict) => self.careful = CAREFUL_BATCHES,
                Err(Trouble::Broken(text)) if jobs.len() == 1 => return fail(jobs, &Fault::Failed(text)),
                Err(Trouble::Broken(_)) => break,
                Err(trouble) => return self.give_up(jobs, &trouble),
            }
        }
        metrics::counter!("guichet_writer_poisoned_batches_total").increment(1);
        for job in jobs {
            self.run_single(job);
        }
    }

    /// One command in a batch of its own, so that a bad one harms nobody else.
    fn run_single(&mut self, job: Box<dyn Job>) {
        let mut jobs = vec![job];
        for _ in 0..SINGLE_RUNS_MAX {
            match self.try_batch(&mut jobs) {
                Ok(()) => return jobs.into_iter().for_each(Job::answer),
                Err(Trouble::Conflict) => self.careful = CAREFUL_BATCHES,
                Err(Trouble::Broken(text)) => return fail(jobs, &Fault::Failed(text)),
                Err(trouble) => return self.give_up(jobs, &trouble),
            }
        }
        fail(jobs, &Fault::Unavailable("other processes keep changing the same rows"));
    }

    fn give_up(&mut self, jobs: Jobs, trouble: &Trouble) {
        self.note(trouble);
        let fault = match trouble {
            Trouble::Fenced => Fault::Fenced,
            Trouble::Away(why) => Fault::Unavailable(why),
            Trouble::Broken(text) => Fault::Failed(text.clone()),
            Trouble::Conflict => Fault::Unavailable("other processes keep changing the same rows"),
        };
        fail(jobs, &fault);
    }

    fn note(&mut self, trouble: &Trouble) {
        self.rows.forget();
        match trouble {
            Trouble::Fenced => {
                tracing::error!("another process took over from this one; it goes on under a new identity");
                if let Some(shared) = self.shared.upgrade() {
                    *shared.boot.write().unwrap_or_else(std::sync::PoisonError::into_inner) = self.engine.boot();
                }
            }
            Trouble::Away(why) if !self.failed => {
                self.failed = true;
                tracing::error!(why, "the store cannot be written; commands are refused until it can");
            }
            _ => {}
        }
    }

    /// Decides and commits once. Jobs whose decision panicked or came too late are failed and leave the batch; on an error nothing was committed.
    fn try_batch(&mut self, jobs: &mut Jobs) -> Result<(), Trouble> {
        let mode = if self.careful > 0 { Mode::Locked } else { Mode::Optimistic };
        self.careful = self.careful.saturating_sub(1);
        let begun = self.engine.begin(mode)?;
        if mode == Mode::Locked || !begun.cache_valid {
            self.rows.forget();
        }
        self.rows.begin_batch(self.engine.boot(), self.source.now(), mode == Mode::Locked);
        let done = self.decide_all(jobs, mode, begun.now).and_then(|()| self.flush(mode, begun.now));
        if let Err(trouble) = &done {
            self.engine.rollback();
            self.rows.undo_batch();
            if matches!(trouble, Trouble::Conflict) {
                metrics::counter!("guichet_writer_conflicts_total").increment(1);
                self.rows.forget();
            }
        } else if std::mem::take(&mut self.failed) {
            tracing::info!("the store can be written again");
        }
        done
    }

    fn decide_all(&mut self, jobs: &mut Jobs, mode: Mode, now: Timestamp) -> Result<(), Trouble> {
        for job in jobs.iter() {
            job.keys(&mut Keys::new(&mut self.rows));
        }
        self.load(mode)?;
        let mut undecided: Vec<usize> = (0..jobs.len()).collect();
        let mut failed: Vec<(usize, Fault)> = Vec::new();
        let defect = || Fault::Failed("an internal error stopped this command".into());
        for round in 0..=DECIDE_ROUNDS_MAX {
            let mut again = Vec::new();
            for index in undecided {
                match jobs[index].decide(&mut self.rows, now) {
                    Decided::Accepted => self.rows.keep_command(),
                    Decided::Refused => {
                        self.rows.undo_command();
                        if self.rows.doubt() {
                            again.push(index);
                        }
                    }
                    Decided::NotLoaded => {
                        self.rows.undo_command();
                        again.push(index);
                    }
                    Decided::Panicked => {
                        self.rows.undo_command();
                        failed.push((index, defect()));
                    }
                    Decided::TooLate => {
                        self.rows.undo_command();
                        failed.push((index, Fault::Unavailable("this machine stood still for too long")));
                    }
                }
            }
            undecided = again;
            if undecided.is_empty() {
                break;
            }
            if round == DECIDE_ROUNDS_MAX {
                failed.extend(undecided.drain(..).map(|index| (index, defect())));
                break;
            }
            metrics::counter!("guichet_writer_extra_rounds_total").increment(1);
            tracing::debug!(command = jobs[undecided[0]].name(), "a command touched rows it had not named");
            self.load(mode)?;
        }
        failed.sort_unstable_by_key(|(index, _)| *index);
        for (index, fault) in failed.into_iter().rev() {
            let job = jobs.remove(index);
            tracing::error!(command = job.name(), %fault, "a decision failed; nothing of it was kept");
            job.fail(fault);
        }
        Ok(())
    }

    fn load(&mut self, mode: Mode) -> Result<(), Trouble> {
        let loads = self.rows.take_wanted();
        if loads.is_empty() {
            return Ok(());
        }
        let found = self.engine.load(&loads, mode)?;
        for (load, stored) in loads.iter().zip(found) {
            self.rows.accept(load, stored).map_err(|fault| Trouble::Broken(fault.to_string()))?;
        }
        Ok(())
    }

    fn flush(&mut self, mode: Mode, now: Timestamp) -> Result<(), Trouble> {
        let tables = self.rows.changes();
        let version = crate::engine::postgres::new_mark(&self.source);
        let nothing_written = tables.iter().all(|(_, changes)| changes.writes_nothing());
        if nothing_written && (mode == Mode::Locked || tables.is_empty()) {
            self.engine.rollback();
        } else {
            let oldest_work = self.oldest_work(Some(now));
            self.engine.commit(&Flush { tables: &tables, version, mode, oldest_work })?;
        }
        self.rows.committed(version);
        Ok(())
    }
}

fn fail(jobs: Jobs, fault: &Fault) {
    for job in jobs {
        job.fail(fault.clone());
    }
}
