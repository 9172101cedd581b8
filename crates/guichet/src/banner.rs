//! What `demo` prints once it is ready: where to look, who to be, three commands to paste, how to stop.

use crate::config::Config;
use crate::credentials::{Credentials, card};
use crate::showroom::card_payment;

/// Width of a perforation.
const PERFORATION_CHARS: usize = 72;

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

/// The banner: at most 20 lines. The commands begin at the margin, each on a line of its own, so that they can be copied
/// whole; the key lies between two perforations, because it is something one can hold.
pub fn banner(credentials: &Credentials, config: &Config, colour: bool) -> String {
    let paint = Paint(colour);
    let fact = |name: &str, value: &str| format!("  {} {value}", paint.soft(&format!("{name:<8}")));
    let (base, account, full) = (&credentials.base_url, &credentials.account, credentials.full_key());
    let perforation = paint.soft(&"┄".repeat(PERFORATION_CHARS));
    let all_keys = config.credentials.as_ref().map(|path| fact("All keys", &path.display().to_string()));

    let mut lines = vec![
        String::new(),
        format!("  {}", paint.accent("╭─╮")),
        format!("  {} {}   Sandbox: no real money moves", paint.accent("guichet"), env!("CARGO_PKG_VERSION")),
        String::new(),
        fact("Open", &format!("{}   {}", paint.accent(&format!("{base}/")), paint.soft(&format!("API reference: {base}/docs")))),
        fact("Data", &config.data_dir.display().to_string()),
        fact("Account", &format!("{} <{}>  {}", account.name, account.owner_email, account.id)),
        perforation.clone(),
        fact("Key", &full.token),
        fact("Secret", full.secret.expose()),
    ];
    lines.extend(all_keys);
    lines.push(perforation);
    lines.push("  Paste: take a payment, find it again, see what the acquirer charged".to_owned());
    lines.extend(commands(credentials));
    lines.push(format!("  {}", paint.soft("Ctrl-C stops it; the same folder brings the same data and keys back.")));
    lines.join("\n")
}

/// Three commands for a shell; all values are plain ASCII without a single quote.
fn commands(credentials: &Credentials) -> [String; 3] {
    let (base, full) = (&credentials.base_url, credentials.full_key());
    let keys = format!("-H 'public-api-key: {}' -H 'private-secret-key: {}'", full.token, full.secret.expose());
    let body = card_payment(credentials, "coffee-1", "A coffee", 3, card("approved"), true);
    [
        format!(
            "curl -s {base}/v1/payments {keys} -H 'x-idempotency-key: coffee-1' -H 'content-type: application/json' -d '{body}'"
        ),
        format!("curl -s '{base}/v1/payments?merchant_order_id=coffee-1' {keys}"),
        format!("curl -s '{base}/dev/acquirer/charges?merchant_order_id=coffee-1'"),
    ]
}
