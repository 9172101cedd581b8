//! The edge around real domains on a SQLite file: what every reply has, and what is refused before a handler runs.

use access::{AccessSecrets, AccessService, Environment, KeyringOptions, NewAccount, NewKey, Permission};
use connectors::acquirer_sandbox::Sandbox;
use db::{Access, DatabaseUrl, Store, StoreOptions};
use idempotency::{Idempotency, ReplySealer};
use kernel::{Country, Currency, PlatformKey, Source};
use messaging::{Messaging, Outbox, SystemLookup, UrlGuard, WebhookSecrets};
use payments::subscriptions::{BillingPort, StoredCard, Subscriptions};
use payments::{Acquirers, Connector, Origins, Parts, Patience, Payments};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::state::{Options, SandboxWiring};

const MIGRATIONS: &[db::Migration] = &[
    access::MIGRATION,
    ledger::MIGRATION,
    idempotency::MIGRATION,
    payments::MIGRATION,
    payments::customers::MIGRATION,
    payments::vault::MIGRATION,
    messaging::MIGRATION,
    payments::routing::MIGRATION,
    payments::payouts::MIGRATION,
    payments::links::MIGRATION,
    payments::subscriptions::MIGRATION,
    payments::CHALLENGES_MIGRATION,
    payments::NOTIFICATIONS_MIGRATION,
    payments::delays::MIGRATION,
    payments::NOTIFICATIONS_BY_ATTEMPT_MIGRATION,
    payments::TOLD_MIGRATION,
    payments::retries::MIGRATION,
    payments::reports::MIGRATION,
    payments::fulfilments::MIGRATION,
    payments::settlements::MIGRATION,
    access::IDEMPOTENCY_STRICT_MIGRATION,
    payments::customers::FORGOTTEN_MIGRATION,
    payments::customers::TOKENS_MIGRATION,
    payments::reports::DISPUTES_MIGRATION,
    payments::subscriptions::FREQUENCY_MIGRATION,
];

/// No card is stored.
struct NoVault;

impl BillingPort for NoVault {
    fn terms(&self, _account: kernel::AccountId) -> payments::Answering<'_, Result<Option<payments::Terms>, db::Fault>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn card<'a>(
        &'a self,
        _account: kernel::AccountId,
        _vaulted_token: &'a str,
    ) -> payments::Answering<'a, Result<StoredCard, db::Fault>> {
        Box::pin(std::future::ready(Ok(StoredCard::Unknown)))
    }
}

struct World {
    app: App,
    account: String,
    token: String,
    secret: String,
    reader: (String, String),
    _folder: tempfile::TempDir,
}

fn messaging(
    store: &Arc<Store>,
    platform: &PlatformKey,
    source: &Source,
    idempotency: &Idempotency,
    outbox: Outbox,
) -> Messaging {
    Messaging::new(messaging::Parts {
        store: store.clone(),
        secrets: WebhookSecrets::new(platform, source),
        replies: ReplySealer::new(platform, source),
        idempotency: idempotency.clone(),
        outbox,
        guard: UrlGuard::new(true, Arc::new(SystemLookup)),
        faces: crate::webhook_faces(),
    })
}

/// A reply, read to its end.
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("visible"))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn code(&self) -> String {
        format!("{} {}", self.status, self.json()["code"].as_str().unwrap_or("-"))
    }
}

fn edge_options() -> Options {
    Options {
        base_url: "http://localhost".to_owned(),
        version: "0.0.0",
        hosts: Vec::new(),
        trusted_proxies: Vec::new(),
        in_flight_status: 409,
        framed_by: Vec::new(),
        templates: None,
        only_tls: false,
    }
}

