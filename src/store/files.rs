//! Files written so that a power cut leaves the old content or the new, and the lock of a store's directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// The name of the lock file in a store's directory. It stays behind when the store is closed: only the
/// operating system's lock on it counts, and that ends with the process, however it ends.
const LOCK_FILE: &str = "lock";

/// Holds a store's directory for this process, until dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, or says that somebody else has it; never waits.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process (or another store of this one) holds it;
    /// [`StoreError::Missing`] when there is no such directory.
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        if !dir.is_dir() {
            return Err(StoreError::Missing { path: dir.to_owned() });
        }
        let path = dir.join(LOCK_FILE);
        let file = private_options().truncate(false).open(&path).map_err(|source| StoreError::File {
            attempt: "opening",
            path: path.clone(),
            source,
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StoreError::File { attempt: "locking", path, source }),
        }
    }
}

/// Writes a file that only its owner may read: under a temporary name, synced, renamed, directory synced.
///
/// # Errors
/// [`StoreError::File`]; then the old content, if any, still stands.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = temporary_name(path);
    let failed = |source| StoreError::File { attempt: "writing", path: temporary.clone(), source };
    let mut file = private_options().truncate(true).open(&temporary).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    drop(file);
    rename_durably(&temporary, path)
}

/// Renames a synced file to its final name and syncs the directory.
///
/// # Errors
/// [`StoreError::File`].
pub fn rename_durably(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(|source| StoreError::File {
        attempt: "renaming a new file to",
        path: to.to_owned(),
        source,
    })?;
    sync_parent(to)
}

/// Returns the name under which a file is prepared: the same directory, `.new` appended.
pub fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Makes the directory entry of a file durable.
///
/// # Errors
/// [`StoreError::File`].
pub fn sync_parent(path: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(|source| StoreError::File {
            attempt: "syncing the directory",
            path: parent.to_owned(),
            source,
        })?;
    }
    #[cfg(not(unix))]
    {
        // Windows cannot sync a directory; NTFS orders a rename after the data that was synced before it.
        let _ = path;
    }
    Ok(())
}

/// Options for files that only the owner may read and write.
pub fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirectoryLock::take(dir.path()).unwrap();
        let second = DirectoryLock::take(dir.path()).unwrap_err();
        assert!(second.to_string().contains("in use by another process"), "{second}");
        drop(first);
        DirectoryLock::take(dir.path()).unwrap();
        let missing = DirectoryLock::take(&dir.path().join("nowhere")).unwrap_err();
        assert!(matches!(missing, StoreError::Missing { .. }));
    }

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        write_durably(&path, b"old").unwrap();
        write_durably(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert!(!temporary_name(&path).exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
