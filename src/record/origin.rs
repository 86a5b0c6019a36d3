//! Origin: which resource of which source an imported statement is.
//!
//! An origin derives from the source's own identifiers and the resource's content, never from who imports: so
//! the same export read by two hospitals, or again after a restore, is recognised and shown once.

use std::fmt;

use super::json::{self, JsonError};
use crate::base::{Digest, hash_tagged};

/// The identity of one version of one resource of one source.
///
/// Two statements of equal origin are one statement in every view. The same source, type and id with another
/// digest is another version.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The source's own identifier system.
    pub source: String,
    /// The FHIR resource type.
    pub resource_type: String,
    /// The source's id of the resource, or `#` and the digest where it has none.
    pub id: String,
    /// The tagged hash of the canonical resource, `meta` included.
    pub digest: Digest,
}

/// Why a resource has no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The text is not a JSON object.
    #[error("reading the resource: {0}")]
    Json(#[from] JsonError),
    /// The resource does not say its type.
    #[error("reading the resource: no resourceType")]
    ResourceType,
}

/// Finds the origin of a resource, given in canonical form.
///
/// # Errors
/// [`OriginError`] when it is not a JSON object with a `resourceType`.
pub fn origin_of(source: &str, canonical_resource: &str) -> Result<Origin, OriginError> {
    let [resource_type, id] = json::top_strings(canonical_resource, ["resourceType", "id"])?;
    let resource_type = resource_type.ok_or(OriginError::ResourceType)?;
    Ok(Origin::new(source, resource_type, id, canonical_resource))
}

impl Origin {
    /// Makes the origin of a canonical resource whose type and id are already known.
    pub(super) fn new(source: &str, resource_type: String, id: Option<String>, canonical: &str) -> Self {
        let digest = hash_tagged("musubi.origin.v1", &[canonical.as_bytes()]);
        let id = id.unwrap_or_else(|| format!("#{digest}"));
        Self { source: source.to_owned(), resource_type, id, digest }
    }

    /// Says whether both are versions of the same resource of the same source.
    pub fn same_resource(&self, other: &Origin) -> bool {
        (&self.source, &self.resource_type, &self.id) == (&other.source, &other.resource_type, &other.id)
    }
}

/// Shows type and digest only: ids of a source may be patient numbers.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({} {})", self.resource_type, self.digest.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_counts_and_a_missing_id_is_made_from_the_content() {
        let first =
            origin_of("urn:a", r#"{"id":"p1","meta":{"versionId":"1"},"resourceType":"Patient"}"#).unwrap();
        let later =
            origin_of("urn:a", r#"{"id":"p1","meta":{"versionId":"2"},"resourceType":"Patient"}"#).unwrap();
        assert!(first.same_resource(&later));
        assert_ne!(first, later);
        let unnamed = origin_of("urn:a", r#"{"resourceType":"Patient"}"#).unwrap();
        assert_eq!(unnamed.id, format!("#{}", unnamed.digest));
        assert!(!format!("{first:?}").contains("p1"));
    }

    #[test]
    fn what_is_no_resource_is_refused() {
        assert_eq!(origin_of("s", "{}"), Err(OriginError::ResourceType));
        assert!(matches!(origin_of("s", "[]"), Err(OriginError::Json(_))));
    }
}
