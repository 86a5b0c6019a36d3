//! Facts for tests: a story of statements written at a few sites.

use serde_json::{Value, json};

use super::build;
use super::build::care::StayKind;
use super::build::observations::VitalSign;
use super::facts::{Facts, Standing};
use super::json::canonical;
use super::sections::consent::{ConsentKind, ConsentLevel};
use super::sections::resuscitation::Order;
use super::sections::triage::Colour;
use super::statement::{Act, Author, FactsBody, FollowRef, Informant, LeafCheck, Position, Salt, Statement};
use super::view::RecordView;
use crate::base::{Area, DeviceId, Digest, Hlc, LaneId, RecordId, WallMs, hash_tagged};

/// When resources say that they were made.
pub(super) const NOW: WallMs = WallMs(1_795_000_000_000);
/// The record that every story is about.
pub(super) const RECORD: RecordId = RecordId([0x11; 16]);

/// One entry of one site's lane.
#[derive(Clone)]
pub(super) struct Written {
    /// The site's number, which is its lane too.
    pub(super) site: u8,
    /// The place in the lane.
    pub(super) seq: u64,
    /// The leaf hash.
    pub(super) leaf: Digest,
    /// Whether it stands on undisputed ground.
    pub(super) standing: Standing,
    /// The body.
    pub(super) body: FactsBody,
}

/// Statements in the order in which they were written; a handle is the number of a statement.
#[derive(Debug, Clone, Default)]
pub(super) struct Story {
    /// The entries, each of one statement.
    pub(super) entries: Vec<Written>,
}

impl Written {
    /// Returns where its statement stands.
    pub(super) fn position(&self) -> Position {
        Position { lane: lane(self.site), seq: self.seq, index: 0 }
    }

    /// Returns the reference by which others follow its statement.
    pub(super) fn follow_ref(&self) -> FollowRef {
        let check = LeafCheck(self.leaf.0[..8].try_into().unwrap());
        FollowRef { lane: Some(lane(self.site)), seq: self.seq, index: 0, check }
    }
}

impl Story {
    /// Writes a native statement at a site, following others by their handles.
    pub(super) fn write(&mut self, site: u8, act: Act, follows: &[usize], resource: &Value) -> usize {
        let follows = follows.iter().map(|handle| self.entries[*handle].follow_ref()).collect();
        self.push(site, act, None, follows, resource)
    }

    /// Writes a native statement in a role other than a doctor's.
    pub(super) fn write_as(
        &mut self,
        role: &str,
        site: u8,
        act: Act,
        follows: &[usize],
        resource: &Value,
    ) -> usize {
        let follows = follows.iter().map(|handle| self.entries[*handle].follow_ref()).collect();
        self.push_as(role, site, act, None, follows, resource)
    }

    /// Imports a resource of a source at a site.
    pub(super) fn import(&mut self, site: u8, source: &str, follows: &[usize], resource: &Value) -> usize {
        let follows = follows.iter().map(|handle| self.entries[*handle].follow_ref()).collect();
        self.push(site, Act::Assert, Some(source), follows, resource)
    }

    /// Imports versions of a resource at two sites, of which the second met the last before the first: they follow each
    /// other in a circle, and none hides another. Returns the handle of each.
    pub(super) fn import_crosswise(&mut self, source: &str, versions: &[Value]) -> Vec<usize> {
        let mut versions = versions.to_vec();
        for (number, version) in versions.iter_mut().enumerate() {
            version["id"] = json!("crosswise");
            version["meta"] = json!({ "versionId": number.to_string() });
        }
        let mut handles: Vec<usize> = Vec::new();
        for version in &versions {
            let before: Vec<usize> = handles.last().copied().into_iter().collect();
            handles.push(self.import(1, source, &before, version));
        }
        let last = self.import(2, source, &[], versions.last().unwrap());
        self.import(2, source, &[last], &versions[0]);
        handles
    }

    /// Writes a statement with any follows.
    pub(super) fn push(
        &mut self,
        site: u8,
        act: Act,
        source: Option<&str>,
        follows: Vec<FollowRef>,
        resource: &Value,
    ) -> usize {
        self.push_as("doctor", site, act, source, follows, resource)
    }

    fn push_as(
        &mut self,
        role: &str,
        site: u8,
        act: Act,
        source: Option<&str>,
        mut follows: Vec<FollowRef>,
        resource: &Value,
    ) -> usize {
        follows.sort_unstable();
        let number = self.entries.len() as u64;
        let resource = canonical(&resource.to_string()).unwrap();
        let body = FactsBody {
            version: FactsBody::VERSION,
            salt: Salt(number.to_be_bytes()),
            record: RECORD,
            time: Hlc::at(WallMs(1_795_000_000_000 + number * 60_000)),
            author: Author { name: format!("writer {site}"), role: role.to_owned() },
            source: source.map(str::to_owned),
            statements: vec![Statement {
                act,
                informant: Informant::Clinician,
                follows,
                reason: (act == Act::Refute).then(|| "負荷試験で陰性".to_owned()),
                resource,
            }],
        };
        body.check().unwrap();
        let seq = 1 + self.entries.iter().filter(|entry| entry.site == site).count() as u64;
        let leaf = hash_tagged("test.leaf", &[&[site], &body.to_bytes()]);
        self.entries.push(Written { site, seq, leaf, standing: Standing::Verified, body });
        self.entries.len() - 1
    }

