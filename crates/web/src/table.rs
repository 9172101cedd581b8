//! All routes, in one list: it builds the router, the API reference and the permission matrix of the tests.

use crate::route::{Guarded, Route};
use crate::{api, dev, health, openapi, pages, static_files};

/// Every route of the product; those under `/dev` only in a sandbox.
pub(crate) fn routes(sandbox: bool) -> Vec<Route> {
    let mut routes = vec![pages::landing::route(), pages::docs::route(), openapi::route(), static_files::route()];
    routes.extend(health::routes());
    routes.extend(pages::link::routes());
    routes.extend(pages::challenge::routes());
    routes.push(api::v1::acquirer_notification::route());
    routes.extend(api::v1::routes().into_iter().map(Guarded::route));
    if sandbox {
        routes.extend(dev::routes());
    }
    routes
}
