//! What `verify` reads about the platform itself.

use std::collections::HashSet;

use db::{Fault, NodeRow, Snapshot, Sql, args, sql};
use kernel::BootId;

static NODES: Sql = sql!("SELECT {} FROM node ORDER BY boot_id", NodeRow);
static CLOCK_OFFSET: Sql = sql!("SELECT offset_micros FROM platform_clock WHERE id = $1");

/// The processes that live, or whose work will be taken over.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn processes(snapshot: &Snapshot) -> Result<HashSet<BootId>, Fault> {
    let mut processes = HashSet::new();
    snapshot
        .each(&NODES, args![], |record| {
            processes.insert(record.row::<NodeRow>(0)?.boot_id);
            Ok(())
        })
        .await?;
    Ok(processes)
}

/// How far the sandbox clock is ahead, in microseconds.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn clock_offset(snapshot: &Snapshot) -> Result<i64, Fault> {
    snapshot.one(&CLOCK_OFFSET, args![1_i64]).await?.map_or(Ok(0), |record| record.get(0))
}
