//! Column values: the five kinds both engines store, and the Rust types that map to them.

use std::fmt;
use std::sync::Arc;

use kernel::{Country, Currency, Id, Timestamp};
use uuid::Uuid;

/// What a column holds, on both engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `BIGINT` / `INTEGER`: integers, codes of enums, microseconds.
    Int,
    /// `BOOLEAN` / `INTEGER` 0 or 1.
    Bool,
    /// `UUID` / 16-byte `BLOB`.
    Id,
    /// `TEXT`.
    Text,
    /// `BYTEA` / `BLOB`.
    Bytes,
}

/// One value on its way to or from the engine. Text and bytes are shared, so copies are cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// No value.
    Null,
    /// A 64-bit integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A 16-byte id.
    Id([u8; 16]),
    /// Text.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
}

/// Shows the kind only: values may be personal or sealed and must not reach a log.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Value::Null => "null",
            Value::Int(_) => "int",
            Value::Bool(_) => "bool",
            Value::Id(_) => "id",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
        })
    }
}

/// A Rust type that is stored in one column.
pub trait Column: Sized {
    /// How the engines store it.
    const KIND: Kind;
    /// Whether the column may be null.
    const NULLABLE: bool = false;
    /// The stored form.
    fn to_value(&self) -> Value;
    /// Back from the stored form; `None` when the value is not one this type could have written.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! integer_column {
    ($($type:ty),*) => {$(
        impl Column for $type {
            const KIND: Kind = Kind::Int;
            fn to_value(&self) -> Value {
                Value::Int(i64::from(*self))
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Int(stored) => stored.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
integer_column!(i64, i32, u32, u16, u8);

impl Column for bool {
    const KIND: Kind = Kind::Bool;
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bool(stored) => Some(stored),
            _ => None,
        }
    }
}

impl Column for Uuid {
    const KIND: Kind = Kind::Id;
    fn to_value(&self) -> Value {
        Value::Id(*self.as_bytes())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Id(stored) => Some(Uuid::from_bytes(stored)),
            _ => None,
        }
    }
}

impl<K: 'static> Column for Id<K> {
    const KIND: Kind = Kind::Id;
    fn to_value(&self) -> Value {
        Value::Id(self.bytes())
    }
    fn from_value(value: Value) -> Option<Self> {
        Uuid::from_value(value).map(Id::from_uuid)
    }
}

impl Column for [u8; 16] {
    const KIND: Kind = Kind::Id;
    fn to_value(&self) -> Value {
        Value::Id(*self)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Id(stored) => Some(stored),
            _ => None,
        }
    }
}

impl Column for Arc<str> {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(stored) => Some(stored),
            _ => None,
        }
    }
}

impl Column for Arc<[u8]> {
    const KIND: Kind = Kind::Bytes;
    fn to_value(&self) -> Value {
        Value::Bytes(self.clone())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(stored) => Some(stored),
            _ => None,
        }
    }
}

impl Column for Timestamp {
    const KIND: Kind = Kind::Int;
    fn to_value(&self) -> Value {
        Value::Int(self.micros())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Int(stored) => Some(Timestamp::from_micros(stored)),
            _ => None,
        }
    }
}

/// Stored as the ISO 4217 numeric code.
impl Column for Currency {
    const KIND: Kind = Kind::Int;
    fn to_value(&self) -> Value {
        Value::Int(i64::from(self.numeric()))
    }
    fn from_value(value: Value) -> Option<Self> {
        u16::from_value(value).and_then(Currency::from_numeric)
    }
}

/// Stored as the ISO 3166-1 alpha-2 code.
impl Column for Country {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        Value::Text(Arc::from(self.code()))
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(stored) => Country::parse(&stored),
            _ => None,
        }
    }
}

impl<C: Column> Column for Option<C> {
    const KIND: Kind = C::KIND;
    const NULLABLE: bool = true;
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Column::to_value)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => C::from_value(other).map(Some),
        }
    }
}

/// Declares an enum that is stored as a number: each variant names its code, which never changes.
///
/// ```
/// db::codes! {
///     /// Where a parcel is.
///     pub enum Parcel {
///         /// At the sender's.
///         Packed = 0,
///         /// On its way.
///         Sent = 1,
///     }
/// }
/// assert_eq!(Parcel::Sent.code(), 1);
/// assert_eq!(Parcel::from_code(7), None);
/// ```
#[macro_export]
macro_rules! codes {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis enum $name { $($(#[$doc])* $variant = $code),* }

        impl $name {
            /// Every variant, in code order as declared.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stored code.
            pub const fn code(self) -> i64 {
                self as i64
            }

            /// The variant with this stored code.
            pub const fn from_code(code: i64) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl $crate::Column for $name {
            const KIND: $crate::Kind = $crate::Kind::Int;
            fn to_value(&self) -> $crate::Value {
                $crate::Value::Int(self.code())
            }
            fn from_value(value: $crate::Value) -> Option<Self> {
                match value {
                    $crate::Value::Int(code) => Self::from_code(code),
                    _ => None,
                }
            }
        }
    };
}
