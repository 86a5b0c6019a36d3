//! Where the database's bytes are: a file, or any block device.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, ReadableDatabase as _, StorageBackend};

use super::engine::Directory;
use super::fault::Fault;
use super::view::View;
use crate::store::device::BlockDevice;
use crate::store::error::StoreError;
use crate::store::sealing::Sealer;

/// The first bytes of every redb file.
const MAGIC: &[u8; 9] = b"redb\x1A\x0A\xA9\x0D\x0A";
/// What a device is called in errors, where a file has its path.
const DEVICE_PATH: &str = "device";

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

/// A block device.
#[derive(Debug)]
pub(super) struct DeviceDisk(pub(super) Arc<dyn BlockDevice>);

impl DeviceDisk {
    /// Makes a database on an empty device.
    pub(super) fn create(&self, builder: &Builder) -> Result<Database, Fault> {
        let path = self.path().to_owned();
        match self.0.is_empty() {
            Ok(true) => Ok(builder.create_with_backend(Backend(self.0.clone()))?),
            Ok(false) => Err(StoreError::Exists { path }.into()),
            Err(source) => Err(StoreError::File { attempt: "creating", path, source }.into()),
        }
    }
}

impl Disk for DeviceDisk {
    fn open(&self, builder: &Builder) -> Result<Database, Fault> {
        let path = self.path().to_owned();
        let failed = |source| StoreError::File { attempt: "opening", path: path.clone(), source };
        let length = self.0.len().map_err(failed)?;
        if length == 0 {
            return Err(StoreError::Missing { path }.into());
        }
        let mut start = [0; MAGIC.len()];
        if length >= MAGIC.len() as u64 {
            self.0.read(0, &mut start).map_err(failed)?;
        }
        if start != *MAGIC {
            let why = "it does not begin as a store does".to_owned();
            return Err(StoreError::Unreadable { path, why }.into());
        }
        Ok(builder.create_with_backend(Backend(self.0.clone()))?)
    }

    fn path(&self) -> &Path {
        Path::new(DEVICE_PATH)
    }

    fn bytes(&self) -> u64 {
        self.0.len().unwrap_or(0)
    }
}

/// A block device as redb wants it.
#[derive(Debug)]
struct Backend(Arc<dyn BlockDevice>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
