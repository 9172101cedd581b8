//! What the reference says of bodies that are not ours to choose is what is taken.

use serde_json::{Map, Value, json};
use testkit::on_both_engines;

use super::notifications::notify;

/// The named schema.
fn named<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let name = schema["$ref"].as_str().and_then(|text| text.strip_prefix("#/components/schemas/"));
    name.map_or(schema, |name| &document["components"]["schemas"][name])
}

/// The least that a schema allows, and the paths of all that it demands.
fn least(document: &Value, schema: &Value, place: &str, demanded: &mut Vec<String>) -> Value {
    let schema = named(document, schema);
    match schema["type"].as_str().expect("one type") {
        "object" => {
            let names = schema["required"].as_array().expect("a list").iter().filter_map(Value::as_str);
            let members = names.map(|name| {
                let inside = format!("{place}/{name}");
                demanded.push(inside.clone());
                (name.to_owned(), least(document, &schema["properties"][name], &inside, demanded))
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        "array" => json!([]),
        "boolean" => json!(false),
        "integer" => json!(1),
        "string" if schema["format"] == "uuid" => json!("0199a8b4-1f7e-7c3a-8000-0123456789ab"),
        "string" => json!("EUR"),
        other => panic!("{other} is not expected here"),
    }
}

on_both_engines! {
    async fn an_acquirer_must_send_what_the_reference_demands_and_no_more(world) {
        let document = world.anonymous().get("/openapi.json").await.expect(200).json();
        let body = &document["paths"]["/v1/acquirers/{connector}/notifications"]["post"]["requestBody"];
        let mut demanded = Vec::new();
        let whole = least(&document, &body["content"]["application/json"]["schema"]["oneOf"][0], "", &mut demanded);
        assert_eq!(demanded.len(), 11, "{demanded:?}");
        assert_eq!(notify(&world, whole.to_string()).await.expect(200).text(), "OK");
        for path in demanded {
            let (parent, name) = path.rsplit_once('/').expect("a path");
            let mut event = whole.clone();
            event.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(name);
            let refused = notify(&world, event.to_string()).await.refused(400, "MISSING_PARAMETERS");
            assert_eq!(refused.json()["messages"][0], json!(format!("{}: is required", path[1..].replace('/', "."))));
        }
    }
}
