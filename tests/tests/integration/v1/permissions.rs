//! Who may do what: every guarded route with every kind of caller, and with somebody else's objects.
//!
//! What is expected stands in [`requests`], as the payments specification says it in section 3.2; a route that is not there, or not
//! any more, fails the first story.

mod requests;

use std::collections::BTreeSet;

use access::Capability;
use serde_json::Value;
use testkit::actors::{Actor, Key, fresh};
use testkit::exchange::{Exchange, show};
use testkit::on_both_engines;
use testkit::world::World;

use requests::{Class, Request, Things, requests, things};

/// The presets by the name the credentials file gives their keys, and what each may do (payments specification, section 3.2).
const PRESETS: [(&str, &[Class]); 5] = [
    ("full", &[Class::Read, Class::MoneyIn, Class::Manage, Class::MoneyOut]),
    ("no_money_out", &[Class::Read, Class::MoneyIn, Class::Manage]),
    ("read_money_in", &[Class::Read, Class::MoneyIn]),
    ("money_in_only", &[Class::MoneyIn]),
    ("read_only", &[Class::Read]),
];

/// Codes of answers that say nothing but that there is no such object.
const NOTHING_THERE: [&str; 11] = [
    "PAYMENT_NOT_FOUND",
    "TRANSACTION_NOT_FOUND",
    "CUSTOMER_NOT_FOUND",
    "CHECKOUT_SESSION_NOT_FOUND",
    "PAYMENT_METHOD_NOT_FOUND",
    "SUBSCRIPTION_NOT_FOUND",
    "INVALID_TOKEN",
    "INVALID_CUSTOMER_FOR_TOKEN",
    "WEBHOOK_NOT_FOUND",
    "NOT_FOUND",
    "MISSING_PARAMETERS",
];

on_both_engines! {
    async fn every_guarded_route_for_every_kind_of_caller(world) {
        let merchant = world.merchant();
        let nothing = unknown(&things(&world, &merchant).await);
        let all = requests(&merchant, &nothing);
        let expected: BTreeSet<_> = all.iter().map(|request| (request.method.to_owned(), request.route, class(request.class))).collect();
        let routes = web::guarded_routes(true).into_iter();
        let routes: BTreeSet<_> = routes.map(|route| (route.method.to_string(), route.path, name(route.capability))).collect();
        assert_eq!(routes, expected, "each route has a request here and the class the specification gives it");
        for request in &all {
            for (preset, may) in PRESETS {
                let holder = world.holder(preset);
                let answer = ask(&holder, request).await;
                let place = format!("{preset}: {}", show(&[&answer]));
                assert!(answer.header("ratelimit").is_some() && answer.header("ratelimit-policy").is_some(), "{place}");
                if may.contains(&request.class) {
                    assert!(answer.status < 500 && ![401, 403].contains(&answer.status), "{place}");
                } else {
                    assert_eq!((answer.status, answer.code().as_str()), (403, "AUTHORIZATION_REQUIRED"), "{place}");
                }
            }
            for stranger in strangers(&world) {
                let answer = ask(&stranger, request).await;
                assert_eq!((answer.status, answer.code().as_str()), (401, "INVALID_CREDENTIALS"), "{}", show(&[&answer]));
            }
        }
        let disabled = world.holder("no_money_out");
        let config = world.config(guichet::config::Purpose::Tool);
        let command = guichet::cli::key_command(&["disable", &disabled.key().id]).expect("right arguments");
        guichet::commands::key::answer(&command, &config).await.expect("the key exists");
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        for request in &all {
            ask(&disabled, request).await.refused(401, "EXPIRED_CREDENTIALS");
        }
        world.verify().await;
    }

    async fn somebody_elses_objects_look_like_none_at_all(world) {
        let (merchant, intruder) = (world.merchant(), world.intruder());
        let theirs = things(&world, &merchant).await;
        let nothing = unknown(&theirs);
        let looks = looks(&merchant, &theirs).await;
        // The intruder has money to give away, so that only the object can be what is missing.
        intruder.pays(intruder.purchase("50 EUR")).await;
        let (foreign, none) = (requests(&intruder, &theirs), requests(&intruder, &nothing));
        let malformed = requests(&intruder, &broken(&theirs));
        let mut met = BTreeSet::new();
        for ((foreign, none), malformed) in foreign.iter().zip(&none).zip(&malformed) {
            if foreign.path == none.path && foreign.body == none.body {
                continue; // it names nothing of anybody's
            }
            if names_nothing(foreign, &theirs) {
                continue;
            }
            let (foreign, none) = (ask(&intruder, foreign).await, ask(&intruder, none).await);
            assert_eq!(foreign.without_request_id(), none.without_request_id(), "{}", show(&[&foreign, &none]));
            let empty = none.status == 200 && (none.json() == Value::Array(vec![]) || none.json()["items"] == Value::Array(vec![]));
            let place = show(&[&foreign]);
            assert!(empty || NOTHING_THERE.contains(&none.code().as_str()), "{place}");
            let malformed = ask(&intruder, malformed).await;
            assert_eq!(malformed.without_request_id(), none.without_request_id(), "{}", show(&[&malformed, &none]));
            met.insert(none.code());
        }
        assert!(met.len() >= 9, "each kind of object was asked for: {met:?}");
        let after = self::looks(&merchant, &theirs).await;
        for (before, after) in looks.iter().zip(&after) {
            assert_eq!(before, after, "nothing of it changed anything");
        }
        // Who owns them is answered otherwise, so nothing else was wrong with those requests.
        for (own, none) in requests(&merchant, &theirs).iter().zip(&requests(&merchant, &nothing)) {
            if names_nothing(own, &theirs) {
                continue;
            }
            let (none, own) = (ask(&merchant, none).await, ask(&merchant, own).await);
            assert_ne!(own.without_request_id(), none.without_request_id(), "{}", show(&[&own, &none]));
            assert!(own.status < 500, "{}", show(&[&own]));
        }
        world.verify().await;
    }

    async fn the_account_may_be_said_and_must_be_the_keys(world) {
        let (merchant, intruder) = (world.merchant(), world.intruder());
        let all = requests(&merchant, &unknown(&things(&world, &merchant).await));
        let nobody = "0199a8b4-1f7e-7c3a-8000-0123456789ab";
        for request in &all {
            for name in ["X-Account-Code", "account-code"] {
                let mut refused = Vec::new();
                for account in [intruder.account_id.as_str(), nobody, "", "x"] {
                    let answer = asking(&merchant, request).header(name, account).send().await;
                    refused.push(answer.refused(400, "INVALID_ACCOUNT_ID"));
                }
                for one in &refused {
                    assert_eq!(one.without_request_id(), refused[0].without_request_id());
                }
                let own = asking(&merchant, request).header(name, &merchant.account_id).send().await;
                assert_ne!(own.code(), "INVALID_ACCOUNT_ID", "{}", show(&[&own]));
            }
            let twice = asking(&merchant, request).header("X-Account-Code", &merchant.account_id).header("account-code", nobody);
            twice.send().await.refused(400, "INVALID_ACCOUNT_ID");
        }
        world.verify().await;
    }
}

