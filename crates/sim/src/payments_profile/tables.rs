//! Comma-separated values (RFC 4180), read back by somebody who did not write them.

use std::collections::BTreeMap;

/// The lines of a table below its header, by the names of their columns; `None` when it is none.
pub(super) fn read(text: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let mut lines = lines(text)?.into_iter();
    let names = lines.next()?;
    lines.map(|line| (line.len() == names.len()).then(|| names.iter().cloned().zip(line).collect())).collect()
}

fn lines(text: &str) -> Option<Vec<Vec<String>>> {
    let (mut lines, mut line, mut left) = (Vec::new(), Vec::new(), text);
    while !left.is_empty() {
        let (cell, rest) = cell(left)?;
        line.push(cell);
        left = if let Some(next) = rest.strip_prefix(',') {
            next
        } else {
            lines.push(std::mem::take(&mut line));
            rest.strip_prefix("\r\n")?
        };
    }
    line.is_empty().then_some(lines)
}

/// The first cell, and what follows it.
fn cell(text: &str) -> Option<(String, &str)> {
    let Some(mut quoted) = text.strip_prefix('"') else {
        let end = text.find([',', '\r', '\n'])?;
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut cell = String::new();
    loop {
        let end = quoted.find('"')?;
        cell.push_str(&quoted[..end]);
        quoted = &quoted[end + 1..];
        match quoted.strip_prefix('"') {
            Some(next) => {
                cell.push('"');
                quoted = next;
            }
            None => return Some((cell, quoted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn cells_are_read_as_they_were_written_and_a_broken_table_is_none() {
        let table = read("id,text\r\n1,\"a \"\"b\"\",\r\nc\"\r\n2,\r\n").expect("a table");
        let texts: Vec<&str> = table.iter().map(|line| line["text"].as_str()).collect();
        assert_eq!(texts, ["a \"b\",\r\nc", ""]);
        for broken in ["", "id\r\n1,2\r\n", "id\r\n1", "id\r\n\"1\r\n"] {
            assert_eq!(read(broken), None, "{broken:?}");
        }
    }
}
