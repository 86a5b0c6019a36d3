//! Appending what people write: in one commit, however many entries it takes, and what is told of it afterwards.
//!
//! A statement may follow one of several that a forked lane has at one position. Whoever has seen several of them and
//! answers them all writes as many statements as there are, each behind the one before it, and the last one stands.

use std::collections::{BTreeMap, BTreeSet};

use super::core::{Append, Inner, Place, Replica};
use super::error::ReplicaError;
use super::guarding;
use crate::base::{Area, DeviceId, Hlc, LaneId, Part, RecordId};
use crate::lane::{Entry, LaneState};
use crate::record::statement::LeafCheck;
use crate::record::{FollowRef, Position};
use crate::store::Store;

/// What is told in place of conflicts and alerts that could not be looked for.
pub(super) const UNCHECKED: &str = "書き込みは保存済みです。記録の一部をここで読めないため、矛盾と警告は確認できませんでした / it is \
                                    written; conflicts and alerts could not be checked: part of this record cannot be read here";

/// Gives what is appended next, or nothing more; it is told the places of what goes before it in the same commit.
pub(super) type NextAppend<'a> = &'a mut dyn FnMut(&[Place]) -> Result<Option<Append>, ReplicaError>;

/// The lane in which something is written, and what its author could know.
pub(super) struct Destination {
    /// The area.
    pub(super) area: Area,
    /// The part.
    pub(super) part: Part,
    /// The areas besides this one of which the author could know what matters here.
    pub(super) knowing: BTreeSet<Area>,
}

impl Replica {
    /// Appends while the lock is held, as [`Replica::append`] does.
    pub(super) fn append_locked(
        &self,
        inner: &mut Inner,
        appends: Vec<Append>,
    ) -> Result<Vec<Place>, ReplicaError> {
        let mut appends = appends.into_iter();
        self.append_each(inner, &mut |_| Ok(appends.next()))
    }

    /// Appends entries whose first one is of statements the first of which follows others, in one commit. `make` makes
    /// them of what that statement follows, and of whether they are the last: usually they are the only ones. Returns
    /// where the last stand.
    ///
    /// # Errors
    /// As [`Replica::append`], and what `make` returns: then nothing was written.
    pub(super) fn append_following(
        &self,
        inner: &mut Inner,
        into: &Destination,
        follows: &[FollowRef],
        mut make: impl FnMut(Vec<FollowRef>, bool) -> Result<Vec<Entry>, ReplicaError>,
    ) -> Result<Place, ReplicaError> {
        let mut rounds = FollowRef::rounds(follows.iter().copied()).into_iter().peekable();
        let mut before: Option<LeafCheck> = None;
        let places = self.append_each(inner, &mut |places| {
            let Some(mut follows) = rounds.next() else { return Ok(None) };
            if let (Some(place), Some(check)) = (places.last(), before) {
                follows.push(FollowRef { lane: Some(place.lane), seq: place.seq, index: 0, check });
                follows.sort_unstable();
            }
            let entries = make(follows, rounds.peek().is_none())?;
            before = entries.first().map(|entry| LeafCheck::of(&entry.leaf()));
            let Destination { area, part, knowing } = into;
            Ok(Some(Append { area: area.clone(), part: *part, entries, knowing: knowing.clone() }))
        })?;
        Ok(*places.last().expect("there is always a first round"))
    }

    /// Tells what a clinician should know at once of a statement that is written.
    pub(super) fn told_of(&self, record: &RecordId, position: &Position) -> Vec<String> {
        // It is durable: an error would have somebody write it again.
        match self.person(record) {
            Ok((person, _)) => guarding::warnings(&person.view, position),
            Err(error) => {
                tracing::warn!(%error, "what was written could not be checked");
                vec![UNCHECKED.to_owned()]
            }
        }
    }

    fn append_each(&self, inner: &mut Inner, next: NextAppend<'_>) -> Result<Vec<Place>, ReplicaError> {
        self.append_all(inner, next).inspect_err(|_| inner.horizons.forget())
    }

    /// The latest time in this device's own lanes: its clock never goes behind it.
    pub(super) fn latest_own_time(
        store: &dyn Store,
        lanes: &BTreeMap<LaneId, LaneState>,
        device: &DeviceId,
    ) -> Result<Hlc, ReplicaError> {
        let mut latest = Hlc::default();
        for (lane, state) in lanes.iter().filter(|(_, state)| state.name.device == *device) {
            if let Some(last) = state.size().checked_sub(1)
                && let Ok(Some(entry)) = store.entry(lane, last)
                && let Some(time) = super::index::time_of(&entry)
            {
                latest = latest.max(time);
            }
        }
        Ok(latest)
    }
}
