//! Where a page of a list begins, as one text: the last thing on the page before, and which list that was.
//!
//! Nothing in it is secret and nothing is granted by it. What it is checked for is that it comes from the same list: the account's own,
//! asked for in the same words.

use kernel::{AccountId, Id, sha256};
use uuid::Uuid;

use crate::envelope::{Code, Problem};

/// Bytes that tell the same place of one list from that of another.
const CHECK_BYTES: usize = 8;
/// Characters of a cursor: an id and a check in hexadecimal digits.
const CURSOR_CHARS: usize = 2 * (16 + CHECK_BYTES);

/// A list that is read page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct List([u8; 32]);

impl List {
    /// The list of this name and account for which these words were said.
    pub(super) fn new(name: &str, account: AccountId, words: &[Option<&str>]) -> List {
        let mut text = format!("{name}\0{account}");
        for word in words {
            text.push('\0');
            text.push_str(word.unwrap_or_default());
        }
        List(sha256(&[text.as_bytes()]))
    }

    /// The text for the page that begins behind this.
    pub(super) fn cursor<K>(self, behind: Id<K>) -> String {
        let hash = sha256(&[&self.0, &behind.bytes()]);
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&hash[..CHECK_BYTES]);
        format!("{}{:016x}", behind.uuid().simple(), u64::from_be_bytes(check))
    }

    /// What the page begins behind; `None` where it is the first one.
    ///
    /// # Errors
    /// What was never given for this list.
    pub(super) fn behind<K>(self, cursor: Option<&str>) -> Result<Option<Id<K>>, Problem> {
        let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else { return Ok(None) };
        let id = (cursor.len() == CURSOR_CHARS).then(|| cursor.get(..32)).flatten();
        let id = id.and_then(|id| Uuid::try_parse(id).ok()).map(Id::from_uuid);
        match id.filter(|id| self.cursor(*id) == cursor) {
            Some(id) => Ok(Some(id)),
            None => Err(not_ours()),
        }
    }
}

/// A cursor that was never given for this list.
pub(super) fn not_ours() -> Problem {
    Problem::new(Code::BadRequest, "cursor: must be the next_cursor of a page of the same list")
}

#[cfg(test)]
mod tests {
    use kernel::PaymentId;

    use super::*;

    #[test]
    fn a_cursor_leads_on_in_its_own_list_only() {
        let (mine, yours) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        let list = List::new("payments", mine, &[Some("PENDING"), None]);
        let id = PaymentId::from_bytes([0xab; 16]);
        let cursor = list.cursor(id);
        assert_eq!(cursor.len(), CURSOR_CHARS);
        assert_eq!(list.behind(Some(&cursor)), Ok(Some(id)));
        assert_eq!(list.behind::<kernel::kind::Payment>(None), Ok(None));
        assert_eq!(list.behind::<kernel::kind::Payment>(Some("")), Ok(None));
        for other in [
            List::new("payments", yours, &[Some("PENDING"), None]),
            List::new("payments", mine, &[None, Some("PENDING")]),
            List::new("reports", mine, &[Some("PENDING"), None]),
        ] {
            assert!(other.behind::<kernel::kind::Payment>(Some(&cursor)).is_err());
        }
        let changed = cursor.replacen('a', "b", 1);
        let strange = "é".repeat(CURSOR_CHARS / 2);
        for text in ["x", &cursor[1..], &cursor.to_uppercase(), &changed, &strange, &"0".repeat(4_000)] {
            assert!(list.behind::<kernel::kind::Payment>(Some(text)).is_err(), "{text}");
        }
    }
}
