//! The forms Stripe is sent.

use kernel::{AttemptId, Money, SecurityCode};
use payments::{AttemptKind, AttemptRef, CardAsk, ChargeAsk};

use super::objects::{METADATA_ATTEMPT, METADATA_FENCE};
use super::wire::Form;
use super::{Api, Stripe, amounts};

/// What a request asks for, which decides how its answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Intent,
    Charge,
    Capture,
    CaptureCharge,
    Cancel,
    Refund,
}

/// A request that moves money, without a card in it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) step: Step,
    pub(super) path: String,
    pub(super) form: Form,
}

/// Whether this can be one of Stripe's ids, and so stand in a path.
pub(super) fn is_id(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn metadata(name: &str) -> String {
    format!("metadata[{name}]")
}

fn member<T: ToString + ?Sized>(name: &str, value: &T) -> (String, String) {
    (name.to_owned(), value.to_string())
}

impl Stripe {
    /// What makes a payment method, or a token of the older interface, of a card.
    pub(super) fn source_form(&self, card: &CardAsk) -> (&'static str, Form) {
        let (path, mut form) = match self.api {
            Api::PaymentIntents => ("v1/payment_methods", vec![member("type", "card")]),
            Api::Charges => ("v1/tokens", Form::new()),
        };
        form.push(member("card[number]", card.number.expose()));
        form.push(member("card[exp_month]", &card.expiry.month()));
        form.push(member("card[exp_year]", &card.expiry.year()));
        if let Some(code) = card.security_code.as_ref().map(SecurityCode::expose) {
            form.push(member("card[cvc]", code));
        }
        if !self.minimal_fields {
            let name = if self.api == Api::Charges { "card[name]" } else { "billing_details[name]" };
            form.push(member(name, &card.holder_name));
        }
        (path, form)
    }

    /// A purchase or an authorisation.
    pub(super) fn charge_request(&self, ask: &ChargeAsk, amount: i64, source: String) -> Request {
        let holds = ask.kind == AttemptKind::Authorise;
        let mut form = Self::amount_form(amount, ask.amount);
        let (step, path) = match self.api {
            Api::PaymentIntents => {
                form.push(("payment_method".to_owned(), source));
                form.push(member("confirm", &true));
                form.push(member("capture_method", if holds { "manual" } else { "automatic" }));
                (Step::Intent, "v1/payment_intents")
            }
            Api::Charges => {
                form.push(("source".to_owned(), source));
                form.push(member("capture", &!holds));
                (Step::Charge, "v1/charges")
            }
        };
        form.push((metadata(METADATA_ATTEMPT), ask.attempt_id.to_string()));
        if !self.minimal_fields {
            if self.api == Api::PaymentIntents {
                form.push(member("payment_method_types[0]", "card"));
            }
            if self.api == Api::PaymentIntents && ask.off_session {
                form.push(member("off_session", &true));
            } else if let Some(returns_to) = ask.returns_to.as_deref().filter(|_| self.api == Api::PaymentIntents) {
                form.push(member("return_url", returns_to));
            }
            form.push(member("description", &ask.description));
            form.push((metadata("payment"), ask.payment_id.to_string()));
            form.push((metadata("merchant_order_id"), ask.merchant_order_id.to_string()));
        }
        Request { step, path: path.to_owned(), form }
    }

    /// A capture, void or refund; `None` for a reference that cannot be Stripe's, or an amount it cannot express.
    pub(super) fn follow_up_request(
        &self,
        attempt: AttemptId,
        kind: AttemptKind,
        amount: Money,
        reference: &str,
    ) -> Option<Request> {
        let minor = amounts::sent(amount)?;
        if !is_id(reference) {
            return None;
        }
        let refund = |of: &str, amount: Option<i64>| {
            let mut form = vec![member(of, reference)];
            form.extend(amount.map(|amount| member("amount", &amount)));
            form.push((metadata(METADATA_ATTEMPT), attempt.to_string()));
            (Step::Refund, "v1/refunds".to_owned(), form)
        };
        let (step, path, form) = match (kind, self.api) {
            (
                AttemptKind::Purchase
                | AttemptKind::Authorise
                | AttemptKind::Verify
                | AttemptKind::Payout
                | AttemptKind::Chargeback,
                _,
            ) => return None,
            (AttemptKind::Capture, Api::PaymentIntents) => {
                let path = format!("v1/payment_intents/{reference}/capture");
                (Step::Capture, path, vec![member("amount_to_capture", &minor)])
            }
            (AttemptKind::Capture, Api::Charges) => {
                (Step::CaptureCharge, format!("v1/charges/{reference}/capture"), vec![member("amount", &minor)])
            }
            (AttemptKind::Cancel, Api::PaymentIntents) => {
                (Step::Cancel, format!("v1/payment_intents/{reference}/cancel"), Form::new())
            }
            // The older interface lets a hold go by a refund of the whole.
            (AttemptKind::Cancel, Api::Charges) => refund("charge", None),
            (AttemptKind::Refund, Api::PaymentIntents) => refund("payment_intent", Some(minor)),
            (AttemptKind::Refund, Api::Charges) => refund("charge", Some(minor)),
        };
        Some(Request { step, path, form })
    }

    /// Begins a check of a card.
    pub(super) fn setup_form(&self, attempt: AttemptId) -> Form {
        let mut form = vec![(metadata(METADATA_ATTEMPT), attempt.to_string())];
        if !self.minimal_fields {
            form.push(member("payment_method_types[0]", "card"));
        }
        form
    }

    /// An intent without a card, which cannot be charged.
    pub(super) fn fence_form(attempt: &AttemptRef, amount: i64) -> Form {
        let mut form = Self::amount_form(amount, attempt.amount);
        form.push((metadata(METADATA_ATTEMPT), attempt.attempt_id.to_string()));
        form.push((metadata(METADATA_FENCE), "1".to_owned()));
        form
    }

    fn amount_form(amount: i64, money: Money) -> Form {
        vec![member("amount", &amount), member("currency", &money.currency().code().to_ascii_lowercase())]
    }
}
