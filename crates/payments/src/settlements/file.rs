//! A settlement file: its header, and what its columns mean.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use kernel::{Currency, Money, Timestamp};
use ledger::recipes::SETTLEMENT_MINOR_MAX;

use super::cells::Cells;
use super::error::{Column, ImportError, Misread};
use super::types::{LineKind, SettledLine};

/// Characters of a name at most.
const NAME_CHARS_MAX: usize = 255;
/// Lines that are matched in one go: those whose names are held in memory while all attempts of the acquirer are looked through.
pub(super) const LINES_MATCHED_AT_ONCE: u32 = 20_000;

/// The columns, in the order in which they are documented.
const NAMES: [&str; 8] =
    ["kind", "attempt_id", "acquirer_reference", "currency", "gross_amount", "cost", "net_amount", "settled_on"];
/// Those of [`NAMES`] of which one is enough.
const NAMING: [usize; 2] = [1, 2];

/// A file that is read line by line.
pub(super) struct SettlementFile<R> {
    cells: Cells<R>,
    /// Where each of [`NAMES`] stands.
    places: [Option<usize>; NAMES.len()],
    columns: usize,
}

/// What the first reading says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Survey {
    /// How many lines there are, the header not counted.
    pub(super) lines: u32,
    /// SHA-256 of the file up to each [`LINES_MATCHED_AT_ONCE`] lines; the last one is that of all of it.
    pub(super) marks: Vec<[u8; 32]>,
    pub(super) currencies: Vec<Currency>,
}

impl Survey {
    /// SHA-256 of the file.
    pub(super) fn hash(&self) -> [u8; 32] {
        self.marks.last().copied().unwrap_or_default()
    }
}

/// Reads all of a file and judges its form.
pub(super) fn survey(input: impl BufRead) -> Result<Survey, ImportError> {
    let mut file = SettlementFile::open(input)?;
    let (mut lines, mut marks) = (0_u32, Vec::new());
    let mut sums: BTreeMap<Currency, [i64; 3]> = BTreeMap::new();
    while let Some(line) = file.next()? {
        let sums = sums.entry(line.currency).or_default();
        for (sum, minor) in sums.iter_mut().zip([line.gross, line.cost, line.net()]) {
            *sum += minor.abs();
            if *sum > SETTLEMENT_MINOR_MAX {
                let why = format!(
                    "the amounts up to here are more than can be booked at once in {}; split the file",
                    line.currency.code()
                );
                return Err(Misread::line(line.number, why).into());
            }
        }
        lines += 1;
        if lines.is_multiple_of(LINES_MATCHED_AT_ONCE) {
            marks.push(file.hash_so_far());
        }
    }
    if lines == 0 {
        return Err(Misread::line(file.cells.number(), "no line follows the header").into());
    }
    marks.push(file.hash_so_far());
    Ok(Survey { lines, marks, currencies: sums.into_keys().collect() })
}

