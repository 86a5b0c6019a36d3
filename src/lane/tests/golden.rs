//! The bytes of every format of this layer, fixed: what is here must be written so, and be read, for ever.
//!
//! A packed frame is only read: another release of zstd may pack the same run otherwise.

use super::support::*;
use crate::base::{Digest, Part, cbor, id::hex};
use crate::identity::Certificate;
use crate::lane::carry::verify;
use crate::lane::frame::{decode_plain, encode_plain, unpack};
use crate::lane::{
    Carried, CarryBody, Entry, ForkState, Frontier, Head, LaneName, LaneOpening, LaneState, Run,
};
use crate::record::statement::Salt;

/// A realm whose every seed is fixed, and a lane of three entries in one run.
struct Fixed {
    world: World,
    device: Device,
    name: LaneName,
    run: Run,
}

fn fixed() -> Fixed {
    let mut world = World::new();
    let device = world.device(10);
    let name = device.name("shared/a", Part::Card);
    let entries = [device.opening(&name), facts("first"), facts("second")];
    let run = device.runs(&name, &entries, &[], &[2]).remove(0);
    Fixed { world, device, name, run }
}

fn forked(fixed: &Fixed) -> LaneState {
    let Fixed { world, device, name, run } = fixed;
    let mut replica = Replica::new(&world.certificates);
    replica.offer(run);
    let clone = [run.entries[..2].to_vec(), vec![facts("other")]].concat();
    replica.offer(&device.runs(name, &clone, &[], &[])[0]);
    replica.state(name.id()).clone()
}

fn carry(fixed: &Fixed) -> CarryBody {
    let carried =
        Carried::from_run(&fixed.name, &Frontier::default(), &fixed.run, 1, &fixed.device.hash).unwrap();
    CarryBody {
        version: 1,
        salt: Salt([7; 8]),
        registration: "registration 1".to_owned(),
        carried: vec![carried],
    }
}

fn bytes_of(golden: &str) -> Vec<u8> {
    let digits: String = golden.split_whitespace().collect();
    data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap()
}

#[track_caller]
fn same(written: &[u8], golden: &str, bytes: usize) {
    assert_eq!(hex(written), hex(&bytes_of(golden)));
    assert_eq!(written.len(), bytes);
}

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/", $name, ".hex"))
    };
}

#[test]
fn certificate() {
    let Fixed { world, device, .. } = fixed();
    same(&device.signed, golden!("certificate"), 230);
    let Certificate::Device(read) = Certificate::read(&device.signed).unwrap().certificate else {
        panic!("kind")
    };
    assert_eq!(read, device.certificate);
    assert!(world.certificates.device(&device.hash).is_some());
    same(device.hash.as_bytes(), "983ad0cab3b6f791db39cece064d64ed906039982a22039631cc39eeb2cc9be7", 32);
}

#[test]
fn entry_opening_and_leaf() {
    let Fixed { run, device, name, .. } = fixed();
    same(&run.entries[0].body, golden!("lane-opening"), 115);
    let opening = LaneOpening::read(&run.entries[0].body).unwrap();
    assert_eq!((opening.name, opening.certificate), (name, device.hash));
    same(&cbor::to_vec(&run.entries[1]), "820145 6669727374", 8);
    same(
        run.entries[1].leaf().as_bytes(),
        "5aea21fd29ac96c2a6df786adc158e6b437f1523b66b7fc5ff3e508ca37f88c7",
        32,
    );
    same(run.lane.as_bytes(), "a6dbcc0111806eebeb5d41a4b22b8aa28240b52472cd711f58e4d9970a406505", 32);
}

#[test]
fn checkpoint() {
    let Fixed { run, .. } = fixed();
    same(&run.checkpoints[1].signature, golden!("checkpoint-signature"), 64);
    same(&cbor::to_vec(&run.checkpoints[1]), &format!("8203 5840 {}", golden!("checkpoint-signature")), 68);
}

#[test]
fn run_plain_and_packed() {
    let Fixed { run, .. } = fixed();
    same(&encode_plain(&run), golden!("run-plain"), 311);
    assert_eq!(decode_plain(&bytes_of(golden!("run-plain"))).unwrap(), run);
    assert_eq!(unpack(&bytes_of(golden!("frame"))).unwrap(), run);
}

#[test]
fn heads_and_states() {
    let fixed = fixed();
    let mut replica = Replica::new(&fixed.world.certificates);
    replica.offer(&fixed.run);
    let straight = replica.state(fixed.name.id());
    same(&cbor::to_vec(straight), golden!("lane-state"), 188);
    assert_eq!(cbor::from_canonical::<LaneState>(&bytes_of(golden!("lane-state"))).unwrap(), *straight);
    same(
        &cbor::to_vec(&straight.head()),
        "82008203582037f466fc36eb6cad6b96ffefe3248b136075c7a33cc665f8e61710e049e51434",
        38,
    );
    let head: Head = forked(&fixed).head();
    same(&cbor::to_vec(&head), golden!("head-forked"), 77);
    let digest: Digest = head.digest(&fixed.name.id());
    same(digest.as_bytes(), "819f314de7095174b252356bbc008022c30829068ad2d9794807f13ac98711d1", 32);
}

#[test]
fn fork_state() {
    let fixed = fixed();
    let fork = forked(&fixed).fork.unwrap();
    same(&cbor::to_vec(&fork), golden!("fork-state"), 512);
    let read: ForkState = cbor::from_canonical(&bytes_of(golden!("fork-state"))).unwrap();
    assert_eq!(read.proof.verify(&fixed.name.id(), &fixed.device.seed.device_id()), Some(2));
}

#[test]
fn carry_body() {
    let fixed = fixed();
    let entry: Entry = carry(&fixed).entry();
    same(&entry.body, golden!("carry"), 252);
    let read = CarryBody::read(&bytes_of(golden!("carry"))).unwrap();
    let Fixed { world, device, .. } = fixed;
    let carried =
        verify(&read.carried[0], &area("shared/b"), &device.certificate, &world.certificates).unwrap();
    assert_eq!(carried.entry, facts("first"));
}
