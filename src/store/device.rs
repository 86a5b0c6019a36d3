//! The seam below the store on disk: a device of bytes that can be read, written and synced.
//!
//! A file is one; [`FaultDisk`](super::faulty::FaultDisk) is another, which loses power, runs full and rots as it is
//! told. `RedbStore::create_on` and `open_on` run the same database over any of them.

use std::fmt::Debug;
use std::io;

/// A device that holds bytes from 0 up to its length.
///
/// Laws that the store relies on:
/// - *read your writes*: a read gives what was written last, synced or not;
/// - *durable*: what was written before a [`BlockDevice::sync`] that returned `Ok` is there after any power cut; what
///   was not synced may be there, in whole, in part or not at all;
/// - *zeros*: bytes that were never written below the length are 0.
pub trait BlockDevice: Send + Sync + Debug {
    /// Returns the length in bytes.
    ///
    /// # Errors
    /// What the device says.
    fn len(&self) -> io::Result<u64>;

    /// Says whether nothing was ever put on the device.
    ///
    /// # Errors
    /// What the device says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when they go beyond the length; otherwise what the device says.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes bytes from `offset` on, within the length.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there is no room; [`io::ErrorKind::UnexpectedEof`] beyond the length;
    /// otherwise what the device says. Then any part of the bytes may have been written.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Sets the length in bytes; what is new is 0.
    ///
    /// # Errors
    /// What the device says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes everything that was written durable.
    ///
    /// # Errors
    /// What the device says; then nothing is known about what was written since the last sync.
    fn sync(&self) -> io::Result<()>;
}
