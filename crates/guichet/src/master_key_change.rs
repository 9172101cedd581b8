//! A new master key for a database that is in use.
//!
//! The platform key is first wrapped under the next master key, so that both open it; then the next one takes the place
//! of the present one; then the present one's wrapping is removed. Broken off anywhere, the same command goes on where it
//! was, and at every moment the key that a server would find opens the database.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use access::{AccessError, MasterKeyChange};
use kernel::{MasterKey, Source};

use crate::config::{Config, MasterKeySource};
use crate::trouble::Trouble;
use crate::wiring::Office;
use crate::{files, master_key};

/// What became of the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The file that held the present key holds the new one.
    InPlace {
        /// That file.
        file: PathBuf,
        /// Where the earlier key is kept, for backups that were made under it.
        earlier: PathBuf,
    },
    /// A file holds the new key, and the present one goes on opening the database until the command runs with the new one.
    Begun {
        /// The file of the new key.
        file: PathBuf,
    },
    /// A change that was begun is over: only the key at hand opens the database.
    Ended,
}

/// Changes the master key of the office's database. The new one comes from `next`, a file that is made when it does not
/// exist; without it, the file that holds the present key is replaced.
///
/// # Errors
/// A key in the environment and no file for the new one; files that cannot be written; a change to a key that is not here.
pub async fn change(office: &Office, config: &Config, next: Option<&Path>, source: &Source) -> Result<Changed, Trouble> {
    let present = master_key::demand(config, source)?;
    let of_access = |error: AccessError| office.explain("the master key was not changed", error);
    let under_way = office.platform_keys.change(&present).await.map_err(of_access)?;
    if let Some(file) = next {
        let key = master_key::make_or_read(file, source)?;
        if key.check_value() == present.check_value() {
            return Err(Trouble::new(format!("{} holds the present master key", file.display()))
                .because("the new one must be another")
                .remedy("name a file that does not exist yet; the new key is written to it"));
        }
        office.platform_keys.wrap_for(&key, &present, &office.platform).await.map_err(of_access)?;
        return Ok(Changed::Begun { file: file.to_path_buf() });
    }
    if under_way == MasterKeyChange::ToThis {
        office.platform_keys.keep_only(&present).await.map_err(of_access)?;
        return Ok(Changed::Ended);
    }
    let file = file_of(config).ok_or_else(|| {
        Trouble::new("the new master key has no place")
            .because("the present one stands in GUICHET_MASTER_KEY, which this command cannot change")
            .remedy("name a file for the new one with --new-master-key-file")
    })?;
    let next = beside(&file, "new");
    if under_way == MasterKeyChange::ToAnother && !next.exists() {
        return Err(Trouble::new("the master key is already being changed to another one")
            .because("the platform key is wrapped under both")
            .remedy("run this with the new one to end the change, or name another new one with --new-master-key-file"));
    }
    let key = master_key::make_or_read(&next, source)?;
    office.platform_keys.wrap_for(&key, &present, &office.platform).await.map_err(of_access)?;
    let earlier = beside(&file, &hex::encode(present.check_value()));
    keep(&present, &earlier).and_then(|()| files::rename(&next, &file)).map_err(|error| {
        Trouble::new(format!("the new master key in {} cannot take the place of {}", next.display(), file.display()))
            .because(error)
            .remedy("both keys open the database; make the folder writable and run this again")
    })?;
    office.platform_keys.keep_only(&key).await.map_err(of_access)?;
    Ok(Changed::InPlace { file, earlier })
}

fn keep(key: &MasterKey, path: &Path) -> std::io::Result<()> {
    files::make_once(path, format!("{}\n", key.to_text().expose()).as_bytes()).map(drop)
}

/// The file the present master key is read from.
fn file_of(config: &Config) -> Option<PathBuf> {
    match &config.master_key {
        MasterKeySource::File(path) => Some(path.clone()),
        MasterKeySource::Unnamed => Some(config.master_key_file_of_demo()),
        MasterKeySource::Text(_) => None,
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
