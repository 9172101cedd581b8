//! Rules over `migrations/`: both engines get the same schema, and PostgreSQL-like distributed engines stay possible.

use std::collections::{BTreeMap, BTreeSet};

use super::{Breach, Source};

/// What a statement may begin with. A row that a table needs from the beginning is a step of its own.
const BEGINNINGS: [&str; 7] =
    ["CREATE TABLE", "CREATE INDEX", "CREATE UNIQUE INDEX", "ALTER TABLE", "DROP TABLE", "DROP INDEX", "INSERT INTO"];
/// Words that may not stand in a schema, and why.
const FORBIDDEN: [(&str, &str); 17] = [
    ("SERIAL", "numbers come from counter rows"),
    ("BIGSERIAL", "numbers come from counter rows"),
    ("NEXTVAL", "numbers come from counter rows"),
    ("IDENTITY", "numbers come from counter rows"),
    ("AUTOINCREMENT", "numbers come from counter rows"),
    ("TRIGGER", "rules are in Rust"),
    ("FUNCTION", "rules are in Rust"),
    ("PROCEDURE", "rules are in Rust"),
    ("DEFERRABLE", "unsupported by distributed engines"),
    ("EXCLUDE", "unsupported by distributed engines"),
    ("INHERITS", "unsupported by distributed engines"),
    ("REFERENCES", "rows are kept consistent by commands; a foreign key locks and reads on every insert"),
    ("NOW", "time is a parameter"),
    ("CURRENT_TIMESTAMP", "time is a parameter"),
    ("RANDOM", "random values are parameters"),
    ("GEN_RANDOM_UUID", "random values are parameters"),
    ("ROWID", "ordinary rowid tables: leave it out"),
];
/// Column types of PostgreSQL with their SQLite twins.
const TYPES: [(&str, &str); 5] =
    [("BIGINT", "INTEGER"), ("TEXT", "TEXT"), ("BYTEA", "BLOB"), ("UUID", "BLOB"), ("BOOLEAN", "INTEGER")];
/// Tables whose rows do not begin with the tenant, and why that is right.
const NOT_BY_TENANT: [(&str, &str); 16] = [
    ("node", "one row per process"),
    ("platform_clock", "one row"),
    ("counter", "one row per kind of number"),
    ("account", "the tenants themselves"),
    ("access_key", "found by token before the tenant is known"),
    ("access_secret", "belongs to a key, found by its hash before the tenant is known"),
    ("access_version", "one row"),
    ("platform_key", "two rows at most"),
    ("webhook_version", "one row"),
    ("ledger_account", "its owner is the tenant, a connector or the platform"),
    ("notification", "what acquirers send names its payment by claim only: who it is about is found out afterwards"),
    ("vault_rotation", "one row"),
    ("settlement", "an acquirer's file, about attempts of many tenants"),
    ("settlement_total", "sums of such a file"),
    ("settlement_difference", "a line of such a file that agrees with no attempt, so of no known tenant"),
    ("mode", "the sandbox acquirer's"),
];
/// Folders of stores that belong to foreign systems: their rows are not ours to distribute.
const FOREIGN_STORES: [&str; 1] = ["migrations/sandbox_acquirer/"];

/// A column: its name and type.
type Column = (String, String);

/// All breaches of these rules.
pub fn check(tree: &[Source]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let files: BTreeMap<&str, &Source> = tree
        .iter()
        .filter(|source| source.path.starts_with("migrations/") && source.ending() == "sql")
        .map(|s| (s.path.as_str(), s))
        .collect();
    for (path, source) in &files {
        let Some((folder, engine)) = path.rsplit_once('/') else { continue };
        breaches.extend(statements(source).into_iter().filter_map(|(line, statement)| judge(source, line, &statement)));
        let twin = match engine {
            "postgres.sql" => format!("{folder}/sqlite.sql"),
            "sqlite.sql" => format!("{folder}/postgres.sql"),
            _ => {
                breaches.push(Breach::new(path, 0, "a migration is named sqlite.sql or postgres.sql"));
                continue;
            }
        };
        match files.get(twin.as_str()) {
            None => breaches.push(Breach::new(path, 0, format!("has no {twin} beside it"))),
            Some(twin) if engine == "postgres.sql" => breaches.extend(differences(source, twin)),
            Some(_) => {}
        }
    }
    breaches
}

