use kernel::{Brand, Country, Currency, Money, Outcome, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::breaker::Breaker;
use super::rules::*;
use crate::types::Connector;

fn connectors() -> Vec<Connector> {
    Connector::ALL.to_vec()
}

fn currency() -> impl Strategy<Value = Currency> {
    select(vec!["EUR", "NOK", "JPY", "KWD", "USD"]).prop_map(|code| Currency::parse(code).expect("a currency"))
}

fn country() -> impl Strategy<Value = Country> {
    select(vec!["FR", "NO", "US"]).prop_map(|code| Country::parse(code).expect("a country"))
}

fn limit() -> impl Strategy<Value = Limit> {
    (0_i64..3_000, 0_i64..10_000).prop_map(|(whole, fraction)| Limit::parse(&format!("{whole}.{fraction:04}")).expect("a limit"))
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let brands = subsequence(Brand::ALL.to_vec(), 0..=Brand::ALL.len());
    (brands, vec(currency(), 0..3), vec(country(), 0..3), option::of(limit()), option::of(limit())).prop_map(
        |(brand, currency, country, amount_min, amount_max)| Conditions { brand, currency, country, amount_min, amount_max },
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    let route = subsequence(connectors(), 1..=ROUTE_MAX).prop_shuffle();
    (conditions(), route, any::<bool>(), any::<bool>(), "[ -~]{1,20}").prop_map(
        |(conditions, route, unavailable, soft_decline, name)| Rule {
            name: name.into(),
            conditions,
            route,
            retry_on: RetryOn { unavailable, soft_decline },
        },
    )
}

fn facts() -> impl Strategy<Value = Facts> {
    (select(Brand::ALL.to_vec()), country(), currency(), 0_i64..3_000_000).prop_map(|(brand, country, currency, minor)| Facts {
        brand,
        country,
        amount: Money::new(minor, currency),
    })
}

/// Another way to say whether conditions hold: by decimal texts, padded so that they compare like numbers.
fn holds(conditions: &Conditions, facts: &Facts) -> bool {
    let padded = |text: String| {
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        format!("{whole:0>20}.{fraction:0<4}")
    };
    let amount = padded(facts.amount.to_decimal_text());
    (conditions.brand.is_empty() || conditions.brand.contains(&facts.brand))
        && (conditions.currency.is_empty() || conditions.currency.contains(&facts.amount.currency()))
        && (conditions.country.is_empty() || conditions.country.contains(&facts.country))
        && conditions.amount_min.is_none_or(|min| padded(min.to_string()) <= amount)
        && conditions.amount_max.is_none_or(|max| amount <= padded(max.to_string()))
}

proptest! {
    #[test]
    fn the_first_matching_rule_decides(rules in vec(rule(), 0..6), facts in facts(), usable in subsequence(connectors(), 1..=connectors().len()).prop_shuffle()) {
        let rules = RoutingRules(rules.into());
        let found = route(&rules, &facts, &usable).expect("something is usable");
        prop_assert!((1..=ROUTE_MAX).contains(&found.connectors.len()));
        prop_assert!(found.connectors.iter().all(|connector| usable.contains(connector)));
        let matching = rules.0.iter().find(|rule| holds(&rule.conditions, &facts));
        let left: Vec<Connector> =
            matching.map(|rule| rule.route.iter().copied().filter(|one| usable.contains(one)).collect()).unwrap_or_default();
        let expected = matching.filter(|_| !left.is_empty()).map(|rule| Route { connectors: left.clone(), retry_on: rule.retry_on });
        prop_assert_eq!(found, expected.unwrap_or_else(|| Route::only(usable[0])));
        prop_assert_eq!(route(&rules, &facts, &[]), None);
    }

    #[test]
    fn rules_are_read_as_they_were_written(rules in vec(rule(), 0..6)) {
        let rules = RoutingRules(rules.into());
        prop_assert_eq!(RoutingRules::from_text(&rules.to_text()), Some(rules));
    }

    #[test]
    fn limits_are_shown_as_short_as_they_can_be(limit in limit()) {
        let text = limit.to_string();
        prop_assert_eq!(Limit::parse(&text), Some(limit));
        prop_assert!(!text.contains('.') || !text.ends_with('0'));
    }
}

#[test]
fn limits_are_exact_decimals() {
    let shown = |text: &str| Limit::parse(text).map(|limit| limit.to_string());
    for (text, expected) in [
        ("0", "0"),
        ("520", "520"),
        ("9.90", "9.9"),
        ("0.0001", "0.0001"),
        ("1e3", "1000"),
        ("1.50E1", "15"),
        ("5e-4", "0.0005"),
        ("0e999", "0"),
        ("1000000000000", "1000000000000"),
    ] {
        assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
    }
    for text in ["-1", "1000000000000.0001", "0.00001", "1e400", "1e-400", "", ".", "+1", "1_000", "NaN", "1e99999999999", "0x1"]
    {
        assert_eq!(shown(text), None, "{text}");
    }
    assert_eq!(RoutingRules::from_text("[{\"name\":\"x\",\"route\":[\"nobody\"]}]"), None, "damage is noticed");
}

#[test]
fn five_failures_in_half_a_minute_pass_an_acquirer_by_for_half_a_minute() {
    let at = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
    let failed = Outcome::Unknown { reason: "".into() };
    let refused = Outcome::NotSent { reason: "".into() };
    let breaker = Breaker::default();
    for second in [0, 10, 20, 30, 40, 50] {
        breaker.note(Connector::Sandbox, &failed, at(second));
        assert!(!breaker.passes_by(Connector::Sandbox, at(second)), "too slow a row: at most three within the window");
    }
    for outcome in [&failed, &refused] {
        assert!(!breaker.passes_by(Connector::Sandbox, at(51)));
        breaker.note(Connector::Sandbox, outcome, at(51));
    }
    assert!(breaker.passes_by(Connector::Sandbox, at(51)) && breaker.passes_by(Connector::Sandbox, at(80)));
    assert!(!breaker.passes_by(Connector::SandboxB, at(51)), "another is another");
    let narrowed = |route: &[Connector], now| {
        let mut route = route.to_vec();
        breaker.narrow(&mut route, now);
        route
    };
    let both = [Connector::Sandbox, Connector::SandboxB];
    assert_eq!(narrowed(&both, at(80)), [Connector::SandboxB]);
    assert_eq!(narrowed(&both[..1], at(80)), both[..1], "there is no other");
    assert_eq!(narrowed(&both, at(81)), both, "its time is over");
    for _ in 0..4 {
        breaker.note(Connector::Sandbox, &failed, at(82));
    }
    breaker.note(Connector::Sandbox, &Outcome::Failed { code: "ERROR".into() }, at(82));
    assert!(!breaker.passes_by(Connector::Sandbox, at(82)), "the count begins anew, and answers are no failures");
}
