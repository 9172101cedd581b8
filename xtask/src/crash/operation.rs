//! What customers ask for: each operation with its request, and the words the platform must answer it with.

use serde_json::{Value, json};

/// Test cards that the sandbox acquirer declines.
pub const DECLINED: [&str; 4] = ["4507990000000010", "4507990000000028", "4507990000000051", "4507990000000069"];
/// Test cards whose payer must prove himself on a page.
pub const CHALLENGED: [&str; 3] = ["4916994064252017", "5306889942833340", "372021106351394"];
/// The card that is approved.
pub const APPROVED: &str = "4507990000000002";
/// The code that the challenge page takes.
const PROOF: &str = "1234";
/// Where payers are sent when they have paid; nobody follows.
const CALLBACK: &str = "https://shop.example/thanks";
/// Cycles of a subscription, one each day.
pub const CYCLES: u64 = 2;

/// What is asked in one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Open a checkout session.
    Session,
    /// Seal a card for one payment.
    Token,
    /// Make a customer.
    Customer,
    /// Store his card; `true` has it checked by the acquirer first.
    Enrol(bool),
    /// Make a page where the order can be paid.
    Link,
    /// Have the stored card charged every day.
    Subscribe,
    /// Send money to a bank account.
    PayOut,
    /// Charge at once.
    Purchase,
    /// Hold the money.
    Authorise,
    /// A purchase with a card that is declined.
    Declined(&'static str),
    /// A purchase whose payer must prove himself first.
    Challenged(&'static str),
    /// The payer's code, on the page he was sent to.
    Prove,
    /// The payer's card, on the link's page.
    PayLink,
    /// Look up what the link's page made.
    Find,
    /// Take so many minor units of what is held.
    Capture(u64),
    /// Let go of what is held.
    Cancel,
    /// Give back so many minor units.
    Refund(u64),
    /// Undo it, whatever it is: let go of what is held, or give back these minor units, which is all that is left.
    Undo(u64),
    /// The acquirer's word about a dispute.
    Tell(Dispute),
}

/// What an acquirer says about a dispute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dispute {
    /// The payer's bank takes the money back.
    Opened,
    /// It ended for the payer.
    Lost,
    /// It ended for the merchant.
    Won,
}

impl Dispute {
    fn code(self) -> &'static str {
        match self {
            Dispute::Opened => "CHARGEBACK",
            Dispute::Lost => "CHARGEBACK_LOST",
            Dispute::Won => "CHARGEBACK_WON",
        }
    }
}

/// How a step is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// JSON under an idempotency key.
    Keyed,
    /// Read.
    Get,
    /// A page's form, sent as a browser would.
    Form,
    /// JSON under the acquirer's signature.
    Signed,
}

impl Operation {
    /// How it is asked.
    pub fn way(self) -> Way {
        match self {
            Operation::Find => Way::Get,
            Operation::Prove | Operation::PayLink => Way::Form,
            Operation::Tell(_) => Way::Signed,
            _ => Way::Keyed,
        }
    }

    /// The status of its success.
    pub fn success(self) -> u16 {
        match self {
            Operation::Prove | Operation::PayLink => 303,
            Operation::Session
            | Operation::Link
            | Operation::Subscribe
            | Operation::Find
            | Operation::Capture(_)
            | Operation::Cancel
            | Operation::Refund(_)
            | Operation::Tell(_) => 200,
            _ => 201,
        }
    }

    /// Whether it makes the deal's payment.
    pub fn is_payment(self) -> bool {
        matches!(self, Operation::Purchase | Operation::Authorise | Operation::Declined(_) | Operation::Challenged(_))
    }
}

/// Where the card of a payment comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The request itself.
    Card,
    /// A one-time token.
    Token,
    /// A one-time token of a checkout session.
    Session,
    /// The vault.
    Vault,
}

