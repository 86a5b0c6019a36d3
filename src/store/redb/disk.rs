//! Where the database's bytes are: a file, or in tests a disk that fails as it is told.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use redb::{Builder, Database, ReadableDatabase as _};

use super::engine::Directory;
use super::fault::Fault;
use super::view::View;
use crate::store::error::StoreError;
use crate::store::sealing::Sealer;

/// The first bytes of every redb file.
const MAGIC: &[u8; 9] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// Opens the database, at the start and again after every failure.
pub(super) trait Disk: Send + Sync + std::fmt::Debug {
    /// Opens what is there.
    fn open(&self, builder: &Builder) -> Result<Database, Fault>;

    /// Names it in errors.
    fn path(&self) -> &Path;

    /// Returns its size in bytes.
    fn bytes(&self) -> u64;
}

/// A file.
#[derive(Debug)]
pub(super) struct FileDisk {
    path: PathBuf,
}

impl FileDisk {
    /// Names a file.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Looks, without changing a byte, whether the tables are of this version and data key. What only a repair
    /// would show is left to the opening.
    pub(super) fn check_format(&self, sealer: &Sealer) -> Result<(), Fault> {
        self.check()?;
        match Builder::new().open_read_only(&self.path) {
            Ok(database) => {
                let directory = Directory::default();
                View::new(database.begin_read()?, &directory, sealer).check_format()
            }
            Err(_) => Ok(()),
        }
    }

    /// Looks at the beginning before redb does, so that what is not a database is not touched.
    fn check(&self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let mut start = [0; MAGIC.len()];
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { path });
            }
            Err(source) => return Err(StoreError::File { attempt: "opening", path, source }),
            Ok(file) => file,
        };
        match file.read_exact(&mut start) {
            Ok(()) if start == *MAGIC => Ok(()),
            Ok(()) => Err(StoreError::Unreadable { path, why: "it does not begin as a store does".into() }),
            Err(_) => Err(StoreError::Unreadable { path, why: "it is empty or cut short".into() }),
        }
    }
}

impl Disk for FileDisk {
    fn open(&self, builder: &Builder) -> Result<Database, Fault> {
        self.check()?;
        Ok(builder.open(&self.path)?)
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }
}
