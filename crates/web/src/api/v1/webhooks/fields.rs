//! What stands in a webhook's body and nowhere else.

use std::fmt;

use kernel::json::{Node, Value};
use kernel::{SecretText, text};
use messaging::{Family, Trigger, Triggers, WebhookState};
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{RefOr, Schema};

use super::INVALID_TRIGGER;
use crate::envelope::Code;
use crate::object::{Field, Reader, Refusals, one_of, string, words};

/// Longest list of events in a body; there are fewer, but one may be named twice.
const TRIGGERS_MAX: usize = 50;

words! {
    /// Whether a webhook is told anything.
    pub(super) enum StateWord {
        /// It is.
        Active = "ACTIVE",
        /// It is not.
        Inactive = "INACTIVE",
    }
}

impl StateWord {
    pub(super) fn domain(self) -> WebhookState {
        match self {
            StateWord::Active => WebhookState::Active,
            StateWord::Inactive => WebhookState::Inactive,
        }
    }
}

/// A secret of up to `MAX` characters that is sent as a header or signs with; empty takes it away. Never shown again.
pub(super) struct Hidden<const MAX: usize>(pub(super) SecretText);

impl<const MAX: usize> fmt::Debug for Hidden<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<const MAX: usize> Field for Hidden<MAX> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let found = reader.text(value)?;
        if let Err(error) = text::check(found, 0..=MAX) {
            return reader.invalid(error);
        }
        // DEL is the one character besides C0 that no header can hold; blanks at an end get lost on the way.
        if found.contains('\u{7f}') || found.trim_matches(' ').len() != found.len() {
            return reader.invalid("must be sendable as a header: no blanks at its ends, no control characters");
        }
        Some(Hidden(SecretText::new(found.to_owned())))
    }

    fn property() -> RefOr<Schema> {
        string().max_length(Some(MAX)).build().into()
    }
}

/// Events of the family `Family::ALL[FAMILY]`, by their words.
#[derive(Debug)]
pub(super) struct Told<const FAMILY: usize>(pub(super) Triggers);

/// The words of a family's events.
fn words_of(family: Family) -> Vec<&'static str> {
    Trigger::ALL.iter().filter(|trigger| trigger.family() == family).map(|trigger| trigger.word()).collect()
}

impl<const FAMILY: usize> Told<FAMILY> {
    pub(super) const FAMILY: Family = Family::ALL[FAMILY];
}

impl<const FAMILY: usize> Field for Told<FAMILY> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let read = listed(value, reader, |word| Trigger::parse(Self::FAMILY, word), &words_of(Self::FAMILY))?;
        Some(Told(Triggers::of(read)))
    }

    fn property() -> RefOr<Schema> {
        list_of(&words_of(Self::FAMILY))
    }

    fn refusals(into: &mut Refusals) {
        into.push(INVALID_TRIGGER);
    }
}

/// Events that are kept and shown, and of which nothing happens yet: `KEPT[LIST]`.
#[derive(Debug)]
pub(super) struct Kept<const LIST: usize>(pub(super) Vec<&'static str>);

/// The words of such events: reports, onboarding.
const KEPT: [&[&str]; 2] = [
    &["CREATE", "UPDATE"],
    &[
        "BLOCKED",
        "CANCELLED",
        "CREATED",
        "DECLINED",
        "ERROR",
        "EXPIRED",
        "INACTIVE",
        "PENDING",
        "SUCCEEDED",
        "TRANSFERRED",
        "UNBLOCKED",
    ],
];

impl<const LIST: usize> Field for Kept<LIST> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let mut read = listed(value, reader, |word| KEPT[LIST].iter().copied().find(|known| *known == word), KEPT[LIST])?;
        read.sort_unstable();
        read.dedup();
        Some(Kept(read))
    }

    fn property() -> RefOr<Schema> {
        list_of(KEPT[LIST])
    }

    fn refusals(into: &mut Refusals) {
        into.push(INVALID_TRIGGER);
    }
}

/// A list of words; each unknown one is named by its place.
fn listed<T>(value: &Value<'_>, reader: &mut Reader, parse: impl Fn(&str) -> Option<T>, words: &[&str]) -> Option<Vec<T>> {
    let Node::List(items) = &value.node else { return reader.invalid("must be a list") };
    if items.len() > TRIGGERS_MAX {
        return reader.invalid(format_args!("must have at most {TRIGGERS_MAX} items"));
    }
    let read = items.iter().enumerate().map(|(at, item)| {
        reader.at_item(at, |reader| {
            let found = match &item.node {
                Node::Text(word) => parse(word),
                _ => None,
            };
            if found.is_none() {
                reader.wrong(Code::WebhookInvalidTrigger, format_args!("must be one of {}", words.join(" ")));
            }
            found
        })
    });
    // All of them are read before the first bad one ends it, so that each bad one is named.
    read.collect::<Vec<_>>().into_iter().collect()
}

fn list_of(words: &[&str]) -> RefOr<Schema> {
    ArrayBuilder::new().items(one_of(words)).max_items(Some(TRIGGERS_MAX)).build().into()
}
