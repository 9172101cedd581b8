//! 64-bit numbers that people read: taken from a counter row inside the command that needs one. Gaps are allowed.

use std::sync::Arc;

use crate::rows::{Keys, Rows};

crate::row! {
    /// The next free number of one kind.
    pub(crate) struct CounterRow: "counter" {
        key {
            /// What it counts.
            name: Arc<str>
        }
        once {}
        state {
            /// The number that is given out next.
            next_number: i64
        }
    }
}

/// Names the counter a command will take from.
pub fn name_counter(keys: &mut Keys<'_>, name: &str) {
    keys.row::<CounterRow>((name.into(),));
}

/// Takes the next number of a kind; the first is `first`.
pub fn take_number(rows: &mut Rows, name: &str, first: i64) -> i64 {
    let key = (Arc::from(name),);
    if let Some(counter) = rows.get_mut::<CounterRow>(&key) {
        counter.next_number += 1;
        return counter.next_number - 1;
    }
    rows.insert(CounterRow { name: key.0, next_number: first + 1 });
    first
}
