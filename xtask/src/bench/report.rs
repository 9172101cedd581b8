//! What remains of a run: a JSON line for programs, a row of `docs/performance.md` for people.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::cases::{CASES, Case, Figure, Lines, Ratio};
use super::machine::{Machine, Weather};
use super::part::Part;
use crate::number::{Milli, Spread, grouped};
use crate::product::Engine;

/// The generated part of the document stands between these lines.
const BEGIN: &str = "<!-- measured: written by `cargo xtask bench --publish` -->";
const END: &str = "<!-- /measured -->";
const TITLES: &str = "| P | workload | ours | divided by | theirs | ratio (least–most) | CPU ratio | gate / goal / stretch | reached | fdatasync p50 / p99 | load |";

/// One round.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// The machine just before it.
    pub weather: Weather,
    /// The workload.
    pub a: Part,
    /// The divisor.
    pub b: Part,
}

impl Round {
    /// A round with one unexpected answer says nothing.
    pub fn is_void(&self) -> bool {
        self.a.errors + self.b.errors > 0
    }
}

/// When, where and how the figures of a run were made.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The commit that was built; `+` behind it when the tree had changes.
    pub commit: String,
    /// Time of the run, UTC.
    pub at: String,
    /// The machine.
    pub machine: Machine,
}

/// A finished comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    p: &'static str,
    #[serde(flatten)]
    run: Run,
    workload: &'static str,
    divisor: &'static str,
    engine: String,
    rounds: Vec<Round>,
    ratio: Spread,
    cpu_ratio: Spread,
    gate: Milli,
    goal: Milli,
    stretch: Milli,
    verdict: &'static str,
}

impl Outcome {
    /// Judges the rounds that are not void.
    pub fn judge(run: &Run, case: &Ratio, rounds: Vec<Round>) -> Result<Outcome> {
        let good: Vec<&Round> = rounds.iter().filter(|round| !round.is_void()).collect();
        let spread =
            |of: fn(&Part) -> u64| Spread::of(good.iter().map(|round| Milli::ratio(of(&round.a), of(&round.b))).collect());
        let ratio = spread(|part| part.per_second).context("every round was void")?;
        let cpu_ratio = spread(|part| part.server_cpu_ns).context("every round was void")?;
        let Lines { gate, goal, stretch } = case.lines;
        let verdict = verdict(case, ratio.median, cpu_ratio.median);
        let (workload, divisor, engine) = (case.workload, case.divisor, case.engine.to_string());
        Ok(Outcome {
            p: case.name,
            run: run.clone(),
            workload,
            divisor,
            engine,
            rounds,
            ratio,
            cpu_ratio,
            gate,
            goal,
            stretch,
            verdict,
        })
    }

    /// The row of the table.
    pub fn row(&self) -> Row {
        let median = |of: &dyn Fn(&Round) -> u64| {
            let mut values: Vec<u64> = self.rounds.iter().filter(|round| !round.is_void()).map(of).collect();
            values.sort_unstable();
            values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
        };
        let part = |side: fn(&Round) -> &Part| {
            let per_second = median(&|round| side(round).per_second);
            let cpu_us = median(&|round| side(round).server_cpu_ns) / 1_000;
            let p99_us = median(&|round| side(round).p99_us);
            format!("{}/s, {cpu_us} µs CPU, p99 {} ms", grouped(per_second), Milli(p99_us))
        };
        let shown = |spread: &Spread| format!("{} ({}–{})", spread.median, spread.min, spread.max);
        let workload = format!("{}, {}", self.workload, self.engine);
        let sync = format!(
            "{} / {} µs",
            median(&|round| round.weather.fdatasync_p50_us),
            median(&|round| round.weather.fdatasync_p99_us)
        );
        let load = self.rounds.first().map_or(String::new(), |round| round.weather.load.clone());
        let (ratio, cpu_ratio) = (shown(&self.ratio), shown(&self.cpu_ratio));
        let lines = format!("{} / {} / {}", self.gate, self.goal, self.stretch);
        let cells = [
            &workload,
            &part(|round| &round.a),
            self.divisor,
            &part(|round| &round.b),
            &ratio,
            &cpu_ratio,
            &lines,
            self.verdict,
            &sync,
            &load,
        ];
        Row { name: self.p, text: format!("| {} | {} |", self.p, cells.join(" | ")) }
    }