impl World {
    async fn new() -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let source = Source::system();
        let url = DatabaseUrl::sqlite(folder.path().join("guichet.db"));
        let options = StoreOptions {
            url,
            schema: None,
            migrations: MIGRATIONS,
            access: Access::Serve,
            migrate: true,
            source: source.clone(),
        };
        let store = Arc::new(Store::open(options).await.expect("a store"));
        let platform = PlatformKey::generate(&source);
        let secrets = AccessSecrets::new(&platform, &source);
        let options =
            KeyringOptions { environment: Environment::Sandbox, requests_per_minute: 6_000, failed_proofs_per_minute: None };
        let access = AccessService::new(&store, secrets, options);
        let france = Country::parse("FR").expect("France");
        let account =
            access.create_account(NewAccount::new("Shop", "shop@example.com", france, Currency::EUR)).await.expect("an account");
        let key = access.create_key(account.id, NewKey::new("full", Permission::FullAccess)).await.expect("a key");
        let reader = access.create_key(account.id, NewKey::new("reader", Permission::ReadOnly)).await.expect("a key");
        let acquirer = Sandbox::open(
            DatabaseUrl::sqlite(folder.path().join("acquirer.db")),
            source.clone(),
            &kernel::SecretText::new("nsec_test".to_owned()),
        )
        .await
        .expect("an acquirer");
        let idempotency = Idempotency::new(store.reader().clone()).sealing(ReplySealer::new(&platform, &source));
        let outbox = Outbox::new(store.reader().clone(), store.clock().clone());
        let faces = crate::faces(payments::Challenges::new(&platform));
        let payments = Payments::new(Parts {
            store: store.clone(),
            source: source.clone(),
            idempotency: idempotency.clone(),
            acquirers: Acquirers::new(vec![acquirer.acquirer(Connector::Sandbox)]).expect("one"),
            origins: Origins::new(faces.clone(), outbox.clone()),
            faces,
            patience: Patience::default(),
            vault: payments::Vault::new(store.clone(), &platform, &source),
        });
        let messaging = messaging(&store, &platform, &source, &idempotency, outbox);
        let app = app(Wiring {
            subscriptions: Subscriptions::new(payments.clone(), Arc::new(NoVault)),
            payments,
            messaging,
            keyring: access.keyring().clone(),
            idempotency,
            clock: store.clock().clone(),
            writer: store.writer().clone(),
            source,
            ready: Arc::new(|| Box::pin(async { true })),
            metrics: Arc::new(|| "up 1\n".to_owned()),
            sandbox: Some(SandboxWiring { acquirer, showcase: None }),
            options: edge_options(),
        });
        World {
            app: app.expect("wired"),
            account: account.id.to_string(),
            token: key.token.to_string(),
            secret: key.secret.expose().clone(),
            reader: (reader.token.to_string(), reader.secret.expose().clone()),
            _folder: folder,
        }
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.app.clone().oneshot(request).await.expect("the edge always answers");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 10_000_000).await.expect("a body");
        Reply { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8(body.to_vec()).expect("UTF-8") }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    /// A request of the merchant's.
    fn signed(&self, method: Method, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("public-api-key", &self.token)
            .header("private-secret-key", &self.secret)
    }

    async fn post(&self, path: &str, key: &str, body: impl Into<Body>) -> Reply {
        let request = self.signed(Method::POST, path).header("x-idempotency-key", key).header(CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).expect("a request")).await
    }

    fn payment(&self, order: &str) -> Value {
        json!({
            "account_id": self.account, "merchant_order_id": order, "description": "Two chairs", "country": "FR", "workflow": "DIRECT",
            "amount": {"currency": "EUR", "value": 19.99},
            "payment_method": {"type": "CARD", "detail": {"card": {"card_data": {
                "number": "4507990000000002", "expiration_month": 12, "expiration_year": 2030, "security_code": "123", "holder_name": "Ada Martin"}}}}
        })
    }
}

