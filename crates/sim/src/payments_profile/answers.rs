//! What an answer may say, and what follows from it.

use kernel::Timestamp;
use serde_json::Value;

use super::model::{Kind, Op, Payment, State, text};
use super::{Payments, Topic, amounts};
use crate::auditor::{Call, Reply};
use crate::realm::{Breach, Holds};
use crate::world::Desk;

pub(super) fn breach(rule: &str, found: String) -> Holds {
    Err(Breach::of(rule, found))
}

impl Payments {
    /// An answer arrives.
    pub(super) fn take(&mut self, desk: &mut Desk, call: &Call, reply: &Reply) -> Holds {
        let Some(topic) = self.topic_of(call) else { return Ok(()) };
        let ok = (200..300).contains(&reply.status);
        let said = || format!("{} {}: {} {}", call.method, call.path, reply.status, String::from_utf8_lossy(&reply.body));
        match topic {
            Topic::Op(number) => self.take_op(desk, number, reply),
            Topic::Read(payment, floor, since) if ok => self.take_read(desk, payment, (floor, since), &reply.json()),
            Topic::Nobody if reply.status == 400 => {
                self.nobody = Some(reply.body.clone());
                Ok(())
            }
            Topic::Strange if ok => breach("tenancy", said()),
            Topic::Strange if reply.status == 400 && self.nobody.as_ref() != Some(&reply.body) => breach("tenancy", said()),
            Topic::Nonsense if reply.status != 400 && reply.status < 500 => breach("bad-input", said()),
            Topic::Page(payment) if ok => {
                self.type_code(desk, payment, reply);
                Ok(())
            }
            Topic::Mail(mail) => {
                match (mail.forged, reply.status) {
                    (true, 401) | (false, 200) => {}
                    (true, 200..300) => return breach("forged-notifications", said()),
                    (false, 400..500) => return breach("notifications", said()),
                    _ => desk.banks.post_again(mail),
                }
                Ok(())
            }
            Topic::Customer(tenant) if ok => {
                self.customers.insert(tenant, text(&reply.json(), "id").to_owned());
                Ok(())
            }
            Topic::Webhook | Topic::Routing | Topic::Customer(_) | Topic::Nobody if !ok => breach("beginning", said()),
            Topic::Order(op) if ok => {
                self.orders.insert(op, reply.json());
                Ok(())
            }
            Topic::Balances(tenant) if ok => {
                self.balances.insert(tenant, reply.json());
                Ok(())
            }
            Topic::LinkPage(link) if ok => {
                self.fill_in_form(desk, link, reply);
                Ok(())
            }
            Topic::Payout(_) | Topic::Method(_) | Topic::Subscription(_) | Topic::Cycles(_) | Topic::Link(_) => {
                if reply.status < 500 {
                    self.keep(&topic, ok, reply.json());
                }
                Ok(())
            }
            Topic::Read(..) | Topic::Order(_) | Topic::Balances(_) if reply.status < 500 => breach("reads", said()),
            topic => self.take_paper(desk, &topic, call, reply),
        }
    }

    /// An answer that is about no money.
    fn take_paper(&mut self, desk: &mut Desk, topic: &Topic, call: &Call, reply: &Reply) -> Holds {
        let ok = (200..300).contains(&reply.status);
        match *topic {
            Topic::Search(walk) if ok => return self.take_page(desk, walk, reply),
            Topic::Report(at, asked_at) => return self.take_report(desk, at, asked_at, reply),
            Topic::StrangeReport if ok => return breach("tenancy", format!("{} is answered {}", call.path, reply.status)),
            Topic::Table(at) => return self.take_table(desk, at, reply),
            Topic::LastReport(table) if ok => self.take_last_report(desk, table, &reply.json()),
            Topic::LastTable(table) if ok => return self.take_last_table(table, reply),
            Topic::Reports(tenant) if ok => self.take_reports(desk, tenant, &reply.json()),
            Topic::Fulfilments(payment) if ok => {
                self.fulfilments.insert(payment, reply.json());
            }
            Topic::Search(_) | Topic::LastReport(_) | Topic::LastTable(_) | Topic::Reports(_) | Topic::Fulfilments(_)
                if reply.status < 500 =>
            {
                return breach("reads", format!("{} is answered {} {}", call.path, reply.status, reply.code()));
            }
            _ => {}
        }
        Ok(())
    }