    /// Marks a statement as disputed.
    pub(super) fn dispute(&mut self, handle: usize) {
        self.entries[handle].standing = Standing::Disputed;
    }

    /// Returns the facts of all statements.
    pub(super) fn facts(&self) -> Facts {
        facts_of(&self.entries)
    }

    /// Returns the facts of some statements.
    pub(super) fn facts_of(&self, handles: &[usize]) -> Facts {
        facts_of(&handles.iter().map(|handle| self.entries[*handle].clone()).collect::<Vec<_>>())
    }

    /// Returns the view of all statements.
    pub(super) fn view(&self) -> RecordView {
        RecordView::of(&self.facts())
    }

    /// Returns where a statement stands.
    pub(super) fn position(&self, handle: usize) -> Position {
        self.entries[handle].position()
    }
}

/// Shows the resource too: everything here is invented.
impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let statement = &self.body.statements[0];
        write!(f, "{}#{} {:?} {statement:?} {}", self.site, self.seq, self.standing, statement.resource)
    }
}

/// Returns the facts of entries, inserted in the given order.
pub(super) fn facts_of(entries: &[Written]) -> Facts {
    let mut facts = Facts::new(RECORD);
    for entry in entries {
        insert(&mut facts, entry);
    }
    facts
}

/// Inserts one entry.
pub(super) fn insert(facts: &mut Facts, entry: &Written) {
    let device = DeviceId([entry.site; 32]);
    facts
        .insert_body(
            lane(entry.site),
            device,
            &Area::common(),
            entry.standing,
            entry.seq,
            &entry.leaf,
            &entry.body,
        )
        .unwrap();
}

/// Returns a site's lane.
pub(super) fn lane(site: u8) -> LaneId {
    LaneId([site; 32])
}

/// An allergy to a substance.
pub(super) fn allergy(substance: &str) -> Value {
    json!({"resourceType": "AllergyIntolerance", "code": {"text": substance}})
}

/// The statement that no allergy is known, as systems write it: resolved.
pub(super) fn no_known_allergy() -> Value {
    json!({
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"code": "resolved"}]},
        "code": {"text": "アレルギー歴なし", "coding": [{"system": "http://snomed.info/sct", "code": "716186003"}]},
    })
}

/// An order of a drug with a status and a dose.
pub(super) fn order(drug: &str, status: &str, dose: &str) -> Value {
    json!({
        "resourceType": "MedicationRequest", "status": status, "intent": "order",
        "medicationCodeableConcept": {"text": drug}, "dosageInstruction": [{"text": dose}],
    })
}

/// A problem with a clinical status.
pub(super) fn problem(name: &str, status: &str) -> Value {
    json!({
        "resourceType": "Condition", "code": {"text": name, "coding": [{"system": "icd", "code": name}]},
        "clinicalStatus": {"coding": [{"code": status}]},
    })
}

/// A note with a text.
pub(super) fn note(text: &str) -> Value {
    let data = data_encoding::BASE64.encode(text.as_bytes());
    json!({
        "resourceType": "DocumentReference", "docStatus": "final",
        "content": [{"attachment": {"contentType": "text/plain", "data": data, "title": "経過記録"}}],
    })
}

/// A triage assessment of a colour.
pub(super) fn triage(colour: &str) -> Value {
    let colour = Colour::of_name(colour).unwrap();
    read(&build::observations::triage(&RECORD, NOW, "writer", colour, None))
}

/// A blood type in words.
pub(super) fn blood(group: &str) -> Value {
    read(&build::observations::blood_type(&RECORD, NOW, "writer", group))
}

/// A resuscitation status.
pub(super) fn resuscitation(order: Order) -> Value {
    read(&build::consents::resuscitation(&RECORD, NOW, "writer", order))
}

/// A consent.
pub(super) fn consent(kind: ConsentKind, level: ConsentLevel) -> Value {
    read(&build::consents::consent(&RECORD, NOW, "writer", kind, level, None))
}

/// A stay at a place, or that it is over.
pub(super) fn stay(place: &str, left: bool) -> Value {
    read(&build::care::movement(&RECORD, NOW, "writer", place, StayKind::Field, left))
}

/// A dose of a drug at a minute.
pub(super) fn dose(drug: &str, minute: u64) -> Value {
    let time = build::fhir_time(WallMs(NOW.0 + minute * 60_000));
    read(&build::care::administration(&RECORD, &time, "writer", drug, None, None))
}

/// An immunisation with a lot.
pub(super) fn shot(vaccine: &str, lot: &str) -> Value {
    let time = build::fhir_time(NOW);
    read(&build::care::immunisation(&RECORD, &time, "writer", vaccine, None, Some(lot)))
}

/// A pulse at a minute.
pub(super) fn pulse(value: u64, minute: u64) -> Value {
    let time = WallMs(NOW.0 + minute * 60_000);
    read(&build::observations::vital(&RECORD, time, "writer", VitalSign::Pulse, &value.to_string()).unwrap())
}

/// A potassium of a specimen.
pub(super) fn potassium(value: &str, tube: &str) -> Value {
    json!({
        "resourceType": "Observation", "status": "final", "valueString": value,
        "code": {"text": "K", "coding": [{"system": "urn:lab", "code": "K"}]},
        "effectiveDateTime": "2026-11-18T20:00:00+09:00",
        "specimen": {"identifier": {"system": "urn:tube", "value": tube}},
    })
}

fn read(resource: &str) -> Value {
    serde_json::from_str(resource).unwrap()
}
