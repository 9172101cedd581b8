//! Which addresses may be called: the guard for every URL that somebody else chose (payments specification, section 3.11).
//!
//! It stands at two places. When a URL is configured, its form is judged and every address its name has at that moment. When it is
//! called, the client resolves the name through [`Guarded`], so the addresses that are judged are the very ones it connects to: a name
//! that meanwhile points elsewhere is refused there.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

/// Longest time a name may take to resolve.
const RESOLVE_TIME_MAX: Duration = Duration::from_secs(5);
/// Ports below the free ones that may be called.
const WEB_PORTS: [u16; 2] = [80, 443];
/// From here on every port may be called.
const FREE_PORT_MIN: u16 = 1_024;

/// Why an address must not be called; the text may be shown.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unsafe {
    /// It is no address.
    #[error("must be an address of the web, such as https://shop.example/hook")]
    Malformed,
    /// Not a scheme of the web, or not the protected one.
    #[error("must begin with https://")]
    Scheme,
    /// A name or password in front of the host.
    #[error("must not hold a user name or password")]
    UserInfo,
    /// A port that other services use.
    #[error("its port must be 80, 443 or at least 1024")]
    Port,
    /// The name has no address.
    #[error("its name does not resolve")]
    Unresolved,
    /// An address that is not public.
    #[error("must not lead into a private network")]
    NotPublic,
}

/// Looks names up. A port, so that a test can let a name point somewhere else the second time.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a host.
    fn addresses(&self, host: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// The system's own resolver.
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, host: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Judges addresses. Cheap to clone.
#[derive(Clone)]
pub struct UrlGuard {
    /// In the sandbox http and loopback are allowed.
    sandbox: bool,
    lookup: Arc<dyn Lookup>,
}

impl fmt::Debug for UrlGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlGuard").field("sandbox", &self.sandbox).finish_non_exhaustive()
    }
}

impl UrlGuard {
    /// A guard that looks names up with `lookup`.
    pub fn new(sandbox: bool, lookup: Arc<dyn Lookup>) -> Self {
        Self { sandbox, lookup }
    }

    /// Judges everything about a URL that its text tells, the address included where the host is one.
    ///
    /// # Errors
    /// [`Unsafe`].
    pub fn judge_text(&self, text: &str) -> Result<Url, Unsafe> {
        let url = Url::parse(text).map_err(|_| Unsafe::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" if self.sandbox => {}
            _ => return Err(Unsafe::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Unsafe::UserInfo);
        }
        let port = url.port_or_known_default().ok_or(Unsafe::Malformed)?;
        if !WEB_PORTS.contains(&port) && port < FREE_PORT_MIN {
            return Err(Unsafe::Port);
        }
        let host = url.host_str().ok_or(Unsafe::Malformed)?;
        // Every spelling of an IPv4 address is the dotted one by now (WHATWG URL, host parsing); IPv6 stands in brackets.
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) if !self.allows(address) => Err(Unsafe::NotPublic),
            Ok(_) | Err(_) => Ok(url),
        }
    }

    /// Judges a URL that is being configured: its text, and every address its name has now.
    ///
    /// # Errors
    /// [`Unsafe`].
    pub async fn judge(&self, text: &str) -> Result<(), Unsafe> {
        let url = self.judge_text(text)?;
        let host = url.host_str().ok_or(Unsafe::Malformed)?;
        if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        self.resolve(host.to_owned()).await.map(drop)
    }

    /// The addresses of a host, all of which may be called.
    async fn resolve(&self, host: String) -> Result<Vec<IpAddr>, Unsafe> {
        let found = tokio::time::timeout(RESOLVE_TIME_MAX, self.lookup.addresses(host)).await;
        let found = found.ok().and_then(Result::ok).filter(|found| !found.is_empty()).ok_or(Unsafe::Unresolved)?;
        if found.iter().all(|address| self.allows(*address)) { Ok(found) } else { Err(Unsafe::NotPublic) }
    }

    fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || (self.sandbox && address.is_loopback())
    }
}

/// The guard as the HTTP client's resolver: what it lets through is what is connected to.
pub(crate) struct Guarded(pub UrlGuard);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let found = guard.resolve(name.as_str().to_owned()).await?;
            // Port 0 stands for the URL's own.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Whether an address is one that anybody on the internet may reach. An IPv6 address that carries an IPv4 one is judged by both.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

