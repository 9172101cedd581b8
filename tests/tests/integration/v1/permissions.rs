//! Who may do what: a matrix made from the table of routes, so that a new route is in it without anybody's doing.

use access::Capability;
use axum::http::Method;
use serde_json::{Value, json};
use testkit::actors::{Actor, Key};
use testkit::on_both_engines;
use testkit::world::World;

/// The presets by the name the credentials file gives their keys, and what each may do (spec: payments § 3.2).
const PRESETS: [(&str, [bool; 4]); 5] = [
    // read, money in, write, money out
    ("full", [true, true, true, true]),
    ("no_money_out", [true, true, true, false]),
    ("read_money_in", [true, true, false, false]),
    ("money_in_only", [false, true, false, false]),
    ("read_only", [true, false, false, false]),
];

/// A guarded route with a payment's ids in its path.
struct Cell {
    method: Method,
    path: String,
    capability: Capability,
    needs_key: bool,
}

on_both_engines! {
    async fn every_guarded_route_for_every_kind_of_caller(world) {
        let merchant = world.merchant();
        let held = merchant.pays(merchant.authorisation("5 EUR")).await;
        let nothing = "0199a8b4-1f7e-7c3a-8000-0123456789ab";
        let unknown = cells(nothing, nothing);
        assert!(unknown.len() >= 9, "the table of routes is there");
        for cell in &unknown {
            for (name, may) in PRESETS {
                let answer = ask(&world.holder(name), cell).await;
                let place = format!("{name}: {} {} was answered {} {}", cell.method, cell.path, answer.0, answer.1);
                if may[column(cell.capability)] {
                    assert!(answer.0 < 500 && ![401, 403].contains(&answer.0), "{place}");
                } else {
                    assert_eq!((answer.0, answer.1.as_str()), (403, "AUTHORIZATION_REQUIRED"), "{place}");
                }
            }
            for stranger in strangers(&world) {
                let answer = ask(&stranger, cell).await;
                assert_eq!((answer.0, answer.1.as_str()), (401, "INVALID_CREDENTIALS"), "{} {}", cell.method, cell.path);
            }
        }
        // Somebody else's objects look like none at all.
        for (foreign, unknown) in cells(&held.id, &held.transaction).iter().zip(&unknown) {
            let (foreign, unknown) = (full_answer(&world.intruder(), foreign).await, full_answer(&world.intruder(), unknown).await);
            assert_eq!(foreign, unknown);
        }
        let after = merchant.get(&format!("/v1/payments/{}", held.id)).await;
        assert_eq!(after.payment_state(), "PENDING/AUTHORIZED");

        let disabled = world.holder("no_money_out");
        let config = world.config(guichet::config::Purpose::Tool);
        let command = guichet::cli::key_command(&["disable", &disabled.key().id]).expect("right arguments");
        guichet::commands::key::answer(&command, &config).await.expect("the key exists");
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        for cell in &unknown {
            let answer = ask(&disabled, cell).await;
            assert_eq!((answer.0, answer.1.as_str()), (401, "EXPIRED_CREDENTIALS"), "{} {}", cell.method, cell.path);
        }
        world.verify_settled().await;
    }
}

fn column(capability: Capability) -> usize {
    match capability {
        Capability::Read => 0,
        Capability::MoneyIn => 1,
        Capability::Write => 2,
        Capability::MoneyOut => 3,
        Capability::CreateKey(_) => panic!("no route makes keys yet"),
    }
}

fn cells(payment: &str, transaction: &str) -> Vec<Cell> {
    let guarded = web::guarded_routes(true).into_iter().map(|route| {
        let path = route.path.split('/').map(|segment| match segment.trim_matches(['{', '}']) {
            same if same == segment => segment,
            name if name.contains("transaction") => transaction,
            _ => payment,
        });
        let path = path.collect::<Vec<_>>().join("/");
        let query = if route.path == "/v1/payments" && route.method == Method::GET { "?merchant_order_id=none" } else { "" };
        Cell {
            method: route.method,
            path: format!("{path}{query}"),
            capability: route.capability,
            needs_key: route.needs_idempotency_key,
        }
    });
    guarded.collect()
}

/// Somebody without a key, with a wrong secret, with a token nobody has.
fn strangers(world: &World) -> Vec<Actor> {
    let key = world.merchant().key().clone();
    let wrong = Key { secret: format!("{}x", key.secret), ..key.clone() };
    let unknown = Key { token: format!("sandbox_pk_{}", "0".repeat(30)), ..key };
    vec![world.anonymous(), Actor::with_key(world.door(), "", wrong), Actor::with_key(world.door(), "", unknown)]
}

async fn ask(actor: &Actor, cell: &Cell) -> (u16, String) {
    let (status, body) = full_answer(actor, cell).await;
    (
        status,
        serde_json::from_str::<Value>(&body)
            .ok()
            .and_then(|body| Some(body.get("code")?.as_str()?.to_owned()))
            .unwrap_or_default(),
    )
}

async fn full_answer(actor: &Actor, cell: &Cell) -> (u16, String) {
    let mut ask = actor.ask(cell.method.as_str(), &cell.path);
    if cell.needs_key {
        ask = ask.fresh_key();
    }
    if cell.method == Method::POST {
        // Enough for every operation on a payment, and too little for making one.
        let body = json!({ "merchant_reference": "ref", "reason": "REQUESTED_BY_CUSTOMER", "amount": { "currency": "EUR", "value": 1 } });
        let body = if cell.path.ends_with("/capture") { replaced(body, "reason", json!("PRODUCT_CONFIRMED")) } else { body };
        let body = if cell.path.ends_with("/cancel") { replaced(body, "amount", Value::Null) } else { body };
        ask = ask.json(&body);
    }
    let answer = ask.send().await;
    (answer.status, answer.text().to_owned())
}

fn replaced(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}
