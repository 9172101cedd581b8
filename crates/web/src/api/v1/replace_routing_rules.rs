//! `PUT /v1/routing-rules`: other rules, all at once.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::json::{Node, Value};
use kernel::{Brand, Country, Currency};
use payments::Connector;
use payments::routing::{Conditions, Limit, ROUTE_MAX, RULES_MAX, RetryOn, RoutingRules, Rule};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use super::{ROUTING, json, views};
use crate::body::expect_json;
use crate::caller::{Caller, Write};
use crate::envelope::{Code, Problem};
use crate::extract::{Asked, Headers};
use crate::object::{Body, Components, Field, Items, Prose, Reader, object, one_of, string, words};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Longest list in one condition: more than there are countries.
const CONDITION_MAX: usize = 300;

object! {
    /// All rules; the first that matches a charge decides.
    pub(super) struct RoutingRulesBody {
        /// At most 50.
        rules: Items<RoutingRuleBody, RULES_MAX>,
    }
}

object! {
    /// One rule.
    pub(super) struct RoutingRuleBody {
        /// Your name for it. Required.
        name: Option<Prose<1, 255>>,
        /// All of them must hold; without any the rule always matches.
        conditions: Option<KnownConditions>,
        /// One to three acquirers, in order, each once. Required.
        route: Option<Items<Named<Connector>, ROUTE_MAX>>,
        /// When the next acquirer of the route is tried; never when absent.
        retry_on: Option<Items<RetryWord, 2>>,
    }
}

object! {
    /// What must hold of a charge.
    pub(super) struct RoutingConditionsBody {
        /// The card is of one of these brands.
        brand: Option<Items<Named<Brand>, CONDITION_MAX>>,
        /// The amount is in one of these currencies.
        currency: Option<Items<Named<Currency>, CONDITION_MAX>>,
        /// The payment is made in one of these countries.
        country: Option<Items<Named<Country>, CONDITION_MAX>>,
        /// The amount is at least this, in major units of its currency.
        amount_min: Option<LimitNumber>,
        /// The amount is at most this, in major units of its currency.
        amount_max: Option<LimitNumber>,
    }
}

/// The members of [`RoutingConditionsBody`].
const CONDITIONS: [&str; 5] = ["brand", "currency", "country", "amount_min", "amount_max"];

/// Conditions of which none is unknown: ignored as elsewhere, a mistyped one would make its rule match everything.
#[derive(Debug)]
pub(super) struct KnownConditions(RoutingConditionsBody);

impl Field for KnownConditions {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let unknown = reader.object(value)?.iter().any(|(name, _)| !CONDITIONS.contains(&name));
        if unknown {
            return reader.invalid("must be some of brand, currency, country, amount_min, amount_max");
        }
        RoutingConditionsBody::read(value, reader).map(KnownConditions)
    }

    fn property() -> RefOr<Schema> {
        RoutingConditionsBody::property()
    }

    fn components(into: &mut Components) {
        RoutingConditionsBody::components(into);
    }
}

words! {
    /// After what the next acquirer is tried.
    pub(super) enum RetryWord {
        /// The acquirer could not be reached: nothing happened there.
        Unavailable = "UNAVAILABLE",
        /// The acquirer refused, and trying again may help.
        SoftDecline = "SOFT_DECLINE",
    }
}

/// Something with a name in the rules. A wrong one is a wrong rule, whatever it is elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named<T>(T);

macro_rules! named {
    ($($kind:ty, $parse:expr, $what:literal, $schema:expr;)+) => {$(
        impl Field for Named<$kind> {
            fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
                let parse: fn(&str) -> Option<$kind> = $parse;
                match parse(reader.text(value)?) {
                    Some(found) => Some(Named(found)),
                    None => reader.invalid($what),
                }
            }

            fn property() -> RefOr<Schema> {
                $schema
            }
        }
    )+};
}
named! {
    Connector, Connector::parse, "is not the name of an acquirer", string().examples(["sandbox"]).build().into();
    Brand, |name| Brand::ALL.iter().copied().find(|brand| brand.name() == name), "is not a brand of cards",
        one_of(&Brand::ALL.iter().map(|brand| brand.name()).collect::<Vec<_>>());
    Currency, Currency::parse, "must be a currency code of ISO 4217", string().pattern(Some("^[A-Z]{3}$")).build().into();
    Country, Country::parse, "must be a country code of ISO 3166-1, two letters", string().pattern(Some("^[A-Z]{2}$")).build().into();
}

/// A limit of amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LimitNumber(Limit);

