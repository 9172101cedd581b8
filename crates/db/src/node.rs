//! Which processes work on the database, and what happens to the work of one that died.
//!
//! Every process has a row with a lease and a mark. Each batch moves the mark in the same transaction; a process whose row was fenced
//! finds another mark there and can write nothing any more. So whoever takes over a dead process's work needs no further precaution.

use kernel::{BootId, Timestamp};

use crate::command::Command;
use crate::fault::Fault;
use crate::rows::{Keys, Rows};
use crate::sql::Sql;
use crate::store::Store;
use crate::{args, sql};

/// How long a process may be silent before others take its work over, microseconds of database time (90 s).
pub const LEASE_MICROS: i64 = 90_000_000;
/// How often a silent process renews its lease (20 s).
pub(crate) const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(20);
/// Work is registered a moment before its batch begins; this much earlier is searched too.
const WORK_SLACK_MICROS: i64 = 10_000_000;
/// The mark of a fenced process. No batch has a negative one.
const FENCED: i64 = -1;

crate::row! {
    /// A process working on this database.
    pub struct NodeRow: "node" {
        key {
            /// The process's identity since it started.
            boot_id: BootId
        }
        once {}
        state {
            /// Moved by each batch of that process, by nobody else but to fence it.
            mark: i64,
            /// Database time, microseconds.
            lease_until: i64,
            /// Platform time at which its oldest work in flight began.
            oldest_work_at: Timestamp
        }
    }
}

static OTHER_NODES: Sql = sql!("SELECT {} FROM node WHERE boot_id <> $1 AND lease_until < $2 ORDER BY boot_id", NodeRow);

/// A process that stopped without finishing, fenced: it writes nothing any more.
#[derive(Debug, Clone, Copy)]
pub struct DeadNode {
    /// Who it was; rows it worked on name it.
    pub boot: BootId,
    /// Its unfinished work began at or after this platform time.
    pub work_since: Timestamp,
}

impl Store {
    /// Finds processes whose lease ran out (on SQLite: all but this one, which holds the lock file) and fences them.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn dead_nodes(&self) -> Result<Vec<DeadNode>, Fault> {
        let expired_before = if self.serves_alone() { i64::MAX } else { self.clock().database_time().micros() };
        let others = self.reader().rows::<NodeRow>(&OTHER_NODES, args![self.writer().boot(), expired_before]).await?;
        let mut dead = Vec::new();
        for node in others {
            if let Ok(fenced) = self.writer().run(FenceNode { boot: node.boot_id, expired_before }).await? {
                dead.push(fenced);
            }
        }
        Ok(dead)
    }

    /// Forgets a dead process once nothing of its work is left.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn forget_node(&self, boot: BootId) -> Result<(), Fault> {
        let Ok(()) = self.writer().run(ForgetNode { boot }).await?;
        Ok(())
    }
}

struct FenceNode {
    boot: BootId,
    expired_before: i64,
}

/// It is alive after all, or gone.
struct NotDead;

impl Command for FenceNode {
    type Reply = DeadNode;
    type Refusal = NotDead;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<NodeRow>((self.boot,));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<DeadNode, NotDead> {
        let node = rows.get_mut::<NodeRow>(&(self.boot,)).ok_or(NotDead)?;
        if node.lease_until >= self.expired_before {
            return Err(NotDead);
        }
        node.mark = FENCED;
        Ok(DeadNode { boot: self.boot, work_since: node.oldest_work_at.plus_micros(-WORK_SLACK_MICROS) })
    }
}

struct ForgetNode {
    boot: BootId,
}

impl Command for ForgetNode {
    type Reply = ();
    type Refusal = std::convert::Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<NodeRow>((self.boot,));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<(), Self::Refusal> {
        rows.delete::<NodeRow>(&(self.boot,));
        Ok(())
    }
}
