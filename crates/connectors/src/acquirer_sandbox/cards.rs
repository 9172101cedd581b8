//! The published test cards and what they stand for.

use std::borrow::Cow;

use kernel::{Approval, CardNumber, Decline, Outcome};
use payments::{Connector, Proof};
use uuid::Uuid;

db::codes! {
    /// What the sandbox acquirer makes of a request.
    pub enum Verdict {
        /// Done.
        Succeeded = 0,
        /// No money on the card.
        InsufficientFunds = 1,
        /// No reason given.
        DeclinedByBank = 2,
        /// Likewise, in the words of ISO 8583.
        DoNotHonor = 3,
        /// The code on the back is wrong.
        InvalidSecurityCode = 4,
        /// Something else on the card is wrong.
        InvalidCardData = 5,
        /// Not the owner's hands.
        ReportedStolen = 6,
        /// The acquirer itself failed.
        Error = 7,
        /// The payer did not prove to be the owner.
        NotAuthenticated = 8,
        /// It was told to refuse this attempt before it came.
        Fenced = 9,
        /// More than is held or was taken, or of a charge it does not know.
        OutOfBounds = 10,
        /// The payer must prove that the card is his.
        ChallengeRequired = 11,
    }
}

/// Last three digits of a test card and what it stands for.
const CARDS: [(&str, Verdict); 8] = [
    ("002", Verdict::Succeeded),
    ("010", Verdict::InsufficientFunds),
    ("028", Verdict::DeclinedByBank),
    ("036", Verdict::DoNotHonor),
    ("044", Verdict::InvalidSecurityCode),
    ("051", Verdict::InvalidCardData),
    ("069", Verdict::ReportedStolen),
    ("077", Verdict::Error),
];

/// A card whose owner cannot be authenticated.
const NOT_AUTHENTICATED: &str = "4716429323842524";
/// Cards whose owner must type a code on a page.
const CHALLENGED: [&str; 3] = ["4916994064252017", "5306889942833340", "372021106351394"];
/// Cards whose owner is authenticated without being asked.
const AUTHENTICATED: [&str; 2] = ["4929251897047956", "5512459816707531"];

impl Verdict {
    /// What a charge of this card comes to.
    pub fn of_card(number: &CardNumber, description: &str, connector: Connector) -> Self {
        let digits = number.expose();
        if digits == NOT_AUTHENTICATED {
            return Self::NotAuthenticated;
        }
        if CHALLENGED.contains(&digits) {
            return Self::ChallengeRequired;
        }
        if AUTHENTICATED.contains(&digits) {
            return Self::Succeeded;
        }
        Self::of_ending(digits, description, connector)
    }

    /// What a payout to this bank account comes to: its last digits decide as a card's do.
    pub fn of_bank_account(number: Option<&str>, description: &str, connector: Connector) -> Self {
        Self::of_ending(number.unwrap_or_default(), description, connector)
    }

    fn of_ending(digits: &str, description: &str, connector: Connector) -> Self {
        let listed = CARDS.iter().find(|(ending, _)| digits.ends_with(ending)).map(|(_, verdict)| *verdict);
        let verdict = listed.or_else(|| Self::of_description(description)).unwrap_or(Self::Succeeded);
        match (verdict, connector) {
            (Self::DoNotHonor, Connector::SandboxB) => Self::Succeeded,
            _ => verdict,
        }
    }

    /// What a charge comes to once its payer is authenticated, if he must be: approved, unless the description chooses otherwise.
    pub(crate) fn after_challenge(self, description: &str) -> Option<Self> {
        (self == Self::ChallengeRequired).then(|| Self::of_description(description).unwrap_or(Self::Succeeded))
    }

    /// What a charge of this card came to after its payer was authenticated without being asked.
    pub(crate) fn after_silent_authentication(number: &CardNumber) -> Option<Self> {
        AUTHENTICATED.contains(&number.expose()).then_some(Self::Succeeded)
    }

    /// What the code means that a payer typed.
    pub(crate) fn proof(code: &str) -> Proof {
        match code {
            "1234" => Proof::Authenticated,
            "4444" => Proof::Attempted,
            "1111" | "2222" | "3333" => Proof::Refused,
            _ => Proof::Wrong,
        }
    }

    /// The outcome that a description chooses: only those of test cards.
    fn of_description(description: &str) -> Option<Self> {
        CARDS.iter().map(|(_, verdict)| *verdict).find(|verdict| verdict.response_code() == description)
    }

    /// Whether it did what was asked.
    pub const fn approved(self) -> bool {
        matches!(self, Self::Succeeded)
    }

