//! A value that must not be shown: masked in `Debug`, without `Display`, wiped when dropped.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Holds a secret. Reading it takes an explicit [`expose`](Secret::expose), which is easy to search for.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

/// A secret text.
pub type SecretText = Secret<String>;

impl<T: Zeroize> Secret<T> {
    /// Takes the value into keeping.
    pub fn new(value: T) -> Secret<T> {
        Secret(Zeroizing::new(value))
    }

    /// The value itself; never to be logged, shown or stored in clear.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Secret<T> {
        Secret::new(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = SecretText::new("sandbox_sk_very_secret".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
        assert_eq!(secret.expose(), "sandbox_sk_very_secret");
    }
}
