//! Reports: made, listed, downloaded, over.

use serde_json::{Value, json};
use testkit::actors::{Actor, fresh, money};
use testkit::exchange::Exchange;
use testkit::on_both_engines;

/// A day before, and a day after, the time of something that was just made.
async fn today(merchant: &Actor) -> (String, String) {
    let now = merchant.pays(merchant.purchase("1 EUR")).await.exchange.at("/created_at");
    let now: kernel::Timestamp = now.parse().expect("a time");
    (now.plus_days(-1).to_string(), now.plus_days(1).to_string())
}

fn ask(kind: &str, (from, to): &(String, String), more: Value) -> Value {
    let mut body = json!({ "type": kind, "start_date": from, "end_date": to });
    let Value::Object(more) = more else { panic!("not an object: {more}") };
    body.as_object_mut().expect("an object").extend(more);
    body
}

async fn report(merchant: &Actor, body: Value) -> Exchange {
    merchant.post("/v1/reports", body).await.expect(201)
}

/// The cells of a report, each by the name of its column.
async fn download(merchant: &Actor, body: Value) -> Vec<Value> {
    let id = report(merchant, body).await.at("/id");
    let answer = merchant.get(&format!("/v1/reports/{id}/download")).await.expect(200);
    table(answer.text())
}

fn table(text: &str) -> Vec<Value> {
    let mut lines = text.strip_suffix("\r\n").expect("the last line ends too").split("\r\n").map(cells);
    let header = lines.next().expect("a header");
    lines
        .map(|cells| {
            assert_eq!(cells.len(), header.len(), "{cells:?}");
            header.iter().cloned().zip(cells.into_iter().map(Value::from)).collect()
        })
        .collect()
}

fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted, mut chars) = (vec![String::new()], false, line.chars().peekable());
    while let Some(char) = chars.next() {
        let cell = cells.last_mut().expect("one at least");
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    cells
}

fn column<'a>(lines: &'a [Value], name: &str) -> Vec<&'a str> {
    lines.iter().map(|line| line[name].as_str().unwrap_or_else(|| panic!("no {name}"))).collect()
}

