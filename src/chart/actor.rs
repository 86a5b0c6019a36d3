//! The names of things inside a chart: actors, changes, notes and entries.

use std::fmt;

use data_encoding::HEXLOWER;

use super::limits::NOTE_ID_BYTES_MAX;

/// Names one device inside one document, in 16–32 bytes.
///
/// The caller derives it from the device and the document. One actor writes in one store only: two
/// stores that write as one actor produce documents that never merge again, so a cloned or restored
/// store is a new device and hence a new actor.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorBytes(Vec<u8>);

impl ActorBytes {
    /// Fewest bytes of an actor.
    pub const LEN_MIN: usize = 16;
    /// Most bytes of an actor.
    pub const LEN_MAX: usize = 32;

    /// Wraps 16–32 bytes; other lengths give `None`.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (Self::LEN_MIN..=Self::LEN_MAX).contains(&bytes.len()).then(|| Self(bytes.to_vec()))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 16]> for ActorBytes {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<[u8; 32]> for ActorBytes {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Debug for ActorBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorBytes({self})")
    }
}

impl fmt::Display for ActorBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Names one change: SHA-256 over its chunk type, length and body, as Automerge defines it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeHash(pub [u8; 32]);

impl fmt::Debug for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangeHash({self})")
    }
}

impl fmt::Display for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Names a note being written, in 1–64 bytes of text chosen by the device that starts it.
///
/// A name should be drawn so that no two devices choose the same one; if they do, both drafts are kept
/// and shown ([`super::NoteDraft::texts`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteId(String);

impl NoteId {
    /// Wraps a name of 1–64 bytes; other lengths give `None`.
    pub fn new(name: &str) -> Option<Self> {
        (1..=NOTE_ID_BYTES_MAX).contains(&name.len()).then(|| Self(name.to_owned()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names an annotation or an item of the care plan: its writer and the sequence of the change that wrote it.
///
/// The form is sixteen hex digits (the first eight bytes of the actor), a hyphen, and the sequence in
/// decimal. The guard refuses entries under any other name than that of the change that brings them, so
/// nobody can overwrite or hide another's entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(String);

impl EntryId {
    /// Wraps a name as it was shown; an unknown one is answered when it is used.
    pub fn from_name(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Derives the name of the entry that the change `seq` of `actor` brings.
    pub fn of_change(actor: &ActorBytes, seq: u64) -> Self {
        Self(format!("{}-{seq}", HEXLOWER.encode(&actor.as_bytes()[..8])))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_their_lengths_are_refused() {
        assert!(ActorBytes::new(&[0; 15]).is_none());
        assert!(ActorBytes::new(&[0; 33]).is_none());
        assert!(ActorBytes::new(&[0; 20]).is_some());
        assert!(NoteId::new("").is_none());
        assert!(NoteId::new(&"n".repeat(65)).is_none());
    }

    #[test]
    fn an_entry_is_named_after_its_change() {
        let id = EntryId::of_change(&ActorBytes::from([0xab; 16]), 7);
        assert_eq!(id.as_str(), "abababababababab-7");
    }
}
