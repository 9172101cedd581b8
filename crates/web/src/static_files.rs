//! Files of the pages: style sheet, modules, pictures. All are part of the program and served from memory.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kernel::sha256;
use rust_embed::RustEmbed;

use crate::compressed::Compressed;
use crate::envelope::{Code, Problem};
use crate::extract::{At, Headers};
use crate::route::{Content, Route};
use crate::state::Web;

/// The address says which version it is, so it may be kept for ever (a year, in seconds).
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A file under the address of another version: to be asked for again each time.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

#[derive(RustEmbed)]
#[folder = "../../front/static"]
struct Files;

/// One file.
struct Asset {
    bytes: Compressed,
    content_type: HeaderValue,
    tag: HeaderValue,
}

/// All files.
pub(crate) struct Assets {
    version: String,
    files: HashMap<String, Asset>,
}

impl Assets {
    /// Loads the files of this build.
    pub(crate) fn load() -> Assets {
        let mut names: Vec<_> = Files::iter().collect();
        names.sort();
        let mut all = Vec::new();
        let mut files = HashMap::new();
        for name in names {
            let bytes = Bytes::from(Files::get(&name).expect("the list has just named it").data.into_owned());
            let hash = sha256(&[&bytes]);
            all.extend_from_slice(&hash);
            // Weak: the compressed form has it too (RFC 9110, section 8.8.3.3).
            let tag = HeaderValue::from_str(&format!("W/\"{}\"", short(&hash))).expect("hexadecimal digits in quotes");
            files.insert(name.to_string(), Asset { bytes: Compressed::new(bytes), content_type: content_type(&name), tag });
        }
        Assets { version: short(&sha256(&[&all])), files }
    }

    /// Where the files are, without a slash at the end.
    pub(crate) fn base(&self) -> String {
        format!("/static/{}", self.version)
    }
}

/// The route of the files.
pub(crate) fn route() -> Route {
    Route::open(Method::GET, "/static/{version}/{*file}", serve)
        .named("House", "static-file", "Get a file of the pages")
        .params(&[("version", "Changes when a file does."), ("file", "Its name.")])
        .replies(StatusCode::OK, "The file.", Content::Other("*/*"))
        .replies(StatusCode::NOT_MODIFIED, "You have it: it is as `If-None-Match` says.", Content::Nothing)
        .refusals(&[(Code::NotFound, "There is no such file.")])
}

async fn serve(At((version, file)): At<(String, String)>, Headers(headers): Headers, State(web): State<Web>) -> Response {
    let assets = &web.pages.assets;
    let Some(asset) = assets.files.get(&file) else {
        return Problem::new(Code::NotFound, "there is no such file").into_response();
    };
    let cache = if version == assets.version { FOR_EVER } else { ASK_AGAIN };
    let validators = [(ETAG, asset.tag.clone()), (CACHE_CONTROL, cache)];
    if unchanged(&headers, &asset.tag) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    (validators, [(CONTENT_TYPE, asset.content_type.clone())], asset.bytes.reply(&headers)).into_response()
}

/// Whether the reader has this version already (RFC 9110, section 13.1.2).
fn unchanged(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.to_str().unwrap_or_default();
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        list.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag.trim_start_matches("W/"))
    })
}

fn short(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    hash[..6].iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_types_and_tags() {
        let assets = Assets::load();
        let css = &assets.files["css/guichet.css"];
        assert_eq!(css.content_type, "text/css; charset=utf-8");
        assert!(assets.files.values().all(|asset| asset.content_type != "application/octet-stream"));
        let asks =
            |value: String| [(IF_NONE_MATCH, HeaderValue::from_str(&value).expect("a value"))].into_iter().collect::<HeaderMap>();
        let tag = css.tag.to_str().expect("visible");
        assert!(unchanged(&asks(tag.to_owned()), &css.tag) && unchanged(&asks(format!("\"x\", {tag}")), &css.tag));
        assert!(!unchanged(&asks("\"x\"".to_owned()), &css.tag) && !unchanged(&HeaderMap::new(), &css.tag));
    }
}
