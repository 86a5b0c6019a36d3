//! Comments: remarks on statements, and replies to remarks, as threads.
//!
//! A remark whose anchor is the name of another remark is a reply to it. Replies stand below what they answer, by the
//! writers' clocks and then by name, so all replicas show one order. What answers itself in a circle, which only a
//! hostile device writes, or answers what is not here, begins a thread of its own: no remark is ever hidden.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Chart;
use super::error::ChartError;
use super::view::Annotation;

/// Remarks on one thing, with their replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentThread {
    /// What the first remark is anchored to, as its writer wrote it.
    pub anchor: String,
    /// The remarks, each below what it answers.
    pub comments: Vec<Comment>,
}

/// A remark in its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// How many remarks stand above it: 0 for one on the anchor itself.
    pub depth: usize,
    /// The remark.
    pub remark: Annotation,
}

impl Chart {
    /// Returns the remarks as threads, one for each anchor, in the order of their first remarks.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    pub fn comments(&self) -> Result<Vec<CommentThread>, ChartError> {
        Ok(threads(self.annotations()?))
    }
}

/// Orders remarks, oldest first, into threads; each stands in exactly one.
pub fn threads(remarks: Vec<Annotation>) -> Vec<CommentThread> {
    let names: BTreeSet<&str> = remarks.iter().map(|remark| remark.id.as_str()).collect();
    let mut answers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (index, remark) in remarks.iter().enumerate() {
        if names.contains(remark.anchor.as_str()) {
            answers.entry(remark.anchor.as_str()).or_default().push(index);
        } else {
            roots.push(index);
        }
    }
    let mut found: Vec<CommentThread> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut shown = vec![false; remarks.len()];
    // Behind the roots come all: whatever no root leads to is a circle, and begins where it is met first.
    for root in roots.into_iter().chain(0..remarks.len()) {
        let mut open = vec![(root, 0)];
        let mut comments = Vec::new();
        while let Some((index, depth)) = open.pop() {
            if std::mem::replace(&mut shown[index], true) {
                continue;
            }
            let remark = remarks[index].clone();
            let below = answers.get(remark.id.as_str()).into_iter().flatten().rev();
            open.extend(below.map(|answer| (*answer, depth + 1)));
            comments.push(Comment { depth, remark });
        }
        let anchor = remarks[root].anchor.clone();
        if comments.is_empty() {
            continue;
        }
        match places.get(&anchor) {
            Some(place) => found[*place].comments.append(&mut comments),
            None => {
                places.insert(anchor.clone(), found.len());
                found.push(CommentThread { anchor, comments });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{EntryId, Tick};

    fn remark(id: &str, anchor: &str, time_ms: u64) -> Annotation {
        Annotation {
            id: EntryId::from_name(id),
            anchor: anchor.into(),
            text: id.to_uppercase(),
            author: "佐藤".into(),
            time_ms,
            settled: Tick::Open,
        }
    }

    fn shape(remarks: Vec<Annotation>) -> Vec<(String, Vec<(usize, String)>)> {
        let thread = |thread: CommentThread| {
            let comments = thread.comments.into_iter();
            (thread.anchor, comments.map(|one| (one.depth, one.remark.id.as_str().to_owned())).collect())
        };
        threads(remarks).into_iter().map(thread).collect()
    }

    #[test]
    fn replies_stand_below_what_they_answer() {
        let remarks = vec![
            remark("a", "lane:1:0", 1),
            remark("b", "a", 2),
            remark("c", "lane:2:0", 3),
            remark("d", "a", 4),
            remark("e", "b", 5),
            remark("f", "lane:1:0", 6),
        ];
        let told = |of: &[(usize, &str)]| of.iter().map(|(d, id)| (*d, (*id).to_owned())).collect::<Vec<_>>();
        assert_eq!(
            shape(remarks),
            [
                ("lane:1:0".to_owned(), told(&[(0, "a"), (1, "b"), (2, "e"), (1, "d"), (0, "f")])),
                ("lane:2:0".to_owned(), told(&[(0, "c")])),
            ]
        );
    }

    #[test]
    fn circles_and_answers_to_what_is_not_here_are_shown_too() {
        let remarks =
            vec![remark("a", "b", 1), remark("b", "a", 2), remark("c", "c", 3), remark("d", "x", 4)];
        let all: Vec<_> = shape(remarks).into_iter().flat_map(|(_, comments)| comments).collect();
        let mut names: Vec<_> = all.into_iter().map(|(_, id)| id).collect();
        names.sort();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }
}
