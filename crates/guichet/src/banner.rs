//! What `demo` prints once it is ready: where to look, who to be, three commands to paste, how to stop.

use std::fmt::Write as _;
use std::path::Path;

use crate::credentials::{Credentials, card};
use crate::showroom::card_payment;

/// Colours of a terminal, or none.
#[derive(Debug, Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Counter green, the one accent.
    fn accent(self, text: &str) -> String {
        self.with("1;32", text)
    }

    fn soft(self, text: &str) -> String {
        self.with("2", text)
    }
}

/// The banner: at most 20 lines, the commands at the start of a line of their own so that they can be copied whole.
pub fn banner(credentials: &Credentials, data_dir: &Path, colour: bool) -> String {
    let paint = Paint(colour);
    let base = &credentials.base_url;
    let full = credentials.full_key();
    let perforation = paint.soft(&"┄".repeat(72));
    let mut out = String::new();
    let mut line = |text: &str| writeln!(out, "{text}").expect("writing to a string cannot fail");
    let fact = |name: &str, value: &str| format!("  {} {value}", paint.soft(&format!("{name:<8}")));

    line(&format!("\n  {}", paint.accent("╭─╮")));
    line(&format!("  {} {}   {}", paint.accent("guichet"), env!("CARGO_PKG_VERSION"), "Sandbox: no real money moves"));
    line("");
    line(&fact(
        "Open",
        &format!("{}   {}", paint.accent(&format!("{base}/")), paint.soft(&format!("API reference: {base}/docs"))),
    ));
    line(&fact("Data", &data_dir.display().to_string()));
    line(&fact(
        "Account",
        &format!("{} <{}>  {}", credentials.account.name, credentials.account.owner_email, credentials.account.id),
    ));
    line(&perforation);
    line(&fact("Key", &full.token));
    line(&fact("Secret", full.secret.expose()));
    line(&perforation);
    line(&format!("  {}", "Paste: take a payment, find it again, see what the acquirer charged"));
    let keys = format!("-H 'public-api-key: {}' -H 'private-secret-key: {}'", full.token, full.secret.expose());
    line(&format!(
        "curl -s {base}/v1/payments {keys} -H 'x-idempotency-key: coffee-1' -H 'content-type: application/json' -d '{}'",
        card_payment(credentials, "coffee-1", "A coffee", 3, card("approved"), true)
    ));
    line(&format!("curl -s '{base}/v1/payments?merchant_order_id=coffee-1' {keys}"));
    line(&format!("curl -s '{base}/dev/acquirer/charges?merchant_order_id=coffee-1'"));
    line("");
    line(&format!("  {}", paint.soft("Ctrl-C stops it; the same folder brings the same data and keys back.")));
    out
}
