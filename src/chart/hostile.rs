//! Test support: charts of several devices, and changes that no honest device would write.

use automerge::legacy::{Key, Op, OpType};
use automerge::{Automerge, Change, ExpandedChange, ScalarValue};
use sha2::{Digest, Sha256};

use super::actor::{ActorBytes, EntryId};
use super::chunk::ChartChange;
use super::document::Chart;
use super::inbox::{Incoming, LanePlace};
use super::limits::CHANGE_BYTES_MAX;
use super::schema::{ANCHOR, AUTHOR, TEXT, TICK, TIME};

/// Any time.
pub(super) const NOW_MS: u64 = 1_700_000_000_000;

/// Returns the actor of the n-th device.
pub(super) fn actor(n: u8) -> ActorBytes {
    ActorBytes::from([n; 16])
}

/// Returns an empty chart of the n-th device.
pub(crate) fn chart(n: u8) -> Chart {
    Chart::new(actor(n))
}

/// Puts bytes into the lane of `actor` at a place.
pub(super) fn incoming_at(actor: &ActorBytes, sequence: u64, bytes: &[u8]) -> Incoming {
    Incoming { actor: actor.clone(), place: LanePlace { sequence, index: 0 }, bytes: bytes.to_vec() }
}

/// Puts a change into the lane of its own actor, at the place of its sequence.
pub(super) fn incoming(change: &ChartChange) -> Incoming {
    incoming_at(change.actor(), change.seq(), change.bytes())
}

/// Builds a chunk with a right length and checksum.
pub(super) fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![kind];
    let mut length = body.len();
    while length >= 0x80 {
        hashed.push(length as u8 | 0x80);
        length >>= 7;
    }
    hashed.push(length as u8);
    hashed.extend(body);
    let hash = Sha256::digest(&hashed);
    [&[0x85, 0x6f, 0x4a, 0x83], &hash[..4], &hashed[..]].concat()
}

/// Returns where the body of a chunk begins.
pub(super) fn body_start(bytes: &[u8]) -> usize {
    9 + bytes[9..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1
}

/// Makes the checksum right again after the body was changed in place.
pub(super) fn reseal(bytes: &[u8]) -> Vec<u8> {
    let hash = Sha256::digest(&bytes[8..]);
    [&bytes[..4], &hash[..4], &bytes[8..]].concat()
}

/// Changes what a change says and encodes it again, canonically and with a right checksum.
pub(super) fn rewrite(change: &ChartChange, edit: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
    let mut expanded = Change::from_bytes(change.bytes().to_vec()).unwrap().decode();
    edit(&mut expanded);
    Change::from(expanded).raw_bytes().to_vec()
}

/// Changes the operations of a change; see [`rewrite`].
pub(super) fn rewrite_ops(change: &ChartChange, edit: impl FnOnce(&mut Vec<Op>)) -> Vec<u8> {
    rewrite(change, |expanded| edit(&mut expanded.operations))
}

/// Returns a chart with what passes the guard and can be written by no honest device again: a comment and a tick of the
/// end of time, and a comment that fills a change to its last bytes because it leaves out who wrote it and when.
pub(crate) fn hard_to_repeat() -> Chart {
    let put = |ops: &mut Vec<Op>, name: &str, value: ScalarValue| {
        let key = Key::Map(name.into());
        let field = ops.iter_mut().find(|op| op.key == key).unwrap();
        field.action = OpType::Put(value);
    };
    let (_, remark) = chart(1).annotate("lane:1:0", "遠い未来", "佐藤", NOW_MS).unwrap();
    let late = rewrite_ops(&remark, |ops| put(ops, TIME, ScalarValue::Timestamp(i64::MAX)));
    let mut nurse = chart(2);
    let (line, plan) = nurse.plan_care("体位変換", "佐藤", NOW_MS).unwrap();
    let done = nurse.tick(&line, Some("佐藤"), NOW_MS).unwrap();
    let name = EntryId::of_change(&actor(2), 2);
    let last = format!("{} {} 佐藤", name.as_str(), u64::MAX);
    let ticked = rewrite_ops(&done, |ops| put(ops, TICK, last.into()));
    let (_, remark) = chart(3).annotate("", "x", "", NOW_MS).unwrap();
    let bare = |length: usize| {
        rewrite_ops(&remark, |ops| {
            ops.retain(|op| ![ANCHOR, AUTHOR, TIME].map(|name| Key::Map(name.into())).contains(&op.key));
            put(ops, TEXT, "x".repeat(length).into());
        })
    };
    let frame = bare(1 << 16).len() - (1 << 16);
    let huge = bare(CHANGE_BYTES_MAX - frame - 8);
    let mut all = chart(9);
    let delivered = vec![
        incoming_at(&actor(1), 1, &late),
        incoming(&plan),
        incoming_at(&actor(2), 2, &ticked),
        incoming_at(&actor(3), 1, &huge),
    ];
    let delivery = all.apply_all(delivered).unwrap();
    assert_eq!((delivery.applied.len(), delivery.quarantined.len()), (4, 0), "{:?}", delivery.quarantined);
    all
}

/// Says whether the chart saves, loads with the same heads and shows the same hand-over.
pub(super) fn is_sound(chart: &Chart) -> bool {
    let loaded = Chart::load_own(&chart.save(), chart.actor().clone(), &chart.heads());
    loaded.is_ok_and(|loaded| loaded.handover() == chart.handover())
}

/// Says whether Automerge itself survives the bytes on a copy: applies them, saves and loads again.
pub(super) fn library_survives(document: &Automerge, bytes: &[u8]) -> bool {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut copy = document.clone();
        copy.apply_changes([Change::from_bytes(bytes.to_vec()).ok()?]).ok()?;
        let loaded = Automerge::load(&copy.save()).ok()?;
        (loaded.get_heads() == copy.get_heads()).then_some(())
    }));
    matches!(outcome, Ok(Some(())))
}
