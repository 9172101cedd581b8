//! The table of 60 section 6.3, as far as the product has these routes: workload, divisor, and the lines to reach.

use crate::bench::baseline::Kind;
use crate::number::Milli;
use crate::product::Engine;

/// Keys that P6 takes in turn, and finished requests that P7 repeats.
pub const MANY: u64 = 10_000;
/// Accounts of the spread side of P3.
pub const ACCOUNTS: usize = 100;
/// Payments after which P16 looks at the size.
pub const GROWTH_PAYMENTS: u64 = 100_000;

/// What runs in one half of a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Card payments.
    Pay {
        /// Connections that pay at the same time.
        connections: usize,
        /// Accounts that are paid in turn.
        accounts: usize,
    },
    /// Repeats of [`MANY`] finished payments.
    Repeat,
    /// Signed notifications of an acquirer about [`MANY`] finished payments, all different.
    Notify,
    /// Checkout sessions.
    Session {
        /// Whether they carry an idempotency key.
        with_key: bool,
    },
    /// The greeting routes.
    Hello {
        /// The one that checks a key or the one that does not.
        with_key: bool,
    },
    /// The database alone.
    Pgbench {
        /// What one transaction does.
        kind: Kind,
        /// Connections that do it at the same time.
        clients: u32,
    },
}

/// Which of the two ratios is the figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// Units a second; more is better.
    Throughput,
    /// Server CPU for one unit; less is better.
    Cpu,
}

/// The lines of one workload, in thousandths of the ratio.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    /// Must hold for a release.
    pub gate: Milli,
    /// What we want.
    pub goal: Milli,
    /// What would be remarkable.
    pub stretch: Milli,
}

/// A workload, compared with another.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// Its name in the table; an `s` behind it means SQLite.
    pub name: &'static str,
    /// In words.
    pub workload: &'static str,
    /// What it is divided by, in words.
    pub divisor: &'static str,
    /// Where the product keeps its data. The database alone is always PostgreSQL.
    pub engine: Engine,
    /// The workload.
    pub a: Side,
    /// The divisor.
    pub b: Side,
    /// The figure.
    pub figure: Figure,
    /// The lines.
    pub lines: Lines,
}

/// A figure that stands alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Single {
    /// P16: bytes the database grows by for one payment.
    Growth,
    /// P14: an open loop at half of the rate of P1; how far the slow answers are from the usual ones.
    OpenLoop,
    /// P17: resident memory, idle and with [`MANY`] idle connections.
    Memory,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub enum Case {
    /// Compared in interleaved rounds.
    Ratio(Ratio),
    /// Measured once, on one engine.
    Single(&'static str, Single, Engine),
}

impl Case {
    /// Its name in the table.
    pub fn name(&self) -> &'static str {
        match self {
            Case::Ratio(ratio) => ratio.name,
            Case::Single(name, ..) => name,
        }
    }
}

/// The load of P1.
pub const PAY_64: Side = Side::Pay { connections: 64, accounts: 1 };
const PAY_512: Side = Side::Pay { connections: 512, accounts: 1 };
const PAY_SPREAD: Side = Side::Pay { connections: 64, accounts: ACCOUNTS };
const B1: Side = Side::Pgbench { kind: Kind::Spread, clients: 8 };
const B1_64: Side = Side::Pgbench { kind: Kind::Spread, clients: 64 };
const B4: Side = Side::Pgbench { kind: Kind::Insert, clients: 8 };
const B2: Side = Side::Pgbench { kind: Kind::Hot, clients: 8 };

const fn lines(gate: u64, goal: u64, stretch: u64) -> Lines {
    Lines { gate: Milli(gate), goal: Milli(goal), stretch: Milli(stretch) }
}

const fn throughput(name: &'static str, words: [&'static str; 2], engine: Engine, sides: [Side; 2], lines: Lines) -> Case {
    let [workload, divisor] = words;
    let [a, b] = sides;
    Case::Ratio(Ratio { name, workload, divisor, engine, a, b, figure: Figure::Throughput, lines })
}

