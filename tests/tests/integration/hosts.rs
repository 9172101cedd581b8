//! Every family by path prefix on any host and at the root of its own host.

use testkit::on_both_engines;

on_both_engines! {
    async fn prefix_and_host_lead_to_the_same(mut world) {
        world.stop().await;
        world.set("hosts", "api=pay.example.com");
        world.boot().await;
        let merchant = world.merchant();
        let made = merchant.pays(merchant.purchase("5 EUR")).await;
        let mut answers = Vec::new();
        for (host, path) in [
            ("localhost", format!("/v1/payments/{}", made.id)),
            ("anything.example:99", format!("/v1/payments/{}", made.id)),
            ("api.localhost", format!("/payments/{}", made.id)),
            ("API.localhost:8080", format!("/payments/{}", made.id)),
            ("api.localhost", format!("/v1/payments/{}", made.id)),
            ("pay.example.com", format!("/payments/{}", made.id)),
        ] {
            answers.push(merchant.ask("GET", &path).header("host", host).send().await.expect(200).json());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        merchant.ask("GET", &format!("/payments/{}", made.id)).header("host", "localhost").send().await.refused(404, "NOT_FOUND");
        merchant.ask("GET", "/healthz").header("host", "api.localhost").send().await.expect(200);
        // What only a sandbox has is no part of a family: it is at the root of hosts that are none's.
        for (method, path) in [("GET", "/dev/outbox"), ("GET", "/dev/acquirer"), ("POST", "/dev/clock"), ("GET", "/dev/hello")] {
            for host in ["api.localhost", "pay.example.com", "tickets.localhost"] {
                let answer = merchant.ask(method, path).header("host", host).send().await;
                answer.refused(404, "NOT_FOUND");
            }
        }
        merchant.ask("GET", "/dev/outbox").header("host", "anything.example").send().await.expect(200);
    }
}
