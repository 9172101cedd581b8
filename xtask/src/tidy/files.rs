//! Rules over the tree: what must be in it, what must not, and links that lead somewhere.

use std::collections::BTreeSet;

use super::{Breach, Source};

/// No file may be larger.
const BYTES_MAX: usize = 1 << 20;
/// What every reader looks for.
const REQUIRED: [&str; 8] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "STYLE.md", "SECURITY.md", "CHANGELOG.md", "LICENSE", "Cargo.lock"];
/// Endings of build output and databases.
const FOREIGN: [&str; 9] = ["db", "db-wal", "db-shm", "sqlite", "o", "so", "rlib", "rmeta", "exe"];
/// The only place packages come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// All breaches of these rules.
pub fn check(tree: &[Source]) -> Vec<Breach> {
    let paths: BTreeSet<&str> = tree.iter().map(|source| source.path.as_str()).collect();
    let missing = REQUIRED.iter().filter(|path| !paths.contains(*path));
    let mut breaches: Vec<Breach> = missing.map(|path| Breach::new(path, 0, "is missing")).collect();
    for source in tree {
        if source.bytes > BYTES_MAX {
            breaches.push(Breach::new(&source.path, 0, format!("{} bytes; no file is larger than 1 MiB", source.bytes)));
        }
        if FOREIGN.contains(&source.ending()) {
            breaches.push(Breach::new(&source.path, 0, "build output and databases are not committed"));
        }
        if source.text.starts_with("-----BEGIN") && source.text.contains("PRIVATE KEY-----") && !source.is_test() {
            breaches.push(Breach::new(&source.path, 0, "private keys stand only below a tests folder"));
        }
        if source.ending() == "md" {
            breaches.extend(links(source, &paths));
        }
        if source.path == "Cargo.lock" {
            breaches.extend(packages(source));
        }
        if source.path == "README.md" {
            breaches.extend(two_lines(source));
        }
    }
    breaches
}

/// Relative links of a document, from its own folder.
fn links(source: &Source, paths: &BTreeSet<&str>) -> Vec<Breach> {
    let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut breaches = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") || file.starts_with('/') {
                continue;
            }
            let path = resolve(folder, file);
            let exists = paths.contains(path.as_str()) || paths.iter().any(|known| known.starts_with(&format!("{path}/")));
            if !exists {
                breaches.push(Breach::new(&source.path, number + 1, format!("the link to {target} leads nowhere")));
            }
        }
    }
    breaches
}

/// A path relative to a folder, without `.` and `..`.
fn resolve(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(file.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn packages(lock: &Source) -> Vec<Breach> {
    let sources = lock.text.lines().enumerate().filter(|(_, line)| line.starts_with("source = "));
    let foreign = sources.filter(|(_, line)| !line.contains(REGISTRY));
    foreign.map(|(number, _)| Breach::new(&lock.path, number + 1, "packages come from the registry only")).collect()
}

/// A newcomer needs two lines, each alone in one of the first fenced blocks: one that runs the product with demo data, one
/// that runs the tests.
fn two_lines(readme: &Source) -> Vec<Breach> {
    let blocks: Vec<Vec<&str>> = fenced_blocks(&readme.text);
    let alone = |begin: &str| blocks.iter().take(3).any(|block| block.len() == 1 && block[0].starts_with(begin));
    let needed = ["cargo run --release -- demo", "cargo xtask test"];
    let missing = needed.iter().filter(|line| !alone(line));
    missing.map(|line| Breach::new(&readme.path, 0, format!("`{line}` stands alone in one of the first fenced blocks"))).collect()
}

fn fenced_blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            if inside {
                blocks.push(Vec::new());
            }
        } else if inside && let Some(block) = blocks.last_mut() {
            block.push(line.trim());
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into(), bytes: text.len() }
    }

    #[test]
    fn links_are_followed_from_their_document() {
        let document =
            source("docs/adr/one.md", "See [two](two.md#part), [the root](../../README.md), [folder](../adr), [gone](gone.md).");
        let paths = BTreeSet::from(["docs/adr/one.md", "docs/adr/two.md", "README.md"]);
        let breaches = links(&document, &paths);
        assert_eq!(breaches.len(), 1);
        assert!(breaches[0].why.contains("gone.md"));
    }

    #[test]
    fn the_newcomers_two_lines_stand_alone() {
        let good = "# x\n```sh\ncargo run --release -- demo\n```\n```sh\ncargo xtask test\n```\n";
        assert!(two_lines(&source("README.md", good)).is_empty());
        let crowded = "```sh\ncd x\ncargo run --release -- demo\ncargo xtask test\n```\n";
        assert_eq!(two_lines(&source("README.md", crowded)).len(), 2);
    }

    #[test]
    fn a_package_from_elsewhere_is_a_breach() {
        let lock = format!("source = \"{REGISTRY}\"\nsource = \"git+https://example.com/x\"\n");
        assert_eq!(packages(&source("Cargo.lock", &lock)).len(), 1);
    }
}
