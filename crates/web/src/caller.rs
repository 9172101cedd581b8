//! Who is asking, proved by the two headers, and whether the key may do what the route does.
//!
//! A handler that takes a `Caller<C>` runs only for keys with the capability `C`; steps 2 to 5 of the payments specification's
//! section 3.1 are over then.

use std::marker::PhantomData;
use std::sync::Arc;

use access::{Capability, Refused};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use kernel::{AccountId, CardNumber, Currency};
use payments::Terms;
use uuid::Uuid;

use crate::envelope::{Code, Problem};
use crate::exchange::Exchange;
use crate::refusal::problem_of_fault;
use crate::route::{Needs, Part};
use crate::state::Web;

/// The token.
pub(crate) const PUBLIC_API_KEY: HeaderName = HeaderName::from_static("public-api-key");
/// The secret.
pub(crate) const PRIVATE_SECRET_KEY: HeaderName = HeaderName::from_static("private-secret-key");
/// The account, for those who want to say it with each request; two spellings.
const ACCOUNT_CODES: [HeaderName; 2] = [HeaderName::from_static("x-account-code"), HeaderName::from_static("account-code")];

/// What a route does, as a type.
pub(crate) trait Class: Send + Sync + 'static {
    /// What the key must be allowed to do.
    const CAPABILITY: Capability;
}

macro_rules! classes {
    ($($(#[doc = $doc:literal])+ $class:ident,)+) => {$(
        $(#[doc = $doc])+
        pub(crate) struct $class;
        impl Class for $class {
            const CAPABILITY: Capability = Capability::$class;
        }
    )+};
}

classes! {
    /// Looking at something.
    Read,
    /// What brings money in.
    MoneyIn,
    /// Changing something.
    Write,
    /// What gives money away.
    MoneyOut,
}

/// Who is asking; its key may do what `C` says.
pub(crate) struct Caller<C: Class> {
    exchange: Arc<Exchange>,
    class: PhantomData<C>,
}

impl<C: Class> Caller<C> {
    /// The account of the key.
    pub(crate) fn account_id(&self) -> AccountId {
        self.proved().account_id()
    }

    fn proved(&self) -> &access::Caller {
        self.exchange.caller().expect("it is noted before a caller is made")
    }

    /// What this card is called within the account.
    pub(crate) fn fingerprint(&self, card: &CardNumber) -> Uuid {
        self.proved().account().fingerprint(card)
    }

    /// The currency of its home.
    pub(crate) fn home_currency(&self) -> Currency {
        self.proved().account().currency
    }

    /// What it has agreed to about money.
    pub(crate) fn terms(&self) -> Terms {
        let account = self.proved().account();
        Terms { account_id: account.id, fee: account.fee, negative_limit: account.negative_limit_minor }
    }
}

impl<C: Class> Part for Caller<C> {
    fn describe(_needs: &mut Needs) {}
}

impl<C: Class> FromRequestParts<Web> for Caller<C> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let exchange = Exchange::of(parts);
        let (token, secret) = (only(&parts.headers, &PUBLIC_API_KEY), only(&parts.headers, &PRIVATE_SECRET_KEY));
        // A missing header is proved like an empty one, so that it is counted and answered like a wrong one.
        let proved = web.wiring.keyring.prove(token.unwrap_or_default(), secret.unwrap_or_default(), exchange.client).await;
        let proved = proved.map_err(|refused| {
            if let Refused::TooManyRequests(rate) = &refused {
                exchange.note_rate(*rate);
            }
            problem_of_proof(&refused)
        })?;
        let proved = exchange.note_caller(proved);
        if !proved.may(C::CAPABILITY) {
            return Err(Problem::new(Code::AuthorizationRequired, "the access key does not allow this operation"));
        }
        let id = proved.account_id();
        let foreign = |header: &&HeaderName| parts.headers.get_all(*header).iter().any(|value| !names(value.as_bytes(), id));
        if let Some(header) = ACCOUNT_CODES.iter().find(foreign) {
            return Err(Problem::new(Code::InvalidAccountId, format!("{header}: must be the account of the access key")));
        }
        Ok(Caller { exchange, class: PhantomData })
    }
}

/// The value of a header that was sent once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

fn names(text: &[u8], account: AccountId) -> bool {
    std::str::from_utf8(text).ok().and_then(|text| text.parse::<AccountId>().ok()) == Some(account)
}

fn problem_of_proof(refused: &Refused) -> Problem {
    let code = match refused {
        Refused::InvalidCredentials => Code::InvalidCredentials,
        Refused::ExpiredCredentials => Code::ExpiredCredentials,
        Refused::UnknownIpAddress => Code::UnknownIpAddress,
        Refused::TooManyRequests(_) | Refused::TooManyFailures { .. } => Code::TooManyRequests,
        Refused::Fault(fault) => return problem_of_fault(fault),
    };
    let problem = Problem::new(code, refused.to_string());
    match refused {
        Refused::TooManyRequests(rate) => problem.retry_after(rate.retry_in_seconds.max(1)),
        Refused::TooManyFailures { retry_in_seconds } => problem.retry_after((*retry_in_seconds).max(1)),
        _ => problem,
    }
}
