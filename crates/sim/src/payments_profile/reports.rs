//! Reports: made, read and downloaded while payments are made, and at the end of everything that there is.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Currency, Timestamp};
use serde_json::{Value, json};

use super::answers::breach;
use super::model::{Kind, Op, Report, text};
use super::{Payments, Topic, tables};
use crate::auditor::Reply;
use crate::chance::Chance;
use crate::faults::Fault;
use crate::realm::{Holds, START};
use crate::world::Desk;

/// What the lines of a report are.
pub(super) const TYPES: [&str; 3] = ["PAYMENTS", "TRANSACTIONS", "PAYOUTS"];
/// A report is about so many days at most.
const DAYS_MAX: i64 = 62;
/// So long it is there.
const REPORT_SECONDS: i64 = 7 * 86_400;
/// The clock goes back by less than this.
const SLACK_SECONDS: i64 = 2;

/// A report of the end: whose, of what type, and of which stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Table {
    pub(super) tenant: usize,
    /// Its place in [`TYPES`].
    pub(super) kind: usize,
    stretch: usize,
}

/// A line, by the names of its columns.
pub(super) type Line = BTreeMap<String, String>;

/// The reports of the end.
#[derive(Default)]
pub(super) struct Tables {
    /// Their ids.
    pub(super) made: BTreeMap<Table, String>,
    pub(super) lines: BTreeMap<Table, Vec<Line>>,
    pub(super) asked: BTreeSet<Table>,
    /// Which reports each tenant is shown.
    pub(super) listed: BTreeMap<usize, Vec<String>>,
}

fn body(account: &str, name: &str, kind: &str, (start, end): (Timestamp, Timestamp)) -> Value {
    json!({
        "account_id": account, "type": kind, "merchant_reference_id": name,
        "start_date": start.to_string(), "end_date": end.to_string(),
    })
}

impl Payments {
    /// A merchant wants a table.
    pub(super) fn report(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let tenant = chance.index(desk.tenants.len());
        let mut op = self.blank(desk, Kind::Report, tenant, Currency::EUR);
        let end = desk.realm.now().plus_days(1);
        let start = if chance.hits(700) { end.plus_days(-DAYS_MAX) } else { end.plus_days(-2) };
        let kind = chance.pick(&TYPES).copied().unwrap_or(TYPES[0]);
        (op.named, op.path) = (false, "/v1/reports".into());
        op.body = body(&desk.tenants[tenant].account, &op.order, kind, (start, end));
        let number = self.note_op(desk, op);
        let hangs_up = desk.realm.strikes(Fault::HangUp).then(|| chance.between(0, 400));
        self.send_op(desk, number, hangs_up);
    }

    /// It is made, and fetched at once.
    pub(super) fn learn_report(&mut self, desk: &mut Desk, number: usize, op: &Op, answer: &Value) -> Holds {
        let said = |name: &str| text(&op.body, name).parse::<Timestamp>().ok();
        let shown = |name: &str| text(answer, name).parse::<Timestamp>().ok();
        let same = text(answer, "merchant_reference_id") == op.order
            && answer["type"] == op.body["type"]
            && text(answer, "status") == "COMPLETED"
            && ["start_date", "end_date"].into_iter().all(|name| said(name) == shown(name));
        let Some((start, until)) = said("start_date").zip(shown("created_at")).filter(|_| same) else {
            return breach("answers-what-was-asked", format!("{} is answered {answer}", op.key));
        };
        let id = text(answer, "id").to_owned();
        let (tenant, at) = (op.tenant, self.model.reports.len());
        self.get(desk, tenant, format!("/v1/reports/{id}/download"), Topic::Table(at));
        self.model.reports.push(Report { made_by: number, id, start, until, known_at: desk.realm.now() });
        Ok(())
    }

    /// Somebody looks at one, or a stranger at somebody else's.
    pub(super) fn read_report(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let Some(at) = chance.pick(&(0..self.model.reports.len()).collect::<Vec<_>>()).copied() else { return };
        let Report { made_by, id, .. } = self.model.reports[at].clone();
        let (tenant, path) = (self.model.ops[made_by].tenant, format!("/v1/reports/{id}"));
        if desk.tenants.len() > 1 && chance.hits(200) {
            let other = (tenant + 1 + chance.index(desk.tenants.len() - 1)) % desk.tenants.len();
            return self.get(desk, other, path, Topic::StrangeReport);
        }
        let now = desk.realm.now();
        self.get(desk, tenant, path, Topic::Report(at, now));
    }

    /// It is there for seven days, and not a moment longer.
    pub(super) fn take_report(&self, desk: &Desk, at: usize, asked_at: Timestamp, reply: &Reply) -> Holds {
        let report = &self.model.reports[at];
        let made = &self.model.ops[report.made_by];
        let there = reply.status == 200 && text(&reply.json(), "id") == report.id;
        let is_over = asked_at.seconds_since(report.known_at) > REPORT_SECONDS + SLACK_SECONDS;
        let is_good = desk.realm.now().seconds_since(made.sent_at) < REPORT_SECONDS - SLACK_SECONDS;
        if is_over {
            desk.realm.reach("report is over");
        }
        if reply.status >= 500 || there && !is_over || !there && !is_good && reply.status == 400 {
            return Ok(());
        }
        breach("reports", format!("report {} of {}: {}", report.id, made.sent_at, reply.status))
    }

