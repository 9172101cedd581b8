//! A point in time: microseconds since 1970 in UTC, and its one text form.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a day; UTC days of Unix time have no leap second.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Characters of `2026-01-31T09:08:07.123456Z`.
pub const TIMESTAMP_TEXT_CHARS: usize = 27;

/// A point in time with microsecond precision, in the years 0001 to 9999 of the Gregorian calendar, UTC.
///
/// In text always `2026-01-31T09:08:07.123456Z` (RFC 3339), so texts sort as times do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 time in the years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a time is written like 2026-01-31T09:08:07.123456Z")]
pub struct TimestampError;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(0);
    /// 0001-01-01T00:00:00Z, the earliest time.
    pub const MIN: Timestamp = Timestamp(-62_135_596_800 * MICROS_PER_SECOND);
    /// 9999-12-31T23:59:59.999999Z, the latest time.
    pub const MAX: Timestamp = Timestamp(253_402_300_800 * MICROS_PER_SECOND - 1);

    /// The time so many microseconds after 1970; what lies beyond [`Timestamp::MIN`] or [`Timestamp::MAX`] becomes that.
    pub const fn from_micros(micros: i64) -> Timestamp {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Timestamp(micros)
        }
    }

    /// The time so many seconds after 1970, within the same limits.
    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// This much later (earlier when negative), at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_add(micros))
    }

    /// This much later (earlier when negative), at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Timestamp {
        self.plus_micros(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// This much later (earlier when negative), at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Timestamp {
        self.plus_micros(days.saturating_mul(MICROS_PER_DAY))
    }

    /// So many calendar months later (earlier when negative) at the same time of day in UTC. Where that month is too short for the
    /// day, it is the month's last.
    #[must_use]
    pub fn plus_months(self, months: i64) -> Timestamp {
        let (year, month, day) = self.date();
        let all = (i64::from(year) * 12 + i64::from(month) - 1).saturating_add(months);
        let (Ok(year), Ok(month)) = (u16::try_from(all.div_euclid(12)), u8::try_from(all.rem_euclid(12) + 1)) else {
            return if months < 0 { Self::MIN } else { Self::MAX };
        };
        if year == 0 {
            return Self::MIN;
        }
        let day = day.min(days_in_month(year, month));
        Self::from_date(year, month, day).map_or(Self::MAX, |midnight| midnight.plus_micros(self.0.rem_euclid(MICROS_PER_DAY)))
    }

    /// Whole seconds from `earlier` to this time, rounded down; negative when `earlier` is later.
    pub const fn seconds_since(self, earlier: Timestamp) -> i64 {
        self.micros_since(earlier).div_euclid(MICROS_PER_SECOND)
    }

    /// Microseconds from `earlier` to this time; negative when `earlier` is later.
    pub const fn micros_since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0 // both lie within the limits, so the difference fits
    }

    /// Year, month and day in UTC.
    pub const fn date(self) -> (u16, u8, u8) {
        civil_from_days(self.0.div_euclid(MICROS_PER_DAY))
    }

    /// Midnight UTC of a date; `None` when there is no such day or the year is outside 1 to 9999.
    pub const fn from_date(year: u16, month: u8, day: u8) -> Option<Timestamp> {
        if year == 0 || year > 9_999 || month == 0 || month > 12 || day == 0 || day > days_in_month(year, month) {
            return None;
        }
        Some(Timestamp(days_from_civil(year, month, day) * MICROS_PER_DAY))
    }

    /// Writes the text into `buffer` and gives it back, without allocating.
    pub fn encode(self, buffer: &mut [u8; TIMESTAMP_TEXT_CHARS]) -> &str {
        let (year, month, day) = self.date();
        // Both parts are positive and small: a day has 86,400,000,000 microseconds.
        let of_day = self.0.rem_euclid(MICROS_PER_DAY).cast_unsigned();
        let seconds = of_day / 1_000_000;
        *buffer = *b"0000-00-00T00:00:00.000000Z";
        digits(&mut buffer[0..4], u64::from(year));
        digits(&mut buffer[5..7], u64::from(month));
        digits(&mut buffer[8..10], u64::from(day));
        digits(&mut buffer[11..13], seconds / 3_600);
        digits(&mut buffer[14..16], seconds / 60 % 60);
        digits(&mut buffer[17..19], seconds % 60);
        digits(&mut buffer[20..26], of_day % 1_000_000);
        std::str::from_utf8(buffer).expect("digits and punctuation are ASCII")
    }
}

