//! Who could read and write, where and when.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::super::spans::{Span, State, longest, spans};
use super::{WORST_MAX, rounded};
use crate::drill::course::{Able, Course};

/// How many slices of time plots and the JSON have.
const SLICES: usize = 144;

/// Shares of the time of some replicas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shares {
    /// Records could be read.
    pub read: f64,
    /// Something could be written durably.
    pub write: f64,
    /// Another replica, or the centre, could be reached.
    pub linked: f64,
}

/// The shares of one replica.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemberShares {
    /// Its name.
    pub name: String,
    /// Its number.
    #[serde(skip)]
    pub member: usize,
    /// The shares of its time.
    #[serde(flatten)]
    pub shares: Shares,
    /// The longest isolation, in seconds: from running in touch with nobody to being in touch again; time without power
    /// in between counts, before and after it does not.
    pub longest_alone_s: f64,
    /// The longest time in a row in which nothing could be read there.
    pub longest_unread_s: f64,
}

/// The shares of a fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupShares {
    /// The fleet's name; empty for the replicas that belong to none.
    pub fleet: String,
    /// How many replicas it has.
    pub replicas: u64,
    /// The shares of the time of all of them.
    #[serde(flatten)]
    pub shares: Shares,
    /// The share of reading of the one that could read the least.
    pub least_read: f64,
    /// The share of writing of the one that could write the least.
    pub least_write: f64,
}

/// How the replicas spent a slice of time; the five shares sum to one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Slice {
    /// Where it begins, in seconds.
    pub from_s: f64,
    /// Reading and writing, in touch with others.
    pub linked: f64,
    /// Reading and writing, in touch with nobody.
    pub alone: f64,
    /// Reading only.
    pub read_only: f64,
    /// Not reading.
    pub off: f64,
    /// Waiting for a restore.
    pub lost: f64,
}

/// Availability of reading and of writing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Availability {
    /// Over all replicas.
    pub all: Shares,
    /// How many replicas could read all the time.
    pub always_read: u64,
    /// How many replicas could read and write all the time.
    pub always_both: u64,
    /// By fleet; those of no fleet come first.
    pub fleets: Vec<GroupShares>,
    /// The replicas that could read and write the least, at most [`WORST_MAX`].
    pub worst: Vec<MemberShares>,
    /// All replicas over time, in slices of equal length.
    pub over_time: Vec<Slice>,
}

impl Slice {
    /// Returns the shares in the order of the states, from the best to the worst.
    pub fn parts(&self) -> [f64; 5] {
        [self.linked, self.alone, self.read_only, self.off, self.lost]
    }

    /// Returns the share that could read: a lost disk cannot.
    pub fn read(&self) -> f64 {
        (self.linked + self.alone + self.read_only).min(1.0)
    }
}

impl Availability {
    /// Measures a course.
    pub(super) fn of(course: &Course) -> Self {
        let spans = spans(course);
        let members: Vec<MemberShares> =
            spans.iter().enumerate().map(|(member, spans)| of_member(course, member, spans)).collect();
        let mut fleets: BTreeMap<&str, Vec<&MemberShares>> = BTreeMap::new();
        for (member, shares) in course.members.iter().zip(&members) {
            fleets.entry(member.fleet.as_deref().unwrap_or_default()).or_default().push(shares);
        }
        let mut worst: Vec<MemberShares> =
            members.iter().filter(|one| one.shares.read.min(one.shares.write) < 1.0).cloned().collect();
        let key = |one: &MemberShares| one.shares.read + one.shares.write;
        worst.sort_by(|one, other| key(one).total_cmp(&key(other)));
        worst.truncate(WORST_MAX);
        let all: Vec<&MemberShares> = members.iter().collect();
        let refs: Vec<&[Span]> = spans.iter().map(Vec::as_slice).collect();
        Self {
            all: mean(&all),
            always_read: members.iter().filter(|one| one.shares.read >= 1.0).count() as u64,
            always_both: members.iter().filter(|one| one.shares.read.min(one.shares.write) >= 1.0).count()
                as u64,
            fleets: fleets.into_iter().map(|(fleet, members)| of_fleet(fleet, &members)).collect(),
            worst,
            over_time: slices(&refs, course.lasted, SLICES),
        }
    }
}

