//! What a table looks like, said once by the [`row!`](crate::row) macro.

use std::fmt::Debug;
use std::hash::Hash;

use crate::value::{Kind, Value};

/// The column every table has besides its own: which batch wrote the row last. An update names the stamp it saw, so a row that
/// somebody else changed in the meantime is noticed.
pub(crate) const VERSION_COLUMN: &str = "row_version";

/// One column as the engines see it.
#[derive(Debug)]
pub struct ColumnMeta {
    /// Its SQL name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
}

/// A table's shape: columns in the order key, once, state.
#[derive(Debug)]
pub struct TableMeta {
    /// Its SQL name.
    pub name: &'static str,
    /// All columns but `row_version`.
    pub columns: &'static [ColumnMeta],
    /// How many of them are the primary key.
    pub key: usize,
    /// How many after the key are written by INSERT only.
    pub once: usize,
    /// Column positions of each unique key besides the primary.
    pub uniques: &'static [&'static [usize]],
}

impl TableMeta {
    /// The columns an UPDATE sets.
    pub fn state(&self) -> &'static [ColumnMeta] {
        &self.columns[self.key + self.once..]
    }

    /// The column list in declared order, for SELECT and INSERT.
    pub fn column_list(&self) -> String {
        self.column_list_of("")
    }

    /// The same where the query calls the table by a name of its own.
    pub(crate) fn column_list_of(&self, table: &str) -> String {
        let dot = if table.is_empty() { "" } else { "." };
        self.columns.iter().map(|column| format!("{table}{dot}{}", column.name)).collect::<Vec<_>>().join(", ")
    }
}

/// A stored row that could not be read back: some column holds what its type could not have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecodable {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
}

/// A row type made by [`row!`](crate::row).
pub trait Table: Clone + Debug + Send + Sync + 'static {
    /// The primary key, as a tuple.
    type Key: Clone + Debug + Eq + Hash + Ord + Send + Sync + 'static;
    /// Column names in declared order.
    const COLUMN_NAMES: &'static [&'static str];
    /// The shape.
    const META: &'static TableMeta;
    /// This row's primary key.
    fn key(&self) -> Self::Key;
    /// A primary key as values, in column order.
    fn key_values(key: &Self::Key) -> Vec<Value>;
    /// A primary key back from its values.
    fn key_from_values(values: &mut dyn Iterator<Item = Value>) -> Result<Self::Key, Undecodable>;
    /// All columns in declared order.
    fn values(&self) -> Vec<Value>;
    /// Back from all columns in declared order.
    fn from_values(values: &mut dyn Iterator<Item = Value>) -> Result<Self, Undecodable>;
}

/// A unique key of a table besides its primary key.
pub trait UniqueKey: Send + Sync + 'static {
    /// The table it finds rows of.
    type Of: Table;
    /// Which of [`TableMeta::uniques`] it is.
    const INDEX: usize;
    /// Its values, in the order of that unique key's columns.
    fn values(&self) -> Vec<Value>;
}

/// The leading columns of a primary key: names all rows that begin with it.
pub trait KeyPrefix<T: Table>: Send + Sync {
    /// Its values, in key order.
    fn values(&self) -> Vec<Value>;
}

macro_rules! key_prefix {
    ($($name:ident: $index:tt),+) => {
        impl<T: Table, $($name: crate::Column + Send + Sync),+> KeyPrefix<T> for ($($name,)+) {
            fn values(&self) -> Vec<Value> {
                vec![$(self.$index.to_value()),+]
            }
        }
    };
}
key_prefix!(A: 0);
key_prefix!(A: 0, B: 1);
key_prefix!(A: 0, B: 1, C: 2);

