//! A link: byte messages to and from one proven peer, over one QUIC stream.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quinn::{Connection, ReadError, RecvStream, SendStream, WriteError};
use tokio::time::Instant;

use super::close::{CloseCode, close};
use super::error::TransportError;
use super::frame::{FrameReader, HEADER_BYTES, TooLong};
use super::guard::Seat;
use super::liveness::{Lapse, Liveness};
use super::options::Options;
use super::raw_key::PeerKey;

/// Most bytes of a message that are copied behind its length, so that small messages fill one datagram.
const FIRST_WRITE_BYTES_MAX: usize = 16 << 10;

/// A stream of messages in each direction between this device and one admitted peer.
///
/// The dialling side has decided on the accepting one before it opens the stream.
///
/// The connection ends when the link, both halves and all handles are dropped; say [`close`](Self::close).
#[derive(Debug)]
pub struct Link {
    sender: LinkSender,
    receiver: LinkReceiver,
}

/// The sending half of a [`Link`].
#[derive(Debug)]
pub struct LinkSender {
    stream: SendStream,
    handle: LinkHandle,
    message_bytes_max: usize,
    stall_max: Duration,
    halfway: bool,
}

/// The receiving half of a [`Link`].
#[derive(Debug)]
pub struct LinkReceiver {
    stream: RecvStream,
    handle: LinkHandle,
    frames: FrameReader,
    message_bytes_max: usize,
    stall_max: Duration,
    message_bytes_per_s_min: u64,
    message_began: Option<Instant>,
}

/// What is known of a link, and the power to close it, apart from its halves; cheap to clone.
///
/// A handle keeps the connection open, like a half.
#[derive(Clone)]
pub struct LinkHandle {
    peer: PeerKey,
    connection: Connection,
    liveness: Arc<Liveness>,
    counters: Arc<Counters>,
    seat: Option<Arc<Seat>>,
}

/// Counts what a link has carried since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Messages handed to QUIC.
    pub messages_sent: u64,
    /// Messages received whole.
    pub messages_received: u64,
    /// Bytes of those sent messages, without lengths.
    pub payload_bytes_sent: u64,
    /// Bytes of those received messages, without lengths.
    pub payload_bytes_received: u64,
    /// UDP payload bytes sent, with all of QUIC, handshake and repetitions.
    pub udp_bytes_sent: u64,
    /// UDP payload bytes received.
    pub udp_bytes_received: u64,
    /// UDP datagrams sent.
    pub udp_datagrams_sent: u64,
    /// UDP datagrams received.
    pub udp_datagrams_received: u64,
    /// QUIC packets believed lost on the way to the peer.
    pub packets_lost: u64,
    /// QUIC's present estimate of the round trip.
    pub round_trip: Duration,
}

#[derive(Debug, Default)]
struct Counters {
    messages_sent: AtomicU64,
    messages_received: AtomicU64,
    payload_bytes_sent: AtomicU64,
    payload_bytes_received: AtomicU64,
}

impl Link {
    pub(super) fn new(
        connection: Connection,
        peer: PeerKey,
        streams: (SendStream, RecvStream),
        options: &Options,
    ) -> Link {
        let handle = LinkHandle {
            peer,
            liveness: Arc::new(Liveness::new(connection.clone(), options.silence_max)),
            connection,
            counters: Arc::default(),
            seat: None,
        };
        let sender = LinkSender {
            stream: streams.0,
            handle: handle.clone(),
            message_bytes_max: options.message_bytes_max.min(u32::MAX as usize),
            stall_max: options.stall_max,
            halfway: false,
        };
        let receiver = LinkReceiver {
            stream: streams.1,
            handle,
            frames: FrameReader::new(options.message_bytes_max),
            message_bytes_max: options.message_bytes_max,
            stall_max: options.stall_max,
            message_bytes_per_s_min: options.message_bytes_per_s_min.max(1),
            message_began: None,
        };
        Link { sender, receiver }
    }

    /// Keeps a seat of the guard for as long as the link lasts.
    pub(super) fn seated(mut self, seat: Seat) -> Link {
        let seat = Some(Arc::new(seat));
        self.receiver.handle.seat.clone_from(&seat);
        self.sender.handle.seat = seat;
        self
    }

