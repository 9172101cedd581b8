//! Amounts as Stripe counts them: minor units, but for three currencies whose minor unit it sees differently.
//! Source: docs.stripe.com/currencies, "Minor units", "Special cases".

use kernel::Money;

/// Without decimals in ISO 4217, but counted in hundredths by Stripe.
const IN_HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];
/// With two decimals in ISO 4217, but counted in whole units by Stripe.
const IN_WHOLE: &str = "MGA";

/// The amount to send; `None` for one that Stripe cannot express.
pub(super) fn sent(amount: Money) -> Option<i64> {
    let (code, minor) = (amount.currency().code(), amount.minor());
    if IN_HUNDREDTHS.contains(&code) {
        minor.checked_mul(100)
    } else if code == IN_WHOLE {
        (minor % 100 == 0).then_some(minor / 100)
    } else {
        Some(minor)
    }
}

/// Our minor units of an amount Stripe names; `None` for one that we cannot express.
pub(super) fn received(minor: i64, code: &str) -> Option<Money> {
    let currency = kernel::Currency::parse(&code.to_ascii_uppercase())?;
    let code = currency.code();
    if IN_HUNDREDTHS.contains(&code) {
        (minor % 100 == 0).then(|| Money::new(minor / 100, currency))
    } else if code == IN_WHOLE {
        minor.checked_mul(100).map(|minor| Money::new(minor, currency))
    } else {
        Some(Money::new(minor, currency))
    }
}

#[cfg(test)]
mod tests {
    use kernel::Currency;

    use super::*;

    #[test]
    fn amounts_survive_the_way_there_and_back() {
        for (code, ours, theirs) in
            [("EUR", 1_999, 1_999), ("JPY", 500, 500), ("KWD", 1_230, 1_230), ("ISK", 500, 50_000), ("MGA", 500, 5)]
        {
            let money = Money::new(ours, Currency::parse(code).expect("a currency"));
            assert_eq!(sent(money), Some(theirs), "{code}");
            assert_eq!(received(theirs, &code.to_ascii_lowercase()), Some(money), "{code}");
        }
        assert_eq!(sent(Money::new(501, Currency::parse("MGA").expect("a currency"))), None);
        assert_eq!(received(1, "isk"), None);
        assert_eq!(received(1, "zzz"), None);
    }
}
