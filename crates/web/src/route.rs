//! One route: where it is, who may use it, what it says about itself, what runs.
//!
//! What a handler takes is read off its signature: a handler that takes `Caller<MoneyOut>` needs a key that may move money out,
//! and the API reference says so. A [`Guarded`] route cannot be made of a handler that does not begin with a caller.

use std::pin::Pin;

use access::Capability;
use axum::body::Body;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::{RefOr, Schema};

use crate::caller::{Caller, Class};
use crate::envelope::Code;
use crate::object::{self, Components, Field, Refusals};
use crate::state::Web;
use crate::view::View;

/// Runs a handler.
type Run = Box<dyn Fn(Request<Body>, Web) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

/// A route.
pub(crate) struct Route {
    /// Its method; `HEAD` comes with `GET`.
    pub method: Method,
    /// Its path with `{parameters}`, in the prefix form.
    pub path: &'static str,
    /// What its handler takes.
    pub needs: Needs,
    /// What the reference says about it.
    pub facts: Facts,
    run: Run,
}

/// What a route needs from a request.
#[derive(Default)]
pub(crate) struct Needs {
    /// What the key must be allowed to do; `None` where no key is asked for.
    pub capability: Option<Capability>,
    /// Whether an idempotency key is needed.
    pub idempotency: Idempotency,
    /// The body.
    pub body: Option<BodyShape>,
    /// Whether a body is read that has no shape here: a form of a page, or whatever an acquirer sends.
    pub reads: bool,
    /// Parameters of the query.
    pub query: Vec<Parameter>,
}

/// The shape of a body: its name and how to get its schemas.
pub(crate) struct BodyShape {
    /// Name among the schemas.
    pub name: &'static str,
    /// Adds it and what it refers to.
    pub components: fn(&mut Components),
    /// The code of a wrong field.
    pub invalid: Code,
    /// Adds what its fields may be refused with besides.
    pub refusals: fn(&mut Refusals),
}

impl BodyShape {
    /// The shape of `B`.
    pub(crate) fn of<B: object::Body>() -> BodyShape {
        BodyShape { name: B::name(), components: B::components, invalid: B::INVALID, refusals: B::refusals }
    }
}

/// What a route makes of `X-Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Idempotency {
    /// Nothing.
    #[default]
    Ignored,
    /// It is honoured when sent.
    Optional,
    /// It must be sent.
    Required,
}

/// What the reference says about a route.
#[derive(Default)]
pub(crate) struct Facts {
    /// Unique id, `create-payment`.
    pub id: &'static str,
    /// The section it belongs to.
    pub group: &'static str,
    /// In three words.
    pub summary: &'static str,
    /// In sentences.
    pub text: &'static str,
    /// What each parameter of the path is.
    pub params: &'static [(&'static str, &'static str)],
    /// A body as one would send it.
    pub example: Option<&'static str>,
    /// What is sent, where it is not a JSON body of ours: its type and schema.
    pub sent: Option<Sent>,
    /// Good replies.
    pub replies: Vec<Reply>,
    /// Refusals of its own worth a sentence.
    pub refusals: &'static [(Code, &'static str)],
}

/// A form of a page, or what an acquirer sends.
pub(crate) struct Sent {
    /// Its content type.
    pub kind: &'static str,
    /// Its schema; all it refers to is added.
    pub schema: fn(&mut Components) -> RefOr<Schema>,
}

/// The fields of a page's form.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// The schema of something that is sent; all it refers to is added.
pub(crate) fn sent<T: Field>(into: &mut Components) -> RefOr<Schema> {
    T::components(into);
    T::property()
}

/// A good reply.
pub(crate) struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// In a sentence.
    pub text: &'static str,
    /// What it is made of.
    pub content: Content,
    /// Draws one.
    pub example: Option<fn() -> Vec<u8>>,
}

