//! One run: a node on its ground, clients, peers, and the steps from the first request to the last look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use kernel::{Currency, Timestamp};
use tokio::task::AbortHandle;
use tower::ServiceExt;

use crate::auditor::{Auditor, Call, Reply};
use crate::bank::{Banks, SIGNATURE};
use crate::chance::Chance;
use crate::faults::{Fault, Faults};
use crate::fleet::{Fleet, NODES_MAX};
use crate::node::{Ground, Tenant, make_tenants};
use crate::place::{Engine, Place};
use crate::profile::{Profile, Tag};
use crate::realm::{Breach, Holds, Realm};
use crate::receivers::Receivers;

/// Rounds of asking again before what is still open counts as stuck: with the jumps of the clock in between, weeks.
const SETTLE_ROUNDS: u32 = 400;
/// Bytes of a reply at most.
const REPLY_BYTES_MAX: usize = 1 << 22;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// What everything is drawn from.
    pub seed: u64,
    /// How many steps.
    pub steps: usize,
    /// On which database.
    pub engine: Engine,
    /// How many nodes; drawn when nothing is said. On SQLite there is always one.
    pub nodes: Option<usize>,
    /// Faults that are left out.
    pub without: BTreeSet<Fault>,
    /// Steps that are left out.
    pub skip: BTreeSet<usize>,
    /// These faults instead of drawn ones.
    pub only: Option<Faults>,
    /// Print the trace from this step on.
    pub print: Option<usize>,
    /// A planted defect.
    #[cfg(feature = "sabotage")]
    pub planted: Option<crate::sabotage::Defect>,
}

impl Options {
    /// A whole run of this seed.
    pub fn of(seed: u64, steps: usize) -> Options {
        Options {
            seed,
            steps,
            engine: Engine::default(),
            nodes: None,
            without: BTreeSet::new(),
            skip: BTreeSet::new(),
            only: None,
            print: None,
            #[cfg(feature = "sabotage")]
            planted: None,
        }
    }
}

/// A run that held.
#[derive(Clone, Debug)]
pub struct Held {
    /// Hash of the trace.
    pub hash: u64,
    /// Its lines.
    pub lines: u64,
    /// What was reached, with how often.
    pub reached: BTreeMap<String, u64>,
    /// How often the node died.
    pub deaths: u64,
}

/// A run that did not.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Its seed.
    pub seed: u64,
    /// In which step.
    pub step: usize,
    /// After how many commits.
    pub commit: u64,
    /// What broke.
    pub breach: Breach,
}

/// What the profile works with: its tenants, its peers, and a tray for requests.
pub struct Desk {
    /// Chance, clock, trace.
    pub realm: Realm,
    /// The acquirers.
    pub banks: Banks,
    /// The webhook receivers.
    pub receivers: Receivers,
    /// Who asks.
    pub tenants: Vec<Tenant>,
    outgoing: Vec<(u64, Call, Option<u64>)>,
    calls: u64,
}

impl Desk {
    /// Puts a request on its way; the answer comes to the profile.
    pub fn send(&mut self, call: Call) {
        self.send_and(call, None);
    }

    /// As [`Desk::send`], by a caller that hangs up after so many milliseconds.
    pub fn send_and(&mut self, call: Call, hangs_up_after: Option<u64>) {
        self.calls += 1;
        self.outgoing.push((self.calls, call, hangs_up_after));
    }

    /// Whether there is something on the tray.
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// A number that grows with every request.
    pub fn sequence(&self) -> u64 {
        self.calls
    }
}

/// A request on its way.
struct Open {
    call: Call,
    /// The node that works on it.
    node: usize,
    since: Timestamp,
    task: AbortHandle,
}

/// Answers as they arrive.
type Inbox = Arc<Mutex<Vec<(u64, Option<Reply>)>>>;

/// A run.
pub struct World<P> {
    /// What the profile works with.
    pub desk: Desk,
    /// What drives it.
    pub profile: P,
    ground: Ground,
    fleet: Fleet,
    auditor: Auditor,
    open: BTreeMap<u64, Open>,
    inbox: Inbox,
    faults: Faults,
    /// Holds what the node stores; goes last.
    _place: Place,
}

