//! Why a session ends: a number in the message `Close`, and a text that is fit for a log.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::limits::CLOSE_TEXT_BYTES_MAX;

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The sender shuts down or changes its configuration.
    Shutdown,
    /// No version of the protocol is spoken by both.
    Version,
    /// The realms differ.
    Realm,
    /// A message was malformed, out of place, or claimed what cannot be.
    Protocol,
    /// The peer did not answer in time.
    Timeout,
    /// The peer's device certificate is missing or does not verify.
    Certificate,
    /// A limit was exceeded.
    Limit,
    /// The sender cannot read its own store, or lacks memory.
    Internal,
    /// A code that this version does not know.
    Unknown,
}

impl CloseCode {
    const ALL: [CloseCode; 8] = [
        CloseCode::Shutdown,
        CloseCode::Version,
        CloseCode::Realm,
        CloseCode::Protocol,
        CloseCode::Timeout,
        CloseCode::Certificate,
        CloseCode::Limit,
        CloseCode::Internal,
    ];

    /// Returns the number in the format.
    pub fn code(self) -> u8 {
        match self {
            CloseCode::Shutdown => 0,
            CloseCode::Version => 1,
            CloseCode::Realm => 2,
            CloseCode::Protocol => 3,
            CloseCode::Timeout => 4,
            CloseCode::Certificate => 5,
            CloseCode::Limit => 6,
            CloseCode::Internal => 7,
            CloseCode::Unknown => 255,
        }
    }
}

impl<C> Encode<C> for CloseCode {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.u8(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for CloseCode {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let code = d.u8()?;
        Ok(CloseCode::ALL.into_iter().find(|known| known.code() == code).unwrap_or(CloseCode::Unknown))
    }
}

/// Keeps a text fit for a log: without control characters, and short.
pub(super) fn printable(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if kept.len() + c.len_utf8() > CLOSE_TEXT_BYTES_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}
