//! Which language a reader gets.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// English, also for everybody who prefers none of the others.
    English,
    /// French.
    French,
    /// Norwegian, Bokmål.
    Norwegian,
}

impl Language {
    /// All languages.
    pub(crate) const ALL: [Language; 3] = [Language::English, Language::French, Language::Norwegian];

    /// Its code in ISO 639-1, which names its file of texts.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::French => "fr",
            Language::Norwegian => "nb",
        }
    }

    /// The language of a tag such as `fr-CH`.
    fn of_tag(tag: &str) -> Option<Language> {
        let primary = tag.split('-').next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Language::English),
            "fr" => Some(Language::French),
            "nb" | "no" | "nn" => Some(Language::Norwegian),
            _ => None,
        }
    }

    /// What the reader chose (`?lang=`). It goes with him to the next page.
    pub(crate) fn asked(query: Option<&str>) -> Option<Language> {
        let asked = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("lang="));
        asked.and_then(Language::of_tag)
    }

    /// What the reader chose (`?lang=`), else what his browser prefers (RFC 9110, section 12.5.4).
    pub(crate) fn chosen(query: Option<&str>, headers: &HeaderMap) -> Language {
        if let Some(language) = Language::asked(query) {
            return language;
        }
        let preferred = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let weighed = preferred.split(',').filter_map(|part| {
            let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
            Some((Language::of_tag(tag.trim())?, thousandths(weight.trim().strip_prefix("q=")?)))
        });
        // Of equal weights the first one stands.
        let best = weighed.filter(|(_, weight)| *weight > 0).reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or(Language::English, |(language, _)| language)
    }
}

/// A weight from `0` to `1` with at most three decimals, times a thousand; nonsense weighs nothing.
fn thousandths(weight: &str) -> u32 {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    if decimals.len() > 3 {
        return 0;
    }
    format!("{whole}{decimals:0<3}").parse().unwrap_or(0).min(1_000)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_readers_choice_beats_his_browser() {
        for (query, accept, expected) in [
            (None, "", "en"),
            (None, "fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5", "fr"),
            (None, "de, nn;q=0.7, en;q=0.3", "nb"),
            (None, "en;q=0.1,fr;q=0.25,nb;q=0.2", "fr"),
            (None, "fr;q=0, en;q=nonsense", "en"),
            (Some("a=1&lang=nb"), "fr", "nb"),
            (Some("lang=xx"), "fr", "fr"),
        ] {
            let headers = [(ACCEPT_LANGUAGE, HeaderValue::from_str(accept).expect("a value"))].into_iter().collect();
            assert_eq!(Language::chosen(query, &headers).code(), expected, "{query:?} {accept}");
        }
    }
}
