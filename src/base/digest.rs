//! SHA-256 digests with domain separation: every hash says what it is a hash of.

use sha2::{Digest as _, Sha256};

use super::id::bytes_newtype;

bytes_newtype! {
    /// A SHA-256 digest.
    Digest, 32
}

/// Hashes `parts` under a `tag`; each part is preceded by its length as 8 bytes big-endian, so that no two
/// different lists of parts share an input.
pub fn hash_tagged(tag: &str, parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update((tag.len() as u64).to_be_bytes());
    hasher.update(tag.as_bytes());
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    Digest(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        assert_ne!(hash_tagged("t", &[b"ab", b"c"]), hash_tagged("t", &[b"a", b"bc"]));
        assert_ne!(hash_tagged("t", &[b"ab"]), hash_tagged("ta", &[b"b"]));
    }
}
