//! From where a key may be used.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

/// How many addresses or ranges one key can have.
pub const ALLOWED_ADDRESSES_MAX: usize = 50;

/// The addresses and ranges from which a key may be used; none means anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(Vec<IpNet>);

/// Why a list of addresses is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AllowListError {
    /// Not an IPv4 or IPv6 address or range.
    #[error("{0:?} is not an IP address or CIDR range")]
    NotAnAddress(String),
    /// More than [`ALLOWED_ADDRESSES_MAX`].
    #[error("at most {ALLOWED_ADDRESSES_MAX} addresses")]
    TooMany,
}

impl AllowList {
    /// Anywhere.
    pub const fn anywhere() -> AllowList {
        AllowList(Vec::new())
    }

    /// Reads addresses (`192.0.2.7`, `2001:db8::1`) and ranges (`192.0.2.0/24`); host bits of a range are cut off.
    ///
    /// # Errors
    /// [`AllowListError`].
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<AllowList, AllowListError> {
        let mut list = Vec::new();
        for entry in entries {
            if list.len() == ALLOWED_ADDRESSES_MAX {
                return Err(AllowListError::TooMany);
            }
            let address = entry.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
            let range = address.or_else(|_| entry.parse::<IpNet>().map(|range| range.trunc()));
            list.push(range.map_err(|_| AllowListError::NotAnAddress(entry.to_owned()))?);
        }
        list.dedup();
        Ok(AllowList(list))
    }

    /// Reads what [`AllowList::to_stored`] wrote.
    pub(crate) fn from_stored(text: &str) -> Result<AllowList, AllowListError> {
        AllowList::parse(text.split_ascii_whitespace())
    }

    /// One text, ranges separated by spaces.
    pub(crate) fn to_stored(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, range| {
            let gap = if text.is_empty() { "" } else { " " };
            write!(text, "{gap}{range}").expect("a String takes everything");
            text
        })
    }

    /// Whether a key with this list may be used from `address`.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.0.is_empty() || {
            let address = address.to_canonical();
            self.0.iter().any(|range| range.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        AllowList::parse(entries.iter().copied()).expect("good addresses")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn ranges_addresses_and_both_spellings_of_ipv4() {
        let allowed = list(&["192.0.2.0/24", "203.0.113.9", "2001:db8::/32", "::ffff:198.51.100.1"]);
        for inside in ["192.0.2.0", "192.0.2.255", "203.0.113.9", "2001:db8:ffff::1", "::ffff:192.0.2.7", "198.51.100.1"] {
            assert!(allowed.allows(address(inside)), "{inside}");
        }
        for outside in ["192.0.3.0", "203.0.113.10", "2001:db9::1", "::1", "127.0.0.1", "::ffff:192.0.3.7", "198.51.100.2"] {
            assert!(!allowed.allows(address(outside)), "{outside}");
        }
        assert!(AllowList::anywhere().allows(address("198.51.100.1")));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in ["", "192.0.2.0/33", "192.0.2", "example.com", "192.0.2.1 192.0.2.2", "2001:db8::/129"] {
            assert_eq!(AllowList::parse([bad]), Err(AllowListError::NotAnAddress(bad.to_owned())));
        }
        assert_eq!(AllowList::parse(["192.0.2.1"; ALLOWED_ADDRESSES_MAX + 1]), Err(AllowListError::TooMany));
    }

    proptest! {
        #[test]
        fn a_stored_list_reads_back(entries in proptest::collection::vec((any::<IpAddr>(), 0_u8..=32), 0..ALLOWED_ADDRESSES_MAX)) {
            let texts: Vec<String> = entries.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect();
            let list = AllowList::parse(texts.iter().map(String::as_str)).expect("ranges");
            let read = AllowList::from_stored(&list.to_stored());
            prop_assert_eq!(read.as_ref(), Ok(&list));
            for (address, _) in entries.iter().filter(|(address, _)| *address == address.to_canonical()) {
                prop_assert!(list.allows(*address));
            }
        }
    }
}
