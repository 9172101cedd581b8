//! The OpenAPI document, made from the table of routes: what is not in the document does not exist.

use std::collections::BTreeMap;

use access::Capability;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::api::v1::webhooks;
use crate::compressed::Compressed;
use crate::envelope::{Code, JSON, ProblemView};
use crate::extract::Headers;
use crate::object::{Components, Refusals};
use crate::route::{Content, Idempotency, Route, component};
use crate::state::{Options, Web};
use crate::table;

/// The sections of the document and what each is for.
pub(crate) const SECTIONS: [(&str, &str); 15] = [
    ("Payments", "A payment is what you want; a transaction is one step on the way: a purchase, a capture, a refund."),
    ("Checkout sessions", "An order for which a payer can make one payment."),
    ("Customers", "Who pays you, and the cards he has left with you."),
    ("One-time tokens", "A card that your page has taken and your server may charge once."),
    ("Payment methods", "Cards that may be charged again."),
    ("Payment links", "An address where somebody pays an amount you fixed."),
    ("Subscriptions", "A stored card that is charged once per cycle."),
    ("Payouts and balances", "What you have, and how it reaches a bank account."),
    ("Reports", "What was paid, step by step, as a table to download."),
    ("Routing", "Which acquirer a charge goes to, and which one is tried next."),
    ("Webhooks", "Who is told when something changes, and what became of telling them."),
    ("Pages for payers", "What people see who pay."),
    ("Acquirers", "What acquirers tell us unasked."),
    ("House", "For the machines and people that run the product."),
    ("Sandbox", "Only where no real money moves: the acquirer's moods and books, the clock, the outbox."),
];

/// The document, ready to be served and to be shown.
pub(crate) struct Reference {
    /// As a value.
    pub document: Value,
    served: Compressed,
}

impl Reference {
    /// The document of these routes.
    pub(crate) fn new(routes: &[Route], options: &Options) -> Reference {
        let document = document(routes, options.version, &options.base_url);
        let served = serde_json::to_vec(&document).expect("a JSON value serialises");
        Reference { document, served: Compressed::new(served.into()) }
    }
}

/// The document as `guichet openapi` prints it; with the sandbox's routes if wanted.
pub fn openapi(version: &str, sandbox: bool) -> String {
    let document = document(&table::routes(sandbox), version, "/");
    serde_json::to_string_pretty(&document).expect("a JSON value serialises")
}

/// The route of the document.
pub(crate) fn route() -> Route {
    Route::open(Method::GET, "/openapi.json", serve).named("House", "openapi", "Get this document").replies(
        StatusCode::OK,
        "The document.",
        Content::Other("application/json"),
    )
}

async fn serve(Headers(headers): Headers, State(web): State<Web>) -> Response {
    ([(CONTENT_TYPE, JSON)], web.reference.served.reply(&headers)).into_response()
}

fn document(routes: &[Route], version: &str, base_url: &str) -> Value {
    let mut components = Components::new();
    let problem = schema_value(&component::<ProblemView<'_>>(&mut components));
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let operations = paths.entry(route.path.replace("{*", "{")).or_insert_with(|| json!({}));
        operations[route.method.as_str().to_ascii_lowercase()] = operation(route, &problem, &mut components);
    }
    let webhooks = webhooks(&mut components);
    let schemas: Map<String, Value> =
        components.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).expect("a schema serialises"))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "guichet",
            "version": version,
            "description": "Take payments on your own machine. Every money-moving request is carried out once, however often it is sent.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base_url}],
        "tags": SECTIONS.map(|(name, text)| json!({"name": name, "description": text})),
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "publicApiKey": {"type": "apiKey", "in": "header", "name": "public-api-key", "description": "The token of the access key."},
                "privateSecretKey": {"type": "apiKey", "in": "header", "name": "private-secret-key", "description": "Its secret."},
            },
        },
    })
}

