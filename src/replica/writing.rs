//! What people write: each request becomes one entry of this device's own lane, durable before it is answered.

use std::collections::BTreeSet;

use super::answer::Written;
use super::appending::Destination;
use super::chart_write::ChartWrite;
use super::core::Replica;
use super::environment::EnvironmentRng;
use super::error::ReplicaError;
use super::guarding::Stops;
use super::request::{MedicationAction, NewPatient, Write};
use super::subject::Subject;
use super::writing_sections;
use crate::base::{Area, Hlc, Part, RecordId, WallMs};
use crate::lane::{Entry, EntryKind};
use crate::record::build::{self, AllergyInput, Coding, MedicationChange, MedicationInput, PatientInput};
use crate::record::conflict::Conflict;
use crate::record::sections;
use crate::record::sections::allergies::Criticality;
use crate::record::sections::medication::Medication;
use crate::record::source::Source;
use crate::record::statement::Salt;
use crate::record::{
    Act, Author, FactsBody, FollowRef, Informant, Position, RecordView, Statement, json, kana,
};
use rand_core::Rng as _;

/// Where something is written, and in whose name.
pub(super) struct Target {
    /// The record.
    pub(super) record: RecordId,
    /// The area.
    pub(super) area: Area,
    /// Who writes.
    pub(super) author: Author,
}

/// A statement about to be written.
pub(super) struct Draft {
    /// What it does to its thread.
    pub(super) act: Act,
    /// Where the knowledge comes from.
    pub(super) informant: Informant,
    /// What it follows.
    pub(super) follows: Vec<FollowRef>,
    /// Why, where the act needs a reason.
    pub(super) reason: Option<String>,
    /// The resource, without an id.
    pub(super) resource: String,
}

impl Replica {
    /// Registers a patient in a new record.
    ///
    /// # Errors
    /// When the device may not write in the area, or the disk fails.
    pub fn register(
        &self,
        patient: &NewPatient,
        area: Option<Area>,
        author: Author,
    ) -> Result<Written, ReplicaError> {
        let area = area.map_or_else(|| self.default_area(), Ok)?;
        let mut id = [0; 16];
        self.environment().fill(&mut id);
        let record = RecordId(id);
        let input = PatientInput {
            kanji: Some(parted(&patient.name)),
            kana: patient.kana.as_deref().map(parted),
            birth_date: patient.birth_date.clone(),
            sex: patient.sex.clone(),
            ..PatientInput::default()
        };
        let draft = Draft {
            act: Act::Assert,
            informant: Informant::Clinician,
            follows: Vec::new(),
            reason: None,
            resource: build::patient(&record, &input),
        };
        self.state(&Subject::new(self, &record), Target { record, area, author }, draft)
    }

    /// Writes something into a record.
    ///
    /// # Errors
    /// When there is nothing to follow, the call makes no sense, an order brings a contraindication, or the disk
    /// fails: then nothing was written.
    pub fn write(&self, record: &RecordId, write: Write, author: Author) -> Result<Written, ReplicaError> {
        self.write_overriding(record, write, author, None)
    }

