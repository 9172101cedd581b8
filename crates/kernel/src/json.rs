//! Reading JSON exactly.
//!
//! Bodies carry money, so numbers stay the text that was sent, strings are checked down to the surrogate, and what two readers
//! could understand differently (a member named twice) is refused. One pass, nothing copied but strings with escapes. Grammar:
//! RFC 8259; limits: the payments specification, section 2.0.

use std::borrow::Cow;

/// Deepest nesting of lists and objects.
pub const DEPTH_MAX: usize = 32;
/// Most members and list items of one document, all levels together.
pub const MEMBERS_MAX: usize = 2_000;
/// Room that an object begins with.
const USUAL_MEMBERS: usize = 8;
/// Objects up to this size are searched for twins by comparing all pairs; larger ones are sorted.
const PAIRWISE_MAX: usize = 16;

/// One value and the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Value<'a> {
    /// What it is.
    pub node: Node<'a>,
    /// Exactly what was sent, without surrounding blanks.
    pub raw: &'a str,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was written; it follows the grammar, no more is known of it.
    Number(&'a str),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Value<'a>>),
    /// An object; no name occurs twice.
    Object(Members<'a>),
}

/// The members of an object in the order they were sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Members<'a> {
    /// The value of a member, or nothing when it is absent.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    fn twin(&self) -> bool {
        if self.0.len() <= PAIRWISE_MAX {
            return self.0.iter().enumerate().any(|(at, (name, _))| self.0[..at].iter().any(|(earlier, _)| earlier == name));
        }
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// Why a document was refused: words for the caller, who learns the place but never sees his text repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// Where, in bytes from the beginning.
    pub at: usize,
}

