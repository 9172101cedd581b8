//! A disk that is full or fails under the product's data: its own files on SQLite, the database server's on PostgreSQL.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::postgres::{Cluster, children_of};

use super::faults::Fault;
use super::harness::Harness;
use crate::http::Ask;
use crate::shell;

/// How long a disk fails.
const DISK_MS: [u64; 2] = [1_000, 4_000];
/// Of the small disk: room for a cluster and a day's work of the harness.
const SMALL_DISK_MIB: u64 = 1_024;
/// The server's log of changes takes no more of it, as far as it can help it.
const SERVER_LOG_MIB: u64 = 256;
/// What is left free when it is full, in KiB.
const LEFT_KIB: [u64; 3] = [0, 64, 1_024];
/// A server that crashed must be back within this, by itself or started again by whoever looks after it.
const BACK_WITHIN: Duration = Duration::from_mins(1);
/// From the first connection that a dying server ends to its last.
const DYING: Duration = Duration::from_millis(500);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The disk is filled in pieces of this size.
const BLOCK: usize = 16 << 10;
const NO_ROOM: [&str; 2] = ["pwrite64:error=ENOSPC", "pwrite64:error=ENOSPC:when=2+3"];
const BROKEN: [&str; 3] = ["pwrite64:error=EIO", "fsync,fdatasync:error=EIO", "fsync,fdatasync:error=EIO:when=2+3"];

/// A file system so small that it can be filled; gone when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one in memory, which only root may.
    pub fn mount() -> Result<SmallDisk> {
        ensure!(shell::is_root(), "F4 on PostgreSQL fills a small file system of its own, and only root may mount one");
        let disk = SmallDisk(tempfile::Builder::new().prefix("guichet-disk-").tempdir()?.keep());
        let size = format!("size={SMALL_DISK_MIB}m,mode=755");
        shell::output("mount", &["-t", "tmpfs", "-o", &size, "guichet-disk", &disk.0.display().to_string()])
            .context("F4 on PostgreSQL needs a small file system of its own; may one be mounted here?")?;
        Ok(disk)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Keeps the server's log of changes small, which would fill it by itself.
    pub fn suit(cluster: &Cluster) -> Result<()> {
        for setting in [format!("max_wal_size = '{SERVER_LOG_MIB}MB'"), "wal_recycle = off".into()] {
            cluster.psql("postgres", &format!("ALTER SYSTEM SET {setting}"))?;
        }
        cluster.psql("postgres", "SELECT pg_reload_conf()")?;
        Ok(())
    }

    /// Leaves so much of it free.
    fn fill(&self, left_kib: u64) -> Result<()> {
        let mut ballast = File::create(self.ballast())?;
        let block = [0_u8; BLOCK];
        let mut length = 0;
        let full = loop {
            match ballast.write(&block) {
                Ok(written) => length += written as u64,
                Err(full) => break full,
            }
        };
        ensure!(full.kind() == io::ErrorKind::StorageFull, "the small disk does not fill up: {full}");
        Ok(ballast.set_len(length.saturating_sub(left_kib * 1_024))?)
    }

    fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that is being killed may still have files open.
        let _ = shell::output("umount", &["--lazy", &self.0.display().to_string()]);
        let _ = fs::remove_dir(&self.0);
    }
}

impl Harness {
    /// For a while there is no room on the disk, or it fails.
    pub fn upset_disk(&mut self, one: usize, fault: Fault) -> Result<()> {
        let failure = if fault == Fault::DiskFull { self.random.pick(&NO_ROOM) } else { self.random.pick(&BROKEN) };
        let while_ = Duration::from_millis(self.random.between(DISK_MS[0], DISK_MS[1]));
        let Some(server) = self.cluster.as_ref().map(Cluster::server_pid).transpose()? else {
            return self.injecting(&[self.nodes[one].pid()], failure, while_);
        };
        if fault == Fault::DiskFull {
            self.fill_disk(while_)?;
        } else {
            let mut processes = vec![server];
            processes.extend(children_of(server)?);
            self.injecting(&processes, failure, while_)?;
        }
        self.server_is_back()
    }

    /// System calls of processes, and of those they start, fail as `strace` is told, for a while.
    fn injecting(&self, processes: &[u32], failure: &str, while_: Duration) -> Result<()> {
        let (calls, _) = failure.split_once(':').context("calls and how they fail")?;
        let mut strace = Command::new("strace")
            .args(["--follow-forks", "--quiet=attach,exit", "--output=/dev/null"])
            .args(processes.iter().map(|process| format!("--attach={process}")))
            .args([format!("--trace={calls}"), format!("--inject={failure}")])
            .spawn()
            .context("strace, which makes system calls fail, is not there: `cargo xtask setup`")?;
        thread::sleep(while_);
        // A database server may have given up for good: then nothing is left to be watched.
        let ended = strace.try_wait()?;
        ensure!(
            ended.is_none() || self.cluster.is_some(),
            "strace ended before it was told to; may it look into other processes here?"
        );
        if ended.is_none() {
            shell::output("kill", &["-TERM", &strace.id().to_string()])?;
            strace.wait()?;
        }
        Ok(())
    }

    /// The database's disk is full. Half of the times its log of changes wants a new file just then, without which it does not go on.
    fn fill_disk(&mut self, while_: Duration) -> Result<()> {
        let (left, wants_more) = (self.random.pick(&LEFT_KIB), self.random.percent(50));
        let (disk, cluster) = (self.disk.as_ref().context("a small disk")?, self.cluster.as_ref().context("a database")?);
        let heart_before = heart(cluster);
        disk.fill(left)?;
        let until = Instant::now() + while_;
        if wants_more {
            // It may say no, or die of it.
            let _ =
                cluster.psql("postgres", "CREATE TABLE more (); SELECT pg_switch_wal(); DROP TABLE more; SELECT pg_switch_wal()");
        }
        let mut read = 0_u64;
        while Instant::now() < until {
            let asked = Ask { method: "GET", path: "/v1/payments?merchant_order_id=nobody", headers: self.headers(), body: "" };
            // A line that is kept may be one of a process that was killed meanwhile.
            let answer = self.line()?.ask(&asked).context("a product with a full database disk does not answer")?;
            if answer.status == 200 {
                read += 1;
                thread::sleep(LOOK_AGAIN);
                continue;
            }
            // A server that dies takes a moment to do so.
            thread::sleep(DYING);
            let crashed = heart(cluster) != heart_before;
            ensure!(
                crashed && answer.status == 503,
                "with a full disk under a database that runs a list is answered {}",
                answer.short()
            );
        }
        disk.empty()?;
        self.read_while_full += read;
        Ok(())
    }

    /// Whoever looks after the database starts it again where it gave up for good.
    fn server_is_back(&mut self) -> Result<()> {
        let cluster = self.cluster.as_ref().context("a database")?;
        let began = Instant::now();
        while let Err(error) = cluster.psql("postgres", "SELECT 1") {
            ensure!(began.elapsed() < BACK_WITHIN, "the database does not come back: {error}");
            if !cluster.is_alive() {
                self.restarts += 1;
                cluster.restart()?;
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

/// One of the server's own processes: it is another one after the server crashed.
fn heart(cluster: &Cluster) -> Option<u32> {
    let is_heart = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|name| name.contains("checkpointer"));
    children_of(cluster.server_pid().ok()?).ok()?.into_iter().find(is_heart)
}
