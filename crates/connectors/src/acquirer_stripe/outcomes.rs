//! What Stripe's answers make certain, and in which words we say it.

use std::borrow::Cow;

use kernel::{Approval, Decline, Outcome};

use super::objects::{Charge, Intent, Problem, Refund, Refused};

/// The payer must prove to be the owner of the card, on a page this connector does not show.
pub(super) const AUTHENTICATION_REQUIRED: &str = "AUTHENTICATION_REQUIRED";

/// How far an answer decides.
#[derive(Debug)]
pub(super) enum Judged {
    /// It says what became of the request.
    Certain(Outcome),
    /// The payer is to be asked; nothing is charged unless somebody does.
    NeedsAction,
}

/// Our code, and whether trying again is pointless. Source: docs.stripe.com/declines/codes.
fn decline(code: &str) -> (&'static str, bool) {
    match code {
        "insufficient_funds" | "withdrawal_count_limit_exceeded" | "card_velocity_exceeded" => ("INSUFFICIENT_FUNDS", false),
        "do_not_honor" => ("DO_NOT_HONOR", false),
        "authentication_required" | "offline_pin_required" | "online_or_offline_pin_required" => (AUTHENTICATION_REQUIRED, false),
        "payment_intent_authentication_failure" | "setup_intent_authentication_failure" => {
            ("AUTHENTICATION_FAILED_THREE_D_SECURE", false)
        }
        "incorrect_cvc" | "invalid_cvc" => ("INVALID_SECURITY_CODE", true),
        "incorrect_number" | "invalid_number" => ("INVALID_CARD_NUMBER", true),
        "expired_card" => ("EXPIRED_CARD", true),
        "invalid_account"
        | "invalid_expiry_month"
        | "invalid_expiry_year"
        | "incorrect_zip"
        | "incorrect_address"
        | "new_account_information_available" => ("INVALID_CARD_DATA", true),
        "lost_card" | "stolen_card" | "pickup_card" | "restricted_card" => ("REPORTED_STOLEN", true),
        "fraudulent"
        | "merchant_blacklist"
        | "revocation_of_all_authorizations"
        | "revocation_of_authorization"
        | "stop_payment_order" => ("DECLINED_BY_BANK", true),
        _ => ("DECLINED_BY_BANK", false),
    }
}

fn declined(code: &str, network: Option<&str>, reference: Option<String>) -> Outcome {
    let (code, hard) = decline(code);
    let iso = network.filter(|iso| iso.len() == 2 && iso.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    Outcome::Declined(Decline {
        reference: reference.map(Cow::Owned),
        code: code.into(),
        hard,
        iso: iso.map(|iso| Cow::Owned(iso.to_owned())),
    })
}

/// A problem of the card, told in Stripe's words.
fn declined_by(problem: &Problem, reference: Option<&str>) -> Outcome {
    let code = problem.decline_code.as_deref().or(problem.code.as_deref()).unwrap_or_default();
    let named = reference.or(problem.payment_intent.as_ref().map(|intent| intent.id.as_str())).or(problem.charge.as_deref());
    declined(code, problem.network_decline_code.as_deref(), named.map(str::to_owned))
}

pub(super) fn approved(reference: &str) -> Outcome {
    Outcome::Approved(Approval {
        reference: Cow::Owned(reference.to_owned()),
        code: "SUCCEEDED".into(),
        iso: None,
        authorization_code: None,
        eci: None,
    })
}

pub(super) fn unknown(reason: &'static str) -> Outcome {
    Outcome::Unknown { reason: reason.into() }
}

/// The refusal of a payer who would have to prove more.
pub(super) fn not_authenticated(reference: &str) -> Outcome {
    declined("authentication_required", None, Some(reference.to_owned()))
}

/// An answer that is no success. 429 and 401 are given before anything is done; a server that failed may have acted.
pub(super) fn refused(status: u16, body: &[u8], later: bool) -> Outcome {
    let not_sent = |reason: &'static str| Outcome::NotSent { reason: reason.into() };
    match status {
        429 => return not_sent("stripe takes no more requests at the moment"),
        401 | 403 => return not_sent("stripe refuses the key"),
        400 | 402 | 404 | 422 => {}
        _ => return unknown("stripe failed while it worked on the request"),
    }
    let Ok(Refused { error }) = serde_json::from_slice::<Refused>(body) else {
        return unknown("stripe refused in words that cannot be read");
    };
    match (error.kind.as_deref(), error.code.as_deref()) {
        (Some("idempotency_error"), _) => unknown("the attempt was sent before, in other words"),
        (Some("card_error"), _) => declined_by(&error, None),
        _ if status == 402 => declined_by(&error, None),
        (_, Some(code)) if decline(code).1 => declined_by(&error, None),
        (_, Some(code)) if later => Outcome::Declined(Decline { reference: None, code: ours(code), hard: true, iso: None }),
        _ => Outcome::Failed { code: "ERROR".into() },
    }
}

/// Whether a refusal says that the key belongs to another request.
pub(super) fn key_was_used(body: &[u8]) -> bool {
    let refused = serde_json::from_slice::<Refused>(body);
    refused.is_ok_and(|refused| refused.error.kind.as_deref() == Some("idempotency_error"))
}

/// Stripe's word as one of ours.
fn ours(code: &str) -> Cow<'static, str> {
    let plain = (1..=64).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain { code.to_ascii_uppercase().into() } else { "ERROR".into() }
}

