//! Replacing an account's rules.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use kernel::{AccountId, Timestamp};

use super::rows::RoutingRow;
use super::rules::RoutingRules;

/// `PUT /v1/routing-rules`: all of them at once.
#[derive(Debug)]
pub(super) struct ReplaceRules {
    pub(super) account_id: AccountId,
    pub(super) rules: RoutingRules,
}

impl Command for ReplaceRules {
    /// The new revision.
    type Reply = i64;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<RoutingRow>((self.account_id,));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<i64, Infallible> {
        if let Some(row) = rows.get_mut::<RoutingRow>(&(self.account_id,)) {
            row.rules = self.rules.clone();
            row.revision += 1;
            row.updated_at = now;
            return Ok(row.revision);
        }
        rows.insert(RoutingRow { account_id: self.account_id, rules: self.rules.clone(), revision: 1, updated_at: now });
        Ok(1)
    }
}
