//! What browsers may do with the pages payers see (payments specification, section 6.6).

use axum::http::HeaderValue;

/// Own files only; forms go to `targets`, which browsers hold a form's redirects to as well; frames of pages of `framed_by` may show it.
pub(crate) fn policy(targets: &str, framed_by: &[String]) -> HeaderValue {
    let framed_by = if framed_by.is_empty() { "'none'".to_owned() } else { framed_by.join(" ") };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action {targets}; base-uri 'none'; \
         frame-ancestors {framed_by}"
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_may_frame_a_page_unless_he_is_named() {
        let ends = |framed_by: &[&str], end: &str| {
            let framed_by: Vec<String> = framed_by.iter().map(|origin| (*origin).to_owned()).collect();
            let policy = policy("'self'", &framed_by);
            assert!(policy.to_str().is_ok_and(|policy| policy.ends_with(end)), "{policy:?}");
        };
        ends(&[], "form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
        ends(&["https://a.example", "https://b.example:8443"], "; frame-ancestors https://a.example https://b.example:8443");
    }
}
