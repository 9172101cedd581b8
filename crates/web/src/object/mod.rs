//! Request bodies, declared once.
//!
//! [`object!`] turns a declaration into a struct, its reader and its schema in the API reference, so that the three cannot
//! disagree. A reader never stops at the first mistake: it notes each wrong field with its path and goes on. Members nobody
//! declared are ignored, as the payments specification wants it. `null` counts as absent.
//!
//! ```ignore
//! object! {
//!     /// What the payer owes.
//!     #[derive(Serialize)]                        // only where it is shown again
//!     pub struct Debt {
//!         /// How much.
//!         amount: Amount,                         // required
//!         /// Shown to the payer.
//!         note: Option<Text<1, 255>>,             // may be absent
//!         /// In how many parts.
//!         parts: Whole<1, 50> = Whole(1),         // absent = 1
//!         /// The kind of debt.
//!         kind as "type": Option<Kind>,           // another name on the wire
//!     }
//! }
//! ```

mod fields;

use std::borrow::Cow;
use std::fmt::Write as _;

use kernel::AccountId;
use kernel::json::{self, Members, Node, Value};
use serde::Serialize;
use utoipa::openapi::schema::{OneOfBuilder, SchemaType};
use utoipa::openapi::{RefOr, Schema, Type};

pub(crate) use fields::{Account, Amount, Digits, Echo, Items, Land, Link, Prose, Shown, Text, Whole, string};

use crate::envelope::{Code, Problem};

/// Named schemas that others refer to.
pub(crate) type Components = Vec<(String, RefOr<Schema>)>;

/// What a body may be refused with besides what every body may, and why.
pub(crate) type Refusals = Vec<(Code, &'static str)>;

/// Something that can stand in a body.
pub(crate) trait Field: Sized {
    /// Reads it, or notes in `reader` what is wrong and gives nothing.
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self>;

    /// What stands for it when it is absent; `None` when it must not be.
    fn absent() -> Option<Self> {
        None
    }

    /// What `null` stands for, where that is something else than being absent.
    fn cleared() -> Option<Self> {
        None
    }

    /// Its schema where it is used: a reference for named objects, the schema itself for everything else.
    fn property() -> RefOr<Schema>;

    /// Adds the named schemas it refers to.
    fn components(_into: &mut Components) {}

    /// Adds what it may be refused with, besides being missing or invalid.
    fn refusals(_into: &mut Refusals) {}
}

/// A member of a change: what is absent stays as it is, `null` takes off what may be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Patch<T> {
    /// Stays.
    Unchanged,
    /// Taken off.
    Cleared,
    /// Becomes this.
    Set(T),
}

impl<T> Patch<T> {
    /// The new value, nothing where it is taken off; `None` when it stays.
    #[expect(clippy::option_option, reason = "whether it changes, and whether it is there then")]
    pub(crate) fn change(self) -> Option<Option<T>> {
        match self {
            Patch::Unchanged => None,
            Patch::Cleared => Some(None),
            Patch::Set(value) => Some(Some(value)),
        }
    }

    /// The same change, looked at.
    pub(crate) fn as_ref(&self) -> Patch<&T> {
        match self {
            Patch::Unchanged => Patch::Unchanged,
            Patch::Cleared => Patch::Cleared,
            Patch::Set(value) => Patch::Set(value),
        }
    }

    /// The same of what is made of the new value.
    pub(crate) fn map<U>(self, of: impl FnOnce(T) -> U) -> Patch<U> {
        self.member(|value| Patch::Set(of(value)))
    }

    /// The change of a member, which is taken off with the whole.
    pub(crate) fn member<U>(self, of: impl FnOnce(T) -> Patch<U>) -> Patch<U> {
        match self {
            Patch::Unchanged => Patch::Unchanged,
            Patch::Cleared => Patch::Cleared,
            Patch::Set(value) => of(value),
        }
    }
}

