//! Pages for people: minijinja templates and texts in three languages, all part of the program.
//!
//! What a template needs is written at its head. A folder of the operator's is looked into first, so that every page can be made
//! his own. Nothing undefined is ever shown: a name nobody gave is an error, and a test renders every page with every sample in
//! every language.

mod callback;
pub(crate) mod challenge;
pub(crate) mod docs;
pub(crate) mod error;
pub(crate) mod landing;
mod language;
pub(crate) mod link;
mod moment;
mod money;
mod policy;

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::header::{CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior, context};
use rust_embed::RustEmbed;
use serde::Serialize;

pub(crate) use language::Language;
pub(crate) use moment::{Moment, moment};

use crate::static_files::Assets;

#[derive(RustEmbed)]
#[folder = "../../front/templates"]
struct Templates;

#[derive(RustEmbed)]
#[folder = "../../front/i18n"]
struct Texts;

/// A page could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A template is missing, cannot be read or uses what it was not given.
    #[error("a template failed: {0:#}")]
    Template(#[from] minijinja::Error),
    /// A file of texts is missing or is no TOML.
    #[error("the texts in {language} cannot be read: {why}")]
    Texts {
        /// Code of the language.
        language: &'static str,
        /// What is wrong with them.
        why: String,
    },
}

/// Everything pages are made of.
pub(crate) struct Pages {
    environment: Environment<'static>,
    texts: [Value; Language::ALL.len()],
    /// Their files.
    pub assets: Assets,
    sandbox: bool,
    version: &'static str,
}

/// One page to be made.
pub(crate) struct Page<'a> {
    /// Its template.
    pub template: &'static str,
    /// Its path, for links to itself.
    pub path: &'a str,
    /// In which language.
    pub language: Language,
    /// Whether the product can work right now.
    pub ready: bool,
}

/// What every page is told about itself; see `layout.html`.
#[derive(Serialize)]
struct Frame<'a> {
    lang: &'static str,
    languages: Vec<OtherLanguage>,
    path: &'a str,
    static_base: String,
    sandbox: bool,
    ready: bool,
    version: &'static str,
}

#[derive(Serialize)]
struct OtherLanguage {
    code: &'static str,
    name: String,
    href: String,
}

impl Pages {
    /// Loads templates and texts; files in `folder` are used instead of ours of the same name.
    ///
    /// # Errors
    /// [`PageError::Texts`] when the texts cannot be read; templates are read when they are used.
    pub(crate) fn load(folder: Option<PathBuf>, sandbox: bool, version: &'static str) -> Result<Pages, PageError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_loader(move |name| Ok(template(folder.as_deref(), name)));
        let mut texts = [const { Value::UNDEFINED }; Language::ALL.len()];
        for (place, language) in texts.iter_mut().zip(Language::ALL) {
            *place = words(language)?;
        }
        Ok(Pages { environment, texts, assets: Assets::load(), sandbox, version })
    }

    /// Makes the text of a page out of its own part of the context.
    ///
    /// # Errors
    /// [`PageError::Template`].
    pub(crate) fn render(&self, page: &Page<'_>, own: Value) -> Result<String, PageError> {
        let others = Language::ALL.into_iter().filter(|language| *language != page.language);
        let frame = Frame {
            lang: page.language.code(),
            languages: others.map(|language| self.link(language, page.path)).collect(),
            path: page.path,
            static_base: self.assets.base(),
            sandbox: self.sandbox,
            ready: page.ready,
            version: self.version,
        };
        let whole = context! { t => self.texts(page.language), page => Serde(frame), ..own };
        Ok(self.environment.get_template(page.template)?.render(whole)?)
    }

    /// A page as a reply. One that cannot be made is said in plain words; the cause goes to the log.
    pub(crate) fn reply(&self, status: StatusCode, page: &Page<'_>, own: Value) -> Response {
        let (status, text) = self.render(page, own).map_or_else(
            |error| {
                tracing::error!(template = page.template, %error, "a page cannot be made");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "<!doctype html><title>guichet</title><p>This page cannot be shown.".to_owned(),
                )
            },
            |text| (status, text),
        );
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(page.language.code()));
        headers.insert(VARY, HeaderValue::from_static("accept, accept-language"));
        response
    }

    fn texts(&self, language: Language) -> Value {
        let at = Language::ALL.into_iter().position(|known| known == language).expect("the list holds all languages");
        self.texts[at].clone()
    }

    fn link(&self, language: Language, path: &str) -> OtherLanguage {
        let name = self.texts(language).get_attr("language").and_then(|own| own.get_attr("name"));
        let name = name.ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_else(|| language.code().to_owned());
        OtherLanguage { code: language.code(), name, href: format!("{path}?lang={}", language.code()) }
    }
}

/// The reader's language, from his query and his browser.
pub(crate) fn language_of(uri: &axum::http::Uri, headers: &HeaderMap) -> Language {
    Language::chosen(uri.query(), headers)
}

