//! What a kill or a broken disk leaves behind: it can be gone on with, or is refused in words.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::process::{Ran, Serving};

use crate::{PROGRAM, guichet};

/// Milliseconds after which a migration is killed; one that is left alone takes about as long as the last.
const KILLED_AFTER_MS: [u64; 24] = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 95, 110, 130, 160];

fn verify(folder: &Path) -> Ran {
    guichet(folder, &["verify", "--data-dir", "data"])
}

#[test]
fn a_migration_that_was_killed_is_gone_on_with() {
    for after in KILLED_AFTER_MS {
        let folder = tempfile::tempdir().unwrap();
        let mut migrate = Command::new(PROGRAM);
        migrate.args(["migrate", "--data-dir", "data"]).current_dir(folder.path()).stdout(Stdio::null());
        let mut killed = migrate.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        killed.kill().unwrap();
        killed.wait().unwrap();
        let again = guichet(folder.path(), &["migrate", "--data-dir", "data"]);
        assert_eq!(again.code, Some(0), "killed after {after} ms: {}", again.err);
    }
}

/// Where a file is damaged, and how.
#[derive(Debug)]
struct Damage {
    file: &'static str,
    /// In thousandths of the file.
    at: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// One bit is another one.
    Flipped,
    /// A page is all zeros.
    Zeroed,
    /// All that comes after is gone.
    CutOff,
}

impl Damage {
    fn inflict(&self, folder: &Path) {
        let path = folder.join("data").join(self.file);
        let mut bytes = std::fs::read(&path).expect("a file");
        let at = bytes.len() * self.at / 1_000;
        let end = (at + 4_096).min(bytes.len());
        match self.kind {
            Kind::Flipped => bytes[at] ^= 0x10,
            Kind::Zeroed => bytes[at..end].fill(0),
            Kind::CutOff => bytes.truncate(at),
        }
        std::fs::write(&path, bytes).expect("it can be written");
    }
}

#[tokio::test]
async fn damage_is_found_or_refused_and_never_a_defect() {
    guichet::install_cryptography();
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::demo(Path::new(PROGRAM), folder.path(), &[]).await;
    let merchant = serving.merchant();
    for _ in 0..5 {
        merchant.pays(merchant.purchase("5 EUR")).await;
    }
    serving.kill();
    let killed = copied(folder.path());
    assert_eq!(Serving::demo(Path::new(PROGRAM), folder.path(), &[]).await.stop().await.code(), Some(0));
    let stopped = copied(folder.path()); // its logs are carried over
    for whole in [&killed, &stopped] {
        let sound = verify(whole.path());
        assert_eq!(sound.code, Some(0), "{}{}", sound.out, sound.err);
    }
    for file in ["guichet.db", "guichet.db-wal", "sandbox-acquirer.db"] {
        for kind in [Kind::Flipped, Kind::Zeroed, Kind::CutOff] {
            for at in [0, 3, 150, 420, 555, 800, 990] {
                let damaged = copied(if file.ends_with("-wal") { killed.path() } else { stopped.path() });
                let damage = Damage { file, at, kind };
                damage.inflict(damaged.path());
                let ran = verify(damaged.path());
                let said = format!("{damage:?}: {:?} {}{}", ran.code, ran.out, ran.err);
                assert!(matches!(ran.code, Some(0..=2)) && !ran.err.contains("panicked"), "{said}");
                if file == "guichet.db" && kind == Kind::CutOff {
                    assert!(ran.code == Some(2) && ran.err.contains("cannot be used"), "{said}");
                }
                if file == "sandbox-acquirer.db" && kind == Kind::CutOff {
                    assert!(ran.code == Some(1) && ran.out.contains("I7."), "{said}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_acquirer_that_lost_its_books_is_noticed_and_a_copy_has_none() {
    guichet::install_cryptography();
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::demo(Path::new(PROGRAM), folder.path(), &[]).await;
    assert_eq!(serving.stop().await.code(), Some(0));
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(elsewhere.path().join("data")).unwrap();
    for name in ["guichet.db", "master.key"] {
        std::fs::copy(folder.path().join("data").join(name), elsewhere.path().join("data").join(name)).unwrap();
    }
    let copy = verify(elsewhere.path());
    assert!(copy.code == Some(0) && copy.out.contains("2 skipped"), "{}{}", copy.out, copy.err);
    std::fs::remove_file(folder.path().join("data/sandbox-acquirer.db")).unwrap();
    let lost = verify(folder.path());
    assert!(lost.code == Some(1) && lost.out.starts_with("I7.b"), "{}{}", lost.out, lost.err);
}

/// A folder whose `data` holds the same files.
fn copied(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(copy.path().join("data")).expect("a folder in it");
    for file in std::fs::read_dir(folder.join("data")).expect("a data directory") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), copy.path().join("data").join(file.file_name())).expect("a copy");
    }
    copy
}
