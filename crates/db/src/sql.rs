//! Query texts and their answers: one text serves both engines.

use std::sync::OnceLock;

use crate::fault::Fault;
use crate::table::{Table, TableMeta, Undecodable};
use crate::value::{Column, Kind, Value};

/// A query, written once for both engines: parameters are `$1`, `$2` …; each `{}` stands for the column list of a row type, and `{p}`
/// for that of the table that the query calls `p`.
///
/// House rules: no locking clauses, no functions of one engine, `CAST(sum(x) AS BIGINT)`.
pub struct Sql {
    text: &'static str,
    rows: &'static [&'static TableMeta],
    expanded: OnceLock<Expanded>,
}

struct Expanded {
    postgres: String,
    sqlite: String,
}

impl Sql {
    /// Use [`sql!`](crate::sql).
    #[doc(hidden)]
    pub const fn new(text: &'static str, rows: &'static [&'static TableMeta]) -> Self {
        Self { text, rows, expanded: OnceLock::new() }
    }

    fn expanded(&self) -> &Expanded {
        self.expanded.get_or_init(|| {
            let mut pieces = self.text.split('{');
            let mut postgres = pieces.next().unwrap_or_default().to_owned();
            for (piece, meta) in pieces.zip(self.rows) {
                let (table, rest) = piece.split_once('}').unwrap_or(("", piece));
                postgres.push_str(&meta.column_list_of(table));
                postgres.push_str(rest);
            }
            // SQLite numbers `$n` by first appearance, `?n` by n.
            let sqlite = postgres.replace('$', "?");
            Expanded { postgres, sqlite }
        })
    }

    /// As PostgreSQL reads it.
    pub fn postgres(&self) -> &str {
        &self.expanded().postgres
    }

    /// As SQLite reads it.
    pub fn sqlite(&self) -> &str {
        &self.expanded().sqlite
    }
}

/// A query text: `sql!("SELECT {} FROM payment WHERE account_id = $1", PaymentRow)`.
#[macro_export]
macro_rules! sql {
    ($text:literal $(, $row:ty)* $(,)?) => {
        $crate::Sql::new($text, &[$(<$row as $crate::Table>::META),*])
    };
}

/// The parameters of a query, in order.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::Column::to_value(&$value)),*] as Vec<$crate::Value>
    };
}

/// One line of an answer.
#[derive(Clone, Debug)]
pub struct Record(Vec<Value>);

impl Record {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values)
    }

    /// The column at `index`, counted from 0.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] when it holds what `C` could not have written.
    pub fn get<C: Column>(&self, index: usize) -> Result<C, Fault> {
        let stored = self.0.get(index).cloned().and_then(|value| as_kind(value, C::KIND));
        stored.and_then(C::from_value).ok_or(Fault::Corrupt(Undecodable { table: "query", column: std::any::type_name::<C>() }))
    }

    /// The columns from `first` on as a row: the text said `{}` there.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] when some column cannot be read.
    pub fn row<T: Table>(&self, first: usize) -> Result<T, Fault> {
        let columns = T::META.columns.iter().zip(self.0.iter().skip(first));
        let mut values = columns.map(|(column, value)| as_kind(value.clone(), column.kind).unwrap_or(Value::Null));
        Ok(T::from_values(&mut values)?)
    }
}

/// SQLite tells integers from truth values and ids from bytes only by what the reader expects.
fn as_kind(value: Value, kind: Kind) -> Option<Value> {
    Some(match (value, kind) {
        (Value::Int(int @ (0 | 1)), Kind::Bool) => Value::Bool(int == 1),
        (Value::Bytes(bytes), Kind::Id) => Value::Id(bytes.as_ref().try_into().ok()?),
        (other, _) => other,
    })
}