/// The source of a template: the operator's own, else ours.
fn template(folder: Option<&Path>, name: &str) -> Option<String> {
    // Names come from our own code and from `extends` and `import` of templates; none of them leaves the folder.
    let plain = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    let own = folder.filter(|_| plain).and_then(|folder| std::fs::read_to_string(folder.join(name)).ok());
    own.or_else(|| Templates::get(name).and_then(|file| String::from_utf8(file.data.into_owned()).ok()))
}

fn words(language: Language) -> Result<Value, PageError> {
    let wrong = |why: String| PageError::Texts { language: language.code(), why };
    let file = Texts::get(&format!("{}.toml", language.code())).ok_or_else(|| wrong("there is no file".to_owned()))?;
    let text = std::str::from_utf8(&file.data).map_err(|error| wrong(error.to_string()))?;
    let table: toml::Table = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    Ok(Value::from(Serde(table)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn pages() -> Pages {
        Pages::load(None, true, "0.0.0").expect("texts are readable")
    }

    /// Every key with its placeholders, of one file of texts.
    fn keys(table: &toml::Table, at: &str, into: &mut BTreeMap<String, Vec<String>>) {
        for (key, value) in table {
            let path = format!("{at}.{key}");
            match value {
                toml::Value::Table(inner) => keys(inner, &path, into),
                value => {
                    let text = value.as_str().expect("texts are strings");
                    let code = text.split('`').skip(1).step_by(2).map(str::to_owned);
                    let mut marks: Vec<String> = code.collect();
                    marks.sort();
                    into.insert(path, marks);
                }
            }
        }
    }

    #[test]
    fn every_state_of_a_payment_has_its_word() {
        let file = Texts::get("en.toml").expect("a file");
        let table: toml::Table = toml::from_str(std::str::from_utf8(&file.data).expect("UTF-8")).expect("TOML");
        let words = table["state"].as_table().expect("words");
        for state in payments::PaymentState::ALL {
            assert!(words.contains_key(state.sub_status()), "{}", state.sub_status());
        }
    }

    #[test]
    fn all_languages_say_the_same_things() {
        let read = |language: Language| {
            let file = Texts::get(&format!("{}.toml", language.code())).expect("a file");
            let table: toml::Table = toml::from_str(std::str::from_utf8(&file.data).expect("UTF-8")).expect("TOML");
            let mut found = BTreeMap::new();
            keys(&table, "", &mut found);
            found
        };
        let english = read(Language::English);
        for language in [Language::French, Language::Norwegian] {
            let other = read(language);
            let names = |texts: &BTreeMap<String, Vec<String>>| texts.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&english), names(&other), "{}", language.code());
            for (key, marks) in &english {
                assert_eq!(marks, &other[key], "{key} marks other words as code in {}", language.code());
            }
        }
    }

    /// Every text outside of code, of one file of texts.
    fn prose(table: &toml::Table, into: &mut Vec<String>) {
        for value in table.values() {
            match value {
                toml::Value::Table(inner) => prose(inner, into),
                value => into.extend(value.as_str().expect("texts are strings").split('`').step_by(2).map(str::to_owned)),
            }
        }
    }

    #[test]
    fn texts_are_set_as_print_is() {
        for language in Language::ALL {
            let file = Texts::get(&format!("{}.toml", language.code())).expect("a file");
            let table = toml::from_str(std::str::from_utf8(&file.data).expect("UTF-8")).expect("TOML");
            let mut texts = Vec::new();
            prose(&table, &mut texts);
            for text in texts {
                assert!(!text.contains('\''), "a straight apostrophe in {}: {text}", language.code());
                let broken = [" :", " ;", " ?", " »", "« "].into_iter().find(|mark| text.contains(mark));
                assert!(language != Language::French || broken.is_none(), "a space that may break before {broken:?}: {text}");
            }
        }
    }

    #[test]
    fn every_page_renders_with_every_sample_in_every_language() {
        let pages = pages();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../front/samples");
        let mut rendered = 0;
        for entry in std::fs::read_dir(folder).expect("there are samples") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            let sample: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("readable")).expect("JSON");
            let template = format!("{}.html", name.split('.').next().expect("a page's name"));
            for language in Language::ALL {
                let whole = context! { t => pages.texts(language), ..Value::from(Serde(&sample)) };
                let text = pages.environment.get_template(&template).expect("a template").render(whole);
                let text = text.unwrap_or_else(|error| panic!("{name} in {}: {error:#}", language.code()));
                assert!(text.trim_start().starts_with("<!doctype html>") && text.trim_end().ends_with("</html>"), "{name}");
                rendered += 1;
            }
        }
        assert!(rendered >= 3 * Language::ALL.len(), "only {rendered} pages");
    }

    #[test]
    fn an_operators_template_wins_and_cannot_leave_its_folder() {
        let folder = std::env::temp_dir().join(format!("guichet-templates-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("error.html"), "own").expect("a file");
        assert_eq!(template(Some(&folder), "error.html").as_deref(), Some("own"));
        assert!(template(Some(&folder), "layout.html").is_some_and(|text| text != "own"));
        assert_eq!(template(Some(&folder.join("x")), "../error.html"), None);
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
