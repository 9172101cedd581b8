//! Servers by other people that speak as Stripe does, installed into the build folder on first use and started on loopback.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The Python server, run in memory and on loopback only: its own start would listen everywhere and keep its store in `/tmp`.
const LOCALSTRIPE: &str = "
import sys
from aiohttp import web
from localstripe.resources import store
from localstripe.server import app
store.dump_to_disk = lambda: None
web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), print=None, access_log=None)
";
/// The Node server likewise.
const STATEFUL_MOCK: &str = "require('stripe-stateful-mock').createExpressApp().listen(Number(process.argv[1]), '127.0.0.1')";

/// A running server; ends with the test.
pub(crate) struct Server {
    pub(crate) url: String,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// `localstripe` for Python; `None`, and said so, where it cannot be installed.
    pub(crate) fn localstripe() -> Option<Self> {
        let folder = installed("localstripe-1.15.10", |folder| {
            run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
            run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "localstripe==1.15.10"]))
        })?;
        Some(Self::start("/", |port| {
            let mut command = Command::new(folder.join("bin/python"));
            command.args(["-c", LOCALSTRIPE, &port]);
            command
        }))
    }

    /// `stripe-stateful-mock` for Node; `None`, and said so, where it cannot be installed.
    pub(crate) fn stateful_mock() -> Option<Self> {
        let folder = installed("stripe-stateful-mock-0.0.16", |folder| {
            let npm = ["install", "--no-save", "--silent", "--no-audit", "--no-fund", "stripe-stateful-mock@0.0.16", "--prefix"];
            run(Command::new("npm").args(npm).arg(folder))
        })?;
        Some(Self::start("/", |port| {
            let mut command = Command::new("node");
            command.args(["-e", STATEFUL_MOCK, &port]).current_dir(&folder);
            command
        }))
    }

    fn start(path: &str, command: impl FnOnce(String) -> Command) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let child = command(port.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self { url: format!("http://127.0.0.1:{port}"), child: child.expect("it starts") };
        let deadline = Instant::now() + Duration::from_mins(1);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the server at {}{path} does not answer", server.url);
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("an address")
    }

    /// Something the server has, as it shows it.
    pub(crate) async fn get(&self, path: &str) -> serde_json::Value {
        let client = client();
        let reply = client.get(format!("{}{path}", self.url)).bearer_auth(KEY).send().await.expect("an answer");
        let text = reply.text().await.expect("a body");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// The objects of a list.
    pub(crate) async fn list(&self, path: &str) -> Vec<serde_json::Value> {
        self.get(&format!("{path}?limit=100")).await["data"].as_array().expect("a list").clone()
    }
}

/// A key both servers take.
pub(crate) const KEY: &str = "sk_test_1234567890";

pub(crate) fn client() -> reqwest::Client {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
fn skipped(name: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{name} cannot be installed: {why}");
    eprintln!("skipped: {name} cannot be installed: {why}");
}

/// The folder a package is installed in. Tests run side by side: one installs, the others wait.
fn installed(name: &str, install: impl FnOnce(&Path) -> Result<(), String>) -> Option<PathBuf> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("third-party");
    fs::create_dir_all(&cache).expect("a cache folder");
    let lock = File::create(cache.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("a lock");
    let (folder, done) = (cache.join(name), cache.join(format!("{name}.done")));
    if done.exists() {
        return Some(folder);
    }
    let _leftovers = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    match install(&folder) {
        Ok(()) => {
            File::create(done).expect("a mark");
            Some(folder)
        }
        Err(why) => {
            skipped(name, &why);
            None
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}