/// What a reply's body is.
pub(crate) enum Content {
    /// JSON of this schema.
    Json(fn(&mut Components) -> RefOr<Schema>),
    /// A page.
    Html,
    /// No body.
    Nothing,
    /// Text or a file of this type.
    Other(&'static str),
}

/// The schema of a reply; all it refers to is added.
pub(crate) fn component<T: View>(into: &mut Components) -> RefOr<Schema> {
    T::components(into);
    T::property()
}

impl Route {
    /// A route that asks for no key.
    pub(crate) fn open<H, T>(method: Method, path: &'static str, handler: H) -> Route
    where
        H: Handler<T, Web> + Sync,
        T: Signature,
    {
        let mut needs = Needs::default();
        T::describe(&mut needs);
        let run: Run = Box::new(move |request, web| Box::pin(handler.clone().call(request, web)));
        Route { method, path, needs, facts: Facts::default(), run }
    }

    /// Names it in the reference.
    #[must_use]
    pub(crate) fn named(mut self, group: &'static str, id: &'static str, summary: &'static str) -> Route {
        (self.facts.group, self.facts.id, self.facts.summary) = (group, id, summary);
        self
    }

    /// Explains it in the reference.
    #[must_use]
    pub(crate) fn text(mut self, text: &'static str) -> Route {
        self.facts.text = text;
        self
    }

    /// Explains the parameters of its path.
    #[must_use]
    pub(crate) fn params(mut self, params: &'static [(&'static str, &'static str)]) -> Route {
        self.facts.params = params;
        self
    }

    /// Says what is sent, where that is not a JSON body of ours.
    #[must_use]
    pub(crate) fn takes(mut self, kind: &'static str, schema: fn(&mut Components) -> RefOr<Schema>) -> Route {
        self.facts.sent = Some(Sent { kind, schema });
        self
    }

    /// Shows a body that works.
    #[must_use]
    pub(crate) fn example(mut self, body: &'static str) -> Route {
        self.facts.example = Some(body);
        self
    }

    /// Names a good reply.
    #[must_use]
    pub(crate) fn replies(mut self, status: StatusCode, text: &'static str, content: Content) -> Route {
        self.facts.replies.push(Reply { status, text, content, example: None });
        self
    }

    /// Shows the good reply that was named last.
    #[must_use]
    pub(crate) fn drawn(mut self, example: fn() -> Vec<u8>) -> Route {
        if let Some(reply) = self.facts.replies.last_mut() {
            reply.example = Some(example);
        }
        self
    }

    /// Explains refusals of its own.
    #[must_use]
    pub(crate) fn refusals(mut self, refusals: &'static [(Code, &'static str)]) -> Route {
        self.facts.refusals = refusals;
        self
    }

    /// Answers a request.
    pub(crate) fn run(&self, request: Request<Body>, web: Web) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        (self.run)(request, web)
    }
}

/// A route that a key is needed for.
pub(crate) struct Guarded(Route);

impl Guarded {
    /// A route whose handler begins with a [`Caller`].
    pub(crate) fn new<H, T>(method: Method, path: &'static str, handler: H) -> Guarded
    where
        H: Handler<T, Web> + Sync,
        T: Signature + Keyed,
    {
        let mut route = Route::open(method, path, handler);
        route.needs.capability = Some(T::CAPABILITY);
        Guarded(route)
    }

    /// Says what the reference should; see the methods of [`Route`].
    #[must_use]
    pub(crate) fn about(self, describe: impl FnOnce(Route) -> Route) -> Guarded {
        Guarded(describe(self.0))
    }

    /// The route, for the table.
    pub(crate) fn route(self) -> Route {
        self.0
    }
}

/// Something a handler takes.
pub(crate) trait Part {
    /// What it needs from the request.
    fn describe(_needs: &mut Needs) {}
}

impl Part for State<Web> {}

/// All that a handler takes.
pub(crate) trait Signature {
    /// What its parts need from the request.
    fn describe(needs: &mut Needs);
}

/// The signature of a handler that begins with a caller.
pub(crate) trait Keyed {
    /// What the caller must be allowed to do.
    const CAPABILITY: Capability;
}

impl Signature for ((),) {
    fn describe(_needs: &mut Needs) {}
}

/// The tuples under which axum knows the arguments of handlers; the first member tells how the last argument is taken.
macro_rules! signatures {
    ($($($part:ident)+;)+) => {$(
        impl<Via, $($part: Part),+> Signature for (Via, $($part,)+) {
            fn describe(needs: &mut Needs) {
                $($part::describe(needs);)+
            }
        }
    )+};
}
signatures! { A; A B; A B C; A B C D; A B C D E; }

macro_rules! keyed {
    ($($($part:ident)*;)+) => {$(
        impl<Via, Asking: Class, $($part),*> Keyed for (Via, Caller<Asking>, $($part,)*) {
            const CAPABILITY: Capability = Asking::CAPABILITY;
        }
    )+};
}
keyed! { ; A; A B; A B C; A B C D; }