impl<P: Profile> World<P> {
    /// A fresh world of this seed, ready for its first step.
    ///
    /// # Errors
    /// What broke before anything went wrong.
    ///
    /// # Panics
    /// When there is no place for its data.
    pub fn new(options: &Options, profile: P, currencies: &[Currency]) -> Result<World<P>, Breach> {
        let realm = Realm::new(options.seed, &options.without, options.print);
        #[cfg(feature = "sabotage")]
        if let Some(defect) = options.planted {
            realm.plant(defect);
        }
        let place = Place::new(options.engine);
        let banks = Banks::new(realm.clone());
        let receivers = Receivers::new(realm.clone());
        let ground = Ground::new(options.seed, &place, realm.clone(), banks.ports(), Arc::new(receivers.clone()));
        let tenants = make_tenants(&ground, currencies);
        let faults = options.only.clone().unwrap_or_else(|| realm.faults());
        realm.calm();
        let desk = Desk { realm, banks, receivers, tenants, outgoing: Vec::new(), calls: 0 };
        let fleet = Fleet::start(&ground, nodes(options), options.seed);
        let auditor = Auditor::new(Faults::default());
        let (open, inbox) = (BTreeMap::new(), Inbox::default());
        if fleet.is_several() {
            desk.realm.tell_nodes_apart();
        }
        let mut world = World { desk, profile, ground, fleet, auditor, open, inbox, faults, _place: place };
        world.prepare()?;
        Ok(world)
    }

    /// The profile's own beginnings, and then the faults.
    fn prepare(&mut self) -> Holds {
        self.profile.prepare(&mut self.desk);
        for _ in 0..50 {
            self.drive(Duration::from_millis(200))?;
        }
        self.auditor = Auditor::new(self.faults.clone());
        self.desk.realm.set_faults(self.faults.clone());
        self.restart();
        Ok(())
    }

    /// Lets time pass, sends what is on the tray, takes in what arrives.
    ///
    /// # Errors
    /// The rule that broke.
    pub fn drive(&mut self, time: Duration) -> Holds {
        self.fleet.bring_up(&self.ground);
        self.post_mail();
        self.dispatch();
        let died = self.fleet.pass(&self.desk.realm, time, !self.open.is_empty());
        self.desk.banks.tick();
        self.take_answers()?;
        for node in died {
            self.bury(node);
            self.take_answers()?;
        }
        self.desk.realm.holds()
    }

    fn dispatch(&mut self) {
        let realm = self.desk.realm.clone();
        for (id, call, hangs_up_after) in std::mem::take(&mut self.desk.outgoing) {
            self.auditor.sent(id, &call, realm.now());
            let node = self.fleet.pick(realm.now());
            realm.enter(node);
            realm.note(format_args!("call {id}: {} {} key {:?}", call.method, call.path, call.key));
            let (inbox, alive) = (self.inbox.clone(), realm.clone());
            let request = request(&call, &self.desk.tenants);
            let answering = answer(self.fleet.node(node).app(), request);
            let task = self.fleet.spawn(&realm, node, async move {
                let reply = match hangs_up_after {
                    None => Some(answering.await),
                    Some(millis) => tokio::time::timeout(Duration::from_millis(millis), answering).await.ok(),
                };
                if alive.alive() {
                    inbox.lock().unwrap_or_else(PoisonError::into_inner).push((id, reply));
                }
            });
            self.open.insert(id, Open { call, node, since: realm.now(), task });
        }
    }

