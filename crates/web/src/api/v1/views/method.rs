//! Stored payment methods as they are shown.

use std::borrow::Cow;
use std::sync::Arc;

use kernel::{AccountId, CheckoutSessionId, Country, CustomerSessionId, PaymentId, PaymentMethodId, Timestamp};
use payments::methods::{MethodStatus, PaymentMethodRow, Stored};
use payments::{CardFace, CheckoutSessionRow, MaskedCard, MethodFacts};
use uuid::Uuid;

use super::card::{CardView, ThreeDSecure};
use crate::api::v1::details::{PaymentDetails, packed};
use crate::view::{Nothing, Word, drawn, view};

view! {
    /// A stored payment method.
    pub(in crate::api::v1) struct StoredMethodView<'a> as "StoredPaymentMethod" {
        id: PaymentMethodId,
        idempotency_key: Option<&'a str>,
        account_id: AccountId,
        /// Brand and last digits.
        name: String,
        description: Word,
        icon: Nothing,
        kind as "type": Word,
        category: Word,
        country: Country,
        /// `READY_TO_ENROLL`, `ENROLL_IN_PROCESS`, ENROLLED, DECLINED, EXPIRED, UNENROLLED or ERROR.
        status: Word,
        sub_status: Nothing,
        /// What it is charged by, once it is enrolled.
        vaulted_token: Option<Uuid>,
        callback_url: Option<&'a str>,
        /// `REDIRECT_URL` while the payer has to prove that the card is his.
        action: Option<Word>,
        /// Where he does.
        redirect_url: Option<&'a str>,
        enrollment: EnrollmentView,
        provider: ProviderOfMethod,
        card_data: Option<CardView<'a>>,
        verify: VerifyView,
        /// Whether its customer paid with it last.
        last_successfully_used: bool,
        last_successfully_used_at: Option<Timestamp>,
        preferred: bool,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

view! {
    /// How the card comes.
    struct EnrollmentView as "Enrollment" {
        session: Option<CustomerSessionId>,
        sdk_required_action: bool,
    }
}

view! {
    /// Who keeps the card.
    struct ProviderOfMethod as "ProviderOfMethod" {
        id: Word,
        kind as "type": Word,
        provider_status: Nothing,
    }
}

view! {
    /// Whether the card is checked before it is stored.
    struct VerifyView as "MethodVerification" {
        vault_on_success: bool,
        payment: Option<VerifyPaymentView>,
    }
}

view! {
    /// The payment that checked the card.
    struct VerifyPaymentView as "VerificationPayment" {
        id: PaymentId,
    }
}

impl<'a> StoredMethodView<'a> {
    /// Drawn.
    pub(super) fn drawn(facts: &MethodFacts<'_>) -> Vec<u8> {
        drawn(&StoredMethodView::of(facts, &ThreeDSecure::default()))
    }

    fn of(facts: &MethodFacts<'a>, nothing: &'a ThreeDSecure<'a>) -> StoredMethodView<'a> {
        let method = facts.method;
        let status = method.status_at(facts.now);
        let card = method.card.as_ref().and_then(CardFace::parts);
        StoredMethodView {
            id: method.id,
            idempotency_key: method.idempotency_key.as_deref(),
            account_id: method.account_id,
            name: name(card.as_ref()),
            description: Word("Card"),
            icon: Nothing,
            kind: Word("CARD"),
            category: Word("CARD"),
            country: method.country,
            status: Word(status.wire()),
            sub_status: Nothing,
            vaulted_token: (status == MethodStatus::Enrolled).then_some(method.vaulted_token),
            callback_url: method.callback_url.as_deref(),
            action: facts.page.map(|_| Word("REDIRECT_URL")),
            redirect_url: facts.page,
            enrollment: EnrollmentView {
                session: method.customer_session,
                sdk_required_action: status == MethodStatus::ReadyToEnroll || facts.page.is_some(),
            },
            provider: ProviderOfMethod { id: Word("GUICHET"), kind: Word("GUICHET"), provider_status: Nothing },
            card_data: card.map(|card| CardView::of(&card, nothing)),
            verify: VerifyView {
                vault_on_success: method.verify,
                payment: method.payment_id.filter(|_| method.verify).map(|id| VerifyPaymentView { id }),
            },
            last_successfully_used: facts.last,
            last_successfully_used_at: method.last_used_at,
            preferred: false,
            created_at: method.created_at,
            updated_at: method.updated_at,
        }
    }
}

/// What the payment that checks a card keeps: where its payer goes when he has proven himself.
pub(super) fn check(method: &PaymentMethodRow) -> Option<Arc<[u8]>> {
    packed(&PaymentDetails { callback_url: method.callback_url.as_deref().map(Cow::Borrowed), ..PaymentDetails::default() })
}

/// `VISA ****1111`
fn name(card: Option<&MaskedCard<'_>>) -> String {
    card.map_or_else(|| "Card".to_owned(), |card| format!("{} ****{}", card.brand, card.last4))
}

view! {
    /// The stored payment methods of a customer.
    pub(in crate::api::v1) struct StoredMethodsView<'a> as "StoredPaymentMethods" {
        /// Newest first, without those that were taken off.
        payment_methods: Vec<StoredMethodView<'a>>,
    }
}

impl StoredMethodsView<'_> {
    /// Drawn.
    pub(super) fn drawn(found: &[Stored]) -> Vec<u8> {
        let nothing = ThreeDSecure::default();
        let payment_methods = found.iter().map(|stored| StoredMethodView::of(&stored.facts(), &nothing)).collect();
        drawn(&StoredMethodsView { payment_methods })
    }
}

