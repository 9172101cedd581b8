//! Planted defects, one at a time: a simulator that does not find them finds nothing.
//!
//! Some are in the product's code ([`kernel::sabotage`]), some in the store ([`db::Hitch`]), some in how a connector tells what happened.

use db::{Hitch, Steps};
use kernel::sabotage::Defect as Inside;
use kernel::{AttemptId, Outcome, sha256};

use crate::bank::{Bank, Entry};
use crate::realm::Realm;

/// A planted defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Callers are answered before the commit.
    AckBeforeCommit,
    /// An idempotency claim is committed apart from what it stands for.
    ClaimApart,
    /// A message is committed apart from the change it tells of.
    MessageApart,
    /// Money is booked apart from the payment it belongs to.
    TransferApart,
    /// A notification is believed without its signature.
    ForgedNotificationBelieved,
    /// After an unknown outcome the request is sent again under another id.
    AttemptIdRenewed,
    /// An unknown outcome is taken for proven never to have been sent, so that another acquirer may be tried.
    UnknownTakenForNotSent,
    /// An unknown outcome is taken for a decline.
    UnknownTakenForDeclined,
    /// An acquirer's promise to refuse what arrives late is claimed without having been asked for.
    FenceForgotten,
    /// In the product.
    Inside(Inside),
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 15] = [
        Defect::AckBeforeCommit,
        Defect::ClaimApart,
        Defect::MessageApart,
        Defect::TransferApart,
        Defect::ForgedNotificationBelieved,
        Defect::AttemptIdRenewed,
        Defect::UnknownTakenForNotSent,
        Defect::UnknownTakenForDeclined,
        Defect::FenceForgotten,
        Defect::Inside(Inside::RefundsUnderWayForgotten),
        Defect::Inside(Inside::KeysSharedByTenants),
        Defect::Inside(Inside::ClaimForgottenAfterTimeout),
        Defect::Inside(Inside::AnyAnswerConfirms),
        Defect::Inside(Inside::UnknownTryCountsAsFailed),
        Defect::Inside(Inside::TryIdKept),
    ];

    /// Its part inside the product, if it has one.
    pub const fn inside(self) -> Option<Inside> {
        match self {
            Defect::Inside(inside) => Some(inside),
            _ => None,
        }
    }
}

/// The node is about to die before a commit; with [`Defect::AckBeforeCommit`] its callers hear that all is well first.
pub(crate) async fn acknowledge_first(steps: &mut Steps, realm: &Realm) {
    if realm.is_planted(Defect::AckBeforeCommit) {
        steps.step(usize::MAX, Some(Hitch::Lie));
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
}

/// The node is about to die after a commit; which part of the commit is not kept then.
pub(crate) fn torn(realm: &Realm) -> Option<Hitch> {
    let tables = [(Defect::ClaimApart, "claim"), (Defect::MessageApart, "webhook_event"), (Defect::TransferApart, "transfer")];
    tables.into_iter().find(|(defect, _)| realm.is_planted(*defect)).map(|(_, table)| Hitch::Torn(table))
}

/// What a connector makes of an outcome.
pub(crate) async fn told(bank: &Bank, outcome: Outcome, attempt: AttemptId, entry: Entry) -> Outcome {
    let (realm, Outcome::Unknown { .. }) = (bank.realm(), &outcome) else { return outcome };
    if realm.is_planted(Defect::AttemptIdRenewed) {
        let hash = sha256(&[attempt.uuid().as_bytes()]);
        let other = uuid::Uuid::from_bytes(std::array::from_fn(|at| hash[at]));
        return bank.request(AttemptId::from_uuid(other), entry).await;
    }
    if realm.is_planted(Defect::UnknownTakenForNotSent) {
        return Outcome::NotSent { reason: "no answer".into() };
    }
    if realm.is_planted(Defect::UnknownTakenForDeclined) {
        return Outcome::Failed { code: "ERROR".into() };
    }
    outcome
}
