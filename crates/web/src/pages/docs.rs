//! `/docs`: the API reference, made from the OpenAPI document and readable without any network.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Page, language_of};
use crate::extract::{Facts, Headers};
use crate::openapi::SECTIONS;
use crate::route::{Content, Route};
use crate::state::Web;

/// The published test cards by their last digits; the acquirer's own list decides, a test compares them.
const CARDS: [(&str, &str); 13] = [
    ("4507 9900 0000 0002", "SUCCEEDED"),
    ("4507 9900 0000 0010", "INSUFFICIENT_FUNDS"),
    ("4507 9900 0000 0028", "DECLINED_BY_BANK"),
    ("4507 9900 0000 0036", "DO_NOT_HONOR"),
    ("4507 9900 0000 0044", "INVALID_SECURITY_CODE"),
    ("4507 9900 0000 0051", "INVALID_CARD_DATA"),
    ("4507 9900 0000 0069", "REPORTED_STOLEN"),
    ("4507 9900 0000 0077", "ERROR"),
    ("4916 9940 6425 2017", "CHALLENGE_REQUIRED"),
    ("5306 8899 4283 3340", "CHALLENGE_REQUIRED"),
    ("3720 211063 51394", "CHALLENGE_REQUIRED"),
    ("4929 2518 9704 7956", "SUCCEEDED"),
    ("4716 4293 2384 2524", "AUTHENTICATION_FAILED_THREE_D_SECURE"),
];

/// The route.
pub(crate) fn route() -> Route {
    Route::open(Method::GET, "/docs", docs).named("House", "docs", "Read the API reference").replies(
        StatusCode::OK,
        "A page.",
        Content::Html,
    )
}

async fn docs(Facts(exchange): Facts, Headers(headers): Headers, State(web): State<Web>) -> Response {
    let language = language_of(&exchange.uri, &headers);
    let page = Page { template: "docs.html", path: "/docs", language, ready: web.is_ready().await };
    let docs = Docs::of(&web.reference.document, &web.wiring.options.base_url, web.wiring.sandbox.is_some());
    web.pages.reply(StatusCode::OK, &page, context! { docs => Serde(docs) })
}

/// What the template is told; its head explains each field.
#[derive(Serialize)]
struct Docs {
    base_url: String,
    cards: Vec<Card>,
    groups: Vec<Group>,
    objects: Vec<Object>,
}

#[derive(Serialize)]
struct Card {
    number: &'static str,
    code: &'static str,
}

#[derive(Serialize)]
struct Group {
    id: String,
    name: &'static str,
    text: &'static str,
    operations: Vec<Operation>,
}

#[derive(Serialize)]
struct Object {
    id: String,
    name: String,
    text: String,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    text: String,
    capability: Option<String>,
    keys: bool,
    idempotency: String,
    parameters: Vec<Field>,
    body: Option<Contents>,
    curl: String,
    replies: Vec<Reply>,
    errors: Vec<Refusal>,
}

#[derive(Serialize)]
struct Contents {
    object: Option<String>,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Reply {
    status: String,
    text: String,
    object: Option<String>,
    fields: Vec<Field>,
    example: Option<String>,
}

#[derive(Serialize)]
struct Refusal {
    status: u64,
    code: String,
    text: String,
}

#[derive(Serialize, Default)]
struct Field {
    name: String,
    place: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    required: bool,
    text: String,
    length: Option<String>,
    range: Option<String>,
    count: Option<String>,
    fallback: Option<String>,
    values: Vec<String>,
    object: Option<String>,
    fields: Vec<Field>,
}

impl Docs {
    fn of(document: &Value, base_url: &str, sandbox: bool) -> Docs {
        let schemas = Schemas::of(document);
        let operations = all_operations(document);
        let groups = SECTIONS.into_iter().map(|(name, text)| Group {
            id: anchor(name),
            name,
            text,
            operations: operations
                .iter()
                .filter(|(_, _, operation)| operation["tags"][0] == name)
                .map(|(path, method, operation)| schemas.operation(path, method, operation, base_url))
                .collect(),
        });
        let cards = CARDS.iter().filter(|_| sandbox).map(|(number, code)| Card { number, code });
        Docs {
            base_url: base_url.to_owned(),
            cards: cards.collect(),
            groups: groups.filter(|group| !group.operations.is_empty()).collect(),
            objects: schemas.shared_objects(),
        }
    }
}

/// Path, method and operation of everything in the document, in its order.
fn all_operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, methods)| {
            methods.as_object().into_iter().flatten().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

/// The document's named schemas and how often each is used.
struct Schemas<'d> {
    all: &'d Map<String, Value>,
    uses: BTreeMap<&'d str, usize>,
}

