//! Payments and what is done with them.

mod bodies;
mod cancel;
mod capture;
mod create;
mod delayed;
mod read;
mod recovery;
mod refund;
mod search;
mod unknown_outcome;
