//! A charge's split in its stored form: who is credited, and with how much of the whole charge.

use std::sync::Arc;

use db::{Column, Kind, Value};
use kernel::{Money, split};
use ledger::{AccountKind, Owner, Part, Party, Split};
use uuid::Uuid;

/// Bytes of one part: owner, kind, minor units.
const PART_BYTES: usize = 16 + 1 + 8;

/// A [`Split`] as it is stored with the payment; captures book along it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitPlan(Arc<[u8]>);

impl SplitPlan {
    /// The stored form of `split`.
    pub fn of(split: &Split) -> Self {
        let mut bytes = Vec::with_capacity(split.parts().len() * PART_BYTES);
        for part in split.parts() {
            bytes.extend_from_slice(part.party.owner.uuid().as_bytes());
            bytes.push(u8::try_from(part.party.kind.code()).expect("codes of account kinds are small"));
            bytes.extend_from_slice(&part.minor.to_be_bytes());
        }
        Self(bytes.into())
    }

    fn parts(&self) -> Option<Vec<Part>> {
        self.0.chunks(PART_BYTES).map(part).collect()
    }

    /// Who is credited when `amount` is captured: in proportion to the parts, and exactly the parts when it is the whole charge.
    pub fn share(&self, amount: Money) -> Split {
        let mut parts = self.parts().expect("a stored plan was decoded when it was read");
        let weights: Vec<u64> = parts.iter().map(|part| part.minor.unsigned_abs()).collect();
        let shares = split(amount, &weights).expect("a split has a few parts and a positive sum");
        for (part, share) in parts.iter_mut().zip(shares) {
            part.minor = share.minor();
        }
        Split::new(amount, parts).expect("shares add up to the amount, on the accounts of the original split")
    }
}

fn part(bytes: &[u8]) -> Option<Part> {
    let (owner, rest) = bytes.split_first_chunk::<16>()?;
    let (kind, minor) = rest.split_first()?;
    let kind = AccountKind::from_code(i64::from(*kind)).filter(|kind| Split::KINDS.contains(kind))?;
    let minor = i64::from_be_bytes(minor.try_into().ok()?);
    (minor >= 0).then(|| Part { party: Party::new(Owner::from_uuid(Uuid::from_bytes(*owner)), kind), minor })
}

impl Column for SplitPlan {
    const KIND: Kind = Kind::Bytes;
    fn to_value(&self) -> Value {
        Value::Bytes(self.0.clone())
    }
    fn from_value(value: Value) -> Option<Self> {
        let plan = Self(Arc::from_value(value)?);
        let parts = plan.parts()?;
        (!parts.is_empty() && parts.iter().any(|part| part.minor > 0)).then_some(plan)
    }
}

#[cfg(test)]
mod tests {
    use kernel::{AccountId, Currency};
    use proptest::prelude::*;

    use super::*;

    fn party(byte: u8, kind: AccountKind) -> Party {
        Party::new(AccountId::from_bytes([byte; 16]), kind)
    }

    fn whole(parts: &[i64]) -> Split {
        let kinds = [AccountKind::Available, AccountKind::Fees, AccountKind::AppFees];
        let parts: Vec<Part> = parts
            .iter()
            .zip(1..)
            .zip(kinds)
            .map(|((minor, byte), kind)| Part { party: party(byte, kind), minor: *minor })
            .collect();
        let total = parts.iter().map(|part| part.minor).sum();
        Split::new(Money::new(total, Currency::EUR), parts).unwrap()
    }

    proptest! {
        #[test]
        fn the_whole_charge_is_shared_as_it_was_split(parts in prop::collection::vec(0_i64..1_000_000, 1..=3)) {
            prop_assume!(parts.iter().sum::<i64>() > 0);
            let split = whole(&parts);
            let plan = SplitPlan::from_value(SplitPlan::of(&split).to_value()).unwrap();
            prop_assert_eq!(plan.share(split.total()), split);
        }

        #[test]
        fn every_share_adds_up(parts in prop::collection::vec(0_i64..1_000_000, 1..=3), percent in 1_i64..=100) {
            let split = whole(&parts);
            let amount = Money::new(split.total().minor() * percent / 100, Currency::EUR);
            prop_assume!(amount.is_positive());
            prop_assert_eq!(SplitPlan::of(&split).share(amount).total(), amount);
        }
    }

    #[test]
    fn damaged_bytes_are_noticed() {
        let Value::Bytes(good) = SplitPlan::of(&whole(&[900, 100])).to_value() else { panic!("a plan is bytes") };
        for damaged in [&good[..good.len() - 1], &[][..], &[&good[..16], &[99], &good[17..]].concat()[..]] {
            assert_eq!(SplitPlan::from_value(Value::Bytes(damaged.into())), None);
        }
    }
}