impl<R: BufRead> SettlementFile<R> {
    /// Reads the header.
    pub(super) fn open(input: R) -> Result<Self, ImportError> {
        let mut cells = Cells::new(input);
        let header = cells.next()?.ok_or_else(|| Misread::line(1, "the file is empty; its first line names the columns"))?;
        let number = cells.number();
        if let [one] = header.as_slice()
            && let Some((sign, word)) =
                [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")].into_iter().find(|(sign, _)| one.contains(*sign))
        {
            let why = format!("columns are separated by commas, and this file seems to use {word} (`{sign}`)");
            return Err(Misread::line(number, why).into());
        }
        let mut places = [None; NAMES.len()];
        for (at, name) in header.iter().enumerate() {
            let column = Column { position: at + 1, name: None };
            let known = NAMES.iter().position(|known| known == name);
            let known = known.ok_or_else(|| Misread::column(number, column, format!("the columns are {}", NAMES.join(", "))))?;
            if places[known].replace(at).is_some() {
                return Err(Misread::column(number, Column { name: Some(NAMES[known]), ..column }, "it is there twice").into());
            }
        }
        let is_missing = |at: &usize| places[*at].is_none() && !NAMING.contains(at);
        let missing = (0..NAMES.len()).find(is_missing).map(|at| NAMES[at].to_owned());
        let nameless = NAMING.iter().all(|at| places[*at].is_none()).then(|| NAMING.map(|at| NAMES[at]).join(" or "));
        if let Some(missing) = missing.or(nameless) {
            return Err(
                Misread::line(number, format!("there is no column {missing}; the columns are {}", NAMES.join(", "))).into()
            );
        }
        Ok(Self { cells, places, columns: header.len() })
    }

    /// SHA-256 of all lines read so far.
    pub(super) fn hash_so_far(&self) -> [u8; 32] {
        self.cells.hash_so_far()
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<SettledLine>, ImportError> {
        let Some(cells) = self.cells.next()? else { return Ok(None) };
        let number = self.cells.number();
        if cells.len() != self.columns {
            let why = format!("it has {} columns, and the header has {}", cells.len(), self.columns);
            return Err(Misread::line(number, why).into());
        }
        Ok(Some(Row { cells: &cells, places: &self.places, number }.read()?))
    }
}

/// The cells of one line.
struct Row<'a> {
    cells: &'a [String],
    places: &'a [Option<usize>; NAMES.len()],
    number: u32,
}

impl Row<'_> {
    fn read(&self) -> Result<SettledLine, Misread> {
        let kind = LineKind::parse(self.cell("kind"));
        let kind = kind.ok_or_else(|| self.wrong("kind", "it must be CHARGE, REFUND, CHARGEBACK or FEE"))?;
        let (named, reference) = (self.name("attempt_id")?, self.name("acquirer_reference")?);
        if reference.is_none() && (named.is_none() || kind == LineKind::Fee) {
            let why = if kind == LineKind::Fee {
                "a fee needs the acquirer's reference, so that it counts once"
            } else {
                "a line needs the id of our attempt or the acquirer's reference"
            };
            return Err(self.wrong("acquirer_reference", why));
        }
        let currency = Currency::parse(self.cell("currency"));
        let currency = currency.ok_or_else(|| self.wrong("currency", "it is no currency of ISO 4217, such as EUR"))?;
        let [gross, cost, net] =
            [self.amount("gross_amount", currency)?, self.amount("cost", currency)?, self.amount("net_amount", currency)?];
        if kind == LineKind::Fee && gross != 0 {
            return Err(self.wrong("gross_amount", "it is 0 for a fee, which is a cost and nothing else"));
        }
        if gross - cost != net {
            return Err(self.wrong("net_amount", "it is not gross_amount less cost"));
        }
        let settled_on = day(self.cell("settled_on"));
        let settled_on = settled_on.ok_or_else(|| self.wrong("settled_on", "it is no date like 2026-01-31"))?;
        Ok(SettledLine { number: self.number, kind, named, reference, currency, gross, cost, settled_on })
    }

    fn place(&self, name: &str) -> Option<usize> {
        let known = NAMES.iter().position(|known| *known == name)?;
        self.places[known]
    }

    fn cell(&self, name: &str) -> &str {
        self.place(name).map_or("", |at| &self.cells[at])
    }

    fn wrong(&self, name: &'static str, why: &str) -> Misread {
        match self.place(name) {
            Some(at) => Misread::column(self.number, Column { position: at + 1, name: Some(name) }, why),
            None => Misread::line(self.number, why),
        }
    }

    fn name(&self, name: &'static str) -> Result<Option<Arc<str>>, Misread> {
        let cell = self.cell(name);
        if cell.chars().count() > NAME_CHARS_MAX {
            return Err(self.wrong(name, &format!("it is longer than {NAME_CHARS_MAX} characters")));
        }
        Ok(Some(cell).filter(|cell| !cell.is_empty()).map(Arc::from))
    }

    fn amount(&self, name: &'static str, currency: Currency) -> Result<i64, Misread> {
        let cell = self.cell(name);
        // A plain number only: `1E3` is what a table program makes of one it has misunderstood.
        let plain = cell.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
        let amount = Some(cell).filter(|_| plain).and_then(|text| Money::from_decimal_text(text, currency).ok());
        let amount = amount.ok_or_else(|| {
            let decimals = currency.exponent();
            self.wrong(name, &format!("it is no amount of {} like -12.34, with at most {decimals} decimals", currency.code()))
        })?;
        Ok(amount.minor())
    }
}

