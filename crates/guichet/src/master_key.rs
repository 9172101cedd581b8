//! Finding the master key: named by the caller, or the one that the demo made beside its data.

use std::path::Path;

use kernel::{MasterKey, Source};

use crate::config::{Config, MasterKeySource, Purpose};
use crate::files;
use crate::trouble::Trouble;

/// The master key this command works with; `None` when a tool finds none and can perhaps do without.
///
/// # Errors
/// A key that cannot be read; `serve` without a named key.
pub fn find(config: &Config, source: &Source) -> Result<Option<MasterKey>, Trouble> {
    let beside_the_data = config.master_key_file_of_demo();
    match (&config.master_key, config.purpose) {
        (MasterKeySource::File(path), _) => read(path).map(Some),
        (MasterKeySource::Text(text), _) => parse(text.expose(), "GUICHET_MASTER_KEY").map(Some),
        (MasterKeySource::Unnamed, Purpose::Demo) => make_or_read(&beside_the_data, source).map(Some),
        (MasterKeySource::Unnamed, Purpose::Tool) if beside_the_data.exists() => read(&beside_the_data).map(Some),
        (MasterKeySource::Unnamed, Purpose::Tool) => Ok(None),
        (MasterKeySource::Unnamed, Purpose::Serve) => Err(Trouble::new("serve needs a master key")
            .because("access-key secrets are stored sealed under it, and losing it loses them, so it is never made silently")
            .remedy(
                "make one with `openssl rand -base64 32 > master.key`, keep a copy away from this machine, and name it with \
                 --master-key-file or give the key itself in GUICHET_MASTER_KEY",
            )),
    }
}

/// As [`find`], for commands that cannot do without.
///
/// # Errors
/// As [`find`], and when there is none.
pub fn demand(config: &Config, source: &Source) -> Result<MasterKey, Trouble> {
    find(config, source)?.ok_or_else(|| {
        Trouble::new("this command needs the master key")
            .because(format!("none is named, and {} does not exist", config.master_key_file_of_demo().display()))
            .remedy("name the key that the server uses with --master-key-file or GUICHET_MASTER_KEY")
    })
}

/// The key in this file, which is made with a new key when it does not exist.
///
/// # Errors
/// A file that cannot be written, read or understood.
pub fn make_or_read(path: &Path, source: &Source) -> Result<MasterKey, Trouble> {
    let fresh = MasterKey::generate(source);
    files::make_once(path, format!("{}\n", fresh.to_text().expose()).as_bytes()).map_err(|error| {
        Trouble::new(format!("cannot write {}", path.display())).because(error).remedy("name a file in a folder you may write to")
    })?;
    // Whoever was first made the key; everybody reads that one.
    read(path)
}

fn read(path: &Path) -> Result<MasterKey, Trouble> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Trouble::new(format!("cannot read the master key file {}", path.display()))
            .because(error)
            .remedy("name a readable file with --master-key-file")
    })?;
    parse(&text, &path.display().to_string())
}

fn parse(text: &str, place: &str) -> Result<MasterKey, Trouble> {
    MasterKey::parse(text).map_err(|error| {
        Trouble::new(format!("the master key in {place} cannot be used"))
            .because(error)
            .remedy("make one with `openssl rand -base64 32`")
    })
}
