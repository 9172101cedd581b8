//! The tries of a payment at other acquirers before the one its row carries: none for nearly all payments, two at most. The tries of an
//! operation that is tried again are kept in the same way.

use std::sync::Arc;

use db::{Column, Kind, Value};
use kernel::{AttemptId, Outcome, Timestamp};
use serde::{Deserialize, Serialize};

use crate::types::{AttemptState, Connector, Response, Said};

/// One try that did not come to anything, after which another acquirer was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierTry {
    /// The attempt.
    pub id: AttemptId,
    /// Where it was sent.
    pub connector: Connector,
    /// [`AttemptState::Declined`], or [`AttemptState::NotSent`] where the acquirer was never reached.
    pub state: AttemptState,
    /// What the acquirer said, or that it could not be reached.
    pub response: Option<Response>,
    /// When its intent was written.
    pub began_at: Timestamp,
    /// When the next one's was.
    pub ended_at: Timestamp,
}

impl EarlierTry {
    /// What the acquirer said.
    pub fn said(&self) -> Option<Said<'_>> {
        self.response.as_ref().and_then(Response::parts)
    }
}

/// All of them, oldest first; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier(Arc<[EarlierTry]>);

impl Earlier {
    /// The tries of `before`, and one more.
    pub(crate) fn with(before: Option<&Self>, last: EarlierTry) -> Self {
        Self(before.map_or(&[][..], Self::tries).iter().cloned().chain([last]).collect())
    }

    /// Oldest first.
    pub fn tries(&self) -> &[EarlierTry] {
        &self.0
    }

    /// Whether one of the acquirers refused: then the payment was refused, even if the last one could not be reached.
    pub fn has_decline(&self) -> bool {
        self.0.iter().any(|one| one.state == AttemptState::Declined)
    }
}

/// What is said of an acquirer that was never reached.
pub(crate) fn unreachable() -> Option<Response> {
    Response::of(&Outcome::Failed { code: "PROVIDER_UNAVAILABLE".into() })
}

/// One try as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    connector: String,
    state: i64,
    response: Option<String>,
    began_at: i64,
    ended_at: i64,
}

impl Stored {
    fn of(one: &EarlierTry) -> Self {
        let response = one.response.as_ref().map(Column::to_value);
        Self {
            id: one.id.to_string(),
            connector: one.connector.name().to_owned(),
            state: one.state.code(),
            response: response.and_then(<Arc<str>>::from_value).map(|text| text.to_string()),
            began_at: one.began_at.micros(),
            ended_at: one.ended_at.micros(),
        }
    }

    fn read(self) -> Option<EarlierTry> {
        let response = self.response.map(|text| Response::from_value(Value::Text(text.into())));
        Some(EarlierTry {
            id: self.id.parse().ok()?,
            connector: Connector::parse(&self.connector)?,
            state: AttemptState::from_code(self.state)?,
            response: match response {
                Some(readable) => Some(readable?),
                None => None,
            },
            began_at: Timestamp::from_micros(self.began_at),
            ended_at: Timestamp::from_micros(self.ended_at),
        })
    }
}

impl Column for Earlier {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        let stored: Vec<Stored> = self.0.iter().map(Stored::of).collect();
        Value::Text(serde_json::to_string(&stored).expect("texts and numbers can be written").into())
    }
    fn from_value(value: Value) -> Option<Self> {
        let stored: Vec<Stored> = serde_json::from_str(&<Arc<str>>::from_value(value)?).ok()?;
        let tries: Option<Arc<[EarlierTry]>> = stored.into_iter().map(Stored::read).collect();
        tries.filter(|tries| !tries.is_empty()).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use kernel::Decline;

    use super::*;

    fn one(last: u8, state: AttemptState, response: Option<Response>) -> EarlierTry {
        let at = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
        let id = AttemptId::from_bytes([last; 16]);
        EarlierTry { id, connector: Connector::SandboxB, state, response, began_at: at(0), ended_at: at(1) }
    }

    #[test]
    fn tries_are_read_as_they_were_written() {
        let decline =
            Decline { reference: Some("a \"b\"\n|c".into()), code: "DO_NOT_HONOR".into(), hard: false, iso: Some("05".into()) };
        let first = Earlier::with(None, one(1, AttemptState::NotSent, unreachable()));
        let both = Earlier::with(Some(&first), one(2, AttemptState::Declined, Response::of(&Outcome::Declined(decline))));
        assert_eq!((first.has_decline(), both.has_decline(), both.tries().len()), (false, true, 2));
        for earlier in [first, both, Earlier::with(None, one(3, AttemptState::Declined, None))] {
            assert_eq!(Earlier::from_value(earlier.to_value()), Some(earlier));
        }
        for damaged in
            ["", "[]", "{}", r#"[{"id":"x","connector":"sandbox","state":3,"response":null,"began_at":0,"ended_at":0}]"#]
        {
            assert_eq!(Earlier::from_value(Value::Text(damaged.into())), None, "{damaged}");
        }
    }
}