impl<'d> Schemas<'d> {
    fn of(document: &'d Value) -> Schemas<'d> {
        let mut uses = BTreeMap::new();
        count_uses(document, &mut uses);
        Schemas { all: document["components"]["schemas"].as_object().expect("the document names its schemas"), uses }
    }

    /// Whether a named schema stands in a section of its own instead of where it is used.
    fn is_shared(&self, name: &str) -> bool {
        self.uses.get(name).is_some_and(|uses| *uses > 1)
    }

    fn shared_objects(&self) -> Vec<Object> {
        let shared = self.all.iter().filter(|(name, _)| self.is_shared(name));
        let object = |(name, schema): (&String, &Value)| Object {
            id: name.clone(),
            name: name.clone(),
            text: text(&schema["description"]),
            fields: self.members(schema),
        };
        shared.map(object).collect()
    }

    fn operation(&self, path: &str, method: &str, operation: &Value, base_url: &str) -> Operation {
        let keys = operation["security"].is_array();
        let body =
            operation["requestBody"]["content"].as_object().and_then(|kinds| kinds.values().next()).unwrap_or(&Value::Null);
        let replies = operation["responses"].as_object().into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
        let headers = ["X-Idempotency-Key", "X-Account-Code"];
        let parameters = list(&operation["parameters"]).filter(|parameter| headers.iter().all(|name| parameter["name"] != *name));
        let refusals = list(&operation["x-refusals"]);
        Operation {
            id: text(&operation["operationId"]),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            text: text(&operation["description"]),
            capability: operation["x-capability"].as_str().map(str::to_owned),
            keys,
            idempotency: text(&operation["x-idempotency"]),
            parameters: parameters.map(|parameter| self.parameter(parameter)).collect(),
            body: body["schema"].is_object().then(|| self.contents(&body["schema"])),
            curl: curl(path, method, operation, base_url),
            replies: replies.map(|(status, reply)| self.reply(status, reply)).collect(),
            errors: refusals
                .map(|refusal| Refusal {
                    status: refusal["status"].as_u64().unwrap_or_default(),
                    code: text(&refusal["code"]),
                    text: text(&refusal["text"]),
                })
                .collect(),
        }
    }

    fn parameter(&self, parameter: &Value) -> Field {
        let mut field = self.field(&text(&parameter["name"]), &parameter["schema"], parameter["required"] == true);
        field.place = Some(text(&parameter["in"]));
        field.text = text(&parameter["description"]);
        field
    }

    fn reply(&self, status: &str, reply: &Value) -> Reply {
        let content = &reply["content"]["application/json"];
        let Contents { object, fields } = self.contents(&content["schema"]);
        let example = content.get("example").map(|example| format!("{example:#}"));
        Reply { status: status.to_owned(), text: text(&reply["description"]), object, fields, example }
    }

    /// What is inside a schema: a link to a shared one, or its members.
    fn contents(&self, schema: &Value) -> Contents {
        let of = items_of(schema);
        match referred(of) {
            Some(name) if self.is_shared(name) => Contents { object: Some(name.to_owned()), fields: Vec::new() },
            Some(name) => Contents { object: None, fields: self.members(&self.all[name]) },
            None => Contents { object: None, fields: self.members(of) },
        }
    }

    fn members(&self, schema: &Value) -> Vec<Field> {
        let required: Vec<&str> = list(&schema["required"]).filter_map(Value::as_str).collect();
        let properties = schema["properties"].as_object().into_iter().flatten();
        properties.map(|(name, property)| self.field(name, property, required.contains(&name.as_str()))).collect()
    }

    fn field(&self, name: &str, property: &Value, required: bool) -> Field {
        let schema = not_null(property);
        let inside = self.contents(schema);
        let own = referred(schema).map_or(schema, |name| &self.all[name]);
        let described =
            [property, schema, own].into_iter().map(|schema| text(&schema["description"])).find(|text| !text.is_empty());
        Field {
            name: name.to_owned(),
            place: None,
            kind: self.kind(schema),
            required,
            text: described.unwrap_or_default(),
            length: bounds(&schema["minLength"], &schema["maxLength"]),
            range: bounds(&schema["minimum"], &schema["maximum"]),
            count: bounds(&schema["minItems"], &schema["maxItems"]),
            fallback: schema.get("default").map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            values: list(&own["enum"]).filter_map(Value::as_str).map(str::to_owned).collect(),
            object: inside.object,
            fields: inside.fields,
        }
    }

    /// JSON's word for a schema.
    fn kind(&self, schema: &Value) -> String {
        if let Some(name) = referred(schema) {
            return self.kind(&self.all[name]);
        }
        match &schema["type"] {
            Value::String(kind) => self.kind_of(kind, schema),
            Value::Array(kinds) => {
                let kind = kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null");
                self.kind_of(kind.unwrap_or("value"), schema)
            }
            _ => "value".to_owned(),
        }
    }

    fn kind_of(&self, kind: &str, schema: &Value) -> String {
        if kind == "array" { format!("array of {}", self.kind(&schema["items"])) } else { kind.to_owned() }
    }
}

fn count_uses<'d>(value: &'d Value, uses: &mut BTreeMap<&'d str, usize>) {
    match value {
        Value::Object(members) => {
            if let Some(name) = referred(value) {
                *uses.entry(name).or_default() += 1;
            }
            members.values().for_each(|value| count_uses(value, uses));
        }
        Value::Array(items) => items.iter().for_each(|value| count_uses(value, uses)),
        _ => {}
    }
}