/// Declares a table once: struct, columns and keys. Key, once and unique columns never change after INSERT; `state` is what UPDATE sets.
///
/// ```
/// db::row! {
///     /// A parcel on its way.
///     pub struct ParcelRow: "parcel" {
///         key { /// Who sent it.
///               owner: i64, /// Its number.
///               number: i64 }
///         once { /// What is on the label.
///                label: std::sync::Arc<str> }
///         state { /// How far it got.
///                 stage: i64 }
///         unique { ParcelByLabel(owner: i64, label: std::sync::Arc<str>) }
///     }
/// }
/// use db::Table;
/// assert_eq!(ParcelRow::META.column_list(), "owner, number, label, stage");
/// ```
#[macro_export]
macro_rules! row {
    (
        $(#[$meta:meta])* $vis:vis struct $name:ident: $table:literal {
            key { $($(#[$key_doc:meta])* $key:ident: $key_type:ty),+ $(,)? }
            once { $($(#[$once_doc:meta])* $once:ident: $once_type:ty),* $(,)? }
            state { $($(#[$state_doc:meta])* $state:ident: $state_type:ty),* $(,)? }
            $(unique { $($(#[$unique_doc:meta])* $unique:ident($($part:ident: $part_type:ty),+ $(,)?)),+ $(,)? })?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            $($(#[$key_doc])* pub $key: $key_type,)+
            $($(#[$once_doc])* pub $once: $once_type,)*
            $($(#[$state_doc])* pub $state: $state_type,)*
        }

        impl $crate::Table for $name {
            type Key = ($($key_type,)+);
            const COLUMN_NAMES: &'static [&'static str] =
                &[$(stringify!($key),)+ $(stringify!($once),)* $(stringify!($state),)*];
            const META: &'static $crate::TableMeta = &$crate::TableMeta {
                name: $table,
                columns: &[
                    $($crate::row!(@column $key: $key_type),)+
                    $($crate::row!(@column $once: $once_type),)*
                    $($crate::row!(@column $state: $state_type),)*
                ],
                key: [$(stringify!($key)),+].len(),
                once: { const ONCE: &[&str] = &[$(stringify!($once)),*]; ONCE.len() },
                uniques: &[$($(&[$($crate::row!(@position $name, $part)),+]),+)?],
            };

            fn key(&self) -> Self::Key {
                ($(self.$key.clone(),)+)
            }

            fn key_values(key: &Self::Key) -> Vec<$crate::Value> {
                let ($($key,)+) = key;
                vec![$($crate::Column::to_value($key)),+]
            }

            fn key_from_values(values: &mut dyn Iterator<Item = $crate::Value>) -> Result<Self::Key, $crate::Undecodable> {
                Ok(($($crate::row!(@decode values, $table, $key),)+))
            }

            fn values(&self) -> Vec<$crate::Value> {
                vec![
                    $($crate::Column::to_value(&self.$key),)+
                    $($crate::Column::to_value(&self.$once),)*
                    $($crate::Column::to_value(&self.$state),)*
                ]
            }

            fn from_values(values: &mut dyn Iterator<Item = $crate::Value>) -> Result<Self, $crate::Undecodable> {
                Ok(Self {
                    $($key: $crate::row!(@decode values, $table, $key),)+
                    $($once: $crate::row!(@decode values, $table, $once),)*
                    $($state: $crate::row!(@decode values, $table, $state),)*
                })
            }
        }

        $crate::row!(@uniques $vis $name 0usize; $($($(#[$unique_doc])* $unique($($part: $part_type),+);)+)?);
    };
    (@column $column:ident: $type:ty) => {
        $crate::ColumnMeta {
            name: stringify!($column),
            kind: <$type as $crate::Column>::KIND,
            nullable: <$type as $crate::Column>::NULLABLE,
        }
    };
    (@position $name:ident, $column:ident) => {
        $crate::position_of(<$name as $crate::Table>::COLUMN_NAMES, stringify!($column))
    };
    (@decode $values:ident, $table:literal, $column:ident) => {
        $values
            .next()
            .and_then($crate::Column::from_value)
            .ok_or($crate::Undecodable { table: $table, column: stringify!($column) })?
    };
    (@uniques $vis:vis $row:ident $index:expr;) => {};
    (@uniques $vis:vis $row:ident $index:expr; $(#[$doc:meta])* $unique:ident($($part:ident: $part_type:ty),+); $($rest:tt)*) => {
        $(#[$doc])*
        #[doc = concat!("Unique key of [`", stringify!($row), "`]: ", $(stringify!($part), " "),+)]
        #[derive(Clone, Debug)]
        $vis struct $unique($(pub $part_type),+);

        impl $crate::UniqueKey for $unique {
            type Of = $row;
            const INDEX: usize = $index;
            fn values(&self) -> Vec<$crate::Value> {
                let $unique($($part),+) = self;
                vec![$($crate::Column::to_value($part)),+]
            }
        }

        $crate::row!(@uniques $vis $row $index + 1; $($rest)*);
    };
}

/// Where `name` stands in `names`; used by [`row!`](crate::row) at compile time, so an unknown unique column does not compile.
#[doc(hidden)]
pub const fn position_of(names: &[&str], name: &str) -> usize {
    let mut index = 0;
    while index < names.len() {
        if same(names[index].as_bytes(), name.as_bytes()) {
            return index;
        }
        index += 1;
    }
    panic!("a unique key names a column the table does not have")
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}
