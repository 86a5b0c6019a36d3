//! Runs as bytes: what is written is read again, and nothing else is.

use crate::base::laws::cases;
use proptest::prelude::*;

use super::support::*;
use crate::base::limits::{RUN_BYTES_MAX, RUN_ENTRIES_MAX, RUN_PLAIN_BYTES_MAX};
use crate::base::{Digest, Part, cbor};
use crate::lane::frame::*;
use crate::lane::{
    Admission, CarryBody, Checkpoint, Entry, EntryKind, ForkState, Frontier, Head, LaneOpening, LaneState,
    Run,
};

fn story() -> (Replica, Run) {
    let mut world = World::new();
    let device = world.device(10);
    let name = device.name("shared/a", Part::Card);
    let entries = [vec![device.opening(&name)], many("an entry of some length", 9)].concat();
    let run = device.runs(&name, &entries, &[], &[4, 7]).remove(0);
    (Replica::new(&world.certificates), run)
}

fn loose(entries: Vec<Entry>) -> Run {
    let lane = crate::base::LaneId([1; 32]);
    let last = Checkpoint { size: entries.len() as u64, signature: [0; 64] };
    Run { lane, start: 0, entries, checkpoints: vec![last] }
}

#[test]
fn both_forms_are_read_again() {
    let (_, run) = story();
    assert_eq!(decode_plain(&encode_plain(&run)).unwrap(), run);
    let frame = pack(&run);
    assert_eq!(unpack(&frame).unwrap(), run);
    assert_eq!(&frame[..4], b"MSF1");
}

#[test]
fn every_truncation_and_every_tail_is_an_error() {
    let (_, run) = story();
    let (plain, frame) = (encode_plain(&run), pack(&run));
    for end in 0..plain.len() {
        assert!(decode_plain(&plain[..end]).is_err(), "{end}");
    }
    for end in 0..frame.len() {
        assert!(unpack(&frame[..end]).is_err(), "{end}");
    }
    assert!(decode_plain(&[plain, vec![0]].concat()).is_err());
    assert!(matches!(unpack(&[frame.clone(), vec![0]].concat()), Err(FrameError::Tail(1))));
    let empty_zstd_frame = zstd::bulk::compress(&[], 3).unwrap();
    assert!(matches!(unpack(&[frame, empty_zstd_frame].concat()), Err(FrameError::Tail(_))));
}

#[test]
fn another_length_than_declared_is_an_error() {
    let (_, run) = story();
    let length = encode_plain(&run).len() as u32;
    for wrong in [0, length - 1, length + 1, RUN_PLAIN_BYTES_MAX as u32] {
        let mut frame = pack(&run);
        frame[4..8].copy_from_slice(&wrong.to_be_bytes());
        assert!(matches!(unpack(&frame), Err(FrameError::Length(_))), "{wrong}");
    }
}

#[test]
fn limits_hold_on_reading() {
    let too_many = loose(vec![facts(""); RUN_ENTRIES_MAX + 1]);
    assert!(matches!(decode_plain(&encode_plain(&too_many)), Err(FrameError::Shape(_))));
    let too_large = loose(vec![facts(vec![0; RUN_BYTES_MAX / 2 + 1]); 2]);
    assert!(matches!(unpack(&pack(&too_large)), Err(FrameError::Shape(_))));
    let beyond = loose(vec![facts(vec![0; RUN_PLAIN_BYTES_MAX])]);
    assert!(matches!(unpack(&pack(&beyond)), Err(FrameError::TooLarge(_))));
    assert!(matches!(decode_plain(&encode_plain(&beyond)), Err(FrameError::TooLarge(_))));
}

#[test]
fn a_bomb_inflates_no_farther_than_it_declares() {
    let bomb = zstd::bulk::compress(&vec![0; 256 << 20], 3).unwrap();
    for declared in [100u32, RUN_PLAIN_BYTES_MAX as u32] {
        let frame = [b"MSF1".as_slice(), &declared.to_be_bytes(), &bomb].concat();
        assert!(matches!(unpack(&frame), Err(FrameError::Length(_) | FrameError::Inflate(_))));
    }
}

#[test]
fn a_claim_of_many_items_takes_no_memory() {
    // An array of 2^32 entries, and one of 2^63, in a few bytes.
    let (_, run) = story();
    let head = [&[0x85, 0x01, 0x58, 0x20], run.lane.as_bytes(), &[0x00, 0x80]].concat();
    for claim in [vec![0x9a, 0xff, 0xff, 0xff, 0xff], [vec![0x9b, 0x7f], vec![0xff; 7]].concat()] {
        assert!(decode_plain(&[head.clone(), claim].concat()).is_err());
    }
}

#[derive(Debug, Clone)]
enum Harm {
    Flip(usize, u8),
    SwapEntries(usize, usize),
    DropEntry(usize),
    DropEntryAndRenumber(usize),
    SwapCheckpoints(usize, usize),
    MoveCheckpoint(usize, u64),
    Start(u64),
}