/// Writes the last decimal digits of `value`, as many as `out` has places.
fn digits(out: &mut [u8], mut value: u64) {
    for place in out.iter_mut().rev() {
        *place = b'0' + u8::try_from(value % 10).expect("one digit");
        value /= 10;
    }
}

/// Days since 1970-01-01 of a date. Source: Howard Hinnant, "chrono-compatible low-level date algorithms".
const fn days_from_civil(year: u16, month: u8, day: u8) -> i64 {
    // The year is taken to begin in March, so that the leap day comes last.
    let year = year as i64 - (month <= 2) as i64;
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day counted from 1970-01-01; the inverse of [`days_from_civil`], same source.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ranges are in the comments beside")]
const fn civil_from_days(days: i64) -> (u16, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1; // 1 to 31
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 }; // 1 to 12
    let year = year_of_era + era * 400 + (month <= 2) as i64; // 1 to 9999: a Timestamp has no other
    (year as u16, month as u8, day as u8)
}

/// How many days a month has.
const fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// RFC 3339 with `Z` or an offset, and no, or one to nine, decimals of a second; digits beyond the microsecond
    /// are cut off. A leap second (`:60`) is refused: Unix time has none.
    fn from_str(text: &str) -> Result<Timestamp, TimestampError> {
        parse(text.as_bytes()).ok_or(TimestampError)
    }
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    let (head, tail) = text.split_at_checked(19)?;
    let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if punctuation.iter().any(|&(at, expected)| head[at] != expected) {
        return None;
    }
    let part = |from: usize, to: usize| number(&head[from..to]);
    let date = Timestamp::from_date(part(0, 4)?, part(5, 7)?.try_into().ok()?, part(8, 10)?.try_into().ok()?)?;
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    let (micros, zone) = fraction(tail)?;
    let local = date.0 + seconds * MICROS_PER_SECOND + micros;
    let utc = local - offset_seconds(zone)? * MICROS_PER_SECOND;
    (Timestamp::MIN.0..=Timestamp::MAX.0).contains(&utc).then_some(Timestamp(utc))
}

/// Up to four digits as a number; anything else is nothing.
fn number(text: &[u8]) -> Option<u16> {
    text.iter().try_fold(0, |sum: u16, byte| byte.is_ascii_digit().then(|| sum * 10 + u16::from(byte - b'0')))
}

/// Microseconds of an optional `.digits`, and what follows it.
fn fraction(tail: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after_point) = tail.strip_prefix(b".") else { return Some((0, tail)) };
    let count = after_point.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let micros = (0..6).fold(0, |sum, place| {
        let digit = if place < count { after_point[place] - b'0' } else { 0 };
        sum * 10 + i64::from(digit)
    });
    Some((micros, &after_point[count..]))
}