impl Field for LimitNumber {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let limit = match value.node {
            Node::Number(text) => Limit::parse(text),
            _ => return reader.invalid("must be a number"),
        };
        match limit {
            Some(limit) => Some(LimitNumber(limit)),
            None => reader.invalid("must be from 0 to 1000000000000, with at most 4 decimals"),
        }
    }

    fn property() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Number).examples([serde_json::json!(100)]).build().into()
    }
}

impl Body for RoutingRulesBody {
    type Ask = RoutingRules;

    fn name() -> &'static str {
        "RoutingRulesBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<RoutingRules> {
        let all: Vec<Option<Rule>> = reader.inside("rules", |reader| {
            let rules = self.rules.0.into_iter().enumerate();
            rules.map(|(at, rule)| reader.at_item(at, |reader| rule.judge(reader))).collect()
        });
        all.into_iter().collect::<Option<Vec<Rule>>>().map(|rules| RoutingRules(rules.into()))
    }
}

impl RoutingRuleBody {
    fn judge(self, reader: &mut Reader) -> Option<Rule> {
        let mut required = |name: &'static str| reader.wrong_at(&[name], Code::InvalidParameters, "is required");
        if self.name.is_none() {
            required("name");
        }
        if self.route.is_none() {
            required("route");
        }
        let (Prose(name), Items(route)) = (self.name?, self.route?);
        let route: Vec<Connector> = route.into_iter().map(|Named(connector)| connector).collect();
        if route.is_empty() {
            reader.wrong_at(&["route"], Code::InvalidParameters, "must name at least one acquirer");
        }
        for (at, connector) in route.iter().enumerate() {
            if route[..at].contains(connector) {
                reader.inside("route", |reader| {
                    reader.at_item(at, |reader| reader.wrong(Code::InvalidParameters, "is named twice"));
                });
            }
        }
        let conditions = self.conditions.map(|KnownConditions(known)| known.conditions()).unwrap_or_default();
        if conditions.amount_min.zip(conditions.amount_max).is_some_and(|(min, max)| min > max) {
            reader.wrong_at(&["conditions", "amount_max"], Code::InvalidParameters, "must not be below amount_min");
        }
        let retry = self.retry_on.map(|Items(words)| words).unwrap_or_default();
        let retry_on = RetryOn {
            unavailable: retry.contains(&RetryWord::Unavailable),
            soft_decline: retry.contains(&RetryWord::SoftDecline),
        };
        Some(Rule { name, conditions, route, retry_on })
    }
}

impl RoutingConditionsBody {
    fn conditions(self) -> Conditions {
        fn all<T, const MAX: usize>(list: Option<Items<Named<T>, MAX>>) -> Vec<T> {
            list.map(|Items(items)| items.into_iter().map(|Named(item)| item).collect()).unwrap_or_default()
        }
        Conditions {
            brand: all(self.brand),
            currency: all(self.currency),
            country: all(self.country),
            amount_min: self.amount_min.map(|LimitNumber(limit)| limit),
            amount_max: self.amount_max.map(|LimitNumber(limit)| limit),
        }
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::PUT, "/v1/routing-rules", replace_routing_rules).about(|route| {
        route
            .named(ROUTING, "replace-routing-rules", "Replace the routing rules")
            .text(
                "Replaces the whole list at once; a list with a bad rule changes nothing. A charge that no rule matches goes to the \
                 first acquirer. The next acquirer of a route is never tried while the outcome at the one before is in doubt.",
            )
            .example(
                r#"{"rules": [{"name": "cards in euros", "conditions": {"currency": ["EUR"]}, "route": ["sandbox", "sandbox_b"],
 "retry_on": ["UNAVAILABLE", "SOFT_DECLINE"]}]}"#,
            )
            .replies(StatusCode::OK, "The new rules.", Content::Json(component::<views::RulesView>))
            .drawn(views::routing_sample)
    })
}

async fn replace_routing_rules(
    caller: Caller<Write>,
    State(web): State<Web>,
    Headers(headers): Headers,
    Asked(rules): Asked<RoutingRulesBody>,
) -> Response {
    let payments = &web.wiring.payments;
    if let Err(problem) = expect_json(&headers).and_then(|()| all_configured(&rules, &payments.connectors())) {
        return problem.into_response();
    }
    match payments.replace_routing_rules(caller.account_id(), rules).await {
        Ok(rules) => json(views::routing_rules(&rules)),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}

/// Every acquirer that is named can be charged with.
fn all_configured(rules: &RoutingRules, configured: &[Connector]) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    for (at, rule) in rules.0.iter().enumerate() {
        for (place, connector) in rule.route.iter().enumerate().filter(|(_, connector)| !configured.contains(connector)) {
            let name = connector.name();
            wrong.push(Cow::Owned(format!("rules[{at}].route[{place}]: {name} is not set up in this installation")));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Problem::of(Code::InvalidParameters, wrong)) }
}
