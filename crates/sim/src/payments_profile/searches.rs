//! Lists of payments, walked page by page while payments are made, and at the end: each payment once, and nobody else's.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Timestamp;
use serde_json::Value;

use super::answers::breach;
use super::model::text;
use super::{Payments, Topic};
use crate::auditor::Reply;
use crate::chance::Chance;
use crate::realm::Holds;
use crate::world::Desk;

/// Which payments are looked for.
#[derive(Clone, Debug)]
enum Narrowed {
    /// All of them.
    Not,
    /// Those in this status.
    Status(&'static str),
    /// Those in this sub-status.
    SubStatus(&'static str),
    /// Those in this currency.
    Currency(&'static str),
    /// Those made at this time or later.
    From(Timestamp),
    /// Those made at this time or before.
    To(Timestamp),
}

/// One walk through a list.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    tenant: usize,
    narrowed: Narrowed,
    limit: u64,
    /// Payments that were there when it began.
    there: Vec<String>,
    found: Vec<Value>,
    /// It has come to its end.
    over: bool,
    /// It is one of those at the end, when nothing changes any more.
    last: bool,
}

impl Narrowed {
    fn drawn(chance: &mut Chance, currency: &'static str, made: Option<Timestamp>) -> Narrowed {
        let made = made.unwrap_or(crate::realm::START);
        let among = [
            (4, Narrowed::Not),
            (1, Narrowed::Status("SUCCEEDED")),
            (1, Narrowed::Status("PENDING")),
            (1, Narrowed::SubStatus("CAPTURE_RETRY_IN_PROCESS")),
            (1, Narrowed::SubStatus("APPROVED")),
            (2, Narrowed::Currency(currency)),
            (2, Narrowed::From(made)),
            (2, Narrowed::To(made)),
        ];
        let at = chance.weighted(&[0, 1, 2, 3, 4, 5, 6, 7].map(|at: usize| (among[at].0, at))).unwrap_or(0);
        among[at].1.clone()
    }

    fn query(&self) -> String {
        match self {
            Narrowed::Not => String::new(),
            Narrowed::Status(word) => format!("&status={word}"),
            Narrowed::SubStatus(word) => format!("&sub_status={word}"),
            Narrowed::Currency(code) => format!("&currency={code}"),
            Narrowed::From(time) => format!("&created_from={time}"),
            Narrowed::To(time) => format!("&created_to={time}"),
        }
    }

    fn fits(&self, shown: &Value) -> bool {
        let made: Option<Timestamp> = text(shown, "created_at").parse().ok();
        match self {
            Narrowed::Not => true,
            Narrowed::Status(word) => text(shown, "status") == *word,
            Narrowed::SubStatus(word) => text(shown, "sub_status") == *word,
            Narrowed::Currency(code) => text(&shown["amount"], "currency") == *code,
            Narrowed::From(time) => made.is_some_and(|made| made >= *time),
            Narrowed::To(time) => made.is_some_and(|made| made <= *time),
        }
    }

    /// Whether a payment that fits once fits for ever.
    const fn lasts(&self) -> bool {
        !matches!(self, Narrowed::Status(_) | Narrowed::SubStatus(_))
    }
}

/// Whether a payment is as new as the end of its latest transaction, which is written with it.
fn is_of_one_moment(shown: &Value) -> bool {
    let latest = &shown["transactions"];
    text(latest, "status") == "PENDING" || text(shown, "updated_at") >= text(latest, "updated_at")
}

impl Payments {
    /// Somebody looks through his payments.
    pub(super) fn search(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let tenant = chance.index(desk.tenants.len());
        let narrowed = self.narrowed(tenant, chance);
        let limit = *chance.pick(&[1, 3, 7, 100]).unwrap_or(&100);
        self.walk(desk, tenant, narrowed, limit, false);
    }

    /// Each tenant looks through all of his payments, and once more through some.
    pub(super) fn search_all(&mut self, desk: &mut Desk) {
        for tenant in 0..desk.tenants.len() {
            let (limit, narrowed) =
                desk.realm.draw(|chance| (*chance.pick(&[7, 30, 100]).unwrap_or(&100), self.narrowed(tenant, chance)));
            self.walk(desk, tenant, Narrowed::Not, limit, true);
            self.walk(desk, tenant, narrowed, 100, true);
        }
    }

    fn narrowed(&self, tenant: usize, chance: &mut Chance) -> Narrowed {
        let currency = chance.pick(&self.currencies).map_or("EUR", |currency| currency.code());
        let made: Vec<Timestamp> = self.model.payments.iter().filter(|of| of.tenant == tenant).map(|of| of.created_at).collect();
        let made = chance.pick(&made).copied();
        Narrowed::drawn(chance, currency, made)
    }

    fn walk(&mut self, desk: &mut Desk, tenant: usize, narrowed: Narrowed, limit: u64, last: bool) {
        let known = self.model.payments.iter().filter(|of| of.tenant == tenant && narrowed.lasts());
        let there = known.filter(|of| narrowed.fits(&self.model.ops[of.made_by].answer)).map(|of| of.id.clone()).collect();
        self.walks.push(Walk { tenant, narrowed, limit, there, found: Vec::new(), over: false, last });
        self.turn(desk, self.walks.len() - 1, None);
    }

    /// Asks for the next page.
    fn turn(&mut self, desk: &mut Desk, number: usize, cursor: Option<&str>) {
        let walk = &self.walks[number];
        let (tenant, narrowed, limit) = (walk.tenant, walk.narrowed.query(), walk.limit);
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        self.get(desk, tenant, format!("/v1/payments/search?limit={limit}{narrowed}{cursor}"), Topic::Search(number));
    }

    /// A page arrives.
    pub(super) fn take_page(&mut self, desk: &mut Desk, number: usize, reply: &Reply) -> Holds {
        let page = reply.json();
        let walk = &mut self.walks[number];
        let account = &desk.tenants[walk.tenant].account;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        if let Some(other) = items.iter().find(|item| text(item, "account_id") != account) {
            return breach("tenancy", format!("{account} finds {other}"));
        }
        let too_many = items.len() as u64 > walk.limit;
        if let Some(torn) = items.iter().find(|item| !is_of_one_moment(item)) {
            return breach("search", format!("a payment is shown as it was before its latest transaction ended: {torn}"));
        }
        walk.found.extend(items);
        let wrong = walk.found.iter().find(|item| !walk.narrowed.fits(item));
        // Newest first by their ids, so none is there twice.
        let ordered = walk.found.windows(2).all(|pair| text(&pair[0], "id") > text(&pair[1], "id"));
        if too_many || wrong.is_some() || !ordered {
            let ids: Vec<&str> = walk.found.iter().map(|item| text(item, "id")).collect();
            return breach("search", format!("{:?}: {too_many}, {wrong:?}, ordered {ordered}: {ids:?}", walk.narrowed));
        }
        if let Some(cursor) = page["next_cursor"].as_str() {
            self.turn(desk, number, Some(cursor));
            return Ok(());
        }
        walk.over = true;
        let found: BTreeSet<&str> = walk.found.iter().map(|item| text(item, "id")).collect();
        desk.realm.reach("search walked to its end");
        match walk.there.iter().find(|id| !found.contains(id.as_str())) {
            Some(id) => breach("search", format!("{:?} of {account}: {id} was there and is not found", walk.narrowed)),
            None => Ok(()),
        }
    }

    /// All payments of a tenant by their ids, as the walk at the end found them.
    pub(super) fn found(&self, tenant: usize) -> BTreeMap<&str, &Value> {
        let whole = self.walks.iter().filter(|walk| walk.last && walk.tenant == tenant && matches!(walk.narrowed, Narrowed::Not));
        whole.take(1).flat_map(|walk| &walk.found).map(|item| (text(item, "id"), item)).collect()
    }

    /// At the end: what is found is what there is, as it was read one by one.
    pub(super) fn compare_searches(&self, desk: &Desk) -> Holds {
        for tenant in 0..desk.tenants.len() {
            let found = self.found(tenant);
            let products = self.paid_by_products(tenant);
            for of in self.model.payments.iter().filter(|of| of.tenant == tenant) {
                let same = |name: &str| found.get(of.id.as_str()).is_some_and(|item| item[name] == of.last[name]);
                let members = ["status", "sub_status", "amount", "merchant_order_id", "created_at", "updated_at", "transactions"];
                if let Some(name) = members.into_iter().find(|name| !same(name)) {
                    return breach("search", format!("{} is found with another {name} than it is read with", of.id));
                }
            }
            let known: BTreeSet<&str> =
                self.model.payments.iter().map(|of| of.id.as_str()).chain(products.iter().copied()).collect();
            if let Some(id) = products.iter().find(|id| !found.contains_key(*id)) {
                return breach("search", format!("{id} is listed elsewhere and not found"));
            }
            // A card that is checked before it is kept makes a payment of its own.
            let check = |item: &Value| item["amount"]["value"].to_string().chars().all(|one| matches!(one, '0' | '.'));
            if let Some((id, item)) = found.iter().find(|(id, item)| !known.contains(*id) && !check(item)) {
                return breach("search", format!("{id} is found and nobody made it: {item}"));
            }
            self.compare_narrowed(tenant, &found)?;
        }
        Ok(())
    }

    /// What links and subscriptions list as paid, or tried.
    fn paid_by_products(&self, tenant: usize) -> Vec<&str> {
        let links = self.model.links.iter().filter(|link| self.model.ops[link.made_by].tenant == tenant);
        let of_links = links.filter_map(|link| self.orders.get(&link.made_by)?.as_array());
        let cycles = self.model.subscriptions.iter().filter(|of| of.tenant == tenant);
        let of_cycles = cycles.filter_map(|of| of.listed["data"].as_array());
        of_links.chain(of_cycles).flatten().map(|one| text(one, "id")).collect()
    }

    /// A narrowed list is the whole list, narrowed.
    fn compare_narrowed(&self, tenant: usize, found: &BTreeMap<&str, &Value>) -> Holds {
        for walk in self.walks.iter().filter(|walk| walk.last && walk.tenant == tenant) {
            let expected = found.values().filter(|item| walk.narrowed.fits(item)).count();
            if !walk.over || walk.found.len() != expected {
                let said = format!("{:?}: {} found of {expected}, over {}", walk.narrowed, walk.found.len(), walk.over);
                return breach("search", said);
            }
        }
        Ok(())
    }
}
