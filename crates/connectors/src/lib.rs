//! What implements the ports: the acquirers this product can talk to.
//!
//! A connector knows the domain whose port it implements and the foreign system behind it, nothing else: never the edge, never the
//! ledger. The sandbox keeps its books in a store of its own, because it plays a foreign system.

pub mod acquirer_sandbox;
pub mod acquirer_stripe;
mod form;