/// The beginning of a day.
fn day(text: &str) -> Option<Timestamp> {
    if text.len() == 10 { format!("{text}T00:00:00Z").parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "kind,attempt_id,acquirer_reference,currency,gross_amount,cost,net_amount,settled_on";

    fn read(text: &str) -> Result<Vec<SettledLine>, String> {
        let mut file = SettlementFile::open(text.as_bytes()).map_err(|error| error.to_string())?;
        let mut lines = Vec::new();
        while let Some(line) = file.next().map_err(|error| error.to_string())? {
            lines.push(line);
        }
        Ok(lines)
    }

    #[test]
    fn columns_may_come_in_any_order() {
        let lines = read(
            "net_amount,cost,gross_amount,settled_on,currency,acquirer_reference,kind\n9.7,0.30,10,2026-01-31,EUR,r,CHARGE\n",
        );
        let line = lines.expect("it is right").remove(0);
        assert_eq!((line.gross, line.cost, line.net()), (1_000, 30, 970));
        assert_eq!((line.number, line.kind, line.reference.as_deref(), line.named), (2, LineKind::Charge, Some("r"), None));
        assert_eq!(line.settled_on.to_string(), "2026-01-31T00:00:00.000000Z");
    }

    #[test]
    fn a_header_that_is_not_ours_is_refused_helpfully() {
        for (header, expected) in [
            ("", "line 1: the file is empty"),
            ("kind;currency;cost", "line 1: columns are separated by commas, and this file seems to use semicolons (`;`)"),
            ("kind|currency", "line 1: columns are separated by commas, and this file seems to use bars"),
            ("kind,fee", "line 1, column 2: the columns are kind, attempt_id, "),
            ("kind,kind", "line 1, column 2 (kind): it is there twice"),
            ("kind,attempt_id,currency", "line 1: there is no column gross_amount"),
            (
                "kind,currency,gross_amount,cost,net_amount,settled_on",
                "line 1: there is no column attempt_id or acquirer_reference",
            ),
        ] {
            let refused = read(header).expect_err(header);
            assert!(refused.starts_with(expected), "{refused}");
        }
    }

    #[test]
    fn a_line_that_is_not_right_is_refused_with_its_place() {
        for (line, expected) in [
            ("CHARGE,a,r,EUR,1,0,1", "line 2: it has 7 columns, and the header has 8"),
            ("charge,a,r,EUR,1,0,1,2026-01-31", "line 2, column 1 (kind): "),
            ("CHARGE,,,EUR,1,0,1,2026-01-31", "line 2, column 3 (acquirer_reference): "),
            ("FEE,a,,EUR,0,1,-1,2026-01-31", "line 2, column 3 (acquirer_reference): a fee"),
            ("FEE,,r,EUR,1,0,1,2026-01-31", "line 2, column 5 (gross_amount): it is 0 for a fee"),
            ("CHARGE,a,r,EURO,1,0,1,2026-01-31", "line 2, column 4 (currency): "),
            ("CHARGE,a,r,EUR,1.001,0,1,2026-01-31", "line 2, column 5 (gross_amount): "),
            ("CHARGE,a,r,JPY,1.0,0,1,2026-01-31", "line 2, column 5 (gross_amount): "),
            ("CHARGE,a,r,EUR,\"1,00\",0,1,2026-01-31", "line 2, column 5 (gross_amount): "),
            ("CHARGE,a,r,EUR,=1+1,0,2,2026-01-31", "line 2, column 5 (gross_amount): "),
            ("CHARGE,a,r,EUR,1E2,0,100,2026-01-31", "line 2, column 5 (gross_amount): "),
            ("CHARGE,a,r,EUR,99999999999999999999,0,1,2026-01-31", "line 2, column 5 (gross_amount): "),
            ("CHARGE,a,r,EUR,1,,1,2026-01-31", "line 2, column 6 (cost): "),
            ("CHARGE,a,r,EUR,1,0.1,1,2026-01-31", "line 2, column 7 (net_amount): it is not gross_amount less cost"),
            ("CHARGE,a,r,EUR,1,0,1,31.01.2026", "line 2, column 8 (settled_on): "),
            ("CHARGE,a,r,EUR,1,0,1,2026-02-30", "line 2, column 8 (settled_on): "),
        ] {
            let refused = read(&format!("{HEADER}\n{line}\n")).expect_err(line);
            assert!(refused.starts_with(expected), "{line}: {refused}");
        }
        let long = format!("{HEADER}\nCHARGE,{},r,EUR,1,0,1,2026-01-31", "é".repeat(256));
        assert!(read(&long).expect_err("too long").starts_with("line 2, column 2 (attempt_id): it is longer than 255"));
    }

    #[test]
    fn a_survey_counts_lines_and_bounds_sums() {
        let line = "CHARGE,a,r,EUR,10000000000,0,10000000000,2026-01-31\n";
        let survey_of = |count: usize| survey(format!("{HEADER}\n{}", line.repeat(count)).as_bytes());
        let most = survey_of(100).expect("within bounds");
        assert_eq!((most.lines, most.currencies.as_slice(), most.marks.len()), (100, &[Currency::EUR][..], 1));
        assert_ne!(most.hash(), survey_of(99).expect("within bounds").hash());
        let refused = survey_of(101).expect_err("too much").to_string();
        assert!(refused.starts_with("line 102: ") && refused.contains("split the file"), "{refused}");
        assert!(survey(format!("{HEADER}\n\n").as_bytes()).expect_err("no lines").to_string().contains("no line follows"));
    }
}
