//! Deciding: listing the contradictions that wait for a person, and settling one.

use std::collections::BTreeSet;

use super::answer::{Decided, DecisionShown, Decisions, SideShown};
use super::core::Replica;
use super::error::ReplicaError;
use super::guarding::Stops;
use super::request::Progress;
use super::subject::Subject;
use super::writing::{Draft, Target, follow_shown};
use crate::base::RecordId;
use crate::record::sections::medication;
use crate::record::{Act, Author, Informant, OpenDecision, RecordView, decision};

/// Records read between two words about how far a listing is.
const TOLD_EVERY: usize = 1_000;

impl Replica {
    /// Lists what waits for a decision, of one person or of all that this replica holds, the most harmful first. Linked
    /// records are one person, listed once. Of all records each is read.
    ///
    /// # Errors
    /// When the store fails.
    pub fn decisions(
        &self,
        record: Option<RecordId>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Decisions, ReplicaError> {
        let records = match record {
            Some(record) => [record].into(),
            None => self.records()?,
        };
        let (of, mut open, mut told) = (records.len(), Vec::new(), BTreeSet::new());
        for (done, record) in records.into_iter().enumerate() {
            if done % TOLD_EVERY == 0 && of > TOLD_EVERY {
                let (doing, unit) = ("reading records".to_owned(), "records".to_owned());
                progress(Progress { doing, done: done as u64, of: of as u64, unit });
            }
            if told.contains(&record) {
                continue;
            }
            let person = self.person_facts(&record, None)?;
            told.extend(person.records());
            let facts = person.joined();
            let view = self.view(&facts);
            let name = name_of(&view);
            open.extend(decision::open(&facts, &view).iter().map(|one| shown(&record, &name, one)));
        }
        open.sort_by(|a, b| (a.harm, a.record, &a.decision).cmp(&(b.harm, b.record, &b.decision)));
        Ok(Decisions { open })
    }

    /// Settles a contradiction of a person: writes a statement that follows all its sides and says what the `keep`th of
    /// them says, counted from 1, into the record of that side. The others stay in the history. To keep a drug being
    /// given that is contraindicated needs a reason for that, too, as an order does: `overriding`. Of sides that a forked
    /// lane has at one position each is settled by a statement of its own; the last one is what stands.
    ///
    /// # Errors
    /// When nothing of that name is open, there is no such side or no reason, what is kept is contraindicated, or the
    /// disk fails. Then nothing was written; nor is it when the contradiction has changed since it was listed: the
    /// answer shows it as it is now.
    pub fn decide(
        &self,
        record: &RecordId,
        name: &str,
        keep: usize,
        reason: String,
        author: Author,
        overriding: Option<&str>,
    ) -> Result<Decided, ReplicaError> {
        if reason.trim().is_empty() {
            return Err(ReplicaError::Call("a decision needs its reason: --reason TEXT".to_owned()));
        }
        let subject = Subject::new(self, record);
        let facts = subject.facts()?.joined();
        let view = self.view(&facts);
        let open = decision::open(&facts, &view);
        let Some(decision) = open.iter().find(|one| one.name == name) else {
            let changed = open.iter().find(|one| one.is_about(name)).ok_or_else(|| {
                let what = format!("open decision '{name}'");
                ReplicaError::NothingToFollow { record: *record, what }
            })?;
            return Ok(Decided { written: None, changed: Some(shown(record, &name_of(&view), changed)) });
        };
        let follow = keep.checked_sub(1).and_then(|side| decision.follow(side));
        let Some((follow, kept)) = follow.and_then(|follow| Some((follow, facts.followed(&follow)?))) else {
            let sides = decision.sides.len();
            let message = format!("decision {name} has sides 1 to {sides}, and {keep} is none of them");
            return Err(ReplicaError::Call(message));
        };
        let draft = Draft {
            act: Act::Decide,
            informant: Informant::Clinician,
            // What is kept stands first, so that of several at one position the others are what it is decided against.
            follows: std::iter::once(follow)
                .chain(follow_shown(decision.sides.iter().map(|side| &side.source)))
                .collect(),
            reason: Some(reason),
            resource: kept.statement.resource.clone(),
        };
        let target = Target { record: kept.record, area: self.area_of(&kept.record)?, author };
        let written = match medication::is_giving(kept) {
            true => self.order(&subject, target, draft, Stops::Any, overriding)?,
            false => self.state(&subject, target, draft)?,
        };
        Ok(Decided { written: Some(written), changed: None })
    }
}

/// The patient's name, as first known.
fn name_of(view: &RecordView) -> String {
    view.demographics.names.first().map(|name| name.full.clone()).unwrap_or_default()
}

fn shown(record: &RecordId, patient: &str, decision: &OpenDecision) -> DecisionShown {
    let side = |side: &crate::record::source::Side| SideShown {
        says: side.says.clone(),
        who: side.source.who.clone(),
        role: side.source.role.clone(),
        time: side.source.time.wall(),
        reason: side.source.reason.clone(),
        statement: side.source.positions.first().map(Replica::statement_name).unwrap_or_default(),
    };
    DecisionShown {
        record: *record,
        patient: patient.to_owned(),
        decision: decision.name.clone(),
        section: decision.section.name().to_owned(),
        kind: decision.kind.to_owned(),
        harm: decision.harm,
        summary: decision.summary.clone(),
        sides: decision.sides.iter().map(side).collect(),
    }
}