    /// The response code.
    pub const fn response_code(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::InsufficientFunds => "INSUFFICIENT_FUNDS",
            Self::DeclinedByBank => "DECLINED_BY_BANK",
            Self::DoNotHonor => "DO_NOT_HONOR",
            Self::InvalidSecurityCode => "INVALID_SECURITY_CODE",
            Self::InvalidCardData => "INVALID_CARD_DATA",
            Self::ReportedStolen => "REPORTED_STOLEN",
            Self::Error => "ERROR",
            Self::NotAuthenticated => "AUTHENTICATION_FAILED_THREE_D_SECURE",
            Self::Fenced => "CANCELED_BY_MERCHANT",
            Self::OutOfBounds => "INVALID_AMOUNT",
            Self::ChallengeRequired => "CHALLENGE_REQUIRED",
        }
    }

    /// ISO 8583 field 39.
    const fn iso(self) -> Option<&'static str> {
        match self {
            Self::Succeeded => Some("00"),
            Self::InsufficientFunds => Some("51"),
            Self::DoNotHonor => Some("05"),
            Self::InvalidSecurityCode => Some("82"),
            Self::InvalidCardData => Some("56"),
            Self::ReportedStolen => Some("43"),
            Self::OutOfBounds => Some("13"),
            Self::DeclinedByBank | Self::Error | Self::NotAuthenticated | Self::Fenced | Self::ChallengeRequired => None,
        }
    }

    /// Whether trying again is pointless.
    const fn hard(self) -> bool {
        match self {
            Self::InvalidSecurityCode | Self::InvalidCardData | Self::ReportedStolen | Self::Fenced | Self::OutOfBounds => true,
            Self::Succeeded
            | Self::InsufficientFunds
            | Self::DeclinedByBank
            | Self::DoNotHonor
            | Self::Error
            | Self::NotAuthenticated
            | Self::ChallengeRequired => false,
        }
    }

    /// What the platform is told; `id` is the acquirer's name for the request, `three_d` says that its payer was authenticated.
    pub(crate) fn outcome(self, id: Uuid, three_d: bool) -> Outcome {
        let code = Cow::Borrowed(self.response_code());
        let (iso, reference) = (self.iso().map(Cow::Borrowed), Cow::Owned(id.to_string()));
        match self {
            Self::Succeeded => {
                let (authorization_code, eci) = (Some(authorization_code(id).into()), three_d.then_some(Cow::Borrowed("05")));
                Outcome::Approved(Approval { reference, code, iso, authorization_code, eci })
            }
            Self::Error => Outcome::Failed { code },
            Self::ChallengeRequired => Outcome::ActionRequired { reference },
            _ => Outcome::Declined(Decline { reference: Some(reference), code, hard: self.hard(), iso }),
        }
    }
}

/// Six digits, the same for the same request.
fn authorization_code(id: Uuid) -> String {
    format!("{:06}", id.as_u128() % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(number: &str, description: &str, connector: Connector) -> Verdict {
        Verdict::of_card(&CardNumber::parse(number).unwrap(), description, connector)
    }

    #[test]
    fn every_brand_has_every_test_card() {
        for prefix in ["4507990000000", "5252440000000", "370000000000"] {
            for (ending, expected) in CARDS {
                assert_eq!(verdict(&format!("{prefix}{ending}"), "a coffee", Connector::Sandbox), expected, "{prefix}{ending}");
            }
        }
    }

    #[test]
    fn a_card_that_is_not_listed_follows_the_description() {
        assert_eq!(verdict("4111111111111111", "a coffee", Connector::Sandbox), Verdict::Succeeded);
        assert_eq!(verdict("4111111111111111", "REPORTED_STOLEN", Connector::Sandbox), Verdict::ReportedStolen);
        assert_eq!(verdict("4507990000000010", "REPORTED_STOLEN", Connector::Sandbox), Verdict::InsufficientFunds);
        assert_eq!(verdict("4111111111111111", "CANCELED_BY_MERCHANT", Connector::Sandbox), Verdict::Succeeded);
    }

    #[test]
    fn the_second_name_honours_one_card_more() {
        assert_eq!(verdict("4507990000000036", "", Connector::Sandbox), Verdict::DoNotHonor);
        assert_eq!(verdict("4507990000000036", "", Connector::SandboxB), Verdict::Succeeded);
    }

    #[test]
    fn owners_who_cannot_be_authenticated_are_refused() {
        assert_eq!(verdict(NOT_AUTHENTICATED, "", Connector::Sandbox), Verdict::NotAuthenticated);
        for number in CHALLENGED {
            let asked = verdict(number, "DO_NOT_HONOR", Connector::Sandbox);
            assert_eq!(asked, Verdict::ChallengeRequired);
            assert_eq!(asked.after_challenge("DO_NOT_HONOR"), Some(Verdict::DoNotHonor));
            assert_eq!(asked.after_challenge("a coffee"), Some(Verdict::Succeeded));
        }
        for number in AUTHENTICATED {
            assert_eq!(verdict(number, "", Connector::Sandbox), Verdict::Succeeded);
        }
    }
}