/// As the table of routes calls it.
fn class(class: Class) -> &'static str {
    match class {
        Class::Read => "read",
        Class::MoneyIn => "money in",
        Class::Manage => "write",
        Class::MoneyOut => "money out",
    }
}

fn name(capability: Capability) -> &'static str {
    match capability {
        Capability::Read => "read",
        Capability::MoneyIn => "money in",
        Capability::Write => "write",
        Capability::MoneyOut => "money out",
        Capability::CreateKey(_) => "create a key",
    }
}

/// The same names, for objects that nobody has.
fn unknown(things: &Things) -> Things {
    let other = |(at, (name, id)): (usize, (&&'static str, &String))| {
        let id = if is_id(id) { format!("0199a8b4-1f7e-7c3a-8000-{at:012}") } else { swapped(id) };
        (*name, id)
    };
    things.iter().enumerate().map(other).collect()
}

/// The same names, for what cannot be an id.
fn broken(things: &Things) -> Things {
    things.iter().map(|(name, id)| (*name, if is_id(id) { "no-such-thing".to_owned() } else { swapped(id) })).collect()
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// Another text of the same form: a merchant's own name, or the code of a link.
fn swapped(text: &str) -> String {
    format!("{text}-x")
}

/// Whether a request names no object, but only what whoever asks has anyway.
fn names_nothing(request: &Request, theirs: &Things) -> bool {
    let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
    !theirs.values().any(|id| request.path.contains(id) || body.contains(id))
}

/// Every object as its owner sees it, but for deliveries, which go on by themselves.
async fn looks(owner: &Actor, things: &Things) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for request in requests(owner, things).iter().filter(|request| request.method == "GET" && !names_nothing(request, things)) {
        if request.path.ends_with("/deliveries") {
            continue;
        }
        all.push((request.path.clone(), ask(owner, request).await.text().to_owned()));
    }
    assert!(all.len() > 12);
    all
}

/// Somebody without a key, with a wrong secret, with a token nobody has.
fn strangers(world: &World) -> Vec<Actor> {
    let key = world.merchant().key().clone();
    let wrong = Key { secret: format!("{}x", key.secret), ..key.clone() };
    let unknown = Key { token: format!("sandbox_pk_{}", "0".repeat(30)), ..key };
    vec![world.anonymous(), Actor::with_key(world.door(), "", wrong), Actor::with_key(world.door(), "", unknown)]
}

fn asking<'a>(actor: &'a Actor, request: &Request) -> testkit::actors::Ask<'a> {
    let mut ask = actor.ask(request.method, &request.path);
    if request.method != "GET" && request.method != "DELETE" {
        ask = ask.once(&fresh("key"));
    }
    match &request.body {
        Some(body) => ask.json(body),
        None => ask,
    }
}

async fn ask(actor: &Actor, request: &Request) -> Exchange {
    asking(actor, request).send().await
}
