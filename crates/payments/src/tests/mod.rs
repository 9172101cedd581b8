//! Stories with a real store and a scripted acquirer.

mod bank;
mod damage;
mod flows;
mod house;
mod payouts;
mod recovery;
mod steps;