view! {
    /// Something that can be paid with in a checkout session.
    pub(in crate::api::v1) struct CheckoutMethodView<'a> as "CheckoutPaymentMethod" {
        name: String,
        kind as "type": Word,
        category: Word,
        /// Null for a card that has still to be typed in.
        vaulted_token: Option<Uuid>,
        checkout: CheckoutOfMethod,
        card_data: Option<CardView<'a>>,
        last_successfully_used: bool,
        last_successfully_used_at: Option<Timestamp>,
        preferred: bool,
    }
}

view! {
    /// How it is paid with.
    struct CheckoutOfMethod as "CheckoutOfMethod" {
        session: CheckoutSessionId,
        sdk_required_action: bool,
        conditions: ConditionsOfMethod,
    }
}

view! {
    /// When it is offered.
    struct ConditionsOfMethod as "ConditionsOfMethod" {
        enabled: bool,
        rules: Nothing,
    }
}

impl CheckoutMethodView<'_> {
    /// Drawn, as a list.
    pub(super) fn drawn(session: &CheckoutSessionRow, stored: &[Stored]) -> Vec<u8> {
        let nothing = ThreeDSecure::default();
        let checkout = |sdk_required_action| CheckoutOfMethod {
            session: session.id,
            sdk_required_action,
            conditions: ConditionsOfMethod { enabled: true, rules: Nothing },
        };
        let typed_in = CheckoutMethodView {
            name: "Card".to_owned(),
            kind: Word("CARD"),
            category: Word("CARD"),
            vaulted_token: None,
            checkout: checkout(true),
            card_data: None,
            last_successfully_used: false,
            last_successfully_used_at: None,
            preferred: false,
        };
        let kept = stored.iter().filter(|stored| stored.method.status == MethodStatus::Enrolled).map(|stored| {
            let card = stored.method.card.as_ref().and_then(CardFace::parts);
            CheckoutMethodView {
                name: name(card.as_ref()),
                kind: Word("CARD"),
                category: Word("CARD"),
                vaulted_token: Some(stored.method.vaulted_token),
                checkout: checkout(false),
                card_data: card.map(|card| CardView::of(&card, &nothing)),
                last_successfully_used: stored.last,
                last_successfully_used_at: stored.method.last_used_at,
                preferred: false,
            }
        });
        drawn(&std::iter::once(typed_in).chain(kept).collect::<Vec<_>>())
    }
}
