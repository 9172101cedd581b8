//! The dependency direction of the workspace (design section 4), as data, compared with the manifests.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Breach;
use crate::shell;

/// From the inside out. A crate may use anything in an earlier row; crates of one row never know each other. Tests are
/// free: a dev-dependency binds nobody.
const LAYERS: [&[&str]; 9] = [
    &["kernel"],
    &["query"],
    &["db"],
    &["ledger", "access", "idempotency"],
    &["messaging"],
    &["payments", "wallets"],
    &["checkout", "tickets", "support"],
    &["web"],
    &["guichet"],
];
/// Implements the ports of domain crates.
const CONNECTORS: &str = "connectors";
/// Who may know connectors: the binary, which wires them, and the edge, whose `/dev` routes show the sandbox's own state.
const WIRES_CONNECTORS: [&str; 2] = ["guichet", "web"];
/// What connectors must not know: money is booked by the domains, and HTTP in front of us is not theirs.
const NOT_FOR_CONNECTORS: [&str; 3] = ["web", "ledger", "guichet"];
/// No part of the product: they may use everything, and the product uses them in its tests only.
const TOOLS: [&str; 4] = ["testkit", "sim", "integration", "xtask"];
/// Packages that few may name, with those who may.
const RESERVED: [(&str, &[&str]); 10] = [
    ("rusqlite", &["db"]),
    ("tokio-postgres", &["db"]),
    ("tokio-postgres-rustls", &["db"]),
    ("refinery", &["db"]),
    ("refinery-core", &["db"]),
    ("axum", &["web", "guichet"]),
    ("utoipa", &["web"]),
    ("jiff", &["kernel"]),
    ("iso_currency", &["kernel"]),
    ("cedar-policy", &["access"]),
];

/// One line of a manifest.
#[derive(Clone, Debug)]
struct Dependency {
    of: String,
    name: String,
    dev: bool,
    from_workspace: bool,
}

/// All breaches of these rules.
///
/// # Errors
/// When cargo cannot read the manifests.
pub fn check() -> Result<Vec<Breach>> {
    let text = shell::output("cargo", &["metadata", "--no-deps", "--offline", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().context("packages in cargo's metadata")?;
    let mut breaches = Vec::new();
    for package in packages {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = text(&package["name"]);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let dependency = Dependency {
                of: of.clone(),
                name: text(&dependency["name"]),
                dev: dependency["kind"] == "dev",
                from_workspace: dependency["path"].is_string(),
            };
            breaches.extend(judge(&dependency));
        }
        if !TOOLS.contains(&of.as_str()) && of != CONNECTORS && layer(&of).is_none() {
            breaches.push(Breach::new(&manifest(&of), 0, "is not in the table of the dependency direction (xtask/src/tidy)"));
        }
    }
    Ok(breaches)
}

fn judge(dependency: &Dependency) -> Option<Breach> {
    let Dependency { of, name, dev, from_workspace } = dependency;
    let is_tool = TOOLS.contains(&of.as_str());
    let why = if !from_workspace {
        let (_, who) = RESERVED.iter().find(|(reserved, _)| reserved == name)?;
        // Tools may put up servers of their own, but they reach a database through the product or through psql.
        if who.contains(&of.as_str()) || (is_tool && !who.contains(&"db")) {
            return None;
        }
        format!("only {} may name {name}", who.join(" and "))
    } else if is_tool || *dev {
        return None;
    } else if TOOLS.contains(&name.as_str()) {
        format!("{name} is no part of the product: a dev-dependency at most")
    } else if name == CONNECTORS {
        if WIRES_CONNECTORS.contains(&of.as_str()) {
            return None;
        }
        "connectors are wired by the binary; domains know their ports".to_owned()
    } else if of == CONNECTORS {
        if !NOT_FOR_CONNECTORS.contains(&name.as_str()) {
            return None;
        }
        format!("connectors never know {name}")
    } else {
        if layer(name) < layer(of) {
            return None;
        }
        format!("{of} may use only what is left of it in the dependency direction, and {name} is not")
    };
    Some(Breach::new(&manifest(of), 0, why))
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

fn manifest(package: &str) -> String {
    match package {
        "xtask" => "xtask/Cargo.toml".to_owned(),
        "integration" => "tests/Cargo.toml".to_owned(),
        _ => format!("crates/{package}/Cargo.toml"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(of: &str, name: &str, dev: bool, from_workspace: bool) -> bool {
        judge(&Dependency { of: of.into(), name: name.into(), dev, from_workspace }).is_none()
    }

    #[test]
    fn crates_look_inwards_only() {
        assert!(allowed("payments", "ledger", false, true));
        assert!(!allowed("ledger", "payments", false, true));
        assert!(!allowed("ledger", "idempotency", false, true));
        assert!(!allowed("connectors", "ledger", false, true));
        assert!(allowed("guichet", "connectors", false, true));
        assert!(!allowed("payments", "connectors", false, true));
    }

    #[test]
    fn tools_stay_out_of_the_product() {
        assert!(allowed("db", "testkit", true, true));
        assert!(!allowed("db", "testkit", false, true));
        assert!(allowed("xtask", "testkit", false, true));
        assert!(allowed("sim", "guichet", false, true));
        assert!(!allowed("web", "sim", false, true));
    }

    #[test]
    fn drivers_are_reserved() {
        assert!(allowed("db", "rusqlite", false, false));
        assert!(!allowed("payments", "rusqlite", true, false));
        assert!(!allowed("payments", "axum", false, false));
        assert!(allowed("payments", "serde", false, false));
    }
}