    fn take_answers(&mut self) -> Holds {
        let arrived = std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, reply) in arrived {
            let Some(Open { call, node, since, .. }) = self.open.remove(&id) else { continue };
            match reply {
                Some(reply) => {
                    let code = if reply.status >= 400 { reply.code() } else { String::new() };
                    let hash = body_hash(&reply.body);
                    self.desk.realm.note(format_args!("reply {id}: {} {code} {hash:016x}", reply.status));
                    let given_up = self.fleet.is_several() && self.desk.realm.was_given_up(node, since);
                    self.auditor.answered(id, &call, &reply, self.desk.realm.now(), given_up)?;
                    self.profile.answered(&mut self.desk, &call, &reply)?;
                }
                None => self.lose(id, &call),
            }
        }
        Ok(())
    }

    fn lose(&mut self, id: u64, call: &Call) {
        self.desk.realm.note(format_args!("reply {id} is lost"));
        self.auditor.lost(id);
        self.profile.lost(&mut self.desk, call);
    }

    /// Notifications that are due are posted by whoever sends them.
    fn post_mail(&mut self) {
        for mail in self.desk.banks.mail() {
            let tag = self.profile.tag(Tag::Mail(mail.clone()));
            self.desk.send(Call {
                tenant: None,
                method: "POST",
                path: format!("/v1/acquirers/{}/notifications", mail.connector.name()),
                key: None,
                content_type: "application/json",
                body: mail.body.into_bytes(),
                headers: vec![(SIGNATURE, mail.signature)],
                tag,
            });
        }
    }

    /// A node has died; what it was asked is not answered any more.
    fn bury(&mut self, node: usize) {
        self.lose_those_of(|open| open.node == node);
        self.fleet.bury(&self.ground, node);
    }

    /// All nodes die, if they have not already, and others start on what they stored.
    pub fn restart(&mut self) {
        self.lose_those_of(|_| true);
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.fleet.restart(&self.ground);
    }

    fn lose_those_of(&mut self, dead: impl Fn(&Open) -> bool) {
        let (lost, open) = std::mem::take(&mut self.open).into_iter().partition(|(_, open)| dead(open));
        self.open = open;
        let lost: BTreeMap<u64, Open> = lost;
        for (id, Open { call, task, .. }) in lost {
            task.abort();
            self.lose(id, &call);
        }
    }

    /// One step.
    ///
    /// # Errors
    /// The rule that broke.
    pub fn step(&mut self, seed: u64, step: usize) -> Holds {
        self.desk.realm.set_step(step);
        let mut chance = Chance::of(seed, 1_000 + u64::try_from(step).unwrap_or(0));
        self.profile.step(&mut self.desk, &mut chance);
        self.fleet.stop_some(&self.desk.realm);
        self.jump(&mut chance);
        self.wait_for_leases(&mut chance);
        let millis = chance.weighted(&[(5, 0), (10, 3), (10, 30), (4, 300), (2, 2_000)]).unwrap_or(0);
        self.drive(Duration::from_millis(chance.between(0, millis)))
    }

    /// The clock jumps: a little back, or forward as far as no key that may be needed is forgotten.
    fn jump(&mut self, chance: &mut Chance) {
        let rate = self.desk.realm.faults().rate(Fault::ClockJump) / 2;
        if !chance.hits(rate) {
            return;
        }
        let seconds = chance.weighted(&[(3, 0), (3, 60), (3, 1_800), (2, 93_600), (1, 35 * 86_400)]).unwrap_or(0);
        let micros = if seconds == 0 { chance.amount(-50_000, 50_000) } else { chance.amount(1_000, seconds * 1_000_000) };
        if self.profile.may_pass(&self.desk, micros / 1_000_000) {
            self.desk.realm.note(format_args!("the clock jumps by {micros} microseconds"));
            self.desk.realm.reach("clock jumps");
            self.desk.realm.jump_micros(micros);
        }
    }

    /// Now and then as much time passes as it takes for whoever is away to be given up, or to come back.
    fn wait_for_leases(&mut self, chance: &mut Chance) {
        let Some(left) = self.fleet.away_micros(self.desk.realm.now()) else { return };
        if chance.hits(200) {
            let micros = chance.amount(1, left + 1_000_000);
            if self.profile.may_pass(&self.desk, micros / 1_000_000) {
                self.desk.realm.note(format_args!("{micros} microseconds pass"));
                self.desk.realm.jump_micros(micros);
            }
        }
    }

    /// Faults off, everything that is open asked for again until it is known, time moved until nothing is due, and the last look.
    ///
    /// # Errors
    /// The rule that broke.
    pub fn settle(&mut self) -> Holds {
        self.desk.realm.note("settles");
        self.desk.realm.calm();
        self.restart();
        for round in 0..SETTLE_ROUNDS {
            if !self.profile.ask_again(&mut self.desk) {
                break;
            }
            self.drive(Duration::from_millis(1_500))?;
            if round % 8 == 7 {
                self.desk.realm.jump_micros(180_000_000);
            }
            if round + 1 == SETTLE_ROUNDS {
                return Err(Breach::of("liveness", format!("still open: {}", self.profile.open())));
            }
        }
        self.auditor = std::mem::replace(&mut self.auditor, Auditor::new(Faults::default())).calm();
        self.profile.repeat_all(&mut self.desk);
        self.drive(Duration::from_secs(5))?;
        self.profile.wind_up(&mut self.desk);
        self.drive(Duration::from_secs(5))?;
        for minutes in [1, 5, 15, 30, 60, 360, 1_440, 2_880, 4_320, 5_760, 11_520, 11_520] {
            self.desk.realm.jump_micros(minutes * 60_000_000);
            self.fleet.renew_leases();
            self.drive(Duration::from_secs(4))?;
        }
        self.verify()?;
        self.profile.look(&mut self.desk);
        self.drive(Duration::from_secs(5))?;
        // An answer may lead on: to the next page of a list, to what was made for the look.
        while self.desk.has_outgoing() {
            self.drive(Duration::from_millis(500))?;
        }
        if !self.open.is_empty() {
            return Err(Breach::of("liveness", format!("{} requests have no answer", self.open.len())));
        }
        self.profile.judge(&mut self.desk)
    }

    /// The rules of `guichet verify`, with nothing under way.
    fn verify(&mut self) -> Holds {
        let report = self.fleet.node(0).verify(&self.ground, &self.desk.banks, true);
        let Some(broken) = report.findings().find(|finding| !finding.ok) else { return Ok(()) };
        Err(Breach::of(broken.id, format!("{broken:?}")))
    }

    /// What a run that held leaves.
    pub fn held(&self) -> Held {
        let realm = &self.desk.realm;
        let (hash, lines) = realm.trace();
        let reached = realm.reached();
        let deaths = reached.get("node dies").copied().unwrap_or(0);
        Held { hash, lines, reached, deaths }
    }
}

