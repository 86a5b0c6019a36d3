//! What no program on this machine could go below: the same work without everything that makes it safe.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use ed25519_dalek::{Signer as _, SigningKey, Verifier as _};
use serde::Serialize;

/// Signatures that are checked one by one.
const SIGNATURES: u32 = 2_000;
/// Syncs of a file that are timed; the median is told.
const SYNCS: usize = 51;
/// What is appended before each sync, in bytes.
const SYNC_BYTES: usize = 4_096;
/// The level of the streams of a session (`sync::limits`).
const STREAM_LEVEL: i32 = 3;

/// How fast this machine is at what a replica cannot do without.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Floors {
    /// Ed25519 signatures of 100 bytes that one core checks in a second, one by one.
    pub verified_per_s: f64,
    /// Milliseconds of the median `fdatasync` after an append of 4 KiB in the folder of the measurement.
    pub sync_ms: f64,
}

/// Measures the floors; `folder` is on the disk that the replicas use.
///
/// # Errors
/// When the disk cannot be written.
pub fn floors(folder: &Path) -> io::Result<Floors> {
    let key = SigningKey::from_bytes(&[7; 32]);
    let message = [9; 100];
    let signature = key.sign(&message);
    let public = key.verifying_key();
    let begun = Instant::now();
    let right = (0..SIGNATURES).filter(|_| public.verify(&message, &signature).is_ok()).count();
    let verified_per_s = right as f64 / begun.elapsed().as_secs_f64();
    let mut took = fdatasyncs(folder, SYNCS)?;
    took.sort_by(f64::total_cmp);
    Ok(Floors { verified_per_s, sync_ms: took[SYNCS / 2] })
}

/// Times appends of 4 KiB with an `fdatasync` each, in milliseconds.
///
/// # Errors
/// When the disk cannot be written.
pub fn fdatasyncs(folder: &Path, times: usize) -> io::Result<Vec<f64>> {
    let path = folder.join("floor");
    let mut file = File::create(&path)?;
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        file.write_all(&[1; SYNC_BYTES])?;
        file.sync_data()?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(path)?;
    Ok(took)
}

/// Counts the bytes of everything that is written into it, and those of it packed by gzip at level 6.
pub struct Packed {
    packer: flate2::write::GzEncoder<Counter>,
}

#[derive(Default)]
struct Counter(u64);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Packed {
    /// Begins with nothing.
    pub fn new() -> Self {
        Self { packer: flate2::write::GzEncoder::new(Counter::default(), flate2::Compression::new(6)) }
    }

    /// Ends and returns the packed bytes.
    ///
    /// # Errors
    /// Never: nothing is written anywhere.
    pub fn end(self) -> io::Result<u64> {
        Ok(self.packer.finish()?.0)
    }
}

impl io::Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.packer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns how many bytes a text is, packed by zstd at the level of the sessions' streams.
///
/// # Errors
/// When memory is short.
pub fn zstd_bytes(text: &[u8]) -> io::Result<u64> {
    zstd::bulk::compress(text, STREAM_LEVEL).map(|packed| packed.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let floors = floors(dir.path()).unwrap();
        assert!(floors.verified_per_s > 100.0 && floors.sync_ms > 0.0, "{floors:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_repeats_packs_small() {
        let mut packed = Packed::new();
        packed.write_all(&[5; 100_000]).unwrap();
        let bytes = packed.end().unwrap();
        assert!((20..1_000).contains(&bytes), "{bytes}");
        assert!((5..1_000).contains(&zstd_bytes(&[5; 100_000]).unwrap()));
    }
}
