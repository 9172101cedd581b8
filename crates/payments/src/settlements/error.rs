//! Why a file is not imported.

use std::fmt;
use std::io;

use db::Fault;
use ledger::PostRefusal;
use thiserror::Error;

/// A column of a line, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Where it stands.
    pub position: usize,
    /// What it holds, once the header is read.
    pub name: Option<&'static str>,
}

/// What is wrong with the form of a file, and where. Never holds anything of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// The line, counted from 1.
    pub line: u32,
    /// The column, where it is one column's fault.
    pub column: Option<Column>,
    /// What is wrong.
    pub why: String,
}

impl Misread {
    pub(super) fn line(line: u32, why: impl Into<String>) -> Self {
        Self { line, column: None, why: why.into() }
    }

    pub(super) fn column(line: u32, column: Column, why: impl Into<String>) -> Self {
        Self { line, column: Some(column), why: why.into() }
    }
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(Column { position, name }) = self.column {
            write!(f, ", column {position}")?;
            if let Some(name) = name {
                write!(f, " ({name})")?;
            }
        }
        write!(f, ": {}", self.why)
    }
}

/// Why an import ended before its file was booked.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file has not the form of a settlement. Nothing of it was taken.
    #[error("{0}")]
    Misread(Misread),
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file was changed between its two readings.
    #[error("the file changed while it was read")]
    Changed,
    /// The ledger cannot take it.
    #[error("{0}")]
    Refused(#[from] PostRefusal),
    /// The store failed.
    #[error("{0}")]
    Fault(#[from] Fault),
}

impl From<Misread> for ImportError {
    fn from(misread: Misread) -> Self {
        Self::Misread(misread)
    }
}
