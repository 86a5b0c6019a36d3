//! The list of arrivals, made anew where it cannot be read: what it is for is to find again what came, and everything that
//! came is held in the lanes.

use std::collections::BTreeSet;

use redb::ReadableTable as _;

use super::commit::put_arrival;
use super::engine::{decode, encode};
use super::fault::Fault;
use super::rows::{ARRIVALS, ArrivalRow, META_COUNTS};
use super::view::{Change, put};

/// Most entries of a line that is made anew.
const LINE_ENTRIES: u64 = 1_024;

/// As `Store::relist`: lines that cannot be read become empty, and all lanes arrive once more, at an unknown time.
pub(super) fn relist(change: &mut Change<'_>) -> Result<u64, Fault> {
    let mut counts = change.counts()?;
    let (mut lost, mut strays): (BTreeSet<u64>, Vec<u64>) = ((1..=counts.arrivals).collect(), Vec::new());
    let mut table = change.transaction.open_table(ARRIVALS)?;
    for row in table.iter()? {
        let (key, sealed) = row?;
        let (no, key_bytes) = (key.value(), key.value().to_be_bytes());
        let plain = change.sealer.open("arrivals", &key_bytes, sealed.value());
        let read = plain.ok().and_then(|plain| decode::<ArrivalRow>("arrivals", &key_bytes, &plain).ok());
        match read.filter(|row| row.lane < change.lanes()) {
            Some(_) => drop(lost.remove(&no)),
            None if lost.contains(&no) => {}
            None => strays.push(no),
        }
    }
    if lost.is_empty() && strays.is_empty() {
        return Ok(0);
    }
    for no in strays {
        table.remove(no)?;
    }
    for no in &lost {
        let nothing = ArrivalRow { lane: 0, start: 0, end: 0, time: None };
        put(&mut table, change.sealer, "arrivals", *no, &no.to_be_bytes(), &encode(&nothing))?;
    }
    for lane in 0..change.lanes() {
        // What cannot be read arrives when it is healed.
        let Ok(state) = change.lane_state(lane) else { continue };
        let size = state.size();
        let mut lines: Vec<(u64, u64)> = Vec::new();
        let steps = (0..size).step_by(usize::try_from(LINE_ENTRIES).unwrap_or(usize::MAX));
        lines.extend(steps.map(|start| (start, size.min(start + LINE_ENTRIES))));
        lines.extend(state.fork.is_some().then_some((size, size)));
        for (start, end) in lines {
            put_arrival(&mut table, change.sealer, &mut counts, ArrivalRow { lane, start, end, time: None })?;
        }
    }
    drop(table);
    change.put_meta(META_COUNTS, &counts)?;
    Ok(lost.len() as u64)
}
