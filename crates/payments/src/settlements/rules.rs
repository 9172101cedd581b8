//! How a line is judged.

use std::fmt::Write as _;

use kernel::{AccountId, Currency, SettlementId};
use ledger::{Cause, Owner};
use uuid::Uuid;

use super::types::{Difference, LineKind, SettledLine};
use crate::types::{AttemptKind, AttemptState, Connector};

/// In whose books settlements stand: an acquirer pays for many tenants at once.
pub(super) fn platform() -> AccountId {
    AccountId::from_uuid(Owner::PLATFORM.uuid())
}

/// The settlement that a file of this hash is.
pub(super) fn settlement_id(connector: Connector, hash: &[u8; 32]) -> SettlementId {
    let mut name = format!("settlement {} ", connector.name());
    for byte in hash {
        write!(name, "{byte:02x}").expect("a text takes everything");
    }
    SettlementId::of_name(&name)
}

/// What keeps a fee from counting twice.
pub(super) fn fee_id(connector: Connector, reference: &str) -> Uuid {
    kernel::id::uuid_of_name(&format!("fee {} {reference}", connector.name()))
}

/// What a settlement's posting in one currency is made for.
pub(super) fn cause(settlement: SettlementId, currency: Currency) -> Cause {
    let id = kernel::id::uuid_of_name(&format!("settlement {settlement} {}", currency.code()));
    Cause { account_id: platform(), id, subject: settlement.uuid(), request_id: None }
}

/// What we know of the attempt that a line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) kind: AttemptKind,
    pub(super) state: AttemptState,
    pub(super) currency: Currency,
    /// In minor units, as the attempt has it: never negative.
    pub(super) amount: i64,
    /// An earlier line settled it.
    pub(super) is_settled: bool,
}

/// Whether a line settles what it names. What would make all other questions idle is asked first.
pub(super) fn judge(line: &SettledLine, ours: Option<&Ours>) -> Result<(), Difference> {
    let ours = ours.ok_or(Difference::Unknown)?;
    if !line.kind.fits(ours.kind) {
        return Err(Difference::Kind);
    }
    if !is_approved(line.kind, ours.state) {
        return Err(Difference::NotApproved);
    }
    if ours.is_settled {
        return Err(Difference::Twice);
    }
    if line.currency != ours.currency {
        return Err(Difference::Currency);
    }
    if line.gross != line.kind.signed(ours.amount) {
        return Err(Difference::Amount);
    }
    Ok(())
}

/// Whether an attempt in this state has changed what the acquirer owes.
pub(super) fn is_approved(kind: LineKind, state: AttemptState) -> bool {
    match kind {
        LineKind::Charge | LineKind::Refund => state == AttemptState::Succeeded,
        LineKind::Chargeback => state == AttemptState::Lost,
        LineKind::Fee => false,
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    fn line(kind: LineKind, gross: i64) -> SettledLine {
        SettledLine {
            number: 2,
            kind,
            named: Some("a".into()),
            reference: None,
            currency: Currency::EUR,
            gross,
            cost: 0,
            settled_on: Timestamp::EPOCH,
        }
    }

    const PAID: Ours = Ours {
        kind: AttemptKind::Purchase,
        state: AttemptState::Succeeded,
        currency: Currency::EUR,
        amount: 1_000,
        is_settled: false,
    };

    #[test]
    fn each_difference_has_its_reason() {
        let charge = line(LineKind::Charge, 1_000);
        let refund = Ours { kind: AttemptKind::Refund, ..PAID };
        let lost = Ours { kind: AttemptKind::Chargeback, state: AttemptState::Lost, ..PAID };
        let open = Ours { state: AttemptState::Disputed, ..lost };
        let table = [
            (&charge, Some(PAID), Ok(())),
            (&charge, Some(Ours { kind: AttemptKind::Capture, ..PAID }), Ok(())),
            (&line(LineKind::Refund, -1_000), Some(refund), Ok(())),
            (&line(LineKind::Chargeback, -1_000), Some(lost), Ok(())),
            (&charge, None, Err(Difference::Unknown)),
            (&charge, Some(refund), Err(Difference::Kind)),
            (&charge, Some(Ours { kind: AttemptKind::Authorise, ..PAID }), Err(Difference::Kind)),
            (&charge, Some(Ours { state: AttemptState::Unknown, ..PAID }), Err(Difference::NotApproved)),
            (&line(LineKind::Chargeback, -1_000), Some(open), Err(Difference::NotApproved)),
            (&charge, Some(Ours { is_settled: true, amount: 7, ..PAID }), Err(Difference::Twice)),
            (&charge, Some(Ours { currency: Currency::USD, amount: 7, ..PAID }), Err(Difference::Currency)),
            (&charge, Some(Ours { amount: 999, ..PAID }), Err(Difference::Amount)),
            (&line(LineKind::Charge, -1_000), Some(PAID), Err(Difference::Amount)),
            (&line(LineKind::Refund, 1_000), Some(refund), Err(Difference::Amount)),
        ];
        for (line, ours, expected) in table {
            assert_eq!(judge(line, ours.as_ref()), expected, "{line:?} {ours:?}");
        }
    }

    #[test]
    fn every_kind_of_attempt_is_settled_by_one_kind_of_line_at_most() {
        for attempt in AttemptKind::ALL {
            assert!(LineKind::ALL.iter().filter(|kind| kind.fits(*attempt)).count() <= 1, "{attempt:?}");
        }
    }
}
