//! Stripe as the configuration describes it. Without a key it does not exist.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

use connectors::acquirer_stripe::{Api, BASE_URL, Stripe, StripeOptions};
use kernel::SecretText;

use crate::trouble::Trouble;

/// Where a secret is.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// In this file.
    File(PathBuf),
    /// In the environment.
    Text(SecretText),
}

/// What was said about Stripe.
#[derive(Debug, Clone, Default)]
pub struct StripeConfig {
    /// The secret key.
    pub key: Option<SecretSource>,
    /// What its notifications are signed with.
    pub signing_secret: Option<SecretSource>,
    /// Where it answers.
    pub base_url: Option<String>,
    /// Which interface it has.
    pub api: Api,
    /// Send only what is needed.
    pub minimal_fields: bool,
    /// It does not recognise repeats by `Idempotency-Key`.
    pub ignores_idempotency: bool,
}

impl SecretSource {
    /// The secret, without the line break that ends a file.
    fn read(&self, what: &str) -> Result<SecretText, Trouble> {
        let text = match self {
            SecretSource::Text(text) => text.clone(),
            SecretSource::File(path) => {
                let text = std::fs::read_to_string(path).map(SecretText::new).map_err(|error| {
                    Trouble::new(format!("cannot read {what} from {}", path.display()))
                        .because(error)
                        .remedy("name a file this user may read")
                })?;
                SecretText::new(text.expose().trim().to_owned())
            }
        };
        if text.expose().is_empty() {
            return Err(Trouble::new(format!("{what} is empty")).remedy("put it there, or do not name it"));
        }
        Ok(text)
    }
}

impl StripeConfig {
    /// The connector; `None` without a key. `sandbox`: whether this installation moves play money.
    ///
    /// # Errors
    /// A key that cannot be read or used, or that moves the other kind of money; an address that would send cards in clear.
    pub fn connector(&self, sandbox: bool) -> Result<Option<Arc<Stripe>>, Trouble> {
        let Some(source) = &self.key else { return Ok(None) };
        let key = source.read("the key of stripe")?;
        if sandbox && ["sk_live_", "rk_live_"].iter().any(|live| key.expose().starts_with(live)) {
            return Err(Trouble::new("a sandbox cannot use a live key of stripe")
                .because("play money and real money never mix")
                .remedy("use a test key, or serve without --sandbox"));
        }
        if !sandbox && key.expose().starts_with("sk_test_") {
            tracing::warn!("stripe is used with a test key: no charge will bring real money");
        }
        let base_url = self.base_url.clone().unwrap_or_else(|| BASE_URL.to_owned());
        if !is_private_line(&base_url) {
            return Err(Trouble::new(format!("stripe cannot be asked at {base_url}"))
                .because("card numbers travel over TLS, or not beyond this machine")
                .remedy("name an https address with --stripe-base-url"));
        }
        let options = StripeOptions {
            base_url,
            api: self.api,
            minimal_fields: self.minimal_fields,
            honours_idempotency: !self.ignores_idempotency,
            signing_secrets: self.signing_secrets()?,
            ..StripeOptions::new(key)
        };
        let stripe = Stripe::new(options).map_err(|error| {
            Trouble::new("stripe cannot be set up").because(error).remedy("correct --stripe-base-url and the key of stripe")
        })?;
        Ok(Some(stripe))
    }

    /// What notifications may be signed with.
    ///
    /// # Errors
    /// A secret that cannot be read.
    pub fn signing_secrets(&self) -> Result<Vec<SecretText>, Trouble> {
        self.signing_secret.iter().map(|source| source.read("the signing secret of stripe")).collect()
    }
}

/// Whether nobody on the way can read along: TLS, or a server on this machine.
fn is_private_line(url: &str) -> bool {
    if url.starts_with("https://") {
        return true;
    }
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if place.contains('@') {
        return false;
    }
    let host = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => place.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_travel_over_tls_or_not_beyond_this_machine() {
        for url in ["https://api.stripe.com", "http://localhost:8420", "http://127.0.0.1:1/x", "http://[::1]:80"] {
            assert!(is_private_line(url), "{url}");
        }
        for url in [
            "http://api.stripe.com",
            "http://127.0.0.1.example",
            "http://localhost@evil.example",
            "ftp://localhost",
            "",
            "http://",
        ] {
            assert!(!is_private_line(url), "{url}");
        }
    }

    #[test]
    fn a_key_decides_whether_there_is_a_connector() {
        let with = |key: &str| StripeConfig {
            key: Some(SecretSource::Text(SecretText::new(key.to_owned()))),
            base_url: Some("http://127.0.0.1:1".to_owned()),
            ..StripeConfig::default()
        };
        assert!(matches!(StripeConfig::default().connector(true), Ok(None)));
        assert!(matches!(with("sk_test_1").connector(true), Ok(Some(_))));
        assert!(matches!(with("sk_live_1").connector(false), Ok(Some(_))));
        assert!(with("sk_live_1").connector(true).is_err());
        assert!(with("").connector(true).is_err() && with("sk_\n1").connector(true).is_err());
        let clear = StripeConfig { base_url: Some("http://stripe.example".to_owned()), ..with("sk_test_1") };
        assert!(clear.connector(true).is_err());
        let missing = StripeConfig { key: Some(SecretSource::File("/nowhere/key".into())), ..StripeConfig::default() };
        assert!(missing.connector(false).is_err());
    }

    #[test]
    fn a_file_may_end_with_a_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "whsec_1\n").unwrap();
        let config = StripeConfig { signing_secret: Some(SecretSource::File(path)), ..StripeConfig::default() };
        assert_eq!(config.signing_secrets().unwrap()[0].expose(), "whsec_1");
        assert!(StripeConfig::default().signing_secrets().unwrap().is_empty());
    }
}