    /// Writes something into a record; `reason` says why an order is written in spite of a contraindication, and is
    /// kept beside it.
    ///
    /// # Errors
    /// As [`Self::write`], which gives no reason.
    pub fn write_overriding(
        &self,
        record: &RecordId,
        write: Write,
        author: Author,
        reason: Option<&str>,
    ) -> Result<Written, ReplicaError> {
        let (subject, now) = (Subject::new(self, record), self.environment().now());
        let draft = match write {
            Write::Handover { text } => return self.write_handover(record, &text, author),
            Write::Annotation { anchor, text } => {
                let comment = ChartWrite::Comment { at: anchor, text };
                return self.write_chart(record, comment, author).map(Written::from);
            }
            Write::Note { text, title } => {
                let title = title.unwrap_or_else(|| "経過記録".to_owned());
                Draft {
                    act: Act::Assert,
                    informant: Informant::Clinician,
                    follows: Vec::new(),
                    reason: None,
                    resource: build::note(record, now, &author.name, &title, &text),
                }
            }
            Write::Section(write) => {
                writing_sections::draft(record, subject.facts()?.own(), now, &author, &write)?
            }
            Write::Allergy { substance, code, criticality, refute } => {
                allergy(&subject, now, substance, code, criticality, refute)?
            }
            Write::Medication { action, drug, code, dose, reason: why } => {
                let input = MedicationInput { drug, yj: yj(code)?, dose, change: change_of(action) };
                let (draft, told) = medication(&subject, now, &author, action, &input, why)?;
                let target = Target { record: *record, area: self.area_of(record)?, author };
                let mut written = match action {
                    MedicationAction::Start | MedicationAction::Change => {
                        self.order(&subject, target, draft, Stops::New, reason)
                    }
                    MedicationAction::Hold | MedicationAction::Stop => self.state(&subject, target, draft),
                }?;
                written.warnings.extend(told);
                return Ok(written);
            }
        };
        let area = self.area_of(record)?;
        self.state(&subject, Target { record: *record, area, author }, draft)
    }

    /// Writes an order, once the checks have nothing against it or a reason is given.
    pub(super) fn order(
        &self,
        subject: &Subject<'_>,
        target: Target,
        draft: Draft,
        stops: Stops,
        reason: Option<&str>,
    ) -> Result<Written, ReplicaError> {
        let (id, part, order) = self.statement(subject, &target, draft)?;
        let guarded = self.guard(subject, &target, &order, stops, reason)?;
        let mut issues = guarded.issues;
        for issue in &mut issues {
            issue.resource = with_id(&issue.resource, &self.fresh_id())?;
        }
        let record = target.record;
        let (position, time) = self.append_statements(subject, target, part, order, issues)?;
        Ok(Written {
            record,
            statement: Some(Self::statement_name(&position)),
            resource_id: Some(id),
            time,
            warnings: guarded.warnings,
        })
    }

    /// Writes one statement and says what a clinician should know at once.
    pub(super) fn state(
        &self,
        subject: &Subject<'_>,
        target: Target,
        draft: Draft,
    ) -> Result<Written, ReplicaError> {
        let record = target.record;
        let (id, part, statement) = self.statement(subject, &target, draft)?;
        let (position, time) = self.append_statements(subject, target, part, statement, Vec::new())?;
        Ok(Written {
            record,
            statement: Some(Self::statement_name(&position)),
            resource_id: Some(id),
            time,
            warnings: self.told_of(&record, &position),
        })
    }

    /// Makes the statement of a draft: the resource gets its id, and goes where it travels.
    fn statement(
        &self,
        subject: &Subject<'_>,
        target: &Target,
        draft: Draft,
    ) -> Result<(String, Part, Statement), ReplicaError> {
        let id = self.fresh_id();
        let resource = self.written_in_view(subject, &target.record, with_id(&draft.resource, &id)?)?;
        let part = writing_sections::part_of_resource(&resource);
        let Draft { act, informant, follows, reason, .. } = draft;
        Ok((id, part, Statement { act, informant, follows, reason, resource }))
    }

    /// Appends a statement with others `beside` it as one entry; returns where the first stands. What follows several
    /// statements at one position of a forked lane takes more entries, the last of which has them all.
    fn append_statements(
        &self,
        subject: &Subject<'_>,
        target: Target,
        part: Part,
        statement: Statement,
        beside: Vec<Statement>,
    ) -> Result<(Position, WallMs), ReplicaError> {
        let knowing = self.areas_seen(subject)?;
        let Target { record, area, author } = target;
        let mut inner = self.lock();
        let time = inner.clock.tick(self.environment().now());
        let into = Destination { area, part, knowing };
        let place = self.append_following(&mut inner, &into, &statement.follows, |follows, is_last| {
            let mut statements = vec![Statement { follows, ..statement.clone() }];
            statements.extend(beside.iter().filter(|_| is_last).cloned());
            Ok(vec![facts_entry(self, record, time, author.clone(), None, statements)?])
        })?;
        drop(inner);
        Ok((Position { lane: place.lane, seq: place.seq, index: 0 }, time.wall()))
    }

