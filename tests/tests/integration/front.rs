//! What every visitor meets: health, pages, the API reference, and what holds for each answer.

use testkit::on_both_engines;

on_both_engines! {
    async fn health_readiness_and_metrics(world) {
        let anyone = world.anonymous();
        anyone.get("/healthz").await.expect(200);
        anyone.get("/readyz").await.expect(200);
        let merchant = world.merchant();
        merchant.pays(merchant.purchase("5 EUR")).await;
        let metrics = anyone.get("/metrics").await.expect(200);
        assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
        assert!(metrics.text().lines().any(|line| line.starts_with("# TYPE guichet_")), "{}", metrics.text());
        assert!(!metrics.text().contains(&merchant.key().token), "no ids in metrics");
    }

    /// The counters are the process's, so other stories may count beside this one.
    async fn what_keys_do_is_counted(world) {
        let merchant = world.merchant();
        let count = async |name: &str| {
            let text = world.anonymous().get("/metrics").await.expect(200).text().to_owned();
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("guichet_idempotency_{name}_total ")));
            line.and_then(|number| number.parse::<u64>().ok()).unwrap_or_else(|| panic!("{name} is not in {text}"))
        };
        assert!(count("take_overs").await < 1_000, "it is there from the start");
        let (claims, replays, conflicts) = (count("claims").await, count("replays").await, count("conflicts").await);
        world.slow_acquirer(400).await;
        let body = merchant.purchase("5 EUR");
        let all = (0..4).map(|_| merchant.post_once("/v1/payments", "counted", &body));
        let answers = futures_util::future::join_all(all).await;
        let refused = answers.iter().filter(|answer| answer.status == 409).count();
        assert!(refused >= 1, "the acquirer is slow");
        merchant.post_once("/v1/payments", "counted", &body).await.expect(201);
        assert!(count("claims").await > claims && count("replays").await > replays);
        assert!(count("conflicts").await >= conflicts + refused as u64);
    }

    async fn request_ids_are_kept_when_they_are_clean(world) {
        let anyone = world.anonymous();
        let longest = "r".repeat(64);
        for id in ["abc-123_X.y", "a", longest.as_str()] {
            let answer = anyone.ask("GET", "/v1/payments").header("x-request-id", id).send().await;
            assert_eq!(answer.header("x-request-id"), Some(id));
        }
        let too_long = "r".repeat(65);
        for id in ["", "a b", "a\"b", "<script>", too_long.as_str()] {
            let answer = anyone.ask("GET", "/v1/payments").header("x-request-id", id).send().await;
            assert!(answer.header("x-request-id").is_some_and(|own| own != id && !own.is_empty()), "{id}");
        }
    }

    async fn unknown_paths_and_methods_are_told_apart(world) {
        let merchant = world.merchant();
        merchant.get("/v1/nothing").await.refused(404, "NOT_FOUND");
        world.anonymous().get("/nothing").await.refused(404, "NOT_FOUND");
        let wrong = merchant.ask("DELETE", "/v1/payments").send().await.refused(405, "UNSUPPORTED_METHOD");
        let allow = wrong.header("allow").expect("a 405 names the methods there are");
        assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
        let head = merchant.ask("HEAD", "/healthz").send().await.expect(200);
        assert!(head.body.is_empty());
    }

    async fn every_answer_of_the_family_is_json_and_kept_by_nobody(world) {
        let merchant = world.merchant();
        let answers = [
            merchant.get("/v1/payments?merchant_order_id=abc").await,
            merchant.get("/v1/payments").await,
            merchant.get("/v1/nothing").await,
            merchant.ask("PUT", "/v1/payments").send().await,
            world.anonymous().get("/v1/payments").await,
            world.holder("money_in_only").get("/v1/payments?merchant_order_id=abc").await,
            merchant.post("/v1/payments", serde_json::json!({})).await,
        ];
        for answer in answers {
            assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{}", answer.request);
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.request);
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{}", answer.request);
            assert!(answer.header("x-request-id").is_some(), "{}", answer.request);
            answer.json();
        }
    }

    async fn pages_are_whole_and_closed_to_strangers(world) {
        let anyone = world.anonymous();
        for path in ["/", "/docs"] {
            let page = anyone.ask("GET", path).header("accept", "text/html").send().await;
            let page = if page.status == 200 { page } else { anyone.ask("GET", &format!("{path}/")).header("accept", "text/html").send().await };
            let page = page.expect(200);
            assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{path}");
            let policy = page.header("content-security-policy").expect("a page has a policy");
            assert!(policy.contains("default-src 'none'") || policy.contains("default-src 'self'"), "{path}: {policy}");
            assert!(!policy.contains("script-src 'unsafe-inline'") && !policy.contains("unsafe-eval"), "{path}: {policy}");
            for foreign in ["src=\"http", "href=\"http://", "src=\"//"] {
                assert!(!page.text().contains(foreign), "{path} loads from elsewhere");
            }
            // Everything the page asks this server for is there.
            for attribute in ["href=\"/", "src=\"/"] {
                for part in page.text().split(attribute).skip(1) {
                    let target = format!("/{}", part.split(['"', '#']).next().unwrap_or_default());
                    let found = anyone.ask("GET", &target).header("accept", "*/*").send().await;
                    assert!(found.status < 400, "{path} refers to {target}: {}", found.status);
                }
            }
        }
        let missing = anyone.ask("GET", "/no-such-page").header("accept", "text/html").send().await.expect(404);
        assert!(missing.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    }

    async fn the_api_describes_itself(world) {
        let document = world.anonymous().get("/openapi.json").await.expect(200).json();
        assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
        let operation = |path: &str, method: &str| document["paths"][path][method].clone();
        for (path, method) in [
            ("/v1/payments", "post"),
            ("/v1/payments", "get"),
            ("/v1/payments/{payment}/cancel-or-refund", "post"),
        ] {
            let known = document["paths"].as_object().expect("paths").keys().cloned().collect::<Vec<_>>();
            assert!(operation(path, method)["responses"].is_object(), "{method} {path} is missing among {known:?}");
        }
    }
}
