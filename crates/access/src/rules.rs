//! Pure decisions: what a permission allows, and how accounts are numbered.

db::codes! {
    /// What an access key may do. The names are those of the key API.
    pub enum Permission {
        /// Everything.
        FullAccess = 1,
        /// Take money, and nothing else: not even look.
        MoneyInOnly = 2,
        /// Look.
        ReadOnly = 3,
        /// Look and take money.
        ReadMoneyIn = 4,
        /// Everything but giving money away.
        ReadWriteNoMoneyOut = 5,
    }
}

/// What an operation needs. Each route declares one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Looking at something.
    Read,
    /// What brings money in: customers, sessions, payments, captures.
    MoneyIn,
    /// Changing something without moving money out: cancellations, settings.
    Write,
    /// What gives money away: refunds, payouts.
    MoneyOut,
    /// Making an access key with this permission.
    CreateKey(Permission),
}

impl Permission {
    /// The name in the key API and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Permission::FullAccess => "FullAccess",
            Permission::MoneyInOnly => "MoneyInOnly",
            Permission::ReadOnly => "ReadOnly",
            Permission::ReadMoneyIn => "ReadMoneyIn",
            Permission::ReadWriteNoMoneyOut => "ReadWriteNoMoneyOut",
        }
    }

    /// The permission with this name, exactly as written.
    pub fn parse(name: &str) -> Option<Permission> {
        Permission::ALL.iter().copied().find(|permission| permission.name() == name)
    }

    /// Whether a key with this permission may do that (payments family, section 3.2; key API, section 3.2).
    pub const fn allows(self, capability: Capability) -> bool {
        use Capability::{CreateKey, MoneyIn, MoneyOut, Read, Write};
        match (self, capability) {
            (Permission::FullAccess, Read | MoneyIn | Write | MoneyOut | CreateKey(_))
            | (Permission::ReadMoneyIn, Read | MoneyIn)
            | (Permission::MoneyInOnly, MoneyIn)
            | (Permission::ReadOnly, Read)
            | (Permission::ReadWriteNoMoneyOut, Read | MoneyIn | Write) => true,
            (Permission::ReadWriteNoMoneyOut, CreateKey(wanted)) => !matches!(wanted, Permission::FullAccess),
            (Permission::ReadMoneyIn, Write | MoneyOut | CreateKey(_))
            | (Permission::MoneyInOnly, Read | Write | MoneyOut | CreateKey(_))
            | (Permission::ReadOnly, MoneyIn | Write | MoneyOut | CreateKey(_))
            | (Permission::ReadWriteNoMoneyOut, MoneyOut) => false,
        }
    }
}

/// How many account numbers there are: 2^30 from [`ACCOUNT_NUMBER_MIN`] on, all of ten digits.
const ACCOUNT_NUMBERS: i64 = 1 << 30;
/// The smallest account number.
pub(crate) const ACCOUNT_NUMBER_MIN: i64 = 1_000_000_000;

/// The number of the `index`-th account, counted from 0.
///
/// Neighbours get numbers far apart, so that a number does not tell how many accounts there are; multiplying by an odd
/// constant modulo a power of two gives each number once. After 2^30 accounts the numbers go on in order.
pub(crate) fn account_number(index: i64) -> i64 {
    const ODD: i64 = 964_530_061;
    const FIRST: i64 = 522_133_279;
    if index >= ACCOUNT_NUMBERS {
        return ACCOUNT_NUMBER_MIN + index;
    }
    ACCOUNT_NUMBER_MIN + (index * ODD + FIRST).rem_euclid(ACCOUNT_NUMBERS)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_matrix_of_the_specification() {
        use Permission::{FullAccess, MoneyInOnly, ReadMoneyIn, ReadOnly, ReadWriteNoMoneyOut};
        // Rows: read, money in, write, money out; columns in the order of `permissions`.
        let permissions = [FullAccess, ReadWriteNoMoneyOut, ReadMoneyIn, MoneyInOnly, ReadOnly];
        let matrix = [
            (Capability::Read, [true, true, true, false, true]),
            (Capability::MoneyIn, [true, true, true, true, false]),
            (Capability::Write, [true, true, false, false, false]),
            (Capability::MoneyOut, [true, false, false, false, false]),
            (Capability::CreateKey(FullAccess), [true, false, false, false, false]),
            (Capability::CreateKey(ReadOnly), [true, true, false, false, false]),
        ];
        for (capability, expected) in matrix {
            assert_eq!(permissions.map(|permission| permission.allows(capability)), expected, "{capability:?}");
        }
    }

    #[test]
    fn nobody_makes_a_key_that_may_more_than_its_maker() {
        for maker in Permission::ALL {
            for made in Permission::ALL.iter().filter(|made| maker.allows(Capability::CreateKey(**made))) {
                for capability in [Capability::Read, Capability::MoneyIn, Capability::Write, Capability::MoneyOut] {
                    assert!(maker.allows(capability) || !made.allows(capability), "{maker:?} makes {made:?}");
                }
            }
        }
    }

    #[test]
    fn names_go_both_ways() {
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.name()), Some(*permission));
        }
        assert_eq!(Permission::parse("fullaccess"), None);
    }

    #[test]
    fn account_numbers_are_unique_and_do_not_count() {
        let numbers: Vec<i64> = (0..50_000).map(account_number).collect();
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
        assert!(numbers.iter().all(|number| (ACCOUNT_NUMBER_MIN..ACCOUNT_NUMBER_MIN + ACCOUNT_NUMBERS).contains(number)));
        assert!(numbers.windows(2).all(|pair| (pair[0] - pair[1]).abs() > 1_000_000));
        assert_eq!(account_number(ACCOUNT_NUMBERS), ACCOUNT_NUMBER_MIN + ACCOUNT_NUMBERS);
    }
}