    /// The area in which a record is written on: a shared one of those where it has entries, else any.
    pub(super) fn area_of(&self, record: &RecordId) -> Result<Area, ReplicaError> {
        let areas = self.areas_of(record)?;
        let own = self.areas();
        let mut here = areas.iter().filter(|area| own.contains(*area));
        let shared = here.clone().find(|area| !area.is_private());
        shared.or_else(|| here.next()).cloned().map_or_else(|| self.default_area(), Ok)
    }

    pub(super) fn fresh_id(&self) -> String {
        let mut bytes = [0; 16];
        EnvironmentRng(self.environment()).fill_bytes(&mut bytes);
        crate::base::id::hex(&bytes)
    }
}

/// Makes a facts entry.
///
/// # Errors
/// When the body breaks a rule of its format.
pub(super) fn facts_entry(
    replica: &Replica,
    record: RecordId,
    time: Hlc,
    author: Author,
    source: Option<String>,
    statements: Vec<Statement>,
) -> Result<Entry, ReplicaError> {
    let mut salt = Salt([0; 8]);
    replica.environment().fill(&mut salt.0);
    let body = FactsBody { version: FactsBody::VERSION, salt, record, time, author, source, statements };
    body.check().map_err(|error| ReplicaError::Call(error.to_string()))?;
    Ok(Entry { kind: EntryKind::FACTS, body: body.to_bytes() })
}

/// Makes the references to what is shown, all copies of it, in ascending order.
pub(super) fn follow_shown<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Vec<FollowRef> {
    let follows: BTreeSet<FollowRef> =
        sources.into_iter().flat_map(|source| &source.copies).copied().collect();
    follows.into_iter().collect()
}

fn allergy(
    subject: &Subject<'_>,
    now: WallMs,
    substance: String,
    code: Option<String>,
    criticality: Option<String>,
    refute: Option<String>,
) -> Result<Draft, ReplicaError> {
    let criticality = match criticality.as_deref() {
        None => None,
        Some("high") => Some(Criticality::High),
        Some("low") => Some(Criticality::Low),
        Some("unable-to-assess") => Some(Criticality::UnableToAssess),
        Some(other) => {
            let message = format!("'{other}' is not a criticality: high, low or unable-to-assess");
            return Err(ReplicaError::Call(message));
        }
    };
    let follows = if refute.is_some() {
        let view = RecordView::of(subject.facts()?.own());
        let wanted = kana::fold(&substance);
        let same = view.allergies.active.iter().filter(|allergy| {
            std::iter::once(&allergy.substance).chain(&allergy.also).any(|name| kana::fold(name) == wanted)
        });
        let sources = same.flat_map(|allergy| &allergy.sides).map(|side| &side.source);
        follow(subject.record(), sources, "active allergy to what was named")?
    } else {
        Vec::new()
    };
    let refuted = refute.is_some();
    let coding = code.map(|code| coding(&code)).transpose()?;
    let input = AllergyInput { substance, coding, criticality, reaction: None, refuted };
    Ok(Draft {
        act: if refuted { Act::Refute } else { Act::Assert },
        informant: Informant::Clinician,
        follows,
        reason: refute,
        resource: build::allergy(subject.record(), now, &input),
    })
}

fn active_already(drug: &Medication) -> String {
    let told = format!(
        "この薬はすでに処方中 / this drug is active already: {} {}",
        drug.name,
        drug.doses.join("、")
    );
    told.trim_end().to_owned()
}

fn settles(conflict: &Conflict) -> String {
    format!("これにより矛盾に決着をつけた / this settles what contradicted each other: {}", conflict.summary)
}

