//! What a request says only to hear it again. It is kept as one JSON document that no rule ever looks into.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Of a payment.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct PaymentDetails<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) merchant_reference: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) callback_url: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) soft_descriptor: Option<Cow<'a, str>>,
    /// 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) installments: Option<u8>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) vault_on_success: bool,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer_payer: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) additional_data: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) stored_credentials: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) three_d_secure: Option<Cow<'a, RawValue>>,
    /// The link it was made through.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) payment_link_id: Option<Cow<'a, str>>,
    /// The subscription it was made for.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) subscription_code: Option<Cow<'a, str>>,
}

/// Of a capture, cancel or refund.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct OperationDetails<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) merchant_reference: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) additional_data: Option<Cow<'a, RawValue>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) simplified_mode: bool,
}

/// Of a checkout session.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct SessionDetails<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) callback_url: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) installments: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) checkout_id: Option<Cow<'a, str>>,
}

/// Of a payment link.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct LinkDetails<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer_payer: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) additional_data: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Cow<'a, RawValue>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) vault_on_success: bool,
}

impl LinkDetails<'_> {
    /// The customer it is for.
    pub(crate) fn customer(&self) -> Option<Arc<str>> {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow, default)]
            id: Option<Cow<'a, str>>,
        }
        let payer = self.customer_payer.as_ref()?;
        let named: Named<'_> = serde_json::from_str(payer.get()).ok()?;
        named.id.filter(|id| !id.is_empty()).map(Arc::from)
    }
}

/// Of a subscription.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct SubscriptionDetails<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) merchant_reference: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) soft_descriptor: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer_payer: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Cow<'a, RawValue>>,
}

/// Of a payout. The number in `withdrawal_method` is masked.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct PayoutDetails<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) purpose: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) beneficiary: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) withdrawal_method: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Cow<'a, RawValue>>,
}

/// Of a one-time token.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct TokenDetails<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) customer: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) country: Option<Cow<'a, str>>,
}

/// As it is stored; nothing when there is nothing to keep.
pub(crate) fn packed(details: &impl Serialize) -> Option<Arc<[u8]>> {
    let text = serde_json::to_vec(details).expect("strings, numbers and JSON always serialise");
    Some(text).filter(|text| text != b"{}").map(Arc::from)
}

/// As it was stored.
pub(crate) fn unpacked<'a, D: Deserialize<'a> + Default>(stored: Option<&'a [u8]>) -> D {
    let read = stored.map(serde_json::from_slice);
    read.and_then(|read| read.inspect_err(|error| tracing::error!(%error, "stored details cannot be read")).ok())
        .unwrap_or_default()
}

/// A value as the JSON that is kept.
pub(super) fn raw(value: &impl Serialize) -> Cow<'static, RawValue> {
    Cow::Owned(serde_json::value::to_raw_value(value).expect("strings, numbers and JSON always serialise"))
}

/// A member of a document to be set.
pub(super) fn member(value: &impl Serialize) -> Arc<RawValue> {
    Arc::from(serde_json::value::to_raw_value(value).expect("strings, numbers and JSON always serialise"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_nothing() {
        assert_eq!(packed(&PaymentDetails::default()), None);
        assert_eq!(packed(&OperationDetails::default()), None);
        assert_eq!(packed(&SessionDetails::default()), None);
    }

    #[test]
    fn what_is_kept_comes_back_unchanged() {
        let sent = r#"{ "a" : [1.50, "é\n"] }"#;
        let raw = RawValue::from_string(sent.to_owned()).expect("JSON");
        let details = PaymentDetails {
            merchant_reference: Some("a \"b\"".into()),
            additional_data: Some(Cow::Owned(raw)),
            ..Default::default()
        };
        let stored = packed(&details).expect("something");
        let read: PaymentDetails<'_> = unpacked(Some(&stored));
        assert_eq!(read.merchant_reference.as_deref(), Some("a \"b\""));
        assert_eq!(read.additional_data.map(|raw| raw.get().to_owned()).as_deref(), Some(sent));
    }
}