impl<T: Field> Field for Patch<T> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        T::read(value, reader).map(Patch::Set)
    }

    fn absent() -> Option<Self> {
        Some(Patch::Unchanged)
    }

    fn cleared() -> Option<Self> {
        Some(Patch::Cleared)
    }

    fn property() -> RefOr<Schema> {
        nullable(T::property())
    }

    fn components(into: &mut Components) {
        T::components(into);
    }

    fn refusals(into: &mut Refusals) {
        T::refusals(into);
    }
}

/// A member of a change that can become another and cannot be taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept<T>(Patch<T>);

impl<T> Kept<T> {
    /// Notes that it cannot be taken off, if that is asked for.
    pub(crate) fn judge(&self, name: &'static str, reader: &mut Reader) {
        if matches!(self.0, Patch::Cleared) {
            reader.wrong_at(&[name], Code::MissingParameters, "cannot be taken off");
        }
    }

    /// What it becomes; `None` when it stays.
    pub(crate) fn set(self) -> Option<T> {
        self.0.change().flatten()
    }

    /// The same, looked at.
    pub(crate) fn as_set(&self) -> Option<&T> {
        self.0.as_ref().change().flatten()
    }
}

impl<T: Field> Field for Kept<T> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        Patch::read(value, reader).map(Kept)
    }

    fn absent() -> Option<Self> {
        Some(Kept(Patch::Unchanged))
    }

    fn cleared() -> Option<Self> {
        Some(Kept(Patch::Cleared))
    }

    fn property() -> RefOr<Schema> {
        T::property()
    }

    fn components(into: &mut Components) {
        T::components(into);
    }

    fn refusals(into: &mut Refusals) {
        T::refusals(into);
    }
}

impl<T: Field> Field for Option<T> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        T::read(value, reader).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn property() -> RefOr<Schema> {
        nullable(T::property())
    }

    fn components(into: &mut Components) {
        T::components(into);
    }

    fn refusals(into: &mut Refusals) {
        T::refusals(into);
    }
}

/// One of a few words.
pub(crate) trait Word: Sized {
    /// The word on the wire.
    fn text(self) -> &'static str;

    /// What a word on the wire means.
    fn of(text: &str) -> Option<Self>;
}

/// A whole body: once its fields are right by themselves, it is judged as one and becomes what is asked for.
pub(crate) trait Body: Field {
    /// What the domain wants to hear.
    type Ask: Send + 'static;
    /// Whether no body at all is as good as an empty object.
    const MAY_BE_EMPTY: bool = false;

    /// The code of a value of the wrong type, length or word; some objects have one of their own.
    const INVALID: Code = Code::InvalidParameters;

    /// Its name among the schemas, for the reference.
    fn name() -> &'static str;

    /// Checks rules that need several fields; notes what is wrong and gives nothing then.
    fn judge(self, reader: &mut Reader) -> Option<Self::Ask>;
}

/// Where in the body the reader is.
#[derive(Debug, Clone, Copy)]
enum Step {
    Member(&'static str),
    Item(usize),
}

/// Walks through a body and collects what is wrong with it.
#[derive(Debug)]
pub(crate) struct Reader {
    account: Option<AccountId>,
    path: Vec<Step>,
    faults: Vec<(Code, String)>,
}

impl Reader {
    /// A reader for a body sent with a key of this account; `None` on routes without keys.
    pub(crate) fn new(account: Option<AccountId>) -> Reader {
        Reader { account, path: Vec::new(), faults: Vec::new() }
    }

    /// Reads and judges a whole document.
    ///
    /// # Errors
    /// The refusal to answer: for a document that is no object at all, or for all its wrong fields together.
    pub(crate) fn document<B: Body>(mut self, bytes: &[u8]) -> Result<B::Ask, Problem> {
        let value = json::read(bytes)
            .map_err(|malformed| Problem::new(Code::InvalidRequest, format!("the body is not valid JSON: {malformed}")))?;
        if !matches!(value.node, Node::Object(_)) {
            return Err(Problem::new(Code::InvalidRequest, "the body must be a JSON object"));
        }
        let ask = B::read(&value, &mut self).and_then(|body| body.judge(&mut self));
        match ask {
            Some(ask) if self.faults.is_empty() => Ok(ask),
            _ => Err(self.into_problem(B::INVALID)),
        }
    }

