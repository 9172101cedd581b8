//! How often somebody without a key may ask for a page, counted by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use kernel::Timestamp;

/// Requests a minute from one address, all of them at once if need be (payments specification, section 6.1).
const PER_MINUTE: i64 = 60;
/// In how many microseconds one place becomes free.
const INTERVAL_MICROS: i64 = 60_000_000 / PER_MINUTE;
/// How many addresses are remembered.
const ADDRESSES_MAX: usize = 65_536;

/// One bucket per IPv4 address or IPv6 /64, as the time at which it will be full. Loopback is not counted.
#[derive(Default)]
pub(crate) struct Visitors(Mutex<HashMap<u64, i64>>);

impl Visitors {
    /// Takes one place. `Err` says in how many seconds one is free.
    pub(crate) fn admit(&self, address: IpAddr, now: Timestamp) -> Result<(), u32> {
        let Some(customer) = customer(address) else { return Ok(()) };
        let now = now.micros();
        // Counting cannot be half done, so a panic elsewhere while the lock was held is no reason to stop.
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&customer) {
            buckets.retain(|_, full_at| *full_at > now);
            if buckets.len() >= ADDRESSES_MAX {
                buckets.clear();
            }
        }
        let full_at = buckets.entry(customer).or_insert(now);
        let taken = (*full_at).clamp(now, now + PER_MINUTE * INTERVAL_MICROS) + INTERVAL_MICROS;
        let over = taken - now - PER_MINUTE * INTERVAL_MICROS;
        if over > 0 {
            return Err(u32::try_from(over / 1_000_000 + 1).unwrap_or(1));
        }
        *full_at = taken;
        Ok(())
    }
}

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

    fn admitted(visitors: &Visitors, address: &str, times: u32, now: Timestamp) -> usize {
        let address = address.parse().expect("an address");
        (0..times).filter(|_| visitors.admit(address, now).is_ok()).count()
    }

    #[test]
    fn sixty_a_minute_from_one_customer_and_no_limit_for_loopback() {
        let visitors = Visitors::default();
        assert_eq!(admitted(&visitors, "203.0.113.9", 100, NOW), 60);
        assert_eq!(admitted(&visitors, "203.0.113.9", 100, NOW.plus_seconds(10)), 10);
        assert_eq!(admitted(&visitors, "203.0.113.10", 100, NOW), 60);
        assert_eq!(admitted(&visitors, "2001:db8::1", 50, NOW) + admitted(&visitors, "2001:db8::2", 50, NOW), 60);
        assert_eq!(admitted(&visitors, "127.0.0.1", 100, NOW) + admitted(&visitors, "::1", 100, NOW), 200);
    }
}