fn medication(
    subject: &Subject<'_>,
    now: WallMs,
    author: &Author,
    action: MedicationAction,
    input: &MedicationInput,
    reason: Option<String>,
) -> Result<(Draft, Vec<String>), ReplicaError> {
    let act = match action {
        MedicationAction::Start => Act::Assert,
        MedicationAction::Change => Act::Change,
        MedicationAction::Hold => Act::Hold,
        MedicationAction::Stop => Act::Stop,
    };
    let (list, conflicts) = sections::medication::view(subject.facts()?.own());
    let wanted = kana::fold(&input.drug);
    let is_same = |medication: &&Medication| kana::fold(&medication.name) == wanted;
    let (follows, told) = if action == MedicationAction::Start {
        (Vec::new(), list.active.iter().filter(is_same).map(active_already).collect())
    } else {
        let same = list.active.iter().chain(&list.recorded).filter(is_same);
        let sources: Vec<&Source> = same.flat_map(|one| &one.sides).map(|side| &side.source).collect();
        let is_side = |one: &Position| sources.iter().any(|source| source.positions.contains(one));
        let settled = |conflict: &&Conflict| conflict.open && conflict.statements.iter().any(is_side);
        let told = conflicts.iter().filter(settled).map(settles).collect();
        (follow(subject.record(), sources, "current medication of the name that was given")?, told)
    };
    let draft = Draft {
        act,
        informant: Informant::Clinician,
        follows,
        reason,
        resource: build::medication(subject.record(), now, &author.name, input),
    };
    Ok((draft, told))
}

/// Makes the references to the tips that a statement follows.
fn follow<'a>(
    record: &RecordId,
    sources: impl IntoIterator<Item = &'a Source>,
    what: &str,
) -> Result<Vec<FollowRef>, ReplicaError> {
    let follows = follow_shown(sources);
    if follows.is_empty() {
        return Err(ReplicaError::NothingToFollow { record: *record, what: what.to_owned() });
    }
    Ok(follows)
}

pub(super) fn with_id(resource: &str, id: &str) -> Result<String, ReplicaError> {
    let wrong = |error: &dyn std::fmt::Display| ReplicaError::Call(format!("the resource: {error}"));
    let mut value: serde_json::Value = serde_json::from_str(resource).map_err(|error| wrong(&error))?;
    if let Some(object) = value.as_object_mut() {
        object.insert("id".to_owned(), id.into());
    }
    json::canonical(&value.to_string()).map_err(|error| wrong(&error))
}

fn change_of(action: MedicationAction) -> MedicationChange {
    match action {
        MedicationAction::Start => MedicationChange::Start,
        MedicationAction::Change => MedicationChange::Change,
        MedicationAction::Hold => MedicationChange::Hold,
        MedicationAction::Stop => MedicationChange::Stop,
    }
}

pub(super) fn coding(text: &str) -> Result<Coding, ReplicaError> {
    let (system, code) = text.rsplit_once('|').ok_or_else(|| {
        ReplicaError::Call(format!("'{text}' is not SYSTEM|CODE, such as {}|1149019F1560", build::YJ_SYSTEM))
    })?;
    Ok(Coding { system: system.to_owned(), code: code.to_owned(), display: None })
}

/// A drug's code: a bare YJ code, or one with its system.
fn yj(code: Option<String>) -> Result<Option<String>, ReplicaError> {
    let Some(code) = code else { return Ok(None) };
    match code.rsplit_once('|') {
        None => Ok(Some(code)),
        Some((build::YJ_SYSTEM, yj)) => Ok(Some(yj.to_owned())),
        Some((other, _)) => {
            Err(ReplicaError::Call(format!("drug codes are YJ codes ({}), not {other}", build::YJ_SYSTEM)))
        }
    }
}

fn parted(name: &str) -> (String, String) {
    let name = name.trim();
    let (family, given) = name.split_once([' ', '\u{3000}']).unwrap_or((name, ""));
    (family.to_owned(), given.trim().to_owned())
}
