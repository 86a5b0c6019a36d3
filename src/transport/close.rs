//! Why a connection was closed: application close codes of QUIC and the text beside them.

use std::fmt;

/// Longest reason, in bytes, that is sent with a close or kept from a peer's close.
///
/// A close must fit into one datagram of 1,200 bytes (RFC 9000, section 10.2.3), or it is cut off by QUIC.
pub const CLOSE_REASON_BYTES_MAX: usize = 600;

/// Names why one side closed a connection.
///
/// The number is the QUIC application error code on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 0: let go of without a word (QUIC's own choice when all handles are dropped).
    Dropped,
    /// 1: all is said.
    Done,
    /// 2: the other side's key is not admitted.
    Refused,
    /// 3: too many links or handshakes at the moment.
    Busy,
    /// 4: the other side broke the protocol.
    Broken,
    /// 5: no progress, or nothing arrived, for too long.
    Stalled,
    /// 6: this process ends.
    Shutdown,
    /// Any other number, of a later version or of the layer above.
    Other(u32),
}

impl CloseCode {
    /// Returns the code on the wire.
    pub fn number(self) -> u32 {
        match self {
            CloseCode::Dropped => 0,
            CloseCode::Done => 1,
            CloseCode::Refused => 2,
            CloseCode::Busy => 3,
            CloseCode::Broken => 4,
            CloseCode::Stalled => 5,
            CloseCode::Shutdown => 6,
            CloseCode::Other(number) => number,
        }
    }

    /// Returns the code with this number; numbers above `u32::MAX` become `Other(u32::MAX)`.
    pub fn from_number(number: u64) -> CloseCode {
        match number {
            0 => CloseCode::Dropped,
            1 => CloseCode::Done,
            2 => CloseCode::Refused,
            3 => CloseCode::Busy,
            4 => CloseCode::Broken,
            5 => CloseCode::Stalled,
            6 => CloseCode::Shutdown,
            other => CloseCode::Other(u32::try_from(other).unwrap_or(u32::MAX)),
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseCode::Dropped => f.write_str("dropped"),
            CloseCode::Done => f.write_str("done"),
            CloseCode::Refused => f.write_str("refused"),
            CloseCode::Busy => f.write_str("busy"),
            CloseCode::Broken => f.write_str("protocol broken"),
            CloseCode::Stalled => f.write_str("stalled"),
            CloseCode::Shutdown => f.write_str("shutting down"),
            CloseCode::Other(number) => write!(f, "code {number}"),
        }
    }
}

/// Closes a connection with a code and a reason cut to [`CLOSE_REASON_BYTES_MAX`].
pub(super) fn close(connection: &quinn::Connection, code: CloseCode, reason: &str) {
    connection.close(code.number().into(), clean_reason(reason.as_bytes()).as_bytes());
}

/// Makes a peer's text fit for a log line: valid UTF-8, no control characters, bounded length.
pub(super) fn clean_reason(reason: &[u8]) -> String {
    let reason = &reason[..reason.len().min(CLOSE_REASON_BYTES_MAX)];
    let mut clean = String::with_capacity(reason.len());
    for c in String::from_utf8_lossy(reason).chars() {
        let c = if c.is_control() { ' ' } else { c };
        if clean.len() + c.len_utf8() > CLOSE_REASON_BYTES_MAX {
            break;
        }
        clean.push(c);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_numbers() {
        for number in 0..10 {
            assert_eq!(u64::from(CloseCode::from_number(number).number()), number);
        }
        assert_eq!(CloseCode::from_number(u64::MAX), CloseCode::Other(u32::MAX));
    }

    #[test]
    fn a_peers_reason_cannot_forge_log_lines_or_grow() {
        assert_eq!(clean_reason(b"a\nb\x1b[31m"), "a b [31m");
        assert!(clean_reason(&[0xff; 10_000]).len() <= CLOSE_REASON_BYTES_MAX);
        assert!(clean_reason("結".repeat(1_000).as_bytes()).len() <= CLOSE_REASON_BYTES_MAX);
    }
}
