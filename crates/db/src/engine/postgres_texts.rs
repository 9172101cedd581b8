//! The SQL that is generated for PostgreSQL: loads by sets of keys, and a whole batch as one statement.
//!
//! One statement is one round trip and one implicit transaction. Its parts count what they wrote; the last line divides by zero when any
//! count is not the expected one, which undoes everything. A part: insert, update, replace, delete, or check (read, not changed).

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

/// The kinds of a part's columns, in the order of its lines.
pub(crate) fn line_kinds(meta: &TableMeta, operation: Operation) -> Vec<Kind> {
    line_columns(meta, operation).into_iter().map(|(_, kind)| kind).collect()
}

fn line_columns(meta: &TableMeta, operation: Operation) -> Vec<(&'static str, Kind)> {
    let named = |columns: &[ColumnMeta]| columns.iter().map(|column| (column.name, column.kind)).collect::<Vec<_>>();
    let mut columns = named(&meta.columns[..meta.key]);
    match operation {
        Operation::Insert => return named(meta.columns),
        Operation::Delete | Operation::Check => columns.push((VERSION_COLUMN, Kind::Int)),
        Operation::Update => {
            columns.push((VERSION_COLUMN, Kind::Int));
            columns.extend(named(meta.state()));
        }
        Operation::Replace => {
            columns.push((VERSION_COLUMN, Kind::Int));
            columns.extend(named(&meta.columns[meta.key..]));
        }
    }
    columns
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

/// The names the unnested columns go by inside a statement.
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

/// The whole batch as one statement; answers database time in microseconds and the sandbox offset.
pub(crate) fn flush(parts: &[Part<'_>]) -> String {
    let mut text = String::from(
        "WITH node_mark AS (UPDATE node SET mark = $3, lease_until = $4, oldest_work_at = $5, row_version = $3 WHERE boot_id = $1 AND mark = $2 RETURNING 1)",
    );
    let mut guard = String::from("(SELECT count(*) FROM node_mark) = 1");
    let mut next = FIXED_PARAMETERS + 1;
    for (index, part) in parts.iter().enumerate() {
        let columns = line_columns(part.meta, part.operation);
        let source = format!("{} AS u({})", unnest(columns.iter().map(|(_, kind)| *kind), next), given(columns.len()));
        next += columns.len();
        let _infallible = write!(text, ", part{index} AS ({})", part_text(part, &columns, &source));
        let _infallible = write!(guard, " AND (SELECT count(*) FROM part{index}) = ${next}");
        next += 1;
    }
    let _infallible = write!(
        text,
        " SELECT (1 / CASE WHEN {guard} THEN 1 ELSE 0 END)::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
         (SELECT offset_micros FROM platform_clock WHERE id = 1)"
    );
    text
}

fn part_text(part: &Part<'_>, columns: &[(&'static str, Kind)], source: &str) -> String {
    let (meta, table) = (part.meta, part.meta.name);
    let key_and_version =
        columns.iter().take(meta.key + 1).enumerate().map(|(index, (name, _))| format!("t.{name} = u.c{index}"));
    let seen = key_and_version.collect::<Vec<_>>().join(" AND ");
    match part.operation {
        Operation::Insert => format!(
            "INSERT INTO {table} ({}, {VERSION_COLUMN}) SELECT {}, $3::bigint FROM {source} ON CONFLICT DO NOTHING RETURNING 1",
            meta.column_list(),
            given(columns.len())
        ),
        Operation::Update | Operation::Replace => {
            let sets = columns.iter().enumerate().skip(meta.key + 1).map(|(index, (name, _))| format!("{name} = u.c{index}"));
            let sets = sets.chain([format!("{VERSION_COLUMN} = $3::bigint")]).collect::<Vec<_>>().join(", ");
            format!("UPDATE {table} AS t SET {sets} FROM {source} WHERE {seen} RETURNING 1")
        }
        Operation::Delete => format!("DELETE FROM {table} AS t USING {source} WHERE {seen} RETURNING 1"),
        Operation::Check => format!("SELECT 1 FROM {source} JOIN {table} AS t ON {seen} FOR SHARE OF t"),
    }
}