    /// The account whose key was used.
    pub(crate) fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// Notes that the value here is wrong; `what` follows its path.
    pub(crate) fn wrong(&mut self, code: Code, what: impl std::fmt::Display) {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Member(name) if text.is_empty() => text.push_str(name),
                Step::Member(name) => write!(text, ".{name}").expect("writing to a string cannot fail"),
                Step::Item(at) => write!(text, "[{at}]").expect("writing to a string cannot fail"),
            }
        }
        if text.is_empty() {
            text.push_str("body");
        }
        write!(text, ": {what}").expect("writing to a string cannot fail");
        self.faults.push((code, text));
    }

    /// Notes a value of a wrong type, length or word; gives nothing, so that a reader can end with it.
    pub(crate) fn invalid<T>(&mut self, what: impl std::fmt::Display) -> Option<T> {
        self.wrong(Code::InvalidParameters, what);
        None
    }

    /// Notes that something further inside is wrong.
    pub(crate) fn wrong_at(&mut self, path: &[&'static str], code: Code, what: impl std::fmt::Display) {
        let here = self.path.len();
        self.path.extend(path.iter().map(|name| Step::Member(name)));
        self.wrong(code, what);
        self.path.truncate(here);
    }

    /// Does something with the path one member deeper.
    pub(crate) fn inside<T>(&mut self, name: &'static str, act: impl FnOnce(&mut Reader) -> T) -> T {
        self.step(Step::Member(name), act)
    }

    /// Does something with the path at one item of a list.
    pub(crate) fn at_item<T>(&mut self, at: usize, act: impl FnOnce(&mut Reader) -> T) -> T {
        self.step(Step::Item(at), act)
    }

    fn step<T>(&mut self, step: Step, act: impl FnOnce(&mut Reader) -> T) -> T {
        self.path.push(step);
        let done = act(self);
        self.path.pop();
        done
    }

    /// The members of an object.
    pub(crate) fn object<'v, 'a>(&mut self, value: &'v Value<'a>) -> Option<&'v Members<'a>> {
        match &value.node {
            Node::Object(members) => Some(members),
            _ => self.invalid("must be an object"),
        }
    }

    /// The characters of a string.
    pub(crate) fn text<'v>(&mut self, value: &'v Value<'_>) -> Option<&'v str> {
        match &value.node {
            Node::Text(text) => Some(text),
            _ => self.invalid("must be a string"),
        }
    }

    /// Reads one member; absent ones become what their type or `default` says, or are noted as missing.
    pub(crate) fn member<T: Field>(
        &mut self,
        members: &Members<'_>,
        name: &'static str,
        default: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        let found = members.get(name);
        if let Some(cleared) = found.filter(|value| value.node == Node::Null).and_then(|_| T::cleared()) {
            return Some(cleared);
        }
        match found.filter(|value| value.node != Node::Null) {
            Some(value) => self.inside(name, |reader| T::read(value, reader)),
            None => default().or_else(|| {
                self.inside(name, |reader| reader.wrong(Code::MissingParameters, "is required"));
                None
            }),
        }
    }

    /// All faults as one refusal. Missing fields decide its code and stand first (payments specification, section 5).
    fn into_problem(mut self, invalid: Code) -> Problem {
        self.faults.sort_by_key(|(code, _)| *code != Code::MissingParameters); // stable: the rest stays in order
        let code = self.faults.first().map_or(Code::InvalidParameters, |(code, _)| *code);
        let code = if code == Code::InvalidParameters { invalid } else { code };
        Problem::of(code, self.faults.into_iter().map(|(_, text)| Cow::Owned(text)).collect())
    }
}

