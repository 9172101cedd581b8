//! Bodies that are wrong: every one gets a 4xx that names the field, none leaves anything behind.

use serde_json::{Value, json};
use testkit::actors::Actor;
use testkit::exchange::Exchange;
use testkit::on_both_engines;

/// An amount's JSON text, its currency, and the code it is refused with (`None`: accepted).
const AMOUNTS: &[(&str, &str, Option<&str>)] = &[
    ("0.01", "EUR", None),
    ("10000000000", "EUR", None),
    ("1e3", "EUR", None),
    ("1.50E1", "EUR", None),
    ("1.5e1", "JPY", None),
    ("120000000000E-10", "EUR", None),
    ("1.234", "KWD", None),
    ("0", "EUR", Some("INVALID_AMOUNT")),
    ("-0", "EUR", Some("INVALID_AMOUNT")),
    ("0.00", "EUR", Some("INVALID_AMOUNT")),
    ("-1", "EUR", Some("INVALID_AMOUNT")),
    ("-0.01", "EUR", Some("INVALID_AMOUNT")),
    ("0.001", "EUR", Some("INVALID_AMOUNT")),
    ("9.999", "EUR", Some("INVALID_AMOUNT")),
    ("1.5", "JPY", Some("INVALID_AMOUNT")),
    ("1.2345", "KWD", Some("INVALID_AMOUNT")),
    ("10000000000.01", "EUR", Some("INVALID_AMOUNT")),
    ("1e400", "EUR", Some("INVALID_AMOUNT")),
    ("1e-400", "EUR", Some("INVALID_AMOUNT")),
    ("1e99999999999999999999", "EUR", Some("INVALID_AMOUNT")),
    ("9223372036854775808", "EUR", Some("INVALID_AMOUNT")),
    ("0.1000000000000000055511151231257827", "EUR", Some("INVALID_AMOUNT")),
    ("000001", "EUR", Some("INVALID_REQUEST")),
    ("1.", "EUR", Some("INVALID_REQUEST")),
    (".5", "EUR", Some("INVALID_REQUEST")),
    ("+1", "EUR", Some("INVALID_REQUEST")),
    ("0x10", "EUR", Some("INVALID_REQUEST")),
    ("NaN", "EUR", Some("INVALID_REQUEST")),
    ("Infinity", "EUR", Some("INVALID_REQUEST")),
    ("1,50", "EUR", Some("INVALID_REQUEST")),
    ("\"1\"", "EUR", Some("INVALID_PARAMETERS")),
    ("\"\"", "EUR", Some("INVALID_PARAMETERS")),
    ("true", "EUR", Some("INVALID_PARAMETERS")),
    ("null", "EUR", Some("INVALID_PARAMETERS")),
    ("[1]", "EUR", Some("INVALID_PARAMETERS")),
    ("{}", "EUR", Some("INVALID_PARAMETERS")),
    ("1", "eur", Some("CURRENCY_NOT_ALLOWED")),
    ("1", "EURO", Some("CURRENCY_NOT_ALLOWED")),
    ("1", "XXX", Some("CURRENCY_NOT_ALLOWED")),
    ("1", "", Some("CURRENCY_NOT_ALLOWED")),
    ("1", "ZZZ", Some("CURRENCY_NOT_ALLOWED")),
];

