//! Stories with a real store and a scripted acquirer.

mod bank;
mod challenge;
mod damage;
mod delays;
mod dispute_races;
mod disputes;
mod flows;
mod forgotten;
mod fulfilments;
mod house;
mod links;
mod payers;
mod payouts;
mod reads;
mod recovery;
mod reports;
mod retries;
mod routes;
mod settlements;
mod steps;
mod stops;
mod subscriptions;
