//! The report of `guichet verify`: for each invariant how much was checked and what is broken.
//!
//! Every crate with rows checks its own invariants into one report. Texts name ids, counts and amounts only; card
//! data, secrets and personal texts have no place in them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// How many broken things of one invariant are listed; the others are counted.
pub const BROKEN_LISTED_MAX: usize = 20;

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// What is wrong, in a few words: `balance differs from entries`.
    pub what: String,
    /// Where: the row's key.
    #[serde(rename = "where")]
    pub place: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// What was found out about one invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its number, such as `I4.b`; never used for another invariant.
    pub id: &'static str,
    /// Its name in a few words.
    pub name: &'static str,
    /// Whether it holds; a skipped invariant is not known to be broken.
    pub ok: bool,
    /// How many things were looked at.
    pub checked: u64,
    /// How many of them are broken.
    pub broken: u64,
    /// Why it could not be checked, if so.
    pub skipped: Option<String>,
    /// The first broken ones, at most [`BROKEN_LISTED_MAX`].
    pub first: Vec<Broken>,
}

/// The findings of one run, in the order of the invariants' numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    findings: BTreeMap<&'static str, Finding>,
}

impl Report {
    /// An empty report.
    pub fn new() -> Report {
        Report::default()
    }

    fn finding(&mut self, id: &'static str) -> &mut Finding {
        let fresh = Finding { id, name: "", ok: true, checked: 0, broken: 0, skipped: None, first: Vec::new() };
        self.findings.entry(id).or_insert(fresh)
    }

    /// `count` more things were looked at for the invariant; call it with 0 when there are none, so that it is listed.
    pub fn checked(&mut self, id: &'static str, name: &'static str, count: u64) {
        let finding = self.finding(id);
        finding.name = name;
        finding.checked += count;
    }

    /// One thing is not as it must be; `place` names the row.
    pub fn broken(
        &mut self,
        id: &'static str,
        what: impl fmt::Display,
        place: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) {
        let finding = self.finding(id);
        finding.ok = false;
        finding.broken += 1;
        if finding.first.len() < BROKEN_LISTED_MAX {
            finding.first.push(Broken {
                what: what.to_string(),
                place: place.to_string(),
                expected: expected.to_string(),
                found: found.to_string(),
            });
        }
    }

    /// The invariant could not be checked, which is neither good nor bad.
    pub fn skipped(&mut self, id: &'static str, name: &'static str, why: impl fmt::Display) {
        let finding = self.finding(id);
        finding.name = name;
        finding.skipped = Some(why.to_string());
    }

    /// Takes over what another report says, for parts that were checked apart.
    pub fn merge(&mut self, other: Report) {
        for (id, theirs) in other.findings {
            let ours = self.finding(id);
            ours.name = if ours.name.is_empty() { theirs.name } else { ours.name };
            ours.ok &= theirs.ok;
            ours.checked += theirs.checked;
            ours.broken += theirs.broken;
            ours.skipped = ours.skipped.take().or(theirs.skipped);
            let room = BROKEN_LISTED_MAX - ours.first.len();
            ours.first.extend(theirs.first.into_iter().take(room));
        }
    }

    /// The same report without the findings that were not asked for.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&Finding) -> bool) -> Report {
        self.findings.retain(|_, finding| wanted(finding));
        self
    }

    /// The findings, by number.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.values()
    }

    /// Whether nothing is broken.
    pub fn ok(&self) -> bool {
        self.findings.values().all(|finding| finding.ok)
    }
}

/// One line for each broken invariant, then `N invariants hold, M broken, K skipped`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut hold, mut broken, mut skipped) = (0_usize, 0_usize, 0_usize);
        for finding in self.findings() {
            if !finding.ok {
                broken += 1;
                write!(f, "{} {}: {} broken", finding.id, finding.name, finding.broken)?;
                if let Some(first) = finding.first.first() {
                    write!(f, ", first: {} {}: expected {}, found {}", first.place, first.what, first.expected, first.found)?;
                }
                writeln!(f)?;
            } else if finding.skipped.is_some() {
                skipped += 1;
            } else {
                hold += 1;
            }
        }
        write!(f, "{hold} invariants hold, {broken} broken, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_lists_and_reads_well() {
        let mut report = Report::new();
        report.checked("I2.a", "stored balance", 3);
        report.checked("I1.a", "zero sum", 10);
        report.skipped("I7.a", "acquirer agrees", "no acquirer");
        assert!(report.ok());
        for row in 0..25 {
            report.broken("I2.a", "balance differs", format!("account {row}"), 5, 6);
        }
        assert!(!report.ok());
        let findings: Vec<_> = report.findings().collect();
        assert_eq!(findings.iter().map(|finding| finding.id).collect::<Vec<_>>(), ["I1.a", "I2.a", "I7.a"]);
        assert_eq!((findings[1].checked, findings[1].broken, findings[1].first.len()), (3, 25, BROKEN_LISTED_MAX));
        assert_eq!(
            report.to_string(),
            "I2.a stored balance: 25 broken, first: account 0 balance differs: expected 5, found 6\n1 invariants hold, 1 broken, 1 skipped"
        );
    }

    #[test]
    fn merged_reports_add_up() {
        let (mut one, mut two) = (Report::new(), Report::new());
        one.checked("I1.a", "zero sum", 1);
        two.checked("I1.a", "zero sum", 2);
        two.broken("I1.a", "sum", "EUR", 0, 1);
        one.merge(two);
        let finding = one.findings().next().expect("one finding");
        assert_eq!((finding.checked, finding.broken, finding.ok), (3, 1, false));
    }
}
