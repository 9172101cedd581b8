//! Settlements: what acquirers say they paid, matched with what they owe, and booked once.

use std::io::{Cursor, Read, Seek, SeekFrom};

use db::{DatabaseUrl, Rows};
use kernel::{AttemptId, Currency, Money};
use ledger::{AccountKind, Owner};
use uuid::Uuid;

use super::bank::{Bank, Does};
use super::damage::Damage;
use super::house::*;
use crate::retries::queries::try_of;
use crate::settlements::{self, *};
use crate::*;

const HEADER: &str = "kind,attempt_id,acquirer_reference,currency,gross_amount,cost,net_amount,settled_on";
const SANDBOX: Connector = Connector::Sandbox;

/// A line about so many cents.
fn line(kind: &str, named: &(impl ToString + ?Sized), reference: &str, gross: i64, cost: i64) -> String {
    let [gross, cost, net] = [gross, cost, gross - cost].map(|minor| eur(minor).to_decimal_text());
    format!("{kind},{},{reference},EUR,{gross},{cost},{net},2026-01-31", named.to_string())
}

fn charge(attempt: AttemptId, gross: i64, cost: i64) -> String {
    line("CHARGE", &attempt, "", gross, cost)
}

fn file(lines: &[String]) -> String {
    format!("{HEADER}\n{}\n", lines.join("\n"))
}

type Change = fn(SettledRow) -> SettledRow;
type Sums = fn(&mut SettlementTotalRow, i64);

impl House {
    fn settlements(&self) -> Settlements {
        Settlements::new(self.store.clone())
    }

    async fn imports_of(&self, connector: Connector, text: &str) -> Result<Imported, ImportError> {
        let mut import = self.settlements().begin(connector, "january.csv", Cursor::new(text.to_owned())).await?;
        loop {
            if let Step::Done(imported) = import.step().await? {
                return Ok(*imported);
            }
        }
    }

    async fn imports(&self, lines: &[String]) -> Imported {
        self.imports_of(SANDBOX, &file(lines)).await.expect("it is imported")
    }

    /// What the acquirer still owes, what came to the bank, what it kept.
    async fn owed(&self) -> (i64, i64, i64) {
        let due = -self.balance(SANDBOX.owner(), AccountKind::Due).await;
        let of = async |kind| -self.balance(Owner::PLATFORM, kind).await;
        (due, of(AccountKind::Cash).await, of(AccountKind::Costs).await)
    }

    /// Line, reason, and whether it is explained.
    async fn differences(&self, imported: &Imported) -> Vec<(u32, &'static str, bool)> {
        let snapshot = self.store.snapshot().await.expect("a snapshot");
        let listed = settlements::differences(&snapshot, imported.settlement.id, 0).await.expect("it reads");
        listed.iter().map(|one| (one.row.line, one.row.difference.word(), one.explained)).collect()
    }

    async fn standing(&self) -> Standing {
        let snapshot = self.store.snapshot().await.expect("a snapshot");
        let all = settlements::overview(&snapshot).await.expect("it reads");
        *all.iter().find(|one| (one.connector, one.due.currency()) == (SANDBOX, Currency::EUR)).expect("it stands somehow")
    }

    async fn files(&self) -> Vec<SettlementRow> {
        let snapshot = self.store.snapshot().await.expect("a snapshot");
        settlements::settlements(&snapshot).await.expect("it reads")
    }

    /// Which rules are broken by `damage`, which is then undone by `repair`.
    async fn broken_by(
        &self,
        damage: impl Fn(&mut Rows) + Send + 'static,
        repair: impl Fn(&mut Rows) + Send + 'static,
    ) -> Vec<&'static str> {
        let Ok(()) = self.store.writer().run(Damage(damage)).await.expect("the store works");
        let broken = self.rules_broken().await;
        let Ok(()) = self.store.writer().run(Damage(repair)).await.expect("the store works");
        broken
    }
}

/// A file that is another one when it is read again.
struct Changing(Cursor<String>, Option<String>);

impl Read for Changing {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Seek for Changing {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        if let Some(next) = self.1.take() {
            self.0 = Cursor::new(next);
        }
        self.0.seek(to)
    }
}