/// How many nodes there are.
fn nodes(options: &Options) -> usize {
    match options.engine {
        Engine::Sqlite => 1,
        Engine::Postgres => options.nodes.unwrap_or_else(|| {
            let drawn = Chance::of(options.seed, 5).between(1, NODES_MAX);
            usize::try_from(drawn).unwrap_or(1)
        }),
    }
}

fn request(call: &Call, tenants: &[Tenant]) -> Request<Body> {
    let mut request = Request::builder().method(call.method).uri(&call.path).header("content-type", call.content_type);
    if let Some(tenant) = call.tenant.and_then(|tenant| tenants.get(tenant)) {
        request = request.header("public-api-key", &tenant.token).header("private-secret-key", &tenant.secret);
    }
    if let Some(key) = &call.key {
        request = request.header("x-idempotency-key", key);
    }
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    request.body(Body::from(call.body.clone())).expect("a request of ours is well-formed")
}

async fn answer(app: web::App, request: Request<Body>) -> Reply {
    let response = app.oneshot(request).await.unwrap_or_else(|never| match never {});
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, REPLY_BYTES_MAX).await.unwrap_or_default().to_vec();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let replayed = header("idempotent-replayed").is_some();
    Reply { status: parts.status.as_u16(), replayed, cookie: header("set-cookie"), body }
}

/// For the trace: FNV-1a.
fn body_hash(body: &[u8]) -> u64 {
    body.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
