//! What receivers of webhooks are sent, as the reference describes it (payments specification, section 3.11).

use kernel::{AccountId, EventId, Timestamp};
use messaging::rules::TRIES_MAX;
use messaging::{EventRow, Family, Trigger, event_body, headers};
use serde_json::{Map, Value, json};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use super::super::{WEBHOOKS, views};
use crate::object::{Components, described, one_of};
use crate::route::component;
use crate::view::View;

/// What is said of every event.
const TEXT: &str = "Sent to each webhook that asked for it, with the object as a request for it would show it at that moment. Only an \
                    answer of 200 confirms it.";

/// Events of which the samples of their objects are examples: one of each family.
const DRAWN: [Trigger; 4] =
    [Trigger::PaymentPurchase, Trigger::EnrollmentEnroll, Trigger::SubscriptionCreate, Trigger::PayoutPayout];

/// The section `webhooks` of the document: each event by its name.
pub(crate) fn webhooks(components: &mut Components) -> Map<String, Value> {
    let every = Trigger::ALL.iter().copied();
    every.map(|trigger| (trigger.event().to_owned(), json!({ "post": told(trigger, components) }))).collect()
}

fn told(trigger: Trigger, components: &mut Components) -> Value {
    let mut content = json!({ "schema": event(trigger.family(), components) });
    if DRAWN.contains(&trigger) {
        content["example"] = serde_json::from_slice(&event_body(&sample(trigger), 0)).expect("views draw JSON");
    }
    let parameters = headers().map(|(name, always, text)| {
        json!({ "name": name.as_str(), "in": "header", "required": always, "description": text, "schema": { "type": "string" } })
    });
    json!({
        "tags": [WEBHOOKS],
        "operationId": format!("told-{}", trigger.event().replace(['.', '_'], "-")),
        "summary": trigger.about().trim_end_matches('.'),
        "description": TEXT,
        "parameters": parameters,
        "requestBody": { "required": true, "content": { "application/json": content } },
        "responses": {
            "200": { "description": "It has arrived. What the answer says besides is not looked at." },
            "410": { "description": "Nobody is there any more: the webhook becomes INACTIVE." },
            "default": {
                "description": format!("As no answer within ten seconds: it is sent again, {TRIES_MAX} times in all, over four days."),
            },
        },
    })
}

/// The schema of a family's events, named for all of them.
fn event(family: Family, components: &mut Components) -> Value {
    let name = match family {
        Family::Payment => "PaymentEvent",
        Family::Enrollment => "EnrollmentEvent",
        Family::Subscription => "SubscriptionEvent",
        Family::Payout => "PayoutEvent",
    };
    if components.iter().all(|(known, _)| known != name) {
        let object = object_of(family, components);
        let events: Vec<&str> =
            Trigger::ALL.iter().filter(|trigger| trigger.family() == family).map(|trigger| trigger.event()).collect();
        let data = ObjectBuilder::new()
            .description(Some("What it is about."))
            .property("idempotency_key", described(EventId::property(), &["The event's id, the same at every try."]))
            .required("idempotency_key")
            .property(family.member(), object)
            .required(family.member());
        let schema = ObjectBuilder::new()
            .description(Some(
                "What a webhook is sent. Order is kept as far as tries succeed; `updated_at` of the object decides.",
            ))
            .property("type", one_of(&[family.word()]))
            .property("type_event", one_of(&events))
            .property("account_id", AccountId::property())
            .property("retry", described(whole(0, i64::from(TRIES_MAX) - 1), &["Tries before this one."]))
            .property("version", whole(VERSION, VERSION))
            .property("data", data);
        let schema = MEMBERS.iter().fold(schema, |schema, member| schema.required(*member));
        components.push((name.to_owned(), schema.build().into()));
    }
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn whole(least: i64, most: i64) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most)).build().into()
}

/// The form of the body.
const VERSION: i64 = 2;
/// Its members, all of them always there.
const MEMBERS: [&str; 6] = ["type", "type_event", "account_id", "retry", "version", "data"];