    fn take_op(&mut self, desk: &mut Desk, number: usize, reply: &Reply) -> Holds {
        let op = &mut self.model.ops[number];
        op.calls -= 1;
        let alone = op.calls == 0 && !op.doubtful;
        match reply.status {
            200..300 if op.state == State::Open => self.succeed(desk, number, &reply.json()),
            200..300 => match &op.state {
                State::Refused(code) => breach("refused-is-refused", format!("{} was refused {code} and now succeeds", op.key)),
                _ => Ok(()),
            },
            _ if reply.is_refusal() && op.state == State::Open => {
                self.explained(desk, number, reply)?;
                if alone {
                    let op = &mut self.model.ops[number];
                    desk.realm.reach(format!("{:?} refused {}", op.kind, reply.code()));
                    op.state = State::Refused(reply.code());
                    op.ended = Some(desk.sequence());
                }
                Ok(())
            }
            409 => Ok(()),
            _ if reply.is_refusal() => Ok(()),
            _ => {
                op.doubtful = true;
                Ok(())
            }
        }
    }

    fn succeed(&mut self, desk: &mut Desk, number: usize, answer: &Value) -> Holds {
        let now = desk.realm.now();
        let op = &mut self.model.ops[number];
        op.take(answer);
        let ended = desk.sequence();
        let goes_on = op.state == State::Retried;
        (op.ended, op.retried_from) = if goes_on { (None, Some(ended)) } else { (Some(ended), None) };
        desk.realm.reach(format!("{:?} {:?}", op.kind, op.state));
        let op = op.clone();
        if goes_on && !op.retried {
            return breach("answers-what-was-asked", format!("{} is tried again unasked: {answer}", op.key));
        }
        if op.kind.makes_payment() {
            self.learn(desk, number, &op, answer, now)
        } else if op.kind.follows_up() {
            self.within_limits(desk, &op)
        } else if op.kind == Kind::Fulfil {
            self.learn_fulfilment(&op)
        } else {
            self.learn_product(desk, number, &op, answer)
        }
    }

    /// The merchant learns of his payment.
    fn learn(&mut self, desk: &Desk, number: usize, op: &Op, answer: &Value, now: Timestamp) -> Holds {
        let account = &desk.tenants[op.tenant].account;
        let shown = amounts::minor(&answer["amount"]["value"], op.currency);
        let same = text(answer, "merchant_order_id") == op.order
            && text(answer, "account_id") == account
            && text(answer, "idempotency_key") == op.key
            && text(&answer["amount"], "currency") == op.currency.code()
            && shown == Some(op.minor);
        if !same {
            return breach("answers-what-was-asked", format!("{} is answered {answer}", op.key));
        }
        let redirect = answer.pointer("/payment_method/payment_method_detail/card/redirect_url").and_then(Value::as_str);
        let challenge = redirect.and_then(|url| url.find("/v1/challenges/").map(|at| url[at..].to_owned()));
        if op.state == State::Waiting && challenge.is_none() {
            return breach("answers-what-was-asked", format!("{} waits for nothing: {answer}", op.key));
        }
        let payment = self.model.payments.len();
        self.model.ops[number].payment = Some(payment);
        self.model.payments.push(Payment {
            tenant: op.tenant,
            made_by: number,
            id: text(answer, "id").to_owned(),
            transaction: text(&answer["transactions"], "id").to_owned(),
            currency: op.currency,
            minor: op.minor,
            kind: op.kind,
            known_at: now,
            known_from: desk.sequence(),
            created_at: text(answer, "created_at").parse().unwrap_or(now),
            challenge: challenge.filter(|_| op.state == State::Waiting),
            disputed: false,
            dispute_told: false,
            read: (0, 0),
            last: Value::Null,
        });
        Ok(())
    }

