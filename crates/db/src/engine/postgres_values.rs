//! Values as PostgreSQL's binary protocol has them: one alone, a column of a set, rows of a table's own type.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::value::{Kind, Value};

type WriteError = Box<dyn std::error::Error + Sync + Send>;

fn put_length(length: usize, out: &mut BytesMut) -> Result<(), WriteError> {
    out.put_i32(i32::try_from(length)?);
    Ok(())
}

/// A value as PostgreSQL reads it: its length, then itself.
fn put_value(value: &Value, out: &mut BytesMut) -> Result<(), WriteError> {
    match value {
        Value::Null => out.put_i32(-1),
        Value::Int(int) => {
            out.put_i32(8);
            out.put_i64(*int);
        }
        Value::Bool(truth) => {
            out.put_i32(1);
            out.put_u8(u8::from(*truth));
        }
        Value::Id(id) => {
            out.put_i32(16);
            out.put_slice(id);
        }
        Value::Text(text) => {
            put_length(text.len(), out)?;
            out.put_slice(text.as_bytes());
        }
        Value::Bytes(bytes) => {
            put_length(bytes.len(), out)?;
            out.put_slice(bytes);
        }
    }
    Ok(())
}

/// The head of a one-dimensional array.
fn put_array(length: usize, nulls: bool, element: u32, out: &mut BytesMut) -> Result<(), WriteError> {
    out.put_i32(1);
    out.put_i32(i32::from(nulls));
    out.put_u32(element);
    put_length(length, out)?;
    out.put_i32(1);
    Ok(())
}

/// One key column of a load as an array.
#[derive(Debug)]
pub(crate) struct ColumnArray<'a> {
    pub(crate) lines: &'a [Vec<Value>],
    pub(crate) column: usize,
    pub(crate) kind: Kind,
}

impl ToSql for ColumnArray<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, WriteError> {
        let element = match self.kind {
            Kind::Int => Type::INT8,
            Kind::Bool => Type::BOOL,
            Kind::Id => Type::UUID,
            Kind::Text => Type::TEXT,
            Kind::Bytes => Type::BYTEA,
        };
        let values = self.lines.iter().map(|line| &line[self.column]);
        put_array(self.lines.len(), values.clone().any(|value| *value == Value::Null), element.oid(), out)?;
        for value in values {
            put_value(value, out)?;
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// How a table's row type is laid out in this database.
#[derive(Debug)]
pub(crate) struct RowType {
    pub(crate) oid: u32,
    /// In the type's own order: the attribute's type, and which column of [`TableMeta`] it is (the version is the last), if any.
    pub(crate) attributes: Vec<(u32, Option<usize>)>,
}

/// The lines of one part as an array of the table's row type. Attributes that are not sent, or that only a newer program knows, are null.
#[derive(Debug)]
pub(crate) struct RowArray<'a> {
    pub(crate) row_type: Arc<RowType>,
    pub(crate) lines: &'a [Vec<Value>],
    pub(crate) places: Vec<Option<usize>>,
}

impl ToSql for RowArray<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, WriteError> {
        put_array(self.lines.len(), false, self.row_type.oid, out)?;
        for line in self.lines {
            let begin = out.len();
            out.put_i32(0);
            put_length(self.row_type.attributes.len(), out)?;
            for (kind, column) in &self.row_type.attributes {
                out.put_u32(*kind);
                match column.and_then(|column| self.places[column]) {
                    Some(place) => put_value(&line[place], out)?,
                    None => out.put_i32(-1),
                }
            }
            let length = i32::try_from(out.len() - begin - 4)?;
            out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A parameter that is one value.
impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, WriteError> {
        match self {
            Value::Null => return Ok(IsNull::Yes),
            Value::Int(int) if *kind == Type::INT4 => out.put_i32(i32::try_from(*int)?),
            Value::Int(int) => out.put_i64(*int),
            Value::Bool(truth) => out.put_u8(u8::from(*truth)),
            Value::Id(id) => out.put_slice(id),
            Value::Text(text) => out.put_slice(text.as_bytes()),
            Value::Bytes(bytes) => out.put_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The 16 bytes of a `uuid` column.
struct IdBytes([u8; 16]);

impl<'a> FromSql<'a> for IdBytes {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, WriteError> {
        Ok(Self(raw.try_into()?))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }
}

/// A column of an answer; PostgreSQL says itself what it holds.
pub(crate) fn read_value(row: &Row, index: usize) -> Result<Value, tokio_postgres::Error> {
    fn or_null<T>(value: Option<T>, wrap: impl Fn(T) -> Value) -> Value {
        value.map_or(Value::Null, wrap)
    }
    Ok(match *row.columns()[index].type_() {
        Type::INT8 => or_null(row.try_get(index)?, Value::Int),
        Type::INT4 => or_null(row.try_get::<_, Option<i32>>(index)?, |int| Value::Int(int.into())),
        Type::BOOL => or_null(row.try_get(index)?, Value::Bool),
        Type::UUID => or_null(row.try_get::<_, Option<IdBytes>>(index)?, |id| Value::Id(id.0)),
        Type::BYTEA => or_null(row.try_get::<_, Option<&[u8]>>(index)?, |bytes| Value::Bytes(bytes.into())),
        _ => or_null(row.try_get::<_, Option<&str>>(index)?, |text| Value::Text(text.into())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_of_values_is_written_in_postgres_binary_form() {
        let lines = [vec![Value::Int(7)], vec![Value::Null]];
        let array = ColumnArray { lines: &lines, column: 0, kind: Kind::Int };
        let mut out = BytesMut::new();
        array.to_sql(&Type::INT8_ARRAY, &mut out).expect("writes");
        let mut expected = Vec::new();
        for head in [1_i32, 1, 20, 2, 1, 8] {
            expected.extend(head.to_be_bytes());
        }
        expected.extend(7_i64.to_be_bytes());
        expected.extend((-1_i32).to_be_bytes());
        assert_eq!(&out[..], &expected[..]);
    }
}