    /// Both ratios, for people.
    pub fn line(&self) -> String {
        let shown = |spread: &Spread| format!("{} ({} to {})", spread.median, spread.min, spread.max);
        format!(
            "{}: ratio {}, CPU ratio {}; gate {}, goal {}, stretch {}: {}",
            self.p,
            shown(&self.ratio),
            shown(&self.cpu_ratio),
            self.gate,
            self.goal,
            self.stretch,
            self.verdict
        )
    }
}

/// Which line a figure reaches. For throughput the ratio decides, unless the CPU ratio, which a busy machine disturbs
/// less, says something else by more than a factor of two: then that one does.
fn verdict(case: &Ratio, throughput: Milli, cpu: Milli) -> &'static str {
    let figure = match case.figure {
        Figure::Cpu => cpu,
        Figure::Throughput => {
            let by_cpu = Milli::ratio(1_000, cpu.0);
            let (less, more) = (throughput.min(by_cpu), throughput.max(by_cpu));
            if more.0 > 2 * less.0 { by_cpu } else { throughput }
        }
    };
    let reaches = |line: Milli| match case.figure {
        Figure::Throughput => figure >= line,
        Figure::Cpu => figure <= line,
    };
    reached(reaches(case.lines.gate), reaches(case.lines.goal), reaches(case.lines.stretch))
}

/// One round of an open loop.
#[derive(Clone, Debug, Serialize)]
pub struct OpenRound {
    /// The machine just before it.
    pub weather: Weather,
    /// Requests that became due each second.
    pub per_second: u64,
    /// Half of the answers took at most this many microseconds since they were due.
    pub p50_us: u64,
    /// Ninety-nine of a hundred did.
    pub p99_us: u64,
}

impl OpenRound {
    /// One line for people.
    pub fn line(&self) -> String {
        let OpenRound { weather, per_second, p50_us, p99_us } = self;
        format!(
            "{}/s due, p50 {p50_us} us, p99 {p99_us} us: {}; fdatasync p99 / p50 {}, load {}",
            grouped(*per_second),
            Milli::ratio(*p99_us, *p50_us),
            Milli::ratio(weather.fdatasync_p99_us, weather.fdatasync_p50_us),
            weather.load
        )
    }

    /// The row of the table: the middle round by its ratio.
    pub fn row(name: &'static str, engine: Engine, rounds: &[OpenRound], ratio: Spread, verdict: &str) -> Row {
        let mut sorted: Vec<&OpenRound> = rounds.iter().collect();
        sorted.sort_by_key(|round| Milli::ratio(round.p99_us, round.p50_us));
        let Some(OpenRound { weather, per_second, p50_us, p99_us }) = sorted.get(sorted.len().saturating_sub(1) / 2) else {
            return Row { name, text: String::new() };
        };
        let ours = format!("{}/s due, p50 {} ms, p99 {} ms", grouped(*per_second), Milli(*p50_us), Milli(*p99_us));
        let theirs = format!("{}", Milli::ratio(weather.fdatasync_p99_us, weather.fdatasync_p50_us));
        let sync = format!("{} / {} µs", weather.fdatasync_p50_us, weather.fdatasync_p99_us);
        let shown = format!("{} ({}–{})", ratio.median, ratio.min, ratio.max);
        let workload = format!("open loop of card payments at half of P1's rate, 30 s: p99 ÷ p50, {engine}");
        let divisor = "beside it fdatasync p99 ÷ p50";
        let lines = OPEN_LINES.map(|line| line.to_string()).join(" / ");
        let load = &weather.load;
        Row {
            name,
            text: format!(
                "| {name} | {workload} | {ours} | {divisor} | {theirs} | {shown} | – | {lines} | {verdict} | {sync} | {load} |"
            ),
        }
    }
}

/// Gate, goal and stretch of P14; lower is better.
const OPEN_LINES: [Milli; 3] = [Milli(20_000), Milli(8_000), Milli(4_000)];

/// How far slow answers are from usual ones over the rounds, and which line that reaches.
pub fn open_loop(rounds: &[OpenRound]) -> Result<(Spread, &'static str)> {
    let ratio = Spread::of(rounds.iter().map(|round| Milli::ratio(round.p99_us, round.p50_us)).collect());
    let ratio = ratio.context("every round was void")?;
    let [gate, goal, stretch] = OPEN_LINES.map(|line| ratio.median <= line);
    Ok((ratio, reached(gate, goal, stretch)))
}

