//! Reading and writing the body of a facts entry.
//!
//! A body is checked here once, completely; what passes can be shown for ever. Nothing but the bytes decides:
//! no clock, no certificate, no other entry.

use std::borrow::Cow;
use std::fmt;

use minicbor::{Decode, Encode};

use super::json;
use super::statement::{Act, FactsBody, FollowRef, Informant, Salt};
use crate::base::cbor::{self, CborError};
use crate::base::limits::{
    AUTHOR_BYTES_MAX, ENTRY_BYTES_MAX, FOLLOWS_MAX, REASON_BYTES_MAX, SOURCE_BYTES_MAX,
    STATEMENTS_PER_ENTRY_MAX,
};
use crate::base::{Hlc, RecordId};

/// Why bytes are not a facts body, or a body may not be written.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is larger than an entry may be.
    #[error("facts body: {0} bytes are more than {ENTRY_BYTES_MAX}")]
    Size(usize),
    /// The bytes are not the canonical encoding.
    #[error("facts body: {0}")]
    Cbor(#[from] CborError),
    /// The version is not known to this program.
    #[error("facts body: version {0} is unknown")]
    Version(u8),
    /// There is no statement, or there are too many.
    #[error("facts body: {0} statements, expected 1 to {STATEMENTS_PER_ENTRY_MAX}")]
    Statements(usize),
    /// The author's name or role, or the source, is empty or too long.
    #[error("facts body: {0} is empty or too long")]
    Text(&'static str),
    /// A statement breaks a rule.
    #[error("facts body: statement {index}: {problem}")]
    Statement {
        /// The statement's index in the entry.
        index: usize,
        /// The rule that it breaks.
        problem: StatementProblem,
    },
}

/// What can be wrong with one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementProblem {
    /// It follows more statements than allowed.
    #[error("follows more than {FOLLOWS_MAX} statements")]
    TooManyFollows,
    /// Its follows are not in ascending order, or name one position twice.
    #[error("follows are not in ascending order")]
    FollowOrder,
    /// It refutes without saying why, or the reason is too long.
    #[error("the reason is missing or too long")]
    Reason,
    /// Its resource is not canonical JSON.
    #[error("the resource is not canonical JSON")]
    NotCanonical,
    /// Its resource is not an object with a `resourceType`.
    #[error("the resource has no resourceType")]
    ResourceType,
}

/// What the indexer reads of a body that was checked completely: nothing of it is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFacts<'b> {
    /// The record.
    pub record: RecordId,
    /// The resources of its statements, in order.
    pub resources: Vec<NamedResource<'b>>,
}

/// A statement's resource, and what it is called.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedResource<'b> {
    /// The type that its text says.
    pub resource_type: Cow<'b, str>,
    /// The id that its text says, where it has one.
    pub id: Option<Cow<'b, str>>,
    /// The resource, as canonical JSON text.
    pub text: &'b str,
}

/// Shows the type and none of the content, which is about a patient.
impl fmt::Debug for NamedResource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedResource({})", self.resource_type)
    }
}

/// A body whose texts stay where they are; encoded as a [`FactsBody`] is.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Facts<'b> {
    #[n(0)]
    version: u8,
    #[n(1)]
    salt: Salt,
    #[n(2)]
    record: RecordId,
    #[n(3)]
    time: Hlc,
    #[b(4)]
    author: By<'b>,
    #[b(5)]
    source: Option<&'b str>,
    #[b(6)]
    statements: Vec<Stated<'b>>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct By<'b> {
    #[b(0)]
    name: &'b str,
    #[b(1)]
    role: &'b str,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Stated<'b> {
    #[n(0)]
    act: Act,
    #[n(1)]
    informant: Informant,
    #[n(2)]
    follows: Vec<FollowRef>,
    #[b(3)]
    reason: Option<&'b str>,
    #[b(4)]
    resource: &'b str,
}

impl FactsBody {
    /// Reads the record and the time of a body without reading, or checking, the rest.
    pub fn peek(bytes: &[u8]) -> Option<(RecordId, Hlc)> {
        let mut decoder = minicbor::Decoder::new(bytes);
        decoder.array().ok()?;
        if decoder.u8().ok()? != FactsBody::VERSION {
            return None;
        }
        let _salt: Salt = decoder.decode().ok()?;
        Some((decoder.decode().ok()?, decoder.decode().ok()?))
    }

    /// Returns the canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(self)
    }

    /// Reads and checks a body completely.
    ///
    /// # Errors
    /// [`BodyError`] naming the first rule that is broken.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BodyError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(BodyError::Size(bytes.len()));
        }
        let body: FactsBody = cbor::from_canonical(bytes)?;
        body.check()?;
        Ok(body)
    }

    /// Checks a body completely, and tells what its resources are called.
    ///
    /// # Errors
    /// As [`FactsBody::from_bytes`].
    pub fn named(bytes: &[u8]) -> Result<NamedFacts<'_>, BodyError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(BodyError::Size(bytes.len()));
        }
        let facts: Facts<'_> = cbor::from_canonical(bytes)?;
        let By { name, role } = facts.author;
        check_head(facts.version, (name, role), facts.source, facts.statements.len())?;
        let resources = facts.statements.iter().enumerate().map(|(index, it)| {
            let named = check_statement(it.act, &it.follows, it.reason, it.resource);
            named.map_err(|problem| BodyError::Statement { index, problem })
        });
        Ok(NamedFacts { record: facts.record, resources: resources.collect::<Result<_, _>>()? })
    }

    /// Checks everything but the encoded size; writers call it before they append.
    ///
    /// # Errors
    /// [`BodyError`] naming the first rule that is broken.
    pub fn check(&self) -> Result<(), BodyError> {
        let author = (self.author.name.as_str(), self.author.role.as_str());
        check_head(self.version, author, self.source.as_deref(), self.statements.len())?;
        self.statements.iter().enumerate().try_for_each(|(index, it)| {
            let named = check_statement(it.act, &it.follows, it.reason.as_deref(), &it.resource);
            named.map(drop).map_err(|problem| BodyError::Statement { index, problem })
        })
    }
}

