//! The real program as a process of its own: started, asked, stopped, killed.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::actors::{Actor, Door};
use crate::world::{actor, text};

/// How long a server may take to be ready, also on a busy machine.
const READY_SECONDS_MAX: u64 = 60;
/// How long a server may take to end once it was asked to.
const END_SECONDS_MAX: u64 = 30;

/// A command that ran to its end.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; `None` when it was killed.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it complained and logged.
    pub err: String,
}

/// Runs a command of the program to its end, in a folder, with nothing of ours in its environment.
///
/// # Panics
/// When the program cannot be started.
pub fn run(program: &Path, folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let output = command(program, folder, arguments, environment).output().expect("the program can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn command(program: &Path, folder: &Path, arguments: &[impl AsRef<OsStr>], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GUICHET_") {
            command.env_remove(name);
        }
    }
    command.envs(environment.iter().copied());
    command
}

/// A serving process.
pub struct Serving {
    child: Child,
    folder: PathBuf,
    credentials: Value,
    door: Door,
}

impl Serving {
    /// Starts `guichet demo` in a folder on a free port and waits for its credentials file.
    ///
    /// # Panics
    /// When it does not become ready; what it said is shown.
    pub async fn demo(program: &Path, folder: &Path, arguments: &[&str]) -> Serving {
        let file = folder.join("credentials.json");
        // A file of an earlier process would be taken for this one's.
        drop(std::fs::remove_file(&file));
        let usual = ["demo", "--listen", "127.0.0.1:0", "--data-dir", "data", "--credentials", "credentials.json"];
        let arguments: Vec<&str> = usual.iter().chain(arguments).copied().collect();
        let ready = || {
            let credentials: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
            Some((text(&credentials["base_url"]), credentials))
        };
        Serving::start(program, folder, &arguments, &[], ready).await
    }

    /// Starts `guichet serve` in a folder on a free port and waits until it says where it serves. There are no credentials.
    ///
    /// # Panics
    /// When it does not become ready; what it said is shown.
    pub async fn serve(program: &Path, folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Serving {
        let usual = ["serve", "--listen", "127.0.0.1:0", "--data-dir", "data", "--log-format", "json"];
        let arguments: Vec<&str> = usual.iter().chain(arguments).copied().collect();
        let log = folder.join("err.txt");
        drop(std::fs::remove_file(&log));
        let ready = || {
            let said = std::fs::read_to_string(&log).ok()?;
            let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let serving = lines.into_iter().find(|line| line["message"] == "serving")?;
            Some((text(&serving["address"]), Value::Null))
        };
        Serving::start(program, folder, &arguments, environment, ready).await
    }

    async fn start(
        program: &Path,
        folder: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        ready: impl Fn() -> Option<(String, Value)>,
    ) -> Serving {
        let log =
            |name: &str| File::options().create(true).append(true).open(folder.join(name)).expect("the folder can be written to");
        let mut command = command(program, folder, arguments, environment);
        let child = command.stdout(log("out.txt")).stderr(log("err.txt")).spawn().expect("the program can be started");
        let mut serving = Serving { child, folder: folder.to_owned(), credentials: Value::Null, door: Door::at("") };
        let until = Instant::now() + Duration::from_secs(READY_SECONDS_MAX);
        loop {
            if let Some((base_url, credentials)) = ready() {
                (serving.door, serving.credentials) = (Door::at(base_url), credentials);
                return serving;
            }
            if let Some(status) = serving.child.try_wait().expect("our child can be waited for") {
                panic!("the server ended with {status}: {}", serving.err());
            }
            assert!(Instant::now() < until, "the server is not ready: {}", serving.err());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What the credentials file says.
    pub fn credentials(&self) -> &Value {
        &self.credentials
    }

    /// Where it answers.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The merchant with the key that may do everything.
    pub fn merchant(&self) -> Actor {
        self.holder("full")
    }

    /// Somebody of the demo account with the key of this name.
    pub fn holder(&self, key: &str) -> Actor {
        actor(&self.door, &self.credentials["account"]["id"], &self.credentials["keys"][key])
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    pub fn out(&self) -> String {
        std::fs::read_to_string(self.folder.join("out.txt")).unwrap_or_default()
    }

    /// What it logged so far.
    pub fn err(&self) -> String {
        std::fs::read_to_string(self.folder.join("err.txt")).unwrap_or_default()
    }

    /// Sends it a signal by name, such as `TERM`.
    ///
    /// # Panics
    /// When it is not there any more.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().expect("kill can be started");
        assert!(sent.success(), "the process is gone");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + Duration::from_secs(END_SECONDS_MAX);
        loop {
            if let Some(status) = self.child.try_wait().expect("our child can be waited for") {
                return status;
            }
            assert!(Instant::now() < until, "the process does not end: {}", self.err());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks it to stop and waits for its end.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Kills it in the middle of whatever it does.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(mut self) {
        self.child.kill().expect("our child can be killed");
        self.child.wait().expect("our child can be waited for");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
