//! Conflicts: statements that had not seen each other and contradict each other.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sections::Section;
use super::statement::{FollowRef, Position};
use super::threads::Thread;

/// A contradiction that a person must settle, or has settled.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The section whose rule found it.
    pub section: Section,
    /// The kind of contradiction, such as `dose-vs-stop`.
    pub kind: &'static str,
    /// Nobody has settled it yet.
    pub open: bool,
    /// The first statement of the thread in which it is; of what stands in several threads, the first of its statements.
    pub thread: Position,
    /// The statements that contradict each other and, when settled, the statement that settled them.
    pub statements: Vec<Position>,
    /// The same statements, each told from others that a forked lane has at its position.
    #[serde(skip)]
    pub follows: Vec<FollowRef>,
    /// What it is about, in few words.
    pub summary: String,
}

/// A contradiction among some nodes of a thread.
pub struct Clash {
    /// The kind of contradiction.
    pub kind: &'static str,
    /// What it is about, in few words.
    pub summary: String,
}

/// How many conflicts of one kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ConflictCount {
    /// The section.
    pub section: Section,
    /// The kind.
    pub kind: &'static str,
    /// All of them.
    pub count: u64,
    /// Those that nobody has settled.
    pub open: u64,
}

/// Finds the conflicts of a thread: an open one among its tips, and one for each node that settled a clash.
/// `clash` judges any set of nodes that had not seen each other.
pub fn find(
    thread: &Thread<'_>,
    section: Section,
    clash: impl Fn(&[usize]) -> Option<Clash>,
) -> Vec<Conflict> {
    let conflict = |nodes: &[usize], settled_by: Option<usize>| {
        let found = if nodes.len() > 1 { clash(nodes) } else { None }?;
        let all = || nodes.iter().copied().chain(settled_by).map(|node| &thread.nodes[node]);
        let statements = all().map(|node| node.position()).collect();
        let follows = all().map(|node| node.first().follow_ref()).collect();
        let open = settled_by.is_none();
        let thread = thread.position();
        Some(Conflict {
            section,
            kind: found.kind,
            open,
            thread,
            statements,
            follows,
            summary: found.summary,
        })
    };
    let settled = thread.merges.iter().filter_map(|merge| conflict(&merge.sides, Some(merge.node)));
    let mut found: Vec<Conflict> = settled.collect();
    found.extend(conflict(&thread.tips, None));
    found
}

/// Counts conflicts by section and kind.
pub fn count<'a>(conflicts: impl IntoIterator<Item = &'a Conflict>) -> Vec<ConflictCount> {
    let mut counts: BTreeMap<(Section, &'static str), (u64, u64)> = BTreeMap::new();
    for conflict in conflicts {
        let (count, open) = counts.entry((conflict.section, conflict.kind)).or_default();
        *count += 1;
        *open += u64::from(conflict.open);
    }
    let row = |((section, kind), (count, open))| ConflictCount { section, kind, count, open };
    counts.into_iter().map(row).collect()
}
