//! Comma-separated values, read strictly and within bounds.
//!
//! The form is the one this product documents, so what a lenient reader would guess at is refused here: a quote inside a cell, one that is
//! not closed, a control character. A cell never holds a line break, so a line is a line, and its number is what an editor shows.

use std::io::BufRead;

use kernel::RunningHash;

use super::error::{Column, ImportError, Misread};

/// Bytes of one line at most, its end not counted.
const LINE_BYTES_MAX: usize = 4_096;
/// Columns of one line at most.
const COLUMNS_MAX: usize = 16;
/// Lines of one file at most.
pub(super) const LINES_MAX: u32 = 10_000_000;

/// UTF-8's own mark at the beginning of a file, which table programs write.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a file, cut into cells.
pub(super) struct Cells<R> {
    input: R,
    hash: RunningHash,
    number: u32,
    bytes: Vec<u8>,
}

impl<R: BufRead> Cells<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, hash: RunningHash::default(), number: 0, bytes: Vec::new() }
    }

    /// The number of the line that was read last, counted from 1.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// SHA-256 of all lines read so far.
    pub(super) fn hash_so_far(&self) -> [u8; 32] {
        self.hash.so_far()
    }

    /// The cells of the next line that is not empty; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<String>>, ImportError> {
        while self.read_line()? {
            let mut line = self.bytes.as_slice();
            if self.number == 1 {
                line = line.strip_prefix(MARK).unwrap_or(line);
            }
            if !line.is_empty() {
                return Ok(Some(cut(line, self.number)?));
            }
        }
        Ok(None)
    }

    /// Reads one line without its end; `false` at the end of the file.
    fn read_line(&mut self) -> Result<bool, ImportError> {
        self.bytes.clear();
        let mut is_empty = true;
        loop {
            let piece = self.input.fill_buf()?;
            if piece.is_empty() {
                self.number += u32::from(!is_empty);
                break;
            }
            is_empty = false;
            let end = piece.iter().position(|byte| *byte == b'\n');
            let (line, used) = end.map_or((piece, piece.len()), |end| (&piece[..end], end + 1));
            if self.bytes.len() + line.len() > LINE_BYTES_MAX {
                return Err(Misread::line(self.number + 1, format!("it is longer than {LINE_BYTES_MAX} bytes")).into());
            }
            self.bytes.extend_from_slice(line);
            self.hash.update(&piece[..used]);
            self.input.consume(used);
            if end.is_some() {
                self.number += 1;
                break;
            }
        }
        if self.number > LINES_MAX {
            return Err(Misread::line(self.number, format!("a file has at most {LINES_MAX} lines; split it")).into());
        }
        if self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
        }
        Ok(!is_empty)
    }
}

/// Cuts a line at its commas.
fn cut(line: &[u8], number: u32) -> Result<Vec<String>, Misread> {
    let text = std::str::from_utf8(line).map_err(|error| {
        let before = &line[..error.valid_up_to()];
        let position = before.split(|byte| *byte == b',').count();
        Misread::column(number, Column { position, name: None }, "it is not UTF-8; save the file as CSV in UTF-8")
    })?;
    let mut cells = Vec::new();
    let mut rest = Some(text);
    while let Some(text) = rest {
        let at = Column { position: cells.len() + 1, name: None };
        if at.position > COLUMNS_MAX {
            return Err(Misread::line(number, format!("it has more than {COLUMNS_MAX} columns")));
        }
        let wrong = |why: &str| Misread::column(number, at, why);
        let (cell, after) = if let Some(quoted) = text.strip_prefix('"') {
            unquoted(quoted).ok_or_else(|| wrong("a quote is opened and not closed on this line"))?
        } else {
            let end = text.find(',').unwrap_or(text.len());
            if text[..end].contains('"') {
                return Err(wrong("a cell with a quote in it stands in quotes, the quote doubled"));
            }
            (text[..end].to_owned(), &text[end..])
        };
        if cell.chars().any(char::is_control) {
            return Err(wrong("it holds a control character"));
        }
        rest = match after.strip_prefix(',') {
            None if !after.is_empty() => return Err(wrong("something stands after the quotes")),
            next => next,
        };
        cells.push(cell);
    }
    Ok(cells)
}

/// A quoted cell, behind its first quote, and what comes after it.
fn unquoted(mut text: &str) -> Option<(String, &str)> {
    let mut cell = String::new();
    loop {
        let (before, after) = text.split_once('"')?;
        cell.push_str(before);
        match after.strip_prefix('"') {
            Some(further) => {
                cell.push('"');
                text = further;
            }
            None => return Some((cell, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Vec<String>)>, String> {
        let mut cells = Cells::new(bytes);
        let mut lines = Vec::new();
        loop {
            match cells.next() {
                Ok(Some(line)) => lines.push((cells.number(), line)),
                Ok(None) => return Ok(lines),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    #[test]
    fn lines_are_cut_at_commas_whatever_their_ends() {
        let expected = vec![(1, vec!["a".to_owned(), String::new(), "b, \"c\"".to_owned()]), (3, vec!["d".to_owned()])];
        for text in ["a,,\"b, \"\"c\"\"\"\n\nd", "\u{feff}a,,\"b, \"\"c\"\"\"\r\n\r\nd\r\n\r\n"] {
            assert_eq!(all(text.as_bytes()).as_ref(), Ok(&expected), "{text}");
        }
        assert_eq!(all(b""), Ok(vec![]));
    }

    #[test]
    fn what_is_hostile_is_refused_with_its_place() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let wide = ",".repeat(1_000);
        let (open, far) = (format!("a,\"{}", "\n".repeat(10)), "\"".repeat(3_001));
        let table: [(&[u8], &str); 11] = [
            (b"a,b\nc,d\"e\"", "line 2, column 2: a cell with a quote"),
            (b"a,\"b\" ", "line 1, column 2: something stands after the quotes"),
            (b"a,\"b\"\"", "line 1, column 2: a quote is opened and not closed"),
            (open.as_bytes(), "line 1, column 2: a quote is opened and not closed"),
            (far.as_bytes(), "line 1, column 1: a quote is opened and not closed"),
            (b"a\nb,\0", "line 2, column 2: it holds a control character"),
            (b"a\rb", "line 1, column 1: it holds a control character"),
            (b"a,b,\xff\xfe", "line 1, column 3: it is not UTF-8"),
            (b"\xff\xfea\0,\0", "line 1, column 1: it is not UTF-8"),
            (long.as_bytes(), "line 1: it is longer than 4096 bytes"),
            (wide.as_bytes(), "line 1: it has more than 16 columns"),
        ];
        for (bytes, expected) in table {
            let refused = all(bytes).expect_err(expected);
            assert!(refused.starts_with(expected), "{refused}");
        }
    }

    #[test]
    fn a_line_that_never_ends_is_not_read_to_its_end() {
        let endless = std::io::BufReader::new(std::io::repeat(b','));
        assert!(matches!(Cells::new(endless).next(), Err(ImportError::Misread(Misread { line: 1, .. }))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(prop_oneof![
            any::<u8>(), Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r')], 0..200)) {
            drop(all(&bytes));
        }

        #[test]
        fn cells_read_back(line in prop::collection::vec("[^\\p{Cc}]{0,20}", 2..8)) {
            let quoted = line.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect::<Vec<_>>().join(",");
            prop_assert_eq!(all(quoted.as_bytes()), Ok(vec![(1, line)]));
        }
    }
}
