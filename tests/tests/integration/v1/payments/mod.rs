//! Payments and what is done with them.

mod bodies;
mod cancel;
mod capture;
mod create;
mod delayed;
mod fulfilments;
mod read;
mod recovery;
mod refund;
mod retried;
mod search;
mod unknown_outcome;