fn operation(route: &Route, problem: &Value, components: &mut Components) -> Value {
    let facts = &route.facts;
    let mut operation = json!({
        "tags": [facts.group],
        "operationId": facts.id,
        "summary": facts.summary,
        "description": facts.text,
        "parameters": parameters(route),
        "responses": responses(route, problem, components),
        "x-capability": route.needs.capability.map(capability),
        "x-idempotency": match route.needs.idempotency {
            Idempotency::Required => "required",
            Idempotency::Optional => "accepted",
            Idempotency::Ignored => "none",
        },
        "x-refusals": explained(route).into_iter().map(|(code, text)| {
            json!({"status": code.status().as_u16(), "code": code.text(), "text": text})
        }).collect::<Vec<_>>(),
    });
    if route.needs.capability.is_some() {
        operation["security"] = json!([{"publicApiKey": [], "privateSecretKey": []}]);
    }
    if let Some(body) = &route.needs.body {
        (body.components)(components);
        let mut content = json!({"schema": {"$ref": format!("#/components/schemas/{}", body.name)}});
        if let Some(example) = facts.example {
            content["example"] = serde_json::from_str(example).expect("examples are JSON; a test reads them all");
        }
        operation["requestBody"] = json!({"required": true, "content": {"application/json": content}});
    }
    if let Some(sent) = &facts.sent {
        let schema = schema_value(&(sent.schema)(components));
        operation["requestBody"] = json!({"required": true, "content": {sent.kind: {"schema": schema}}});
    }
    operation
}

fn capability(capability: Capability) -> &'static str {
    match capability {
        Capability::Read => "read",
        Capability::MoneyIn => "money_in",
        Capability::Write => "write",
        Capability::MoneyOut => "money_out",
        Capability::CreateKey(_) => "create_key",
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let explained =
        |name: &str| route.facts.params.iter().find_map(|(known, text)| (*known == name).then_some(*text)).unwrap_or_default();
    let in_path = route.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).map(|name| {
        let name = name.trim_start_matches('*');
        json!({"name": name, "in": "path", "required": true, "description": explained(name), "schema": {"type": "string"}})
    });
    let in_query = route.needs.query.iter().map(|parameter| serde_json::to_value(parameter).expect("a parameter serialises"));
    let mut all: Vec<Value> = in_path.chain(in_query).collect();
    if route.needs.idempotency != Idempotency::Ignored {
        all.push(json!({
            "name": "X-Idempotency-Key", "in": "header", "required": route.needs.idempotency == Idempotency::Required,
            "description": "Your name for this one operation. The same key within 24 hours gives the same reply and no second effect.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-+\\--~]+$"},
        }));
    }
    if route.needs.capability.is_some() {
        all.push(json!({
            "name": "X-Account-Code", "in": "header", "required": false,
            "description": "The account of the key, for those who want to say it.", "schema": {"type": "string", "format": "uuid"},
        }));
    }
    all
}

fn responses(route: &Route, problem: &Value, components: &mut Components) -> Map<String, Value> {
    let mut responses = Map::new();
    for reply in &route.facts.replies {
        let content = match &reply.content {
            Content::Json(schema) => {
                let mut content = json!({"schema": schema_value(&schema(components))});
                if let Some(example) = reply.example {
                    content["example"] = serde_json::from_slice(&example()).expect("views draw JSON");
                }
                json!({"application/json": content})
            }
            Content::Html => json!({"text/html": {}}),
            Content::Nothing => json!({}),
            Content::Other(kind) => json!({*kind: {}}),
        };
        responses.insert(reply.status.as_str().to_owned(), json!({"description": reply.text, "content": content}));
    }
    for (status, codes) in refusals(route) {
        let description = codes.into_iter().map(Code::text).collect::<Vec<_>>().join(", ");
        let refusal = json!({"description": description, "content": {"application/json": {"schema": problem}}});
        responses.entry(status.as_str().to_owned()).or_insert(refusal);
    }
    responses
}

/// The refusals of a route that are worth a sentence: those it explains itself, and those that fields of its body bring with them.
fn explained(route: &Route) -> Refusals {
    let mut all = route.facts.refusals.to_vec();
    let mut of_fields = Refusals::new();
    if let Some(body) = &route.needs.body {
        (body.refusals)(&mut of_fields);
    }
    for (code, text) in of_fields {
        if all.iter().all(|(known, _)| *known != code) {
            all.push((code, text));
        }
    }
    all
}