/// Checks what is not a statement.
fn check_head(
    version: u8,
    (name, role): (&str, &str),
    source: Option<&str>,
    statements: usize,
) -> Result<(), BodyError> {
    if version != FactsBody::VERSION {
        return Err(BodyError::Version(version));
    }
    if statements == 0 || statements > STATEMENTS_PER_ENTRY_MAX {
        return Err(BodyError::Statements(statements));
    }
    check_text(name, AUTHOR_BYTES_MAX, "author name")?;
    check_text(role, AUTHOR_BYTES_MAX, "author role")?;
    source.map_or(Ok(()), |source| check_text(source, SOURCE_BYTES_MAX, "source"))
}

fn check_text(text: &str, bytes_max: usize, name: &'static str) -> Result<(), BodyError> {
    if text.is_empty() || text.len() > bytes_max { Err(BodyError::Text(name)) } else { Ok(()) }
}

fn check_statement<'b>(
    act: Act,
    follows: &[FollowRef],
    reason: Option<&str>,
    resource: &'b str,
) -> Result<NamedResource<'b>, StatementProblem> {
    if follows.len() > FOLLOWS_MAX {
        return Err(StatementProblem::TooManyFollows);
    }
    let place = |follow: &FollowRef| (follow.lane, follow.seq, follow.index);
    if follows.windows(2).any(|pair| place(&pair[0]) >= place(&pair[1])) {
        return Err(StatementProblem::FollowOrder);
    }
    let reason = reason.unwrap_or_default();
    let needed = act == Act::Refute;
    if reason.len() > REASON_BYTES_MAX || (needed && reason.trim().is_empty()) {
        return Err(StatementProblem::Reason);
    }
    match json::canonical_strings(resource, ["resourceType", "id"]) {
        Some([Some(resource_type), id]) => Ok(NamedResource { resource_type, id, text: resource }),
        Some([None, _]) => Err(StatementProblem::ResourceType),
        None if json::is_canonical(resource) => Err(StatementProblem::ResourceType),
        None => Err(StatementProblem::NotCanonical),
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::{Author, LeafCheck, Statement};
    use super::*;
    use crate::base::id::hex;
    use crate::base::{Hlc, LaneId, RecordId, WallMs};

    fn body() -> FactsBody {
        FactsBody {
            version: FactsBody::VERSION,
            salt: Salt([7; 8]),
            record: RecordId([9; 16]),
            time: Hlc::at(WallMs(1_795_000_000_000)),
            author: Author { name: "山田 花子".to_owned(), role: "doctor".to_owned() },
            source: None,
            statements: vec![Statement {
                act: Act::Refute,
                informant: Informant::Clinician,
                follows: vec![FollowRef { lane: None, seq: 3, index: 0, check: LeafCheck([5; 8]) }],
                reason: Some("負荷試験で陰性".to_owned()),
                resource: r#"{"code":{"text":"卵"},"resourceType":"AllergyIntolerance"}"#.to_owned(),
            }],
        }
    }

    fn problem(change: impl FnOnce(&mut Statement)) -> StatementProblem {
        let mut body = body();
        change(&mut body.statements[0]);
        let bytes = body.to_bytes();
        let named = FactsBody::named(&bytes).map_err(|error| error.to_string());
        match FactsBody::from_bytes(&bytes) {
            Err(BodyError::Statement { index: 0, problem }) => {
                assert_eq!(named.unwrap_err(), BodyError::Statement { index: 0, problem }.to_string());
                problem
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("accepted"),
        }
    }

    #[test]
    fn the_bytes_of_version_1_stay() {
        let golden = concat!(
            "8701",                                         // seven fields, version 1
            "480707070707070707",                           // salt
            "5009090909090909090909090909090909",           // record
            "1b01a1ee565e000000",                           // time
            "826de5b1b1e794b020e88ab1e5ad9066646f63746f72", // author
            "f6",                                           // no source
            "81850401",                                     // one statement: refute, clinician
            "8184f60300480505050505050505",                 // follows
            "75e8b2a0e88db7e8a9a6e9a893e381a7e999b0e680a7", // reason
            "783b7b22636f6465223a7b2274657874223a22e58db5227d2c227265736f7572636554797065",
            "223a22416c6c65726779496e746f6c6572616e6365227d", // resource
        );
        assert_eq!(hex(&body().to_bytes()), golden);
        assert_eq!(FactsBody::from_bytes(&body().to_bytes()).unwrap(), body());
    }

    #[test]
    fn what_is_read_in_place_is_what_is_read() {
        let mut body = body();
        body.source = Some("urn:a".to_owned());
        let resource = r#"{"id":"x","resourceType":"Patient"}"#.to_owned();
        let patient = Statement { act: Act::Assert, reason: None, resource, ..body.statements[0].clone() };
        body.statements.push(patient);
        let bytes = body.to_bytes();
        let NamedFacts { record, resources } = FactsBody::named(&bytes).unwrap();
        assert_eq!(record, body.record);
        let texts: Vec<&str> = resources.iter().map(|resource| resource.text).collect();
        assert_eq!(texts, body.statements.iter().map(|one| one.resource.as_str()).collect::<Vec<_>>());
        let names: Vec<_> = resources.iter().map(|one| (&*one.resource_type, one.id.as_deref())).collect();
        assert_eq!(names, [("AllergyIntolerance", None), ("Patient", Some("x"))]);
        assert!(FactsBody::named(&[&bytes[..], &[0]].concat()).is_err(), "a tail");
        let long = [&bytes[..1], &[0x18, 0x01], &bytes[2..]].concat();
        assert!(matches!(FactsBody::named(&long), Err(BodyError::Cbor(CborError::NotCanonical))));
        assert!(!format!("{resources:?}").contains('卵'));
    }

    #[test]
    fn each_rule_is_checked() {
        let follow = body().statements[0].follows[0];
        assert_eq!(problem(|s| s.follows = vec![follow; FOLLOWS_MAX + 1]), StatementProblem::TooManyFollows);
        assert_eq!(problem(|s| s.follows.push(follow)), StatementProblem::FollowOrder);
        let twice = FollowRef { check: LeafCheck([9; 8]), ..follow };
        assert_eq!(problem(|s| s.follows.push(twice)), StatementProblem::FollowOrder);
        let lower = FollowRef { seq: 1, ..follow };
        assert_eq!(problem(|s| s.follows.push(lower)), StatementProblem::FollowOrder);
        assert_eq!(problem(|s| s.reason = None), StatementProblem::Reason);
        assert_eq!(problem(|s| s.reason = Some("  ".to_owned())), StatementProblem::Reason);
        assert_eq!(problem(|s| s.resource.insert(1, ' ')), StatementProblem::NotCanonical);
        assert_eq!(problem(|s| s.resource = "{}".to_owned()), StatementProblem::ResourceType);
        assert_eq!(problem(|s| s.resource = "[]".to_owned()), StatementProblem::ResourceType);
        assert_eq!(
            problem(|s| s.resource = r#"{"resourceType":1}"#.to_owned()),
            StatementProblem::ResourceType
        );
    }

    #[test]
    fn versions_counts_and_texts_are_checked() {
        let other = FactsBody { version: 2, ..body() };
        assert!(matches!(FactsBody::from_bytes(&other.to_bytes()), Err(BodyError::Version(2))));
        let none = FactsBody { statements: Vec::new(), ..body() };
        assert!(matches!(FactsBody::from_bytes(&none.to_bytes()), Err(BodyError::Statements(0))));
        let nobody = FactsBody { author: Author { name: String::new(), role: "r".to_owned() }, ..body() };
        assert!(matches!(nobody.check(), Err(BodyError::Text("author name"))));
        assert!(matches!(FactsBody::from_bytes(&[0x87, 1]), Err(BodyError::Cbor(_))));
        assert!(matches!(FactsBody::from_bytes(&vec![0; ENTRY_BYTES_MAX + 1]), Err(BodyError::Size(_))));
    }

    #[test]
    fn follows_of_other_lanes_come_after_those_of_the_own_lane() {
        let mut body = body();
        let other = FollowRef { lane: Some(LaneId([0; 32])), seq: 0, index: 0, check: LeafCheck([1; 8]) };
        body.statements[0].follows.push(other);
        assert!(FactsBody::from_bytes(&body.to_bytes()).is_ok());
    }

    #[test]
    fn debug_output_holds_no_patient_data() {
        let shown = format!("{:?}", body());
        assert!(!shown.contains('卵') && !shown.contains("負荷"), "{shown}");
    }
}
