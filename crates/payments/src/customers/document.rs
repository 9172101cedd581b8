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

/// What a payment keeps of the payer's device, beside the customer he is.
const OF_THE_DEVICE: [&str; 3] = ["ip_address", "browser_info", "device_fingerprints"];

/// A payment's document, or a reply that shows one, without what was sent of its payer's device; `None` where there is nothing of that.
pub(super) fn without_device(document: &[u8]) -> Option<Arc<[u8]>> {
    const PAYER: &str = "customer_payer";
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(document).ok()?;
    let payer = members.get(PAYER)?.get();
    let known: BTreeMap<String, &RawValue> = serde_json::from_str(payer).ok()?;
    let said = |name: &&&str| known.get(**name).is_some_and(|value| value.get() != "null");
    let nothing: Arc<RawValue> = RawValue::from_string("null".to_owned()).ok()?.into();
    let less: Vec<_> = OF_THE_DEVICE.iter().filter(said).map(|name| (*name, Some(nothing.clone()))).collect();
    if less.is_empty() {
        return None;
    }
    let payer = changed(Some(payer.as_bytes()), &Changes(less))
        .map(|left| String::from_utf8_lossy(&left).into_owned())
        .and_then(|left| RawValue::from_string(left).ok())
        .map(Arc::from);
    changed(Some(document), &Changes(vec![(PAYER, payer)]))
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

    #[test]
    fn what_was_sent_of_a_device_is_dropped_and_the_rest_stays_as_it_was() {
        let without = |text: &str| without_device(text.as_bytes()).map(|left| String::from_utf8(left.to_vec()).expect("text"));
        let sent = r#"{"a":1.50,"customer_payer":{"browser_info":{"x":[1]},"device_fingerprints":[],"id":"i","ip_address":"::1"},"z":[ 1 ]}"#;
        assert_eq!(
            without(sent).as_deref(),
            Some(
                r#"{"a":1.50,"customer_payer":{"browser_info":null,"device_fingerprints":null,"id":"i","ip_address":null},"z":[ 1 ]}"#
            )
        );
        for nothing in [
            "",
            "[]",
            "{}",
            r#"{"customer_payer":null}"#,
            r#"{"customer_payer":{"id":"i","browser_info":null}}"#,
            r#"{"ip_address":"::1"}"#,
        ] {
            assert_eq!(without(nothing), None, "{nothing}");
        }
    }
}