/// Seconds east of UTC of `Z` or `+hh:mm`.
fn offset_seconds(zone: &[u8]) -> Option<i64> {
    let (sign, rest) = match zone {
        b"Z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let [h1, h2, b':', m1, m2] = rest else { return None };
    let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    (hours <= 23 && minutes <= 59).then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; TIMESTAMP_TEXT_CHARS]))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; TIMESTAMP_TEXT_CHARS]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_time() -> impl Strategy<Value = Timestamp> {
        // jiff's own range ends a day earlier, because it keeps room for offsets.
        (Timestamp::MIN.micros()..=Timestamp::MAX.micros() - 2 * MICROS_PER_DAY).prop_map(Timestamp::from_micros)
    }

    proptest! {
        #[test]
        fn months_are_added_as_jiff_adds_them(time in any_time(), months in -5_000_i64..5_000) {
            use jiff::ToSpan as _;
            let zoned = jiff::Timestamp::from_microsecond(time.micros()).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            if let Ok(theirs) = zoned.checked_add(months.months())
                && (1..=9_999).contains(&theirs.year())
            {
                prop_assert_eq!(time.plus_months(months).micros(), theirs.timestamp().as_microsecond());
            }
        }

        #[test]
        fn text_agrees_with_jiff_and_reads_back(time in any_time()) {
            let text = time.to_string();
            let theirs = jiff::Timestamp::from_microsecond(time.micros()).unwrap();
            prop_assert_eq!(&text, &format!("{theirs:.6}"));
            prop_assert_eq!(text.parse(), Ok(time));
        }

        #[test]
        fn texts_with_offsets_and_decimals_are_read_as_jiff_reads_them(
            time in any_time(), decimals in 0_usize..=9, hours in -23_i8..=23, minutes in 0_i8..=59,
        ) {
            let offset = jiff::tz::Offset::from_seconds((i32::from(hours) * 60 + i32::from(hours.signum() * minutes)) * 60).unwrap();
            let instant = jiff::Timestamp::from_microsecond(time.micros()).unwrap();
            let text = format!("{:.*}", decimals, instant.display_with_offset(offset));
            let ours = text.parse::<Timestamp>();
            match text.parse::<jiff::Timestamp>() {
                Ok(theirs) if text.starts_with(|first: char| first.is_ascii_digit()) && !text.starts_with("0000") => {
                    prop_assert_eq!(ours, Ok(Timestamp::from_micros(theirs.as_microsecond())), "{}", text);
                }
                _ => prop_assert_eq!(ours, Err(TimestampError), "{}", text),
            }
        }

        #[test]
        fn dates_go_both_ways(time in any_time()) {
            let (year, month, day) = time.date();
            let midnight = Timestamp::from_date(year, month, day).expect("a date of a time exists");
            prop_assert!((0..MICROS_PER_DAY).contains(&time.micros_since(midnight)));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }

    #[test]
    fn known_times() {
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::MIN.to_string(), "0001-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp::from_micros(-1).to_string(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp::from_micros(i64::MIN), Timestamp::MIN);
        assert_eq!(Timestamp::from_micros(i64::MAX), Timestamp::MAX);
        assert_eq!("2026-01-31T09:08:07.123456Z".parse(), Ok(Timestamp::from_micros(1_769_850_487_123_456)));
        assert_eq!("2026-01-31T10:08:07.123456999+01:00".parse(), Ok(Timestamp::from_micros(1_769_850_487_123_456)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let bad = [
            "",
            "2026-01-31",
            "2026-01-31 09:08:07Z",
            "2026-01-31T09:08:07",
            "2026-01-31t09:08:07Z",
            "2026-01-31T09:08:07z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T23:60:00Z",
            "2026-01-31T23:59:60Z",
            "2026-01-31T09:08:07.Z",
            "2026-01-31T09:08:07.1234567890Z",
            "2026-01-31T09:08:07+24:00",
            "2026-01-31T09:08:07+0100",
            "2026-01-31T09:08:07ZZ",
            "+026-01-31T09:08:07Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2026-01-31T09:08:07\u{e9}",
        ];
        for text in bad {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
        assert!("2000-02-29T00:00:00Z".parse::<Timestamp>().is_ok());
    }

    #[test]
    fn distances_round_down() {
        let start = Timestamp::from_seconds(100);
        assert_eq!(start.plus_micros(1_999_999).seconds_since(start), 1);
        assert_eq!(start.plus_micros(-1).seconds_since(start), -1);
        assert_eq!(start.plus_days(1).seconds_since(start), 86_400);
        assert_eq!(Timestamp::MAX.plus_seconds(i64::MAX), Timestamp::MAX);
    }
}
