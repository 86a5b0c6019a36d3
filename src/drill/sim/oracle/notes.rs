//! Signed notes are read word for word, once each; annotations stand where they were made.

use super::super::world::World;
use super::held::Held;
use super::looking::Look;
use crate::base::RecordId;
use crate::drill::invariants::Looked;
use crate::drill::sim::ledger::PersonNo;
use crate::record::sections::notes;
use crate::replica::answer::ChartShown;
use crate::replica::request::Write;

/// So much of a note must be in its excerpt at least, in characters.
const EXCERPT: usize = 40;

/// Compares the notes.
pub(super) fn compare(look: &Look<'_>, seen: &mut Looked) {
    for one in look.held() {
        let Some(Write::Note { text, .. }) = one.write() else { continue };
        let listed: Vec<_> = look.view.notes.iter().filter(|note| note.position == one.position()).collect();
        let read: Vec<String> =
            look.facts.at(one.position()).map(|fact| notes::text_of(&fact.json())).collect();
        let beginning: String = text.chars().take(EXCERPT).collect();
        let right = match (listed.as_slice(), read.as_slice()) {
            ([note], [full]) => full == text && note.excerpt.starts_with(&beginning) && !note.withdrawn,
            (_, _) => false,
        };
        seen.note(right, || look.wrong(&format!("a signed note is listed {} times", listed.len())));
    }
}

impl World<'_> {
    /// Compares the annotations of a record at a machine.
    pub(in crate::drill::sim) fn look_at_charts(
        &self,
        node: usize,
        (person, record): (PersonNo, RecordId),
        charts: &[ChartShown],
        seen: &mut Looked,
    ) {
        if self.is_doubtful(&record) {
            return;
        }
        let held = Held::of(self, node, person, record);
        for one in &held.all {
            let Some(Write::Annotation { anchor, text }) = one.write() else { continue };
            let all = charts.iter().flat_map(|chart| &chart.annotations);
            let shown = all.filter(|shown| shown.anchor == *anchor && shown.text == *text).count();
            let same = |other: &&super::held::One<'_>| matches!(other.write(), Some(Write::Annotation { anchor: at, text: says }) if at == anchor && says == text);
            let written = held.all.iter().filter(same).count();
            seen.note(shown == written, || {
                let name = &self.scenario.replicas[node].name;
                format!("{name}, record {}: {written} annotations, {shown} shown", record.short())
            });
        }
    }
}
