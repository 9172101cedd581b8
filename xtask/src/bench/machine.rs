//! What the machine gives: facts, the disk's sync times, and CPU time out of `/proc`.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use testkit::postgres::{self, Cluster};

/// One tick of the CPU times in `/proc/PID/stat`: Linux shows them in hundredths of a second on every platform.
const TICK_NANOSECONDS: u64 = 10_000_000;
/// A whole machine idles when its servers used at most this much of one CPU in [`IDLE_PROBE`].
const IDLE_TICKS: u64 = 1;
const IDLE_PROBE: Duration = Duration::from_millis(300);
/// After this long a server counts as never idle; what it does is charged to the next part, and the round goes on.
const IDLE_WAIT_MAX: Duration = Duration::from_secs(20);

/// What stands beside every figure, because no figure means anything without it.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Name of the processor as the kernel gives it.
    pub cpu: String,
    /// How many of them we may use.
    pub cores: usize,
    /// Version of the kernel.
    pub kernel: String,
    /// Version of the database server.
    pub postgres: String,
    /// Version of the compiler.
    pub rustc: String,
    /// Memory in mebibytes.
    pub memory_mib: u64,
}

impl Machine {
    /// Reads the facts.
    pub fn look() -> Result<Machine> {
        let first_line = |path: &str, key: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let found = text.lines().find_map(|line| line.strip_prefix(key));
            found.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned()).unwrap_or_default()
        };
        let memory = first_line("/proc/meminfo", "MemTotal");
        let kib: u64 = memory.split(' ').next().unwrap_or_default().parse().unwrap_or_default();
        Ok(Machine {
            cpu: first_line("/proc/cpuinfo", "model name"),
            cores: thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            postgres: crate::shell::output(postgres::program("postgres")?, &["--version"])?,
            rustc: crate::shell::output("rustc", &["--version"])?,
            memory_mib: kib / 1_024,
        })
    }
}

/// The state of the machine just before a round.
#[derive(Clone, Debug, Serialize)]
pub struct Weather {
    /// Half of the disk's syncs took at most this long, in microseconds.
    pub fdatasync_p50_us: u64,
    /// Ninety-nine of a hundred did.
    pub fdatasync_p99_us: u64,
    /// Runnable processes, average of one minute.
    pub load: String,
}

impl Weather {
    /// One second of 4 KiB overwrites, each synced, in a preallocated file in `directory`.
    pub fn probe(directory: &Path) -> Result<Weather> {
        const BLOCK: usize = 4_096;
        const BLOCKS: u64 = 1_024;
        let path = directory.join("fdatasync.probe");
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        let block = [0x5a_u8; BLOCK];
        for number in 0..BLOCKS {
            file.write_all_at(&block, number * BLOCK as u64)?;
        }
        file.sync_all()?;
        let began = Instant::now();
        let mut times = Vec::new();
        while began.elapsed() < Duration::from_secs(1) {
            let start = Instant::now();
            file.write_all_at(&block, (times.len() as u64 % BLOCKS) * BLOCK as u64)?;
            file.sync_data()?;
            times.push(micros(start.elapsed()));
        }
        fs::remove_file(&path)?;
        times.sort_unstable();
        let load = fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned();
        Ok(Weather { fdatasync_p50_us: percentile(&times, 50), fdatasync_p99_us: percentile(&times, 99), load })
    }
}

/// The value that `percent` of the sorted values do not exceed; zero for none.
pub fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

/// Whole microseconds.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Whole nanoseconds.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads the CPU time of all servers that work for one unit: the database's processes and, when it runs, the product.
#[derive(Debug)]
pub struct Meter<'a> {
    cluster: &'a Cluster,
    postmaster: u32,
    product: Option<u32>,
}

/// What a [`Meter`] shows at one moment; only differences mean anything.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// CPU time of the servers, user and system, in nanoseconds.
    pub cpu_ns: u64,
    /// Of these the product alone.
    pub product_cpu_ns: u64,
    /// Bytes of write-ahead log written by the cluster.
    pub wal_bytes: u64,
}

impl<'a> Meter<'a> {
    /// A meter for this cluster and, unless it is the baseline's turn, the product's process.
    pub fn new(cluster: &'a Cluster, product: Option<u32>) -> Result<Meter<'a>> {
        Ok(Meter { cluster, postmaster: cluster.server_pid()?, product })
    }

    /// The present figures.
    pub fn read(&self) -> Result<Reading> {
        let wal = self.cluster.psql("postgres", "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")?;
        let product = self.product.map_or(0, |pid| ticks(pid, false));
        let ticks = product + self.database_ticks()?;
        Ok(Reading {
            cpu_ns: ticks * TICK_NANOSECONDS,
            product_cpu_ns: product * TICK_NANOSECONDS,
            wal_bytes: wal.parse().context("a number of bytes")?,
        })
    }

    /// Waits until the servers have nothing left to do.
    pub fn wait_until_idle(&self) -> Result<()> {
        let began = Instant::now();
        let busy = || Ok::<u64, anyhow::Error>(self.database_ticks()? + self.product.map_or(0, |pid| ticks(pid, false)));
        while began.elapsed() < IDLE_WAIT_MAX {
            let before = busy()?;
            thread::sleep(IDLE_PROBE);
            if busy()? <= before + IDLE_TICKS {
                break;
            }
        }
        Ok(())
    }

    /// A checkpoint, so that no part pays for the pages its predecessor left.
    pub fn checkpoint(&self) -> Result<()> {
        self.cluster.psql("postgres", "CHECKPOINT")?;
        Ok(())
    }

    /// The server's first process with the children it has reaped, and those alive.
    fn database_ticks(&self) -> Result<u64> {
        let children = postgres::children_of(self.postmaster)?;
        Ok(ticks(self.postmaster, true) + children.into_iter().map(|pid| ticks(pid, true)).sum::<u64>())
    }
}

/// User and system time of a process so far, in ticks, with that of its reaped children when asked; zero when it is gone.
pub fn ticks(pid: u32, with_reaped: bool) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Fields are counted from behind the name, which may hold anything: 3 is the state, 14 to 17 are the times.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let wanted = if with_reaped { 11..15 } else { 11..13 };
    fields.get(wanted).unwrap_or_default().iter().filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// User and system time of a process so far in nanoseconds; zero when it is gone.
pub fn cpu_ns(pid: u32) -> u64 {
    ticks(pid, false) * TICK_NANOSECONDS
}

/// CPU time of the calling thread in nanoseconds.
pub fn own_thread_cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// Resident memory of a process in KiB; zero when it is gone.
pub fn resident_kib(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:")
}

/// The most that a process ever had resident, in KiB; zero when it is gone.
pub fn resident_kib_max(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:")
}

fn status_kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default()
}
