//! What a chart shows: hand-over, drafts with their authors, the care plan, comments as threads.
//!
//! A pure function of the chart's changes and the record's signed notes, so all replicas that hold the same show the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answer::ChartShown;
use super::chart_apart::ApartShown;
use super::chart_marks::{MarkShown, SpanShown, marks_shown};
use super::charting::{signed, version_of};
use super::core::Replica;
use super::error::ReplicaError;
use super::knowing::Known;
use super::records::LoadedChart;
use crate::base::{Area, DeviceId, RecordId, WallMs};
use crate::chart::{ChangeHash, Draft, NoteId, Piece, Signing, SpanMark, Tick, visible_text};
use crate::record::facts::{Fact, Facts, Standing};
use crate::record::{Position, fhir};

/// A draft shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftShown {
    /// Its name.
    pub note: String,
    /// The version of its text, which a signing may name.
    pub version: String,
    /// Its text.
    pub text: String,
    /// The same with its marks visible, as `show` prints it.
    #[serde(default)]
    pub visible: String,
    /// The same by who typed what, in the order of the text.
    pub pieces: Vec<PieceShown>,
    /// Who typed what stands there, in the order of their names.
    pub authors: Vec<String>,
    /// When the oldest and the newest of it was typed, by the writers' clocks.
    pub typed: [WallMs; 2],
    /// Some of it was typed while the draft was being signed.
    pub while_signing: bool,
    /// Its sentences that several people changed apart.
    #[serde(default)]
    pub apart: Vec<ApartShown>,
    /// The signed notes that this draft was, as far as they are known here.
    pub signed: Vec<String>,
}

/// Characters of a draft that one author typed side by side and that bear the same marks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceShown {
    /// The characters.
    pub text: String,
    /// The same with its marks visible.
    #[serde(default)]
    pub visible: String,
    /// Its marks.
    #[serde(default)]
    pub marks: Vec<MarkShown>,
    /// Who typed them.
    pub author: String,
    /// They were typed without knowledge of a signing of the draft.
    pub while_signing: bool,
    /// The end of the signed text that stood before them; empty if none did.
    pub after: String,
}

/// A line of the care plan shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanShown {
    /// Its name.
    pub item: String,
    /// What is to be done.
    pub text: String,
    /// Who wrote it.
    pub author: String,
    /// When, by the writer's clock.
    pub time: WallMs,
    /// `open`, `done`, or `disputed`: ticked and taken away at once.
    pub state: String,
    /// Who ticked it and when.
    pub ticked: Vec<(String, WallMs)>,
    /// Of a disputed one, who took the tick away.
    pub against: Vec<String>,
}

/// An annotation shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnotationShown {
    /// Its name, by which it is answered.
    #[serde(default)]
    pub id: String,
    /// The statement or the comment that it stands at.
    pub anchor: String,
    /// What its thread stands at.
    #[serde(default)]
    pub thread: String,
    /// What the statement of its thread is about, in few words.
    #[serde(default)]
    pub about: Option<String>,
    /// How many comments stand above it.
    #[serde(default)]
    pub depth: u32,
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub author: String,
    /// When, by the writer's clock.
    pub time: WallMs,
}

/// A chart that another one has followed, kept aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderChart {
    /// Which one, 0 for the first.
    pub generation: u32,
    /// How many changes it holds.
    pub changes: u64,
}

impl Replica {
    /// Shows the charts of a record, from what was known at a time, or from all.
    ///
    /// # Errors
    /// When the store or the chart library fails.
    pub(crate) fn charts_shown(
        &self,
        record: &RecordId,
        known: Option<&Known>,
    ) -> Result<Vec<ChartShown>, ReplicaError> {
        let charts = self.charts_known(record, known)?;
        if charts.is_empty() {
            return Ok(Vec::new());
        }
        let facts = self.facts_known(record, None, known)?.0;
        charts.into_iter().map(|(area, loaded)| self.chart_shown(area, loaded, &facts)).collect()
    }

