//! A card as it may be shown.

use std::borrow::Cow;

use payments::{Authentication, CardType, MaskedCard};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::view::{Nothing, Word, view};

view! {
    /// What may be shown of a card.
    pub(super) struct CardView<'a> as "MaskedCard" {
        holder_name: &'a str,
        /// The first eight digits; six when the number has fewer than sixteen.
        iin: &'a str,
        /// The last four digits.
        lfd: &'a str,
        number_length: u8,
        /// 0 when none was sent.
        security_code_length: u8,
        /// VISA, MASTERCARD, AMEX, DINERS, DISCOVER, JCB or UNKNOWN.
        brand: &'a str,
        issuer_name: Nothing,
        issuer_code: Nothing,
        country_code: Nothing,
        category: Nothing,
        /// CREDIT or DEBIT, when it was said.
        kind as "type": Option<Word>,
        /// The same for the same card within the account.
        fingerprint: Option<Uuid>,
        expiration_month: u8,
        expiration_year: u16,
        three_d_secure: ThreeDSecureView<'a>,
    }
}

view! {
    /// How the payer was authenticated: by us, or elsewhere.
    pub(super) struct ThreeDSecureView<'a> as "ThreeDSecureReply" {
        version: Option<&'a str>,
        electronic_commerce_indicator: Option<&'a str>,
        /// Never shown.
        cryptogram: Nothing,
        transaction_id: Option<&'a str>,
        directory_server_transaction_id: Option<&'a str>,
        /// Y authenticated, A attempted, N not authenticated.
        pares_status: Option<&'a str>,
        acs_id: Option<&'a str>,
    }
}

/// Version of the protocol that our own run follows.
const VERSION: &str = "2.2.0";
/// Who plays the payer's bank there.
const ACS: &str = "GUICHET_TEST_ACS";

/// The same as it was sent and kept, or as our own run came out.
#[derive(Deserialize, Default)]
pub(super) struct ThreeDSecure<'a> {
    #[serde(borrow, default)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    electronic_commerce_indicator: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    transaction_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    directory_server_transaction_id: Option<Cow<'a, str>>,
    #[serde(skip)]
    pares_status: Option<&'static str>,
    #[serde(skip)]
    acs_id: Option<&'static str>,
}

impl<'a> ThreeDSecure<'a> {
    /// Out of what is kept.
    pub(super) fn of(kept: Option<&'a RawValue>) -> ThreeDSecure<'a> {
        kept.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// As our own run came out.
    pub(super) fn ours(run: &Authentication<'a>) -> ThreeDSecure<'a> {
        ThreeDSecure {
            version: Some(Cow::Borrowed(VERSION)),
            electronic_commerce_indicator: Some(Cow::Borrowed(run.eci)),
            transaction_id: Some(Cow::Owned(run.transaction_id.to_string())),
            directory_server_transaction_id: Some(Cow::Owned(run.directory_server_transaction_id.to_string())),
            pares_status: Some(match run.eci {
                "05" => "Y",
                "06" => "A",
                _ => "N",
            }),
            acs_id: Some(ACS),
        }
    }
}

impl<'a> CardView<'a> {
    /// Out of what is stored.
    pub(super) fn of(card: &MaskedCard<'a>, three_d_secure: &'a ThreeDSecure<'_>) -> CardView<'a> {
        CardView {
            holder_name: card.holder_name,
            iin: card.iin,
            lfd: card.last4,
            number_length: card.number_length,
            security_code_length: card.security_code_length,
            brand: card.brand,
            issuer_name: Nothing,
            issuer_code: Nothing,
            country_code: Nothing,
            category: Nothing,
            kind: card.card_type.map(CardType::wire).map(Word),
            fingerprint: card.fingerprint,
            expiration_month: card.expiry_month,
            expiration_year: card.expiry_year,
            three_d_secure: ThreeDSecureView {
                version: three_d_secure.version.as_deref(),
                electronic_commerce_indicator: three_d_secure.electronic_commerce_indicator.as_deref(),
                cryptogram: Nothing,
                transaction_id: three_d_secure.transaction_id.as_deref(),
                directory_server_transaction_id: three_d_secure.directory_server_transaction_id.as_deref(),
                pares_status: three_d_secure.pares_status,
                acs_id: three_d_secure.acs_id,
            },
        }
    }
}
