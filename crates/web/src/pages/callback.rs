//! The way back to the merchant's page.

use kernel::CheckoutSessionId;

/// The merchant's address with the payment's id in its query, and with the checkout session if there is one (payments specification,
/// section 4.4). Every payment that ends on a page of ours comes back so, whether its payer was asked for a code or not.
pub(crate) fn with_payment(address: &str, payment: &str, session: Option<CheckoutSessionId>) -> String {
    let (address, fragment) = address.split_once('#').map_or((address, None), |(address, rest)| (address, Some(rest)));
    let joint = match address.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let session = session.map_or_else(String::new, |session| format!("&checkoutSession={session}"));
    let fragment = fragment.map_or_else(String::new, |fragment| format!("#{fragment}"));
    format!("{address}{joint}payment_id={payment}{session}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_merchants_own_query_and_fragment_stay() {
        for (address, expected) in [
            ("https://shop.example/back", "https://shop.example/back?payment_id=p"),
            ("https://shop.example/back?x=1", "https://shop.example/back?x=1&payment_id=p"),
            ("https://shop.example/back?x=1&", "https://shop.example/back?x=1&payment_id=p"),
            ("https://shop.example?", "https://shop.example?payment_id=p"),
            ("https://shop.example/back#top", "https://shop.example/back?payment_id=p#top"),
            ("https://shop.example/back?x=1#a?b", "https://shop.example/back?x=1&payment_id=p#a?b"),
        ] {
            assert_eq!(with_payment(address, "p", None), expected);
        }
        let session: CheckoutSessionId = "0199a8b4-1f7e-7c3a-8000-0123456789ab".parse().expect("an id");
        let back = with_payment("https://shop.example/back", "p", Some(session));
        assert_eq!(back, format!("https://shop.example/back?payment_id=p&checkoutSession={session}"));
    }
}