#[tokio::test]
async fn every_reply_has_its_id_and_its_guards() {
    let world = World::new().await;
    for (path, accept, status) in
        [("/healthz", "*/*", 200), ("/", "text/html", 200), ("/nothing", "text/html", 404), ("/nothing", "*/*", 404)]
    {
        let reply = world
            .send(
                Request::get(path)
                    .header("accept", accept)
                    .header("x-request-id", "mine-1")
                    .body(Body::empty())
                    .expect("a request"),
            )
            .await;
        assert_eq!((reply.status, reply.header("x-request-id")), (status, "mine-1"), "{path}");
        assert_eq!((reply.header("x-content-type-options"), reply.header("cache-control")), ("nosniff", "no-store"));
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(reply.text.contains("<html"), accept == "text/html", "{path}: {}", reply.text);
    }
    assert_eq!(world.get("/nothing").await.json(), json!({"code": "NOT_FOUND", "messages": ["there is no such path"]}));
}

#[tokio::test]
async fn methods_have_their_meaning() {
    let world = World::new().await;
    let refused = world.send(Request::delete("/v1/payments").body(Body::empty()).expect("a request")).await;
    assert_eq!((refused.code().as_str(), refused.header("allow")), ("405 UNSUPPORTED_METHOD", "POST, GET, HEAD"));
    let get = world.get("/healthz").await;
    let head = world.send(Request::head("/healthz").body(Body::empty()).expect("a request")).await;
    assert_eq!((head.status, head.text.as_str(), head.header("content-length")), (200, "", get.text.len().to_string().as_str()));
}

#[tokio::test]
async fn the_host_form_is_the_prefix_form() {
    let world = World::new().await;
    let ask =
        |path: &str| world.send(Request::get(path).header(HOST, "api.localhost:8080").body(Body::empty()).expect("a request"));
    assert_eq!(ask("/payments").await.code(), "401 INVALID_CREDENTIALS");
    assert_eq!(ask("/v1/payments").await.code(), "401 INVALID_CREDENTIALS");
    assert_eq!(ask("/healthz").await.status, 200);
    assert_eq!(ask("/nothing").await.code(), "404 NOT_FOUND");
}

