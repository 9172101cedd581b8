//! The import of a file, step by step. Each step is one commit, so whatever dies between two of them is found as it was left.

use std::collections::VecDeque;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use db::Store;
use kernel::SettlementId;

use super::commands::{Book, BookRefusal, Entry, Moved, Open, Take};
use super::error::ImportError;
use super::file::{LINES_MATCHED_AT_ONCE, SettlementFile, Survey, survey};
use super::queries;
use super::rows::{SettlementRow, SettlementTotalRow};
use super::rules::settlement_id;
use super::types::SettledLine;
use crate::types::Connector;

/// Lines that one command takes: few, so that a server beside it is not kept waiting.
const LINES_PER_COMMAND: usize = 250;
/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// Imports settlements.
#[derive(Clone)]
pub struct Settlements {
    store: Arc<Store>,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Lines taken.
    pub lines: u32,
    /// Lines of the file.
    pub of: u32,
}

/// What a file has become.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The file.
    pub settlement: SettlementRow,
    /// Its sums, one per currency.
    pub totals: Vec<SettlementTotalRow>,
    /// It had been imported before; nothing was changed.
    pub before: bool,
}

/// What a step did.
#[derive(Clone, Debug)]
pub enum Step {
    /// It took some lines.
    Took(Progress),
    /// There is nothing left to do.
    Done(Box<Imported>),
}

/// An import under way.
pub struct Import<F: Read + Seek> {
    store: Arc<Store>,
    connector: Connector,
    id: SettlementId,
    survey: Survey,
    file: SettlementFile<BufReader<F>>,
    /// Of the survey's marks: the next one to be compared.
    mark: usize,
    /// Looked up and not taken yet.
    entries: VecDeque<Entry>,
    /// The line taken last.
    through: u32,
    /// Lines read so far, those that were taken earlier too.
    read: u32,
    before: bool,
}

impl Settlements {
    /// Settlements of the platform's store.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Reads a file to its end and, if its form is right, begins its import or goes on with it.
    ///
    /// # Errors
    /// [`ImportError`]; with [`ImportError::Misread`] nothing was written.
    pub async fn begin<F: Read + Seek>(&self, connector: Connector, file_name: &str, file: F) -> Result<Import<F>, ImportError> {
        let mut input = BufReader::with_capacity(READ_BYTES, file);
        let survey = survey(&mut input)?;
        input.seek(SeekFrom::Start(0))?;
        let file = SettlementFile::open(input)?;
        let id = settlement_id(connector, &survey.hash());
        let open = Open { id, connector, file_name: file_name.into(), file_lines: survey.lines };
        let Ok(row) = self.store.writer().run(open).await?;
        Ok(Import {
            store: self.store.clone(),
            connector,
            id,
            survey,
            file,
            mark: 0,
            entries: VecDeque::new(),
            through: row.through,
            read: 0,
            before: row.booked_at.is_some(),
        })
    }
}

impl<F: Read + Seek> Import<F> {
    /// The settlement that the file is.
    pub fn id(&self) -> SettlementId {
        self.id
    }

    /// Takes the next lines, or books what was matched once all are taken.
    ///
    /// # Errors
    /// [`ImportError`]; the same file goes on where this ended.
    pub async fn step(&mut self) -> Result<Step, ImportError> {
        while self.entries.is_empty() && !self.before && self.mark < self.survey.marks.len() {
            self.look_up().await?;
        }
        if self.entries.is_empty() { self.book().await } else { self.take().await }
    }

    /// Reads lines up to the next mark and looks up what they name.
    async fn look_up(&mut self) -> Result<(), ImportError> {
        let mut lines: Vec<SettledLine> = Vec::new();
        for _ in 0..LINES_MATCHED_AT_ONCE {
            let Some(line) = self.file.next().map_err(changed)? else { break };
            self.read += 1;
            if line.number > self.through {
                lines.push(line);
            }
        }
        if self.survey.marks.get(self.mark) != Some(&self.file.hash_so_far()) {
            return Err(ImportError::Changed);
        }
        self.mark += 1;
        if !lines.is_empty() {
            let snapshot = self.store.snapshot().await?;
            self.entries = queries::look_up(&snapshot, self.connector, lines).await?.into();
        }
        Ok(())
    }

    async fn take(&mut self) -> Result<Step, ImportError> {
        let entries: Vec<Entry> = self.entries.iter().take(LINES_PER_COMMAND).cloned().collect();
        let take = Take { id: self.id, connector: self.connector, after: self.through, entries };
        self.through = match self.store.writer().run(take).await? {
            Ok(through) | Err(Moved(through)) => through,
        };
        let through = self.through;
        self.entries.retain(|entry| entry.line.number > through);
        let left = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        Ok(Step::Took(Progress { lines: self.read.saturating_sub(left), of: self.survey.lines }))
    }

    async fn book(&mut self) -> Result<Step, ImportError> {
        let book = Book { id: self.id, connector: self.connector, currencies: self.survey.currencies.clone() };
        match self.store.writer().run(book).await? {
            Ok((settlement, totals)) => Ok(Step::Done(Box::new(Imported { settlement, totals, before: self.before }))),
            Err(BookRefusal::Ledger(refusal)) => Err(refusal.into()),
            // The lines are all read and none is left: it is not the file that was surveyed.
            Err(BookRefusal::Unfinished(_)) => Err(ImportError::Changed),
        }
    }
}

/// The form was right when the file was surveyed.
fn changed(error: ImportError) -> ImportError {
    match error {
        ImportError::Misread(_) => ImportError::Changed,
        other => other,
    }
}
