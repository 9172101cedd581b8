//! `GET /v1/payments/search`, and the pages of an order.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::actors::Actor;
use testkit::on_both_engines;

/// Ids on a page, and where the next one begins.
async fn page(merchant: &Actor, query: &str) -> (Vec<String>, Option<String>) {
    let shown = merchant.get(&format!("/v1/payments/search?{query}")).await.expect(200).json();
    let ids = shown["items"].as_array().expect("a list").iter().map(|item| item["id"].as_str().expect("an id").to_owned());
    (ids.collect(), shown["next_cursor"].as_str().map(str::to_owned))
}

/// All ids, page by page.
async fn pages(merchant: &Actor, query: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let mut more = String::new();
    loop {
        let (ids, next) = page(merchant, &format!("{query}{more}")).await;
        all.push(ids);
        match next {
            Some(next) => more = format!("&cursor={next}"),
            None => return all,
        }
    }
}

on_both_engines! {
    async fn pages_stand_still_while_payments_are_made(world) {
        let merchant = world.merchant();
        let mut made = Vec::new();
        for _ in 0..7 {
            made.push(merchant.pays(merchant.purchase("3 EUR")).await.id);
        }
        made.reverse();
        let known = pages(&merchant, "").await.concat();
        assert_eq!(known[..7], made[..]);
        let (first, next) = page(&merchant, "limit=3").await;
        let later = merchant.pays(merchant.purchase("3 EUR")).await.id;
        let (second, next) = page(&merchant, &format!("limit=3&cursor={}", next.expect("there is more"))).await;
        merchant.pays(merchant.purchase("3 EUR")).await;
        let (third, _) = page(&merchant, &format!("limit=3&cursor={}", next.expect("there is more"))).await;
        let found = [first, second, third].concat();
        assert_eq!(found, known[..9], "nothing shifted, nothing came twice");
        assert_eq!(page(&merchant, "limit=2").await.0[1], later);
        let all = pages(&merchant, "limit=4").await.concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(all.len(), known.len() + 2);
        assert_eq!(all[2..], known[..], "and in the end there is everything");
        world.verify().await;
    }

    async fn a_payment_is_listed_as_it_is_read(world) {
        let merchant = world.merchant();
        let held = merchant.pays(merchant.authorisation("9 EUR")).await;
        merchant.captures(&held, "4 EUR").await.expect(200);
        let paid = merchant.pays(merchant.purchase("5 EUR")).await;
        merchant.refunds(&paid, "1 EUR").await.expect(200);
        let listed = merchant.get("/v1/payments/search?limit=2").await.expect(200).json();
        for (at, made) in [(0, &paid), (1, &held)] {
            assert_eq!(listed["items"][at], merchant.get(&format!("/v1/payments/{}", made.id)).await.expect(200).json());
        }
        assert_eq!(listed["items"][0]["transactions"]["type"], "REFUND");
        let empty = world.intruder().get("/v1/payments/search?created_from=2100-01-01").await.expect(200);
        assert_eq!(empty.json(), json!({ "items": [], "next_cursor": null }));
    }

    async fn filters_leave_out_what_does_not_fit(world) {
        let merchant = world.merchant();
        world.advance_seconds(40 * 86_400).await; // what was there before is long ago
        let early = merchant.pays(merchant.purchase("1 EUR")).await;
        world.advance_seconds(86_400).await;
        let held = merchant.pays(merchant.authorisation("2 EUR")).await;
        let mut body = merchant.purchase("3 EUR");
        body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(world.card("insufficient_funds"));
        let declined = merchant.post("/v1/payments", body).await.expect(201).at("/id");
        let kroner = merchant.pays(merchant.purchase("4 NOK")).await;
        let time = |exchange: &Value| exchange["created_at"].as_str().expect("a time").to_owned();
        let (first, second) = (time(&early.exchange.json()), time(&held.exchange.json()));
        let everything = [&kroner.id, &declined, &held.id, &early.id];
        for (query, expected) in [
            (String::new(), everything.to_vec()),
            ("&status=&sub_status=&currency=&created_to=".to_owned(), everything.to_vec()),
            ("&status=DECLINED".to_owned(), vec![&declined]),
            ("&status=REJECTED".to_owned(), vec![]),
            ("&status=DECLINED,REJECTED,ERROR,EXPIRED".to_owned(), vec![&declined]),
            ("&status=PENDING,%20DECLINED".to_owned(), vec![&declined, &held.id]),
            ("&status=SUCCEEDED&currency=NOK".to_owned(), vec![&kroner.id]),
            ("&sub_status=AUTHORIZED".to_owned(), vec![&held.id]),
            ("&status=DECLINED&sub_status=AUTHORIZED".to_owned(), vec![]),
            (format!("&created_to={first}"), vec![&early.id]),
            (format!("&created_from={second}"), vec![&kroner.id, &declined, &held.id]),
            (format!("&created_from={first}&created_to={second}"), vec![&held.id, &early.id]),
            (format!("&created_from={}&created_to={}", &first[..10], &first[..10]), vec![&early.id]),
        ] {
            let from = if query.contains("created_from") { String::new() } else { format!("&created_from={}", &first[..10]) };
            let found = pages(&merchant, &format!("limit=2{from}{query}")).await.concat();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
        }
    }

    async fn what_cannot_be_searched_for_is_refused(world) {
        let (merchant, intruder) = (world.merchant(), world.intruder());
        for _ in 0..2 {
            merchant.pays(merchant.purchase("1 EUR")).await;
            intruder.pays(intruder.purchase("1 EUR")).await;
        }
        for (query, code, name) in [
            ("status=PAID", "INVALID_PARAMETERS", "status: "),
            ("status=SUCCEEDED,paid", "INVALID_PARAMETERS", "status: "),
            ("sub_status=SUCCEEDED", "INVALID_PARAMETERS", "sub_status: must be some of APPROVED AUTHORIZED "),
            ("status=SUCCEEDED&limit=2&status=DECLINED", "INVALID_PARAMETERS", "status: must not be there twice"),
            ("status=SUCCEEDED&st%61tus=SUCCEEDED", "INVALID_PARAMETERS", "status: must not be there twice"),
            ("cursor=&cursor=", "INVALID_PARAMETERS", "cursor: must not be there twice"),
            ("currency=eur", "CURRENCY_NOT_ALLOWED", "currency: "),
            ("created_from=yesterday", "INVALID_DATE", "created_from: "),
            ("created_to=2026-02-30", "INVALID_DATE", "created_to: "),
            ("created_from=2026-03-02&created_to=2026-03-01", "INVALID_DATE", "created_to: "),
            ("limit=0", "BAD_REQUEST", "limit: "),
            ("limit=101", "BAD_REQUEST", "limit: "),
            ("limit=-1", "BAD_REQUEST", "limit: "),
            ("cursor=x", "BAD_REQUEST", "cursor: "),
            ("cursor=%00", "BAD_REQUEST", "cursor: "),
        ] {
            let refused = merchant.get(&format!("/v1/payments/search?{query}")).await.refused(400, code);
            assert!(refused.at("/messages/0").starts_with(name), "{query}: {}", refused.text());
        }
        let cursor = page(&merchant, "limit=1").await.1.expect("there is more");
        let theirs = page(&intruder, "limit=1").await.1.expect("there is more");
        let tampered = cursor.replacen(|digit: char| digit.is_ascii_digit(), "f", 1);
        for query in [
            format!("cursor={theirs}"),
            format!("cursor={tampered}"),
            format!("cursor={}", cursor.to_uppercase()),
            format!("cursor={cursor}0"),
            format!("cursor={cursor}&status=SUCCEEDED"),
        ] {
            merchant.get(&format!("/v1/payments/search?{query}")).await.refused(400, "BAD_REQUEST");
        }
        assert_eq!(page(&merchant, &format!("limit=5&cursor={cursor}")).await.0[0], page(&merchant, "limit=2").await.0[1]);
        merchant.get(&format!("/v1/payments?merchant_order_id=a&cursor={cursor}")).await.refused(400, "BAD_REQUEST");
    }
}