/// Cuts the time of some replicas into slices of equal length.
pub(crate) fn slices(members: &[&[Span]], lasted: Duration, count: usize) -> Vec<Slice> {
    let width = lasted.as_secs_f64() / count as f64;
    if members.is_empty() || width <= 0.0 {
        return Vec::new();
    }
    let mut sums = vec![[0.0; State::ALL.len()]; count];
    for span in members.iter().copied().flatten() {
        let (from, until) = (span.from.as_secs_f64(), span.until.as_secs_f64());
        let first = ((from / width) as usize).min(count - 1);
        let last = ((until / width) as usize).min(count - 1);
        for (number, sum) in sums.iter_mut().enumerate().take(last + 1).skip(first) {
            let (begin, end) = (number as f64 * width, (number + 1) as f64 * width);
            sum[span.state.index()] += (until.min(end) - from.max(begin)).max(0.0);
        }
    }
    let whole = width * members.len() as f64;
    let slice = |(number, sum): (usize, [f64; 5])| {
        let [linked, alone, read_only, off, lost] = sum.map(|part| rounded(part / whole));
        Slice { from_s: rounded(number as f64 * width), linked, alone, read_only, off, lost }
    };
    sums.into_iter().enumerate().map(slice).collect()
}

fn of_member(course: &Course, member: usize, spans: &[Span]) -> MemberShares {
    let whole = course.lasted.as_secs_f64();
    let share = |is: &dyn Fn(Able) -> bool| {
        let sum: f64 = spans.iter().filter(|span| is(span.able)).map(Span::seconds).sum();
        // All of it is a whole, whatever the rounding of sums says.
        if spans.iter().all(|span| is(span.able)) { 1.0 } else { (sum / whole).clamp(0.0, 1.0) }
    };
    let seconds = |found: Option<(Duration, Duration)>| found.map_or(0.0, |(length, _)| length.as_secs_f64());
    MemberShares {
        name: course.members[member].name.clone(),
        member,
        shares: Shares {
            read: share(&|able| able.read),
            write: share(&|able| able.write),
            linked: share(&|able| able.linked),
        },
        longest_alone_s: rounded(seconds(isolated(spans))),
        longest_unread_s: rounded(seconds(longest(spans, |span| !span.able.read))),
    }
}

/// Returns the longest isolation of a replica: how long, and from when.
///
/// It is isolated from the moment at which it works and reaches nobody to the moment at which it reaches somebody
/// again; times without power in between count, those before and after do not.
pub(crate) fn isolated(spans: &[Span]) -> Option<(Duration, Duration)> {
    let mut best: Option<(Duration, Duration)> = None;
    let mut since = None;
    for span in spans.iter().filter(|span| span.able.read || span.able.write) {
        if span.able.linked {
            since = None;
            continue;
        }
        let from = *since.get_or_insert(span.from);
        if best.is_none_or(|(longest, _)| span.until - from > longest) {
            best = Some((span.until - from, from));
        }
    }
    best
}

fn mean(members: &[&MemberShares]) -> Shares {
    let count = members.len().max(1) as f64;
    let mean = |of: fn(&Shares) -> f64| members.iter().map(|one| of(&one.shares)).sum::<f64>() / count;
    Shares { read: mean(|one| one.read), write: mean(|one| one.write), linked: mean(|one| one.linked) }
}

fn of_fleet(fleet: &str, members: &[&MemberShares]) -> GroupShares {
    let least = |of: fn(&Shares) -> f64| members.iter().map(|one| of(&one.shares)).fold(1.0, f64::min);
    GroupShares {
        fleet: fleet.to_owned(),
        replicas: members.len() as u64,
        shares: mean(members),
        least_read: least(|one| one.read),
        least_write: least(|one| one.write),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{large, small};
    use super::*;

    #[test]
    fn shares_are_shares_and_slices_are_whole() {
        for course in [small(), large()] {
            let found = Availability::of(&course);
            for shares in found.fleets.iter().map(|fleet| fleet.shares).chain([found.all]) {
                assert!([shares.read, shares.write, shares.linked].iter().all(|s| (0.0..=1.0).contains(s)));
            }
            assert_eq!(found.over_time.len(), SLICES);
            for slice in &found.over_time {
                assert!((slice.parts().iter().sum::<f64>() - 1.0).abs() < 1e-3, "{slice:?}");
            }
            let of_slices = found.over_time.iter().map(Slice::read).sum::<f64>() / SLICES as f64;
            assert!((of_slices - found.all.read).abs() < 2e-3, "{of_slices} and {}", found.all.read);
            assert!(found.worst.len() <= WORST_MAX);
        }
    }

    #[test]
    fn the_replicas_of_all_fleets_are_all_replicas() {
        let course = large();
        let found = Availability::of(&course);
        let of_fleets: u64 = found.fleets.iter().map(|fleet| fleet.replicas).sum();
        assert_eq!(of_fleets, course.members.len() as u64);
        let sum: f64 = found.fleets.iter().map(|fleet| fleet.shares.read * fleet.replicas as f64).sum();
        assert!((sum / of_fleets as f64 - found.all.read).abs() < 1e-9);
    }
}
