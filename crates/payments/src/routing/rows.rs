//! The table of rules: one row per account that has any.

use std::sync::Arc;

use db::{Column, Kind, Value};
use kernel::{AccountId, Timestamp};

use super::rules::RoutingRules;

db::row! {
    /// The routing rules of one account.
    pub struct RoutingRow: "routing_rules" {
        key { /// Whose they are.
              account_id: AccountId }
        once {}
        state { /// All of them.
                rules: RoutingRules,
                /// Counts the changes: of two, the higher is the newer.
                revision: i64,
                /// When they were last replaced.
                updated_at: Timestamp }
    }
}

impl Column for RoutingRules {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.to_text().into())
    }
    fn from_value(value: Value) -> Option<Self> {
        RoutingRules::from_text(&<Arc<str>>::from_value(value)?)
    }
}