/// What a route may refuse with, by status: its own refusals and those that what it takes brings with it.
fn refusals(route: &Route) -> BTreeMap<StatusCode, Vec<Code>> {
    let mut all: BTreeMap<StatusCode, Vec<Code>> = BTreeMap::new();
    let mut add = |status: StatusCode, code: Code| {
        let codes = all.entry(status).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    };
    // Unavailable: the store cannot be reached, or the server is stopping.
    let of_all = [Code::InvalidRequest, Code::InternalError, Code::ServiceUnavailable, Code::RequestTimeout];
    let of_keys = [
        Code::InvalidCredentials,
        Code::ExpiredCredentials,
        Code::UnknownIpAddress,
        Code::AuthorizationRequired,
        Code::TooManyRequests,
        Code::InvalidAccountId,
    ];
    for code in of_all {
        add(code.status(), code);
    }
    add(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Code::InvalidRequest);
    if route.needs.capability.is_some() {
        for code in of_keys {
            add(code.status(), code);
        }
    }
    if let Some(body) = &route.needs.body {
        for code in [Code::MissingParameters, body.invalid] {
            add(code.status(), code);
        }
    }
    // A parameter of the query that is there twice; a key for idempotency that is none.
    if !route.needs.query.is_empty() || route.needs.idempotency != Idempotency::Ignored {
        add(Code::InvalidParameters.status(), Code::InvalidParameters);
    }
    if route.needs.idempotency == Idempotency::Required {
        add(Code::MissingParameters.status(), Code::MissingParameters);
    }
    if route.needs.body.is_some() || route.needs.reads {
        add(StatusCode::PAYLOAD_TOO_LARGE, Code::InvalidRequest);
        add(StatusCode::REQUEST_TIMEOUT, Code::RequestTimeout);
    }
    if route.needs.idempotency != Idempotency::Ignored {
        add(Code::RequestInProcess.status(), Code::RequestInProcess);
        // Of accounts that want the same body with the same key.
        add(StatusCode::UNPROCESSABLE_ENTITY, Code::IdempotencyDuplicated);
    }
    for (code, _) in explained(route) {
        add(code.status(), code);
    }
    all
}

