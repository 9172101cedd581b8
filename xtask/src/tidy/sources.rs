//! Rules over Rust sources: where SQL may stand, which comments may not, invariants that name their tests.

use std::collections::BTreeSet;

use super::pieces::{Kind, Piece, split};
use super::{Breach, Source};

/// Comments that put work off instead of doing it; taken apart so that this file does not break its own rule.
const MARKERS: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
/// Who may hold SQL besides `queries.rs`: the crate that generates it, and what is no part of the product.
const SQL_FOLDERS: [&str; 3] = ["crates/db/", "crates/testkit/", "xtask/"];
/// Beginnings of statements with a word that must follow; in capitals, so that prose is not meant.
const STATEMENTS: [(&str, &str); 7] = [
    ("SELECT ", ""),
    ("INSERT INTO ", ""),
    ("UPDATE ", " SET "),
    ("DELETE FROM ", ""),
    ("CREATE TABLE ", ""),
    ("ALTER TABLE ", ""),
    ("DROP TABLE ", ""),
];

/// All breaches of these rules.
pub fn check(tree: &[Source]) -> Vec<Breach> {
    let sources: Vec<(&Source, Vec<Piece>)> =
        tree.iter().filter(|source| source.ending() == "rs").map(|source| (source, split(&source.text))).collect();
    let functions: BTreeSet<String> = sources.iter().flat_map(|(_, pieces)| function_names(pieces)).collect();
    let mut breaches = Vec::new();
    for (source, pieces) in &sources {
        breaches.extend(markers(source, pieces));
        breaches.extend(sql(source, pieces));
        breaches.extend(crate_wide_exceptions(source, pieces));
        breaches.extend(invariants(source, pieces, &functions));
    }
    breaches
}

fn markers(source: &Source, pieces: &[Piece]) -> Vec<Breach> {
    let comments = pieces.iter().filter(|piece| piece.kind == Kind::Comment);
    let marked = comments.filter_map(|piece| Some((piece, MARKERS.iter().find(|marker| is_marked(&piece.text, marker))?)));
    marked.map(|(piece, marker)| Breach::new(&source.path, piece.line, format!("{marker}: do it, or open an issue"))).collect()
}

/// Whether a comment begins with the marker or has it before a colon or bracket; XXX in a list of currencies is a currency.
fn is_marked(comment: &str, marker: &str) -> bool {
    let text = comment.trim_start_matches(['/', '!', '*', ' ']);
    let begins = text.strip_prefix(marker).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()));
    begins || [":", "("].iter().any(|mark| text.contains(&format!("{marker}{mark}")))
}

fn sql(source: &Source, pieces: &[Piece]) -> Vec<Breach> {
    let in_queries = source.name() == "queries.rs" || source.path.contains("/queries/");
    if in_queries || source.is_test() || source.in_folder(&SQL_FOLDERS) {
        return Vec::new();
    }
    let texts = pieces.iter().filter(|piece| piece.kind == Kind::Text);
    let with_sql = texts.filter(|piece| {
        let text = piece.text.trim_start();
        STATEMENTS.iter().any(|(begin, then)| text.starts_with(begin) && text.contains(then))
    });
    with_sql.map(|piece| Breach::new(&source.path, piece.line, "SQL stands only in queries.rs and migrations")).collect()
}

fn crate_wide_exceptions(source: &Source, pieces: &[Piece]) -> Vec<Breach> {
    if source.is_test() {
        return Vec::new();
    }
    let code = pieces.iter().filter(|piece| piece.kind == Kind::Code);
    let wide = code.flat_map(|piece| piece.text.lines().enumerate().map(move |(offset, line)| (piece.line + offset, line)));
    let wide = wide.filter(|(_, line)| line.contains("#![allow") || line.contains("#![expect"));
    wide.map(|(line, _)| Breach::new(&source.path, line, "an exception stands at its place, never for a whole crate")).collect()
}

/// Each comment that states an INVARIANT ends with "guarded by" and the names of tests in backticks; all of them must exist.
fn invariants(source: &Source, pieces: &[Piece], functions: &BTreeSet<String>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (line, comment) in comment_blocks(pieces) {
        let Some((_, invariant)) = comment.split_once("INVARIANT:") else { continue };
        let named = invariant.split_once("guarded by").map(|(_, rest)| backticked(rest)).unwrap_or_default();
        if named.is_empty() {
            breaches.push(Breach::new(
                &source.path,
                line,
                "an INVARIANT says which test it is guarded by: guarded by `module::test`",
            ));
        }
        for name in named {
            let function = name.rsplit("::").next().unwrap_or(&name).trim_end_matches("()");
            if !functions.contains(function) {
                breaches.push(Breach::new(
                    &source.path,
                    line,
                    format!("the INVARIANT names `{name}`, and there is no such test"),
                ));
            }
        }
    }
    breaches
}

/// Comments on consecutive lines as one, with the line where they begin.
fn comment_blocks(pieces: &[Piece]) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, usize, String)> = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.kind == Kind::Comment) {
        let text = piece.text.trim_start_matches(['/', '!', '*']).trim();
        let end = piece.line + piece.text.matches('\n').count();
        match blocks.last_mut() {
            Some((_, last, block)) if *last + 1 == piece.line => {
                block.push(' ');
                block.push_str(text);
                *last = end;
            }
            _ => blocks.push((piece.line, end, text.to_owned())),
        }
    }
    blocks.into_iter().map(|(begin, _, block)| (begin, block)).collect()
}

fn backticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn function_names(pieces: &[Piece]) -> Vec<String> {
    let mut names = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.kind == Kind::Code) {
        let mut found = words(&piece.text);
        while let Some(word) = found.next() {
            if word == "fn" {
                names.extend(found.next().map(str::to_owned));
            }
        }
    }
    names
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(path: &str, text: &str) -> Vec<String> {
        let source = Source { path: path.into(), text: text.into(), bytes: text.len() };
        check(&[source]).into_iter().map(|breach| breach.why).collect()
    }

    #[test]
    fn a_marker_is_a_breach_in_a_comment_only() {
        let marker = MARKERS[0];
        assert_eq!(breaches("a.rs", &format!("// {marker}: later")).len(), 1);
        assert!(breaches("a.rs", &format!("let a = \"{marker}\"; // {marker}S are many")).is_empty());
    }

    #[test]
    fn sql_has_its_places() {
        let text = "const A: &str = \"SELECT 1 FROM a\";";
        assert_eq!(breaches("crates/ledger/src/commands.rs", text).len(), 1);
        assert!(breaches("crates/ledger/src/queries.rs", text).is_empty());
        assert!(breaches("crates/ledger/src/error.rs", "let a = \"UPDATE the key\";").is_empty());
    }

    #[test]
    fn an_invariant_names_a_test_that_exists() {
        let good = "// INVARIANT: a <= b; guarded by\n// `rules::never_more`.\nfn never_more() {}";
        assert!(breaches("a.rs", good).is_empty());
        assert_eq!(breaches("a.rs", "// INVARIANT: a <= b; guarded by `gone`.").len(), 1);
        assert_eq!(breaches("a.rs", "// INVARIANT: a <= b.").len(), 1);
    }

    #[test]
    fn exceptions_are_never_crate_wide() {
        assert_eq!(breaches("crates/web/src/lib.rs", "#![allow(clippy::all)]").len(), 1);
        assert!(breaches("tests/src/lib.rs", "#![allow(clippy::all)]").is_empty());
    }
}
