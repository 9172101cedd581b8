//! At the end: the lines of all reports together are what there is, and they add up to the balances.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Currency;

use super::answers::breach;
use super::model::{Kind, text};
use super::reports::Line;
use super::{Payments, amounts, retries};
use crate::realm::Holds;

impl Payments {
    pub(super) fn compare_reports(&self) -> Holds {
        if let Some(table) = self.tables.asked.iter().find(|table| !self.tables.lines.contains_key(table)) {
            return breach("reports", format!("{table:?} was never downloaded"));
        }
        let asked: BTreeSet<usize> = self.tables.asked.iter().map(|table| table.tenant).collect();
        for tenant in asked {
            let [payments, transactions, payouts] = [0, 1, 2].map(|kind| self.lines_of(tenant, kind));
            for lines in [&payments, &transactions, &payouts] {
                self.belong(tenant, lines)?;
            }
            self.compare_list(tenant)?;
            self.compare_payments_reported(tenant, &payments)?;
            self.compare_steps(tenant, &transactions)?;
            self.compare_payouts_reported(tenant, &payouts)?;
            self.add_up(tenant, &transactions, &payouts)?;
        }
        Ok(())
    }

    /// The lines of all stretches, one behind the other.
    fn lines_of(&self, tenant: usize, kind: usize) -> Vec<Line> {
        let of = self.tables.lines.iter().filter(|(table, _)| table.tenant == tenant && table.kind == kind);
        of.flat_map(|(_, lines)| lines).cloned().collect()
    }

    /// The reports of the end are listed, newest first, and those of the run are long over.
    fn compare_list(&self, tenant: usize) -> Holds {
        let listed = self.tables.listed.get(&tenant).cloned().unwrap_or_default();
        let mut expected: Vec<&String> =
            self.tables.made.iter().filter(|(of, _)| of.tenant == tenant).map(|(_, id)| id).collect();
        expected.sort_unstable_by(|one, other| other.cmp(one));
        if listed.iter().collect::<Vec<_>>() != expected {
            return breach("reports", format!("tenant {tenant} is shown {listed:?}, not {expected:?}"));
        }
        Ok(())
    }

    /// A line for each payment there is, as it is found, with what was taken for certain.
    fn compare_payments_reported(&self, tenant: usize, lines: &[Line]) -> Holds {
        let found = self.found(tenant);
        let listed: BTreeSet<&str> = lines.iter().map(|line| line["id"].as_str()).collect();
        if listed != found.keys().copied().collect() {
            return breach("reports", format!("tenant {tenant}: {listed:?} are reported, {:?} found", found.keys()));
        }
        let known: BTreeMap<&str, usize> =
            self.model.payments.iter().enumerate().map(|(number, of)| (of.id.as_str(), number)).collect();
        for line in lines {
            let item = found[line["id"].as_str()];
            let currency = text(&item["amount"], "currency");
            let (asked, refunded) = (cell(line, "amount"), cell(line, "refunded"));
            let shown =
                |name: &str| Currency::parse(currency).and_then(|currency| amounts::minor(&item["amount"][name], currency));
            let taken = known.get(line["id"].as_str()).map(|number| self.model.taken(*number));
            let same = ["status", "sub_status", "merchant_order_id", "created_at", "updated_at"]
                .into_iter()
                .all(|name| line[name] == text(item, name));
            let same = same && line["currency"] == currency && asked == shown("value") && refunded == shown("refunded");
            if !same || taken.is_some_and(|taken| cell(line, "captured") != Some(taken)) {
                return breach("reports", format!("{line:?} is reported of {item}, {taken:?} taken"));
            }
        }
        Ok(())
    }

    /// A line for each transaction of a payment's history.
    fn compare_steps(&self, tenant: usize, lines: &[Line]) -> Holds {
        for of in self.model.payments.iter().filter(|of| of.tenant == tenant) {
            let step = |id: &str, kind: &str, status: &str, minor| (id.to_owned(), kind.to_owned(), status.to_owned(), minor);
            let reported = lines.iter().filter(|line| line["payment_id"] == of.id);
            let reported: BTreeSet<_> =
                reported.map(|line| step(&line["id"], &line["type"], &line["status"], cell(line, "amount"))).collect();
            let shown = retries::history(&of.last).iter();
            let shown: BTreeSet<_> = shown
                .map(|one| {
                    let minor = amounts::minor(&one["amount"], of.currency);
                    step(text(one, "id"), text(one, "type"), text(one, "status"), minor)
                })
                .collect();
            if reported != shown {
                return breach("reports", format!("steps of {}: {reported:?} are reported, {shown:?} read", of.id));
            }
        }
        Ok(())
    }

    /// A line for each payout that was not refused.
    fn compare_payouts_reported(&self, tenant: usize, lines: &[Line]) -> Holds {
        let reported: BTreeMap<&str, &str> =
            lines.iter().map(|line| (line["merchant_reference"].as_str(), line["status"].as_str())).collect();
        let made = self.model.ops.iter().enumerate().filter(|(_, op)| op.kind == Kind::Payout && op.tenant == tenant);
        let shown = made.filter_map(|(number, op)| Some((op.order.as_str(), self.payouts.get(&number)?)));
        let shown: BTreeMap<&str, &str> =
            shown.filter(|(_, payout)| !payout.is_null()).map(|(order, payout)| (order, text(payout, "status"))).collect();
        if reported != shown {
            return breach("reports", format!("payouts of tenant {tenant}: {reported:?} are reported, {shown:?} read"));
        }
        Ok(())
    }

    /// What came in and went out, line by line, is what is available.
    fn add_up(&self, tenant: usize, transactions: &[Line], payouts: &[Line]) -> Holds {
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        for line in transactions.iter().chain(payouts) {
            let kind = line.get("type").map_or("PAYOUT", String::as_str);
            let (Some(minor), Some(fee)) = (cell(line, "amount"), cell(line, "fee")) else {
                return breach("reports", format!("{line:?} has no amount"));
            };
            *sums.entry(&line["currency"]).or_default() += match (kind, line["status"].as_str()) {
                ("PURCHASE" | "CAPTURE", "SUCCEEDED") => minor - fee,
                ("REFUND" | "PAYOUT", "PENDING" | "SUCCEEDED") => -minor - fee,
                ("CHARGEBACK", "PENDING" | "LOST") => -minor,
                _ => 0,
            };
        }
        let shown = self.balances.get(&tenant).and_then(|shown| shown["items"].as_array().cloned()).unwrap_or_default();
        for balance in &shown {
            let code = text(balance, "currency");
            let Some(currency) = Currency::parse(code) else { continue };
            let available = amounts::minor(&balance["available"], currency);
            let sum = sums.remove(code).unwrap_or(0);
            if available != Some(sum) {
                return breach("reports", format!("tenant {tenant} has {available:?} {code}, and its reports add up to {sum}"));
            }
        }
        match sums.into_iter().find(|(_, sum)| *sum != 0) {
            Some((code, sum)) => breach("reports", format!("tenant {tenant} has no {code}, and its reports add up to {sum}")),
            None => Ok(()),
        }
    }
}

/// An amount of a line, in minor units of its currency.
fn cell(line: &Line, column: &str) -> Option<i64> {
    let currency = Currency::parse(line.get("currency")?)?;
    amounts::minor(&serde_json::from_str(line.get(column)?).ok()?, currency)
}
