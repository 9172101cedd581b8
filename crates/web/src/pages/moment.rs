//! Times as pages show them.

use kernel::Timestamp;
use serde::Serialize;

use super::Language;

/// A time on a page. Where scripts run, `moment.js` says it in the reader's own zone.
#[derive(Serialize)]
pub(crate) struct Moment {
    /// For machines.
    pub iso: String,
    /// For readers, in UTC.
    pub text: String,
}

/// A time as people of that language write it: day, month, year, hour and minute.
pub(crate) fn moment(at: Timestamp, language: Language) -> Moment {
    let (year, month, day) = at.date();
    let text = at.to_string();
    let (months, after_day) = match language {
        Language::English => (ENGLISH, ""),
        Language::French => (FRENCH, ""),
        Language::Norwegian => (NORWEGIAN, "."),
    };
    let month = months[usize::from(month - 1)];
    Moment { iso: format!("{}Z", &text[..19]), text: format!("{day}{after_day} {month} {year}, {} UTC", &text[11..16]) }
}

const ENGLISH: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const FRENCH: [&str; 12] = ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."];
const NORWEGIAN: [&str; 12] = ["jan.", "feb.", "mars", "apr.", "mai", "juni", "juli", "aug.", "sep.", "okt.", "nov.", "des."];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_readers_way() {
        let shown = |at: &str, language| moment(at.parse().expect("a time"), language);
        let english = shown("2026-01-31T09:08:07.123456Z", Language::English);
        assert_eq!((english.iso.as_str(), english.text.as_str()), ("2026-01-31T09:08:07Z", "31 Jan 2026, 09:08 UTC"));
        assert_eq!(shown("2028-08-01T23:59:59.000000Z", Language::French).text, "1 août 2028, 23:59 UTC");
        assert_eq!(shown("2028-12-24T00:00:00.000000Z", Language::Norwegian).text, "24. des. 2028, 00:00 UTC");
    }
}
