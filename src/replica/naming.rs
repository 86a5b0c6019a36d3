//! Names of statements as people type them: `LANE:SEQ:INDEX`, of the lane its beginning, and the index where it matters.

use std::collections::BTreeSet;

use super::error::ReplicaError;
use crate::record::Position;
use crate::record::facts::Facts;

/// Fewest digits of the beginning of a lane.
const LANE_DIGITS_MIN: usize = 4;
/// Characters of a name that an error repeats.
const SHOWN_MAX: usize = 120;

/// Finds the statement of a person that is named.
///
/// # Errors
/// When it is no name, or of no statement or several of them.
pub(super) fn statement_in(facts: &Facts, name: &str) -> Result<Position, ReplicaError> {
    let shown: String = name.chars().take(SHOWN_MAX).collect();
    let (lane, seq, index) = parts(name).ok_or_else(|| {
        let wanted = "LANE:SEQ:INDEX, as `musubi show` names it";
        ReplicaError::Call(format!("'{shown}' is not a statement: {wanted}"))
    })?;
    let is_named =
        |at: &Position| (at.seq, at.index) == (seq, index) && at.lane.to_string().starts_with(&lane);
    // In a forked lane several statements stand at one place.
    let found: BTreeSet<Position> = facts.iter().map(|fact| fact.position).filter(is_named).collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(position), None) => Ok(position),
        (Some(_), Some(_)) => Err(ReplicaError::Call(format!(
            "'{shown}' is the beginning of several statements; give more digits"
        ))),
        (None, _) => {
            let what = format!("statement '{shown}'");
            Err(ReplicaError::NothingToFollow { record: facts.record(), what })
        }
    }
}

fn parts(name: &str) -> Option<(String, u64, u32)> {
    let mut parts = name.split(':');
    let (lane, seq, index) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let is_lane = lane.len() >= LANE_DIGITS_MIN && lane.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_lane && parts.next().is_none()).then_some((
        lane.to_ascii_lowercase(),
        seq.parse().ok()?,
        index.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Area, DeviceId, Digest, Hlc, LaneId, RecordId, WallMs};
    use crate::record::facts::Standing;
    use crate::record::statement::Salt;
    use crate::record::{Act, Author, FactsBody, Informant, Statement};

    fn facts() -> Facts {
        let mut facts = Facts::new(RecordId([1; 16]));
        let statement = Statement {
            act: Act::Assert,
            informant: Informant::Clinician,
            follows: Vec::new(),
            reason: None,
            resource: r#"{"resourceType":"Basic"}"#.into(),
        };
        let body = FactsBody {
            version: FactsBody::VERSION,
            salt: Salt([0; 8]),
            record: RecordId([1; 16]),
            time: Hlc::at(WallMs(1)),
            author: Author { name: "北".into(), role: "doctor".into() },
            source: None,
            statements: vec![statement],
        };
        let area = Area::new("shared/miura").unwrap();
        let mut add = |lane: [u8; 32], seq, leaf| {
            let (device, leaf) = (DeviceId([2; 32]), Digest([leaf; 32]));
            let standing = Standing::Verified;
            facts.insert_body(LaneId(lane), device, &area, standing, seq, &leaf, &body).unwrap();
        };
        let mut near = [0xAB; 32];
        near[4] = 0;
        add([0xAB; 32], 7, 1);
        add([0xAB; 32], 9, 1);
        add([0xAB; 32], 9, 2);
        add(near, 9, 3);
        facts
    }

    #[test]
    fn a_name_is_read_whole_or_by_its_beginning() {
        let facts = facts();
        let at = |seq| Position { lane: LaneId([0xAB; 32]), seq, index: 0 };
        let whole = format!("{}:7:0", LaneId([0xAB; 32]));
        for name in [whole.as_str(), "abab:7:0", "ABABABAB:7", "abab:7"] {
            assert_eq!(statement_in(&facts, name).unwrap(), at(7), "{name}");
        }
        assert_eq!(statement_in(&facts, "ababababab:9:0").unwrap(), at(9), "two branches, one place");
        let several = statement_in(&facts, "abab:9:0").unwrap_err().to_string();
        assert!(several.contains("several statements"), "{several}");
        for wrong in ["", "aba:7:0", "zzzz:7:0", "abab", "abab:7:0:0", "abab:-7:0", "abab:x", "abab::0"] {
            let error = statement_in(&facts, wrong).unwrap_err();
            assert!(matches!(error, ReplicaError::Call(_)), "{wrong}: {error}");
        }
        for absent in ["abab:8:0", "abab:7:1", "abac:7:0"] {
            let error = statement_in(&facts, absent).unwrap_err();
            assert!(matches!(error, ReplicaError::NothingToFollow { .. }), "{absent}: {error}");
        }
    }
}
