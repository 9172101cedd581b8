//! Its books, read by `guichet verify` beside a running server.

use std::sync::Arc;

use db::{DatabaseUrl, Fault, SchemaState, Snapshot, args};
use kernel::AttemptId;
use payments::{ChargeListing, Connector, ListedCharge, Listing};

use super::behaviour::NAMES;
use super::cards::Verdict;
use super::queries::{BEFORE_ALL, CHARGES, LAST_CHARGE};
use super::rows::{Operation, ReceivedRow};
use super::{MIGRATIONS, SCHEMA};

/// The books at some address; nothing is written there. Where there are none, no charge is known.
pub struct Books {
    url: DatabaseUrl,
}

impl Books {
    /// The books at this address: the sandbox's own file, or the database its schema is in.
    pub fn at(url: DatabaseUrl) -> Self {
        Self { url }
    }

    async fn read(&self, after: Option<AttemptId>, limit: u32) -> Result<Vec<ListedCharge>, Fault> {
        let is_gone = self.url.sqlite_path().is_some_and(|path| !path.exists());
        if is_gone || db::schema_state(&self.url, Some(SCHEMA), MIGRATIONS).await? == SchemaState::Absent {
            return Ok(Vec::new());
        }
        let snapshot: Snapshot = db::snapshot_of(&self.url, Some(SCHEMA), MIGRATIONS).await?;
        let mut charges = Vec::new();
        let nothing: Option<Arc<str>> = None;
        let (payment, connector): (Option<AttemptId>, Option<Connector>) = (None, None);
        let after = after.unwrap_or(BEFORE_ALL);
        let args = args![after, LAST_CHARGE, Verdict::Succeeded, nothing, payment, connector, limit, Operation::Payout];
        snapshot
            .each(&CHARGES, args, |record| {
                charges.extend(listed(&record.row::<ReceivedRow>(0)?));
                Ok(())
            })
            .await?;
        Ok(charges)
    }
}

fn listed(row: &ReceivedRow) -> Option<ListedCharge> {
    Some(ListedCharge {
        connector: row.connector,
        attempt_id: row.attempt_id,
        account_id: row.account_id,
        payment_id: row.payment_id?,
        amount: row.money()?,
        captured: row.captured,
        refunded: row.refunded,
        voided: row.voided,
    })
}

impl ChargeListing for Books {
    fn covers(&self, connector: Connector) -> bool {
        NAMES.contains(&connector)
    }

    fn charges(&self, after: Option<AttemptId>, limit: u32) -> Listing<'_> {
        Box::pin(async move { self.read(after, limit).await.map_err(|fault| fault.to_string()) })
    }
}
