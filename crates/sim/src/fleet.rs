//! The nodes of a run: one as a rule, up to three on one database. Each has a runtime of its own; they go on in turns, as the seed says,
//! and what one of them does in a millisecond all others see in the next.

use std::collections::BTreeSet;
use std::time::Duration;

use kernel::Timestamp;
use tokio::task::AbortHandle;

use crate::chance::Chance;
use crate::node::{Ground, Node};
use crate::realm::Realm;

/// Nodes on one database at most.
pub const NODES_MAX: u64 = 3;
/// How far the nodes go at once while somebody waits for an answer: a timer's resolution.
const SLICE: Duration = Duration::from_millis(1);
/// How far they go at once while nobody does.
const IDLE_SLICE: Duration = Duration::from_millis(10);
/// Times somebody is let go on for a few turns before all go on to the end of a slice; fewer than this.
const GRANTS_END: u64 = 6;
/// Turns of one of them at most.
const GRANTED_TURNS_MAX: u64 = 4;
/// How long a dead node stays away at most: longer than a lease.
const DOWN_SECONDS_MAX: i64 = 200;
/// How long a node stands still at most. An acquirer that cannot refuse what comes late is asked for this long.
const PAUSE_SECONDS_MAX: i64 = 9 * 60;
/// The highest rate at which a node is stopped, in so many of a thousand steps.
const PAUSES_MOST: u64 = 40;

/// Where a node is, or was.
struct Seat {
    /// None while it is down.
    node: Option<Node>,
    /// It neither works nor comes back before this.
    away_until: Option<Timestamp>,
}

impl Seat {
    fn works(&self, now: Timestamp) -> bool {
        self.node.is_some() && self.away_until.is_none_or(|until| until <= now)
    }
}

/// All nodes of a run.
pub struct Fleet {
    seats: Vec<Seat>,
    chance: Chance,
    /// How often a node is stopped, in so many of a thousand steps.
    pauses: u32,
    starts: u64,
}

impl Fleet {
    /// So many nodes, started.
    pub fn start(ground: &Ground, count: usize, seed: u64) -> Fleet {
        let mut chance = Chance::of(seed, 6);
        let pauses = if chance.hits(600) { u32::try_from(chance.between(1, PAUSES_MOST)).unwrap_or(0) } else { 0 };
        let seats = (0..count).map(|_| Seat { node: None, away_until: None }).collect();
        let mut fleet = Fleet { seats, chance, pauses, starts: 0 };
        for at in 0..count {
            fleet.start_one(ground, at);
        }
        fleet
    }

    /// Whether there is more than one.
    pub fn is_several(&self) -> bool {
        self.seats.len() > 1
    }

    fn start_one(&mut self, ground: &Ground, at: usize) {
        self.starts += 1;
        ground.realm.enter(at);
        if usize::try_from(self.starts).is_ok_and(|starts| starts > self.seats.len()) {
            ground.realm.note(format_args!("start {}", self.starts));
        }
        self.seats[at] = Seat { node: Some(Node::start(ground, self.starts)), away_until: None };
    }

    /// One that works, to send a request to.
    pub fn pick(&mut self, now: Timestamp) -> usize {
        let working = self.working(now);
        if self.is_several() { self.chance.pick(&working).copied().unwrap_or(0) } else { 0 }
    }

    fn working(&self, now: Timestamp) -> Vec<usize> {
        (0..self.seats.len()).filter(|at| self.seats[*at].works(now)).collect()
    }

    /// The node in this place.
    ///
    /// # Panics
    /// When it is down.
    pub fn node(&self, at: usize) -> &Node {
        self.seats[at].node.as_ref().expect("the node runs")
    }

    /// Has a node work on something; what it comes to is not waited for.
    pub fn spawn(&self, realm: &Realm, at: usize, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        realm.enter(at);
        self.node(at).spawn(realm, work)
    }

