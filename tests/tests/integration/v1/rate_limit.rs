//! How many requests a key may make, and how it is told.

use testkit::actors::{Actor, Key};
use testkit::on_both_engines;

on_both_engines! {
    async fn a_key_has_its_rate_and_is_told_about_it(mut world) {
        world.stop().await;
        world.set("payments_rate_per_minute", "20");
        world.boot().await;
        let merchant = world.merchant();
        let path = "/v1/payments?merchant_order_id=order";
        let first = merchant.get(path).await.expect(200);
        assert_eq!(first.header("ratelimit-policy"), Some("\"key\";q=20;w=60"));
        assert_eq!(first.header("ratelimit-limit"), Some("20"));
        let remaining: u32 = first.header("ratelimit-remaining").expect("a header").parse().expect("a number");
        assert!(remaining < 20);
        let answers: Vec<_> = {
            let mut answers = Vec::new();
            for _ in 0..25 {
                answers.push(merchant.get(path).await);
            }
            answers
        };
        let refused = answers.last().expect("there are some").clone().refused(429, "TOO_MANY_REQUESTS");
        assert!(refused.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok()).is_some_and(|seconds| (1..=60).contains(&seconds)));
        assert_eq!(refused.header("ratelimit-remaining"), Some("0"));
        assert!(refused.header("x-request-id").is_some());
        // Each key has its own, and a refused request touches nothing.
        world.holder("read_only").get(path).await.expect(200);
        merchant.post("/v1/payments", merchant.purchase("5 EUR")).await.refused(429, "TOO_MANY_REQUESTS");
        world.verify_settled().await;
    }

    async fn who_guesses_keys_is_stopped_at_his_address_alone(mut world) {
        world.stop().await;
        world.set("behind_proxy", "true");
        world.boot().await;
        let merchant = world.merchant();
        let guess = Key { secret: format!("{}x", merchant.key().secret), ..merchant.key().clone() };
        let guesser = Actor::with_key(world.door(), "", guess);
        let from = |actor: &Actor, address: &str| {
            let actor = actor.clone();
            let address = address.to_owned();
            async move { actor.ask("GET", "/v1/balances").header("X-Forwarded-For", address).send().await }
        };
        let mut refused = 0;
        let stopped = loop {
            let answer = from(&guesser, "203.0.113.9").await;
            if answer.status == 429 {
                break answer;
            }
            answer.refused(401, "INVALID_CREDENTIALS");
            refused += 1;
            assert!(refused <= 75, "it is stopped after about 60 a minute");
        };
        assert!(refused >= 55, "not at once: {refused}");
        assert!(stopped.header("retry-after").is_some_and(|seconds| seconds != "0"));
        let stopped = stopped.refused(429, "TOO_MANY_REQUESTS");
        assert!(stopped.header("x-request-id").is_some());
        // Neighbours of an IPv6 network share a count, other addresses do not.
        from(&guesser, "198.51.100.1").await.refused(401, "INVALID_CREDENTIALS");
        for host in 0..80 {
            from(&guesser, &format!("2001:db8:0:1::{host:x}")).await;
        }
        from(&guesser, "2001:db8:0:1:ffff::1").await.refused(429, "TOO_MANY_REQUESTS");
        from(&guesser, "2001:db8:0:2::1").await.refused(401, "INVALID_CREDENTIALS");
        from(&merchant, "198.51.100.1").await.expect(200);
    }

    async fn every_answer_to_a_key_says_what_is_left(world) {
        let merchant = world.merchant();
        let [read, made, wrong, forbidden] = [
            merchant.get("/v1/balances").await.expect(200),
            merchant.post("/v1/payments", merchant.purchase("5 EUR")).await.expect(201),
            merchant.get("/v1/payments").await.refused(400, "MISSING_PARAMETERS"),
            world.holder("money_in_only").get("/v1/balances").await.refused(403, "AUTHORIZATION_REQUIRED"),
        ];
        for answer in [read, made, wrong, forbidden] {
            let number = |name: &str| -> u64 { answer.header(name).expect("a header").parse().expect("a number") };
            let (limit, left, reset) = (number("ratelimit-limit"), number("ratelimit-remaining"), number("ratelimit-reset"));
            assert!(left < limit && reset <= 60, "{left} of {limit}, {reset}");
            assert_eq!(answer.header("ratelimit-policy"), Some(&*format!("\"key\";q={limit};w=60")));
            assert_eq!(answer.header("ratelimit"), Some(&*format!("\"key\";r={left};t={reset}")));
        }
        assert!(world.anonymous().get("/v1/balances").await.refused(401, "INVALID_CREDENTIALS").header("ratelimit").is_none());
    }
}