    /// Returns the stream on which the peer's welcome comes, before anything else is read from it.
    pub(super) fn stream(&mut self) -> &mut RecvStream {
        &mut self.receiver.stream
    }

    /// Returns the peer's proven key.
    pub fn peer(&self) -> PeerKey {
        self.sender.handle.peer
    }

    /// Returns the link's handle.
    pub fn handle(&self) -> LinkHandle {
        self.sender.handle.clone()
    }

    /// Sends a message; see [`LinkSender::send`].
    pub async fn send(&mut self, message: &[u8]) -> Result<(), TransportError> {
        self.sender.send(message).await
    }

    /// Receives the next message; see [`LinkReceiver::recv`].
    pub async fn recv(&mut self) -> Result<Option<Vec<u8>>, TransportError> {
        self.receiver.recv().await
    }

    /// Parts the link into halves that can live in different tasks.
    pub fn split(self) -> (LinkSender, LinkReceiver) {
        (self.sender, self.receiver)
    }

    /// Closes at once; what the peer has not yet received is lost, see [`LinkSender::finish`].
    pub fn close(self, code: CloseCode, reason: &str) {
        self.sender.handle.close(code, reason);
    }
}

impl LinkSender {
    /// Hands a message to QUIC, waiting for room.
    ///
    /// `Ok` means that QUIC will deliver it if the path lives, not that the peer has it. A call that is dropped
    /// before it ends leaves half a message behind, so the link is useless for sending then.
    ///
    /// # Errors
    ///
    /// [`MessageTooLong`](TransportError::MessageTooLong) sends nothing and leaves the link usable. Any other
    /// error ends the link: [`Silent`](TransportError::Silent) when nothing arrives from the peer,
    /// [`Stalled`](TransportError::Stalled) when a living peer takes nothing,
    /// [`SendInterrupted`](TransportError::SendInterrupted) after a dropped call, or why it was closed.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), TransportError> {
        if message.len() > self.message_bytes_max {
            return Err(TransportError::MessageTooLong {
                bytes: message.len(),
                bytes_max: self.message_bytes_max,
            });
        }
        if self.halfway {
            return Err(TransportError::SendInterrupted);
        }
        self.handle.liveness.check().map_err(|lapse| self.handle.give_up(lapse, SENDING, self.stall_max))?;
        self.halfway = true;
        let (first, rest) = message.split_at(message.len().min(FIRST_WRITE_BYTES_MAX));
        let length = u32::try_from(message.len()).expect("limited to u32::MAX above").to_be_bytes();
        self.write_all(&[&length, first].concat()).await?;
        self.write_all(rest).await?;
        self.halfway = false;
        self.handle.counters.messages_sent.fetch_add(1, Ordering::Relaxed);
        self.handle.counters.payload_bytes_sent.fetch_add(message.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Ends this direction and waits until the peer's QUIC has all of it: its `recv` then returns `None`.
    ///
    /// # Errors
    ///
    /// [`Stalled`](TransportError::Stalled) after `wait`, or why the link ended.
    pub async fn finish(mut self, wait: Duration) -> Result<(), TransportError> {
        if self.halfway {
            return Err(TransportError::SendInterrupted);
        }
        self.stream.finish().map_err(|_| TransportError::ClosedHere)?;
        match self.handle.liveness.watch(self.stream.stopped(), Some(wait)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(quinn::StoppedError::ConnectionLost(error))) => Err(self.handle.lost(error)),
            Ok(Err(quinn::StoppedError::ZeroRttRejected)) => Err(zero_rtt()),
            Err(lapse) => Err(self.handle.give_up(lapse, SENDING, wait)),
        }
    }

    /// Returns the link's handle.
    pub fn handle(&self) -> &LinkHandle {
        &self.handle
    }

    /// Writes bytes as they are, as a hostile peer would.
    #[cfg(test)]
    pub(crate) async fn write_raw(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        self.write_all(bytes).await
    }

