//! Files that only their owner may read, and that are either whole or absent.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Mode of files with secrets in them.
const OWNER_ONLY: u32 = 0o600;
/// Mode of the data directory.
const OWNER_ONLY_DIRECTORY: u32 = 0o700;

/// Makes the folder and its parents; a new one is closed to other users.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(OWNER_ONLY_DIRECTORY).create(path)
}

/// Writes the file in one step: a reader sees the old content or the new, never a part.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft(path, content)?;
    fs::rename(&draft, path).inspect_err(|_| drop(fs::remove_file(&draft)))
}

/// Gives a file beside `path` its name. When this returns, no power failure brings the old one back.
pub fn rename(from: &Path, path: &Path) -> io::Result<()> {
    fs::rename(from, path)?;
    File::open(folder_of(path))?.sync_all()
}

/// Writes the file unless it exists; of several processes that try at once exactly one succeeds.
///
/// Gives whether this call made it.
pub fn make_once(path: &Path, content: &[u8]) -> io::Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    let draft = draft(path, content)?;
    // A hard link fails when the name is taken, which a rename would not.
    let made = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes an empty file for others to fill; fails when there is one.
pub fn make_empty(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path).map(drop)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A complete, synced file beside `path`, readable by its owner only.
fn draft(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let folder = folder_of(path);
    make_folder(folder)?;
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let draft = folder.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    // A draft of an earlier process with our number may be left over, with its own mode.
    drop(fs::remove_file(&draft));
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&draft)?;
    file.write_all(content).and_then(|()| file.sync_all()).inspect_err(|_| drop(fs::remove_file(&draft)))?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_private_whole_and_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/secret");
        assert!(make_once(&path, b"one").unwrap());
        assert!(!make_once(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        assert_eq!(fs::metadata(folder.path().join("new")).unwrap().permissions().mode() & 0o777, OWNER_ONLY_DIRECTORY);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1, "no draft is left behind");
    }
}
