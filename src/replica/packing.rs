//! Segments of a backup, packed and sealed on a thread of their own and put beside it, while the next runs are read.
//!
//! ```text
//! store ──► plain runs ──► packer: zstd, seal, hash ──► puts
//!           4 MiB each     a thread; 1 segment behind   4 objects
//! ```
//!
//! Where segments begin and end, their nonces, and when something is waited for are decided by whoever reads the runs, by
//! sizes alone: so a simulated backup is the same each time.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use zeroize::Zeroizing;

use super::backing::segment_key;
use super::environment::{Beside, blocking};
use super::error::ReplicaError;
use crate::backup::manifest::{SegmentRange, SegmentRef};
use crate::backup::segment::{SEGMENT_PLAIN_BYTES, SegmentWriter};
use crate::backup::{Bucket, BucketError, PutOutcome};
use crate::base::{Area, Digest, Part};
use crate::identity::ReadKeyId;

/// How many pieces wait for the packer.
const WAITING_PIECES: usize = 2;
/// How many segments the packer may be behind.
const SEALED_BEHIND: usize = 1;
/// How many objects are put at a time.
const PUTS: usize = 4;
/// No more objects are put while those under way have so many bytes.
const PUTS_BYTES: u64 = 16 << 20;

/// What a segment is sealed with, and for whom.
pub(super) struct Seal {
    /// The area of its runs.
    pub area: Area,
    /// Their part.
    pub part: Part,
    /// The name of its read key.
    pub key: ReadKeyId,
    /// The read key.
    pub secret: Zeroizing<[u8; 32]>,
    /// The nonce.
    pub nonce: [u8; 24],
}

enum Step {
    /// Runs of the open segment, as `plain_of` gives them.
    Plain(Vec<u8>),
    /// It ends.
    Seal(Seal),
}

/// What the packer is told by, where it tells name and bytes of a segment, and its thread.
type Packer = (SyncSender<Step>, Receiver<(Digest, Vec<u8>)>, JoinHandle<()>);
/// A segment that is being put.
type Putting = (SegmentRef, Beside<Result<PutOutcome, BucketError>>);

/// Segments on their way into a bucket.
pub(super) struct Packing {
    bucket: Bucket,
    /// The plain bytes of the open segment.
    plain: usize,
    /// Where the packer has not yet said how it is named: area, part, what is in it.
    sealing: VecDeque<(Area, Part, Vec<SegmentRange>)>,
    putting: VecDeque<Putting>,
    packer: Option<Packer>,
}

impl Packing {
    /// Begins.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn begin(bucket: &Bucket) -> Result<Self, ReplicaError> {
        let ((to, steps), (tell, sealed)) = (sync_channel(WAITING_PIECES), channel());
        let thread = std::thread::Builder::new().name("packing".to_owned());
        let thread = thread
            .spawn(move || {
                let mut writer = SegmentWriter::new();
                for step in steps {
                    match step {
                        Step::Plain(plain) => writer.push(&plain),
                        Step::Seal(Seal { area, part, key, secret, nonce }) => {
                            let whole = std::mem::take(&mut writer);
                            // Who has gone needs it no more.
                            let _ = tell.send(whole.seal(&area, part, (key, &secret), nonce));
                        }
                    }
                }
            })
            .map_err(|error| {
                let what = format!("starting a thread that packs segments: {error}; close other programs");
                ReplicaError::Call(what)
            })?;
        let packer = Some((to, sealed, thread));
        Ok(Self {
            bucket: bucket.clone(),
            plain: 0,
            sealing: VecDeque::new(),
            putting: VecDeque::new(),
            packer,
        })
    }

    /// Adds runs, as `plain_of` gives them, to the open segment; says whether it has reached its size.
    pub(super) fn push(&mut self, plain: Vec<u8>) -> bool {
        self.plain += plain.len();
        self.step(Step::Plain(plain));
        self.plain >= SEGMENT_PLAIN_BYTES
    }

    /// Ends the open segment, of which these are the ranges.
    pub(super) fn seal(&mut self, seal: Seal, ranges: Vec<SegmentRange>) {
        self.sealing.push_back((seal.area.clone(), seal.part, ranges));
        self.step(Step::Seal(seal));
        self.plain = 0;
    }

    /// Returns the next segment that is in the bucket, while more are under way than may be; at the end all, one after the
    /// other.
    ///
    /// # Errors
    /// When the bucket fails.
    pub(super) async fn put(&mut self, at_end: bool) -> Result<Option<SegmentRef>, ReplicaError> {
        let behind = if at_end { 0 } else { SEALED_BEHIND };
        loop {
            let bytes: u64 = self.putting.iter().map(|(segment, _)| segment.size).sum();
            let is_full = self.putting.len() >= PUTS || bytes >= PUTS_BYTES;
            let has_sealed = self.sealing.len() > behind;
            if !is_full && has_sealed {
                self.begin_put()?;
                continue;
            }
            if !has_sealed && !at_end {
                return Ok(None);
            }
            let Some((segment, put)) = self.putting.pop_front() else { return Ok(None) };
            put.await?;
            return Ok(Some(segment));
        }
    }

    /// Takes the next segment from the packer and begins to put it.
    fn begin_put(&mut self) -> Result<(), ReplicaError> {
        let sealed = blocking(|| self.packer.as_ref().and_then(|(_, sealed, _)| sealed.recv().ok()));
        let Some((name, object)) = sealed else {
            self.end_of_packer();
            return Ok(());
        };
        let Some((area, part, ranges)) = self.sealing.pop_front() else { return Ok(()) };
        let segment = SegmentRef { name, size: object.len() as u64, area, part, ranges };
        let (bucket, key) = (self.bucket.clone(), segment_key(&name)?);
        let put = Beside::begin(async move { bucket.put_if_absent(&key, object).await });
        self.putting.push_back((segment, put));
        Ok(())
    }

    fn step(&mut self, step: Step) {
        let gone = blocking(|| self.packer.as_ref().is_none_or(|(to, _, _)| to.send(step).is_err()));
        if gone {
            self.end_of_packer();
        }
    }

    /// The packer takes no more, though it is to: it panicked, and so does this thread.
    fn end_of_packer(&mut self) {
        self.sealing.clear();
        if let Some(Err(panic)) = self.packer.take().map(|(_, _, thread)| thread.join()) {
            std::panic::resume_unwind(panic);
        }
    }
}