on_both_engines! {
    async fn years_proofs_and_payers_are_judged_like_everywhere(world) {
        let merchant = world.merchant();
        for year in [0, 5, 9, 100, 999, 1_000, 1_899] {
            let mut body = merchant.purchase("5 EUR");
            body["payment_method"]["detail"]["card"]["card_data"]["expiration_year"] = json!(year);
            let refused = merchant.post("/v1/payments", body).await.refused(400, "INVALID_PARAMETERS");
            let field = "payment_method.detail.card.card_data.expiration_year";
            assert_eq!(refused.at("/messages/0"), format!("{field}: must be a year of two or four digits, as 30 or 2030"), "{year}");
        }
        for (year, state) in [(99, "SUCCEEDED/APPROVED"), (2_099, "SUCCEEDED/APPROVED"), (12, "DECLINED/DECLINED"), (1_999, "DECLINED/DECLINED")] {
            let mut body = merchant.purchase("5 EUR");
            body["payment_method"]["detail"]["card"]["card_data"]["expiration_year"] = json!(year);
            assert_eq!(merchant.post("/v1/payments", body).await.expect(201).payment_state(), state, "{year}");
        }
        for wrong in [json!(5), json!(true), json!(["AAAB"]), json!({ "a": 1 }), json!("AAAB\u{0}")] {
            let mut body = merchant.purchase("5 EUR");
            body["payment_method"]["detail"]["card"]["three_d_secure"] = json!({ "version": "2.2.0", "cryptogram": wrong });
            let refused = merchant.post("/v1/payments", body).await.refused(400, "INVALID_PARAMETERS");
            assert!(refused.at("/messages/0").starts_with("payment_method.detail.card.three_d_secure.cryptogram: must "), "{}", refused.text());
        }
        let mut body = merchant.purchase("5 EUR");
        body["payment_method"]["detail"]["card"]["three_d_secure"] = json!({ "version": "2.2.0", "cryptogram": "AAABBBCCCnevershown==" });
        let paid = merchant.post("/v1/payments", body).await.expect(201);
        assert!(!paid.text().contains("nevershown") && paid.text().contains("2.2.0"), "{}", paid.text());
        let note = json!({ "key": "colour", "value": "green" });
        for (payer, code, field) in [
            (json!({ "merchant_customer_created_at": "yesterday" }), "INVALID_DATE", "merchant_customer_created_at"),
            (json!({ "merchant_customer_created_at": 5 }), "INVALID_PARAMETERS", "merchant_customer_created_at"),
            (json!({ "metadata": "\u{0}" }), "INVALID_PARAMETERS", "metadata"),
            (json!({ "metadata": [note, note] }), "INVALID_PARAMETERS", "metadata"),
        ] {
            let mut body = merchant.purchase("5 EUR");
            body["customer_payer"] = payer;
            let refused = merchant.post("/v1/payments", body).await.refused(400, code);
            assert!(refused.at("/messages/0").starts_with(&format!("customer_payer.{field}: must ")), "{}", refused.text());
        }
        let mut body = merchant.purchase("5 EUR");
        body["customer_payer"] = json!({ "merchant_customer_created_at": "2026-01-31", "metadata": [note] });
        let payer = merchant.post("/v1/payments", body).await.expect(201).json()["customer_payer"].clone();
        assert_eq!((&payer["merchant_customer_created_at"], &payer["metadata"]), (&json!("2026-01-31"), &json!([note])));
        world.verify_settled().await;
    }

    async fn amounts_are_read_exactly_or_refused(world) {
        let merchant = world.merchant();
        let before = world.charge_count().await;
        for &(text, currency, code) in AMOUNTS {
            let body = merchant.purchase("7777 EUR").to_string();
            let body = body.replace("7777", text).replace("\"EUR\"", &format!("\"{currency}\""));
            let answer = send(&merchant, body).await;
            match code {
                None => drop(answer.expect(201)),
                Some("INVALID_REQUEST") => drop(refused_with(answer, "INVALID_REQUEST", "")),
                Some(code) => drop(refused_with(answer, code, "amount.")),
            }
        }
        assert_eq!(world.charge_count().await - before, accepted_amounts());
        world.verify_settled().await;
    }

    async fn missing_and_wrong_fields_are_named(world) {
        let merchant = world.merchant();
        let before = world.charge_count().await;
        let card = "/payment_method/detail/card/card_data";
        let long = "x".repeat(256);
        for (pointer, value, code) in [
            ("/merchant_order_id", None, "MISSING_PARAMETERS"),
            ("/description", None, "MISSING_PARAMETERS"),
            ("/country", None, "MISSING_PARAMETERS"),
            ("/amount", None, "MISSING_PARAMETERS"),
            ("/amount/value", None, "MISSING_PARAMETERS"),
            ("/amount/currency", None, "MISSING_PARAMETERS"),
            ("/payment_method", None, "MISSING_PARAMETERS"),
            ("/merchant_order_id", Some(json!("ab")), "INVALID_PARAMETERS"),
            ("/merchant_order_id", Some(json!(long)), "INVALID_PARAMETERS"),
            ("/merchant_order_id", Some(json!(12_345)), "INVALID_PARAMETERS"),
            ("/merchant_order_id", Some(json!("a\u{0}bc")), "INVALID_PARAMETERS"),
            ("/description", Some(json!(["a", "b", "c"])), "INVALID_PARAMETERS"),
            ("/description", Some(json!("paid with 4507990000000002")), "INVALID_PARAMETERS"),
            ("/country", Some(json!("ZZ")), "COUNTRY_NOT_SUPPORTED"),
            ("/country", Some(json!("fr")), "COUNTRY_NOT_SUPPORTED"),
            ("/country", Some(json!(33)), "INVALID_PARAMETERS"),
            ("/amount", Some(json!("5 EUR")), "INVALID_PARAMETERS"),
            ("/workflow", Some(json!("BY_PIGEON")), "INVALID_PARAMETERS"),
            ("/payment_method/type", Some(json!("BANK_TRANSFER")), "UNAVAILABLE_PAYMENT_METHOD"),
            ("/payment_method/detail/card/card_data/number", None, "MISSING_PARAMETERS"),
            ("/payment_method/detail/card/card_data/holder_name", None, "MISSING_PARAMETERS"),
            ("/payment_method/detail/card/card_data/number", Some(json!("4507")), "INVALID_PARAMETERS"),
            ("/payment_method/detail/card/card_data/number", Some(json!(4_507_990_000_000_002_u64)), "INVALID_PARAMETERS"),
            ("/payment_method/detail/card/card_data/expiration_month", Some(json!(13)), "INVALID_PARAMETERS"),
            ("/payment_method/detail/card/card_data/expiration_year", Some(json!(199)), "INVALID_PARAMETERS"),
            ("/payment_method/detail/card/card_data/security_code", Some(json!("12")), "INVALID_PARAMETERS"),
            ("/payment_method/detail/card/capture", Some(json!("yes")), "INVALID_PARAMETERS"),
            ("/metadata", Some(json!([{ "key": "a", "value": "1" }, { "key": "a", "value": "2" }])), "INVALID_PARAMETERS"),
            ("/metadata", Some(json!([{ "key": "", "value": "1" }])), "INVALID_PARAMETERS"),
            ("/metadata", Some(json!({ "a": 1 })), "INVALID_PARAMETERS"),
            ("/additional_data", Some(json!({ "card": "4507 9900 0000 0002" })), "INVALID_PARAMETERS"),
        ] {
            let mut body = merchant.purchase("5 EUR");
            change(&mut body, pointer, value.clone());
            let path = pointer.trim_start_matches('/').replace('/', ".");
            let answer = refused_with(send(&merchant, body.to_string()).await, code, &path);
            assert!(!answer.text().contains("4507990000000002"), "a card number is never quoted: {}", answer.text());
        }
        let mut both = merchant.purchase("5 EUR");
        both["payment_method"]["token"] = json!("0199a8b4-1f7e-7c3a-8000-0123456789ab");
        refused_with(send(&merchant, both.to_string()).await, "INVALID_PARAMETERS", "payment_method");
        let mut none = merchant.purchase("5 EUR");
        change(&mut none, card, None);
        assert_eq!(send(&merchant, none.to_string()).await.expect(400).code(), "INVALID_PARAMETERS");
        assert_eq!(world.charge_count().await, before);
        world.verify_settled().await;
    }

    async fn several_wrong_fields_are_all_named_and_a_missing_one_decides(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("5 EUR");
        change(&mut body, "/description", None);
        body["country"] = json!("ZZ");
        body["amount"]["value"] = json!(-5);
        let answer = refused_with(send(&merchant, body.to_string()).await, "MISSING_PARAMETERS", "description");
        let messages = answer.json()["messages"].to_string();
        assert!(messages.contains("country") && messages.contains("amount.value"), "{messages}");
        world.verify_settled().await;
    }

    async fn what_is_not_json_is_refused(world) {
        let merchant = world.merchant();
        let before = world.charge_count().await;
        let good = merchant.purchase("5 EUR").to_string();
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let wide: Value = (0..3_000).map(|number| (format!("m{number}"), 1)).collect();
        for (what, body) in [
            ("nothing", Vec::new()),
            ("white space", b" \n".to_vec()),
            ("a cut object", good.as_bytes()[..good.len() - 1].to_vec()),
            ("something after it", format!("{good}x").into_bytes()),
            ("two objects", format!("{good}{good}").into_bytes()),
            ("an array", format!("[{good}]").into_bytes()),
            ("a text", b"\"hello\"".to_vec()),
            ("null", b"null".to_vec()),
            ("a member twice", good.replacen('{', "{\"country\":\"NO\",", 1).into_bytes()),
            ("a member twice, spelt otherwise", good.replacen('{', "{\"\\u0063ountry\":\"NO\",", 1).into_bytes()),
            ("invalid UTF-8", [b"{\"country\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat()),
            ("overlong UTF-8", [b"{\"country\":\"".as_slice(), &[0xc0, 0xaf], b"\"}"].concat()),
            ("a lone surrogate", b"{\"country\":\"\\ud800\"}".to_vec()),
            ("a raw control character", b"{\"country\":\"F\nR\"}".to_vec()),
            ("a byte order mark", [b"\xef\xbb\xbf".as_slice(), good.as_bytes()].concat()),
            ("single quotes", good.replace('"', "'").into_bytes()),
            ("a comment", format!("{good}// pay").into_bytes()),
            ("a trailing comma", good.replacen("\"country\":\"FR\"", "\"country\":\"FR\",", 1).replace(",,", ", ,").into_bytes()),
            ("a hundred thousand brackets", deep.into_bytes()),
            ("three thousand members", wide.to_string().into_bytes()),
        ] {
            let answer = merchant.ask("POST", "/v1/payments").fresh_key().header("content-type", "application/json").body(body).send().await;
            assert_eq!((answer.status, answer.code()), (400, "INVALID_REQUEST".to_owned()), "{what}");
        }
        let large = format!("{{\"x\":\"{}\"}}", "y".repeat(256 * 1024));
        send(&merchant, large).await.refused(413, "INVALID_REQUEST");
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
            let ask = merchant.ask("POST", "/v1/payments").fresh_key().header("content-type", content_type).body(good.clone());
            ask.send().await.refused(400, "INVALID_REQUEST");
        }
        merchant.ask("POST", "/v1/payments").fresh_key().body(good).send().await.refused(400, "INVALID_REQUEST");
        assert_eq!(world.charge_count().await, before);
        world.verify_settled().await;
    }

    async fn another_account_in_the_body_is_refused_like_an_unknown_one(world) {
        let merchant = world.merchant();
        let mut answers = Vec::new();
        for account in [world.intruder().account_id, "0199a8b4-1f7e-7c3a-8000-0123456789ab".to_owned(), "nobody".to_owned()] {
            let mut body = merchant.purchase("5 EUR");
            body["account_id"] = json!(account);
            answers.push(send(&merchant, body.to_string()).await.refused(400, "INVALID_ACCOUNT_ID").without_request_id());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        for header in ["x-account-code", "account-code"] {
            let ask = merchant.ask("GET", "/v1/payments?merchant_order_id=abc").header(header, world.intruder().account_id);
            ask.send().await.refused(400, "INVALID_ACCOUNT_ID");
            let ask = merchant.ask("GET", "/v1/payments?merchant_order_id=abc").header(header, &merchant.account_id);
            ask.send().await.expect(200);
        }
    }
}

async fn send(merchant: &Actor, body: String) -> Exchange {
    merchant.ask("POST", "/v1/payments").fresh_key().header("content-type", "application/json").body(body).send().await
}

/// A 400 with this code whose messages name the field.
#[track_caller]
fn refused_with(answer: Exchange, code: &str, field: &str) -> Exchange {
    let answer = answer.refused(400, code);
    assert!(answer.json()["messages"].to_string().contains(field), "{field} is not named: {}", answer.text());
    answer
}

/// Sets or takes away what a JSON pointer names.
fn change(body: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("the pointer's parent is an object");
    match value {
        Some(value) => drop(parent.insert(member.to_owned(), value)),
        None => drop(parent.remove(member)),
    }
}

fn accepted_amounts() -> usize {
    AMOUNTS.iter().filter(|(_, _, code)| code.is_none()).count()
}