#[tokio::test]
async fn broken_messages_are_refused_and_the_connection_ends() {
    let world = World::new().await;
    let request = || Request::post("/v1/payments");
    let large = "x".repeat(17 * 1024);
    for (request, expected) in [
        (request().header(CONTENT_LENGTH, "999999999"), "413 INVALID_REQUEST"),
        (request().header(CONTENT_LENGTH, "3").header(TRANSFER_ENCODING, "chunked"), "400 INVALID_REQUEST"),
        (request().header(HOST, "a").header(HOST, "b"), "400 INVALID_REQUEST"),
        (request().header("x-large", large), "431 INVALID_REQUEST"),
    ] {
        let reply = world.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!((reply.code().as_str(), reply.header("connection")), (expected, "close"));
        assert!(!reply.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn proofs_permissions_and_rates() {
    let world = World::new().await;
    let list = "/v1/payments?merchant_order_id=none";
    let good = world.send(world.signed(Method::GET, list).body(Body::empty()).expect("a request")).await;
    assert_eq!((good.status, good.text.as_str()), (200, "[]"));
    assert_eq!((good.header("ratelimit-limit"), good.header("ratelimit-policy")), ("6000", "\"key\";q=6000;w=60"));
    for wrong in [
        Request::get(list),
        Request::get(list).header("public-api-key", &world.token),
        Request::get(list).header("public-api-key", &world.token).header("private-secret-key", "sandbox_sk_wrong"),
        world.signed(Method::GET, list).header("public-api-key", &world.token),
    ] {
        let reply = world.send(wrong.body(Body::empty()).expect("a request")).await;
        assert_eq!(reply.json(), json!({"code": "INVALID_CREDENTIALS", "messages": ["the access key could not be proved"]}));
    }
    let (token, secret) = &world.reader;
    let reader = Request::post("/v1/payments").header("public-api-key", token).header("private-secret-key", secret);
    let refused = world.send(reader.body(Body::from("{")).expect("a request")).await;
    assert_eq!((refused.code().as_str(), refused.header("ratelimit-limit")), ("403 AUTHORIZATION_REQUIRED", "6000"));
    let coded = |code: &str| {
        world.send(world.signed(Method::GET, list).header("x-account-code", code).body(Body::empty()).expect("a request"))
    };
    assert_eq!(coded(&world.account).await.status, 200);
    assert_eq!(coded("01920000-0000-7000-8000-000000000001").await.code(), "400 INVALID_ACCOUNT_ID");
}

#[tokio::test]
async fn a_payment_is_made_once_and_replayed() {
    let world = World::new().await;
    let body = world.payment("order-1").to_string();
    let first = world.post("/v1/payments", "key-1", body.clone()).await;
    assert_eq!((first.status, first.json()["status"].as_str()), (201, Some("SUCCEEDED")), "{}", first.text);
    assert_eq!(first.header("content-type"), "application/json; charset=utf-8");
    for (path, body) in [("/v1/payments", body.as_str()), ("/v1/payments/", "not even JSON")] {
        let again = world.post(path, "key-1", body.to_owned()).await;
        assert_eq!((again.status, &again.text), (201, &first.text));
        assert_eq!(
            (again.header("idempotent-replayed"), again.header("original-request-id")),
            ("true", first.header("x-request-id"))
        );
    }
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    let read = world.send(world.signed(Method::GET, &format!("/v1/payments/{id}")).body(Body::empty()).expect("a request")).await;
    assert_eq!((read.status, read.json()["id"].as_str()), (200, Some(id.as_str())));
    let charges = world.get("/dev/acquirer/charges?merchant_order_id=order-1").await.json();
    assert_eq!(
        (charges["charges"][0]["payment_id"].as_str(), charges["charges"][0]["captured"].as_i64()),
        (Some(id.as_str()), Some(1_999))
    );
}

#[tokio::test]
async fn wrong_input_is_a_refusal_that_names_the_field() {
    let world = World::new().await;
    let with = |path: &[&str], value: Value| {
        let mut body = world.payment("order-2");
        let mut place = &mut body;
        for name in path {
            place = &mut place[*name];
        }
        *place = value;
        body
    };
    for (body, code, message) in [
        (with(&["amount", "value"], json!(-1)), "INVALID_AMOUNT", "amount.value: must not be negative"),
        (with(&["amount", "value"], json!(0)), "INVALID_AMOUNT", "amount.value: must be more than zero"),
        (with(&["amount", "value"], json!("1")), "INVALID_PARAMETERS", "amount.value: must be a number"),
        (
            with(&["amount", "currency"], json!("eur")),
            "CURRENCY_NOT_ALLOWED",
            "amount.currency: must be a currency code of ISO 4217",
        ),
        (with(&["country"], json!("XX")), "COUNTRY_NOT_SUPPORTED", "country: must be a country code of ISO 3166-1 alpha-2"),
        (with(&["description"], Value::Null), "MISSING_PARAMETERS", "description: is required"),
        (
            with(&["description"], json!("card 4507990000000002")),
            "INVALID_PARAMETERS",
            "description: must not contain a card number",
        ),
        (with(&["workflow"], json!("SDK_CHECKOUT")), "MISSING_PARAMETERS", "checkout.session: is required by this workflow"),
        (
            with(&["payment_method", "type"], json!("PIX")),
            "UNAVAILABLE_PAYMENT_METHOD",
            "payment_method.type: only CARD is offered",
        ),
        (
            with(&["payment_method", "token"], json!("x")),
            "INVALID_PARAMETERS",
            "payment_method: must have exactly one of token, vaulted_token and detail.card.card_data",
        ),
        (
            with(&["payment_method"], json!({"token": "x"})),
            "INVALID_TOKEN",
            "the one-time token is not valid: it is used, too old or not yours",
        ),
        (with(&["customer_payer"], json!({"id": "x"})), "CUSTOMER_NOT_FOUND", "customer not found"),
    ] {
        let reply = world.post("/v1/payments", "key-2", body.to_string()).await;
        assert_eq!(
            (reply.status, reply.json()["code"].as_str(), reply.json()["messages"][0].as_str()),
            (400, Some(code), Some(message)),
            "{}",
            reply.text
        );
    }
    for (body, code) in [
        ("", "INVALID_REQUEST"),
        ("[1]", "INVALID_REQUEST"),
        ("{\"a\":1,\"a\":1}", "INVALID_REQUEST"),
        ("{}", "MISSING_PARAMETERS"),
    ] {
        assert_eq!(world.post("/v1/payments", "key-2", body).await.code(), format!("400 {code}"));
    }
    assert_eq!(world.post("/v1/payments", "a,b", "{}").await.code(), "400 INVALID_PARAMETERS");
    let keyless = world.signed(Method::POST, "/v1/payments").header(CONTENT_TYPE, "application/json");
    assert_eq!(world.send(keyless.body(Body::from("{}")).expect("a request")).await.code(), "400 MISSING_PARAMETERS");
    let missing = world.post("/v1/payments/x/transactions/y/refund", "key-3", r#"{"merchant_reference":"abc"}"#).await;
    assert_eq!(missing.json(), json!({"code": "PAYMENT_NOT_FOUND", "messages": ["payment not found"]}));
}

#[tokio::test]
async fn the_sandbox_can_be_steered() {
    let world = World::new().await;
    let post = |path: &str, body: &str| world.send(Request::post(path).body(Body::from(body.to_owned())).expect("a request"));
    let down = post("/dev/acquirer", r#"{"mode":"down"}"#).await;
    assert_eq!((down.status, down.json()["mode"].as_str()), (200, Some("down")));
    let refused = world.post("/v1/payments", "key-4", world.payment("order-4").to_string()).await;
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("503 PROVIDER_UNAVAILABLE", "5"));
    assert_eq!(post("/dev/acquirer", r#"{"mode":"normal","connector":"sandbox"}"#).await.json()["mode"], "normal");
    assert_eq!(post("/dev/acquirer", r#"{"mode":"sideways"}"#).await.code(), "400 INVALID_PARAMETERS");
    assert_eq!(world.post("/v1/payments", "key-4", world.payment("order-4").to_string()).await.status, 201);
    assert_eq!(post("/dev/clock", r#"{"advance_seconds":60}"#).await.status, 200);
    assert_eq!(post("/dev/clock", r#"{"advance_seconds":-1}"#).await.code(), "400 INVALID_PARAMETERS");
    assert_eq!(world.get("/dev/outbox").await.json(), json!({"messages": []}));
}

#[tokio::test]
async fn pages_and_their_files() {
    let world = World::new().await;
    let page = world.send(Request::get("/?lang=fr").header("accept", "text/html").body(Body::empty()).expect("a request")).await;
    assert!(page.text.contains("<html lang=\"fr\">") && page.status == 200, "{}", page.text);
    let plain = page.text.replace("&#x2f;", "/");
    let css = plain.split('"').find(|part| part.ends_with("guichet.css")).expect("a style sheet").to_owned();
    let file = world.get(&css).await;
    assert_eq!((file.status, file.header("content-type")), (200, "text/css; charset=utf-8"));
    assert!(file.header("cache-control").contains("immutable"));
    let again =
        world.send(Request::get(&css).header("if-none-match", file.header("etag")).body(Body::empty()).expect("a request")).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(world.get("/static/x/..%2f..%2fCargo.toml").await.status, 404);
    assert_eq!(world.get("/docs").await.status, 200);
    assert_eq!(world.get("/openapi.json").await.json()["openapi"], "3.1.0");
    assert_eq!(world.get("/metrics").await.text, "up 1\n");
    world.app.drain();
    assert_eq!(world.get("/readyz").await.status, 503);
}
