//! What is done with an authorisation by itself a while later (payments specification, section 2.4).

use kernel::json::Value;
use payments::delays::rules::DELAY_SECONDS_MAX;
use payments::delays::{Delay, DelayedStep};
use utoipa::openapi::{RefOr, Schema};

use crate::envelope::Code;
use crate::object::{Field, Reader, object, string};

object! {
    /// After how long it is captured, and what if that fails.
    pub(super) struct CaptureDelaySettings {
        /// ISO 8601, such as `PT2H30M` or `P7D`: more than nothing, at most seven days.
        delay: Lapse,
        /// Try the capture again where it fails for now, as a capture with `simplified_mode` is.
        simplified_mode: bool = false,
    }
}

object! {
    /// After how long.
    pub(super) struct DelaySettings {
        /// ISO 8601, such as `PT2H30M` or `P7D`: more than nothing, at most seven days.
        delay: Lapse,
    }
}

/// A length of time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lapse(i64);

impl Field for Lapse {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        match seconds(reader.text(value)?) {
            Some(seconds) if (1..=DELAY_SECONDS_MAX).contains(&seconds) => Some(Lapse(seconds)),
            Some(_) => reader.invalid("must be more than nothing and at most P7D"),
            None => reader.invalid("must be an ISO 8601 duration of weeks, days, hours, minutes and seconds, like P1DT12H"),
        }
    }

    fn property() -> RefOr<Schema> {
        string().pattern(Some("^P(?!$)([0-9]+W)?([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+S)?)?$")).build().into()
    }
}

/// The seconds of an ISO 8601 duration; `None` for what is none, and for years and months, which have no fixed length. One that is too
/// long to be counted is the longest there is.
fn seconds(text: &str) -> Option<i64> {
    /// Longest text that is looked at.
    const TEXT_MAX: usize = 64;
    const DATE: [(char, i64); 2] = [('W', 7 * 86_400), ('D', 86_400)];
    const TIME: [(char, i64); 3] = [('H', 3_600), ('M', 60), ('S', 1)];
    let rest = text.strip_prefix('P').filter(|_| text.len() <= TEXT_MAX)?;
    let (date, time) = rest.split_once('T').map_or((rest, None), |(date, time)| (date, Some(time)));
    if time.is_some_and(str::is_empty) || rest.is_empty() {
        return None;
    }
    Some(sum(date, &DATE)?.saturating_add(sum(time.unwrap_or_default(), &TIME)?))
}

/// Numbers, each with its unit, the units in their order and each at most once.
fn sum(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let (mut units, mut total) = (units.iter(), 0_i64);
    while !text.is_empty() {
        let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (number, after) = text.split_at(digits);
        let unit = after.chars().next().filter(|_| digits > 0)?;
        let (_, each) = units.find(|(known, _)| *known == unit)?;
        let number = number.parse::<i64>().unwrap_or(i64::MAX);
        total = total.saturating_add(number.saturating_mul(*each));
        text = &after[1..];
    }
    Some(total)
}

/// A length of time as it is shown: in days, hours, minutes and seconds.
pub(super) fn text(seconds: i64) -> String {
    let part = |count: i64, unit: &str| if count == 0 { String::new() } else { format!("{count}{unit}") };
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let time = [part(rest / 3_600, "H"), part(rest / 60 % 60, "M"), part(rest % 60, "S")].concat();
    let time = if time.is_empty() { time } else { format!("T{time}") };
    format!("P{}{time}", part(days, "D"))
}

/// The delay that a card's settings ask for: one of the two, and only of an authorisation.
pub(super) fn judge(
    capture: Option<CaptureDelaySettings>,
    cancel: Option<DelaySettings>,
    authorises: bool,
    reader: &mut Reader,
) -> Option<Delay> {
    const PLACE: [&str; 3] = ["payment_method", "detail", "card"];
    let capture = capture.and_then(|CaptureDelaySettings { delay: Lapse(seconds), simplified_mode }| {
        let delay = Delay::new(DelayedStep::Capture, seconds)?;
        Some(if simplified_mode { delay.tried_again() } else { delay })
    });
    let cancel = cancel.and_then(|DelaySettings { delay: Lapse(seconds) }| Delay::new(DelayedStep::Cancel, seconds));
    let mut delay = None;
    for (name, asked) in [("delayed_capture_settings", capture), ("delayed_cancel_settings", cancel)] {
        if asked.is_none() {
            continue;
        }
        let path = [PLACE[0], PLACE[1], PLACE[2], name];
        if !authorises {
            reader.wrong_at(&path, Code::InvalidParameters, "needs capture false, and no card check");
        }
        if delay.is_some() {
            reader.wrong_at(&path, Code::InvalidParameters, "cannot be asked for together with delayed_capture_settings");
        }
        delay = asked;
    }
    delay
}

#[cfg(test)]
mod tests {
    use super::{seconds, text};

    #[test]
    fn durations_are_read_exactly() {
        for (text, expected) in [
            ("PT1S", 1),
            ("PT90M", 5_400),
            ("PT2H30M", 9_000),
            ("P7D", 604_800),
            ("P1W", 604_800),
            ("P1W1DT1H1M1S", 604_800 + 86_400 + 3_661),
            ("P0D", 0),
            ("PT0S", 0),
            ("P007D", 604_800),
            ("P99999999999999999999D", i64::MAX),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_delay_is_shown_as_it_may_be_sent() {
        for (sent, shown) in [
            ("PT1S", "PT1S"),
            ("PT90M", "PT1H30M"),
            ("P1W", "P7D"),
            ("P1DT12H", "P1DT12H"),
            ("PT86400S", "P1D"),
            ("PT3601S", "PT1H1S"),
        ] {
            let length = seconds(sent).expect("a duration");
            assert_eq!((text(length).as_str(), seconds(shown)), (shown, Some(length)));
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "T1H",
            "P1",
            "PD",
            "P1H",
            "PT1D",
            "P1D1D",
            "P1D1W",
            "PT1M1H",
            "P1DT",
            "p1d",
            "P-1D",
            "-P1D",
            "P+1D",
            "P1.5D",
            "PT1,5S",
            "P1Y",
            "P1M",
            " P1D",
            "P1D ",
            "P1é",
            "PT١S",
            "P1DT1HT1M",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(seconds(&format!("P{}1D", "0".repeat(80))), None);
    }
}
