//! What can go wrong, and how often in this run.

use std::collections::{BTreeMap, BTreeSet};

use crate::chance::Chance;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The node dies with a batch decided by nobody yet.
    DieBeforeCommit,
    /// The node dies with a batch committed and nobody answered.
    DieAfterCommit,
    /// The node dies on the way to or from a peer.
    DieAtPort,
    /// A statement of a batch is refused by the database.
    Statement,
    /// Another process is said to have been faster.
    Conflict,
    /// The database cannot be written for a moment.
    StoreAway,
    /// The writer's queue has few places.
    SmallQueue,
    /// The writer takes its time.
    SlowDisk,
    /// A peer refuses the connection: nothing happened there.
    Refused,
    /// A peer acts, and its answer is lost.
    AnswerLost,
    /// A request is lost on its way to a peer.
    RequestLost,
    /// A request is lost, and reaches the peer much later after all.
    RequestLate,
    /// A peer answers something unreadable, or 5xx, having acted or not.
    Garbage,
    /// A peer takes its time.
    Slow,
    /// A peer will tell later.
    Pending,
    /// A peer does not answer questions.
    Silent,
    /// A peer declines.
    Decline,
    /// A peer fails.
    Fail,
    /// A payer must prove himself.
    Challenge,
    /// A notification is lost, repeated, early, late, forged or wrong.
    Notification,
    /// A webhook receiver does not confirm.
    Webhook,
    /// A caller hangs up.
    HangUp,
    /// The clock jumps.
    ClockJump,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 23] = [
        Fault::DieBeforeCommit,
        Fault::DieAfterCommit,
        Fault::DieAtPort,
        Fault::Statement,
        Fault::Conflict,
        Fault::StoreAway,
        Fault::SmallQueue,
        Fault::SlowDisk,
        Fault::Refused,
        Fault::AnswerLost,
        Fault::RequestLost,
        Fault::RequestLate,
        Fault::Garbage,
        Fault::Slow,
        Fault::Pending,
        Fault::Silent,
        Fault::Decline,
        Fault::Fail,
        Fault::Challenge,
        Fault::Notification,
        Fault::Webhook,
        Fault::HangUp,
        Fault::ClockJump,
    ];

    /// The highest rate, in so many of a thousand points: 20 %, less where the points are many and each costs a restart.
    const fn most(self) -> u32 {
        match self {
            Fault::DieBeforeCommit | Fault::DieAfterCommit | Fault::DieAtPort => 12,
            Fault::Statement | Fault::Conflict | Fault::StoreAway => 30,
            Fault::HangUp => 60,
            Fault::Silent => 500,
            _ => 200,
        }
    }
}

/// How often each fault strikes, in so many of a thousand points.
#[derive(Clone, Debug, Default)]
pub struct Faults(BTreeMap<Fault, u32>);

impl Faults {
    /// Rates of a run: a third of the runs is calm but for a fault or two, the others have most of them at rates of their own.
    pub fn drawn(chance: &mut Chance, without: &BTreeSet<Fault>) -> Faults {
        let share = *chance.pick(&[0, 100, 300, 700, 900]).unwrap_or(&0);
        let mut rates = BTreeMap::new();
        for fault in Fault::ALL {
            let (there, rate) = (chance.hits(share), chance.between(1, u64::from(fault.most())));
            if there && !without.contains(&fault) {
                rates.insert(fault, u32::try_from(rate).unwrap_or(0));
            }
        }
        Faults(rates)
    }

    /// These faults at these rates and no others.
    pub fn only(rates: &[(Fault, u32)]) -> Faults {
        Faults(rates.iter().copied().collect())
    }

    /// How often, in so many of a thousand points.
    pub fn rate(&self, fault: Fault) -> u32 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    /// Those that can strike.
    pub fn present(&self) -> impl Iterator<Item = Fault> + '_ {
        self.0.keys().copied()
    }

    /// Nothing goes wrong any more.
    pub fn calm(&mut self) {
        self.0.clear();
    }
}
