//! The sandbox acquirer: a bank to try everything with, which behaves like a foreign system inside the same process.
//!
//! It has its own file (SQLite) or schema (PostgreSQL), its own writer and its own commits, durable before it answers; killing the
//! platform does not make it forget. It recognises attempts by their id and never charges one twice. How it behaves can be set while it
//! runs ([`Sandbox::set`]); that is lost at a restart, as a bank's bad day would be.
//!
//! # Test cards
//! The last three digits decide, for every brand (`4507990000000…`, `5252440000000…`, `370000000000…`):
//!
//! | digits | outcome | response code | ISO 8583 |
//! |---|---|---|---|
//! | 002, or any not listed | approved | `SUCCEEDED` | 00 |
//! | 010 / 028 / 036 | soft decline | `INSUFFICIENT_FUNDS` / `DECLINED_BY_BANK` / `DO_NOT_HONOR` | 51 / - / 05 |
//! | 044 / 051 / 069 | hard decline | `INVALID_SECURITY_CODE` / `INVALID_CARD_DATA` / `REPORTED_STOLEN` | 82 / 56 / 43 |
//! | 077 | error | `ERROR` | - |
//!
//! `sandbox_b` approves 036. With a card that is not listed, a description equal to one of these codes chooses the outcome.

mod behaviour;
mod books;
mod cards;
mod commands;
mod connector;
mod notification;
mod queries;
mod rows;
mod settlement;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use db::{Access, DatabaseUrl, Fault, Migration, Store, StoreOptions};
use kernel::{AttemptId, PaymentId, SecretText, Source, Timestamp};
use payments::{Acquirer, Connector};

pub use behaviour::{Behaviour, NAMES, SLOW_MS_MAX, Weather};
pub use books::Books;
pub use cards::Verdict;
pub use notification::{SIGNATURE_HEADER, secret_of};
pub use rows::{Operation, ReceivedRow};
pub use settlement::{SETTLEMENT_HEADER, SettlementPage};

use behaviour::Behaviours;
use connector::SandboxConnector;
use notification::Seal;

/// The schema it lives in on PostgreSQL.
pub const SCHEMA: &str = "sandbox_acquirer";
/// Charges listed at most in one page.
pub const CHARGES_PAGE_MAX: u32 = 1_000;

/// Its tables, after those that every store begins with.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 2,
        topic: "charges",
        sqlite: include_str!("../../../../migrations/sandbox_acquirer/0002_charges/sqlite.sql"),
        postgres: include_str!("../../../../migrations/sandbox_acquirer/0002_charges/postgres.sql"),
    },
    Migration {
        number: 3,
        topic: "authentication",
        sqlite: include_str!("../../../../migrations/sandbox_acquirer/0003_authentication/sqlite.sql"),
        postgres: include_str!("../../../../migrations/sandbox_acquirer/0003_authentication/postgres.sql"),
    },
];

/// An event on its way to the platform.
#[derive(Clone, Debug)]
pub struct Raised {
    /// For which of its names.
    pub connector: Connector,
    /// The body.
    pub body: Vec<u8>,
    /// Of the body, for [`SIGNATURE_HEADER`].
    pub signature: String,
}

/// Why no event was raised.
#[derive(Debug, thiserror::Error)]
pub enum NotRaised {
    /// It knows no such charge.
    #[error("it knows no charge of this payment")]
    NoCharge,
    /// It has taken nothing that could be taken back.
    #[error("nothing of the payment is captured, so there is nothing to dispute")]
    NotCaptured,
    /// Its store.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The sandbox acquirer. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox(Arc<Bank>);

struct Bank {
    store: Store,
    source: Source,
    behaviours: Behaviours,
    seal: Seal,
    /// How much of a payment is disputed, in minor units; forgotten at a restart.
    disputed: Mutex<HashMap<PaymentId, i64>>,
}

/// Which charges to list.
#[derive(Clone, Debug, Default)]
pub struct ChargeFilter {
    /// Only those of this order.
    pub merchant_order_id: Option<Arc<str>>,
    /// Only those of this payment.
    pub payment_id: Option<PaymentId>,
    /// Only those sent through this connector.
    pub connector: Option<Connector>,
    /// Those it declined, too.
    pub all: bool,
}

/// Part of the list of charges.
#[derive(Clone, Debug)]
pub struct ChargesPage {
    /// Oldest attempt first.
    pub charges: Vec<ReceivedRow>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<AttemptId>,
}

impl Sandbox {
    /// Opens its books, making them if there are none: a SQLite file of its own, or its schema in a PostgreSQL database.
    ///
    /// # Errors
    /// [`Fault`] when the store cannot be opened.
    pub async fn open(url: DatabaseUrl, source: Source, secret: &SecretText) -> Result<Self, Fault> {
        let store = Store::open(StoreOptions {
            url,
            schema: Some(SCHEMA),
            migrations: MIGRATIONS,
            access: Access::Serve,
            migrate: true,
            source: source.clone(),
        })
        .await?;
        // Every request here is one commit, so nothing of an earlier process can be unfinished.
        for dead in store.dead_nodes().await? {
            store.forget_node(dead.boot).await?;
        }
        Ok(Self(Arc::new(Bank {
            store,
            source,
            behaviours: Behaviours::default(),
            seal: Seal::new(secret),
            disputed: Mutex::default(),
        })))
    }

