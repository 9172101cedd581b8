//! The product's document, with values that lead somewhere: whoever makes requests up would never guess an id.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::things::Things;
use crate::product::Product;

/// Operations that change what all others meet: the acquirer's mood and the clock.
const LEFT_OUT: [(&str, &str); 2] = [("/dev/acquirer", "post"), ("/dev/clock", "post")];
/// Parameters of paths and queries, and what leads somewhere in their place.
const PARAMETERS: [(&str, &str); 14] = [
    ("payment", "payment"),
    ("transaction", "transaction"),
    ("customer", "customer"),
    ("customer_id", "customer"),
    ("method", "method"),
    ("subscription", "subscription"),
    ("payout", "payout"),
    ("report", "report"),
    ("code", "code"),
    ("webhook", "webhook"),
    ("merchant_order_id", "order"),
    ("merchant_customer_id", "ada"),
    ("merchant_reference", "rent-1"),
    ("connector", "sandbox"),
];
/// Fields of bodies, likewise.
const FIELDS: [(&str, &str); 5] =
    [("customer_id", "customer"), ("vaulted_token", "vaulted"), ("token", "token"), ("session", "session"), ("number", "card")];

/// What the product serves, amended.
pub(super) fn amended(product: &Product, things: &Things) -> Result<Value> {
    let mut document = product.connect()?.get_json("/openapi.json", "")?;
    let sent = sent_schemas(&document);
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut).context("schemas")?;
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| sent.contains(*name)) {
        let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
        if let Some(fields) = fields {
            amend_fields(name, fields, things);
        }
    }
    let paths = document["paths"].as_object_mut().context("paths")?;
    for (path, operations) in paths.iter_mut() {
        let operations = operations.as_object_mut().context("operations")?;
        operations.retain(|method, _| !LEFT_OUT.contains(&(path.as_str(), method.as_str())));
        for operation in operations.values_mut() {
            amend_operation(path, operation, things);
        }
    }
    Ok(document)
}

/// Names of the schemas that bodies of requests are made of.
fn sent_schemas(document: &Value) -> BTreeSet<String> {
    let operations = document["paths"].as_object().into_iter().flatten().filter_map(|(_, all)| all.as_object()).flatten();
    let mut waiting: Vec<&Value> = operations.map(|(_, operation)| &operation["requestBody"]).collect();
    let mut known = BTreeSet::new();
    while let Some(value) = waiting.pop() {
        let refers = value["$ref"].as_str().and_then(|text| text.strip_prefix("#/components/schemas/"));
        if let Some(name) = refers.filter(|name| known.insert((*name).to_owned())) {
            waiting.push(&document["components"]["schemas"][name]);
        }
        match value {
            Value::Object(members) => waiting.extend(members.values()),
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    known
}

fn amend_fields(schema: &str, fields: &mut Map<String, Value>, things: &Things) {
    for (name, field) in fields.iter_mut() {
        if name == "account_id" {
            *field = json!({ "const": things["account"] });
        } else if let Some((_, thing)) = FIELDS.iter().find(|(known, _)| known == name) {
            // A bank account has a number too.
            if *thing != "card" || schema.starts_with("Card") {
                *field = either(&things[thing], field);
            }
        } else if name == "id" && schema == "CustomerPayer" {
            *field = either(&things["customer"], field);
        }
    }
}

fn amend_operation(path: &str, operation: &mut Value, things: &Things) {
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let thing = match name {
            "session" if path.starts_with("/v1/customers/") => Some("customer-session"),
            "session" => Some("session"),
            _ => PARAMETERS.iter().find_map(|(known, thing)| (*known == name).then_some(*thing)),
        };
        if let Some(thing) = thing {
            let value = things.get(thing).map_or(thing, String::as_str);
            parameter["schema"] = either(value, &parameter["schema"]);
        }
    }
    if let Some(example) = operation.pointer_mut("/requestBody/content/application~1json/example")
        && example.get("account_id").is_some()
    {
        example["account_id"] = json!(things["account"]);
    }
}

/// This value, or whatever it may be besides.
fn either(value: &str, schema: &Value) -> Value {
    json!({ "anyOf": [{ "const": value }, schema] })
}
