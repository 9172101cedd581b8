//! The SQL that is generated for PostgreSQL: loads by sets of keys, and a whole batch as one statement.
//!
//! Rows travel as one array of the table's own row type per part: an array per column costs PostgreSQL a buffer per column and batch.
//!
//! One statement is one round trip and one implicit transaction. Parts that look for a version count what they found; the last line
//! divides by zero when any count is not the expected one, which undoes everything. A key that is taken undoes everything too: inserts
//! carry no `ON CONFLICT`, whose second look into every unique index was a tenth of the statement.

use std::fmt::Write as _;

use crate::rows::{Changes, Load};
use crate::table::{ColumnMeta, TableMeta, VERSION_COLUMN};
use crate::value::{Kind, Value};

/// Parameters before the first part: boot id, mark seen, mark now (the version of every row written), lease end, oldest work.
pub(crate) const FIXED_PARAMETERS: usize = 5;

/// What a part does to its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Delete,
    Replace,
    Update,
    Insert,
    Check,
}

/// One part of the batch statement.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) meta: &'static TableMeta,
    pub(crate) operation: Operation,
    pub(crate) lines: &'a [Vec<Value>],
}

/// The parts of a batch in a fixed order: tables by name, then operations. Empty ones are left out.
pub(crate) fn parts<'a>(tables: &'a [(&'static TableMeta, Changes)], with_checks: bool) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for (meta, changes) in tables {
        let mut part = |operation, lines: &'a Vec<Vec<Value>>| {
            if !lines.is_empty() {
                parts.push(Part { meta, operation, lines });
            }
        };
        part(Operation::Delete, &changes.deletes);
        part(Operation::Replace, &changes.replaces);
        part(Operation::Update, &changes.updates);
        part(Operation::Insert, &changes.inserts);
        if with_checks {
            part(Operation::Check, &changes.checks);
        }
    }
    parts
}

/// All that the text of a batch depends on: table and operation of each part.
pub(crate) type Shape = Vec<(&'static str, Operation)>;

/// What `parts` do, whatever their lines are.
pub(crate) fn shape(parts: &[Part<'_>]) -> Shape {
    parts.iter().map(|part| (part.meta.name, part.operation)).collect()
}

/// Where in a part's lines the value of each table column stands, by column position; the version is the last. `None`: not sent.
pub(crate) fn line_places(meta: &TableMeta, operation: Operation) -> Vec<Option<usize>> {
    let columns = meta.columns.len();
    (0..=columns)
        .map(|column| match operation {
            Operation::Insert => (column < columns).then_some(column),
            _ if column < meta.key => Some(column),
            _ if column == columns => Some(meta.key),
            Operation::Update => (column >= meta.key + meta.once).then(|| column + 1 - meta.once),
            Operation::Replace => Some(column + 1),
            Operation::Delete | Operation::Check => None,
        })
        .collect()
}

fn array_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "bigint[]",
        Kind::Bool => "boolean[]",
        Kind::Id => "uuid[]",
        Kind::Text => "text[]",
        Kind::Bytes => "bytea[]",
    }
}

fn unnest(kinds: impl Iterator<Item = Kind>, first: usize) -> String {
    let arrays = kinds.enumerate().map(|(index, kind)| format!("${}::{}", first + index, array_type(kind)));
    format!("unnest({})", arrays.collect::<Vec<_>>().join(", "))
}

/// The names the unnested key columns go by inside a load.
fn given(count: usize) -> String {
    (0..count).map(|index| format!("c{index}")).collect::<Vec<_>>().join(", ")
}

/// Rows by sets of key values; locked and in key order, so that two processes never wait for each other in a circle.
pub(crate) fn load(load: &Load, locked: bool) -> String {
    let columns = load.meta.columns.iter().map(|column| format!("t.{}", column.name)).collect::<Vec<_>>().join(", ");
    let kinds = load.by.iter().map(|column| load.meta.columns[*column].kind);
    let matches = load.by.iter().enumerate().map(|(index, column)| format!("t.{} = u.c{index}", load.meta.columns[*column].name));
    let key = load.meta.columns[..load.meta.key].iter().map(|column| format!("t.{}", column.name)).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "SELECT {columns}, t.{VERSION_COLUMN} FROM {} AS u({}) JOIN {} AS t ON {}",
        unnest(kinds, 1),
        given(load.by.len()),
        load.meta.name,
        matches.collect::<Vec<_>>().join(" AND ")
    );
    if locked {
        let _infallible = write!(text, " ORDER BY {key} FOR UPDATE OF t");
    }
    text
}

