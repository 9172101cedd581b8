//! Long lists: reports and searches over many payments, read in bounded pages.

use std::sync::Arc;

use db::{Command, DatabaseUrl, Fault, Keys, Rows, Sql, args, sql};
use idempotency::Reply;
use kernel::{AccountId, AttemptId, PaymentId, Source, Timestamp};

use super::bank::Bank;
use super::damage::Damage;
use super::house::*;
use crate::reports::{CreateReport, LINES_PAGE_MAX, Lines, ReportFilter, ReportKind, ReportReader, ReportRow, Step};
use crate::search::{BY_ORDER_MAX, LOOKED_AT_MAX, PaymentFilter, PaymentPage};
use crate::*;

/// Rows that one command writes.
const AT_ONCE: usize = 500;
/// The key of payments that nobody ever asked for.
const MADE_UP: &str = "made up";

static MADE_UP_PAYMENTS: Sql = sql!("SELECT account_id, id FROM payment WHERE idempotency_key = $1");

/// Deletes payments without asking any rule.
struct TakeOff(Vec<(AccountId, PaymentId)>);

impl Command for TakeOff {
    type Reply = ();
    type Refusal = std::convert::Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        self.0.iter().for_each(|key| keys.row::<PaymentRow>(*key));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<(), Self::Refusal> {
        for key in &self.0 {
            rows.delete::<PaymentRow>(key);
        }
        Ok(())
    }
}

impl House {
    /// So many payments like `one`, made now, each a little different.
    async fn many(&self, one: &PaymentRow, count: usize, differ: impl Fn(usize, &mut PaymentRow)) -> Vec<PaymentId> {
        let (source, now) = (Source::system(), self.store.clock().now());
        let rows: Vec<PaymentRow> = (0..count)
            .map(|at| {
                let (id, attempt_id) = (PaymentId::new(&source), AttemptId::new(&source));
                let key = Some(MADE_UP.into());
                let mut row =
                    PaymentRow { id, attempt_id, created_at: now, updated_at: now, idempotency_key: key, ..one.clone() };
                differ(at, &mut row);
                row
            })
            .collect();
        let ids = rows.iter().map(|row| row.id).collect();
        for some in rows.chunks(AT_ONCE) {
            let some = some.to_vec();
            let append = move |rows: &mut Rows| some.iter().for_each(|row| rows.append(row.clone()));
            let Ok(()) = self.store.writer().run(Damage(append)).await.expect("the store works");
        }
        ids
    }

    /// Takes them off again: no rule has been asked about them.
    async fn take_off_what_was_made_up(&self) {
        let key: Arc<str> = MADE_UP.into();
        let records = self.reader().list(&MADE_UP_PAYMENTS, args![key]).await.expect("the store works");
        let key = |record: &db::Record| (record.get(0).expect("an account"), record.get(1).expect("an id"));
        let keys: Vec<(AccountId, PaymentId)> = records.iter().map(key).collect();
        for some in keys.chunks(AT_ONCE) {
            let Ok(()) = self.store.writer().run(TakeOff(some.to_vec())).await.expect("the store works");
        }
    }

    async fn report(&self, kind: ReportKind) -> ReportReader {
        let now = self.store.clock().now();
        let filter = ReportFilter {
            payment_states: Codes::ALL,
            transaction_kinds: Codes::ALL,
            transaction_states: Codes::ALL,
            currencies: Vec::new(),
            countries: Vec::new(),
        };
        let (start_at, end_at) = (now.plus_days(-1), now.plus_days(1));
        let face = |row: &ReportRow| row.id.to_string().into_bytes();
        let ask = CreateReport { kind, start_at, end_at, merchant_reference: None, filter, face };
        let Ok(Answer::Done(Reply { body, .. })) = self.payments.create_report(MERCHANT, ask, None).await else {
            panic!("a report is made");
        };
        let id = std::str::from_utf8(&body).expect("a text").parse().expect("an id");
        let row = self.payments.get_report(MERCHANT, id).await.expect("the store works").expect("it is there");
        self.payments.read_report(row)
    }

