//! The parts of Stripe's objects that matter here. Everything else in its replies is passed over.

use std::collections::HashMap;

use serde::Deserialize;

/// Carries our attempt's id with everything we make there.
pub(super) const METADATA_ATTEMPT: &str = "attempt";
/// Marks an intent that only keeps a key from being used.
pub(super) const METADATA_FENCE: &str = "fence";

pub(super) type Metadata = HashMap<String, String>;

/// Anything with an id.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
}

/// An id, or the object itself where it is expanded.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Link {
    Id(String),
    Object(Named),
}

impl Link {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object(Named { id }) => id,
        }
    }
}

/// A payment intent; a setup intent has the same parts, but for the charge.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) latest_charge: Option<Link>,
    #[serde(default, alias = "last_setup_error")]
    pub(super) last_payment_error: Option<Problem>,
    #[serde(default)]
    pub(super) next_action: Option<NextAction>,
}

/// What a payer has to do.
#[derive(Debug, Deserialize)]
pub(super) struct NextAction {
    #[serde(default)]
    pub(super) redirect_to_url: Option<RedirectToUrl>,
}

/// Where he does it.
#[derive(Debug, Deserialize)]
pub(super) struct RedirectToUrl {
    pub(super) url: String,
}

impl Intent {
    /// The page on which the payer proves that the card is his.
    pub(super) fn page(&self) -> Option<&str> {
        let page = self.next_action.as_ref()?.redirect_to_url.as_ref()?.url.as_str();
        Some(page).filter(|page| page.starts_with("https://") || page.starts_with("http://"))
    }
}

/// A charge of the older interface.
#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) captured: bool,
    #[serde(default)]
    pub(super) refunded: bool,
    #[serde(default)]
    pub(super) failure_code: Option<String>,
}

/// A refund.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    /// Older versions have none: a refund that is there succeeded.
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// Anything that can carry our mark.
#[derive(Debug, Deserialize)]
pub(super) struct Tagged {
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// What is in a list: something we can recognise.
pub(super) trait Listed {
    fn id(&self) -> &str;
    fn metadata(&self) -> &Metadata;
}

macro_rules! listed {
    ($($object:ident)+) => {$(
        impl Listed for $object {
            fn id(&self) -> &str {
                &self.id
            }
            fn metadata(&self) -> &Metadata {
                &self.metadata
            }
        }
    )+};
}
listed! { Intent Charge Refund }

/// A refusal's body.
#[derive(Debug, Deserialize)]
pub(super) struct Refused {
    pub(super) error: Problem,
}

/// Why something was refused. Its `message` is not read: it may quote what was sent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Problem {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) decline_code: Option<String>,
    #[serde(default)]
    pub(super) network_decline_code: Option<String>,
    #[serde(default)]
    pub(super) charge: Option<String>,
    #[serde(default)]
    pub(super) payment_intent: Option<Named>,
}
