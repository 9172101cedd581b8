//! Stories with a real store and a scripted acquirer.

mod bank;
mod damage;
mod flows;
mod house;
mod recovery;
mod routes;
mod steps;
