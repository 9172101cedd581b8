//! What went wrong, why, and what to do: the one form in which a command tells a person that it cannot go on.

use std::fmt;

use db::{DatabaseUrl, Fault};

/// The command ran and its answer is no: `verify` found damage, `doctor` found a fault, a named key does not exist.
pub const EXIT_NO: u8 = 1;

/// The command could not run: wrong options, no database, an address in use.
pub const EXIT_COULD_NOT_RUN: u8 = 2;

/// A failure told to a person. It never holds a secret: texts of drivers and files are chosen, not passed through blindly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    what: String,
    why: Option<String>,
    remedy: Option<String>,
    code: u8,
}

impl Trouble {
    /// A failure that kept the command from running, said in one sentence without a full stop.
    pub fn new(what: impl Into<String>) -> Trouble {
        Trouble { what: what.into(), why: None, remedy: None, code: EXIT_COULD_NOT_RUN }
    }

    /// The cause, in one sentence.
    #[must_use]
    pub fn because(mut self, why: impl fmt::Display) -> Trouble {
        self.why = Some(why.to_string());
        self
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Trouble {
        self.remedy = Some(remedy.into());
        self
    }

    /// The command did run, and this is its answer.
    #[must_use]
    pub fn as_answer(mut self) -> Trouble {
        self.code = EXIT_NO;
        self
    }

    /// What a store's fault means to the person who started the command.
    pub fn of_store(fault: &Fault, database: &DatabaseUrl) -> Trouble {
        let trouble = Trouble::new(format!("the database {database} cannot be used")).because(fault);
        match fault {
            Fault::Schema(_) => trouble.remedy("run `guichet migrate` with the same settings, after a `guichet backup`"),
            Fault::OtherVersion => trouble.remedy("start that version, or restore the backup that was made before it migrated"),
            Fault::Unavailable(_) if database.sqlite_path().is_some_and(|path| !path.exists()) => {
                trouble.remedy("run `guichet migrate` to make it, or check that --data-dir and --database name the right place")
            }
            Fault::Unavailable(_) => trouble.remedy("check that it runs and that --data-dir and --database name the right place"),
            Fault::InUse => trouble.remedy("stop that one, or name another --data-dir"),
            Fault::Damaged(_) => {
                trouble.remedy("keep its files as they are and restore a backup: docs/operations.md, A damaged database")
            }
            Fault::Address(_) => trouble.remedy("correct --database; `guichet doctor` shows what is configured"),
            Fault::Busy | Fault::Closing | Fault::Fenced => trouble.remedy("try again"),
            Fault::Corrupt(_) | Fault::Failed(_) => {
                trouble.remedy("run `guichet verify`; if it finds nothing, this is a defect of guichet")
            }
        }
    }

    /// The exit code of the process.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "guichet: {}.", self.what.trim_end_matches('.'))?;
        if let Some(why) = &self.why {
            write!(f, "\n  Why: {}.", why.trim_end_matches('.'))?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  Do:  {}.", remedy.trim_end_matches('.'))?;
        }
        Ok(())
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_why_and_what_to_do() {
        let trouble = Trouble::new("cannot listen on 127.0.0.1:80")
            .because("permission denied")
            .remedy("give a port above 1023 with --listen");
        assert_eq!(
            trouble.to_string(),
            "guichet: cannot listen on 127.0.0.1:80.\n  Why: permission denied.\n  Do:  give a port above 1023 with --listen."
        );
        assert_eq!((trouble.code(), trouble.as_answer().code()), (2, 1));
    }
}
