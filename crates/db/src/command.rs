//! Commands: decisions about money, tickets or keys, and the queue entries that carry them to the writer.

use std::any::type_name;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kernel::Timestamp;
use tokio::sync::oneshot;

use crate::fault::Fault;
use crate::rows::{Keys, NotLoaded, Rows, TooLate};

/// One decision. Runs inside a group commit, possibly more than once, so everything it needs besides rows and time travels in it.
pub trait Command: Send + 'static {
    /// What is answered when the decision stands.
    type Reply: Send + 'static;
    /// Why it may be refused; nothing of a refused command is kept.
    type Refusal: Send + 'static;

    /// The rows this decision will probably touch. A hint, never a duty: a row that was not named is loaded when it is touched,
    /// at the price of deciding again.
    fn keys(&self, keys: &mut Keys<'_>);

    /// Pure: sees the rows, the time and itself. On `Err` none of its changes are kept, and its neighbours in the batch are not
    /// disturbed.
    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Self::Reply, Self::Refusal>;
}

/// What one run of a decision came to.
#[derive(Debug)]
pub(crate) enum Decided {
    /// It has an outcome; its changes stand (or it was refused and has none).
    Accepted,
    /// Refused: its changes must be undone.
    Refused,
    /// It touched a row that is not loaded: undo, load, decide again.
    NotLoaded,
    /// It made its ids too long ago: undo, fail this command alone.
    TooLate,
    /// It panicked: undo, fail this command alone.
    Panicked,
}

/// A command waiting in the queue, its type erased.
pub(crate) trait Job: Send {
    fn keys(&self, keys: &mut Keys<'_>);
    fn decide(&mut self, rows: &mut Rows, now: Timestamp) -> Decided;
    /// Sends the outcome of the last `decide`; called after the commit that made it true.
    fn answer(self: Box<Self>);
    fn fail(self: Box<Self>, fault: Fault);
    fn name(&self) -> &'static str;
}

/// A caller that went away is no reason to drop a command: it runs to its end and the outcome is thrown away.
pub(crate) struct Waiting<C: Command> {
    command: C,
    outcome: Option<Result<C::Reply, C::Refusal>>,
    caller: oneshot::Sender<Answer<C>>,
}

/// What the caller of [`crate::Writer::run`] receives.
pub(crate) type Answer<C> = Result<Result<<C as Command>::Reply, <C as Command>::Refusal>, Fault>;

impl<C: Command> Waiting<C> {
    pub(crate) fn new(command: C) -> (Self, oneshot::Receiver<Answer<C>>) {
        let (caller, answer) = oneshot::channel();
        (Self { command, outcome: None, caller }, answer)
    }
}

impl<C: Command> Job for Waiting<C> {
    fn keys(&self, keys: &mut Keys<'_>) {
        self.command.keys(keys);
    }

    fn decide(&mut self, rows: &mut Rows, now: Timestamp) -> Decided {
        match catch_unwind(AssertUnwindSafe(|| self.command.decide(rows, now))) {
            Ok(outcome) => {
                let decided = if outcome.is_ok() { Decided::Accepted } else { Decided::Refused };
                self.outcome = Some(outcome);
                decided
            }
            Err(payload) => {
                self.outcome = None;
                match payload {
                    payload if (*payload).is::<NotLoaded>() => Decided::NotLoaded,
                    payload if (*payload).is::<TooLate>() => Decided::TooLate,
                    _ => Decided::Panicked,
                }
            }
        }
    }

    fn answer(self: Box<Self>) {
        let outcome = self.outcome.ok_or_else(|| Fault::Failed("a command was answered before it was decided".into()));
        let _caller_may_be_gone = self.caller.send(outcome);
    }

    fn fail(self: Box<Self>, fault: Fault) {
        let _caller_may_be_gone = self.caller.send(Err(fault));
    }

    fn name(&self) -> &'static str {
        type_name::<C>()
    }
}
