//! From method and path to a route: one tree, built from the table of routes and from nothing else.

use axum::http::{HeaderValue, Method};

use crate::exchange::Params;
use crate::route::Route;

/// The tree of all routes.
pub(crate) struct Router {
    root: Branch,
    routes: Vec<Route>,
}

/// What a path leads to.
pub(crate) enum Found {
    /// A route, by its place in the table.
    Route(usize, Params),
    /// A path with routes, none of them for this method; those there are, for `Allow`.
    OtherMethods(HeaderValue),
    /// Nothing.
    Nothing,
}

#[derive(Default)]
struct Branch {
    named: Vec<(&'static str, Branch)>,
    any: Option<Box<Branch>>,
    /// Routes of `{*rest}`.
    rest: Vec<(Method, usize)>,
    /// Routes that end here.
    here: Vec<(Method, usize)>,
}

impl Router {
    /// Builds the tree.
    ///
    /// # Panics
    /// When two routes have the same method and path: the table is wrong, and it is the same at each start.
    pub(crate) fn new(routes: Vec<Route>) -> Router {
        let mut root = Branch::default();
        for (at, route) in routes.iter().enumerate() {
            let ends = root.grow(route.path);
            assert!(ends.iter().all(|(method, _)| *method != route.method), "{} {} is there twice", route.method, route.path);
            ends.push((route.method.clone(), at));
        }
        Router { root, routes }
    }

    /// All routes in the order of the table.
    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Looks a target up. One slash at the end does not count; `HEAD` is answered by `GET`.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Found {
        let Some(rest) = path.strip_prefix('/') else { return Found::Nothing };
        let end = if rest.ends_with('/') { path.len() - 1 } else { path.len() };
        let mut params = Params::default();
        let ends = if end <= 1 { Some(&self.root.here) } else { self.root.find(&path[..end], 1, &mut params) };
        match ends.filter(|ends| !ends.is_empty()) {
            None => Found::Nothing,
            Some(ends) => {
                let wanted = if *method == Method::HEAD { &Method::GET } else { method };
                match ends.iter().find(|(known, _)| known == wanted) {
                    Some((_, at)) => Found::Route(*at, params),
                    None => Found::OtherMethods(allowed(ends)),
                }
            }
        }
    }
}

impl Branch {
    /// The list of routes at a template, with all branches on the way.
    fn grow(&mut self, template: &'static str) -> &mut Vec<(Method, usize)> {
        let mut branch = self;
        for segment in template.split('/').skip(1).filter(|segment| !segment.is_empty()) {
            if segment.starts_with("{*") {
                return &mut branch.rest;
            }
            branch = if segment.starts_with('{') { branch.any.get_or_insert_default() } else { branch.child(segment) };
        }
        &mut branch.here
    }

    fn child(&mut self, name: &'static str) -> &mut Branch {
        let at = self.named.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.named.push((name, Branch::default()));
            self.named.len() - 1
        });
        &mut self.named[at].1
    }

    /// The routes at `path`, of which everything before `start` is walked already. A segment's own name beats a parameter, which
    /// beats a rest; a parameter is never empty.
    fn find(&self, path: &str, start: usize, params: &mut Params) -> Option<&Vec<(Method, usize)>> {
        let end = path[start..].find('/').map_or(path.len(), |length| start + length);
        let segment = &path[start..end];
        if let Some((_, branch)) = self.named.iter().find(|(name, _)| *name == segment) {
            let found = branch.step(path, end, params);
            if found.is_some() {
                return found;
            }
        }
        if let Some(branch) = self.any.as_ref().filter(|_| !segment.is_empty()) {
            params.push(start, end);
            let found = branch.step(path, end, params);
            if found.is_some() {
                return found;
            }
            params.pop();
        }
        if self.rest.is_empty() {
            return None;
        }
        params.push(start, path.len());
        Some(&self.rest)
    }

    /// Behind a segment that ended at `end`.
    fn step(&self, path: &str, end: usize, params: &mut Params) -> Option<&Vec<(Method, usize)>> {
        if end == path.len() { Some(&self.here).filter(|here| !here.is_empty()) } else { self.find(path, end + 1, params) }
    }
}

fn allowed(ends: &[(Method, usize)]) -> HeaderValue {
    let mut names: Vec<&str> = ends.iter().map(|(method, _)| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    HeaderValue::from_str(&names.join(", ")).expect("method names are visible ASCII")
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn router(table: &[(Method, &'static str)]) -> Router {
        let route = |(method, path): &(Method, &'static str)| Route::open(method.clone(), path, async || StatusCode::OK);
        Router::new(table.iter().map(route).collect())
    }

    fn walk(router: &Router, method: &Method, path: &str) -> String {
        match router.find(method, path) {
            Found::Route(at, params) => {
                format!("{} {}", router.routes()[at].path, params.of(path).collect::<Vec<_>>().join(" ")).trim().to_owned()
            }
            Found::OtherMethods(allow) => format!("allow {}", allow.to_str().expect("visible")),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn paths_lead_to_routes() {
        let router = router(&[
            (Method::GET, "/"),
            (Method::GET, "/v1/payments"),
            (Method::POST, "/v1/payments"),
            (Method::GET, "/v1/payments/{payment}"),
            (Method::POST, "/v1/payments/{payment}/transactions/{transaction}/capture"),
            (Method::POST, "/v1/payments/{payment}/cancel-or-refund"),
            (Method::GET, "/v1/payments/search"),
            (Method::GET, "/static/{version}/{*file}"),
        ]);
        for (method, path, expected) in [
            (Method::GET, "/", "/"),
            (Method::HEAD, "/", "/"),
            (Method::GET, "/v1/payments", "/v1/payments"),
            (Method::GET, "/v1/payments/", "/v1/payments"),
            (Method::GET, "/v1/payments//", "nothing"),
            (Method::GET, "//v1/payments", "nothing"),
            (Method::GET, "/v1/payments/search", "/v1/payments/search"),
            (Method::GET, "/v1/payments/x", "/v1/payments/{payment} x"),
            (Method::GET, "/v1/payments/%00", "/v1/payments/{payment} %00"),
            (
                Method::POST,
                "/v1/payments/a/transactions/b/capture",
                "/v1/payments/{payment}/transactions/{transaction}/capture a b",
            ),
            (Method::POST, "/v1/payments/search/cancel-or-refund", "/v1/payments/{payment}/cancel-or-refund search"),
            (Method::GET, "/static/1/css/a.css", "/static/{version}/{*file} 1 css/a.css"),
            (Method::GET, "/static/1", "nothing"),
            (Method::DELETE, "/v1/payments", "allow GET, POST, HEAD"),
            (Method::GET, "/v1/payments/a/cancel-or-refund", "allow POST"),
            (Method::GET, "/v1", "nothing"),
            (Method::GET, "/v1/payments/a/b", "nothing"),
            (Method::GET, "*", "nothing"),
            (Method::GET, "", "nothing"),
        ] {
            assert_eq!(walk(&router, &method, path), expected, "{method} {path}");
        }
    }

    #[test]
    #[should_panic(expected = "is there twice")]
    fn no_route_twice() {
        router(&[(Method::GET, "/a/{b}"), (Method::GET, "/a/{c}")]);
    }
}
