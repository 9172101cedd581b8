//! What tests, benchmarks and the crash harness need around the product. Never a dependency of the product itself.
//!
//! [`postgres`] starts a throw-away private PostgreSQL: one call gives a fresh database and its URL; [`pooler`] puts a
//! `PgBouncer` before it. With the feature
//! `world` there are also [`world`], a whole installation that tests can start, stop and crash; [`actors`], who make
//! requests; [`exchange`], what was asked and answered; [`raw`], requests no HTTP client would send; [`process`], the real
//! program as a process.

#[cfg(feature = "world")]
pub mod actors;
#[cfg(feature = "world")]
pub mod exchange;
pub mod pooler;
pub mod postgres;
#[cfg(feature = "world")]
pub mod process;
#[cfg(feature = "world")]
pub mod raw;
pub mod receiver;
#[cfg(feature = "world")]
pub mod world;
