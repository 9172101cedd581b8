//! Tables as comma-separated values (RFC 4180): a header, lines that end with CR LF, quotes where they are needed.
//!
//! Programs that open such files take some texts for formulas. What others wrote is kept from that by an apostrophe before it. Some of
//! them part cells at semicolons or tabs, so texts with those have quotes too.

use std::fmt::Write as _;

use kernel::time::TIMESTAMP_TEXT_CHARS;
use kernel::{Id, Money, Timestamp};

/// Characters with which a text begins that a table program would compute, also in full width (OWASP, "CSV Injection").
const FORMULA_STARTS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// Characters that some of them take for the end of a cell, or of a line.
const CELL_ENDS: [char; 3] = ['\t', '\r', '\n'];

/// A table that grows line by line.
#[derive(Default)]
pub(super) struct Table(String);

/// A line of it, ended when it goes.
pub(super) struct Line<'t> {
    table: &'t mut Table,
    is_first: bool,
}

impl Table {
    /// The names of the columns.
    pub(super) fn header(&mut self, names: &[&'static str]) {
        let mut line = self.line();
        for name in names {
            line.word(name);
        }
    }

    /// A new line.
    pub(super) fn line(&mut self) -> Line<'_> {
        Line { table: self, is_first: true }
    }

    /// What there is of it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.table.0.push_str("\r\n");
    }
}

impl Line<'_> {
    fn next(&mut self) -> &mut String {
        if !self.is_first {
            self.table.0.push(',');
        }
        self.is_first = false;
        &mut self.table.0
    }

    /// A word of ours: letters, digits, underscores.
    pub(super) fn word(&mut self, word: &str) {
        self.next().push_str(word);
    }

    /// An id.
    pub(super) fn id<K>(&mut self, id: Id<K>) {
        write!(self.next(), "{id}").expect("a text takes everything");
    }

    /// A time.
    pub(super) fn time(&mut self, time: Timestamp) {
        self.next().push_str(time.encode(&mut [0; TIMESTAMP_TEXT_CHARS]));
    }

    /// An amount in major units, exactly, with all decimals of its currency.
    pub(super) fn money(&mut self, money: Money) {
        money.push_full_decimal_text(self.next());
    }

    /// What others wrote; nothing where they wrote nothing.
    pub(super) fn text(&mut self, text: Option<&str>) {
        let out = self.next();
        let text = text.unwrap_or_default();
        let guard = if is_computed(text) { "'" } else { "" };
        if !text.contains(['"', ',', ';']) && !text.contains(CELL_ENDS) {
            out.push_str(guard);
            out.push_str(text);
            return;
        }
        out.push('"');
        out.push_str(guard);
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    }
}

/// Whether a table program might compute it. Most of them pass over blanks before it.
fn is_computed(text: &str) -> bool {
    let seen = text.trim_start();
    text.starts_with(CELL_ENDS) || seen.starts_with(FORMULA_STARTS) && !is_number(seen)
}

/// A plain number with a sign is one, and nothing else.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, decimals].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use kernel::Currency;
    use proptest::prelude::*;

    use super::*;

    fn cell(text: &str) -> String {
        let mut table = Table::default();
        table.line().text(Some(text));
        String::from_utf8(table.into_bytes()).expect("text").strip_suffix("\r\n").expect("an end of the line").to_owned()
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_never_computed() {
        for (text, expected) in [
            ("", ""),
            ("two chairs", "two chairs"),
            ("a,b", "\"a,b\""),
            ("say \"yes\"", "\"say \"\"yes\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+33612345678", "+33612345678"),
            ("-12.50", "-12.50"),
            ("-12.50-1", "'-12.50-1"),
            ("-", "'-"),
            ("-.5", "'-.5"),
            ("+1e5", "'+1e5"),
            ("\tx", "\"'\tx\""),
            ("\rx", "\"'\rx\""),
            ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            ("a=1", "a=1"),
            ("ok;=1+1", "\"ok;=1+1\""),
            ("=1;2", "\"'=1;2\""),
            ("a\tb", "\"a\tb\""),
            ("  =1+1", "'  =1+1"),
            ("\u{a0}\u{a0}@SUM(A1)", "'\u{a0}\u{a0}@SUM(A1)"),
            (" \r\n=1+1", "\"' \r\n=1+1\""),
            ("＝1+1", "'＝1+1"),
            (" ＠a", "' ＠a"),
            ("－1", "'－1"),
            ("  -12.50", "  -12.50"),
            ("  two chairs", "  two chairs"),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_has_its_cells_in_order() {
        let mut table = Table::default();
        table.header(&["a", "b", "c"]);
        let mut line = table.line();
        line.word("X");
        line.text(None);
        line.money(Money::new(-50, Currency::EUR));
        drop(line);
        assert_eq!(table.into_bytes(), b"a,b,c\r\nX,,-0.50\r\n");
    }

    /// One line taken apart as RFC 4180 says.
    fn cells(line: &str) -> Vec<String> {
        let (mut cells, mut quoted, mut chars) = (vec![String::new()], false, line.chars().peekable());
        while let Some(char) = chars.next() {
            let cell = cells.last_mut().expect("one at least");
            match char {
                '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                other => cell.push(other),
            }
        }
        assert!(!quoted);
        cells
    }

    proptest! {
        #[test]
        fn every_text_comes_back(texts in proptest::collection::vec("[-=+@＝＋－＠\"',; \u{a0}\r\n\ta-c1.é]{0,8}", 1..5)) {
            let mut table = Table::default();
            let mut line = table.line();
            for text in &texts {
                line.text(Some(text));
            }
            drop(line);
            let whole = String::from_utf8(table.into_bytes()).expect("text");
            let back = cells(whole.strip_suffix("\r\n").expect("an end"));
            prop_assert_eq!(back.len(), texts.len());
            for (back, text) in back.iter().zip(&texts) {
                prop_assert!(back == text || back.strip_prefix('\'') == Some(text), "{:?} {:?}", back, text);
                prop_assert!(!is_computed(back), "{:?}", back);
            }
        }
    }
}
