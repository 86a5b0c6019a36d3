//! What anybody typed at the end of a hand-over text stands there, in one piece, wherever the typing is held: unless
//! somebody who held it wrote the text anew, without it.

use std::collections::BTreeSet;

use super::super::ledger::PersonNo;
use super::super::world::World;
use super::held::Held;
use crate::base::RecordId;
use crate::drill::invariants::Looked;
use crate::replica::request::Write;

/// What was written into a hand-over text.
#[derive(Debug, Clone)]
pub(in crate::drill::sim) struct HandedOver {
    /// Its place in the ledger.
    pub(in crate::drill::sim) number: usize,
    /// What was typed after all that stood there; none when the text was written anew.
    pub(in crate::drill::sim) typed: Option<String>,
}

impl World<'_> {
    /// Notes that a hand-over text was written, where this text was read before.
    pub(in crate::drill::sim) fn handed_over(&mut self, text: &str, read: &str) {
        let Some(number) = self.ledger.writes().len().checked_sub(1) else { return };
        let typed = text.strip_prefix(read).filter(|typed| !typed.is_empty()).map(str::to_owned);
        self.handed.push(HandedOver { number, typed });
    }

    /// Compares the hand-over text of a record, as a machine shows it, with what was typed.
    pub(in crate::drill::sim) fn look_at_handover(
        &self,
        node: usize,
        (person, record): (PersonNo, RecordId),
        shown: &str,
        seen: &mut Looked,
    ) {
        if self.is_doubtful(&record) {
            return;
        }
        let held = Held::of(self, node, person, record);
        let numbers: BTreeSet<usize> = held.numbers().into_iter().collect();
        for handed in self.handed.iter().filter(|handed| numbers.contains(&handed.number)) {
            let Some(typed) = &handed.typed else { continue };
            let anew = held.all.iter().any(|later| match later.write() {
                Some(Write::Handover { text }) => {
                    later.wrote.saw.contains(&handed.number) && !text.contains(typed.as_str())
                }
                _ => false,
            });
            if !anew {
                seen.note(shown.contains(typed.as_str()), || {
                    let (name, record) = (&self.scenario.replicas[node].name, record.short());
                    format!("{name}, record {record}: what was typed into the hand-over text is not there")
                });
            }
        }
    }
}