    async fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), TransportError> {
        while !bytes.is_empty() {
            match self.handle.liveness.watch(self.stream.write(bytes), Some(self.stall_max)).await {
                Ok(Ok(written)) => bytes = &bytes[written..],
                Ok(Err(WriteError::ConnectionLost(error))) => return Err(self.handle.lost(error)),
                Ok(Err(WriteError::Stopped(_))) => return Err(self.handle.stopped().await),
                Ok(Err(WriteError::ClosedStream)) => return Err(TransportError::ClosedHere),
                Ok(Err(WriteError::ZeroRttRejected)) => return Err(zero_rtt()),
                Err(lapse) => return Err(self.handle.give_up(lapse, SENDING, self.stall_max)),
            }
        }
        Ok(())
    }
}

impl LinkReceiver {
    /// Returns the next message, or `None` when the peer has ended its direction or closed with
    /// [`CloseCode::Done`]; waits as long as the peer is alive.
    ///
    /// The call may be dropped and repeated (`tokio::select!`): nothing is lost.
    ///
    /// # Errors
    ///
    /// Each ends the link: [`Silent`](TransportError::Silent) when nothing arrives from the peer,
    /// [`Stalled`](TransportError::Stalled) when a message stops halfway or trickles,
    /// [`PeerMessageTooLong`](TransportError::PeerMessageTooLong), [`Truncated`](TransportError::Truncated), or
    /// why it was closed.
    pub async fn recv(&mut self) -> Result<Option<Vec<u8>>, TransportError> {
        self.receive(None).await
    }

    /// Like [`recv`](Self::recv), but waits at most `wait` for a message to begin.
    ///
    /// # Errors
    ///
    /// Besides those of `recv`: [`NoMessage`](TransportError::NoMessage), after which the link is still usable.
    pub async fn recv_within(&mut self, wait: Duration) -> Result<Option<Vec<u8>>, TransportError> {
        self.receive(Some(wait)).await
    }

    /// Returns the link's handle.
    pub fn handle(&self) -> &LinkHandle {
        &self.handle
    }