/// The object that an event of this family carries, as a request for it would be answered.
fn object_of(family: Family, components: &mut Components) -> RefOr<Schema> {
    match family {
        Family::Payment => component::<views::PaymentView<'_>>(components),
        Family::Enrollment => component::<views::StoredMethodView<'_>>(components),
        Family::Subscription => component::<views::SubscriptionView<'_>>(components),
        Family::Payout => component::<views::PayoutView<'_>>(components),
    }
}

/// An event as it is kept, for the example.
fn sample(trigger: Trigger) -> EventRow {
    let body = match trigger.family() {
        Family::Payment => views::sample::payment_reply(),
        Family::Enrollment => views::sample::method_reply(),
        Family::Subscription => views::sample::subscription_reply(),
        Family::Payout => views::sample::payout_reply(),
    };
    let (account_id, id) = (views::sample::account(), views::sample::event());
    EventRow {
        account_id,
        id,
        happened: trigger,
        subject: id.uuid(),
        cause: id.uuid(),
        status: "".into(),
        body: body.into(),
        created_at: Timestamp::EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of this value the schema does not say, or says otherwise.
    fn astray(schemas: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        if let Some(name) = schema["$ref"].as_str().and_then(|text| text.strip_prefix("#/components/schemas/")) {
            return astray(schemas, &schemas[name], value, place);
        }
        if let Some(options) = schema["oneOf"].as_array() {
            let fits = options.iter().any(|option| astray(schemas, option, value, place).is_empty());
            return if fits { Vec::new() } else { vec![format!("{place}: none of its forms")] };
        }
        if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            return vec![format!("{place}: {value} is none of its words")];
        }
        match value {
            Value::Object(members) if schema["type"] == "object" => {
                let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let missing = required.filter(|name| !members.contains_key(*name)).map(|name| format!("{place}.{name}: missing"));
                let inside = members.iter().flat_map(|(name, value)| match schema["properties"].get(name) {
                    Some(property) => astray(schemas, property, value, &format!("{place}.{name}")),
                    None => vec![format!("{place}.{name}: not in the schema")],
                });
                missing.chain(inside).collect()
            }
            Value::Array(items) if schema["type"] == "array" => {
                items.iter().flat_map(|item| astray(schemas, &schema["items"], item, place)).collect()
            }
            _ => {
                let word = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(number) if number.is_i64() && schema["type"] != "number" => "integer",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                let kinds = match &schema["type"] {
                    Value::Array(kinds) => kinds.clone(),
                    Value::Null => return Vec::new(),
                    kind => vec![kind.clone()],
                };
                let fits = kinds.iter().any(|kind| kind == word || (kind == "number" && word == "integer"));
                if fits { Vec::new() } else { vec![format!("{place}: {word} is not {kinds:?}")] }
            }
        }
    }

    #[test]
    fn what_is_sent_is_as_the_reference_says() {
        let document: Value = serde_json::from_str(&crate::openapi("0.0.0", true)).expect("JSON");
        let schemas = &document["components"]["schemas"];
        let events = document["webhooks"].as_object().expect("a section");
        assert_eq!(events.len(), Trigger::ALL.len());
        for trigger in Trigger::ALL {
            let operation = &events[trigger.event()]["post"];
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let last = TRIES_MAX - 1;
            for retry in [0, last] {
                let body: Value = serde_json::from_slice(&event_body(&sample(*trigger), retry)).expect("JSON");
                assert_eq!(astray(schemas, schema, &body, trigger.event()), Vec::<String>::new());
            }
            assert_eq!(operation["requestBody"]["content"]["application/json"]["example"].is_object(), DRAWN.contains(trigger));
            let mut other: Value = serde_json::from_slice(&event_body(&sample(*trigger), 0)).expect("JSON");
            other["data"].as_object_mut().expect("an object").remove(trigger.family().member());
            other["type_event"] = "payment.lost".into();
            assert_eq!(astray(schemas, schema, &other, "body").len(), 2, "the comparison notices what is wrong");
        }
    }
}