/// The farthest line reached.
pub fn reached(gate: bool, goal: bool, stretch: bool) -> &'static str {
    match (stretch, goal, gate) {
        (true, ..) => "stretch",
        (_, true, _) => "goal",
        (.., true) => "gate",
        _ => "below the gate",
    }
}

/// One line of the document's table.
#[derive(Clone, Debug)]
pub struct Row {
    name: &'static str,
    text: String,
}

impl Row {
    /// A row of a figure that stands alone.
    pub fn single(name: &'static str, workload: &str, ours: &str, lines: &str, verdict: &str, weather: &Weather) -> Row {
        let Weather { fdatasync_p50_us, fdatasync_p99_us, load } = weather;
        let sync = format!("{fdatasync_p50_us} / {fdatasync_p99_us} µs");
        Row {
            name, text: format!("| {name} | {workload} | {ours} | – | – | – | – | {lines} | {verdict} | {sync} | {load} |")
        }
    }
}

/// Appends one JSON line.
pub fn append(path: &Path, line: &impl Serialize) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::options().create(true).append(true).open(path)?;
    writeln!(file, "{}", serde_json::to_string(line)?)?;
    Ok(())
}

/// Puts the rows into the document, beside those of earlier runs that were not made again.
pub fn publish(document: &Path, run: &Run, rows: &[Row]) -> Result<()> {
    let text = fs::read_to_string(document).with_context(|| document.display().to_string())?;
    let (head, rest) = text.split_once(BEGIN).context("the document's mark where the measured part begins")?;
    let (old, tail) = rest.split_once(END).context("the document's mark where the measured part ends")?;
    let mut table: BTreeMap<usize, String> = BTreeMap::new();
    let place = |name: &str| CASES.iter().map(Case::name).position(|known| known == name);
    for line in old.lines() {
        let name = line.trim_start_matches('|').split('|').next().unwrap_or_default().trim();
        if let Some(place) = place(name) {
            table.insert(place, line.to_owned());
        }
    }
    for row in rows {
        table.insert(place(row.name).context("a row of the table")?, row.text.clone());
    }
    let Machine { cpu, cores, kernel, postgres, rustc, memory_mib } = &run.machine;
    let facts = format!(
        "Last run: {}, commit {}, {cores} cores ({cpu}), {memory_mib} MiB, Linux {kernel}, {postgres}, {rustc}.",
        run.at, run.commit
    );
    let rule = "|---".repeat(TITLES.matches('|').count() - 1) + "|";
    let body = table.into_values().collect::<Vec<String>>().join("\n");
    fs::write(document, format!("{head}{BEGIN}\n{facts}\n\n{TITLES}\n{rule}\n{body}\n{END}{tail}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cases::Side;

    fn case(figure: Figure) -> Ratio {
        let lines = match figure {
            Figure::Throughput => Lines { gate: Milli(800), goal: Milli(2_000), stretch: Milli(4_000) },
            Figure::Cpu => Lines { gate: Milli(500), goal: Milli(200), stretch: Milli(100) },
        };
        let side = Side::Repeat;
        Ratio { name: "P1", workload: "w", divisor: "d", engine: Engine::Sqlite, a: side, b: side, figure, lines }
    }

    #[test]
    fn the_farthest_line_counts() {
        let verdicts =
            [700, 800, 2_100, 9_000].map(|ratio| verdict(&case(Figure::Throughput), Milli(ratio), Milli::ratio(1_000, ratio)));
        assert_eq!(verdicts, ["below the gate", "gate", "goal", "stretch"]);
        let verdicts = [600, 500, 150, 90].map(|ratio| verdict(&case(Figure::Cpu), Milli(1), Milli(ratio)));
        assert_eq!(verdicts, ["below the gate", "gate", "goal", "stretch"]);
    }

    #[test]
    fn cpu_decides_when_the_two_ratios_are_far_apart() {
        assert_eq!(verdict(&case(Figure::Throughput), Milli(5_000), Milli(1_000)), "gate");
        assert_eq!(verdict(&case(Figure::Throughput), Milli(700), Milli(400)), "goal");
    }
}
