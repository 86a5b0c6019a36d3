//! The ledger of a bundle that is read: which blocks came, what of them entered the log, and what is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::block::BundleId;
use super::header::{BundleHeader, Footer};
use super::scan::Loss;
use crate::base::limits::BUNDLE_PROBLEMS_MAX;
use crate::base::{Area, Part};

/// What was read of one bundle.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The bundle, by its header or else by the first block.
    pub bundle: Option<BundleId>,
    /// What the bundle says of itself, when its header is whole.
    pub header: Option<BundleHeader>,
    /// How the bundle ends, when its footer is whole.
    pub footer: Option<Footer>,
    blocks: BTreeSet<u32>,
    /// Entries in the blocks that were opened.
    opened: BTreeMap<(Part, Area), u64>,
    sealed_for_others: u64,
    other_bundles: BTreeMap<BundleId, u64>,
    problems: Vec<String>,
    problems_untold: u64,
}

impl Ledger {
    /// Notes a block of this bundle; says whether it is the first with its number.
    pub fn saw(&mut self, number: u32) -> bool {
        self.blocks.insert(number)
    }

    /// Notes a block of another bundle.
    pub fn saw_other(&mut self, bundle: BundleId) {
        // Not more names than a person would read: the rest counts for the last.
        let known =
            self.other_bundles.len() < BUNDLE_PROBLEMS_MAX || self.other_bundles.contains_key(&bundle);
        let name = if known { bundle } else { BundleId([0xff; 8]) };
        *self.other_bundles.entry(name).or_default() += 1;
    }

    /// Notes entries of an area and part that a block held.
    pub fn opened(&mut self, area: &Area, part: Part, entries: u64) {
        let opened = self.opened.entry((part, area.clone())).or_default();
        *opened = opened.saturating_add(entries);
    }

    /// Notes a block that this device has no key for, or does not hold the area of.
    pub fn sealed_for_others(&mut self, area: &Area, part: Part) {
        self.sealed_for_others += 1;
        // What is not for us is not missing either.
        self.opened.insert((part, area.clone()), u64::MAX);
    }

    /// Notes something that is wrong.
    pub fn problem(&mut self, problem: String) {
        match self.problems.len() {
            0..BUNDLE_PROBLEMS_MAX => self.problems.push(problem),
            _ => self.problems_untold += 1,
        }
    }

    /// Notes a place of the file that is no whole block.
    pub fn lost(&mut self, loss: &Loss) {
        self.problem(match loss {
            Loss::Foreign { at, bytes } => format!("{bytes} bytes at {at} belong to no block of a bundle"),
            Loss::Damaged { at, number } => {
                format!("block {number}, at {at}, is damaged: its bytes are not those that were written")
            }
            Loss::TooLarge { at, number, length } => {
                format!("block {number}, at {at}, claims {length} bytes, more than any block has")
            }
            Loss::Cut { at, number, missing } => {
                format!("the file ends inside block {number}, which begins at {at}: {missing} bytes of it are missing")
            }
            Loss::Hopeless { at } => {
                format!("from {at} on the file is made of heads without blocks; it was not written as a bundle and is read no farther")
            }
        });
    }

    /// Returns how many different blocks came.
    pub fn blocks(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Returns how many blocks are for others.
    pub fn for_others(&self) -> u64 {
        self.sealed_for_others
    }

    /// Says whether nothing in the file was a block of a bundle.
    pub fn is_none(&self) -> bool {
        self.blocks.is_empty() && self.other_bundles.is_empty()
    }

    /// Lists what is wrong and what is missing; empty when the whole bundle was read.
    pub fn told(&self) -> Vec<String> {
        let mut told = self.problems.clone();
        if self.problems_untold > 0 {
            told.push(format!("and {} more places of this kind", self.problems_untold));
        }
        for (bundle, blocks) in &self.other_bundles {
            told.push(format!(
                "{blocks} blocks are of another bundle ({}): two files were mixed up; import that bundle's own file",
                bundle.short()
            ));
        }
        if self.header.is_none() && !self.is_none() {
            told.push(
                "the header is missing: nobody can say whose bundle it is and what it should hold".into(),
            );
        }
        let end =
            self.footer.map_or_else(|| self.blocks.last().map_or(0, |last| last + 1), |footer| footer.blocks);
        let gaps = gaps(&self.blocks, end);
        if !gaps.is_empty() {
            told.push(format!("missing: {}", gaps.join(", ")));
        }
        if self.footer.is_none() && !self.is_none() {
            told.push(format!("the file has no end: what should come from block {end} on is missing"));
        }
        told.extend(self.header.iter().flat_map(|header| &header.contents).filter_map(|contents| {
            let opened = self.opened.get(&(contents.part, contents.area.clone())).copied().unwrap_or(0);
            (opened < contents.entries).then(|| {
                let missing = contents.entries - opened;
                format!(
                    "missing: {missing} of {} entries of {} in {}",
                    contents.entries, contents.part, contents.area
                )
            })
        }));
        told
    }
}

/// Names the blocks below `end` that did not come, as ranges; not more than a person would read.
fn gaps(seen: &BTreeSet<u32>, end: u32) -> Vec<String> {
    let mut gaps = Vec::new();
    let mut next = 0;
    for number in seen.iter().copied().filter(|number| *number < end).chain([end]) {
        if number > next {
            gaps.push(match number - next {
                1 => format!("block {next}"),
                _ => format!("blocks {next} to {}", number - 1),
            });
        }
        next = number + 1;
        if gaps.len() > BUNDLE_PROBLEMS_MAX {
            gaps.push("and more".into());
            break;
        }
    }
    gaps
}
