//! When the kernel carries written pages to the disk. By default it collects them for half a minute and then writes what is due in one
//! burst every five seconds; each sync that meets such a burst waits for all of it. Whoever runs a database is told to have it write early
//! (`docs/operations.md`), so that is how we measure, both sides alike.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::say;

const BYTES: &str = "/proc/sys/vm/dirty_background_bytes";
const RATIO: &str = "/proc/sys/vm/dirty_background_ratio";
/// Written pages that may wait for the disk before the kernel begins.
const EARLY: &str = "16777216";

/// When the kernel writes while we measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Writeback {
    /// From 16 MiB on.
    #[default]
    Early,
    /// As the machine is set.
    AsIs,
}

/// The setting while we measure; the one before comes back when this value goes, however it goes.
pub struct Early {
    /// Waits until its input ends, also when we are killed, and then puts back what was.
    restorer: Child,
}

impl Early {
    /// Has the kernel write early. `None` where we may not change it, or need not.
    pub fn begin() -> Result<Option<Early>> {
        let (Some(bytes), Some(ratio)) = (read(BYTES), read(RATIO)) else { return Ok(None) };
        let (file, before) = if bytes == "0" { (RATIO, ratio) } else { (BYTES, bytes) };
        if file == BYTES && before.parse::<u64>().is_ok_and(|bytes| bytes <= 4 * 16 * 1_024 * 1_024) {
            return Ok(None);
        }
        if fs::write(BYTES, EARLY).is_err() {
            say!(
                "the kernel writes late (docs/operations.md, \"A steady disk\"), and only root could change that: slow answers are slower"
            );
            return Ok(None);
        }
        say!(
            "the kernel writes early while we measure: vm.dirty_background_bytes = {EARLY}, afterwards {before} in {file} again"
        );
        // In a session of its own, so that an interrupt from the keyboard ends only us.
        let script = format!("trap '' INT HUP TERM; cat >/dev/null; echo {before} >{file}");
        let restorer = Command::new("setsid").args(["sh", "-c", &script]).stdin(Stdio::piped()).spawn();
        Ok(Some(Early { restorer: restorer.context("setsid could not be started")? }))
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        drop(self.restorer.stdin.take());
        let _it_ends_by_itself = self.restorer.wait();
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(path)).ok().map(|text| text.trim().to_owned())
}
