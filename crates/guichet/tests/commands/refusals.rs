//! What the program does not do, and how it says so: what, why, what to do; exit code 2.

use std::fmt::Write as _;
use std::path::Path;

use insta::assert_snapshot;
use testkit::process::run;

use crate::{PROGRAM, guichet};

#[test]
fn help_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let mut pages = String::new();
    for command in [
        &["--help"] as &[&str],
        &["demo", "--help"],
        &["serve", "--help"],
        &["account", "create", "--help"],
        &["account", "change", "--help"],
        &["key", "create", "--help"],
        &["verify", "--help"],
    ] {
        let ran = guichet(folder.path(), command);
        assert_eq!(ran.code, Some(0));
        writeln!(pages, "$ guichet {}\n{}", command.join(" "), ran.out).expect("a string takes everything");
    }
    assert_snapshot!("help", pages);
}

#[test]
fn serve_refuses_what_would_be_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let key = "0".repeat(64);
    for (arguments, environment, expected) in [
        (&["serve"] as &[&str], &[] as &[(&str, &str)], "needs a master key"),
        (&["serve", "--listen", "0.0.0.0:0"], &[("GUICHET_MASTER_KEY", key.as_str())], "without TLS"),
        (&["serve", "--listen", "[::]:0"], &[("GUICHET_MASTER_KEY", key.as_str())], "without TLS"),
        (&["serve", "--listen", "127.0.0.1:0"], &[("GUICHET_MASTER_KEY", "short")], "master key in GUICHET_MASTER_KEY"),
        (&["serve", "--listen", "127.0.0.1:0"], &[("GUICHET_MASTER_KEY", key.as_str())], "cannot be used"),
        (&["serve", "--master-key-file", "missing"], &[], "cannot read the master key file"),
        (&["serve", "--tls-cert", "cert.pem"], &[("GUICHET_MASTER_KEY", key.as_str())], "needs its private key"),
        (&["serve"], &[("GUICHET_LISTN", "127.0.0.1:0")], "GUICHET_LISTN means nothing"),
        (&["serve"], &[("GUICHET_PAYMENTS_IN_FLIGHT_STATUS", "404")], "409 or 400"),
        (&["demo", "--database", "mysql://x"], &[], "sqlite:"),
        (&["demo", "--config", "missing.toml"], &[], "missing.toml"),
        (&["verify"], &[], "there is no database file yet"),
        (&["key", "disable", "nonsense"], &[], "master key"),
    ] {
        let ran = run(Path::new(PROGRAM), folder.path(), arguments, environment);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(expected), "{arguments:?}: {}", ran.err);
        assert!(
            ran.err.starts_with("guichet: ") && ran.err.contains("Why:") && ran.err.contains("Do:"),
            "{arguments:?}: {}",
            ran.err
        );
        assert!(ran.out.is_empty() && !ran.err.contains("panicked"), "{}", ran.err);
    }
    for arguments in
        [&["serve", "--no-such-flag"] as &[&str], &["serve", "--credentials", "x"], &["verify", "--listen", "x"], &["fly"], &[]]
    {
        assert_eq!(guichet(folder.path(), arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn an_unknown_key_in_the_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guichet.toml"), "listne = \"127.0.0.1:0\"\n").unwrap();
    let ran = guichet(folder.path(), &["demo"]);
    assert!(ran.code == Some(2) && ran.err.contains("`listne` is not a setting"), "{}", ran.err);
}