/// Statements with the line on which each begins, in one line each, without comments.
fn statements(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut begin, mut statement) = (0, String::new());
    for (number, line) in source.text.lines().enumerate() {
        let code = line.split("--").next().unwrap_or_default().trim();
        if code.is_empty() {
            continue;
        }
        if statement.is_empty() {
            begin = number + 1;
        }
        statement.push_str(if statement.is_empty() { "" } else { " " });
        statement.push_str(code);
        if let Some(whole) = statement.strip_suffix(';') {
            found.push((begin, whole.to_owned()));
            statement = String::new();
        }
    }
    if !statement.is_empty() {
        found.push((begin, statement));
    }
    found
}

fn judge(source: &Source, line: usize, statement: &str) -> Option<Breach> {
    let breach = |why: String| Some(Breach::new(&source.path, line, why));
    let upper = statement.to_uppercase();
    if !BEGINNINGS.iter().any(|begin| upper.starts_with(begin)) {
        return breach(format!("a step begins with one of {}", BEGINNINGS.join(", ")));
    }
    if statement.contains(';') {
        return breach("one statement for each step, its semicolon at the end of a line".into());
    }
    let found = FORBIDDEN.iter().find(|(word, _)| words(&upper).any(|known| known == *word));
    if let Some((word, why)) = found {
        return breach(format!("{word} is not used: {why}"));
    }
    let (name, columns, constraints) = table(statement)?;
    let sqlite = source.name() == "sqlite.sql";
    if sqlite && !upper.ends_with("STRICT") {
        return breach(format!("table {name} is STRICT on SQLite"));
    }
    let known = |kind: &str| TYPES.iter().any(|(postgres, lite)| kind == if sqlite { *lite } else { *postgres });
    if let Some((column, kind)) = columns.iter().find(|(_, kind)| !known(kind)) {
        return breach(format!("column {column} has the type {kind}, which is not one of ours"));
    }
    if !columns.iter().any(|(column, _)| column == "row_version") {
        return breach(format!("table {name} has a column row_version"));
    }
    let by_tenant = key_columns(statement, &constraints).first().is_some_and(|first| first == "account_id");
    let exempt = NOT_BY_TENANT.iter().any(|(table, _)| *table == name) || source.in_folder(&FOREIGN_STORES);
    if !by_tenant && !exempt {
        return breach(format!("the primary key of {name} begins with account_id"));
    }
    None
}

/// Whether it only says how full PostgreSQL makes the pages of a table; SQLite has no such setting.
fn is_about_pages(statement: &str) -> bool {
    statement.starts_with("ALTER TABLE ") && statement.contains(" SET (fillfactor = ")
}

/// Tables, columns and indexes that only one engine has.
fn differences(postgres: &Source, sqlite: &Source) -> Vec<Breach> {
    let translate = |(name, kind): Column| {
        let twin = TYPES.iter().find(|(postgres, _)| *postgres == kind).map_or(kind.clone(), |(_, lite)| (*lite).to_owned());
        (name, twin)
    };
    let shape = |source: &Source, is_postgres: bool| -> BTreeSet<String> {
        let mut shape = BTreeSet::new();
        for (_, statement) in statements(source) {
            match table(&statement) {
                Some((name, columns, _)) => {
                    for column in columns {
                        let (column, kind) = if is_postgres { translate(column) } else { column };
                        shape.insert(format!("column {name}.{column} {kind}"));
                    }
                }
                None if is_about_pages(&statement) => {}
                None => {
                    shape.insert(added(&statement, is_postgres).unwrap_or(statement));
                }
            }
        }
        shape
    };
    let (ours, theirs) = (shape(postgres, true), shape(sqlite, false));
    let differing = ours.symmetric_difference(&theirs);
    differing.map(|what| Breach::new(&postgres.path, 0, format!("only one engine has: {what}"))).collect()
}

/// An added column with the type that SQLite has for it; `None` for other statements.
fn added(statement: &str, is_postgres: bool) -> Option<String> {
    let (place, column) = statement.split_once(" ADD COLUMN ")?;
    let (name, rest) = column.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let twin = TYPES.iter().find(|(postgres, _)| is_postgres && *postgres == kind).map_or(kind, |(_, lite)| lite);
    Some(format!("{place} ADD COLUMN {name} {twin} {rest}"))
}

