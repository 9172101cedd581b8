//! Who is calling, seen through the proxies in front of us.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Header in which each proxy appends the address it was called from.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word is believed; none unless the process runs behind one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Believes proxies of these networks.
    pub(crate) fn new(networks: Vec<IpNet>) -> Proxies {
        Proxies(networks)
    }

    fn trusted(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The last hop that is not one of our proxies. What hops before it claim is not looked at: anybody can write it.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() {
            return client;
        }
        let lists: Vec<&str> = headers.get_all(X_FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or_default()).collect();
        let mut hops = lists.iter().rev().flat_map(|list| list.rsplit(','));
        while self.trusted(client) {
            match hops.next().and_then(address) {
                Some(hop) => client = hop,
                None => break,
            }
        }
        client
    }
}

/// An address with or without a port, as proxies write it.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.parse().or_else(|_| hop.parse().map(|socket: std::net::SocketAddr| socket.ip()));
    bare.or_else(|_| hop.trim_matches(['[', ']']).parse()).ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(proxies: &str, peer: &str, forwarded: &[&str]) -> String {
        let networks = proxies.split(' ').filter(|text| !text.is_empty()).map(|text| text.parse().expect("a network")).collect();
        let headers = forwarded.iter().map(|list| (X_FORWARDED_FOR, HeaderValue::from_str(list).expect("a value"))).collect();
        Proxies::new(networks).client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn the_last_untrusted_hop_is_the_client() {
        let local = "127.0.0.0/8 ::1/128 10.0.0.0/8";
        for (proxies, peer, forwarded, expected) in [
            ("", "203.0.113.9", &["198.51.100.1"] as &[&str], "203.0.113.9"),
            (local, "203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            (local, "127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            (local, "127.0.0.1", &["1.2.3.4, 198.51.100.1, 10.1.1.1"], "198.51.100.1"),
            (local, "127.0.0.1", &["1.2.3.4", "198.51.100.1,10.1.1.1"], "198.51.100.1"),
            (local, "127.0.0.1", &["1.2.3.4, nonsense, 10.1.1.1"], "10.1.1.1"),
            (local, "127.0.0.1", &[], "127.0.0.1"),
            (local, "127.0.0.1", &["198.51.100.1:443"], "198.51.100.1"),
            (local, "::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            (local, "::ffff:127.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
        ] {
            assert_eq!(client(proxies, peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }
}