    async fn search(&self, states: Codes<PaymentState>, before: Option<PaymentId>) -> PaymentPage {
        let filter = PaymentFilter { states, currency: None, created_from: None, created_to: None };
        self.payments.search(MERCHANT, &filter, before, 100).await.expect("the store works")
    }
}

/// All pages, none of them empty or too long, and what was done between them.
async fn pages<F: Future<Output = ()>>(mut reader: ReportReader, between: impl Fn() -> F) -> Result<Vec<Lines>, Fault> {
    let mut pages = Vec::new();
    while let Some(lines) = reader.next().await? {
        assert!((1..=2 * LINES_PAGE_MAX as usize).contains(&lines.len()));
        pages.push(lines);
        between().await;
    }
    assert!(reader.next().await?.is_none());
    Ok(pages)
}

fn payment_ids(pages: &[Lines]) -> Vec<PaymentId> {
    let of = |lines: &Lines| match lines {
        Lines::Payments(rows) => rows.iter().map(|row| row.id).collect::<Vec<_>>(),
        Lines::Transactions(steps) => steps.iter().map(|step| step.payment.id).collect(),
        Lines::Payouts(_) => panic!("no payouts were asked for"),
    };
    pages.iter().flat_map(of).collect()
}

fn steps(pages: Vec<Lines>) -> Vec<Step> {
    let of = |lines| match lines {
        Lines::Transactions(steps) => steps,
        Lines::Payments(_) | Lines::Payouts(_) => panic!("transactions were asked for"),
    };
    pages.into_iter().flat_map(of).collect()
}

