//! How many requests a key may make, and how it is told.

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
}
