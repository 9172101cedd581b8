//! What drives a run: a family's clients, and what they expect. A family adds one by implementing [`Profile`].

use crate::auditor::{Call, Reply};
use crate::bank::Mail;
use crate::chance::Chance;
use crate::realm::Holds;
use crate::world::Desk;

/// Clients of a family with a model of what they were promised. It sees requests, replies and what the peers saw, never the database.
pub trait Profile {
    /// Its name on the command line.
    const NAME: &'static str;
    /// What many seeds together should reach ([`crate::realm::Realm::reach`]); what they did not is printed.
    const REACH: &'static [&'static str];

    /// What there must be before anything goes wrong.
    fn prepare(&mut self, desk: &mut Desk);
    /// The next thing somebody does.
    fn step(&mut self, desk: &mut Desk, chance: &mut Chance);
    /// An answer arrives.
    ///
    /// # Errors
    /// The rule it breaks.
    fn answered(&mut self, desk: &mut Desk, call: &Call, reply: &Reply) -> Holds;
    /// An answer will never arrive.
    fn lost(&mut self, desk: &mut Desk, call: &Call);
    /// Remembers what a call is about that somebody else sends.
    fn tag(&mut self, tag: Tag) -> u64;
    /// Whether so many seconds may pass at once without a key that is still needed being forgotten.
    fn may_pass(&self, desk: &Desk, seconds: i64) -> bool;
    /// What is open, for people.
    fn open(&self) -> String;
    /// After the faults: asks again for whatever has no certain answer; whether there was anything.
    fn ask_again(&mut self, desk: &mut Desk) -> bool;
    /// Repeats every key once.
    fn repeat_all(&mut self, desk: &mut Desk);
    /// Ends what would go on for ever.
    fn wind_up(&mut self, desk: &mut Desk);
    /// Reads everything for the last time.
    fn look(&mut self, desk: &mut Desk);
    /// Compares what was read with the model.
    ///
    /// # Errors
    /// The rule that broke.
    fn judge(&mut self, desk: &mut Desk) -> Holds;
}

/// What a call is about that the world sends.
#[derive(Clone, Debug)]
pub enum Tag {
    /// A notification of an acquirer.
    Mail(Mail),
}
