//! `POST /v1/reports`: makes a report of payments, transactions or payouts.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::{Country, Currency};
use payments::reports::{CreateReport, ReportFilter, ReportKind};
use payments::{AttemptKind, AttemptState, Coded, Codes, PaymentState};

use super::parts::Moment;
use super::{REPORTS, answer, report_reply};
use crate::caller::{Caller, Read};
use crate::envelope::Code;
use crate::object::{self, Body, Reader, Text, object, words};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A report to be made. Lists are words separated by commas; what is left out narrows nothing.
    pub(super) struct CreateReportBody {
        /// What its lines are.
        kind as "type": Kind,
        /// Only what was made at this time or later; a date alone is its beginning in UTC.
        start_date: Moment,
        /// Only what was made before this time; at most 62 days after `start_date`. A date alone is its beginning too.
        end_date: Moment,
        /// Your own name for the report.
        merchant_reference_id: Option<Text<1, 255>>,
        /// The account of the key.
        account_id: Option<object::Account>,
        /// Payments in these statuses, and their transactions. Not for payouts.
        payment_status: Option<Text<0, 512>>,
        /// In these currencies: ISO 4217.
        currency: Option<Text<0, 1024>>,
        /// In these countries: ISO 3166-1 alpha-2.
        country: Option<Text<0, 1024>>,
        /// Transactions of these types. Only for transactions.
        transaction_type: Option<Text<0, 512>>,
        /// Transactions, or payouts, in these statuses. Not for payments.
        transaction_status: Option<Text<0, 512>>,
    }
}

words! {
    /// What the lines of a report are.
    pub(super) enum Kind {
        /// Payments.
        Payments = "PAYMENTS",
        /// Each step of a payment.
        Transactions = "TRANSACTIONS",
        /// Payouts.
        Payouts = "PAYOUTS",
    }
}

impl From<Kind> for ReportKind {
    fn from(kind: Kind) -> ReportKind {
        match kind {
            Kind::Payments => ReportKind::Payments,
            Kind::Transactions => ReportKind::Transactions,
            Kind::Payouts => ReportKind::Payouts,
        }
    }
}

impl Body for CreateReportBody {
    type Ask = CreateReport;

    fn name() -> &'static str {
        "CreateReportBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<CreateReport> {
        let kind = ReportKind::from(self.kind);
        let (payment, step) = (self.payment_status.as_ref(), self.transaction_status.as_ref());
        let payment_states = codes(reader, "payment_status", payment, kind != ReportKind::Payouts, PaymentState::status);
        let transaction_kinds = codes(
            reader,
            "transaction_type",
            self.transaction_type.as_ref(),
            kind == ReportKind::Transactions,
            AttemptKind::wire,
        );
        let transaction_states = codes(reader, "transaction_status", step, kind != ReportKind::Payments, AttemptState::wire);
        let currencies =
            list(reader, "currency", self.currency.as_ref(), Currency::parse, Code::CurrencyNotAllowed, "a currency of ISO 4217");
        let countries =
            list(reader, "country", self.country.as_ref(), Country::parse, Code::CountryNotSupported, "a country of ISO 3166-1");
        Some(CreateReport {
            kind,
            start_at: self.start_date.0,
            end_at: self.end_date.0,
            merchant_reference: self.merchant_reference_id.map(|Text(text)| text),
            filter: ReportFilter {
                payment_states: payment_states?,
                transaction_kinds: transaction_kinds?,
                transaction_states: transaction_states?,
                currencies: currencies?,
                countries: countries?,
            },
            face: super::views::report,
        })
    }
}

/// What a list of words means. A list that says something where it cannot narrow anything is refused: whoever wrote it expects it to.
fn codes<T: Coded, const MAX: usize>(
    reader: &mut Reader,
    name: &'static str,
    said: Option<&Text<0, MAX>>,
    applies: bool,
    word: fn(T) -> &'static str,
) -> Option<Codes<T>> {
    let text: &str = said.map_or("", |Text(text)| text);
    let found = Codes::of_words(text, word);
    if found.is_none() {
        let mut words: Vec<_> = T::EVERY.iter().map(|one| word(*one)).collect();
        words.sort_unstable();
        words.dedup();
        reader.wrong_at(&[name], Code::InvalidParameters, format_args!("must be some of {}", words.join(" ")));
    } else if !applies && !found.is_none_or(Codes::is_all) {
        reader.wrong_at(&[name], Code::InvalidParameters, "does not apply to reports of this type");
        return None;
    }
    found
}

/// The things that a list names.
fn list<T, const MAX: usize>(
    reader: &mut Reader,
    name: &'static str,
    said: Option<&Text<0, MAX>>,
    parse: fn(&str) -> Option<T>,
    code: Code,
    what: &str,
) -> Option<Vec<T>> {
    let text: &Arc<str> = match said {
        Some(Text(text)) => text,
        None => return Some(Vec::new()),
    };
    let found: Option<Vec<T>> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(parse).collect();
    if found.is_none() {
        reader.wrong_at(&[name], code, format_args!("each must be {what}"));
    }
    found
}

/// A body that works, for the reference.
const EXAMPLE: &str = r#"{"type": "TRANSACTIONS", "start_date": "2026-03-01T00:00:00.000Z", "end_date": "2026-04-01T00:00:00.000Z",
 "merchant_reference_id": "march", "transaction_type": "CAPTURE,REFUND", "transaction_status": "SUCCEEDED", "currency": "EUR"}"#;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/reports", create_report).about(|route| {
        route
            .named(REPORTS, "create-report", "Make a report")
            .text(
                "A report is completed at once and can be downloaded for seven days. It lists what was made from `start_date` on and \
                 before `end_date`, so that reports which follow one another list nothing twice, and nothing that was made after the \
                 report itself. Each line shows its object as it stands at the time of the download.\n\n\
                 A transaction counts when it was made; the first one of a payment when the payment was made.",
            )
            .example(EXAMPLE)
            .replies(StatusCode::CREATED, "The report.", report_reply())
            .drawn(super::views::sample::report_reply)
            .refusals(&[
                (Code::InvalidDate, "A date cannot be read, `end_date` is before `start_date` or more than 62 days after it."),
                (Code::InvalidParameters, "A status or type is none, or does not apply to reports of this type."),
                (Code::CurrencyNotAllowed, "A currency is none."),
                (Code::CountryNotSupported, "A country is none."),
                (Code::InvalidAccountId, "`account_id` is not the account of the key."),
            ])
    })
}

async fn create_report(caller: Caller<Read>, State(web): State<Web>, once: Once<Optional, CreateReportBody>) -> Response {
    let made = web.wiring.payments.create_report(caller.account_id(), once.ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), made)
}
