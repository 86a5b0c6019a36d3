//! Segments of a backup, fetched ahead and opened on a thread of their own, while the runs before them are admitted.
//!
//! ```text
//! bucket ──► fetched ahead ──► opener: hash, seal, zstd, runs ──► whoever admits
//!            4 objects         a thread; 2 objects              pieces of 8 MiB
//! ```
//!
//! What comes out is in the order of the segments, and bounded: the opener waits until its last piece was taken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::vec::IntoIter;

use super::backing::segment_key;
use super::environment::{Beside, blocking};
use super::error::ReplicaError;
use crate::backup::manifest::SegmentRef;
use crate::backup::segment;
use crate::backup::{Bucket, BucketError, ErrorKind};
use crate::identity::Keyring;
use crate::lane::Run;

/// How many objects are fetched at a time.
const FETCHED_AHEAD: usize = 4;
/// No more objects are fetched while those under way have so many bytes, as their manifests say.
const FETCHED_AHEAD_BYTES: u64 = 16 << 20;
/// How many objects the opener has, that which it opens among them.
const WITH_OPENER: usize = 2;
/// Runs are given on when their bodies have so many bytes.
const PIECE_BYTES: usize = 8 << 20;

/// Something that came out of a segment.
pub(super) struct Opened {
    /// The segment.
    pub reference: Arc<SegmentRef>,
    /// What came out of it.
    pub what: What,
}

/// What came out of a segment.
pub(super) enum What {
    /// Runs, in its order.
    Runs(Vec<Run>),
    /// It ends here.
    End(End),
}

/// How a segment ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was read whole.
    Whole,
    /// None of the keys opens it.
    SealedForOthers,
    /// It cannot be used from here on, for this reason.
    Problem(String),
}

/// An object for the opener, or why it is not there.
type Fetched = (Arc<SegmentRef>, Result<Vec<u8>, String>);
/// An object that is being fetched.
type Fetching = (Arc<SegmentRef>, Beside<Result<Vec<u8>, BucketError>>);

/// What the opener is given by, where it tells what comes out, and its thread.
type Opener = (Sender<Fetched>, Receiver<Opened>, JoinHandle<()>);

/// Segments on their way.
pub(super) struct Opening {
    bucket: Bucket,
    left: IntoIter<SegmentRef>,
    fetching: VecDeque<Fetching>,
    /// How many objects the opener has.
    with_opener: usize,
    opener: Option<Opener>,
}

impl Opening {
    /// Begins with the first of these segments.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn begin(
        bucket: &Bucket,
        ring: &Keyring,
        segments: Vec<SegmentRef>,
    ) -> Result<Self, ReplicaError> {
        let ((to, given), (tell, opened), ring) = (channel(), sync_channel(1), ring.clone());
        let thread = std::thread::Builder::new().name("opening".to_owned());
        let thread = thread.spawn(move || open_all(&ring, given, &tell)).map_err(|error| {
            ReplicaError::Call(format!(
                "starting a thread that opens segments: {error}; close other programs"
            ))
        })?;
        Ok(Self {
            bucket: bucket.clone(),
            left: segments.into_iter(),
            fetching: VecDeque::new(),
            with_opener: 0,
            opener: Some((to, opened, thread)),
        })
    }

    /// Waits for what comes out next; none behind the last segment's end.
    ///
    /// # Errors
    /// When the bucket fails otherwise than by a lost or damaged object.
    pub(super) async fn following(&mut self) -> Result<Option<Opened>, ReplicaError> {
        loop {
            self.fetch_ahead()?;
            let Some((_, fetch)) = self.fetching.front_mut().filter(|_| self.with_opener < WITH_OPENER)
            else {
                break;
            };
            // Nothing is waited for while the opener has work.
            let fetched = match self.with_opener {
                0 => Some(fetch.await),
                _ => fetch.if_done().await,
            };
            let Some(fetched) = fetched else { break };
            let Some((reference, _)) = self.fetching.pop_front() else { break };
            let object = match fetched {
                Ok(object) => Ok(object),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => {
                    Err(error.to_string())
                }
                Err(error) => return Err(error.into()),
            };
            // An opener that is gone is found out when it is listened to.
            let _ = self.opener.as_ref().map(|(to, _, _)| to.send((reference, object)));
            self.with_opener += 1;
        }
        if self.with_opener == 0 {
            return Ok(None);
        }
        let opened = blocking(|| self.opener.as_ref().and_then(|(_, opened, _)| opened.recv().ok()));
        match &opened {
            Some(Opened { what: What::End(_), .. }) => self.with_opener -= 1,
            Some(_) => {}
            None => self.end_of_opener(),
        }
        Ok(opened)
    }

    fn fetch_ahead(&mut self) -> Result<(), ReplicaError> {
        let under_way = |fetching: &VecDeque<Fetching>| -> u64 {
            fetching.iter().fold(0, |bytes, (reference, _)| bytes.saturating_add(reference.size))
        };
        while self.fetching.is_empty()
            || (self.fetching.len() < FETCHED_AHEAD && under_way(&self.fetching) < FETCHED_AHEAD_BYTES)
        {
            let Some(reference) = self.left.next() else { break };
            let (bucket, key) = (self.bucket.clone(), segment_key(&reference.name)?);
            let fetch = Beside::begin(async move { bucket.get(&key).await });
            self.fetching.push_back((Arc::new(reference), fetch));
        }
        Ok(())
    }

    /// The opener says no more, though it has work: it panicked, and so does this thread.
    fn end_of_opener(&mut self) {
        if let Some(Err(panic)) = self.opener.take().map(|(_, _, thread)| thread.join()) {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Opens what is given, until nobody gives or listens any more.
fn open_all(ring: &Keyring, given: Receiver<Fetched>, tell: &SyncSender<Opened>) {
    for (reference, object) in given {
        let mut heard = true;
        let mut take = |what| {
            heard = tell.send(Opened { reference: reference.clone(), what }).is_ok();
            heard
        };
        let end = match object {
            Ok(object) => open_one(ring, &reference, object, &mut |runs| take(What::Runs(runs))),
            Err(problem) => End::Problem(problem),
        };
        if !take(What::End(end)) {
            return;
        }
    }
}

/// Opens a segment and gives its runs on, until `take` wants no more.
fn open_one(
    ring: &Keyring,
    reference: &SegmentRef,
    object: Vec<u8>,
    take: &mut dyn FnMut(Vec<Run>) -> bool,
) -> End {
    let problem = |error| End::Problem(format!("segment {}: {error}", reference.name.short()));
    let header = match segment::check(&reference.name, &object) {
        Ok(header) => header,
        Err(error) => return problem(error),
    };
    let Some(key) = ring.read_key(&header.area, header.part, &header.key) else {
        return End::SealedForOthers;
    };
    let opened = segment::open(&object, key);
    drop(object);
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(error) => return problem(error),
    };
    let (mut runs, mut bytes) = (Vec::new(), 0);
    let end = loop {
        match opened.following() {
            Ok(Some(run)) => {
                bytes += run.body_bytes();
                runs.push(run);
            }
            Ok(None) => break End::Whole,
            // What came before it is whole.
            Err(error) => break problem(error),
        }
        if bytes >= PIECE_BYTES {
            bytes = 0;
            if !take(std::mem::take(&mut runs)) {
                return End::Whole;
            }
        }
    };
    if !runs.is_empty() {
        take(runs);
    }
    end
}