    /// Lets time pass for all that work; who died meanwhile. With `busy`, somebody waits for an answer.
    pub fn pass(&mut self, realm: &Realm, time: Duration, busy: bool) -> BTreeSet<usize> {
        let mut died = BTreeSet::new();
        if !self.is_several() {
            self.go_on(realm, 0, Grant::Time(time), &mut died);
            return died;
        }
        let end = realm.now().plus_micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        loop {
            self.take_turns(realm, &mut died);
            let began = realm.now();
            let left = u64::try_from(end.micros() - began.micros()).unwrap_or(0);
            if left == 0 {
                return died;
            }
            let slice = if busy { SLICE } else { IDLE_SLICE }.min(Duration::from_micros(left));
            let working: Vec<usize> = self.working(began).into_iter().filter(|at| !died.contains(at)).collect();
            let mut latest = began.plus_micros(i64::try_from(slice.as_micros()).unwrap_or(0));
            let first = self.chance.index(working.len());
            for number in 0..working.len() {
                self.go_on(realm, working[(first + number) % working.len()], Grant::Time(slice), &mut died);
                latest = latest.max(realm.now());
                // The next one begins where this one began.
                realm.jump_micros(began.micros() - realm.now().micros());
            }
            realm.jump_micros(latest.micros() - began.micros());
        }
    }

    /// Somebody goes on for a few turns, then somebody else, while no time passes.
    fn take_turns(&mut self, realm: &Realm, died: &mut BTreeSet<usize>) {
        for _ in 0..self.chance.below(GRANTS_END) {
            let working: Vec<usize> = self.working(realm.now()).into_iter().filter(|at| !died.contains(at)).collect();
            let Some(at) = self.chance.pick(&working).copied() else { return };
            let turns = self.chance.between(1, GRANTED_TURNS_MAX);
            self.go_on(realm, at, Grant::Turns(turns), died);
        }
    }

    fn go_on(&self, realm: &Realm, at: usize, grant: Grant, died: &mut BTreeSet<usize>) {
        realm.enter(at);
        let alive = match grant {
            Grant::Time(time) => self.node(at).sleep(realm, time),
            Grant::Turns(turns) => self.node(at).take_turns(realm, turns),
        };
        if !alive {
            died.insert(at);
        }
    }

    /// The memory of a node goes; what it stored stays. Alone, another starts at once; of several, often only after a while.
    pub fn bury(&mut self, ground: &Ground, at: usize) {
        self.seats[at].node = None;
        self.wake(ground.realm.now());
        // Who stands still takes no requests: somebody must be left to ask.
        let others = !self.working(ground.realm.now()).is_empty();
        if others && self.chance.hits(600) {
            let until = ground.realm.now().plus_seconds(self.chance.amount(1, DOWN_SECONDS_MAX));
            self.seats[at].away_until = Some(until);
            ground.realm.reach("a node stays down");
        } else {
            self.start_one(ground, at);
        }
    }

    /// Starts those whose time to come back has come.
    pub fn bring_up(&mut self, ground: &Ground) {
        let now = ground.realm.now();
        self.wake(now);
        for at in 0..self.seats.len() {
            if self.seats[at].node.is_none() && self.seats[at].away_until.is_none_or(|until| until <= now) {
                self.start_one(ground, at);
            }
        }
    }

    /// Those who stood still for their time go on for good, also when the clock steps back a little.
    fn wake(&mut self, now: Timestamp) {
        for seat in &mut self.seats {
            if seat.works(now) {
                seat.away_until = None;
            }
        }
    }

    /// One of several stands still for a while, as a machine that is suspended; the others do not know why.
    pub fn stop_some(&mut self, realm: &Realm) {
        let now = realm.now();
        self.wake(now);
        let working = self.working(now);
        if working.len() < 2 || !self.chance.hits(self.pauses) {
            return;
        }
        let Some(at) = self.chance.pick(&working).copied() else { return };
        let seconds = self.chance.amount(1, PAUSE_SECONDS_MAX);
        realm.note(format_args!("node {at} stands still for {seconds} s"));
        realm.reach("a node stands still");
        self.seats[at].away_until = Some(now.plus_seconds(seconds));
    }

    /// How long to wait until nobody is away any more, when somebody is.
    pub fn away_micros(&self, now: Timestamp) -> Option<i64> {
        self.seats
            .iter()
            .filter_map(|seat| seat.away_until)
            .map(|until| until.micros() - now.micros())
            .filter(|left| *left > 0)
            .max()
    }

    /// Of several, each renews its lease as soon as it goes on: who was taken for dead meanwhile notices it then, and not with a request.
    pub fn renew_leases(&self) {
        if self.is_several() {
            self.seats.iter().filter_map(|seat| seat.node.as_ref()).for_each(Node::renew_lease);
        }
    }

    /// All nodes die and start anew.
    pub fn restart(&mut self, ground: &Ground) {
        for at in 0..self.seats.len() {
            self.seats[at].node = None;
            self.start_one(ground, at);
        }
    }
}

/// How far a node goes on.
#[derive(Clone, Copy)]
enum Grant {
    Time(Duration),
    Turns(u64),
}