/// Name, columns and constraints of a CREATE TABLE.
fn table(statement: &str) -> Option<(String, Vec<Column>, Vec<String>)> {
    let rest = statement.strip_prefix("CREATE TABLE ")?;
    let (name, rest) = rest.split_once('(')?;
    let body = &rest[..closing(rest)];
    let (mut columns, mut constraints) = (Vec::new(), Vec::new());
    for part in top_level(body) {
        let mut part_words = part.split_whitespace();
        match (part_words.next(), part_words.next()) {
            (Some("PRIMARY" | "UNIQUE" | "CHECK" | "CONSTRAINT" | "FOREIGN"), _) => constraints.push(part.to_owned()),
            (Some(column), Some(kind)) => columns.push((column.to_owned(), kind.to_owned())),
            _ => {}
        }
    }
    Some((name.trim().to_owned(), columns, constraints))
}

/// The columns of the primary key, wherever it is written.
fn key_columns(statement: &str, constraints: &[String]) -> Vec<String> {
    if let Some(key) = constraints.iter().find_map(|constraint| constraint.strip_prefix("PRIMARY KEY")) {
        return words(key).map(str::to_owned).collect();
    }
    let before = statement.split_once(" PRIMARY KEY").map_or("", |(before, _)| before);
    let column = before.rsplit([',', '(']).next().unwrap_or_default().split_whitespace().next();
    column.map(str::to_owned).into_iter().collect()
}

/// Where the bracket that is already open is closed.
fn closing(text: &str) -> usize {
    let mut depth = 1;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The parts between commas that stand in no bracket.
fn top_level(body: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, character) in body.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(body[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(body[begin..].trim());
    parts
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSTGRES: &str = "-- One row each.\nCREATE TABLE payment (\n    account_id UUID NOT NULL,\n    id UUID NOT NULL,\n    \
        amount BIGINT NOT NULL CHECK (amount IN (1, 2)),\n    row_version BIGINT NOT NULL,\n    PRIMARY KEY (account_id, id)\n) \
        WITH (fillfactor = 85);\nCREATE INDEX payment_by_id ON payment (account_id, id);\n";

    fn breaches(postgres: &str, sqlite: &str) -> Vec<String> {
        let source =
            |name: &str, text: &str| Source { path: format!("migrations/0001_x/{name}"), text: text.into(), bytes: text.len() };
        let tree = [source("postgres.sql", postgres), source("sqlite.sql", sqlite)];
        check(&tree).into_iter().map(|breach| breach.why).collect()
    }

    fn sqlite(postgres: &str) -> String {
        let types = postgres.replace("UUID", "BLOB").replace("BIGINT", "INTEGER");
        types.replace("WITH (fillfactor = 85)", "STRICT")
    }

    #[test]
    fn twins_keep_the_rules() {
        assert_eq!(breaches(POSTGRES, &sqlite(POSTGRES)), Vec::<String>::new());
    }

    #[test]
    fn each_rule_is_noticed() {
        let cases = [
            ("id UUID NOT NULL", "id SERIAL", "SERIAL is not used"),
            ("PRIMARY KEY (account_id, id)", "PRIMARY KEY (id)", "begins with account_id"),
            ("row_version BIGINT NOT NULL", "version BIGINT NOT NULL", "row_version"),
            ("amount BIGINT", "amount NUMERIC", "not one of ours"),
            ("CREATE INDEX payment_by_id ON payment (account_id, id)", "CREATE VIEW a AS SELECT 1", "a step begins with"),
        ];
        for (right, wrong, expected) in cases {
            let text = POSTGRES.replace(right, wrong);
            let found = breaches(&text, &sqlite(&text));
            assert!(found.iter().any(|why| why.contains(expected)), "{wrong}: {found:?}");
        }
    }

    #[test]
    fn engines_may_not_drift_apart() {
        let found = breaches(POSTGRES, &sqlite(&POSTGRES.replace("payment_by_id", "payment_by_name")));
        assert_eq!(found.len(), 2, "{found:?}");
        let adding = |kind: &str| format!("{POSTGRES}\nALTER TABLE payment ADD COLUMN token {kind};\n");
        assert_eq!(breaches(&adding("UUID"), &sqlite(&adding("UUID"))), Vec::<String>::new());
        assert_eq!(breaches(&adding("UUID"), &sqlite(&adding("TEXT"))).len(), 2);
        let found = breaches(POSTGRES, &sqlite(POSTGRES).replace("STRICT", ""));
        assert!(found[0].contains("STRICT"), "{found:?}");
    }
}