fn harm() -> impl Strategy<Value = Harm> {
    let small = 0usize..12;
    prop_oneof![
        8 => (any::<usize>(), 0u8..8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        1 => (small.clone(), small.clone()).prop_map(|(a, b)| Harm::SwapEntries(a, b)),
        1 => small.clone().prop_map(Harm::DropEntry),
        1 => small.clone().prop_map(Harm::DropEntryAndRenumber),
        1 => (small.clone(), small.clone()).prop_map(|(a, b)| Harm::SwapCheckpoints(a, b)),
        1 => (small, 0u64..12).prop_map(|(a, size)| Harm::MoveCheckpoint(a, size)),
        1 => any::<u64>().prop_map(Harm::Start),
    ]
}

fn harmed(run: &Run, harm: &Harm) -> Vec<u8> {
    let mut run = run.clone();
    let (entries, checkpoints) = (run.entries.len(), run.checkpoints.len());
    match *harm {
        Harm::Flip(at, bit) => {
            let mut plain = encode_plain(&run);
            let at = at % plain.len();
            plain[at] ^= 1 << bit;
            return plain;
        }
        Harm::SwapEntries(a, b) => run.entries.swap(a % entries, b % entries),
        Harm::DropEntry(a) => drop(run.entries.remove(a % entries)),
        Harm::DropEntryAndRenumber(a) => {
            run.entries.remove(a % entries);
            run.checkpoints.iter_mut().for_each(|checkpoint| checkpoint.size -= 1);
        }
        Harm::SwapCheckpoints(a, b) => {
            let (a, b) = (a % checkpoints, b % checkpoints);
            let signature = run.checkpoints[a].signature;
            run.checkpoints[a].signature = run.checkpoints[b].signature;
            run.checkpoints[b].signature = signature;
        }
        Harm::MoveCheckpoint(a, size) => run.checkpoints[a % checkpoints].size = size,
        Harm::Start(start) => run.start = start,
    }
    encode_plain(&run)
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_run_cut_reordered_or_flipped_is_refused(harm in harm()) {
        let (mut replica, run) = story();
        let plain = encode_plain(&run);
        let bytes = harmed(&run, &harm);
        prop_assume!(bytes != plain);
        if let Ok(read) = decode_plain(&bytes) {
            prop_assert_ne!(&read, &run);
            let admission = replica.offer(&read);
            prop_assert!(matches!(admission, Admission::Refused(_) | Admission::Waiting(_)), "{:?}", admission);
        }
        prop_assert!(replica.lanes.is_empty());
    }

    #[test]
    fn a_flipped_frame_is_an_error_the_same_run_or_refused(at: usize, bit in 0u8..8) {
        let (mut replica, run) = story();
        let mut frame = pack(&run);
        let at = at % frame.len();
        frame[at] ^= 1 << bit;
        if let Ok(read) = unpack(&frame) && read != run {
            let admission = replica.offer(&read);
            prop_assert!(matches!(admission, Admission::Refused(_) | Admission::Waiting(_)), "{:?}", admission);
        }
    }

    #[test]
    fn random_bytes_are_errors_for_every_decoder(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_everything(&bytes);
        let frame = [b"MSF1".as_slice(), &300u32.to_be_bytes(), &bytes].concat();
        prop_assert!(unpack(&frame).is_err());
    }

    #[test]
    fn flipped_states_never_panic(at: usize, bit in 0u8..8, which in 0usize..3) {
        let mut bytes = STATES.with(|states| states[which].clone());
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        decode_everything(&bytes);
    }
}

thread_local! {
    static STATES: Vec<Vec<u8>> = {
        let mut world = World::new();
        let device = world.device(10);
        let name = device.name("shared/a", Part::Card);
        let mut replica = Replica::new(&world.certificates);
        let straight = device.write(&name, &[many("one store", 5)]);
        replica.offer(&straight[0]);
        let state = cbor::to_vec(replica.state(name.id()));
        replica.offer(&device.write(&name, &[many("its clone", 5)])[0]);
        let forked = replica.state(name.id());
        vec![state, cbor::to_vec(forked), cbor::to_vec(forked.fork.as_ref().unwrap())]
    };
}

/// Decodes bytes as everything, and uses what decodes.
fn decode_everything(bytes: &[u8]) {
    let _ = decode_plain(bytes);
    let _ = unpack(bytes);
    let _ = cbor::from_canonical::<Entry>(bytes).map(|entry| entry.leaf());
    let _ = LaneOpening::read(bytes);
    let _ = CarryBody::read(bytes);
    let _ = cbor::from_canonical::<Head>(bytes);
    let _ = cbor::from_canonical::<Frontier>(bytes).map(|frontier| frontier.root());
    if let Ok(state) = cbor::from_canonical::<LaneState>(bytes) {
        let _ = (state.head(), state.disputed().count(), state.agreed_tail().count());
        let _ = (state.certificates_needed(), state.certificate_at(3));
    }
    if let Ok(fork) = cbor::from_canonical::<ForkState>(bytes) {
        let (mut replica, _) = story();
        let lane = fork.branches.first().map_or(crate::base::LaneId([0; 32]), |branch| branch.lane);
        let _ = replica.offer_fork(lane, &fork);
        let _ = fork.pieces();
    }
}

#[test]
fn kinds_that_are_unknown_are_kept() {
    let entry = Entry { kind: EntryKind(999), body: vec![1, 2, 3] };
    let run = loose(vec![entry.clone()]);
    assert_eq!(unpack(&pack(&run)).unwrap().entries, [entry]);
    assert_ne!(run.leaves()[0], Digest([0; 32]));
}
