//! How often an address may fail to prove a key.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::Timestamp;

use crate::rate::{Bucket, Quota, Rate};

/// Failed proofs a minute from one client address (payments family, section 6.1).
pub const FAILED_PROOFS_PER_MINUTE: u32 = 60;
/// How many addresses are remembered.
const ADDRESSES_MAX: usize = 65_536;

/// Failed proofs by client address: one bucket per IPv4 address or IPv6 /64, which is what one customer gets.
pub(crate) struct Failures {
    quota: Option<Quota>,
    buckets: Mutex<HashMap<u64, Bucket>>,
}

impl Failures {
    /// So many failures a minute; `None` counts nothing.
    pub(crate) fn new(per_minute: Option<u32>) -> Failures {
        Failures { quota: per_minute.map(Quota::per_minute), buckets: Mutex::new(HashMap::new()) }
    }

    /// Whether the address may try: `Err` when it has used its failures up.
    pub(crate) fn may_try(&self, address: IpAddr, now: Timestamp) -> Result<(), Rate> {
        match (self.quota, customer(address)) {
            (Some(quota), Some(customer)) => match self.buckets().get(&customer) {
                Some(bucket) => bucket.look(quota, now).map(|_| ()),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Counts one failure: `Err` when the address had used them up already.
    pub(crate) fn count(&self, address: IpAddr, now: Timestamp) -> Result<(), Rate> {
        let (Some(quota), Some(customer)) = (self.quota, customer(address)) else { return Ok(()) };
        let mut buckets = self.buckets();
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&customer) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= ADDRESSES_MAX {
                // An attack from that many addresses is not slowed by counting each; the memory it takes is.
                buckets.clear();
            }
        }
        buckets.entry(customer).or_default().take(quota, now).map(|_| ())
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<u64, Bucket>> {
        // Counting cannot be half done, so a panic elsewhere while the lock was held is no reason to stop.
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What addresses are counted together: an IPv4 address or an IPv6 /64. Loopback is not counted. An IPv4 address cannot
/// look like a /64, whose first 32 bits are never zero for an address on the internet.
fn customer(address: IpAddr) -> Option<u64> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(address.to_bits().into()),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn fails(failures: &Failures, address: &str, times: u32) -> u32 {
        let address = address.parse().expect("an address");
        (0..times).map(|_| u32::from(failures.may_try(address, NOW).is_ok() && failures.count(address, NOW).is_ok())).sum()
    }

    #[test]
    fn sixty_a_minute_per_address_and_per_ipv6_network() {
        let failures = Failures::new(Some(60));
        assert_eq!(fails(&failures, "192.0.2.1", 70), 60);
        assert_eq!(fails(&failures, "::ffff:192.0.2.1", 1), 0);
        assert_eq!(fails(&failures, "192.0.2.2", 70), 60);
        assert_eq!(fails(&failures, "2001:db8::1", 40), 40);
        assert_eq!(fails(&failures, "2001:db8::ffff:2", 40), 20);
        assert_eq!(fails(&failures, "2001:db8:0:1::1", 40), 40);
        let address = "192.0.2.1".parse().expect("an address");
        let refused = failures.may_try(address, NOW).expect_err("used up");
        assert_eq!(refused.retry_in_seconds, 1);
        assert!(failures.may_try(address, NOW.plus_seconds(1)).is_ok());
    }

    #[test]
    fn loopback_and_the_demo_are_not_counted() {
        let failures = Failures::new(Some(60));
        assert_eq!(fails(&failures, "127.0.0.1", 100), 100);
        assert_eq!(fails(&failures, "::1", 100), 100);
        assert_eq!(fails(&Failures::new(None), "192.0.2.1", 100), 100);
    }

    #[test]
    fn memory_is_bounded() {
        let failures = Failures::new(Some(60));
        for number in 0..u32::try_from(ADDRESSES_MAX + 10).expect("fits") {
            let address = IpAddr::from((0x0b00_0000 + number).to_be_bytes());
            assert!(failures.count(address, NOW).is_ok());
        }
        assert!(failures.buckets().len() <= ADDRESSES_MAX);
    }
}
