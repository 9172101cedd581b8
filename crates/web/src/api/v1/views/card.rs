//! A card as it may be shown.

use std::borrow::Cow;

use payments::{CardType, MaskedCard};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// What may be shown of a card.
#[derive(Serialize, ToSchema)]
#[schema(as = MaskedCard)]
pub(super) struct CardView<'a> {
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
    issuer_name: Option<&'a str>,
    issuer_code: Option<&'a str>,
    country_code: Option<&'a str>,
    category: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    /// The same for the same card within the account.
    fingerprint: Option<String>,
    expiration_month: u8,
    expiration_year: u16,
    three_d_secure: ThreeDSecureView<'a>,
}

/// How the payer was authenticated elsewhere.
#[derive(Serialize, Deserialize, Default, ToSchema)]
#[schema(as = ThreeDSecureReply)]
pub(super) struct ThreeDSecureView<'a> {
    #[serde(borrow, default)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    electronic_commerce_indicator: Option<Cow<'a, str>>,
    /// Never shown.
    #[serde(borrow, default, deserialize_with = "nothing")]
    cryptogram: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    transaction_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    directory_server_transaction_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pares_status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    acs_id: Option<Cow<'a, str>>,
}

fn nothing<'de, 'a, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    serde::de::IgnoredAny::deserialize(value).map(|_| None)
}

impl<'a> CardView<'a> {
    /// Out of what is stored.
    pub(super) fn of(card: &MaskedCard<'a>, three_d_secure: Option<&'a RawValue>) -> CardView<'a> {
        CardView {
            holder_name: card.holder_name,
            iin: card.iin,
            lfd: card.last4,
            number_length: card.number_length,
            security_code_length: card.security_code_length,
            brand: card.brand,
            issuer_name: None,
            issuer_code: None,
            country_code: None,
            category: None,
            kind: card.card_type.map(CardType::wire),
            fingerprint: None,
            expiration_month: card.expiry_month,
            expiration_year: card.expiry_year,
            three_d_secure: three_d_secure.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default(),
        }
    }
}
