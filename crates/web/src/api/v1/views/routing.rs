//! Routing rules as they are shown: what can be sent again.

use kernel::{Brand, Currency};
use payments::routing::{Conditions, Limit, RetryOn, RoutingRules, Rule};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use crate::view::{View, Word, drawn, view};

view! {
    /// All rules; the first that matches a charge decides.
    pub(in crate::api::v1) struct RulesView as "RoutingRuleList" {
        rules: Vec<RuleView>,
    }
}

view! {
    /// One rule.
    struct RuleView as "RoutingRule" {
        name: String,
        conditions: ConditionsView,
        /// Acquirers, in order.
        route: Vec<Word>,
        /// `UNAVAILABLE`, `SOFT_DECLINE`, both or none.
        retry_on: Vec<Word>,
    }
}

view! {
    /// What must hold of a charge; an empty list and null hold of every charge.
    struct ConditionsView as "RoutingConditions" {
        brand: Vec<Word>,
        currency: Vec<Word>,
        country: Vec<Word>,
        /// In major units of the charge's currency.
        amount_min: Option<LimitView>,
        /// In major units of the charge's currency.
        amount_max: Option<LimitView>,
    }
}

/// A limit, as a number with as few digits as it needs.
struct LimitView(Limit);

impl View for LimitView {
    fn draw(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_string().as_bytes());
    }

    fn property() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Number).build().into()
    }
}

impl RulesView {
    pub(super) fn drawn(rules: &RoutingRules) -> Vec<u8> {
        drawn(&RulesView { rules: rules.0.iter().map(rule).collect() })
    }
}

fn rule(rule: &Rule) -> RuleView {
    RuleView {
        name: rule.name.to_string(),
        conditions: conditions(&rule.conditions),
        route: rule.route.iter().map(|connector| Word(connector.name())).collect(),
        retry_on: retry_on(rule.retry_on),
    }
}

fn conditions(conditions: &Conditions) -> ConditionsView {
    ConditionsView {
        brand: conditions.brand.iter().copied().map(Brand::name).map(Word).collect(),
        currency: conditions.currency.iter().copied().map(Currency::code).map(Word).collect(),
        country: conditions.country.iter().map(|country| Word(country.code())).collect(),
        amount_min: conditions.amount_min.map(LimitView),
        amount_max: conditions.amount_max.map(LimitView),
    }
}

fn retry_on(retry_on: RetryOn) -> Vec<Word> {
    let words = [(retry_on.unavailable, "UNAVAILABLE"), (retry_on.soft_decline, "SOFT_DECLINE")];
    words.into_iter().filter(|(on, _)| *on).map(|(_, word)| Word(word)).collect()
}
