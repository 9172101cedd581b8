//! A one-time token as it is shown, once.

use kernel::{CustomerSessionId, TokenId};
use payments::{CardFace, TokenFacts};
use serde_json::value::RawValue;

use super::card::{CardView, ThreeDSecure};
use crate::api::v1::details::{TokenDetails, unpacked};
use crate::view::{Nothing, Word, drawn, view};

view! {
    /// A one-time token for a card.
    pub(in crate::api::v1) struct TokenView<'a> as "Token" {
        /// Good for one payment within 15 minutes.
        token: TokenId,
        vaulted_token: Nothing,
        vault_on_success: bool,
        kind as "type": Word,
        card_data: Option<CardView<'a>>,
        customer: Option<&'a RawValue>,
        installment: Nothing,
        country: Option<&'a str>,
        customer_session: Option<CustomerSessionId>,
    }
}

impl TokenView<'_> {
    /// Drawn.
    pub(super) fn drawn(facts: &TokenFacts<'_>) -> Vec<u8> {
        let details: TokenDetails<'_> = unpacked(facts.details);
        let nothing = ThreeDSecure::default();
        let card = CardFace::parts(&facts.token.card);
        drawn(&TokenView {
            token: facts.token.id,
            vaulted_token: Nothing,
            vault_on_success: facts.token.vault_on_success,
            kind: Word("CARD"),
            card_data: card.map(|card| CardView::of(&card, &nothing)),
            customer: details.customer.as_deref(),
            installment: Nothing,
            country: details.country.as_deref(),
            customer_session: facts.token.customer_session,
        })
    }
}
