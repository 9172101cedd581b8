//! Stories with a real store and a scripted acquirer.

mod bank;
mod damage;
mod flows;
mod house;
mod links;
mod payouts;
mod recovery;
mod steps;
mod subscriptions;