const fn cpu(name: &'static str, words: [&'static str; 2], engine: Engine, sides: [Side; 2], lines: Lines) -> Case {
    let [workload, divisor] = words;
    let [a, b] = sides;
    Case::Ratio(Ratio { name, workload, divisor, engine, a, b, figure: Figure::Cpu, lines })
}

const PAY: &str = "card payment, 64 connections";
const PAY_MANY: &str = "card payment, 512 connections";
const PG: Engine = Engine::Postgres;
const LITE: Engine = Engine::Sqlite;
const KEYS: [&str; 2] = ["key check, 10,000 keys in turn", "the same without a key"];
const REPEATS: [&str; 2] = ["repeat of a finished payment", "card payment (P1)"];
const SESSIONS: [&str; 2] = ["checkout session with an idempotency key", "the same without"];
const SPREAD: [&str; 2] = ["card payment, one account", "card payment, 100 accounts"];
const NOTIFIED: [&str; 2] = ["signed notification about a payment, 64 connections", "pgbench B4 (one insert), 8 clients"];
const HELLOS: [Side; 2] = [Side::Hello { with_key: true }, Side::Hello { with_key: false }];
const SESSION_SIDES: [Side; 2] = [Side::Session { with_key: true }, Side::Session { with_key: false }];

/// All lines, in the order in which they run and are shown.
pub const CASES: &[Case] = &[
    throughput("P1", [PAY, "pgbench B1, 8 clients"], PG, [PAY_64, B1], lines(800, 2_000, 4_000)),
    throughput("P1b", [PAY, "pgbench B1, 64 clients"], PG, [PAY_64, B1_64], lines(500, 1_500, 3_000)),
    throughput("P1c", [PAY_MANY, "pgbench B1, 8 clients"], PG, [PAY_512, B1], lines(1_000, 2_500, 5_000)),
    throughput("P1s", [PAY, "pgbench B1, 8 clients"], LITE, [PAY_64, B1], lines(1_000, 2_000, 4_000)),
    throughput("P2", [PAY, "pgbench B2 (hot account), 8 clients"], PG, [PAY_64, B2], lines(2_000, 10_000, 20_000)),
    throughput("P2s", [PAY, "pgbench B2 (hot account), 8 clients"], LITE, [PAY_64, B2], lines(2_000, 10_000, 20_000)),
    throughput("P3", SPREAD, PG, [PAY_64, PAY_SPREAD], lines(500, 900, 1_000)),
    throughput("P3s", SPREAD, LITE, [PAY_64, PAY_SPREAD], lines(500, 900, 1_000)),
    cpu("P6", KEYS, PG, HELLOS, lines(1_300, 1_150, 1_050)),
    cpu("P6s", KEYS, LITE, HELLOS, lines(1_300, 1_150, 1_050)),
    cpu("P7", REPEATS, PG, [Side::Repeat, PAY_64], lines(500, 200, 100)),
    cpu("P7s", REPEATS, LITE, [Side::Repeat, PAY_64], lines(500, 200, 100)),
    cpu("P8", SESSIONS, PG, SESSION_SIDES, lines(1_500, 1_200, 1_050)),
    cpu("P8s", SESSIONS, LITE, SESSION_SIDES, lines(1_500, 1_200, 1_050)),
    throughput("P13", NOTIFIED, PG, [Side::Notify, B4], lines(800, 3_000, 10_000)),
    Case::Single("P14", Single::OpenLoop, PG),
    Case::Single("P14s", Single::OpenLoop, LITE),
    Case::Single("P16", Single::Growth, PG),
    Case::Single("P16s", Single::Growth, LITE),
    Case::Single("P17", Single::Memory, PG),
    Case::Single("P17s", Single::Memory, LITE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_name_of_its_own() {
        let mut names: Vec<&str> = CASES.iter().map(Case::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CASES.len());
    }

    #[test]
    fn lines_lead_from_gate_to_stretch() {
        for case in CASES {
            let Case::Ratio(Ratio { name, figure, lines: Lines { gate, goal, stretch }, .. }) = case else { continue };
            match figure {
                Figure::Throughput => assert!(gate < goal && goal < stretch, "{name}"),
                Figure::Cpu => assert!(gate > goal && goal > stretch, "{name}"),
            }
        }
    }
}