macro_rules! nets {
    ($net:ident: $($a:expr, $length:literal;)+) => { [$($net::new_assert($a, $length)),+] };
}

/// What is not public of IPv4 (IANA special-purpose registry).
const NOT_PUBLIC_V4: [Ipv4Net; 15] = nets! { Ipv4Net:
    Ipv4Addr::UNSPECIFIED, 8; // this network, unspecified
    Ipv4Addr::new(10, 0, 0, 0), 8; // private
    Ipv4Addr::new(100, 64, 0, 0), 10; // CGNAT
    Ipv4Addr::new(127, 0, 0, 0), 8; // loopback
    Ipv4Addr::new(169, 254, 0, 0), 16; // link-local, and where clouds keep their secrets
    Ipv4Addr::new(172, 16, 0, 0), 12; // private
    Ipv4Addr::new(192, 0, 0, 0), 24; // protocol assignments
    Ipv4Addr::new(192, 0, 2, 0), 24; // documentation
    Ipv4Addr::new(192, 88, 99, 0), 24; // 6to4 relays
    Ipv4Addr::new(192, 168, 0, 0), 16; // private
    Ipv4Addr::new(198, 18, 0, 0), 15; // benchmarks
    Ipv4Addr::new(198, 51, 100, 0), 24; // documentation
    Ipv4Addr::new(203, 0, 113, 0), 24; // documentation
    Ipv4Addr::new(224, 0, 0, 0), 4; // multicast
    Ipv4Addr::new(240, 0, 0, 0), 4; // reserved, broadcast
};

/// The only IPv6 that is routed at all, besides the forms that carry an IPv4 address.
const GLOBAL_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is not public within it.
const NOT_PUBLIC_V6: [Ipv6Net; 3] = nets! { Ipv6Net:
    Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23; // protocol assignments, Teredo
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32; // documentation
    Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20; // documentation
};

