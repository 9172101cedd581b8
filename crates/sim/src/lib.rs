//! A seeded simulator: the platform's real services, router and writer in one thread, with everything around them scripted.
//!
//! A run is drawn from a seed: what clients ask, what goes wrong and when, which task comes first. [`node`] is the platform, [`fleet`] its
//! nodes where there are several, [`place`] what they store their data in, [`bank`] and [`receivers`] are the peers, [`faults`] is what goes wrong, [`auditor`] and a [`profile`]'s model say what must hold, [`world`] puts
//! them together. The same seed gives the same trace.
//!
//! How it is one thread without real time: every node has a tokio runtime of one thread whose time stands still until everybody waits, the
//! writer's batches are carried out by a task here instead of by a thread, reads happen while their caller stands still, and all of them
//! wait a seeded number of turns, which is what decides who comes first. When a node dies its runtime is dropped with all its tasks; the
//! database, the peers, the clock and the other nodes stay.

pub mod auditor;
pub mod bank;
pub mod chance;
pub mod command;
pub mod faults;
pub mod fleet;
pub mod node;
pub mod payments_profile;
pub mod place;
pub mod profile;
pub mod realm;
pub mod receivers;
pub mod runs;
#[cfg(feature = "sabotage")]
pub mod sabotage;
pub mod world;
