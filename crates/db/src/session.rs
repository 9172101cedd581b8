//! A connection and how work is done on it: directly, or through a pooler in transaction mode.
//!
//! Such a pooler gives a session of the server to a connection for one transaction only. A prepared statement and a setting would be met
//! by whoever comes next, and not by us. So each piece of work is a transaction that begins with its settings and holds statements
//! without names, all sent at once: it is still one round trip.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use futures_util::future::maybe_done;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::connect::Setting;
use crate::value::{Kind, Value};

/// A parameter with its type; [`Type::UNKNOWN`] lets PostgreSQL find it out.
pub(crate) type Given<'a> = (&'a (dyn ToSql + Sync), Type);

/// Values as parameters.
pub(crate) fn given(values: &[Value]) -> Vec<Given<'_>> {
    values.iter().map(|value| (value as &(dyn ToSql + Sync), type_of(value))).collect()
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Int(_) => Type::INT8,
        Value::Bool(_) => Type::BOOL,
        Value::Id(_) => Type::UUID,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
    }
}

/// The type of an array of such values.
pub(crate) fn array_of(kind: Kind) -> Type {
    match kind {
        Kind::Int => Type::INT8_ARRAY,
        Kind::Bool => Type::BOOL_ARRAY,
        Kind::Id => Type::UUID_ARRAY,
        Kind::Text => Type::TEXT_ARRAY,
        Kind::Bytes => Type::BYTEA_ARRAY,
    }
}

/// The settings each transaction through a pooler begins with, as statements.
#[derive(Clone, Debug)]
pub(crate) struct Opening(String);

impl Opening {
    /// The schema becomes the only one on the search path. What another user of the pool left behind in the session must neither send us
    /// to other tables nor have us acknowledge what is not on the disk.
    pub(crate) fn new(schema: Option<&str>) -> Self {
        let path = schema.map_or_else(|| "DEFAULT".to_owned(), |schema| format!("'{schema}'"));
        Self(format!("; SET LOCAL synchronous_commit TO DEFAULT; SET LOCAL search_path TO {path}"))
    }

    pub(crate) fn add(&mut self, settings: &[Setting]) {
        for (name, value) in settings {
            // What a session calls the default of its transactions is in one of them that one's own.
            let name = name.strip_prefix("default_").filter(|rest| rest.starts_with("transaction_")).unwrap_or(name);
            let _infallible = write!(self.0, "; SET LOCAL {name} TO '{value}'");
        }
    }
}

/// A connection.
pub(crate) struct Session {
    client: Client,
    /// Only through a pooler in transaction mode.
    opening: Option<Opening>,
    /// Whose turn it is to send: the parts of a transaction must not mix with those of another one.
    sending: Mutex<()>,
}

impl Session {
    pub(crate) fn new(client: Client, opening: Option<Opening>) -> Self {
        Self { client, opening, sending: Mutex::new(()) }
    }

    /// The driver's own; through a pooler only for what needs neither names nor settings.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Whether it goes through a pooler in transaction mode.
    pub(crate) fn is_pooled(&self) -> bool {
        self.opening.is_some()
    }

    /// `BEGIN`, in the words given, with the settings that a pooler does not keep.
    pub(crate) async fn begin(&self, words: &str) -> Result<(), Error> {
        self.client.batch_execute(&self.beginning(words)).await
    }

    fn beginning(&self, words: &str) -> String {
        words.to_owned() + self.opening.as_ref().map_or("", |opening| &opening.0)
    }

    /// Carries out some work in a transaction of its own, in one round trip. Each of the works must send all it has to send when it is
    /// first polled, as one query of the driver does.
    ///
    /// Whoever stops waiting stops nothing: everything was sent, the end of the transaction too.
    pub(crate) async fn transaction<T>(
        &self,
        works: impl IntoIterator<Item = impl Future<Output = Result<T, Error>>>,
    ) -> Result<Vec<T>, Error> {
        let beginning = self.beginning("BEGIN");
        let mut begun = pin!(maybe_done(self.client.batch_execute(&beginning)));
        let mut works: Vec<_> = works.into_iter().map(|work| Box::pin(maybe_done(work))).collect();
        let mut ended = pin!(maybe_done(self.client.batch_execute("COMMIT")));
        poll_fn(|context| {
            let _no_other_sends = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
            let mut done = begun.as_mut().poll(context).is_ready();
            for work in &mut works {
                done &= work.as_mut().poll(context).is_ready();
            }
            done &= ended.as_mut().poll(context).is_ready();
            if done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let done: Result<Vec<T>, Error> = works.iter_mut().filter_map(|work| work.as_mut().take_output()).collect();
        match (begun.take_output(), done, ended.take_output()) {
            // Works fail when the beginning did, and say less about it.
            (Some(Err(cause)), Err(_), _) | (_, Ok(_), Some(Err(cause))) => Err(cause),
            // Works that went well after a beginning that failed were carried out each by itself, and stand.
            (_, done, _) => done,
        }
    }

    /// Asks one statement without a name, in a transaction of its own.
    pub(crate) async fn ask(&self, text: &str, given: &[Given<'_>]) -> Result<Vec<Row>, Error> {
        if !self.is_pooled() {
            return self.client.query_typed(text, given).await;
        }
        let answers = self.transaction([self.client.query_typed(text, given)]).await?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// Carries out statements without parameters, in a transaction of their own.
    pub(crate) async fn run(&self, text: &str) -> Result<(), Error> {
        if !self.is_pooled() {
            return self.client.batch_execute(text).await;
        }
        self.transaction([self.client.batch_execute(text)]).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_travel_with_the_transaction() {
        let mut opening = Opening::new(Some("shop"));
        opening.add(&[("jit", "off"), ("default_transaction_read_only", "on"), ("default_statistics_target", "7")]);
        assert_eq!(
            opening.0,
            "; SET LOCAL synchronous_commit TO DEFAULT; SET LOCAL search_path TO 'shop'; SET LOCAL jit TO 'off'; \
             SET LOCAL transaction_read_only TO 'on'; SET LOCAL default_statistics_target TO '7'"
        );
        assert!(Opening::new(None).0.ends_with("SET LOCAL search_path TO DEFAULT"));
    }
}
