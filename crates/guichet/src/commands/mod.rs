//! What a person can ask for; one file each.

use crate::config::{Config, Purpose, working_folder};
use crate::settings::{Flags, Gathered};
use crate::trouble::Trouble;

pub mod account;
pub mod backup;
pub mod demo;
pub mod doctor;
pub mod key;
pub mod migrate;
pub mod openapi;
pub mod serve;
pub mod settlement;
pub mod unknown;
pub mod vault;
pub mod verify;

/// The configuration that these flags, the environment and the file come to.
///
/// # Errors
/// A setting that is unknown or cannot be used.
pub fn configure<const AUDIENCE: u8>(purpose: Purpose, flags: Flags<AUDIENCE>) -> Result<Config, Trouble> {
    // Names that are not Unicode cannot be ours; a value that is not cannot be one of ours that works.
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    Config::read(purpose, Gathered::gather(flags.into_values(), environment, &working_folder())?)
}