    async fn receive(&mut self, wait: Option<Duration>) -> Result<Option<Vec<u8>>, TransportError> {
        loop {
            let limit = if self.frames.at_boundary() { wait } else { Some(self.stall_left()) };
            let chunk = self.stream.read_chunk(self.frames.wanted(), true);
            match self.handle.liveness.watch(chunk, limit).await {
                Ok(Ok(Some(chunk))) => {
                    if let Some(message) = self.take(&chunk.bytes)? {
                        return Ok(Some(message));
                    }
                }
                Ok(Ok(None)) if self.frames.at_boundary() => return Ok(None),
                Ok(Ok(None) | Err(ReadError::Reset(_))) => return Err(TransportError::Truncated),
                Ok(Err(ReadError::ConnectionLost(error))) => return self.ended(error),
                Ok(Err(ReadError::ClosedStream | ReadError::IllegalOrderedRead)) => {
                    return Err(TransportError::ClosedHere);
                }
                Ok(Err(ReadError::ZeroRttRejected)) => return Err(zero_rtt()),
                Err(Lapse::Limit) if self.frames.at_boundary() => {
                    return Err(TransportError::NoMessage { waited: wait.unwrap_or_default() });
                }
                Err(lapse) => return Err(self.handle.give_up(lapse, "receiving", self.stall_max)),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, TransportError> {
        self.message_began.get_or_insert_with(Instant::now);
        match self.frames.push(bytes) {
            Ok(None) => Ok(None),
            Ok(Some(message)) => {
                self.message_began = None;
                self.handle.counters.messages_received.fetch_add(1, Ordering::Relaxed);
                self.handle
                    .counters
                    .payload_bytes_received
                    .fetch_add(message.len() as u64, Ordering::Relaxed);
                Ok(Some(message))
            }
            Err(TooLong { bytes }) => {
                let error = TransportError::PeerMessageTooLong { bytes, bytes_max: self.message_bytes_max };
                self.handle.close(
                    CloseCode::Broken,
                    &format!("message of {bytes} bytes over the limit of {}", self.message_bytes_max),
                );
                Err(error)
            }
        }
    }

    /// How long the message that has begun may wait for its next byte: the stall limit, and the least rate.
    fn stall_left(&self) -> Duration {
        let message_bytes = (HEADER_BYTES + self.frames.message_bytes()) as u64;
        let whole = self.stall_max + Duration::from_secs(message_bytes / self.message_bytes_per_s_min);
        let used = self.message_began.map_or(Duration::ZERO, |began| began.elapsed());
        self.stall_max.min(whole.saturating_sub(used))
    }

    fn ended(&self, error: quinn::ConnectionError) -> Result<Option<Vec<u8>>, TransportError> {
        match self.handle.lost(error) {
            TransportError::ClosedByPeer { code: CloseCode::Done, .. } => {
                if self.frames.at_boundary() {
                    Ok(None)
                } else {
                    Err(TransportError::Truncated)
                }
            }
            other => Err(other),
        }
    }
}

impl LinkHandle {
    /// Returns the peer's proven key.
    pub fn peer(&self) -> PeerKey {
        self.peer
    }

    /// Returns the peer's present address; it changes when the peer changes networks.
    pub fn remote_addr(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    /// Returns what the link has carried so far.
    pub fn stats(&self) -> LinkStats {
        let quic = self.connection.stats();
        LinkStats {
            messages_sent: self.counters.messages_sent.load(Ordering::Relaxed),
            messages_received: self.counters.messages_received.load(Ordering::Relaxed),
            payload_bytes_sent: self.counters.payload_bytes_sent.load(Ordering::Relaxed),
            payload_bytes_received: self.counters.payload_bytes_received.load(Ordering::Relaxed),
            udp_bytes_sent: quic.udp_tx.bytes,
            udp_bytes_received: quic.udp_rx.bytes,
            udp_datagrams_sent: quic.udp_tx.datagrams,
            udp_datagrams_received: quic.udp_rx.datagrams,
            packets_lost: quic.path.lost_packets,
            round_trip: quic.path.rtt,
        }
    }

    /// Tells the guard whether both sides hold the same: then the link may make room for a peer that waits.
    pub fn note_in_sync(&self, in_sync: bool) {
        if let Some(seat) = &self.seat {
            seat.in_sync(in_sync);
        }
    }

    /// Tells the guard that the peer's certificate has verified: it is no stranger any more.
    pub fn note_known(&self) {
        if let Some(seat) = &self.seat {
            seat.became_known();
        }
    }

    /// Closes at once, for both halves; the reason is cut to
    /// [`CLOSE_REASON_BYTES_MAX`](super::CLOSE_REASON_BYTES_MAX) and must hold no patient data.
    pub fn close(&self, code: CloseCode, reason: &str) {
        close(&self.connection, code, reason);
    }

    /// Waits until the link has ended and says why.
    pub async fn closed(&self) -> TransportError {
        self.lost(self.connection.closed().await)
    }

    /// Returns why the link has ended, or `None` while it lives.
    pub fn close_reason(&self) -> Option<TransportError> {
        self.connection.close_reason().map(|error| self.lost(error))
    }

    fn lost(&self, error: quinn::ConnectionError) -> TransportError {
        TransportError::from_connection(error, self.liveness.silence_max())
    }

    /// A stopped stream is followed by the reason of the close, if the peer gave one.
    async fn stopped(&self) -> TransportError {
        match self.liveness.watch(self.connection.closed(), Some(STOP_REASON_WAIT)).await {
            Ok(error) => self.lost(error),
            Err(_) => TransportError::ClosedByPeer {
                code: CloseCode::Dropped,
                reason: "stopped reading".to_owned(),
            },
        }
    }

    fn give_up(&self, lapse: Lapse, attempt: &'static str, waited: Duration) -> TransportError {
        let error = match lapse {
            Lapse::Silent => TransportError::Silent { waited: self.liveness.silence_max() },
            Lapse::Limit => TransportError::Stalled { attempt, waited },
        };
        self.close(CloseCode::Stalled, &error.to_string());
        error
    }
}

impl fmt::Debug for LinkHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkHandle").field("peer", &self.peer).field("remote", &self.remote_addr()).finish()
    }
}

const SENDING: &str = "sending";

/// How long the reason of a close may lag behind the stop of a stream.
const STOP_REASON_WAIT: Duration = Duration::from_millis(200);

fn zero_rtt() -> TransportError {
    TransportError::Connection { detail: "early data was refused, although none is ever sent".to_owned() }
}