/// Reads one document.
///
/// # Errors
/// [`Malformed`] for anything RFC 8259 does not allow, invalid UTF-8, a member named twice, or more than [`DEPTH_MAX`] levels or
/// [`MEMBERS_MAX`] members.
pub fn read(bytes: &[u8]) -> Result<Value<'_>, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|error| Malformed { what: "invalid UTF-8", at: error.valid_up_to() })?;
    let mut parser = Parser { text, at: 0, depth: 0, room: MEMBERS_MAX };
    parser.blanks();
    let value = parser.value()?;
    parser.blanks();
    if parser.at < text.len() {
        return Err(parser.wrong("something follows the value"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    room: usize,
}

impl<'a> Parser<'a> {
    fn wrong(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over `byte` and the blanks behind it, if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
            self.blanks();
        }
        found
    }

    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        let start = self.at;
        let node = match self.peek() {
            Some(b'"') => Node::Text(self.string()?),
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Node::Bool(true))?,
            Some(b'f') => self.word("false", Node::Bool(false))?,
            Some(b'n') => self.word("null", Node::Null)?,
            _ => return Err(self.wrong("a value is expected")),
        };
        Ok(Value { node, raw: &self.text[start..self.at] })
    }

    fn word(&mut self, word: &str, node: Node<'a>) -> Result<Node<'a>, Malformed> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.wrong("a value is expected"));
        }
        self.at += word.len();
        Ok(node)
    }

    fn nested(&mut self, inside: fn(&mut Self) -> Result<Node<'a>, Malformed>) -> Result<Node<'a>, Malformed> {
        if self.depth == DEPTH_MAX {
            return Err(self.wrong("nested too deeply"));
        }
        self.depth += 1;
        self.at += 1;
        self.blanks();
        let node = inside(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn count(&mut self) -> Result<(), Malformed> {
        self.room = self.room.checked_sub(1).ok_or_else(|| self.wrong("too many members"))?;
        Ok(())
    }

    fn list(&mut self) -> Result<Node<'a>, Malformed> {
        let mut items = Vec::new();
        if !self.close(b']') {
            loop {
                self.count()?;
                items.push(self.value()?);
                self.blanks();
                if self.close(b']') {
                    break;
                }
                if !self.eat(b',') {
                    return Err(self.wrong("a comma or the end of the list is expected"));
                }
            }
        }
        Ok(Node::List(items))
    }

    fn object(&mut self) -> Result<Node<'a>, Malformed> {
        let start = self.at;
        let mut members = Members::default();
        if !self.close(b'}') {
            members.0.reserve(USUAL_MEMBERS);
            loop {
                self.count()?;
                if self.peek() != Some(b'"') {
                    return Err(self.wrong("a member's name is expected"));
                }
                let name = self.string()?;
                self.blanks();
                if !self.eat(b':') {
                    return Err(self.wrong("a colon is expected"));
                }
                let value = self.value()?;
                members.0.push((name, value));
                self.blanks();
                if self.close(b'}') {
                    break;
                }
                if !self.eat(b',') {
                    return Err(self.wrong("a comma or the end of the object is expected"));
                }
            }
        }
        if members.twin() {
            return Err(Malformed { what: "a member is named twice in the object", at: start });
        }
        Ok(Node::Object(members))
    }

    /// Steps over a closing bracket, but not over what follows it: `raw` ends with the bracket.
    fn close(&mut self, bracket: u8) -> bool {
        let found = self.peek() == Some(bracket);
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("a digit is expected")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Node<'a>, Malformed> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        if let Some(b'0'..=b'9') = self.peek() {
            return Err(self.wrong("a number has no leading zero"));
        }
        Ok(Node::Number(&self.text[start..self.at]))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.at += 1;
        let mut run = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(&self.text[run..self.at]);
                    let escaped = self.escape()?;
                    unescaped.get_or_insert_default().push(escaped);
                    run = self.at;
                }
                Some(0..=0x1f) => return Err(self.wrong("a control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.wrong("the end of a string is missing")),
            }
        }
        let rest = &self.text[run..self.at];
        self.at += 1;
        Ok(match unescaped {
            None => Cow::Borrowed(rest),
            Some(text) => Cow::Owned(text + rest),
        })
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        self.at += 1;
        let simple = match self.peek() {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.wrong("an unknown escape in a string")),
        };
        self.at += 1;
        Ok(simple)
    }

    /// `\uXXXX`, or two of them where the first is the high half of a pair.
    fn unicode(&mut self) -> Result<char, Malformed> {
        let high = self.four_hex()?;
        let code = match high {
            0xd800..=0xdbff => {
                if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    return Err(self.wrong("half a surrogate pair"));
                }
                self.at += 1;
                let low = self.four_hex()?;
                if !(0xdc00..=0xdfff).contains(&low) {
                    return Err(self.wrong("half a surrogate pair"));
                }
                0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.wrong("half a surrogate pair"))
    }

    /// The four digits behind a `u`, on which the parser stands.
    fn four_hex(&mut self) -> Result<u32, Malformed> {
        let digits = self
            .text
            .as_bytes()
            .get(self.at + 1..self.at + 5)
            .ok_or_else(|| self.wrong("four hexadecimal digits are expected"))?;
        let mut code = 0;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or_else(|| self.wrong("four hexadecimal digits are expected"))?;
            code = code * 16 + digit;
        }
        self.at += 5;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn why(text: &str) -> &'static str {
        read(text.as_bytes()).map_or_else(|malformed| malformed.what, |_| "nothing")
    }

    #[test]
    fn numbers_stay_text() {
        for text in ["0", "-0", "1e400", "19.990", "1E+2", "123456789012345678901234567890"] {
            assert_eq!(read(text.as_bytes()).map(|value| value.node), Ok(Node::Number(text)));
        }
    }

    #[test]
    fn raw_text_is_what_was_sent() {
        let value = read(br#" { "a" : [ 1 , {"b":"\u00e9"} ] , "c":null } "#).expect("valid");
        let Node::Object(members) = value.node else { panic!("an object") };
        assert_eq!(members.get("a").map(|value| value.raw), Some(r#"[ 1 , {"b":"\u00e9"} ]"#));
        assert_eq!(members.get("c").map(|value| value.raw), Some("null"));
        assert!(members.get("b").is_none());
    }

    #[test]
    fn strings_are_unescaped_to_the_surrogate() {
        assert_eq!(read(br#""\ud83c\udfab\n\/""#).map(|value| value.node), Ok(Node::Text("🎫\n/".into())));
        for text in [r#""\ud83c""#, r#""\udfab""#, r#""\ud83c\u0041""#, r#""\ud83cx""#] {
            assert_eq!(why(text), "half a surrogate pair", "{text}");
        }
        assert_eq!(why("\"a\u{1}\""), "a control character in a string");
        assert_eq!(why(r#""\x""#), "an unknown escape in a string");
        assert_eq!(why(r#""\u12"#), "four hexadecimal digits are expected");
    }

    #[test]
    fn twins_are_refused_however_they_are_spelled() {
        assert_eq!(why(r#"{"a":1,"\u0061":2}"#), "a member is named twice in the object");
        let many = |last: &str| (0..40).map(|n| format!("m{n}")).chain([last.to_owned()]).collect::<Vec<_>>().join("\":0,\"");
        assert_eq!(why(&format!("{{\"{}\":0}}", many("m7"))), "a member is named twice in the object");
        assert_eq!(why(&format!("{{\"{}\":0}}", many("n"))), "nothing");
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(why(&nested(DEPTH_MAX)), "nothing");
        assert_eq!(why(&nested(DEPTH_MAX + 1)), "nested too deeply");
        assert_eq!(why(&nested(100_000)), "nested too deeply");
        let long = |items: usize| format!("[{}0]", "0,".repeat(items - 1));
        assert_eq!(why(&long(MEMBERS_MAX)), "nothing");
        assert_eq!(why(&long(MEMBERS_MAX + 1)), "too many members");
    }

    #[test]
    fn broken_documents_are_refused() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "\"",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "[1 2]",
            "{a:1}",
            "nul",
            "truex",
            "NaN",
            "Infinity",
            "+1",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "{} {}",
            "'a'",
            "\u{feff}{}",
            "-01",
            "00",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(read(b"\"\xff\"").map_err(|malformed| malformed.what), Err("invalid UTF-8"));
    }

    /// Our reading in the words of the reference implementation.
    fn as_reference(value: &Value<'_>) -> serde_json::Value {
        match &value.node {
            Node::Null => serde_json::Value::Null,
            Node::Bool(is) => (*is).into(),
            Node::Number(text) => serde_json::from_str(text).expect("a number"),
            Node::Text(text) => text.as_ref().into(),
            Node::List(items) => items.iter().map(as_reference).collect(),
            Node::Object(members) => {
                serde_json::Value::Object(members.iter().map(|(name, value)| (name.to_owned(), as_reference(value))).collect())
            }
        }
    }

    fn document() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_reference_on_valid_documents(reference in document(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&reference) } else { serde_json::to_string(&reference) }.expect("serialises");
            let ours = read(text.as_bytes()).expect("valid");
            prop_assert_eq!(as_reference(&ours), reference);
        }

        #[test]
        fn never_accepts_what_the_reference_refuses(text in r#"[\[\]{}:,"\\a0-9eE.+\-u nltrue]{0,24}"#) {
            if read(text.as_bytes()).is_ok() {
                // A number too large for a float is grammatical; the reference refuses it for its size alone.
                let reference = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text);
                prop_assert!(reference.is_ok(), "{}", text);
            }
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes);
        }
    }
}
