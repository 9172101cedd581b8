//! Small things handlers take from a request.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use kernel::Id;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use crate::body;
use crate::envelope::{Code, Problem};
use crate::exchange::Exchange;
use crate::object::{Body, Reader};
use crate::route::{BodyShape, Needs, Part};
use crate::state::Web;

/// The parameters of the path, in order. An id that is none becomes `None`: it is answered like one that does not exist.
pub(crate) struct At<T>(pub T);

/// One or more parameters of a path.
pub(crate) trait Segments: Sized {
    /// Takes them, in order.
    fn take<'p>(segments: impl Iterator<Item = &'p str>) -> Self;
}

impl<K> Segments for Option<Id<K>> {
    fn take<'p>(mut segments: impl Iterator<Item = &'p str>) -> Self {
        segments.next().and_then(|text| text.parse().ok())
    }
}

impl<A, B> Segments for (Option<Id<A>>, Option<Id<B>>) {
    fn take<'p>(mut segments: impl Iterator<Item = &'p str>) -> Self {
        (Segments::take(segments.by_ref()), Segments::take(segments.by_ref()))
    }
}

impl Segments for String {
    fn take<'p>(mut segments: impl Iterator<Item = &'p str>) -> Self {
        segments.next().unwrap_or_default().to_owned()
    }
}

impl Segments for (String, String) {
    fn take<'p>(mut segments: impl Iterator<Item = &'p str>) -> Self {
        let mut next = || segments.next().unwrap_or_default().to_owned();
        (next(), next())
    }
}

impl<T: Segments> FromRequestParts<Web> for At<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _web: &Web) -> Result<Self, Infallible> {
        let exchange = Exchange::of(parts);
        Ok(At(T::take(exchange.params.of(exchange.uri.path()))))
    }
}

impl<T> Part for At<T> {}

/// The facts of the exchange.
pub(crate) struct Facts(pub Arc<Exchange>);

impl FromRequestParts<Web> for Facts {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _web: &Web) -> Result<Self, Infallible> {
        Ok(Facts(Exchange::of(parts)))
    }
}

impl Part for Facts {}

/// All headers of the request.
pub(crate) struct Headers(pub HeaderMap);

impl FromRequestParts<Web> for Headers {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _web: &Web) -> Result<Self, Infallible> {
        Ok(Headers(parts.headers.clone()))
    }
}

impl Part for Headers {}

/// What stands behind the question mark: names and values, decoded.
pub(crate) struct Query<T> {
    pairs: Vec<(String, String)>,
    names: std::marker::PhantomData<T>,
}

/// The parameters a query may have.
pub(crate) trait Names {
    /// Name and meaning of each.
    const NAMES: &'static [(&'static str, &'static str)];
    /// Whether they must be there.
    const REQUIRED: bool = false;
    /// More of them, which need not be there in any case.
    const OPTIONAL: &'static [(&'static str, &'static str)] = &[];
    /// Those of them that are whole numbers, each with the least and the greatest.
    const NUMBERS: &'static [(&'static str, i64, i64)] = &[];
}

impl<T> Query<T> {
    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    /// What a parameter says, if it is there; `must` follows its name where it cannot be read.
    ///
    /// # Errors
    /// 400 that names it.
    pub(crate) fn parsed<P>(&self, name: &str, must: &str, parse: impl Fn(&str) -> Option<P>) -> Result<Option<P>, Problem> {
        let wrong = || Problem::new(Code::InvalidParameters, format!("{name}: {must}"));
        self.get(name).map(|text| parse(text).ok_or_else(wrong)).transpose()
    }

    /// The same of a whole number from `least` to `most`.
    ///
    /// # Errors
    /// 400 that names it.
    pub(crate) fn number(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>, Problem> {
        let within = |text: &str| text.parse().ok().filter(|number| (least..=most).contains(number));
        self.parsed(name, &format!("must be a whole number from {least} to {most}"), within)
    }

    /// Whether a switch is on.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}

impl<T: Names> FromRequestParts<Web> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _web: &Web) -> Result<Self, Problem> {
        let pairs = parts.uri.query().map(decoded).unwrap_or_default();
        // Which of the two is meant is not for us to guess: a filter would be left out without a word.
        for (name, _) in T::NAMES.iter().chain(T::OPTIONAL) {
            if pairs.iter().filter(|(known, _)| known == name).count() > 1 {
                return Err(Problem::new(Code::InvalidParameters, format!("{name}: must not be there twice")));
            }
        }
        Ok(Query { pairs, names: std::marker::PhantomData })
    }
}

impl<T: Names> Part for Query<T> {
    fn describe(needs: &mut Needs) {
        let known = T::NAMES.iter().map(|name| (name, T::REQUIRED)).chain(T::OPTIONAL.iter().map(|name| (name, false)));
        needs.query.extend(known.map(|((name, text), required)| {
            ParameterBuilder::new()
                .name(*name)
                .parameter_in(ParameterIn::Query)
                .description(Some(*text))
                .required(if required { Required::True } else { Required::False })
                .schema(Some(match T::NUMBERS.iter().find(|(known, ..)| known == name) {
                    Some((_, least, most)) => {
                        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(*least)).maximum(Some(*most))
                    }
                    None => ObjectBuilder::new().schema_type(Type::String),
                }))
                .build()
        }));
    }
}

/// What a body asks for, where neither key nor idempotency plays a part. Its content type is not looked at.
pub(crate) struct Asked<B: Body>(pub B::Ask);

impl<B: Body> FromRequest<Web> for Asked<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, _web: &Web) -> Result<Self, Problem> {
        let bytes = body::read(request.into_body()).await?;
        Reader::new(None).document::<B>(&bytes).map(Asked)
    }
}

impl<B: Body> Part for Asked<B> {
    fn describe(needs: &mut Needs) {
        needs.body = Some(BodyShape::of::<B>());
    }
}

/// The fields of a page's form: names and values, decoded. Its content type is not looked at.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Takes a field's first value out; empty when there is none.
    pub(crate) fn take(&mut self, wanted: &str) -> String {
        let at = self.0.iter().position(|(name, _)| name == wanted);
        at.map(|at| self.0.remove(at).1).unwrap_or_default()
    }
}

impl FromRequest<Web> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, _web: &Web) -> Result<Self, Problem> {
        let bytes = body::read(request.into_body()).await?;
        Ok(Fields(decoded(&String::from_utf8_lossy(&bytes))))
    }
}

impl Part for Fields {
    fn describe(needs: &mut Needs) {
        needs.reads = true;
    }
}

/// `a=b&c=d`, each part decoded from its form encoding. What cannot be decoded stands as it is.
pub(crate) fn decoded(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (unescaped(name), unescaped(value)))
        .collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                bytes.push(hex(high).unwrap_or(0) * 16 + hex(low).unwrap_or(0));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        for (query, expected) in [
            ("a=b&c", "a=b c="),
            ("a=%C3%A9t%c3%a9+x%2By", "a=été x+y"),
            ("a=%zz&b=%", "a=%zz b=%"),
            ("a=%ff", "a=%ff"),
            ("&&a=1=2", "a=1=2"),
        ] {
            let pairs = decoded(query);
            assert_eq!(pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "), expected);
        }
    }
}
