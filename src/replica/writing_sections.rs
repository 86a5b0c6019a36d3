//! What people write into the sections that have a form of their own: which statements each follows, and its
//! resource.
//!
//! A triage colour, a movement and a consent follow all that is known here of the same thing: whoever writes has seen
//! it. Doses, vital signs and immunisations follow nothing: each is a new one. A blood type or resuscitation status
//! follows what stands only when it says that it decides.

use super::error::ReplicaError;
use super::section_write::SectionWrite;
use super::writing::{Draft, coding, follow_shown};
use crate::base::{RecordId, WallMs};
use crate::record::build::care::{self, StayKind};
use crate::record::build::nursing;
use crate::record::build::observations::{self, VitalSign};
use crate::record::build::{YJ_SYSTEM, consents};
use crate::record::facts::Facts;
use crate::record::sections::blood_type;
use crate::record::sections::care_level::CareLevel;
use crate::record::sections::consent::{ConsentKind, ConsentLevel};
use crate::record::sections::resuscitation::Order;
use crate::record::sections::triage::Colour;
use crate::record::source::Side;
use crate::record::{Act, Author, FollowRef, Informant, RecordView, json};

/// Drafts what is written into a section of a record whose facts are known here.
///
/// # Errors
/// [`ReplicaError::Call`] naming what cannot be understood.
pub(super) fn draft(
    record: &RecordId,
    facts: &Facts,
    now: WallMs,
    author: &Author,
    write: &SectionWrite,
) -> Result<Draft, ReplicaError> {
    let view = RecordView::of(facts);
    let name = author.name.as_str();
    Ok(match write {
        SectionWrite::Triage { colour, method } => {
            let colour = Colour::of_name(colour)
                .ok_or_else(|| unknown("a triage colour", colour, "red, yellow, green or black"))?;
            let standing = view.triage.assessments.iter().filter(|one| one.stands);
            let follows = follow_shown(standing.map(|one| &one.source));
            observed(changed(follows), observations::triage(record, now, name, colour, method.as_deref()))
        }
        SectionWrite::Vital { sign, value } => {
            let kinds = "pulse, breathing, temperature, spo2, blood-pressure or gcs";
            let sign = VitalSign::of_name(sign).ok_or_else(|| unknown("a vital sign", sign, kinds))?;
            let built = observations::vital(record, now, name, sign, value);
            let built = built.map_err(|error| ReplicaError::Call(error.to_string()))?;
            observed((Act::Assert, Vec::new()), built)
        }
        SectionWrite::BloodType { group, confirm } => {
            if !blood_type::is_readable(group) {
                return Err(unknown("a blood type", group, "A, B, AB or O, with + or - where RhD is known"));
            }
            let decided = decided(&view.blood_type.sides, *confirm);
            observed(decided, observations::blood_type(record, now, name, group))
        }
        SectionWrite::Resuscitation { attempt, confirm } => {
            let order = if *attempt { Order::Attempt } else { Order::DoNotAttempt };
            let decided = decided(&view.resuscitation.sides, *confirm);
            said(decided, consents::resuscitation(record, now, name, order))
        }
        SectionWrite::Move { place, kind, left } => {
            let kind = match kind.as_str() {
                "inpatient" => StayKind::Inpatient,
                "emergency" => StayKind::Emergency,
                "field" => StayKind::Field,
                "home" => StayKind::Home,
                other => {
                    return Err(unknown("a kind of place", other, "inpatient, emergency, field or home"));
                }
            };
            let follows = follow_shown(view.whereabouts.current.iter().map(|stay| &stay.source));
            let act = if *left { Act::Stop } else { changed(follows.clone()).0 };
            observed((act, follows), care::movement(record, now, name, place, kind, *left))
        }
        SectionWrite::Administration { drug, code, dose, at } => {
            let yj = match code.as_deref().map(|code| code.rsplit_once('|').unwrap_or((YJ_SYSTEM, code))) {
                None => None,
                Some((YJ_SYSTEM, yj)) => Some(yj),
                Some((other, _)) => return Err(unknown("a YJ code", other, YJ_SYSTEM)),
            };
            let given = moment(now, at.as_deref())?;
            let built = care::administration(record, &given, name, drug, yj, dose.as_deref());
            observed((Act::Assert, Vec::new()), built)
        }
        SectionWrite::Immunisation { vaccine, code, lot, at } => {
            let (code, given) = (code.as_deref().map(coding).transpose()?, moment(now, at.as_deref())?);
            let built = care::immunisation(record, &given, name, vaccine, code.as_ref(), lot.as_deref());
            observed((Act::Assert, Vec::new()), built)
        }
        SectionWrite::CareLevel { level, since } => {
            let known = "非該当, 要支援1 to 要支援2, 要介護1 to 要介護5";
            let level = CareLevel::of_words(level).ok_or_else(|| unknown("a care level", level, known))?;
            let standing = view.care_level.certified.iter().filter(|one| one.stands);
            let follows = follow_shown(standing.map(|one| &one.source));
            let (act, follows) = changed(follows);
            let resource = nursing::care_level(record, now, name, level, since.as_deref());
            Draft { act, informant: Informant::Clinician, follows, reason: None, resource }
        }
        SectionWrite::Adl { score } => {
            let built = nursing::barthel(record, now, name, *score).ok_or_else(|| {
                let score = score.to_string();
                unknown("a Barthel index", &score, "0 to 100 in steps of five")
            })?;
            observed((Act::Assert, Vec::new()), built)
        }
        SectionWrite::NursingNote { text } => {
            observed((Act::Assert, Vec::new()), nursing::nursing_note(record, now, name, text))
        }
        SectionWrite::Consent { kind, level, limits } => {
            let found =
                [ConsentKind::Sharing, ConsentKind::Backup].into_iter().find(|one| one.name() == kind);
            let kind = found.ok_or_else(|| unknown("a consent", kind, "sharing or backup"))?;
            let levels = [ConsentLevel::Permitted, ConsentLevel::Limited, ConsentLevel::Withdrawn];
            let found = levels.into_iter().find(|known| known.name() == level);
            let level = found.ok_or_else(|| unknown("a width", level, "permitted, limited or withdrawn"))?;
            if level == ConsentLevel::Limited && limits.is_none() {
                return Err(ReplicaError::Call("a limited consent says what it allows".to_owned()));
            }
            let known = view.consents.iter().filter(|one| one.kind == kind).flat_map(|one| &one.sides);
            let follows = follow_shown(known.map(|side| &side.source));
            said(changed(follows), consents::consent(record, now, name, kind, level, limits.as_deref()))
        }
    })
}