on_both_engines! {
    async fn what_matches_is_booked_once(house) {
        let paid = house.purchase("p", 10_000).await;
        let held = house.authorise("a", 5_000).await;
        house.capture("c", &held, 2_000).await.expect("a capture");
        house.refund("r", &paid, paid.attempt_id, Some(1_500)).await.expect("a refund");
        let capture = house.payment("a").await.expect("it is there").operations[0].id;
        let refund = house.payment("p").await.expect("it is there").operations[0].id;
        assert_eq!(house.owed().await, (10_500, 0, 0));
        let lines = [
            line("CHARGE", &paid.attempt_id.to_string().to_uppercase(), "whatever", 10_000, 30),
            line("CHARGE", "not-ours", &format!("bank-{capture}"), 2_000, 6),
            line("REFUND", "", &format!("bank-{refund}"), -1_500, 0),
            line("FEE", "", "fee-january", 0, 500),
        ];
        let imported = house.imports(&lines).await;
        let row = &imported.settlement;
        assert_eq!((row.matched, row.differences, row.file_lines, imported.before), (4, 0, 4, false));
        let total = &imported.totals[0];
        assert_eq!((total.gross, total.cost, total.net, imported.totals.len()), (10_500, 536, 9_964, 1));
        assert_eq!(house.owed().await, (0, 9_964, 536));
        house.is_sound(true).await;

        let again = house.imports(&lines).await;
        assert_eq!((again.before, again.settlement.id, house.owed().await), (true, row.id, (0, 9_964, 536)));
        let other_bytes = house.imports(&[lines.as_slice(), &[String::new()]].concat()).await;
        assert_ne!(other_bytes.settlement.id, row.id);
        assert_eq!(house.owed().await, (0, 9_964, 536), "nothing is settled twice");
        assert_eq!(house.differences(&other_bytes).await, [2, 3, 4, 5].map(|at| (at, "TWICE", false)));
        let standing = house.standing().await;
        assert_eq!((standing.due, standing.settled, standing.cost), (eur(0), eur(10_500), eur(536)));
        assert_eq!((standing.differences, standing.unmatched), (4, eur(9_964)));
    }

    async fn each_difference_is_listed_until_it_is_explained(house) {
        let stranger = AttemptId::from_bytes([9; 16]);
        let (paid, other) = (house.purchase("p", 1_000).await, house.purchase("o", 700).await);
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::Decline]);
        house.create("d", for_order("d", purchase(300))).await.expect("a payment");
        let declined = house.payment("d").await.expect("it is there").payment;
        let dollars = charge(paid.attempt_id, 1_000, 0).replace("EUR", "USD");
        let imported = house.imports(&[
            charge(stranger, 1_000, 0),
            charge(paid.attempt_id, 999, 0),
            dollars,
            charge(held.attempt_id, 1_000, 0),
            line("REFUND", &paid.attempt_id, "", -1_000, 0),
            charge(declined.attempt_id, 300, 0),
            charge(other.attempt_id, 700, 2),
            charge(other.attempt_id, 700, 2),
        ]).await;
        let reasons = ["UNKNOWN", "AMOUNT", "CURRENCY", "KIND", "KIND", "NOT_APPROVED"];
        let mut expected: Vec<_> = (2..).zip(reasons).map(|(at, reason)| (at, reason, false)).collect();
        expected.push((9, "TWICE", false));
        assert_eq!(house.differences(&imported).await, expected);
        assert_eq!(house.owed().await, (1_000, 698, 2), "only what matched is booked");
        house.is_sound(true).await;

        // The right line explains what was wrong about the attempt, and a line that takes the repeat back explains that.
        house.imports(&[charge(paid.attempt_id, 1_000, 3), charge(other.attempt_id, -700, -2)]).await;
        let explained: Vec<u32> =
            house.differences(&imported).await.iter().filter(|one| one.2).map(|one| one.0).collect();
        assert_eq!(explained, [3, 4, 6, 9]);
        assert_eq!((house.owed().await, house.standing().await.differences), ((0, 1_695, 5), 3));
    }

    async fn it_may_die_at_every_step(house) {
        let mut lines = Vec::new();
        for number in 0..12_i64 {
            let paid = house.purchase(&format!("p{number}"), 100 + number).await;
            // Whatever is repeated is a difference, so each batch has something of both.
            for _ in 0..60 {
                lines.push(charge(paid.attempt_id, 100 + number, 1));
            }
        }
        let text = file(&lines);
        let mut steps = 0;
        let imported = loop {
            // Each process comes as far as one step, and dies.
            let mut import = house.settlements().begin(SANDBOX, "f", Cursor::new(text.clone())).await.expect("it goes on");
            house.is_sound(true).await;
            if let Step::Done(imported) = import.step().await.expect("a step") {
                break imported;
            }
            assert_eq!(house.owed().await.1, 0, "nothing is booked before all is judged");
            assert_eq!(house.files().await[0].booked_at, None);
            steps += 1;
        };
        assert_eq!((steps, imported.settlement.matched, imported.settlement.differences), (3, 12, 708));
        let sum: i64 = (100..112).sum();
        assert_eq!(house.owed().await, (0, sum - 12, 12));
    }

    async fn two_imports_of_one_file_at_once_take_each_line_once(house) {
        let paid = house.purchase("p", 100).await;
        let lines: Vec<String> = (0..1_000).map(|_| charge(paid.attempt_id, 100, 0)).collect();
        let text = file(&lines);
        let both = [text.clone(), text].map(|text| async move { house.imports_of(SANDBOX, &text).await.expect("it ends") });
        for imported in futures_util::future::join_all(both).await {
            assert_eq!((imported.settlement.matched, imported.settlement.differences), (1, 999));
        }
        assert_eq!((house.owed().await, house.files().await.len()), ((0, 100, 0), 1));
    }

    async fn a_file_that_cannot_be_read_leaves_no_trace(house) {
        let paid = house.purchase("p", 100).await;
        let good = vec![charge(paid.attempt_id, 100, 0); 700];
        let bad = line("CHARGE", &paid.attempt_id, "", 100, 0).replace(",1,", ",x,");
        for wrong in [file(&[good, vec![bad]].concat()), String::new(), "\0".repeat(10_000), "kind;cost\n".to_owned()] {
            let refused = house.imports_of(SANDBOX, &wrong).await.expect_err("it is refused");
            assert!(matches!(refused, ImportError::Misread(_)), "{refused}");
        }
        assert!(house.files().await.is_empty());
        assert_eq!(house.owed().await, (100, 0, 0));
    }

    async fn a_file_that_changes_while_it_is_read_is_not_booked(house) {
        let (paid, other) = (house.purchase("p", 100).await, house.purchase("o", 100).await);
        let (text, changed) = (file(&[charge(paid.attempt_id, 100, 0)]), file(&[charge(other.attempt_id, 100, 0)]));
        let input = Changing(Cursor::new(text.clone()), Some(changed));
        let mut import = house.settlements().begin(SANDBOX, "f", input).await.expect("its form is right");
        assert!(matches!(import.step().await, Err(ImportError::Changed)));
        assert_eq!(house.owed().await, (200, 0, 0));
        house.imports_of(SANDBOX, &text).await.expect("it goes on");
        assert_eq!(house.owed().await, (100, 100, 0));
    }

    async fn what_goes_back_is_settled_too(house) {
        let paid = house.purchase("p", 1_000).await;
        let first = house.imports(&[charge(paid.attempt_id, 1_000, 10)]).await;
        house.hears(&paid, Event::Chargeback, 1_000, "a").await;
        // The acquirer knows its charge, not what we call the dispute.
        let lost = line("CHARGEBACK", &paid.attempt_id, "dispute-1", -1_000, 1_500);
        let early = house.imports(std::slice::from_ref(&lost)).await;
        assert_eq!(house.differences(&early).await, [(2, "NOT_APPROVED", false)]);
        house.hears(&paid, Event::ChargebackLost, 1_000, "b").await;
        assert_eq!(house.owed().await, (-1_000, 990, 10));
        let late = house.imports(&[lost, line("FEE", "", "f", 0, -200)]).await;
        assert_eq!((late.settlement.matched, late.totals[0].net, late.totals[0].cost), (2, -2_300, 1_300));
        assert_eq!((house.owed().await, house.differences(&early).await[0].2), ((0, 990 - 2_300, 1_310), true));
        assert_ne!(first.settlement.id, late.settlement.id);
    }

    async fn a_retried_operation_is_known_by_the_try_the_acquirer_saw(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent]);
        let ask = Capture {
            payment: Some(held.id), transaction: Some(held.attempt_id), amount: eur(600), retried: true, details: None,
        };
        house.payments.capture(&TERMS, ask, once("/capture", "c")).await.expect("it is tried again");
        house.wait(300).await;
        house.payments.0.try_again_due().await.expect("the store works");
        let capture = house.payment("a").await.expect("it is there").operations[0].id;
        let tried = try_of(house.reader(), MERCHANT, capture).await.expect("it reads").expect("it was tried again");
        assert_ne!(tried, capture);
        house.imports(&[charge(tried, 600, 0)]).await;
        assert_eq!(house.owed().await, (0, 600, 0));
    }

    async fn charges_with_one_reference_are_told_apart(house) {
        let (one, two) = (house.authorise("a", 1_000).await, house.purchase("p", 300).await);
        house.capture("c1", &one, 300).await.expect("a capture");
        house.capture("c2", &one, 400).await.expect("a capture");
        // An acquirer that names all captures of a charge alike.
        let ids: Vec<AttemptId> = house.payment("a").await.expect("it is there").operations.iter().map(|row| row.id).collect();
        let reference = format!("bank-{}", two.attempt_id);
        let said = house.payment("p").await.expect("it is there").payment.response;
        let damage = move |rows: &mut Rows| {
            for id in &ids {
                rows.must_mut::<AttemptRow>(&(MERCHANT, *id)).response.clone_from(&said);
            }
        };
        let Ok(()) = house.store.writer().run(Damage(damage)).await.expect("the store works");
        let lines = [400, 300, 300, 300].map(|minor| line("CHARGE", "", &reference, minor, 0));
        let imported = house.imports(&lines).await;
        assert_eq!(house.differences(&imported).await, [(5, "TWICE", false)]);
        assert_eq!(house.owed().await, (0, 1_000, 0));
    }

    async fn another_acquirer_settles_nothing_of_this_one(house) {
        let paid = house.purchase("p", 100).await;
        let text = file(&[charge(paid.attempt_id, 100, 0), line("CHARGE", "", &format!("bank-{}", paid.attempt_id), 100, 0)]);
        let other = house.imports_of(Connector::SandboxB, &text).await.expect("it is imported");
        assert_eq!(house.differences(&other).await, [(2, "UNKNOWN", false), (3, "UNKNOWN", false)]);
        let own = house.imports_of(SANDBOX, &text).await.expect("it is imported");
        assert_ne!(own.settlement.id, other.settlement.id, "the same bytes of another acquirer are another settlement");
        assert_eq!(house.differences(&own).await, [(3, "TWICE", false)]);
        assert_eq!(house.owed().await, (0, 100, 0));
    }

    async fn sums_larger_than_one_transfer_are_booked(house) {
        let most = kernel::AMOUNT_MINOR_MAX;
        let (one, two) = (house.purchase("p", most).await, house.purchase("o", most).await);
        house.imports(&[charge(one.attempt_id, most, 0), charge(two.attempt_id, most, 7)]).await;
        assert_eq!(house.owed().await, (0, 2 * most - 7, 7));
    }

    async fn each_rule_finds_its_damage(house) {
        let (paid, other) = (house.purchase("p", 1_000).await, house.purchase("o", 500).await);
        let imported = house.imports(&[charge(paid.attempt_id, 1_000, 3), charge(other.attempt_id, 400, 0)]).await;
        house.is_sound(true).await;
        let id = imported.settlement.id;
        let (settled, total) = ((MERCHANT, paid.attempt_id.uuid()), (id, Currency::EUR));
        let row = SettledRow {
            account_id: MERCHANT, attempt_id: paid.attempt_id.uuid(), payment_id: Some(paid.id), settlement_id: id, line: 2,
            kind: LineKind::Charge, reference: None, currency: Currency::EUR, gross: 1_000, cost: 3,
            settled_on: imported.settlement.began_at, taken_at: imported.settlement.began_at,
        };
        let changes: [(Change, &[&str]); 8] = [
            (|row| SettledRow { gross: 999, ..row }, &["I7.f", "I7.h"]),
            (|row| SettledRow { cost: 4, ..row }, &["I7.h"]),
            (|row| SettledRow { currency: Currency::USD, ..row }, &["I7.f", "I7.h"]),
            (|row| SettledRow { kind: LineKind::Refund, ..row }, &["I7.f"]),
            (|row| SettledRow { kind: LineKind::Fee, ..row }, &["I7.f"]),
            (|row| SettledRow { payment_id: Some(kernel::PaymentId::from_bytes([7; 16])), ..row }, &["I7.f"]),
            (|row| SettledRow { attempt_id: Uuid::from_u128(7), ..row }, &["I7.f"]),
            (|row| SettledRow { settlement_id: kernel::SettlementId::from_bytes([7; 16]), ..row }, &["I7.f", "I7.h"]),
        ];
        for (change, expected) in changes {
            let (good, bad) = (row.clone(), change(row.clone()));
            let key = (bad.account_id, bad.attempt_id);
            let damage = move |rows: &mut Rows| {
                rows.delete::<SettledRow>(&settled);
                rows.get::<SettledRow>(&key);
                rows.insert(bad.clone());
            };
            let repair = move |rows: &mut Rows| {
                rows.delete::<SettledRow>(&key);
                rows.get::<SettledRow>(&settled);
                rows.insert(good.clone());
            };
            assert_eq!(house.broken_by(damage, repair).await, expected);
        }
        let stranger = kernel::AccountId::from_bytes([2; 16]);
        let twice = SettledRow { account_id: stranger, line: 9, ..row.clone() };
        let key = (stranger, twice.attempt_id);
        let broken = house
            .broken_by(move |rows| rows.append(twice.clone()), move |rows| drop(rows.delete::<SettledRow>(&key)))
            .await;
        assert_eq!(broken, ["I7.f", "I7.g", "I7.h"]);

        let sums: [Sums; 4] = [
            |total, by| (total.gross, total.cost) = (total.gross + by, total.cost + by),
            |total, by| (total.gross, total.net) = (total.gross + by, total.net + by),
            |total, by| total.unmatched_net += by,
            |total, by| total.differences = total.differences.saturating_add_signed(i32::try_from(by).expect("small")),
        ];
        for change in sums {
            let damage = move |rows: &mut Rows| change(rows.must_mut::<SettlementTotalRow>(&total), 1);
            let repair = move |rows: &mut Rows| change(rows.must_mut::<SettlementTotalRow>(&total), -1);
            assert_eq!(house.broken_by(damage, repair).await, ["I7.h"]);
        }
        let at = imported.settlement.booked_at;
        let broken = house
            .broken_by(
                move |rows| rows.must_mut::<SettlementRow>(&(id,)).booked_at = None,
                move |rows| rows.must_mut::<SettlementRow>(&(id,)).booked_at = at,
            )
            .await;
        assert_eq!(broken, ["I7.h"], "a posting of a file that is not booked");
        let broken = house
            .broken_by(
                move |rows| rows.must_mut::<SettlementRow>(&(id,)).matched = 0,
                move |rows| rows.must_mut::<SettlementRow>(&(id,)).matched = 1,
            )
            .await;
        assert_eq!(broken, ["I7.h"]);
    }
}

/// Somebody else's money in another currency is counted for itself.
#[tokio::test]
async fn each_currency_is_booked_for_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    let euros = house.purchase("p", 1_000).await;
    let ask = CreatePayment { amount: Money::new(500, Currency::JPY), ..purchase(1) };
    house.create("y", for_order("y", ask)).await.expect("a payment");
    let yen = house.payment("y").await.expect("it is there").payment;
    let yen = format!("CHARGE,{},,JPY,500,5,495,2026-01-31", yen.attempt_id);
    let imported = house.imports(&[charge(euros.attempt_id, 1_000, 1), yen]).await;
    let nets: Vec<i64> = imported.totals.iter().map(|total| total.net).collect();
    assert_eq!((nets.len(), nets.iter().sum::<i64>(), house.owed().await), (2, 999 + 495, (0, 999, 1)));
    // The scripted bank counts everything in euros.
    assert_eq!(house.rules_broken().await, ["I7.a"]);
}
