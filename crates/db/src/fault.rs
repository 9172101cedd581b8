//! What can go wrong with the store itself, as opposed to a refusal by a rule.

use crate::connect::UNNAMED_POOLER;
use crate::table::Undecodable;

/// Why a command or query was not carried out. Nothing of it happened, unless the variant says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The writer's queue is full; try again in a moment.
    #[error("the writer's queue is full")]
    Busy,
    /// The database cannot be reached, or went away.
    #[error("the database cannot be reached: {0}")]
    Unavailable(&'static str),
    /// Another process serves on the same file.
    #[error("another guichet is serving on this data directory")]
    InUse,
    /// Another process took over from this one while it stood still; it has stopped writing under its old identity.
    #[error("this process lost its lease to another one")]
    Fenced,
    /// The process is shutting down and takes no new commands.
    #[error("the process is shutting down")]
    Closing,
    /// The database itself is damaged: a page of its file cannot be read, or contradicts another one.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A stored row cannot be read.
    #[error("a row of {} cannot be read: column {}", .0.table, .0.column)]
    Corrupt(Undecodable),
    /// A defect: a panic in a decision, or an error of the database that repeating does not mend. The text names no row.
    #[error("{0}")]
    Failed(String),
    /// The schema is not there or older than this program's, or cannot be brought up to date.
    #[error("{0}")]
    Schema(String),
    /// The schema has steps that this program does not know, or other ones under the same number.
    #[error("the database schema was made by another version of guichet, most likely a newer one")]
    OtherVersion,
    /// The database address cannot be used.
    #[error("{0}")]
    Address(String),
}

impl Fault {
    /// A store that is out of reach. Where only its address is wrong, trying again mends nothing.
    pub(crate) fn of_away(why: &'static str) -> Self {
        if why == UNNAMED_POOLER { Fault::Address(why.into()) } else { Fault::Unavailable(why) }
    }
}

impl From<Undecodable> for Fault {
    fn from(undecodable: Undecodable) -> Self {
        Fault::Corrupt(undecodable)
    }
}