fn schema_value(schema: &utoipa::openapi::RefOr<utoipa::openapi::Schema>) -> Value {
    serde_json::to_value(schema).expect("a schema serialises")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_in_the_document_with_its_needs() {
        let document = document(&table::routes(true), "0.0.0", "/");
        let mut lines = Vec::new();
        for route in table::routes(true) {
            let path = route.path.replace("{*", "{");
            let operation = &document["paths"][&path][route.method.as_str().to_ascii_lowercase()];
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{path} says nothing about itself");
            assert!(SECTIONS.iter().any(|(name, _)| operation["tags"][0] == *name), "{path} is in no section");
            let capability = operation["x-capability"].as_str().unwrap_or("-");
            let idempotency = operation["x-idempotency"].as_str().unwrap_or_default();
            let statuses = operation["responses"]
                .as_object()
                .map(|all| all.keys().cloned().collect::<Vec<_>>().join(" "))
                .unwrap_or_default();
            lines.push(format!("{} {path} | {capability} | {idempotency} | {statuses}", route.method));
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn ids_are_unique_and_references_lead_somewhere() {
        let document = document(&table::routes(true), "0.0.0", "/");
        let mut ids = std::collections::BTreeSet::new();
        for route in table::routes(true) {
            assert!(ids.insert(route.facts.id), "{} twice", route.facts.id);
        }
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a name");
            assert!(document["components"]["schemas"][name].is_object(), "{name} is nowhere");
        }
    }

    #[test]
    fn what_a_route_refuses_with_is_in_the_document() {
        let document = document(&table::routes(true), "0.0.0", "/");
        for (method, path, status, codes) in [
            (
                "post",
                "/v1/payments",
                "400",
                "MISSING_PARAMETERS INVALID_PARAMETERS CURRENCY_NOT_ALLOWED COUNTRY_NOT_SUPPORTED PAYMENT_METHOD_NOT_FOUND \
                 PAYMENT_METHOD_STATUS_INVALID CHECKOUT_SESSION_NOT_FOUND CUSTOMER_NOT_FOUND",
            ),
            (
                "post",
                "/v1/payments/{payment}/transactions/{transaction}/capture",
                "400",
                "PAYMENT_NOT_FOUND TRANSACTION_NOT_FOUND CURRENCY_NOT_ALLOWED",
            ),
            (
                "post",
                "/v1/payments/{payment}/transactions/{transaction}/refund",
                "503",
                "SERVICE_UNAVAILABLE PROVIDER_UNAVAILABLE",
            ),
            ("post", "/v1/payments/{payment}/cancel-or-refund", "400", "PAYMENT_NOT_FOUND"),
            (
                "post",
                "/v1/payments/{payment}/transactions/{transaction}/cancel",
                "400",
                "PAYMENT_NOT_FOUND TRANSACTION_NOT_FOUND",
            ),
            ("get", "/v1/reports/{report}", "400", "NOT_FOUND"),
            ("get", "/v1/reports/{report}/download", "400", "NOT_FOUND"),
            ("get", "/v1/payment-links/{code}", "400", "NOT_FOUND"),
            ("post", "/v1/payment-links/{code}/cancel", "400", "NOT_FOUND"),
            ("get", "/v1/subscriptions", "400", "INVALID_PARAMETERS INVALID_DATE BAD_REQUEST"),
            ("post", "/v1/subscriptions", "400", "INVALID_AMOUNT CURRENCY_NOT_ALLOWED COUNTRY_NOT_SUPPORTED INVALID_DATE"),
            ("post", "/v1/customers", "400", "COUNTRY_NOT_SUPPORTED"),
            ("post", "/v1/webhooks", "400", "WEBHOOK_INVALID_REQUEST WEBHOOK_INVALID_TRIGGER"),
            ("get", "/v1/webhooks/{webhook}", "404", "WEBHOOK_NOT_FOUND"),
        ] {
            let said = document["paths"][path][method]["responses"][status]["description"].as_str().unwrap_or_default();
            let said: Vec<&str> = said.split(", ").collect();
            for code in codes.split_whitespace() {
                assert!(said.contains(&code), "{method} {path}: {code} is not among {said:?}");
            }
        }
        assert!(document["paths"]["/v1/reports/{report}"]["get"]["responses"]["404"].is_null());
    }

    #[test]
    fn what_null_takes_off_may_be_null() {
        let document = document(&table::routes(true), "0.0.0", "/");
        let of = &document["components"]["schemas"]["PatchCustomerBody"]["properties"];
        for (name, property) in of.as_object().into_iter().flatten() {
            let nullable = property["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null")))
                || property["oneOf"].as_array().is_some_and(|kinds| kinds.contains(&json!({"type": "null"})));
            assert_eq!(nullable, name != "merchant_customer_id", "{property}");
            assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "{property}");
        }
    }

    #[test]
    fn numbers_of_a_query_are_numbers_in_the_document() {
        let document = document(&table::routes(true), "0.0.0", "/");
        let numbers = ["limit", "page", "size", "offset"];
        let mut seen = 0;
        for operation in
            document["paths"].as_object().into_iter().flatten().filter_map(|(_, methods)| methods.as_object()).flatten()
        {
            let parameters = operation.1["parameters"].as_array().into_iter().flatten();
            for parameter in parameters.filter(|one| one["in"] == "query") {
                let is_number = parameter["name"].as_str().is_some_and(|name| numbers.contains(&name));
                assert_eq!(parameter["schema"]["type"] == "integer", is_number, "{parameter}");
                assert_eq!(parameter["schema"]["maximum"].is_number(), is_number, "{parameter}");
                seen += usize::from(is_number);
            }
        }
        assert_eq!(seen, 9);
    }

    #[test]
    fn whoever_reads_a_body_says_which() {
        let document = document(&table::routes(true), "0.0.0", "/");
        for route in table::routes(true) {
            let operation = &document["paths"][route.path.replace("{*", "{")][route.method.as_str().to_ascii_lowercase()];
            let reads = route.needs.body.is_some() || route.needs.reads;
            assert_eq!(operation["requestBody"]["content"].is_object(), reads, "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn production_has_no_sandbox_routes() {
        assert!(table::routes(false).iter().all(|route| !route.path.starts_with("/dev")));
        assert!(table::routes(true).iter().any(|route| route.path.starts_with("/dev")));
    }
}