fn unknown(what: &str, given: &str, known: &str) -> ReplicaError {
    let given: String = given.chars().take(40).collect();
    ReplicaError::Call(format!("'{given}' is not {what}: {known}"))
}

fn changed(follows: Vec<FollowRef>) -> (Act, Vec<FollowRef>) {
    (if follows.is_empty() { Act::Assert } else { Act::Change }, follows)
}

/// Follows what stands and decides it, or stands beside it.
fn decided(sides: &[Side], confirm: bool) -> (Act, Vec<FollowRef>) {
    let follows = if confirm { follow_shown(sides.iter().map(|side| &side.source)) } else { Vec::new() };
    (if follows.is_empty() { Act::Assert } else { Act::Decide }, follows)
}

fn observed((act, follows): (Act, Vec<FollowRef>), resource: String) -> Draft {
    Draft { act, informant: Informant::Observed, follows, reason: None, resource }
}

fn said((act, follows): (Act, Vec<FollowRef>), resource: String) -> Draft {
    Draft { act, informant: Informant::Patient, follows, reason: None, resource }
}

fn moment(now: WallMs, at: Option<&str>) -> Result<String, ReplicaError> {
    if at.is_some_and(|at| at.parse::<jiff::Timestamp>().is_err()) {
        let message = "a time needs its date and offset, as in 2026-11-22T16:40:00+09:00".to_owned();
        return Err(ReplicaError::Call(message));
    }
    Ok(care::given_at(now, at))
}

/// Returns the part in which a resource travels.
pub(super) fn part_of_resource(resource: &str) -> crate::base::Part {
    let [resource_type] = json::top_strings(resource, ["resourceType"]).unwrap_or_default();
    crate::record::place_of(&resource_type.unwrap_or_default(), resource).part
}
