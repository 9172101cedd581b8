//! Counters of requests. Handles are taken once for each route, so counting is a few atomic additions.

use std::time::Duration;

use axum::http::StatusCode;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::route::Route;

/// Classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// All meters of the edge.
pub(crate) struct Meters {
    routes: Vec<Meter>,
    /// Requests that reached no route.
    none: Meter,
    open: Gauge,
}

struct Meter {
    requests: [Counter; CLASSES.len()],
    seconds: Histogram,
}

impl Meter {
    fn new(method: &str, route: &'static str) -> Meter {
        let method = method.to_owned();
        Meter {
            requests: CLASSES
                .map(|class| counter!("http_requests_total", "method" => method.clone(), "route" => route, "class" => class)),
            seconds: histogram!("http_request_seconds", "method" => method, "route" => route),
        }
    }
}

impl Meters {
    /// Takes the handles from the recorder that is in use now.
    pub(crate) fn new(routes: &[Route]) -> Meters {
        metrics::describe_counter!("http_requests_total", "Requests answered, by route and class of status");
        metrics::describe_histogram!("http_request_seconds", metrics::Unit::Seconds, "Time from a request's head to its reply");
        metrics::describe_gauge!("http_requests_open", "Requests being answered");
        Meters {
            routes: routes.iter().map(|route| Meter::new(route.method.as_str(), route.path)).collect(),
            none: Meter::new("other", "none"),
            open: gauge!("http_requests_open"),
        }
    }

    /// A request is being answered as long as this lives.
    pub(crate) fn open(&self) -> Open {
        self.open.increment(1);
        Open(self.open.clone())
    }

    /// Counts a reply.
    pub(crate) fn count(&self, route: Option<usize>, status: StatusCode, elapsed: Duration) {
        let meter = route.map_or(&self.none, |at| &self.routes[at]);
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        meter.requests[class].increment(1);
        meter.seconds.record(elapsed);
    }
}

/// See [`Meters::open`].
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
