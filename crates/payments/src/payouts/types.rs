//! What is asked for, and the number of a bank account.

use std::fmt;
use std::sync::Arc;

use kernel::{Country, Money, SecretText};

/// Characters of a bank account's number that may be shown.
const SHOWN_CHARS: usize = 4;

/// The number of a bank account. It is told to the acquirer and kept nowhere; what is shown of it is [`BankAccountNumber::masked`].
pub struct BankAccountNumber(SecretText);

impl BankAccountNumber {
    /// This number.
    pub fn new(text: &str) -> Self {
        Self(SecretText::new(text.to_owned()))
    }

    /// The number itself, for the acquirer.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Four stars and the last four characters, fewer of a number that is hardly longer.
    pub fn masked(&self) -> String {
        let number = self.0.expose();
        let chars = number.chars().count();
        let shown = SHOWN_CHARS.min(chars.saturating_sub(1));
        format!("****{}", number.chars().skip(chars - shown).collect::<String>())
    }
}

impl fmt::Debug for BankAccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Money to be sent.
#[derive(Debug)]
pub struct CreatePayout {
    /// The merchant's name for it, unique within the account.
    pub merchant_reference: Arc<str>,
    /// Where it is asked for.
    pub country: Country,
    /// How much arrives.
    pub amount: Money,
    /// In the merchant's words; empty when there are none.
    pub description: Arc<str>,
    /// Where it goes, where the withdrawal method names an account.
    pub bank_account: Option<BankAccountNumber>,
    /// Everything that is only echoed, as a JSON object, the account's number masked.
    pub details: Option<Arc<[u8]>>,
    /// The request's id.
    pub request_id: Arc<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_shows_its_end_and_never_all_of_it() {
        for (number, masked) in [
            ("FR7630006000011234567890189", "****0189"),
            ("12345", "****2345"),
            ("1234", "****234"),
            ("123", "****23"),
            ("", "****"),
            ("ééééé", "****éééé"),
        ] {
            let number = BankAccountNumber::new(number);
            assert_eq!(number.masked(), masked);
            assert_eq!(format!("{number:?}"), masked);
        }
    }
}
