//! Whole-system tests through the front door, on both engines. The modules mirror the URL tree; what belongs to no path
//! stands beside them.

mod canaries;
mod damage;
mod database_away;
mod dev;
mod front;
mod hosts;
mod http_corpus;
mod nodes;
mod tls;
mod v1;
mod verify;
