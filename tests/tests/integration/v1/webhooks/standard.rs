//! Our signatures as others verify them: the libraries of Standard Webhooks for Node and Python.
//!
//! They are installed once, into a folder beside the build's other files; where that cannot be done the test says so and is skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use testkit::receiver::{Does, Received, Receiver};
use testkit::world::{Engine, World, tell};

use super::{PATIENCE, hooked};

const NODE: &str = "standardwebhooks@1.1.1";
const PYTHON: &str = "standardwebhooks==1.1.0";

const NODE_SCRIPT: &str = "
const { Webhook } = require('standardwebhooks');
const [secret, headers, body] = JSON.parse(require('fs').readFileSync(0, 'utf8'));
new Webhook(secret).verify(body, headers);
let refused = false;
try { new Webhook(secret).verify(body.replace('\"retry\":0', '\"retry\":1'), headers); } catch { refused = true; }
if (!refused) throw new Error('a changed body was believed');
console.log('verified');
";

const PYTHON_SCRIPT: &str = "
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
secret, headers, body = json.load(sys.stdin)
Webhook(secret).verify(body, headers)
try:
    Webhook(secret).verify(body.replace('\"retry\":0', '\"retry\":1'), headers)
    sys.exit('a changed body was believed')
except WebhookVerificationError:
    print('verified')
";

/// A folder that outlives the test, for what is fetched.
fn cache(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a test has a file");
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists()).unwrap_or_else(|| Path::new("/tmp"));
    let folder = target.join("test-packages").join(name);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    folder
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Runs a command on what a receiver got; gives what it printed.
fn verified_by(mut command: Command, secret: &str, received: &Received) -> String {
    use std::io::Write as _;
    use std::process::Stdio;
    let headers: serde_json::Map<_, _> = received.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let input = json!([secret, headers, String::from_utf8_lossy(&received.body)]).to_string();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A webhook that was sent, and the secrets it is signed with.
async fn sent(world: &World) -> (Vec<String>, Received) {
    let merchant = world.merchant();
    let receiver = Receiver::start(Does::Answer(200));
    let hook = hooked(&merchant, &receiver.url("/")).await;
    let rotated = merchant.ask("POST", &format!("/v1/webhooks/{}/rotate", hook.at("/id"))).send().await.expect(200);
    merchant.pays(merchant.purchase("5 EUR")).await;
    (vec![hook.at("/signing_secret"), rotated.at("/signing_secret")], receiver.wait_for(1, PATIENCE)[0].clone())
}

#[test]
fn nodes_standardwebhooks_verifies_our_signature() {
    let folder = cache("node");
    let there = folder.join("node_modules/standardwebhooks").exists()
        || runs(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(NODE));
    if !there || !runs(Command::new("node").arg("--version")) {
        eprintln!("skipped: nodes_standardwebhooks_verifies_our_signature needs node, npm and once the network");
        return;
    }
    tell("nodes_standardwebhooks_verifies_our_signature", Engine::Sqlite, async |world| {
        let (secrets, received) = sent(&world).await;
        for secret in secrets {
            let mut command = Command::new("node");
            command.args(["-e", NODE_SCRIPT]).current_dir(&folder);
            assert_eq!(verified_by(command, &secret, &received).trim(), "verified");
        }
    });
}

#[test]
fn pythons_standardwebhooks_verifies_our_signature() {
    let folder = cache("python");
    let there = folder.join("standardwebhooks").exists()
        || runs(Command::new("python3").args(["-m", "pip", "install", "--quiet", "--target"]).arg(&folder).arg(PYTHON));
    if !there {
        eprintln!("skipped: pythons_standardwebhooks_verifies_our_signature needs python3, pip and once the network");
        return;
    }
    tell("pythons_standardwebhooks_verifies_our_signature", Engine::Sqlite, async |world| {
        let (secrets, received) = sent(&world).await;
        for secret in secrets {
            let mut command = Command::new("python3");
            command.args(["-c", PYTHON_SCRIPT]).env("PYTHONPATH", &folder);
            assert_eq!(verified_by(command, &secret, &received).trim(), "verified");
        }
    });
}