/// IPv4-mapped addresses.
const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
/// NAT64 (RFC 6052).
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// 6to4 (RFC 3056): the IPv4 address follows the first two bytes.
const SIX_TO_FOUR: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4.iter().any(|net| net.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [.., a, b, c, d] = address.octets();
    if MAPPED.contains(&address) || NAT64.contains(&address) {
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    if SIX_TO_FOUR.contains(&address) {
        let [_, _, a, b, c, d, ..] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    GLOBAL_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&address))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A resolver that gives one answer after the other, the last one for ever.
    struct Turning(Vec<Vec<&'static str>>, AtomicUsize);

    impl Lookup for Turning {
        fn addresses(&self, _host: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
            let turn = self.1.fetch_add(1, Ordering::Relaxed).min(self.0.len() - 1);
            let found = self.0[turn].iter().map(|text| text.parse().expect("an address")).collect();
            Box::pin(async move { Ok(found) })
        }
    }

    fn guard(sandbox: bool, answers: &[&[&'static str]]) -> UrlGuard {
        UrlGuard::new(sandbox, Arc::new(Turning(answers.iter().map(|one| one.to_vec()).collect(), AtomicUsize::new(0))))
    }

    #[test]
    fn every_address_that_is_not_public_is_refused_in_each_of_its_forms() {
        let hidden = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.9",
        ];
        for text in hidden {
            let v4: Ipv4Addr = text.parse().expect("an address");
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            assert!(!is_public(v4.into()), "{text}");
            for form in [
                format!("::ffff:{text}"),
                format!("64:ff9b::{text}"),
                format!("64:ff9b:1::{text}"),
                format!("::{text}"),
                format!("2002:{high:x}:{low:x}::1"),
            ] {
                let address: IpAddr = form.parse().expect("an address");
                assert!(!is_public(address), "{form}");
                // Not even in the sandbox: the forms are for those who want to hide something.
                assert!(!guard(true, &[&[]]).allows(address) || address.is_loopback(), "{form}");
            }
        }
        for text in [
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "100::1",
            "64:ff9b:1::1",
        ] {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
        for text in [
            "1.1.1.1",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn the_text_of_a_url_is_judged() {
        let judged = |sandbox, text: &str| guard(sandbox, &[&[]]).judge_text(text).err();
        for (text, production, sandbox) in [
            ("https://shop.example/hook", None, None),
            ("HTTPS://Shop.Example/hook", None, None),
            ("https://shop.example:8443/hook?x=1", None, None),
            ("http://shop.example/hook", Some(Unsafe::Scheme), None),
            ("ftp://shop.example/hook", Some(Unsafe::Scheme), Some(Unsafe::Scheme)),
            ("file:///etc/passwd", Some(Unsafe::Scheme), Some(Unsafe::Scheme)),
            ("javascript:alert(1)", Some(Unsafe::Scheme), Some(Unsafe::Scheme)),
            ("https://me@shop.example/", Some(Unsafe::UserInfo), Some(Unsafe::UserInfo)),
            ("https://:pw@shop.example/", Some(Unsafe::UserInfo), Some(Unsafe::UserInfo)),
            ("https://shop.example:22/", Some(Unsafe::Port), Some(Unsafe::Port)),
            ("https://shop.example:1023/", Some(Unsafe::Port), Some(Unsafe::Port)),
            ("https://shop.example:1024/", None, None),
            ("https://shop.example:80/", None, None),
            ("https://127.0.0.1/", Some(Unsafe::NotPublic), None),
            ("https://2130706433/", Some(Unsafe::NotPublic), None),
            ("https://0x7f.1/", Some(Unsafe::NotPublic), None),
            ("https://[::1]/", Some(Unsafe::NotPublic), None),
            ("https://10.0.0.1/", Some(Unsafe::NotPublic), Some(Unsafe::NotPublic)),
            ("https://169.254.169.254/latest", Some(Unsafe::NotPublic), Some(Unsafe::NotPublic)),
            ("https://[::ffff:10.0.0.1]/", Some(Unsafe::NotPublic), Some(Unsafe::NotPublic)),
            ("https://[::ffff:127.0.0.1]/", Some(Unsafe::NotPublic), Some(Unsafe::NotPublic)),
            ("https://[64:ff9b::a00:1]/", Some(Unsafe::NotPublic), Some(Unsafe::NotPublic)),
            ("https://0.0.0.0/", Some(Unsafe::NotPublic), Some(Unsafe::NotPublic)),
            ("no url", Some(Unsafe::Malformed), Some(Unsafe::Malformed)),
            ("https://", Some(Unsafe::Malformed), Some(Unsafe::Malformed)),
            ("", Some(Unsafe::Malformed), Some(Unsafe::Malformed)),
        ] {
            assert_eq!((judged(false, text), judged(true, text)), (production, sandbox), "{text}");
        }
    }

    #[tokio::test]
    async fn every_address_of_a_name_must_be_public() {
        for (found, expected) in [
            (["1.1.1.1", "2606:4700::1111"].as_slice(), Ok(())),
            (&["1.1.1.1", "10.0.0.1"], Err(Unsafe::NotPublic)),
            (&["127.0.0.1"], Err(Unsafe::NotPublic)),
            (&["::ffff:192.168.0.1"], Err(Unsafe::NotPublic)),
            (&[], Err(Unsafe::Unresolved)),
        ] {
            assert_eq!(guard(false, &[found]).judge("https://shop.example/").await, expected, "{found:?}");
        }
        assert_eq!(guard(true, &[&["127.0.0.1"]]).judge("http://localhost:9999/").await, Ok(()));
        assert_eq!(guard(true, &[&["10.0.0.1"]]).judge("http://printer.example/").await, Err(Unsafe::NotPublic));
    }

    /// A name that is harmless when it is configured and points inside when it is called.
    #[tokio::test]
    async fn a_name_that_turns_is_refused_where_it_is_connected_to() {
        let guard = guard(false, &[&["1.1.1.1"], &["169.254.169.254"]]);
        assert_eq!(guard.judge("https://turning.example/").await, Ok(()));
        let name: Name = "turning.example".parse().expect("a name");
        let refused = Guarded(guard).resolve(name).await.err().expect("it is refused");
        assert_eq!(refused.downcast_ref::<Unsafe>(), Some(&Unsafe::NotPublic));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_guard_panic(text in proptest::prelude::any::<String>()) {
            let _either = guard(true, &[&[]]).judge_text(&text);
        }

        #[test]
        fn what_carries_a_hidden_address_is_hidden(a in proptest::prelude::any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(a);
            proptest::prop_assert_eq!(is_public(v4.to_ipv6_mapped().into()), is_public(v4.into()));
        }
    }
}