/// Documentation comments as one text: single line breaks are blanks.
pub(crate) fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Declares a body or a part of one; see the [module](self).
macro_rules! object {
    ($(#[doc = $about:literal])+ $(#[derive($($derived:ident),+)])? $vis:vis struct $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident $(as $wire:literal)? : $kind:ty $(= $default:expr)?),* $(,)?
    }) => {
        $(#[doc = $about])+
        #[derive(Debug $($(, $derived)+)?)]
        #[allow(dead_code, reason = "some members are checked and not used further")]
        #[allow(clippy::struct_field_names, reason = "the names are those of the wire")]
        $vis struct $name { $($(#[doc = $doc])+ $vis $field: $kind,)* }

        impl $crate::object::Field for $name {
            fn read(value: &kernel::json::Value<'_>, reader: &mut $crate::object::Reader) -> Option<Self> {
                let members = reader.object(value)?;
                $(let $field: Option<$kind> = reader.member(
                    members,
                    $crate::object::object!(@wire $field $($wire)?),
                    || $crate::object::object!(@default $kind $(, $default)?),
                );)*
                Some($name { $($field: $field?,)* })
            }

            fn property() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::Ref::from_schema_name(stringify!($name)).into()
            }

            fn components(into: &mut $crate::object::Components) {
                if into.iter().any(|(name, _)| name == stringify!($name)) {
                    return;
                }
                let mut object = utoipa::openapi::ObjectBuilder::new().description(Some($crate::object::prose(&[$($about),+])));
                $(
                    let wire = $crate::object::object!(@wire $field $($wire)?);
                    let property = $crate::object::described(<$kind as $crate::object::Field>::property(), &[$($doc),+]);
                    $(let property = $crate::object::with_default::<$kind>(property, &$default);)?
                    object = object.property(wire, property);
                    let default: Option<$kind> = $crate::object::object!(@default $kind $(, $default)?);
                    if default.is_none() {
                        object = object.required(wire);
                    }
                )*
                into.push((stringify!($name).to_owned(), object.build().into()));
                $(<$kind as $crate::object::Field>::components(into);)*
            }

            fn refusals(into: &mut $crate::object::Refusals) {
                $(<$kind as $crate::object::Field>::refusals(into);)*
            }
        }
    };
    (@wire $field:ident $wire:literal) => { $wire };
    (@wire $field:ident) => { stringify!($field) };
    (@default $kind:ty, $default:expr) => { Some($default) };
    (@default $kind:ty) => { <$kind as $crate::object::Field>::absent() };
}
pub(crate) use object;

/// Declares an enumeration by its words on the wire.
macro_rules! words {
    ($(#[doc = $about:literal])+ $vis:vis enum $name:ident { $($(#[doc = $doc:literal])+ $word:ident = $text:literal),+ $(,)? }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
        $vis enum $name { $($(#[doc = $doc])+ #[serde(rename = $text)] $word,)+ }

        impl $crate::object::Word for $name {
            fn text(self) -> &'static str {
                match self { $($name::$word => $text,)+ }
            }

            fn of(text: &str) -> Option<Self> {
                match text {
                    $($text => Some($name::$word),)+
                    _ => None,
                }
            }
        }

        impl $crate::object::Field for $name {
            fn read(value: &kernel::json::Value<'_>, reader: &mut $crate::object::Reader) -> Option<Self> {
                let word = $crate::object::Word::of(reader.text(value)?);
                if word.is_some() { word } else { reader.invalid(concat!("must be one of" $(, " ", $text)+)) }
            }

            fn property() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::object::one_of(&[$($text),+])
            }
        }
    };
}
pub(crate) use words;

/// The schema of a string that is one of these words.
pub(crate) fn one_of(words: &[&str]) -> RefOr<Schema> {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        .enum_values(Some(words.iter().copied()))
        .build()
        .into()
}

/// The same, or `null`.
pub(crate) fn nullable(property: RefOr<Schema>) -> RefOr<Schema> {
    let or_null = |kind: SchemaType| match kind {
        SchemaType::Type(kind) => SchemaType::from_iter([kind, Type::Null]),
        other => other,
    };
    match property {
        RefOr::T(Schema::Object(mut object)) => {
            object.schema_type = or_null(object.schema_type);
            if let Some(words) = &mut object.enum_values {
                words.push(serde_json::Value::Null);
            }
            Schema::Object(object).into()
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.schema_type = or_null(array.schema_type);
            Schema::Array(array).into()
        }
        other @ (RefOr::T(_) | RefOr::Ref(_)) => {
            let null = utoipa::openapi::ObjectBuilder::new().schema_type(Type::Null);
            Schema::OneOf(OneOfBuilder::new().item(null).item(other).build()).into()
        }
    }
}

/// A property with its documentation.
pub(crate) fn described(property: RefOr<Schema>, lines: &[&str]) -> RefOr<Schema> {
    match property {
        RefOr::Ref(mut reference) => {
            reference.description = prose(lines);
            RefOr::Ref(reference)
        }
        RefOr::T(Schema::Object(mut object)) => {
            object.description = Some(prose(lines));
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.description = Some(prose(lines));
            RefOr::T(Schema::Array(array))
        }
        RefOr::T(Schema::OneOf(mut one)) => {
            one.description = Some(prose(lines));
            RefOr::T(Schema::OneOf(one))
        }
        other @ RefOr::T(_) => other,
    }
}

/// A property with the value it has when it is absent.
pub(crate) fn with_default<T: Serialize>(property: RefOr<Schema>, default: &T) -> RefOr<Schema> {
    match property {
        RefOr::T(Schema::Object(mut object)) => {
            object.default = serde_json::to_value(default).ok();
            RefOr::T(Schema::Object(object))
        }
        other @ (RefOr::T(_) | RefOr::Ref(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    words! {
        /// What kind of debt.
        enum Sort {
            /// From work.
            Work = "WORK",
            /// From play.
            Play = "PLAY",
        }
    }

    object! {
        /// A part
        /// of a debt.
        #[derive(Clone)]
        struct Part {
            /// Its note.
            note: Text<3, 10>,
        }
    }

    object! {
        /// What the payer owes.
        #[derive(Clone)]
        struct Debt {
            /// Whose.
            account_id: Account,
            /// How much.
            amount: Amount,
            /// Where.
            country: Land,
            /// In how many parts.
            count: Whole<1, 50> = Whole(1),
            /// What kind.
            sort as "type": Option<Sort>,
            /// All parts.
            parts: Option<Items<Part, 2>>,
            /// One of them.
            first: Option<Part>,
        }
    }

    impl Body for Debt {
        type Ask = Debt;

        fn name() -> &'static str {
            "Debt"
        }

        fn judge(self, reader: &mut Reader) -> Option<Debt> {
            if self.count.0 == 13 {
                reader.inside("count", |reader| reader.wrong(Code::InvalidAmount, "is unlucky"));
            }
            Some(self)
        }
    }

    const ACCOUNT: &str = "01920000-0000-7000-8000-000000000001";

    fn read(body: &str) -> Result<Debt, Problem> {
        Reader::new(ACCOUNT.parse().ok()).document::<Debt>(body.replace("ACCOUNT", ACCOUNT).as_bytes())
    }

    fn refused(body: &str) -> (Code, Vec<String>) {
        let problem = read(body).expect_err("refused");
        (problem.code(), problem.messages().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_good_body_is_read_and_unknown_members_are_ignored() {
        let debt = read(
            r#"{"account_id":"ACCOUNT","amount":{"value":12.5,"currency":"EUR","more":1},"country":"NO","type":"WORK","other":[1,{}],
                "parts":[{"note":"abc"},{"note":"été"}]}"#,
        )
        .expect("good");
        assert_eq!(debt.amount.0.to_string(), "12.50 EUR");
        assert_eq!((debt.count.0, debt.sort), (1, Some(Sort::Work)));
        assert_eq!(debt.parts.map(|parts| parts.0.len()), Some(2));
        assert!(
            read(r#"{"account_id":"ACCOUNT","amount":{"value":1,"currency":"EUR"},"country":"NO","type":null,"count":null}"#)
                .is_ok()
        );
    }

    #[test]
    fn all_wrong_fields_are_named_and_missing_ones_decide() {
        let (code, messages) =
            refused(r#"{"account_id":7,"amount":{"value":"1"},"type":"FUN","parts":[{"note":"abc"},{"note":"a"}],"count":51}"#);
        assert_eq!(code, Code::MissingParameters);
        assert_eq!(
            messages,
            [
                "amount.currency: is required",
                "country: is required",
                "account_id: must be a string",
                "amount.value: must be a number",
                "count: must be a whole number from 1 to 50",
                "type: must be one of WORK PLAY",
                "parts[1].note: must have at least 3 characters",
            ]
        );
    }

    #[test]
    fn each_kind_of_fault_has_its_code() {
        let with = |amount: &str, rest: &str| format!(r#"{{"account_id":"ACCOUNT","amount":{amount},"country":"NO"{rest}}}"#);
        for (body, code, message) in [
            (
                with(r#"{"value":1,"currency":"EURO"}"#, ""),
                Code::CurrencyNotAllowed,
                "amount.currency: must be a currency code of ISO 4217",
            ),
            (with(r#"{"value":0.001,"currency":"EUR"}"#, ""), Code::InvalidAmount, "amount.value: EUR has 2 decimals"),
            (with(r#"{"value":-1,"currency":"EUR"}"#, ""), Code::InvalidAmount, "amount.value: must not be negative"),
            (with(r#"{"value":1e400,"currency":"EUR"}"#, ""), Code::InvalidAmount, "amount.value: the amount is too large"),
            (with(r#"{"value":1,"currency":"EUR"}"#, r#","count":13"#), Code::InvalidAmount, "count: is unlucky"),
            (with("7", ""), Code::InvalidParameters, "amount: must be an object"),
            ("[]".to_owned(), Code::InvalidRequest, "the body must be a JSON object"),
            ("{".to_owned(), Code::InvalidRequest, "the body is not valid JSON: a member's name is expected at byte 1"),
        ] {
            assert_eq!(refused(&body), (code, vec![message.to_owned()]), "{body}");
        }
        let foreign =
            r#"{"account_id":"01920000-0000-7000-8000-000000000002","amount":{"value":1,"currency":"EUR"},"country":"XX"}"#;
        assert_eq!(refused(foreign).0, Code::InvalidAccountId);
    }

    #[test]
    fn the_schema_says_the_same() {
        let mut components = Components::new();
        Debt::components(&mut components);
        let names: Vec<_> = components.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Debt", "Amount", "Part"]);
        let debt = serde_json::to_value(&components[0].1).expect("a schema");
        assert_eq!(debt["required"], serde_json::json!(["account_id", "amount", "country"]));
        assert_eq!(debt["properties"]["type"]["enum"], serde_json::json!(["WORK", "PLAY", null]), "null is as good as nothing");
        assert_eq!(debt["properties"]["type"]["type"], serde_json::json!(["string", "null"]));
        assert_eq!(debt["properties"]["parts"]["type"], serde_json::json!(["array", "null"]));
        assert_eq!(debt["properties"]["first"]["oneOf"][1]["$ref"], "#/components/schemas/Part");
        assert_eq!(debt["properties"]["first"]["description"], "One of them.");
        assert_eq!(debt["properties"]["account_id"]["type"], "string");
        assert_eq!(debt["properties"]["parts"]["maxItems"], 2);
        assert_eq!(serde_json::to_value(&components[2].1).expect("a schema")["description"], "A part of a debt.");
    }
}
