//! The baselines: PostgreSQL alone, driven by `pgbench`, as good as it gets with one function call a transaction.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use testkit::postgres::{self, Cluster, Database};

use super::machine::{self, nanos, percentile};
use super::part::{Finished, Load};

/// One in so many transactions is written to pgbench's log, from which the percentiles come.
const SAMPLED: &str = "0.1";

/// Tables of 60 section 6.2 and the function that makes one double entry.
const SCHEMA: &str = "
CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 70);
INSERT INTO accounts SELECT id, 0 FROM generate_series(1, 10000) AS id;
CREATE TABLE transfers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    debit bigint NOT NULL,
    credit bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    idem uuid NOT NULL UNIQUE,
    at timestamptz NOT NULL
);
CREATE TABLE entries (transfer bigint NOT NULL, account bigint NOT NULL, amount bigint NOT NULL, PRIMARY KEY (account, transfer));
CREATE FUNCTION book(debited bigint, credited bigint, amount bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE made bigint;
BEGIN
    INSERT INTO transfers (debit, credit, amount, idem, at)
        VALUES (debited, credited, amount, gen_random_uuid(), now()) RETURNING id INTO made;
    INSERT INTO entries (transfer, account, amount) VALUES (made, debited, -amount), (made, credited, amount);
    UPDATE accounts SET balance = balance - book.amount WHERE id = debited;
    UPDATE accounts SET balance = balance + book.amount WHERE id = credited;
END $$;
CREATE TABLE inbox (id uuid PRIMARY KEY, body text NOT NULL, at timestamptz NOT NULL);
VACUUM ANALYZE accounts;
";

/// What a transaction of the baseline does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// B1: any of 5,000 accounts to any of 5,000 others.
    Spread,
    /// B2: any of 5,000 accounts to always the same one.
    Hot,
    /// B4: a row with a body of 600 bytes under a random uuid.
    Insert,
}

impl Kind {
    fn script(self) -> &'static str {
        match self {
            Kind::Spread => {
                "\\set debited random(1, 5000)\n\\set credited random(5001, 10000)\nSELECT book(:debited, :credited, 100);\n"
            }
            Kind::Hot => "\\set debited random(1, 5000)\nSELECT book(:debited, 10000, 100);\n",
            Kind::Insert => "INSERT INTO inbox (id, body, at) VALUES (gen_random_uuid(), repeat('x', 600), now());\n",
        }
    }
}

/// The baseline's database, in the cluster that the product uses too.
#[derive(Debug)]
pub struct Baseline {
    database: Database,
    directory: String,
    files: TempDir,
}

impl Baseline {
    /// Makes tables and function.
    pub fn prepare(cluster: &Cluster) -> Result<Baseline> {
        let database = cluster.fresh_database()?;
        for statement in SCHEMA.split_inclusive(";\n").filter(|text| !text.trim().is_empty()).fold(Vec::new(), join_bodies) {
            database.psql(&statement)?;
        }
        Ok(Baseline { database, directory: cluster.directory().display().to_string(), files: tempfile::tempdir()? })
    }

    /// A load of so many clients, ready to start.
    pub fn load(&self, kind: Kind, clients: u32) -> PgbenchLoad<'_> {
        PgbenchLoad { baseline: self, kind, clients, process: None }
    }

    /// How many transactions of this kind were committed since the tables were made; inserts since their load began. Exact at rest:
    /// the identity has no gaps then, because no transaction of the baseline ever fails.
    fn transactions(&self, kind: Kind) -> Result<u64> {
        let text = self.database.psql(match kind {
            Kind::Spread | Kind::Hot => "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM transfers_id_seq",
            Kind::Insert => "SELECT count(*) FROM inbox",
        })?;
        text.parse().context("a number of transactions")
    }
}

/// A function body holds semicolons: what was cut inside `$$ … $$` belongs together again.
fn join_bodies(mut whole: Vec<String>, piece: &str) -> Vec<String> {
    match whole.last_mut() {
        Some(last) if last.matches("$$").count() == 1 => last.push_str(piece),
        _ => whole.push(piece.to_owned()),
    }
    whole
}

/// One run of `pgbench`.
#[derive(Debug)]
pub struct PgbenchLoad<'a> {
    baseline: &'a Baseline,
    kind: Kind,
    clients: u32,
    process: Option<Child>,
}

impl Load for PgbenchLoad<'_> {
    fn start(&mut self, seconds: u64) -> Result<()> {
        let files = self.baseline.files.path();
        for old in fs::read_dir(files)? {
            fs::remove_file(old?.path())?;
        }
        if self.kind == Kind::Insert {
            self.baseline.database.psql("TRUNCATE inbox")?;
        }
        let script = files.join("script.sql");
        fs::write(&script, self.kind.script())?;
        let clients = self.clients.to_string();
        let seconds = seconds.to_string();
        let mut command = Command::new(postgres::program("pgbench")?);
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--client", &clients, "--time", &seconds]);
        command.args(["--log", "--sampling-rate", SAMPLED]).arg(format!("--log-prefix={}/log", files.display()));
        command.arg("--file").arg(&script).args(["-h", &self.baseline.directory, "-U", "postgres"]);
        command.arg(self.baseline.database.name());
        self.process = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        Ok(())
    }

    fn units(&self) -> Result<u64> {
        self.baseline.transactions(self.kind)
    }

    fn client_cpu_ns(&self) -> u64 {
        self.process.as_ref().map_or(0, |process| machine::cpu_ns(process.id()))
    }

    fn finish(&mut self, window: Duration) -> Result<Finished> {
        let mut process = self.process.take().context("pgbench was started")?;
        let pid = process.id();
        let began = Instant::now();
        let mut client_cpu_ns = 0;
        let status = loop {
            client_cpu_ns = client_cpu_ns.max(machine::cpu_ns(pid));
            if let Some(status) = process.try_wait()? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let length_ns = nanos(began.elapsed());
        ensure!(status.success(), "pgbench failed: {status}");
        let times = latencies(self.baseline.files.path(), window)?;
        let units = self.units()?;
        Ok(Finished {
            units_in_time: units,
            units,
            length_ns,
            p50_us: percentile(&times, 50),
            p99_us: percentile(&times, 99),
            client_cpu_ns,
            errors: 0,
        })
    }
}

/// The sampled times of the last `window`, sorted, in microseconds.
fn latencies(files: &Path, window: Duration) -> Result<Vec<u64>> {
    let mut samples: Vec<(u64, u64)> = Vec::new();
    for file in fs::read_dir(files)? {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == "sql") {
            continue;
        }
        for line in fs::read_to_string(path)?.lines() {
            // client, transaction number, time in microseconds, script, then when it ended: seconds and microseconds.
            let fields: Vec<u64> = line.split(' ').filter_map(|field| field.parse().ok()).collect();
            if let [_, _, took, _, seconds, micros, ..] = fields[..] {
                samples.push((seconds * 1_000_000 + micros, took));
            }
        }
    }
    let last = samples.iter().map(|&(end, _)| end).max().unwrap_or_default();
    let first = last.saturating_sub(machine::micros(window));
    let mut times: Vec<u64> = samples.into_iter().filter(|&(end, _)| end >= first).map(|(_, took)| took).collect();
    times.sort_unstable();
    Ok(times)
}