on_both_engines! {
    async fn thousands_of_payments_are_reported_in_small_pages(house) {
        let first = house.purchase("p", 1_000).await;
        let ids = house.many(&first, 5_000, |_, _| ()).await;
        house.many(&first, 300, |_, row| row.account_id = AccountId::from_bytes([9; 16])).await;
        house.many(&first, 3, |_, row| row.attempt = AttemptState::NotSent).await;
        let expected: Vec<_> = std::iter::once(first.id).chain(ids).collect();
        for kind in [ReportKind::Payments, ReportKind::Transactions] {
            let reader = house.report(kind).await;
            // The clock goes on, so what is made while the report is read is later than the report.
            let between = || async {
                house.wait(1).await;
                house.many(&first, 1, |_, _| ()).await;
            };
            let pages = pages(reader, between).await.expect("the store works");
            assert!(pages.len() >= 20, "{}", pages.len());
            let found = payment_ids(&pages);
            assert_eq!(found[..expected.len()], expected[..]);
            // The second report is younger than what was made while the first one was read.
            assert!(found.len() < expected.len() + 30, "{}", found.len());
        }
        house.take_off_what_was_made_up().await;
    }

    async fn steps_of_payments_are_reported_in_their_order(house) {
        let held = house.authorise("a", 1_000).await;
        house.capture("c", &held, 600).await.expect("a capture");
        let first = house.purchase("p", 1_000).await;
        house.many(&first, 600, |_, _| ()).await;
        let capture = house.payment("a").await.expect("it is there").operations[0].id;
        house.refund("r", &held, capture, Some(100)).await.expect("a refund");
        let reader = house.report(ReportKind::Transactions).await;
        let pages = pages(reader, || async {}).await.expect("the store works");
        let steps = steps(pages);
        assert_eq!(steps.len(), 604);
        let kinds = |at: usize| steps[at].operation.as_ref().map(|operation| operation.kind);
        assert_eq!((kinds(0), kinds(1), kinds(2)), (None, Some(AttemptKind::Capture), None));
        assert_eq!((kinds(603), steps[603].payment.id), (Some(AttemptKind::Refund), held.id));
        let made = |step: &Step| step.operation.as_ref().map_or(step.payment.created_at, |operation| operation.created_at);
        assert!(steps.is_sorted_by_key(made));
        house.take_off_what_was_made_up().await;
    }

    async fn a_dispute_is_reported_when_it_was_heard_of(house) {
        let (first, second) = (house.purchase("p", 1_000).await, house.purchase("q", 1_000).await);
        house.refund("r", &first, first.attempt_id, Some(100)).await.expect("a refund");
        // The payer's bank began it three days ago, and its id says so.
        let three_days_ago = Source::seeded(1, Source::system().now().plus_days(-3)).0;
        house.hears_by_name(&second, AttemptId::new(&three_days_ago)).await;
        assert_eq!(house.state(second.id).await, PaymentState::Disputed);
        house.refund("s", &first, first.attempt_id, Some(100)).await.expect("a refund");
        let pages = pages(house.report(ReportKind::Transactions).await, || async {}).await.expect("the store works");
        let steps = steps(pages);
        let kinds: Vec<_> = steps.iter().map(|step| step.operation.as_ref().map(|operation| operation.kind)).collect();
        let (refund, dispute) = (Some(AttemptKind::Refund), Some(AttemptKind::Chargeback));
        assert_eq!(kinds, [None, None, refund, dispute, refund]);
    }

    async fn a_search_for_what_is_rare_ends_and_goes_on(house) {
        let first = house.purchase("p", 1_000).await;
        let looked_at = LOOKED_AT_MAX as usize;
        let order: Arc<str> = "many".into();
        let ids = house
            .many(&first, looked_at + 200, |at, row| {
                row.merchant_order_id = order.clone();
                if [150, 160].contains(&at) {
                    row.state = PaymentState::Declined;
                }
                if [155, looked_at + 199].contains(&at) {
                    row.attempt = AttemptState::NotSent;
                }
            })
            .await;
        let declined = Codes::where_(|state| state == PaymentState::Declined);
        let page = house.search(declined, None).await;
        assert!(page.items.is_empty(), "as many as may be looked at fit nothing");
        let page = house.search(declined, page.next).await;
        assert_eq!(page.items.iter().map(|read| read.payment.id).collect::<Vec<_>>(), [ids[160], ids[150]]);
        assert_eq!(page.next, None);

        let all = house.search(Codes::ALL, None).await;
        assert_eq!((all.items.len(), all.items[0].payment.id), (100, ids[looked_at + 198]));
        let last = house.search(Codes::ALL, Some(ids[99])).await;
        assert_eq!((last.items.len(), last.next), (100, None));
        assert_eq!(last.items[99].payment.id, first.id);
        let exactly = house.search(Codes::ALL, Some(ids[98])).await;
        assert_eq!((exactly.items.len(), exactly.next), (99, None));

        let (mut after, mut listed) = (None, Vec::new());
        loop {
            let page = house.payments.by_order(MERCHANT, "many", after).await.expect("the store works").expect("a page");
            assert!(page.items.len() <= BY_ORDER_MAX as usize);
            listed.extend(page.items.iter().map(|read| read.payment.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let expected = ids.iter().enumerate().filter(|(at, _)| ![155, looked_at + 199].contains(at)).map(|(_, id)| *id);
        assert_eq!(listed, expected.collect::<Vec<_>>());
        assert!(house.payments.by_order(MERCHANT, "other", Some(ids[0])).await.expect("the store works").is_none());
        let stranger = AccountId::from_bytes([9; 16]);
        assert!(house.payments.by_order(stranger, "many", Some(ids[0])).await.expect("the store works").is_none());
        house.take_off_what_was_made_up().await;
    }

    async fn reports_whose_time_is_over_are_taken_off(house) {
        let report = house.report(ReportKind::Payouts).await.report().clone();
        assert_eq!(house.payments.sweep_reports().await.expect("the store works"), 0);
        house.wait(7 * 86_400 - 60).await;
        let young = house.report(ReportKind::Payouts).await.report().id;
        house.wait(60).await;
        assert!(house.payments.get_report(MERCHANT, report.id).await.expect("the store works").is_none());
        assert_eq!(house.payments.sweep_reports().await.expect("the store works"), 1);
        assert_eq!(house.payments.sweep_reports().await.expect("the store works"), 0);
        let left = house.payments.list_reports(MERCHANT, None, 10).await.expect("the store works");
        assert_eq!(left.items.iter().map(|report| report.id).collect::<Vec<_>>(), [young]);
        assert!(report.expires_at > Timestamp::EPOCH);
        house.is_sound(true).await;
    }
}
