//! What is known about one request, from its arrival to the last byte of its reply.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use access::{Caller, Rate};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};

use crate::request_id::RequestId;

/// Most parameters in one path.
pub(crate) const PARAMS_MAX: usize = 4;

/// Where the parameters of a path are, in bytes from its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Params {
    places: [(u32, u32); PARAMS_MAX],
    count: usize,
}

impl Params {
    /// Adds the next one. A route never has more than [`PARAMS_MAX`]; the table's test sees to it.
    pub(crate) fn push(&mut self, start: usize, end: usize) {
        let place = |at: usize| u32::try_from(at).expect("a path is far shorter than 4 GiB");
        self.places[self.count] = (place(start), place(end));
        self.count += 1;
    }

    /// Takes the last one away.
    pub(crate) fn pop(&mut self) {
        self.count -= 1;
    }

    /// The parameters as they stand in `path`, percent signs and all.
    pub(crate) fn of<'p>(&self, path: &'p str) -> impl Iterator<Item = &'p str> + use<'p> {
        let Params { places, count } = *self;
        (0..count).map(move |at| {
            let (start, end) = places[at];
            &path[usize::try_from(start).expect("32 bits fit")..usize::try_from(end).expect("32 bits fit")]
        })
    }
}

/// One request and what became known of it. Handlers find it in the request's extensions.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Its id.
    pub request_id: RequestId,
    /// Who sent it, behind trusted proxies.
    pub client: IpAddr,
    /// The target in its prefix form, whatever host was asked.
    pub uri: Uri,
    /// The route's parameters in the target's path.
    pub params: Params,
    caller: OnceLock<Caller>,
    rate: OnceLock<Rate>,
}

impl Exchange {
    /// At its arrival.
    pub(crate) fn new(request_id: RequestId, client: IpAddr, uri: Uri, params: Params) -> Exchange {
        Exchange { request_id, client, uri, params, caller: OnceLock::new(), rate: OnceLock::new() }
    }

    /// The exchange of a request that came through the edge.
    pub(crate) fn of(parts: &Parts) -> Arc<Exchange> {
        parts.extensions.get::<Arc<Exchange>>().expect("the edge adds it to each request before a handler runs").clone()
    }

    /// The path in its one form for idempotency: no trailing slash, lower case.
    pub(crate) fn canonical_path(&self) -> String {
        self.uri.path().trim_end_matches('/').to_ascii_lowercase()
    }

    /// Who proved to be asking.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.get()
    }

    /// Notes who is asking. A route asks once; the first answer counts.
    pub(crate) fn note_caller(&self, caller: Caller) -> &Caller {
        self.note_rate(caller.rate());
        self.caller.get_or_init(|| caller)
    }

    /// Notes what is left of the caller's rate, for the reply's headers.
    pub(crate) fn note_rate(&self, rate: Rate) {
        self.rate.get_or_init(|| rate);
    }

    /// What is left of the caller's rate, once a key was looked at.
    pub(crate) fn rate(&self) -> Option<&Rate> {
        self.rate.get()
    }
}

/// Whether the reader of a reply is a browser in search of a page.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    headers.get_all(axum::http::header::ACCEPT).iter().any(|value| value.to_str().is_ok_and(|text| text.contains("text/html")))
}