    fn take_read(&mut self, desk: &Desk, number: usize, (floor, since): ((i64, i64), u64), shown: &Value) -> Holds {
        let of = &self.model.payments[number];
        let amount = &shown["amount"];
        let minor = |name: &str| amounts::minor(&amount[name], of.currency);
        let (Some(value), Some(captured), Some(refunded)) = (minor("value"), minor("captured"), minor("refunded")) else {
            return breach("reads", format!("{}: {shown}", of.id));
        };
        let sum = |kind: Kind, other: Kind| {
            let may = self.model.on(number).filter(|op| op.kind == kind || op.kind == other);
            may.filter(|op| matches!(op.state, State::Open | State::Retried) || op.did() == Some(kind))
                .map(|op| if op.named || op.did().is_some() { op.minor } else { of.minor })
                .sum::<i64>()
        };
        let ceiling = (sum(Kind::Capture, Kind::Capture).min(of.minor), sum(Kind::Refund, Kind::CancelOrRefund));
        let found =
            format!("{} shows {value}, {captured}, {refunded} where {floor:?} to {ceiling:?} of {} is known", of.id, of.minor);
        if value != of.minor || text(amount, "currency") != of.currency.code() || text(shown, "id") != of.id {
            return breach("reads", found);
        }
        if captured < floor.0 || refunded < floor.1 {
            return breach("reads-never-go-back", found);
        }
        if captured > ceiling.0 || refunded > ceiling.1 {
            return breach("reads", found);
        }
        let (made_by, read) = (of.made_by, (of.read.0.max(captured), of.read.1.max(refunded)));
        let proven = match (text(shown, "status"), text(shown, "sub_status")) {
            ("PENDING", "WAITING_ADDITIONAL_STEP" | "PENDING_PROVIDER_CONFIRMATION") => State::Waiting,
            ("DECLINED" | "ERROR" | "EXPIRED" | "REJECTED", _) => State::Declined,
            _ => State::Done,
        };
        let made = &mut self.model.ops[made_by];
        if made.state == State::Waiting && proven != State::Waiting {
            desk.realm.reach(format!("waiting {:?} ends {proven:?}", made.kind));
            made.state = proven;
            made.ended = Some(desk.sequence());
        } else if made.state != proven {
            return breach("reads", format!("{} is {proven:?} after {:?}", self.model.payments[number].id, made.state));
        }
        self.hear_of_tries(desk, number, since, shown)?;
        let of = &mut self.model.payments[number];
        of.read = read;
        of.dispute_told |= text(shown, "status") == "IN_DISPUTE";
        of.last = shown.clone();
        Ok(())
    }

    /// The payer types a code: as a rule the right one.
    fn type_code(&mut self, desk: &mut Desk, payment: usize, page: &Reply) {
        let html = String::from_utf8_lossy(&page.body).into_owned();
        let Some(csrf) = html.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()) else { return };
        let cookie = page.cookie.as_deref().and_then(|cookie| cookie.split(';').next()).unwrap_or_default().to_owned();
        let (code, action) = desk.realm.draw(|chance| {
            let code = chance.weighted(&[(8, "1234"), (2, "4444"), (2, "1111"), (2, "9999")]).unwrap_or("1234");
            (code, if chance.hits(80) { "cancel" } else { "submit" })
        });
        let path = self.model.payments[payment].challenge.clone().unwrap_or_default();
        let tag = self.topic(Topic::Code);
        let form = "application/x-www-form-urlencoded";
        let body = format!("csrf={csrf}&otp={code}&action={action}").into_bytes();
        let times = if desk.realm.draw(|chance| chance.hits(150)) { 2 } else { 1 };
        for _ in 0..times {
            let (path, body, headers) = (path.clone(), body.clone(), vec![("cookie", cookie.clone())]);
            desk.send(Call { tenant: None, method: "POST", path, key: None, content_type: form, body, headers, tag });
        }
    }
}
