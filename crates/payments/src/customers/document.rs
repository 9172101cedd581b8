//! Changing single members of a document that is otherwise never looked into.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::types::Changes;

/// The document with the changes made; `None` when nothing is left.
pub(crate) fn changed(document: Option<&[u8]>, changes: &Changes) -> Option<Arc<[u8]>> {
    let read = document.map(serde_json::from_slice::<BTreeMap<String, &RawValue>>);
    let mut members = read.and_then(Result::ok).unwrap_or_default();
    for (name, value) in &changes.0 {
        match value {
            Some(value) => {
                members.insert((*name).to_owned(), value);
            }
            None => {
                members.remove(*name);
            }
        }
    }
    if members.is_empty() {
        return None;
    }
    Some(serde_json::to_vec(&members).expect("names and JSON always serialise").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_set_and_taken_off_and_the_rest_stays_as_it_was() {
        let value = |text: &str| Some(Arc::from(RawValue::from_string(text.to_owned()).expect("JSON")));
        let changes = Changes(vec![("a", value("1.50")), ("b", None), ("d", value(r#"{"x":[]}"#))]);
        let after = changed(Some(br#"{"a":"old","b":2,"c":[ 1.0 ]}"#), &changes).expect("something is left");
        assert_eq!(std::str::from_utf8(&after).expect("text"), r#"{"a":1.50,"c":[ 1.0 ],"d":{"x":[]}}"#);
        assert_eq!(changed(Some(br#"{"b":2}"#), &Changes(vec![("b", None)])), None);
        assert_eq!(changed(None, &Changes::default()), None);
    }
}
