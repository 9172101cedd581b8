//! The clock of the product's machine, as only the product sees it: set ahead, set back, and taken across the days on which clocks
//! are known to go wrong. Debian's libfaketime stands before it and reads from a file how far it is off; clocks that nobody can set stay
//! what they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::customers::Crowd;
use super::faults::Fault;
use super::harness::Harness;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
/// The product works in UTC wherever its machine believes to be.
const ZONE: &str = "Europe/Paris";
/// The clock goes on for so long before a moment that is to be crossed, in seconds.
const BEFORE: i64 = 3;
/// Answers that must come within so long after the clock was moved: it refuses nobody for longer than a moment.
const ANSWERS: u64 = 20;
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// And then customers go on for so long, in milliseconds.
const GOES_ON_MS: [u64; 2] = [300, 2_000];
/// Every special day comes again within so many days.
const FAR_DAYS: i64 = 9 * 366;
/// Leap days from this year on are too late for the test cards.
const LEAP_YEARS_END: i64 = 2034;

/// Where the clock of one machine is told how far it is off.
#[derive(Clone, Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right until it is moved; its file lies here.
    pub fn fresh(file: &Path) -> Result<Clock> {
        let clock = Clock { library: library().context("F10 needs libfaketime: `cargo xtask setup`")?, file: file.to_owned() };
        if !clock.file.exists() {
            clock.set(0)?;
        }
        Ok(clock)
    }

    /// Has a program see this clock.
    pub fn show(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", &self.file).env("TZ", ZONE);
        // Looked up at each question, so that it moves under way; neither steady clocks nor the times of files are moved.
        command.envs([("FAKETIME_NO_CACHE", "1"), ("DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1")]);
    }

    /// Puts it so many seconds ahead of the right time.
    pub fn set(&self, ahead: i64) -> Result<()> {
        let fresh = self.file.with_extension("fresh");
        fs::write(&fresh, format!("{ahead:+}\n"))?;
        Ok(fs::rename(fresh, &self.file)?)
    }
}

/// Where the library lies, on Debian in a folder of the machine's kind.
pub fn library() -> Option<PathBuf> {
    let below = |folder: &str| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = ["/usr/lib".into(), "/usr/local/lib".into()].into_iter().chain(below("/usr/lib"));
    folders.map(|folder: PathBuf| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
}

/// What the clock goes through in one round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Course {
    /// A day and an hour ahead, then an hour behind where it began.
    Apart,
    /// Into 29 February and, a day later, out of it.
    LeapDay,
    /// Across the hour that there is twice, or not at all, in most of Europe.
    SummerTime,
}

const COURSES: [Course; 3] = [Course::Apart, Course::LeapDay, Course::SummerTime];

/// How far the clock is off, and what it was taken through.
#[derive(Debug, Default)]
pub struct Moves {
    /// Seconds ahead of the right time between two rounds.
    base: i64,
    courses: usize,
    course: Option<Course>,
}

impl Harness {
    /// Before customers come: far jumps are made while nobody waits for anything.
    pub fn ready_clock(&mut self, fault: Fault) -> Result<()> {
        if fault != Fault::Clock {
            return Ok(());
        }
        let now = right_time() + self.moves.base;
        let leap_day = next_leap_day(now);
        let course = match COURSES[self.moves.courses % COURSES.len()] {
            Course::LeapDay if civil(leap_day / DAY).0 >= LEAP_YEARS_END => Course::Apart,
            course => course,
        };
        self.moves.courses += 1;
        self.moves.course = Some(course);
        let moment = match course {
            Course::Apart => return Ok(()),
            Course::LeapDay => leap_day,
            Course::SummerTime => next_change(now),
        };
        self.moves.base = moment - BEFORE - right_time();
        self.set_clock(self.moves.base)
    }