    /// Its lines, while life goes on: what was there when it was asked for, once, and nothing of anybody else.
    pub(super) fn take_table(&self, desk: &Desk, at: usize, reply: &Reply) -> Holds {
        let report = &self.model.reports[at];
        let op = &self.model.ops[report.made_by];
        let is_good = desk.realm.now().seconds_since(op.sent_at) < REPORT_SECONDS - SLACK_SECONDS;
        // Weeks may pass before it is fetched; and one that breaks off is no table, and says so.
        if reply.status >= 500 || reply.status == 400 && !is_good || reply.status == 200 && reply.body.is_empty() {
            return Ok(());
        }
        let Some(lines) = table(reply) else { return breach("reports", format!("{} is no table: {reply:?}", report.id)) };
        desk.realm.reach("report downloaded");
        self.belong(op.tenant, &lines)?;
        let column = match text(&op.body, "type") {
            "PAYMENTS" => "id",
            "TRANSACTIONS" => "payment_id",
            _ => return Ok(()),
        };
        let listed: BTreeSet<&str> = lines.iter().map(|line| line[column].as_str()).collect();
        let there = self.model.payments.iter().filter(|of| of.tenant == op.tenant && of.known_from <= op.began);
        let mut listable = there.filter(|of| (report.start..=report.until).contains(&of.created_at));
        match listable.find(|of| !listed.contains(of.id.as_str())) {
            Some(of) => breach("reports", format!("{} was made before report {}, which does not list it", of.id, report.id)),
            None => Ok(()),
        }
    }

    /// Whether each line is there once, and this tenant's.
    pub(super) fn belong(&self, tenant: usize, lines: &[Line]) -> Holds {
        let mut ids = BTreeSet::new();
        for line in lines {
            let order = line.get("merchant_order_id").or_else(|| line.get("merchant_reference"));
            let whose = order.and_then(|order| self.model.ops.iter().find(|op| op.order == *order)).map(|op| op.tenant);
            if whose.is_some_and(|whose| whose != tenant) {
                return breach("tenancy", format!("tenant {tenant} is shown {line:?}"));
            }
            if !ids.insert(&line["id"]) {
                return breach("reports", format!("{} is listed twice", line["id"]));
            }
        }
        Ok(())
    }

    /// One tenant has reports made of everything, in stretches that follow one another.
    pub(super) fn report_all(&mut self, desk: &mut Desk) {
        let tenant = desk.realm.draw(|chance| chance.index(desk.tenants.len()));
        let (mut start, last) = (START.plus_days(-1), desk.realm.now().plus_days(1));
        for stretch in 0.. {
            if start >= last {
                return;
            }
            let end = last.min(start.plus_days(DAYS_MAX));
            for (kind, word) in TYPES.into_iter().enumerate() {
                let table = Table { tenant, kind, stretch };
                let body = body(&desk.tenants[tenant].account, "last", word, (start, end));
                self.tables.asked.insert(table);
                self.send(desk, tenant, "POST", "/v1/reports", &body, Topic::LastReport(table));
            }
            start = end;
        }
    }

    /// One of them is made: it is fetched, and after the last the list is.
    pub(super) fn take_last_report(&mut self, desk: &mut Desk, table: Table, shown: &Value) {
        let id = text(shown, "id").to_owned();
        self.get(desk, table.tenant, format!("/v1/reports/{id}/download"), Topic::LastTable(table));
        self.tables.made.insert(table, id);
        if self.tables.made.len() == self.tables.asked.len() {
            self.list_reports(desk, table.tenant, "");
        }
    }

    fn list_reports(&mut self, desk: &mut Desk, tenant: usize, cursor: &str) {
        self.get(desk, tenant, format!("/v1/reports?limit=5{cursor}"), Topic::Reports(tenant));
    }

    /// A page of the list of reports.
    pub(super) fn take_reports(&mut self, desk: &mut Desk, tenant: usize, page: &Value) {
        let ids = page["items"].as_array().into_iter().flatten().map(|item| text(item, "id").to_owned());
        self.tables.listed.entry(tenant).or_default().extend(ids);
        if let Some(cursor) = page["next_cursor"].as_str() {
            self.list_reports(desk, tenant, &format!("&cursor={cursor}"));
        }
    }

    /// The lines of one of them.
    pub(super) fn take_last_table(&mut self, of: Table, reply: &Reply) -> Holds {
        let Some(lines) = table(reply) else { return breach("reports", format!("{of:?} is no table")) };
        self.tables.lines.insert(of, lines);
        Ok(())
    }
}

fn table(reply: &Reply) -> Option<Vec<Line>> {
    let text = std::str::from_utf8(&reply.body).ok().filter(|_| reply.status == 200)?;
    tables::read(text)
}
