//! What both engines must do alike: one suite, run on each.

mod commands;
mod faults;
mod plans;
mod pooled;
mod purse;
mod sharing;
mod stepped;