    fn chart_shown(
        &self,
        area: Area,
        mut loaded: LoadedChart,
        facts: &Facts,
    ) -> Result<ChartShown, ReplicaError> {
        let signed: Vec<(Position, Signing)> = signings(facts);
        let mut names: BTreeMap<ChangeHash, String> = BTreeMap::new();
        for (change, author, device) in &loaded.writers {
            let name = author.as_ref().map(|author| author.name.clone());
            names.insert(*change, name.unwrap_or_else(|| self.device_name(device)));
        }
        let who = |change: &ChangeHash| names.get(change).cloned().unwrap_or_else(|| "?".to_owned());
        let all: Vec<Signing> = signed.iter().map(|(_, signing)| signing.clone()).collect();
        let drafts = loaded.chart.drafts(&all)?;
        let of_note = |note: &NoteId| {
            let of_note = signed.iter().filter(|(_, signing)| signing.note == *note);
            of_note.map(|(position, _)| Self::statement_name(position)).collect()
        };
        let drafts = drafts.into_iter().map(|draft| draft_shown(&draft, of_note(&draft.id), who)).collect();
        let mut annotations = Vec::new();
        for thread in loaded.chart.comments()? {
            let about = about(facts, &thread.anchor);
            for comment in thread.comments {
                annotations.push(AnnotationShown {
                    id: comment.remark.id.as_str().to_owned(),
                    anchor: comment.remark.anchor,
                    thread: thread.anchor.clone(),
                    about: about.clone(),
                    depth: u32::try_from(comment.depth).unwrap_or(u32::MAX),
                    text: comment.remark.text,
                    author: comment.remark.author,
                    time: WallMs(comment.remark.time_ms),
                });
            }
        }
        let plan = loaded.chart.care_plan()?.into_iter().map(|item| {
            let (state, by, against) = match item.done {
                Tick::Open => ("open", Vec::new(), Vec::new()),
                Tick::Done { by } => ("done", by, Vec::new()),
                Tick::Disputed { by, against } => ("disputed", by, against),
            };
            PlanShown {
                item: item.id.as_str().to_owned(),
                text: item.text,
                author: item.author,
                time: WallMs(item.time_ms),
                state: state.to_owned(),
                ticked: by.into_iter().map(|tick| (tick.by, WallMs(tick.time_ms))).collect(),
                against: against.iter().map(who).collect(),
            }
        });
        let handover = loaded.chart.handover_marked()?;
        let spans = handover.iter().map(|span| (span.text.as_str(), span.marks.as_slice()));
        Ok(ChartShown {
            area,
            handover: loaded.chart.handover()?,
            handover_visible: visible_text(spans, true),
            handover_apart: ApartShown::all(&loaded.chart.handover_apart()?, who),
            handover_spans: handover.iter().map(|span| SpanShown::of(span, who)).collect(),
            drafts,
            plan: plan.collect(),
            annotations,
            generation: loaded.generation,
            older: loaded.older,
            quarantined: loaded.quarantined,
            waiting: loaded.waiting,
        })
    }

    /// The name of a device, or the beginning of its key where no certificate is known.
    pub(super) fn device_name(&self, device: &DeviceId) -> String {
        let roster = self.roster();
        let named = roster.certificates.of_device(device).map(|(_, certificate)| certificate.name.clone());
        named.min().unwrap_or_else(|| device.to_string().chars().take(8).collect())
    }
}

/// The signings that signed notes on undisputed ground tell of.
pub(super) fn signings(facts: &Facts) -> Vec<(Position, Signing)> {
    let verified = signed(facts).filter(|(fact, _)| fact.standing == Standing::Verified);
    let signing = |(fact, signed): (&Fact, crate::record::signed::SignedDraft)| {
        let note = NoteId::new(&signed.note)?;
        let heads = signed.heads.into_iter().map(ChangeHash).collect();
        Some((fact.position, Signing { note, heads, taken: ChangeHash(signed.taken) }))
    };
    verified.filter_map(signing).collect()
}

fn draft_shown(draft: &Draft, signed: Vec<String>, who: impl Fn(&ChangeHash) -> String) -> DraftShown {
    let all: Vec<&Piece> = draft.texts.iter().flatten().collect();
    let mut pieces: Vec<PieceShown> = Vec::new();
    let mut marks: Vec<&[SpanMark]> = Vec::new();
    for text in &draft.texts {
        let mut begins = true;
        for piece in text {
            let author = who(&piece.change);
            let same_marks = marks.last().is_some_and(|last| **last == *piece.marks);
            let joins = |last: &&mut PieceShown| {
                !begins
                    && piece.after.is_empty()
                    && same_marks
                    && (&last.author, last.while_signing) == (&author, piece.while_signing)
            };
            match pieces.last_mut().filter(joins) {
                Some(last) => last.text.push_str(&piece.text),
                None => {
                    marks.push(&piece.marks);
                    pieces.push(PieceShown {
                        text: piece.text.clone(),
                        visible: String::new(),
                        marks: marks_shown(&piece.marks, &who),
                        author,
                        while_signing: piece.while_signing,
                        after: piece.after.clone(),
                    });
                }
            }
            begins = false;
        }
    }
    for (piece, marks) in pieces.iter_mut().zip(marks) {
        piece.visible = visible_text([(piece.text.as_str(), marks)], true);
    }
    let authors: BTreeSet<String> = pieces.iter().map(|piece| piece.author.clone()).collect();
    let time = |time_s: Option<i64>| WallMs(u64::try_from(time_s.unwrap_or(0)).unwrap_or(0) * 1_000);
    let times = || all.iter().map(|piece| piece.time_s);
    DraftShown {
        note: draft.id.as_str().to_owned(),
        version: version_of(&draft.visible_text(false)),
        text: draft.text(),
        visible: draft.visible_text(true),
        while_signing: all.iter().any(|piece| piece.while_signing),
        apart: ApartShown::all(&draft.apart, who),
        pieces,
        authors: authors.into_iter().collect(),
        typed: [time(times().min()), time(times().max())],
        signed,
    }
}

/// Says in few words what a statement is, by its own words.
fn about(facts: &Facts, anchor: &str) -> Option<String> {
    let fact = facts.iter().find(|fact| Replica::statement_name(&fact.position) == anchor)?;
    let json = fact.json();
    let paths = ["type", "code", "medicationCodeableConcept", "vaccineCode"];
    let named = paths.iter().find_map(|path| fhir::concept(fhir::at(&json, &[path])));
    Some(named.unwrap_or_else(|| fact.resource_type.clone()))
}