/// What a request is made of.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The merchant's account.
    pub account: String,
    /// The merchant's order number.
    pub order: String,
    /// The amount as JSON.
    pub money: String,
    /// The amount as acquirers write it: the currency, and minor units.
    pub minor: (&'static str, u64),
    /// The acquirer's name.
    pub connector: String,
    /// Ids that answers brought.
    pub payment: String,
    /// The payment's first transaction.
    pub transaction: String,
    /// The checkout session.
    pub session: String,
    /// The one-time token.
    pub token: String,
    /// The customer.
    pub customer: String,
    /// The stored card.
    pub vaulted: String,
    /// The stored card's method.
    pub method: String,
    /// Path of the page the payer is sent to.
    pub page: String,
    /// The payment link.
    pub link: String,
    /// The subscription.
    pub subscription: String,
    /// The payout.
    pub payout: String,
}

impl Facts {
    /// Path and body of an operation; `reference` names this step.
    pub fn request(&self, operation: Operation, source: Source, reference: &str, part: &str) -> (String, String) {
        let Facts { account, order, payment, transaction, .. } = self;
        let on_transaction = |verb: &str| format!("/v1/payments/{payment}/transactions/{transaction}/{verb}");
        let text = |value: Value| value.to_string();
        let reason = "REQUESTED_BY_CUSTOMER";
        match operation {
            Operation::Session => (
                "/v1/checkout/sessions".into(),
                text(
                    json!({"account_id": account, "merchant_order_id": order, "payment_description": "A basket", "country": "FR"}),
                ),
            ),
            Operation::Token => self.token_request(source),
            Operation::Customer => ("/v1/customers".into(), text(json!({"merchant_customer_id": order}))),
            Operation::Enrol(checked) => (format!("/v1/customers/{}/payment-methods", self.customer), self.enrol_body(checked)),
            Operation::Link => ("/v1/payment-links".into(), self.link_body()),
            Operation::Subscribe => ("/v1/subscriptions".into(), self.subscription_body()),
            Operation::PayOut => ("/v1/payouts".into(), self.payout_body()),
            Operation::Purchase => ("/v1/payments".into(), self.payment_body(true, APPROVED, source)),
            Operation::Authorise => ("/v1/payments".into(), self.payment_body(false, APPROVED, source)),
            Operation::Declined(card) | Operation::Challenged(card) => {
                ("/v1/payments".into(), self.payment_body(true, card, source))
            }
            Operation::Prove => (self.page.clone(), format!("otp={PROOF}&action=submit")),
            Operation::PayLink => (
                format!("/v1/links/{}", self.link),
                format!("number={APPROVED}&expiration=12%2F40&security_code=123&holder_name=Jeanne+Martin"),
            ),
            Operation::Find => (format!("/v1/payments?merchant_order_id={order}"), String::new()),
            Operation::Cancel => (on_transaction("cancel"), text(json!({"merchant_reference": reference, "reason": reason}))),
            Operation::Undo(_) => (
                format!("/v1/payments/{payment}/cancel-or-refund"),
                text(json!({"merchant_reference": reference, "reason": reason})),
            ),
            Operation::Tell(dispute) => (format!("/v1/acquirers/{}/notifications", self.connector), self.notification(dispute)),
            // Amounts go out as the decimal text they are, never through a float.
            Operation::Capture(_) => (
                on_transaction("capture"),
                format!(r#"{{"merchant_reference":"{reference}","reason":"{reason}","amount":{part}}}"#),
            ),
            Operation::Refund(_) => (
                on_transaction("refund"),
                format!(r#"{{"merchant_reference":"{reference}","reason":"{reason}","amount":{part}}}"#),
            ),
        }
    }

    /// The same bytes each time: the acquirer says it until it is heard.
    fn notification(&self, dispute: Dispute) -> String {
        let Facts { payment, order, minor: (currency, value), .. } = self;
        json!({ "live": false, "notification": {
            "payment_id": payment,
            "order_id": order,
            "event_code": dispute.code(),
            "event_date": "2026-11-22T08:00:00Z",
            "amount": { "currency": currency, "value": value },
            "is_3d": false,
            "operations": [],
            "success": true,
        }})
        .to_string()
    }

    fn token_request(&self, source: Source) -> (String, String) {
        let card = card(APPROVED);
        if source == Source::Session {
            let body = format!(r#"{{"payment_method":{{"type":"CARD","card":{{"card_data":{card}}}}}}}"#);
            return (format!("/v1/checkout/sessions/{}/token", self.session), body);
        }
        ("/v1/tokens".into(), format!(r#"{{"account_id":"{}","card_data":{card}}}"#, self.account))
    }

    fn enrol_body(&self, checked: bool) -> String {
        let (account, card) = (&self.account, card(APPROVED));
        let verify = if checked { r#","verify":{"vault_on_success":true,"currency":"EUR"}"# } else { "" };
        format!(r#"{{"account_id":"{account}","country":"FR","type":"CARD","workflow":"DIRECT","card_data":{card}{verify}}}"#)
    }

    fn link_body(&self) -> String {
        let Facts { account, order, money, .. } = self;
        format!(
            r#"{{"account_id":"{account}","country":"FR","amount":{money},"payment_method_types":["CARD"],"description":"Crash harness","merchant_order_id":"{order}","callback_url":"{CALLBACK}"}}"#
        )
    }

    fn subscription_body(&self) -> String {
        let Facts { account, order, money, vaulted, .. } = self;
        format!(
            r#"{{"account_id":"{account}","name":"Crash harness","country":"FR","amount":{money},"payment_method":{{"type":"CARD","vaulted_token":"{vaulted}"}},"merchant_reference":"{order}","frequency":{{"type":"DAY","value":1}},"billing_cycles":{{"total":{CYCLES}}}}}"#
        )
    }

    fn payout_body(&self) -> String {
        let Facts { account, order, money, .. } = self;
        format!(
            r#"{{"account_id":"{account}","merchant_reference":"{order}","country":"FR","purpose":"REIMBURSEMENT","amount":{money},"beneficiary":{{"merchant_beneficiary_id":"jeanne","country":"FR","national_entity":"INDIVIDUAL","first_name":"Jeanne"}},"withdrawal_method":{{"type":"BANK_TRANSFER","provider_id":"sandbox","detail":{{"bank_transfer":{{"code":"30006","account":{{"number":"FR7630006000011234567890002","type":"CHECKING"}}}}}}}}}}"#
        )
    }

    fn payment_body(&self, capture: bool, number: &str, source: Source) -> String {
        let Facts { account, order, money, session, token, vaulted, customer, .. } = self;
        let (workflow, more, method) = match source {
            Source::Card => (
                "DIRECT",
                format!(r#","callback_url":"{CALLBACK}""#),
                format!(r#""detail":{{"card":{{"capture":{capture},"card_data":{}}}}}"#, card(number)),
            ),
            Source::Token => ("DIRECT", String::new(), format!(r#""token":"{token}""#)),
            Source::Session => {
                ("SDK_CHECKOUT", format!(r#","checkout":{{"session":"{session}"}}"#), format!(r#""token":"{token}""#))
            }
            Source::Vault => (
                "DIRECT",
                format!(r#","customer_payer":{{"id":"{customer}"}}"#),
                format!(r#""vaulted_token":"{vaulted}","detail":{{"card":{{"capture":{capture}}}}}"#),
            ),
        };
        format!(
            r#"{{"account_id":"{account}","merchant_order_id":"{order}","description":"Crash harness","country":"FR","amount":{money},"workflow":"{workflow}"{more},"payment_method":{{"type":"CARD",{method}}}}}"#
        )
    }
}

fn card(number: &str) -> String {
    format!(
        r#"{{"number":"{number}","expiration_month":11,"expiration_year":2035,"security_code":"123","holder_name":"Jeanne Martin"}}"#
    )
}

/// Minor units as the shortest decimal: 1990 with two places is `19.9`, 2000 is `20`.
pub fn decimal(minor: u64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let (whole, rest) = (minor / unit, minor % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let places = usize::try_from(places).unwrap_or_default();
    let text = format!("{whole}.{rest:0places$}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_the_shortest() {
        assert_eq!([decimal(1_990, 2), decimal(2_000, 2), decimal(5, 3), decimal(7, 0)], ["19.9", "20", "0.005", "7"]);
    }
}
