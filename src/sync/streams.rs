//! A pool of zstd contexts: what a session compresses and unfolds with outlives the session.
//!
//! A context costs several megabytes of memory to set up and clear, and two replicas that turn out to be equal
//! need none. So a session takes one when first something is folded or unfolded, and gives it back when it ends. What
//! a pooled context makes is byte for byte what a new one makes, and it knows nothing of the session before.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zstd::stream::raw::{CParameter, DParameter, Decoder, Encoder, Operation};

use super::limits::{STREAM_LEVEL, STREAM_WINDOW_LOG, STREAM_WINDOW_LOG_MAX, STREAMS_IDLE_MAX};

/// Contexts that no session uses at the moment; clones are the same pool.
#[derive(Clone)]
pub struct Streams {
    idle: Arc<Mutex<Idle>>,
    idle_max: usize,
}

#[derive(Default)]
struct Idle {
    encoders: Vec<Encoder<'static>>,
    decoders: Vec<Decoder<'static>>,
}

impl Streams {
    /// Makes a pool that keeps at most so many idle contexts of each kind.
    pub fn keeping(idle_max: usize) -> Self {
        Self { idle: Arc::default(), idle_max }
    }

    /// Returns how many encoders and decoders are idle.
    pub fn idle(&self) -> (usize, usize) {
        let idle = self.lock();
        (idle.encoders.len(), idle.decoders.len())
    }

    /// Takes an encoder at the start of a stream; none when memory is short.
    pub(super) fn encoder(&self) -> Option<Encoder<'static>> {
        let idle = self.lock().encoders.pop();
        idle.and_then(restarted).or_else(|| {
            let mut encoder = Encoder::new(STREAM_LEVEL).ok()?;
            encoder.set_parameter(CParameter::WindowLog(STREAM_WINDOW_LOG)).ok()?;
            Some(encoder)
        })
    }

    /// Takes a decoder at the start of a stream; none when memory is short.
    pub(super) fn decoder(&self) -> Option<Decoder<'static>> {
        let idle = self.lock().decoders.pop();
        idle.and_then(restarted).or_else(|| {
            let mut decoder = Decoder::new().ok()?;
            decoder.set_parameter(DParameter::WindowLogMax(STREAM_WINDOW_LOG_MAX)).ok()?;
            Some(decoder)
        })
    }

    /// Takes an encoder back that has made no error.
    pub(super) fn give_encoder(&self, encoder: Encoder<'static>) {
        let mut idle = self.lock();
        if idle.encoders.len() < self.idle_max {
            idle.encoders.push(encoder);
        }
    }

    /// Takes a decoder back that has made no error.
    pub(super) fn give_decoder(&self, decoder: Decoder<'static>) {
        let mut idle = self.lock();
        if idle.decoders.len() < self.idle_max {
            idle.decoders.push(decoder);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        // A panic cannot leave a list of contexts half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Streams {
    /// Makes a pool that keeps [`STREAMS_IDLE_MAX`] idle contexts of each kind.
    fn default() -> Self {
        Self::keeping(STREAMS_IDLE_MAX)
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (encoders, decoders) = self.idle();
        write!(f, "Streams({encoders} encoders and {decoders} decoders idle)")
    }
}

/// Ends what a context was in the middle of; its parameters stay. None when it cannot be used again.
fn restarted<C: Operation>(mut context: C) -> Option<C> {
    context.reinit().ok()?;
    Some(context)
}

#[cfg(test)]
mod tests {
    use super::super::segment::{Folder, SegmentError, Unfolder};
    use super::*;

    fn text(words: u32, of: &str) -> Vec<u8> {
        (0..words).flat_map(|n| format!("{of} {} of person {}; ", n % 7, n * 31).into_bytes()).collect()
    }

    fn folded(streams: &Streams, items: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut folder = Folder::new(streams.clone());
        items.iter().map(|item| folder.fold([item.as_slice()]).unwrap()).collect()
    }

    #[test]
    fn a_used_context_makes_the_bytes_of_a_new_one() {
        let sizes = [1, 300, 7, 20_000, 90_000, 300];
        let items: Vec<_> = sizes.iter().map(|words| text(*words, "allergy")).collect();
        let expected = folded(&Streams::keeping(0), &items);
        let streams = Streams::keeping(1);
        for before in [1, 90_000, 500, 200_000] {
            folded(&streams, &[text(before, "medication"), text(3, "allergy")]);
            assert_eq!(streams.idle().0, 1);
            assert_eq!(folded(&streams, &items), expected);
        }
    }

    #[test]
    fn a_used_decoder_knows_nothing_of_the_session_before_and_keeps_its_window_limit() {
        let items = vec![text(300, "allergy"), text(300, "allergy")];
        let segments = folded(&Streams::default(), &items);
        let streams = Streams::keeping(1);
        let mut first = Unfolder::new(streams.clone());
        assert_eq!(first.unfold(&segments[0]).unwrap().iter().collect::<Vec<_>>(), items[..1]);
        drop(first);
        assert_eq!(streams.idle(), (0, 1));
        assert_eq!(Unfolder::new(streams.clone()).unfold(&segments[1]), Err(SegmentError::Stream));
        assert_eq!(streams.idle(), (0, 0), "what made an error is not used again");
        drop(first_of(&streams, &segments[0]));
        let mut encoder = Encoder::new(3).unwrap();
        encoder.set_parameter(CParameter::WindowLog(STREAM_WINDOW_LOG_MAX + 1)).unwrap();
        let mut buffer = vec![0; 1 << 10];
        let mut output = zstd::stream::raw::OutBuffer::around(&mut buffer[..]);
        encoder.run(&mut zstd::stream::raw::InBuffer::around(b"abc"), &mut output).unwrap();
        encoder.flush(&mut output).unwrap();
        let wide = output.as_slice().to_vec();
        assert_eq!(streams.idle(), (0, 1));
        assert_eq!(Unfolder::new(streams).unfold(&wide), Err(SegmentError::Stream));
    }

    fn first_of(streams: &Streams, segment: &[u8]) -> Unfolder {
        let mut unfolder = Unfolder::new(streams.clone());
        unfolder.unfold(segment).unwrap();
        unfolder
    }

    #[test]
    fn a_context_is_taken_when_it_is_first_needed_and_no_more_than_the_limit_are_kept() {
        let streams = Streams::keeping(2);
        drop((Folder::new(streams.clone()), Unfolder::new(streams.clone())));
        assert_eq!(streams.idle(), (0, 0));
        let segment = folded(&streams, &[b"a".to_vec()]).remove(0);
        assert_eq!(streams.idle(), (1, 0));
        let mut folders: Vec<Folder> = (0..4).map(|_| Folder::new(streams.clone())).collect();
        folders.iter_mut().for_each(|folder| assert_eq!(folder.fold([b"a".as_slice()]).unwrap(), segment));
        assert_eq!(streams.idle(), (0, 0));
        let unfolders: Vec<Unfolder> = (0..3).map(|_| first_of(&streams, &segment)).collect();
        drop((folders, unfolders));
        assert_eq!(streams.idle(), (2, 2));
    }
}
