//! Signatures of what is sent: a plain HMAC of the body as the original has it, and Standard Webhooks (standardwebhooks.com, version 1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kernel::{SecretText, Source};
use sha2::Sha256;

/// What every signing secret begins with.
const PREFIX: &str = "whsec_";
/// Random bytes of a signing secret.
const SIGNING_BYTES: usize = 32;

/// A new signing secret: `whsec_` and base64 of 32 random bytes.
pub(crate) fn new_signing_secret(source: &Source) -> SecretText {
    SecretText::new(format!("{PREFIX}{}", STANDARD.encode(source.bytes::<SIGNING_BYTES>())))
}

/// Base64 of HMAC-SHA-256 over the parts; keys of any length.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// `webhook-signature`: one signature of `id.timestamp.body` per secret, the newest first.
pub(crate) fn standard(secrets: &[SecretText], id: &str, timestamp: &str, body: &[u8]) -> String {
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let signed = secrets.iter().map(|secret| {
        let text = secret.expose();
        let key = text.strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key).ok());
        // A secret that is no base64 signs by its own bytes; ours always is.
        format!("v1,{}", hmac(key.as_deref().unwrap_or(text.as_bytes()), &parts))
    });
    signed.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    /// The example of the specification (libraries/README, "Verifying").
    #[test]
    fn signs_as_the_standard_says() {
        let secret = SecretText::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let signature = standard(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_make_two_signatures() {
        let (source, _) = Source::seeded(1, Timestamp::EPOCH);
        let secrets = [new_signing_secret(&source), new_signing_secret(&source)];
        assert_eq!(secrets[0].expose().len(), PREFIX.len() + 44);
        let both = standard(&secrets, "a", "1", b"{}");
        let alone: Vec<String> = secrets.iter().map(|one| standard(std::slice::from_ref(one), "a", "1", b"{}")).collect();
        assert_eq!(both, alone.join(" "));
        assert_ne!(alone[0], alone[1]);
    }
}