/// The name of the schema that this one refers to.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}

/// Of a list what it is a list of, else the schema itself.
fn items_of(schema: &Value) -> &Value {
    schema.get("items").unwrap_or(schema)
}

/// Of "this or nothing" the former.
fn not_null(schema: &Value) -> &Value {
    list(&schema["oneOf"]).find(|option| option["type"] != "null").unwrap_or(schema)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn bounds(least: &Value, most: &Value) -> Option<String> {
    match (least.as_i64(), most.as_i64()) {
        (Some(least), Some(most)) if least == most => Some(least.to_string()),
        (Some(least), Some(most)) => Some(format!("{least}–{most}")),
        (Some(least), None) => Some(format!("≥ {least}")),
        (None, Some(most)) => Some(format!("≤ {most}")),
        (None, None) => None,
    }
}

fn anchor(name: &str) -> String {
    name.to_ascii_lowercase().replace(' ', "-")
}

/// The call as one pastes it into a terminal.
fn curl(path: &str, method: &str, operation: &Value, base_url: &str) -> String {
    let mut query: Vec<&str> = Vec::new();
    query.extend(
        list(&operation["parameters"])
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
            .filter_map(|parameter| parameter["name"].as_str()),
    );
    let query = if query.is_empty() { String::new() } else { format!("?{}=…", query.join("=…&")) };
    let mut lines = vec![match method {
        "get" => format!("curl '{base_url}{path}{query}'"),
        _ => format!("curl -X {} '{base_url}{path}{query}'", method.to_ascii_uppercase()),
    }];
    if operation["security"].is_array() {
        lines.push("-H \"public-api-key: $PUBLIC_API_KEY\"".to_owned());
        lines.push("-H \"private-secret-key: $PRIVATE_SECRET_KEY\"".to_owned());
    }
    if operation["x-idempotency"] == "required" {
        lines.push(format!("-H 'X-Idempotency-Key: {}-1'", text(&operation["operationId"])));
    }
    if let Some(example) = operation["requestBody"]["content"]["application/json"].get("example") {
        lines.push("-H 'content-type: application/json'".to_owned());
        lines.push(format!("-d '{example:#}'"));
    }
    lines.join(" \\\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{Language, Pages};

    #[test]
    fn the_real_reference_is_shown_in_every_language() {
        let document: Value = serde_json::from_str(&crate::openapi::openapi("0.0.0", true)).expect("JSON");
        let docs = Docs::of(&document, "http://localhost", true);
        let shown: usize = docs.groups.iter().map(|group| group.operations.len()).sum();
        assert_eq!(shown, all_operations(&document).len());
        let create = &docs.groups[0].operations[0];
        assert_eq!(create.id, "create-payment");
        let body = create.body.as_ref().expect("a body");
        let names: Vec<_> = body.fields.iter().map(|field| field.name.as_str()).take(3).collect();
        assert_eq!(names, ["account_id", "merchant_order_id", "description"]);
        assert_eq!(body.fields[1].length.as_deref(), Some("3–255"));
        assert!(create.curl.contains("X-Idempotency-Key") && create.curl.contains("4507990000000002"));
        let pages = Pages::load(None, true, "0.0.0").expect("texts");
        for language in Language::ALL {
            let page = Page { template: "docs.html", path: "/docs", language, ready: true };
            let docs = Docs::of(&document, "http://localhost", true);
            let text = pages.render(&page, context! { docs => Serde(docs) }).expect("renders");
            assert!(text.contains("create-payment"));
        }
    }

    #[test]
    fn the_cards_do_what_the_page_says() {
        for (number, code) in CARDS {
            let number = kernel::CardNumber::parse(number).expect("a number");
            assert!(number.luhn());
            let verdict = connectors::acquirer_sandbox::Verdict::of_card(&number, "", payments::Connector::Sandbox);
            assert_eq!(verdict.response_code(), code);
        }
    }
}
