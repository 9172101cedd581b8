//! The rules of routing: what may be written, and which route a charge takes.

use std::fmt;
use std::sync::Arc;

use kernel::{Brand, Country, Currency, Money};
use serde::{Deserialize, Serialize};

use crate::types::Connector;

/// Rules of one account at most (payments specification, section 3.8).
pub const RULES_MAX: usize = 50;
/// Acquirers in one route at most, and so attempts of one payment at most.
pub const ROUTE_MAX: usize = 3;
/// Decimals of a limit: the most that any currency has.
const LIMIT_DECIMALS: u8 = 4;
/// Highest limit, in whole units.
const LIMIT_MAX: i64 = 1_000_000_000_000;

/// An amount in major units of whatever currency a charge has, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limit(i64);

impl Limit {
    /// Reads the text of a JSON number: not negative, at most four decimals, at most 10^12. It is never turned into a float.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if text.len() > 32 || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = digits.trim_start_matches('0');
        let mut value: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        let mut shift = i32::from(LIMIT_DECIMALS) + exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        while shift > 0 && value > 0 {
            value = value.checked_mul(10)?;
            shift -= 1;
        }
        while shift < 0 && value > 0 {
            if value % 10 != 0 {
                return None;
            }
            value /= 10;
            shift += 1;
        }
        let limit = Self(i64::try_from(value).ok()?);
        (limit <= Self(LIMIT_MAX * 10_000)).then_some(limit)
    }

    /// What `amount` is in these units.
    fn of(amount: Money) -> i128 {
        let missing = LIMIT_DECIMALS.saturating_sub(amount.currency().exponent());
        i128::from(amount.minor()) * 10_i128.pow(u32::from(missing))
    }
}

impl fmt::Display for Limit {
    /// The shortest decimal text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 10_000, self.0 % 10_000);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{fraction:04}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

/// What must hold of a charge for a rule to count; an empty list and an absent limit hold of every charge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The card's brand is one of these.
    pub brand: Vec<Brand>,
    /// The currency is one of these.
    pub currency: Vec<Currency>,
    /// The payment's country is one of these.
    pub country: Vec<Country>,
    /// The amount is at least this.
    pub amount_min: Option<Limit>,
    /// The amount is at most this.
    pub amount_max: Option<Limit>,
}

/// After what the next acquirer of a route is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryOn {
    /// It is proven that the request never reached the acquirer.
    pub unavailable: bool,
    /// The acquirer refused, and trying again may help.
    pub soft_decline: bool,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// In the account's words.
    pub name: Arc<str>,
    /// When it counts.
    pub conditions: Conditions,
    /// Where charges go, in order: one to [`ROUTE_MAX`], each once.
    pub route: Vec<Connector>,
    /// When the next one is tried.
    pub retry_on: RetryOn,
}

/// All rules of an account; the first that matches counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingRules(pub Arc<[Rule]>);

/// What rules look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The card's brand.
    pub brand: Brand,
    /// Where the payment is made.
    pub country: Country,
    /// How much.
    pub amount: Money,
}

/// Where one charge goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// One to [`ROUTE_MAX`], in order.
    pub connectors: Vec<Connector>,
    /// When the next one is tried.
    pub retry_on: RetryOn,
}

impl Route {
    /// One acquirer and no other.
    pub fn only(connector: Connector) -> Self {
        Self { connectors: vec![connector], retry_on: RetryOn::default() }
    }
}

impl Conditions {
    fn hold(&self, facts: &Facts) -> bool {
        fn allows<T: PartialEq>(list: &[T], found: &T) -> bool {
            list.is_empty() || list.contains(found)
        }
        let amount = Limit::of(facts.amount);
        allows(&self.brand, &facts.brand)
            && allows(&self.currency, &facts.amount.currency())
            && allows(&self.country, &facts.country)
            && self.amount_min.is_none_or(|min| amount >= i128::from(min.0))
            && self.amount_max.is_none_or(|max| amount <= i128::from(max.0))
    }
}

/// Where a charge goes: the route of the first rule that matches, less the acquirers that are not `usable`; the first usable one where
/// no rule matches or nothing is left. `None` only when nothing is usable.
pub fn route(rules: &RoutingRules, facts: &Facts, usable: &[Connector]) -> Option<Route> {
    let rule = rules.0.iter().find(|rule| rule.conditions.hold(facts));
    let found = rule.map(|rule| {
        let connectors = rule.route.iter().copied().filter(|connector| usable.contains(connector)).take(ROUTE_MAX).collect();
        Route { connectors, retry_on: rule.retry_on }
    });
    found.filter(|route| !route.connectors.is_empty()).or_else(|| usable.first().copied().map(Route::only))
}

/// A rule as it is stored. Words instead of codes: the document outlives versions, and people read it.
#[derive(Serialize, Deserialize)]
struct StoredRule {
    name: Arc<str>,
    #[serde(default)]
    brand: Vec<String>,
    #[serde(default)]
    currency: Vec<String>,
    #[serde(default)]
    country: Vec<String>,
    #[serde(default)]
    amount_min: Option<Limit>,
    #[serde(default)]
    amount_max: Option<Limit>,
    route: Vec<String>,
    #[serde(default)]
    retry_on: RetryOn,
}

impl RoutingRules {
    /// What holds until an account says otherwise: everything goes to `first`.
    pub fn initial(first: Connector) -> Self {
        let (conditions, retry_on) = (Conditions::default(), RetryOn::default());
        Self([Rule { name: "default".into(), conditions, route: vec![first], retry_on }].into())
    }

    /// As it is stored.
    pub(super) fn to_text(&self) -> String {
        let stored = |rule: &Rule| StoredRule {
            name: rule.name.clone(),
            brand: rule.conditions.brand.iter().map(|brand| brand.name().to_owned()).collect(),
            currency: rule.conditions.currency.iter().map(|currency| currency.code().to_owned()).collect(),
            country: rule.conditions.country.iter().map(|country| country.code().to_owned()).collect(),
            amount_min: rule.conditions.amount_min,
            amount_max: rule.conditions.amount_max,
            route: rule.route.iter().map(|connector| connector.name().to_owned()).collect(),
            retry_on: rule.retry_on,
        };
        let all: Vec<StoredRule> = self.0.iter().map(stored).collect();
        serde_json::to_string(&all).expect("texts and numbers can be written")
    }

    /// As it was stored; `None` for a text that [`RoutingRules::to_text`] cannot have written.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let rule = |stored: StoredRule| {
            let brand = |name: &String| Brand::ALL.iter().copied().find(|brand| brand.name() == name);
            let conditions = Conditions {
                brand: stored.brand.iter().map(brand).collect::<Option<_>>()?,
                currency: stored.currency.iter().map(|code| Currency::parse(code)).collect::<Option<_>>()?,
                country: stored.country.iter().map(|code| Country::parse(code)).collect::<Option<_>>()?,
                amount_min: stored.amount_min,
                amount_max: stored.amount_max,
            };
            let route = stored.route.iter().map(|name| Connector::parse(name)).collect::<Option<_>>()?;
            Some(Rule { name: stored.name, conditions, route, retry_on: stored.retry_on })
        };
        let all: Vec<StoredRule> = serde_json::from_str(text).ok()?;
        all.into_iter().map(rule).collect::<Option<Arc<[Rule]>>>().map(Self)
    }
}