    /// Moves the clock of one node under load; that node may be killed at any point of it.
    pub fn move_clock(&mut self, one: usize, crowd: &Crowd) -> Result<Vec<usize>> {
        let base = self.moves.base;
        let (seconds, ends): (&[i64], i64) = match self.moves.course.context("a course for the clock")? {
            Course::Apart => (&[base + DAY + HOUR, base - HOUR], base - HOUR),
            Course::LeapDay => (&[base + DAY], base + DAY),
            Course::SummerTime => (&[], base),
        };
        let dies_after = self.random.percent(50).then(|| self.random.between(0, seconds.len() as u64));
        let mut at = base;
        for place in 0..=seconds.len() {
            if place > 0 {
                self.move_from(at, seconds[place - 1])?;
                at = seconds[place - 1];
            }
            if dies_after == Some(place as u64) {
                thread::sleep(Duration::from_millis(self.random.between(0, 1_500)));
                self.nodes[one].kill()?;
                self.kills += 1;
                self.move_from(at, ends)?;
                self.moves.base = base.max(ends);
                return Ok(vec![one]);
            }
            self.goes_on(crowd)?;
            if ends >= base {
                // Across the moment that the clock was put before.
                thread::sleep(Duration::from_secs(BEFORE.unsigned_abs()));
            }
        }
        self.moves.base = base.max(ends);
        Ok(Vec::new())
    }

    /// The clock is right again, or where it goes on from: a database of its own keeps the right time, a file the machine's.
    pub fn right_clock(&mut self, fault: Fault) -> Result<()> {
        if fault != Fault::Clock {
            return Ok(());
        }
        if self.cluster.is_some() {
            self.moves.base = 0;
        }
        self.set_clock(self.moves.base)?;
        // What was planned while the clock was ahead is planned for a day later.
        self.advance((DAY + 2 * HOUR).unsigned_abs())
    }

    /// Moves the clock while customers are served. Where it is the database's time too, keys grow old when it jumps ahead: whoever sent one
    /// and does not know what became of it must not send it again, and nobody may be about to just then.
    fn move_from(&self, at: i64, ahead: i64) -> Result<()> {
        if self.cluster.is_some() || ahead <= at {
            return self.set_clock(ahead);
        }
        self.shop().ages.grow(|| self.set_clock(ahead))
    }

    /// One machine of several is wrong, the first; on SQLite there is no other.
    fn set_clock(&self, ahead: i64) -> Result<()> {
        self.place.clock(0)?.context("a clock that can be moved")?.set(ahead)
    }

    /// A product whose clock was moved goes on.
    fn goes_on(&mut self, crowd: &Crowd) -> Result<()> {
        let (began, before) = (Instant::now(), crowd.answered());
        while crowd.answered() < before + ANSWERS {
            ensure!(
                began.elapsed() < ANSWERED_WITHIN,
                "within {} s after the clock was moved only {} requests were answered",
                ANSWERED_WITHIN.as_secs(),
                crowd.answered() - before
            );
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(Duration::from_millis(self.random.between(GOES_ON_MS[0], GOES_ON_MS[1])));
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the product's clock is put so far ahead of this machine's")]
fn right_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The next 29 February's first second.
fn next_leap_day(now: i64) -> i64 {
    let day = |days: &i64| {
        let (_, month, day) = civil(*days);
        (month, day) == (2, 29)
    };
    (now / DAY + 1..now / DAY + FAR_DAYS).find(day).map_or(now, |days| days * DAY)
}

/// The next second in which the European Union changes its clocks: 01:00 UTC on the last Sunday of March or October.
fn next_change(now: i64) -> i64 {
    let sunday = |days: &i64| {
        let (_, month, day) = civil(*days);
        // 1 January 1970 was a Thursday.
        (days + 4) % 7 == 0 && matches!(month, 3 | 10) && day > 24 && days * DAY + HOUR > now + BEFORE
    };
    (now / DAY..now / DAY + FAR_DAYS).find(sunday).map_or(now, |days| days * DAY + HOUR)
}

/// Year, month and day of a number of days since 1970. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_on_which_clocks_go_wrong_are_found() {
        let november_2026 = 1_795_000_000;
        assert_eq!(civil(november_2026 / DAY), (2026, 11, 18));
        let leap_day = next_leap_day(november_2026);
        assert_eq!((civil(leap_day / DAY), leap_day % DAY), ((2028, 2, 29), 0));
        assert_eq!(civil(next_leap_day(leap_day) / DAY), (2032, 2, 29));
        let spring = next_change(november_2026);
        assert_eq!((civil(spring / DAY), spring % DAY), ((2027, 3, 28), HOUR));
        assert_eq!(civil(next_change(spring) / DAY), (2027, 10, 31));
    }
}
