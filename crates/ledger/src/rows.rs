//! The two tables: running sums per ledger account, and transfers, which are written once and never changed.

use std::sync::Arc;

use kernel::{AccountId, Currency, Timestamp};
use uuid::Uuid;

use crate::recipes::RecipeCode;
use crate::types::{AccountKind, Leg, Owner, Party};

db::row! {
    /// The running sums of one ledger account.
    pub struct LedgerAccountRow: "ledger_account" {
        key { /// Its owner.
              owner_id: Uuid,
              /// What the money is.
              kind: AccountKind,
              /// Its currency.
              currency: Currency }
        once {}
        state { /// Sum of all debits so far, in minor units.
                debits: i64,
                /// Sum of all credits so far, in minor units.
                credits: i64,
                /// How many entries there are; the newest entry has this number.
                sequence: i64 }
    }
}

impl LedgerAccountRow {
    /// A ledger account nobody has used yet.
    pub fn unused(party: Party, currency: Currency) -> Self {
        Self { owner_id: party.owner.uuid(), kind: party.kind, currency, debits: 0, credits: 0, sequence: 0 }
    }

    /// Credits less debits, in minor units: positive when we owe the owner, negative for an asset.
    pub fn net(&self) -> i64 {
        self.credits - self.debits
    }

    /// Owner and kind.
    pub fn party(&self) -> Party {
        Party { owner: Owner::from_uuid(self.owner_id), kind: self.kind }
    }
}

db::row! {
    /// One transfer: a debit and a credit of the same amount.
    pub struct TransferRow: "transfer" {
        key { /// The tenant in whose books it is listed.
              account_id: AccountId,
              /// The attempt or payout that caused it.
              cause: Uuid,
              /// The business event.
              recipe: RecipeCode,
              /// Its number within the posting, from 0 without gap.
              leg: u8 }
        once { /// Owner of the account debited.
               debit_owner: Uuid,
               /// Kind of the account debited.
               debit_kind: AccountKind,
               /// Owner of the account credited.
               credit_owner: Uuid,
               /// Kind of the account credited.
               credit_kind: AccountKind,
               /// The currency of both.
               currency: Currency,
               /// Amount in minor units, at least 1.
               amount: i64,
               /// Number of the debit among the entries of its account.
               debit_sequence: i64,
               /// Credits less debits of the account debited, after it.
               debit_balance: i64,
               /// Number of the credit among the entries of its account.
               credit_sequence: i64,
               /// Credits less debits of the account credited, after it.
               credit_balance: i64,
               /// The payment or payout the cause belongs to.
               subject: Uuid,
               /// The request that asked for it; on the first leg only.
               request_id: Option<Arc<str>>,
               /// When, by the platform clock.
               booked_at: Timestamp }
        state {}
    }
}

impl TransferRow {
    /// The account debited.
    pub fn debit(&self) -> Party {
        Party { owner: Owner::from_uuid(self.debit_owner), kind: self.debit_kind }
    }

    /// The account credited.
    pub fn credit(&self) -> Party {
        Party { owner: Owner::from_uuid(self.credit_owner), kind: self.credit_kind }
    }

    /// The transfer as a recipe would ask for it.
    pub fn leg(&self) -> Leg {
        Leg { debit: self.debit(), credit: self.credit(), minor: self.amount }
    }
}
