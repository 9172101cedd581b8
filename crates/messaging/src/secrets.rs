//! What receivers and we share with each other, sealed under the installation's platform key for its row and column.

use std::sync::Arc;

use kernel::{AccountId, PlatformKey, SealError, Sealer, SecretText, Source, WebhookId};

use crate::signing;

/// Which secret of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    ApiKey,
    Secret,
    HmacClientSecret,
    Oauth2ClientSecret,
    /// The present or the former one: rotation moves it from one column to the other unopened.
    SigningSecret,
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "webhook.api_key",
            Self::Secret => "webhook.secret",
            Self::HmacClientSecret => "webhook.hmac_client_secret",
            Self::Oauth2ClientSecret => "webhook.oauth2_client_secret",
            Self::SigningSecret => "webhook.signing_secret",
        }
    }
}

/// Seals and opens the secrets of receivers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WebhookSecrets {
    sealer: Sealer,
    source: Source,
}

impl WebhookSecrets {
    /// With a key derived from the platform key.
    pub fn new(platform: &PlatformKey, source: &Source) -> Self {
        Self { sealer: Sealer::new(platform, "guichet/messaging/webhook", source), source: source.clone() }
    }

    /// Where ids and randomness come from.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn seal(&self, secret: &SecretText, account: AccountId, webhook: WebhookId, column: Column) -> Arc<[u8]> {
        self.sealer.seal(secret.expose().as_bytes(), &place(account, webhook, column)).into()
    }

    pub(crate) fn open(
        &self,
        sealed: &[u8],
        account: AccountId,
        webhook: WebhookId,
        column: Column,
    ) -> Result<SecretText, SealError> {
        let plain = self.sealer.open(sealed, &place(account, webhook, column))?;
        let text = std::str::from_utf8(&plain).map_err(|_| SealError::NotGenuine)?;
        Ok(SecretText::new(text.to_owned()))
    }

    pub(crate) fn new_signing_secret(&self) -> SecretText {
        signing::new_signing_secret(&self.source)
    }
}

fn place(account: AccountId, webhook: WebhookId, column: Column) -> Vec<u8> {
    [column.name().as_bytes(), b"\0", &account.bytes(), &webhook.bytes()].concat()
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    #[test]
    fn a_secret_opens_in_its_row_and_column_only() {
        let (source, _) = Source::seeded(2, Timestamp::EPOCH);
        let secrets = WebhookSecrets::new(&PlatformKey::from_bytes([1; 32]), &source);
        let (account, webhook) = (AccountId::new(&source), WebhookId::new(&source));
        let sealed = secrets.seal(&SecretText::new("hush".to_owned()), account, webhook, Column::Secret);
        assert_eq!(secrets.open(&sealed, account, webhook, Column::Secret).expect("its place").expose(), "hush");
        assert!(secrets.open(&sealed, account, webhook, Column::ApiKey).is_err());
        assert!(secrets.open(&sealed, account, WebhookId::new(&source), Column::Secret).is_err());
        assert!(secrets.open(&sealed, AccountId::new(&source), webhook, Column::Secret).is_err());
    }
}
