//! Splits Rust source into code, comments and strings: just enough of a lexer that a word in a string is not taken for
//! code and a quote in a comment not for the beginning of a string.

/// What a piece is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Everything that is not one of the others; character literals too.
    Code,
    /// With its slashes.
    Comment,
    /// Without its quotes.
    Text,
}

/// A run of characters of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Its kind.
    pub kind: Kind,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its characters.
    pub text: String,
}

/// The pieces of a source in their order.
pub fn split(source: &str) -> Vec<Piece> {
    let mut splitter = Splitter { characters: source.chars().collect(), at: 0, line: 1, pieces: Vec::new() };
    splitter.run();
    splitter.pieces
}

struct Splitter {
    characters: Vec<char>,
    at: usize,
    line: usize,
    pieces: Vec<Piece>,
}

impl Splitter {
    fn run(&mut self) {
        while let Some(current) = self.peek(0) {
            match (current, self.peek(1)) {
                ('/', Some('/')) => self.take(Kind::Comment, |rest| rest.iter().position(|&c| c == '\n').unwrap_or(rest.len())),
                ('/', Some('*')) => self.take(Kind::Comment, block_comment),
                ('"', _) => {
                    self.take(Kind::Code, |_| 1);
                    self.take(Kind::Text, quoted);
                    self.take(Kind::Code, |_| 1);
                }
                ('r', Some('"' | '#')) if !self.after_word() && raw_hashes(&self.characters[self.at..]).is_some() => {
                    let hashes = raw_hashes(&self.characters[self.at..]).unwrap_or_default();
                    self.take(Kind::Code, |_| hashes + 2);
                    self.take(Kind::Text, |rest| raw_text(rest, hashes));
                    self.take(Kind::Code, |_| hashes + 1);
                }
                ('\'', _) => self.take(Kind::Code, character_or_lifetime),
                _ => self.take(Kind::Code, |_| 1),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    /// An `r` inside a word begins no raw string; in `br"…"` it does.
    fn after_word(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.characters[at]);
        before.is_some_and(|c| c.is_alphanumeric() || c == '_') && before != Some('b') && before != Some('c')
    }

    /// Takes as many characters as `length` says of the rest, and joins them to a neighbour of the same kind.
    fn take(&mut self, kind: Kind, length: impl Fn(&[char]) -> usize) {
        let rest = &self.characters[self.at..];
        let text: String = rest[..length(rest).min(rest.len())].iter().collect();
        let line = self.line;
        self.at += text.chars().count();
        self.line += text.matches('\n').count();
        match self.pieces.last_mut() {
            Some(last) if last.kind == kind && kind == Kind::Code => last.text.push_str(&text),
            _ => self.pieces.push(Piece { kind, line, text }),
        }
    }
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[char]) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at
}

/// How many `#` follow the `r` of a raw string; `None` when it is none, as in `r#type`.
fn raw_hashes(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    (rest.get(hashes + 1) == Some(&'"')).then_some(hashes)
}

fn raw_text(rest: &[char], hashes: usize) -> usize {
    let ends = |at: &usize| rest[*at] == '"' && rest[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
    (0..rest.len()).find(ends).unwrap_or(rest.len())
}

/// `'a'` and `'\''` are literals, `'a` is a lifetime.
fn character_or_lifetime(rest: &[char]) -> usize {
    match (rest.get(1), rest.get(2)) {
        (Some('\\'), _) => rest.iter().skip(3).position(|&c| c == '\'').map_or(rest.len(), |end| end + 4),
        (Some(_), Some('\'')) => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str, kind: Kind) -> Vec<String> {
        split(source).into_iter().filter(|piece| piece.kind == kind).map(|piece| piece.text).collect()
    }

    #[test]
    fn quotes_in_comments_and_slashes_in_strings_begin_nothing() {
        let source = "let a = \"// no comment\"; // a \"comment\"\nlet b = '\"'; /* one /* two */ \"x\" */ let c = \"\\\"y\";";
        assert_eq!(texts(source, Kind::Text), ["// no comment", "\\\"y"]);
        assert_eq!(texts(source, Kind::Comment), ["// a \"comment\"", "/* one /* two */ \"x\" */"]);
    }

    #[test]
    fn raw_strings_end_at_their_own_mark() {
        let source = "let a = r#\"one \"two\" three\"#; let r#type = b'\\''; let b = br\"four\"; for\"five\";";
        assert_eq!(texts(source, Kind::Text), ["one \"two\" three", "four", "five"]);
    }

    #[test]
    fn lifetimes_are_no_literals() {
        let source = "fn f<'a>(x: &'a str, c: char) -> &'a str { if c == 'x' || c == '\\u{1F600}' { x } else { \"t\" } }";
        assert_eq!(texts(source, Kind::Text), ["t"]);
    }

    #[test]
    fn lines_are_counted() {
        let pieces = split("a\nb // c\n\"d\ne\" // f");
        let lines: Vec<usize> = pieces.iter().filter(|piece| piece.kind != Kind::Code).map(|piece| piece.line).collect();
        assert_eq!(lines, [2, 3, 4]);
    }
}