/// A part's parameters: its rows, and how many must be found unless it inserts.
pub(crate) fn parameters_of(operation: Operation) -> usize {
    if operation == Operation::Insert { 1 } else { 2 }
}

/// The whole batch as one statement; answers database time in microseconds and the sandbox offset.
pub(crate) fn flush(parts: &[Part<'_>]) -> String {
    let mut text = String::from(
        "WITH node_mark AS (UPDATE node SET mark = $3, lease_until = $4, oldest_work_at = $5, row_version = $3 WHERE boot_id = $1 AND mark = $2 RETURNING 1)",
    );
    let mut guard = String::from("(SELECT count(*) FROM node_mark) = 1");
    let mut next = FIXED_PARAMETERS + 1;
    for (index, part) in parts.iter().enumerate() {
        let rows = next;
        next += parameters_of(part.operation);
        let _infallible =
            write!(text, ", part{index} AS ({})", part_text(part, &format!("unnest(${rows}::{}[]) AS u", part.meta.name)));
        if part.operation != Operation::Insert {
            let _infallible = write!(guard, " AND (SELECT count(*) FROM part{index}) = ${}", rows + 1);
        }
    }
    let _infallible = write!(
        text,
        " SELECT (1 / CASE WHEN {guard} THEN 1 ELSE 0 END)::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
         (SELECT offset_micros FROM platform_clock WHERE id = 1)"
    );
    text
}

fn part_text(part: &Part<'_>, source: &str) -> String {
    let (meta, table) = (part.meta, part.meta.name);
    let from_given =
        |columns: &[ColumnMeta]| columns.iter().map(|column| format!("u.{}", column.name)).collect::<Vec<_>>().join(", ");
    let stamp = format!("{VERSION_COLUMN} = $3::bigint");
    let sets = |columns: &[ColumnMeta]| {
        let given = columns.iter().map(|column| format!("{0} = u.{0}", column.name));
        given.chain([stamp.clone()]).collect::<Vec<_>>().join(", ")
    };
    let seen = meta.columns[..meta.key].iter().map(|column| format!("t.{0} = u.{0}", column.name));
    let seen = seen.chain([format!("t.{VERSION_COLUMN} = u.{VERSION_COLUMN}")]).collect::<Vec<_>>().join(" AND ");
    let update = |columns| format!("UPDATE {table} AS t SET {} FROM {source} WHERE {seen} RETURNING 1", sets(columns));
    match part.operation {
        Operation::Insert => format!(
            "INSERT INTO {table} ({}, {VERSION_COLUMN}) SELECT {}, $3::bigint FROM {source}",
            meta.column_list(),
            from_given(meta.columns)
        ),
        Operation::Update => update(meta.state()),
        Operation::Replace => update(&meta.columns[meta.key..]),
        Operation::Delete => format!("DELETE FROM {table} AS t USING {source} WHERE {seen} RETURNING 1"),
        Operation::Check => format!("SELECT 1 FROM {source} JOIN {table} AS t ON {seen} FOR SHARE OF t"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table as _;

    crate::row! {
        struct BoxRow: "box" {
            key { a: i64, b: i64 }
            once { c: i64 }
            state { d: i64, e: i64 }
        }
    }

    #[test]
    fn a_line_knows_where_each_column_stands() {
        // Lines: insert a b c d e; update a b version d e; replace a b version c d e; delete and check a b version.
        let places = |operation| line_places(BoxRow::META, operation);
        assert_eq!(places(Operation::Insert), [Some(0), Some(1), Some(2), Some(3), Some(4), None]);
        assert_eq!(places(Operation::Update), [Some(0), Some(1), None, Some(3), Some(4), Some(2)]);
        assert_eq!(places(Operation::Replace), [Some(0), Some(1), Some(3), Some(4), Some(5), Some(2)]);
        assert_eq!(places(Operation::Delete), [Some(0), Some(1), None, None, None, Some(2)]);
        let row = BoxRow { a: 1, b: 2, c: 3, d: 4, e: 5 };
        assert_eq!(row.values().len(), BoxRow::META.columns.len());
    }
}