    /// The acquirer as the platform sees it under one of its two names.
    pub fn acquirer(&self, name: Connector) -> Arc<dyn Acquirer> {
        Arc::new(SandboxConnector::new(self.clone(), name))
    }

    /// How it behaves towards each of its names.
    pub fn behaviours(&self) -> Vec<(Connector, Behaviour)> {
        NAMES.iter().map(|connector| (*connector, self.behaviour(*connector))).collect()
    }

    fn behaviour(&self, connector: Connector) -> Behaviour {
        self.0.behaviours.get(connector)
    }

    /// Makes it behave so from now on, towards one of its names or all.
    pub fn set(&self, connector: Option<Connector>, behaviour: Behaviour) {
        self.0.behaviours.set(connector, behaviour);
    }

    /// Raises an event about the charge of a payment: the connector it is sent for, its body and its signature. Without an amount it
    /// is about what is disputed, or about all that is left.
    ///
    /// # Errors
    /// [`NotRaised`].
    pub async fn raise(&self, payment: PaymentId, code: &str, amount: Option<i64>) -> Result<Raised, NotRaised> {
        let filter = ChargeFilter { payment_id: Some(payment), ..ChargeFilter::default() };
        let page = self.charges(&filter, None, 1).await?;
        let charge = page.charges.first().ok_or(NotRaised::NoCharge)?;
        if charge.captured == 0 {
            return Err(NotRaised::NotCaptured);
        }
        let left = charge.captured - charge.refunded;
        let mut disputed = self.0.disputed.lock().unwrap_or_else(PoisonError::into_inner);
        let open = disputed.remove(&payment);
        let amount = if code == "CHARGEBACK" {
            // One that took back more than there is cannot have opened a dispute.
            let amount = amount.unwrap_or_else(|| open.filter(|open| *open <= left).unwrap_or(left));
            disputed.insert(payment, amount);
            amount
        } else {
            amount.or(open).unwrap_or(left)
        };
        let body = notification::write(charge, code, amount, self.0.source.now()).ok_or(NotRaised::NoCharge)?;
        Ok(Raised { connector: charge.connector, signature: self.0.seal.sign(&body), body })
    }

    /// What it believes it charged, oldest attempt first, at most [`CHARGES_PAGE_MAX`] after `after`.
    ///
    /// # Errors
    /// [`Fault`] of its store.
    pub async fn charges(&self, filter: &ChargeFilter, after: Option<AttemptId>, limit: u32) -> Result<ChargesPage, Fault> {
        queries::charges(self.0.store.reader(), filter, after, limit.clamp(1, CHARGES_PAGE_MAX)).await
    }

    /// Lines of its settlement file, under one of its names: what it took and gave back between two times, both included, oldest attempt
    /// first, those after `after`.
    ///
    /// # Errors
    /// [`Fault`] of its store.
    pub async fn settlement(
        &self,
        connector: Connector,
        (from, to): (Timestamp, Timestamp),
        after: Option<AttemptId>,
    ) -> Result<SettlementPage, Fault> {
        let rows = queries::settled(self.0.store.reader(), connector, (from, to), after, CHARGES_PAGE_MAX).await?;
        Ok(settlement::page(&rows, CHARGES_PAGE_MAX))
    }

    /// Carries out what waits and closes its books.
    pub async fn close(&self) {
        self.0.store.close().await;
    }
}
