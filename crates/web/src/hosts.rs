//! Every family is reachable by path prefix on any host and at the root of a host of its own (contract, section 1).

use std::borrow::Cow;
use std::collections::HashMap;

/// A family's name among hosts: the first label of a host name, and what the configuration calls it.
struct Family {
    label: &'static str,
    prefix: &'static str,
}

/// All families with a host name, also those this build does not serve: their names mean nothing else.
const FAMILIES: [Family; 6] = [
    Family { label: "api", prefix: "/v1" },
    Family { label: "oneclick", prefix: "/oneclick-api" },
    Family { label: "tickets", prefix: "/billig" },
    Family { label: "fpay", prefix: "/fpay" },
    Family { label: "support", prefix: "/support" },
    Family { label: "realtime", prefix: "/realtime" },
];

/// First segments of paths that mean the same on every host.
const EVERYWHERE: [&str; 15] = [
    "v1",
    "oneclick-api",
    "billig",
    "fpay",
    "support",
    "realtime",
    "wepay",
    "middleware",
    "console",
    "docs",
    "openapi.json",
    "healthz",
    "readyz",
    "metrics",
    "static",
];

/// Which host belongs to which family.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    /// Real names of the configuration, lower case.
    named: HashMap<String, &'static str>,
}

/// A family nobody knows was named in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no API family `{0}`; families are api, oneclick, tickets, fpay, support and realtime")]
pub struct NoSuchFamily(String);

impl Hosts {
    /// Takes pairs of host name and family.
    ///
    /// # Errors
    /// [`NoSuchFamily`].
    pub(crate) fn new(pairs: &[(String, String)]) -> Result<Hosts, NoSuchFamily> {
        let pair = |(name, family): &(String, String)| {
            let known = FAMILIES.iter().find(|known| known.label == family).ok_or_else(|| NoSuchFamily(family.clone()))?;
            Ok((name.to_ascii_lowercase(), known.prefix))
        };
        Ok(Hosts { named: pairs.iter().map(pair).collect::<Result<_, _>>()? })
    }

    /// The path in its prefix form. `host` may end in a port.
    pub(crate) fn prefixed<'p>(&self, host: &str, path: &'p str) -> Cow<'p, str> {
        let first = path.strip_prefix('/').map_or("", |rest| rest.split('/').next().unwrap_or_default());
        match self.prefix(host) {
            Some(prefix) if !EVERYWHERE.contains(&first) => Cow::Owned(format!("{prefix}{path}")),
            _ => Cow::Borrowed(path),
        }
    }

    fn prefix(&self, host: &str) -> Option<&'static str> {
        let label = host.split(['.', ':']).next().unwrap_or_default();
        // A name of one label is a machine's, not a family's.
        let label = Some(label).filter(|label| host.as_bytes().get(label.len()) == Some(&b'.'));
        let family = label.and_then(|label| FAMILIES.iter().find(|family| family.label.eq_ignore_ascii_case(label)));
        if let Some(family) = family {
            return Some(family.prefix);
        }
        if self.named.is_empty() {
            return None;
        }
        let name = host
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or(host, |(name, _)| name);
        self.named.get(&name.to_ascii_lowercase()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_mean_the_same() {
        let hosts = Hosts::new(&[("Pay.Example.com".to_owned(), "api".to_owned())]).expect("a known family");
        for (host, path, expected) in [
            ("localhost:8080", "/v1/payments", "/v1/payments"),
            ("localhost:8080", "/payments", "/payments"),
            ("api.localhost:8080", "/payments", "/v1/payments"),
            ("API.localhost", "/v1/payments", "/v1/payments"),
            ("api.localhost", "/", "/v1/"),
            ("api.localhost", "/healthz", "/healthz"),
            ("api", "/payments", "/payments"),
            ("api:8080", "/payments", "/payments"),
            ("apis.example.com", "/payments", "/payments"),
            ("tickets.localhost:8080", "/pay", "/billig/pay"),
            ("tickets.localhost:8080", "/v1/payments", "/v1/payments"),
            ("pay.example.com:443", "/payments", "/v1/payments"),
            ("pay.example.com", "/payments", "/v1/payments"),
            ("127.0.0.1:8080", "/payments", "/payments"),
            ("[::1]:8080", "/payments", "/payments"),
            ("", "/payments", "/payments"),
        ] {
            assert_eq!(hosts.prefixed(host, path), expected, "{host}{path}");
        }
        assert!(Hosts::new(&[("a.b".to_owned(), "bank".to_owned())]).is_err());
    }
}
