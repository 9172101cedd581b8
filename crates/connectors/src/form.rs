//! What acquirers send unasked, read exactly: each part that is missing or wrong is noted with its path, as in bodies of merchants.

use std::ops::RangeInclusive;

use kernel::json::{self, Members, Node, Value};
use kernel::text;
use payments::{NotTaken, Wrong, WrongKind};

/// Reads a body that must be a JSON object.
///
/// # Errors
/// [`NotTaken::NotAnObject`].
pub(crate) fn document(body: &[u8]) -> Result<Value<'_>, NotTaken> {
    let read = json::read(body).map_err(|malformed| NotTaken::NotAnObject(format!("the body is not valid JSON: {malformed}")))?;
    match read.node {
        Node::Object(_) => Ok(read),
        _ => Err(NotTaken::NotAnObject("the body must be a JSON object".to_owned())),
    }
}

/// Collects what is wrong. A part is named by its whole path; `null` counts as absent.
#[derive(Default)]
pub(crate) struct Form(Vec<Wrong>);

impl Form {
    /// Notes what is wrong with a part; gives nothing, so that a reader can end with it.
    pub(crate) fn wrong<T>(&mut self, kind: WrongKind, path: &str, what: impl std::fmt::Display) -> Option<T> {
        self.0.push(Wrong { kind, text: format!("{path}: {what}") });
        None
    }

    fn invalid<T>(&mut self, path: &str, what: impl std::fmt::Display) -> Option<T> {
        self.wrong(WrongKind::Invalid, path, what)
    }

    /// All that was found wrong.
    pub(crate) fn refusal(self) -> NotTaken {
        NotTaken::Malformed(self.0)
    }

    /// Whether nothing was found wrong so far.
    pub(crate) fn is_good(&self) -> bool {
        self.0.is_empty()
    }

    /// A part that may be absent.
    pub(crate) fn optional<'v, 'a>(members: &'v Members<'a>, path: &str) -> Option<&'v Value<'a>> {
        let name = path.rsplit_once('.').map_or(path, |(_, name)| name);
        members.get(name).filter(|value| value.node != Node::Null)
    }

    /// A part that must be there.
    pub(crate) fn part<'v, 'a>(&mut self, members: &'v Members<'a>, path: &str) -> Option<&'v Value<'a>> {
        Self::optional(members, path).or_else(|| self.wrong(WrongKind::Missing, path, "is required"))
    }

    /// An object that must be there.
    pub(crate) fn object<'v, 'a>(&mut self, members: &'v Members<'a>, path: &str) -> Option<&'v Members<'a>> {
        let value = self.part(members, path)?;
        self.members(value, path)
    }

    /// The members of an object.
    pub(crate) fn members<'v, 'a>(&mut self, value: &'v Value<'a>, path: &str) -> Option<&'v Members<'a>> {
        match &value.node {
            Node::Object(members) => Some(members),
            _ => self.invalid(path, "must be an object"),
        }
    }

    /// A text of so many characters that must be there.
    pub(crate) fn text<'v>(&mut self, members: &'v Members<'_>, path: &str, chars: RangeInclusive<usize>) -> Option<&'v str> {
        let value = self.part(members, path)?;
        self.characters(value, path, chars)
    }

    /// The characters of a text.
    pub(crate) fn characters<'v>(&mut self, value: &'v Value<'_>, path: &str, chars: RangeInclusive<usize>) -> Option<&'v str> {
        let Node::Text(found) = &value.node else { return self.invalid(path, "must be a string") };
        match text::check(found, chars) {
            Ok(()) => Some(found),
            Err(error) => self.invalid(path, error),
        }
    }

    /// A truth value that must be there.
    pub(crate) fn truth(&mut self, members: &Members<'_>, path: &str) -> Option<bool> {
        match self.part(members, path)?.node {
            Node::Bool(is) => Some(is),
            _ => self.invalid(path, "must be true or false"),
        }
    }

    /// A whole number that must be there.
    pub(crate) fn whole(&mut self, members: &Members<'_>, path: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let found = match self.part(members, path)?.node {
            Node::Number(text) => text.parse().ok().filter(|number| range.contains(number)),
            _ => None,
        };
        found.or_else(|| self.invalid(path, format_args!("must be a whole number from {} to {}", range.start(), range.end())))
    }

    /// A list of texts of so many characters that must be there.
    pub(crate) fn texts(
        &mut self,
        members: &Members<'_>,
        path: &str,
        items_max: usize,
        chars: RangeInclusive<usize>,
    ) -> Option<()> {
        let Node::List(items) = &self.part(members, path)?.node else { return self.invalid(path, "must be a list") };
        if items.len() > items_max {
            return self.invalid(path, format_args!("must have at most {items_max} items"));
        }
        for (at, item) in items.iter().enumerate() {
            let good = matches!(&item.node, Node::Text(found) if text::check(found, chars.clone()).is_ok());
            if !good {
                self.characters(item, &format!("{path}[{at}]"), chars.clone());
            }
        }
        Some(())
    }
}
