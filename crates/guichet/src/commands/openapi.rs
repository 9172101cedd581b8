//! `guichet openapi`: the description of the API, the same that a sandbox answers at `/openapi.json`.

/// The document as JSON text.
pub fn document() -> String {
    web::openapi(env!("CARGO_PKG_VERSION"), true)
}