pub(super) fn of_intent(intent: &Intent) -> Judged {
    Judged::Certain(match intent.status.as_str() {
        "succeeded" | "requires_capture" => approved(&intent.id),
        "processing" => Outcome::Pending,
        "requires_action" | "requires_source_action" => return Judged::NeedsAction,
        "requires_payment_method" | "requires_source" => match &intent.last_payment_error {
            Some(problem) => declined_by(problem, Some(&intent.id)),
            None => declined("", None, Some(intent.id.clone())),
        },
        // Only a payer who was to be asked leaves an intent that was let go before anything was charged.
        "canceled" if intent.latest_charge.is_none() => not_authenticated(&intent.id),
        "canceled" => declined("", None, Some(intent.id.clone())),
        _ => unknown("stripe names a state that decides nothing"),
    })
}

pub(super) fn of_charge(charge: &Charge) -> Outcome {
    match charge.status.as_str() {
        "succeeded" => approved(&charge.id),
        "pending" => Outcome::Pending,
        "failed" => declined(charge.failure_code.as_deref().unwrap_or_default(), None, Some(charge.id.clone())),
        _ => unknown("stripe names a state that decides nothing"),
    }
}

pub(super) fn of_refund(refund: &Refund) -> Outcome {
    match refund.status.as_deref() {
        Some("succeeded") | None => approved(&refund.id),
        Some("pending" | "requires_action") => Outcome::Pending,
        Some("failed" | "canceled") => declined("", None, Some(refund.id.clone())),
        Some(_) => unknown("stripe names a state that decides nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(outcome: &Outcome) -> (&str, bool) {
        match outcome {
            Outcome::Declined(decline) => (&decline.code, decline.hard),
            other => panic!("a decline was expected, not {other:?}"),
        }
    }

    #[test]
    fn declines_are_told_in_our_words() {
        for (theirs, ours) in [
            (
                r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds"}}"#,
                ("INSUFFICIENT_FUNDS", false),
            ),
            (r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"stolen_card"}}"#, ("REPORTED_STOLEN", true)),
            (r#"{"error":{"type":"card_error","code":"incorrect_cvc"}}"#, ("INVALID_SECURITY_CODE", true)),
            (r#"{"error":{"type":"card_error","code":"something_new"}}"#, ("DECLINED_BY_BANK", false)),
            (r#"{"error":{"code":"card_declined"}}"#, ("DECLINED_BY_BANK", false)),
            (r#"{"error":{"code":"authentication_required"}}"#, (AUTHENTICATION_REQUIRED, false)),
        ] {
            assert_eq!(code_of(&refused(402, theirs.as_bytes(), false)), ours, "{theirs}");
        }
        let wrong = br#"{"error":{"type":"invalid_request_error","code":"invalid_expiry_year","message":"4242424242424242"}}"#;
        assert_eq!(code_of(&refused(400, wrong, false)), ("INVALID_CARD_DATA", true));
        let late = br#"{"error":{"type":"invalid_request_error","code":"charge_already_refunded"}}"#;
        assert_eq!(code_of(&refused(400, late, true)), ("CHARGE_ALREADY_REFUNDED", true));
    }

    #[test]
    fn what_is_not_certain_is_unknown() {
        for (status, body) in [
            (500, "{}"),
            (502, "<html>"),
            (503, ""),
            (409, "{}"),
            (402, "no"),
            (301, ""),
            (400, r#"{"error":{"type":"idempotency_error"}}"#),
        ] {
            assert!(matches!(refused(status, body.as_bytes(), false), Outcome::Unknown { .. }), "{status} {body}");
        }
        for status in [401, 403, 429] {
            assert!(matches!(refused(status, b"", false), Outcome::NotSent { .. }), "{status}");
        }
        assert!(matches!(refused(400, br#"{"error":{"type":"invalid_request_error"}}"#, false), Outcome::Failed { .. }));
    }

    #[test]
    fn intents_are_judged_by_their_state() {
        let intent = |status: &str, more: &str| {
            serde_json::from_str::<Intent>(&format!(r#"{{"id":"pi_1","status":"{status}"{more}}}"#)).expect("an intent")
        };
        let certain = |intent: &Intent| match of_intent(intent) {
            Judged::Certain(outcome) => outcome,
            Judged::NeedsAction => panic!("it is certain"),
        };
        assert!(matches!(certain(&intent("succeeded", "")), Outcome::Approved(approval) if approval.reference == "pi_1"));
        assert!(matches!(certain(&intent("requires_capture", "")), Outcome::Approved(_)));
        assert!(matches!(certain(&intent("processing", "")), Outcome::Pending));
        assert!(matches!(of_intent(&intent("requires_action", "")), Judged::NeedsAction));
        assert!(matches!(certain(&intent("requires_confirmation", "")), Outcome::Unknown { .. }));
        let failed =
            intent("requires_payment_method", r#","last_payment_error":{"code":"card_declined","decline_code":"lost_card"}"#);
        assert_eq!(code_of(&certain(&failed)), ("REPORTED_STOLEN", true));
        assert_eq!(code_of(&certain(&intent("canceled", ""))), (AUTHENTICATION_REQUIRED, false));
        assert_eq!(code_of(&certain(&intent("canceled", r#","latest_charge":{"id":"ch_1"}"#))).0, "DECLINED_BY_BANK");
    }
}
