//! Sentences that several people changed apart: showing what each of them left, and saying that one is right as it stands.

use serde::{Deserialize, Serialize};

use super::chart_marks::{Words, place_of};
use super::error::ReplicaError;
use crate::base::WallMs;
use crate::chart::{Apart, ApartSide, ChangeHash, Chart, ChartChange, NoteId, Signing};

/// A sentence that several people changed without having seen one another's changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApartShown {
    /// How it reads, which perhaps nobody wrote.
    pub text: String,
    /// Its characters in the text: the first, and the one behind the last.
    pub range: [usize; 2],
    /// How each of them left it.
    pub sides: Vec<SideLeft>,
}

/// How somebody left a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideLeft {
    /// How it read; empty if they deleted it.
    pub text: String,
    /// Who.
    pub author: String,
    /// When, by the writer's clock.
    pub time: WallMs,
}

impl ApartShown {
    /// Shows sentences, the earliest reading of each first; `who` tells who wrote a change.
    pub(super) fn all(apart: &[Apart], who: impl Fn(&ChangeHash) -> String) -> Vec<Self> {
        let side = |side: &ApartSide| SideLeft {
            text: side.text.clone(),
            author: who(&side.change),
            time: WallMs(u64::try_from(side.time_s).unwrap_or(0).saturating_mul(1_000)),
        };
        let shown = |one: &Apart| {
            let mut sides: Vec<SideLeft> = one.sides.iter().map(side).collect();
            sides.sort_by_key(|side| side.time);
            Self { text: one.text.clone(), range: [one.range.start, one.range.end], sides }
        };
        apart.iter().map(shown).collect()
    }
}

/// Says that the sentence with these words is right as it stands; `signings` are the record's.
///
/// # Errors
/// When the words stand nowhere, or at several places and none is named, or their sentence was not changed apart.
pub(super) fn confirm_words(
    chart: &mut Chart,
    note: Option<&NoteId>,
    words: &Words,
    signings: &[Signing],
    now: WallMs,
) -> Result<Vec<ChartChange>, ReplicaError> {
    let (text, range) = place_of(chart, note, words)?;
    let apart = match note {
        Some(note) => {
            let of_note: Vec<&Signing> = signings.iter().filter(|signing| signing.note == *note).collect();
            chart.note_apart(note, &of_note)?.into_iter().nth(text).unwrap_or_default()
        }
        None => chart.handover_apart()?,
    };
    let is_meant = |one: &&Apart| one.range.start < range.end && range.start < one.range.end;
    let mut changes = Vec::new();
    for at in apart.iter().filter(is_meant).map(|one| one.range.end - 1) {
        changes.extend(match note {
            Some(note) => chart.confirm_note(note, text, at, now.0)?,
            None => chart.confirm_handover(at, now.0)?,
        });
    }
    if changes.is_empty() {
        let message = "these words were not changed by several people apart (別々の変更はありません): \
            there is nothing to confirm";
        return Err(ReplicaError::Call(message.to_owned()));
    }
    Ok(changes)
}

/// Refuses to sign a draft with sentences that were changed apart, unless the signer names the version that was read.
///
/// # Errors
/// When there are such sentences and no version.
pub(super) fn is_read(
    chart: &mut Chart,
    note: &NoteId,
    signings: &[Signing],
    version: Option<&str>,
) -> Result<(), ReplicaError> {
    if version.is_some() {
        return Ok(());
    }
    let of_note: Vec<&Signing> = signings.iter().filter(|signing| signing.note == *note).collect();
    let apart: usize = chart.note_apart(note, &of_note)?.iter().map(Vec::len).sum();
    if apart == 0 {
        return Ok(());
    }
    Err(ReplicaError::Call(format!(
        "draft {}: {apart} of its sentences were changed by several people apart and may say what none of them wrote \
         (別々に変更された文があります). `show` prints them: correct or `confirm` them, or name the version that you have \
         read with --as-read",
        note.as_str()
    )))
}
