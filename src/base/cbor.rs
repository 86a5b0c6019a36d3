//! Canonical CBOR: one value, one encoding.
//!
//! Every format of Musubi is an array of fixed fields, so its canonical form is the one that the encoder
//! writes (shortest integers and lengths, definite lengths: RFC 8949, section 4.2.1). A reader proves that by
//! encoding again what it has decoded and comparing the bytes; so two devices can never hold the same value
//! under two hashes.

use minicbor::encode::Write;
use minicbor::{Decode, Encode};

/// Why bytes are not the canonical CBOR of a value.
#[derive(Debug, thiserror::Error)]
pub enum CborError {
    /// The bytes do not decode.
    #[error("reading CBOR: {0}")]
    Malformed(minicbor::decode::Error),
    /// The bytes decode, but are not the bytes that an honest writer would have written.
    #[error("reading CBOR: not in canonical form")]
    NotCanonical,
}

/// Encodes a value.
pub fn to_vec<T: Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("writing to a Vec cannot fail")
}

/// Encodes a value of which is known that it takes about so many bytes: nothing is moved while it grows.
pub fn to_vec_of<T: Encode<()>>(value: &T, bytes: usize) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes);
    minicbor::encode(value, &mut encoded).expect("writing to a Vec cannot fail");
    encoded
}

/// Decodes a value and refuses any encoding but the canonical one.
///
/// # Errors
/// [`CborError`] when the bytes are malformed, have a tail, or are not canonical.
pub fn from_canonical<'b, T: Decode<'b, ()> + Encode<()>>(bytes: &'b [u8]) -> Result<T, CborError> {
    let value: T = minicbor::decode(bytes).map_err(CborError::Malformed)?;
    let mut rest = Rest(bytes);
    let same = minicbor::encode(&value, &mut rest).is_ok() && rest.0.is_empty();
    if same { Ok(value) } else { Err(CborError::NotCanonical) }
}

/// What is left of bytes that are compared with an encoding while it is written, so that it is kept nowhere.
struct Rest<'b>(&'b [u8]);

/// The encoding differs from what it is compared with.
struct Differs;

impl Write for Rest<'_> {
    type Error = Differs;

    fn write_all(&mut self, written: &[u8]) -> Result<(), Differs> {
        self.0 = self.0.strip_prefix(written).ok_or(Differs)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_forms_and_tails_are_refused() {
        assert_eq!(from_canonical::<u64>(&[0x05]).unwrap(), 5);
        assert!(matches!(from_canonical::<u64>(&[0x18, 0x05]), Err(CborError::NotCanonical)));
        assert!(matches!(from_canonical::<u64>(&[0x05, 0x00]), Err(CborError::NotCanonical)));
        assert!(matches!(from_canonical::<u64>(&[0x18]), Err(CborError::Malformed(_))));
        assert_eq!(to_vec_of(&500_u64, 0), to_vec(&500_u64));
    }
}