on_both_engines! {
    async fn a_report_is_made_listed_and_replayed(world) {
        let merchant = world.merchant();
        let day = today(&merchant).await;
        let body = ask("PAYMENTS", &day, json!({ "merchant_reference_id": "march", "account_id": merchant.account_id }));
        let made = merchant.post_once("/v1/reports", "k", &body).await.expect(201);
        let shown = made.json();
        assert_eq!((&shown["type"], &shown["status"]), (&json!("PAYMENTS"), &json!("COMPLETED")));
        assert_eq!((&shown["start_date"], &shown["end_date"]), (&json!(day.0), &json!(day.1)));
        assert_eq!((&shown["merchant_reference_id"], &shown["updated_at"]), (&json!("march"), &shown["created_at"]));
        let again = merchant.post_once("/v1/reports", "k", &body).await.expect(201);
        assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &made.body));
        let path = format!("/v1/reports/{}", made.at("/id"));
        assert_eq!(merchant.get(&path).await.expect(200).json(), shown);
        // Without a key each request makes one.
        let second = merchant.ask("POST", "/v1/reports").json(&body).send().await.expect(201).at("/id");
        let third = merchant.ask("POST", "/v1/reports").json(&body).send().await.expect(201).at("/id");
        let first = merchant.get("/v1/reports?limit=2").await.expect(200).json();
        assert_eq!((&first["items"][0]["id"], &first["items"][1]["id"]), (&json!(third), &json!(second)));
        let next = first["next_cursor"].as_str().expect("there is more");
        let rest = merchant.get(&format!("/v1/reports?cursor={next}")).await.expect(200).json();
        assert_eq!(rest, json!({ "items": [shown], "next_cursor": null }));
        merchant.get("/v1/reports?cursor=x").await.refused(400, "BAD_REQUEST");
        merchant.get("/v1/reports?limit=0").await.refused(400, "BAD_REQUEST");

        let intruder = world.intruder();
        assert_eq!(intruder.get("/v1/reports").await.expect(200).json(), json!({ "items": [], "next_cursor": null }));
        intruder.get(&format!("/v1/reports?cursor={next}")).await.refused(400, "BAD_REQUEST");
        for path in [path.clone(), format!("{path}/download")] {
            let foreign = intruder.get(&path).await.refused(400, "NOT_FOUND");
            for id in ["0199a8b4-1f7e-7c3a-8000-0123456789ab", "nonsense"] {
                let unknown = intruder.get(&path.replace(&made.at("/id"), id)).await;
                assert_eq!(unknown.without_request_id(), foreign.without_request_id());
            }
        }
        world.verify_settled().await;
    }

    async fn what_cannot_be_reported_is_refused(world) {
        let merchant = world.merchant();
        let day = ("2026-03-01T00:00:00.000Z".to_owned(), "2026-03-31T00:00:00.000Z".to_owned());
        for (more, code, name) in [
            (json!({ "end_date": "2026-02-28T23:59:59.999Z" }), "INVALID_DATE", "end_date: "),
            (json!({ "end_date": "2026-05-02T00:00:00.001Z" }), "INVALID_DATE", "end_date: "),
            (json!({ "end_date": day.0 }), "INVALID_DATE", "end_date: must be after start_date"),
            (json!({ "end_date": "2026-05-02" }), "INVALID_DATE", "end_date: "),
            (json!({ "end_date": "2026-03-32" }), "INVALID_DATE", "end_date: must be a time like 2026-01-31T09:08:07Z or a date"),
            (json!({ "start_date": "March" }), "INVALID_DATE", "start_date: "),
            (json!({ "end_date": null }), "MISSING_PARAMETERS", "end_date: "),
            (json!({ "type": "CUSTOMERS" }), "INVALID_PARAMETERS", "type: "),
            (json!({ "type": null }), "MISSING_PARAMETERS", "type: "),
            (json!({ "account_id": world.intruder().account_id }), "INVALID_ACCOUNT_ID", "account_id: "),
            (json!({ "account_id": "0199a8b4-1f7e-7c3a-8000-0123456789ab" }), "INVALID_ACCOUNT_ID", "account_id: "),
            (json!({ "payment_status": "SUCCEEDED,PAID" }), "INVALID_PARAMETERS", "payment_status: "),
            (json!({ "currency": "EUR,euro" }), "CURRENCY_NOT_ALLOWED", "currency: "),
            (json!({ "country": "XX" }), "COUNTRY_NOT_SUPPORTED", "country: "),
            (json!({ "transaction_type": "REFUND" }), "INVALID_PARAMETERS", "transaction_type: "),
            (json!({ "transaction_status": "SUCCEEDED" }), "INVALID_PARAMETERS", "transaction_status: "),
            (json!({ "type": "PAYOUTS", "payment_status": "SUCCEEDED" }), "INVALID_PARAMETERS", "payment_status: "),
            (json!({ "type": "TRANSACTIONS", "transaction_type": "GIFT" }), "INVALID_PARAMETERS", "transaction_type: "),
            (json!({ "type": "TRANSACTIONS", "transaction_type": "REFUND,PAYOUT" }), "INVALID_PARAMETERS", "transaction_type: "),
            (json!({ "type": "TRANSACTIONS", "transaction_type": "REJECTED" }), "INVALID_PARAMETERS", "transaction_type: "),
            (json!({ "type": "PAYOUTS", "transaction_status": "LOST" }), "INVALID_PARAMETERS", "transaction_status: "),
            (json!({ "type": "PAYOUTS", "transaction_status": "SUCCEEDED,EXPIRED" }), "INVALID_PARAMETERS", "transaction_status: "),
            (json!({ "transaction_status": "REJECTED" }), "INVALID_PARAMETERS", "transaction_status: does not apply"),
        ] {
            let refused = merchant.post("/v1/reports", ask("PAYMENTS", &day, more.clone())).await.refused(400, code);
            assert!(refused.at("/messages/0").starts_with(name), "{more}: {}", refused.text());
        }
        let two_months = json!({ "end_date": "2026-05-02T00:00:00.000Z", "payment_status": "" });
        report(&merchant, ask("PAYMENTS", &day, two_months)).await;
        assert_eq!(merchant.get("/v1/reports").await.expect(200).json()["items"].as_array().map(Vec::len), Some(1));
        world.verify_settled().await;
    }

    async fn a_date_alone_means_all_of_its_day(world) {
        let merchant = world.merchant();
        world.advance_seconds(40 * 86_400).await; // what was there before is long ago
        let paid = merchant.pays(merchant.purchase("1 EUR")).await;
        let made: kernel::Timestamp = paid.exchange.at("/created_at").parse().expect("a time");
        let (today, tomorrow) = (made.to_string()[..10].to_owned(), made.plus_days(1).to_string()[..10].to_owned());
        let span = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let body = ask("PAYMENTS", &span(&today, &today), json!({}));
        let shown = report(&merchant, body.clone()).await.json();
        assert_eq!(shown["end_date"], json!(format!("{tomorrow}T00:00:00.000000Z")));
        assert_eq!(column(&download(&merchant, body).await, "id"), [&paid.id]);
        assert!(download(&merchant, ask("PAYMENTS", &span(&tomorrow, &tomorrow), json!({}))).await.is_empty());
        world.verify_settled().await;
    }

    async fn nothing_is_rejected_yet(world) {
        let merchant = world.merchant();
        let day = today(&merchant).await;
        for (kind, more) in [
            ("PAYMENTS", json!({ "payment_status": "REJECTED" })),
            ("TRANSACTIONS", json!({ "payment_status": "REJECTED" })),
            ("TRANSACTIONS", json!({ "transaction_status": "REJECTED" })),
            ("PAYOUTS", json!({ "transaction_status": "REJECTED" })),
        ] {
            assert!(download(&merchant, ask(kind, &day, more.clone())).await.is_empty(), "{kind} {more}");
        }
        let both = json!({ "payment_status": "REJECTED,SUCCEEDED" });
        assert!(!download(&merchant, ask("PAYMENTS", &day, both)).await.is_empty());
    }

    async fn payments_are_listed_as_they_stand(world) {
        let merchant = world.merchant();
        let day = today(&merchant).await;
        let mut odd = merchant.purchase("1234.50 EUR");
        odd["merchant_order_id"] = json!("=SUM(A1:A9)");
        odd["description"] = json!("two \"chairs\", blue");
        odd["merchant_reference"] = json!("-12.5");
        let odd = merchant.pays(odd).await;
        let yen = merchant.pays(merchant.purchase("520 JPY")).await;
        let held = merchant.pays(merchant.authorisation("9 EUR")).await;
        merchant.captures(&held, "4 EUR").await.expect(200);
        let made = report(&merchant, ask("PAYMENTS", &day, json!({}))).await.at("/id");
        merchant.pays(merchant.purchase("7 EUR")).await; // later than the report
        merchant.refunds(&odd, "0.25 EUR").await.expect(200); // shown, because the payment was there
        let answer = merchant.get(&format!("/v1/reports/{made}/download")).await.expect(200);
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(answer.header("content-disposition"), Some(format!("attachment; filename=\"payments-{made}.csv\"").as_str()));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let lines = table(answer.text());
        let lines = &lines[lines.len() - 3..];
        assert_eq!(column(lines, "id"), [&odd.id, &yen.id, &held.id]);
        assert_eq!(column(lines, "merchant_order_id")[0], "'=SUM(A1:A9)");
        assert_eq!(column(lines, "description")[0], "two \"chairs\", blue");
        assert_eq!(column(lines, "merchant_reference")[0], "-12.5");
        assert_eq!(column(lines, "amount"), ["1234.50", "520", "9.00"]);
        assert_eq!(column(lines, "captured"), ["1234.50", "520", "4.00"]);
        assert_eq!(column(lines, "refunded"), ["0.25", "0", "0.00"]);
        assert_eq!(column(lines, "sub_status"), ["PARTIALLY_REFUNDED", "APPROVED", "PARTIALLY_CAPTURED"]);
        assert_eq!(column(lines, "currency"), ["EUR", "JPY", "EUR"]);
        assert_eq!((column(lines, "card_iin")[0], column(lines, "card_last_four")[0]), ("45079900", "0002"));
        assert_eq!(column(lines, "created_at")[0], odd.exchange.at("/created_at"));
        assert!(!answer.text().contains(&world.card("approved")));

        let some = download(&merchant, ask("PAYMENTS", &day, json!({ "currency": "JPY, NOK", "country": "FR" }))).await;
        assert_eq!(column(&some, "id"), [&yen.id]);
        let some = download(&merchant, ask("PAYMENTS", &day, json!({ "payment_status": "DECLINED, PENDING" }))).await;
        assert!(some.iter().all(|line| ["DECLINED", "PENDING"].contains(&line["status"].as_str().unwrap_or_default())));
        assert!(download(&merchant, ask("PAYMENTS", &day, json!({ "country": "SE" }))).await.is_empty());
        let theirs = download(&world.intruder(), ask("PAYMENTS", &day, json!({}))).await;
        assert!(theirs.iter().all(|line| line["id"] != json!(odd.id)));
        let head = merchant.ask("HEAD", &format!("/v1/reports/{made}/download")).send().await.expect(200);
        assert_eq!((head.text(), head.header("content-type")), ("", Some("text/csv; charset=utf-8")));
        world.verify_settled().await;
    }

    async fn transactions_are_listed_in_the_order_in_which_they_were_made(world) {
        let merchant = world.merchant();
        world.advance_seconds(40 * 86_400).await; // what was there before is long ago
        let day = today(&merchant).await;
        let held = merchant.pays(merchant.authorisation("9 EUR")).await;
        let paid = merchant.pays(merchant.purchase("5 EUR")).await;
        let captured = merchant.captures(&held, "4 EUR").await.expect(200);
        let refunded = merchant.refunds(&paid, "1 EUR").await.expect(200);
        let mut declined = merchant.purchase("3 EUR");
        declined["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(world.card("insufficient_funds"));
        merchant.post("/v1/payments", declined).await.expect(201);
        let lines = download(&merchant, ask("TRANSACTIONS", &day, json!({}))).await;
        assert_eq!(column(&lines, "type"), ["PURCHASE", "AUTHORIZE", "PURCHASE", "CAPTURE", "REFUND", "PURCHASE"]);
        assert_eq!(column(&lines[1..], "id")[..2], [&held.transaction, &paid.transaction]);
        assert_eq!(column(&lines, "id")[3], captured.at("/id"));
        assert_eq!(column(&lines, "id")[4], refunded.at("/transactions/id"));
        assert_eq!(column(&lines, "payment_id")[1..5], [&held.id, &paid.id, &held.id, &paid.id]);
        assert_eq!(column(&lines, "amount")[1..5], ["9.00", "5.00", "4.00", "1.00"]);
        // 1.4 % and 25 cents of what is taken; nothing of what is held, given back or declined.
        assert_eq!(column(&lines, "fee")[1..], ["0.00", "0.32", "0.31", "0.00", "0.00"]);
        assert_eq!(column(&lines, "status")[5], "DECLINED");
        assert_eq!(column(&lines, "response_code")[5], "INSUFFICIENT_FUNDS");
        let some = json!({ "transaction_type": "CAPTURE,REFUND,PURCHASE", "transaction_status": "SUCCEEDED" });
        let some = download(&merchant, ask("TRANSACTIONS", &day, some)).await;
        assert_eq!(column(&some, "type"), ["PURCHASE", "PURCHASE", "CAPTURE", "REFUND"]);
        let of_held = download(&merchant, ask("TRANSACTIONS", &day, json!({ "payment_status": "REFUNDED" }))).await;
        assert!(of_held.is_empty());
        let from_capture = (captured.at("/created_at"), day.1.clone());
        let rest = download(&merchant, ask("TRANSACTIONS", &from_capture, json!({}))).await;
        assert_eq!(column(&rest, "type"), ["CAPTURE", "REFUND", "PURCHASE"]);
        let until_capture = (day.0.clone(), captured.at("/created_at"));
        let before = download(&merchant, ask("TRANSACTIONS", &until_capture, json!({}))).await;
        assert_eq!([before, rest].concat(), lines, "what follows one another lists nothing twice");
        world.verify_settled().await;
    }

    async fn a_long_report_is_sent_while_it_is_read(world) {
        let merchant = world.merchant();
        let day = today(&merchant).await;
        let some = (0..10).map(|_| async {
            for _ in 0..28 {
                merchant.pays(merchant.purchase("1 EUR")).await;
            }
        });
        futures_util::future::join_all(some).await;
        let id = report(&merchant, ask("PAYMENTS", &day, json!({}))).await.at("/id");
        let answer = merchant.get(&format!("/v1/reports/{id}/download")).await.expect(200);
        assert_eq!((answer.header("content-length"), answer.header("transfer-encoding")), (None, Some("chunked")));
        let lines = table(answer.text());
        assert!(lines.len() > 280, "more than one page: {}", lines.len());
        assert!(column(&lines, "id").is_sorted());
        let again = merchant.get(&format!("/v1/reports/{id}/download")).await.expect(200);
        assert_eq!(again.text(), answer.text());
    }

    async fn payouts_are_listed(world) {
        let merchant = world.merchant();
        let day = today(&merchant).await;
        let payout = |amount: &str| json!({
            "account_id": merchant.account_id, "merchant_reference": fresh("@rent"), "country": "NO", "purpose": "RENT",
            "amount": money(amount), "beneficiary": { "merchant_beneficiary_id": "a", "country": "FR" },
            "withdrawal_method": { "type": "BANK_TRANSFER", "provider_id": "sandbox", "detail": { "bank_transfer": {
                "code": "30006", "account": { "number": "FR7630006000011234567890002" },
            } } },
        });
        let sent = merchant.post("/v1/payouts", payout("0.50 EUR")).await.expect(201);
        let declined = merchant.post("/v1/payouts", payout("9000 NOK")).await.expect(201);
        let lines = download(&merchant, ask("PAYOUTS", &day, json!({}))).await;
        let lines = &lines[lines.len() - 2..];
        assert_eq!(column(lines, "id"), [sent.at("/id"), declined.at("/id")]);
        assert_eq!(column(lines, "status"), ["SUCCEEDED", "DECLINED"]);
        assert_eq!(column(lines, "amount"), ["0.50", "9000.00"]);
        assert_eq!(column(lines, "merchant_reference")[0], format!("'{}", sent.at("/merchant_reference")));
        let some = json!({ "transaction_status": "DECLINED", "currency": "NOK", "country": "NO,SE" });
        let some = download(&merchant, ask("PAYOUTS", &day, some)).await;
        assert_eq!(column(&some, "id"), [declined.at("/id")]);
        assert!(download(&merchant, ask("PAYOUTS", &day, json!({ "country": "SE" }))).await.is_empty());
        world.verify_settled().await;
    }

    async fn a_report_whose_time_is_over_is_gone(world) {
        let merchant = world.merchant();
        let day = today(&merchant).await;
        let made = report(&merchant, ask("PAYMENTS", &day, json!({}))).await;
        let path = format!("/v1/reports/{}", made.at("/id"));
        world.advance_seconds(7 * 86_400 - 3_600).await;
        merchant.get(&format!("{path}/download")).await.expect(200);
        world.advance_seconds(3_600).await;
        let unknown = merchant.get("/v1/reports/0199a8b4-1f7e-7c3a-8000-0123456789ab").await.refused(400, "NOT_FOUND");
        for path in [path.clone(), format!("{path}/download")] {
            let gone = merchant.get(&path).await;
            assert_eq!(gone.without_request_id(), unknown.without_request_id());
        }
        assert_eq!(merchant.get("/v1/reports").await.expect(200).json()["items"], json!([]));
        world.verify_settled().await;
    }
}
