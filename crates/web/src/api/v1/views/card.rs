//! A card as it may be shown.

use std::borrow::Cow;

use payments::{CardType, MaskedCard};
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
    /// How the payer was authenticated elsewhere.
    pub(super) struct ThreeDSecureView<'a> as "ThreeDSecureReply" {
        version: Option<&'a str>,
        electronic_commerce_indicator: Option<&'a str>,
        /// Never shown.
        cryptogram: Nothing,
        transaction_id: Option<&'a str>,
        directory_server_transaction_id: Option<&'a str>,
        pares_status: Nothing,
        acs_id: Nothing,
    }
}

/// The same as it was sent and kept.
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
}

impl<'a> ThreeDSecure<'a> {
    /// Out of what is kept.
    pub(super) fn of(kept: Option<&'a RawValue>) -> ThreeDSecure<'a> {
        kept.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
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
                pares_status: Nothing,
                acs_id: Nothing,
            },
        }
    }
}
