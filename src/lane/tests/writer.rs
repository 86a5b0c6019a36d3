//! Appending by the owning device.

use super::support::*;
use crate::base::Part;
use crate::base::limits::{CHECKPOINT_BYTES_MAX, CHECKPOINT_ENTRIES_MAX, ENTRY_BYTES_MAX, RUN_BYTES_MAX};
use crate::lane::{Admission, AppendError, Entry, EntryKind, append};

#[test]
fn what_is_appended_is_admitted_whole() {
    let mut world = World::new();
    let device = world.device(10);
    let name = device.name("shared/a", Part::Card);
    let runs = device.write(&name, &[many("first", 3), many("second", 1)]);
    let mut replica = Replica::new(&world.certificates);
    for run in &runs {
        assert!(matches!(replica.offer(run), Admission::Admitted(_)));
    }
    assert_eq!(runs[0].start, 0);
    assert_eq!(runs[1].start, 4);
    let expected = [vec![device.opening(&name)], many("first", 3), many("second", 1)].concat();
    assert_eq!(replica.entries(name.id()), expected);
    assert_eq!(replica.state(name.id()).certificates, [(0, device.hash)]);
}

#[test]
fn many_entries_have_checkpoints_between_and_runs_keep_their_limits() {
    let mut world = World::new();
    let device = world.device(10);
    let name = device.name("shared/a", Part::Data);
    let large = (0..20u8).map(|byte| facts(vec![byte; 40_000]));
    let entries: Vec<Entry> = many("small", 2_000).into_iter().chain(large).collect();
    let runs = device.write(&name, &[entries]);
    assert!(runs.len() > 3);
    let mut replica = Replica::new(&world.certificates);
    for run in &runs {
        run.check_shape().unwrap();
        let mut from = run.start;
        for checkpoint in &run.checkpoints {
            let range = (from - run.start) as usize..(checkpoint.size - run.start) as usize;
            let bytes: usize = run.entries[range.clone()].iter().map(|entry| entry.body.len()).sum();
            assert!(range.len() <= CHECKPOINT_ENTRIES_MAX && bytes <= CHECKPOINT_BYTES_MAX);
            from = checkpoint.size;
        }
        assert!(matches!(replica.offer(run), Admission::Admitted(_)));
    }
}

#[test]
fn an_entry_larger_than_a_run_travels_alone() {
    let mut world = World::new();
    let device = world.device(10);
    let name = device.name("shared/a", Part::Data);
    let scan = facts(vec![7; RUN_BYTES_MAX * 2]);
    let runs = device.write(&name, &[vec![facts("a"), scan, facts("b")]]);
    let sizes: Vec<_> = runs.iter().map(|run| run.entries.len()).collect();
    assert_eq!(sizes, [2, 1, 1]);
    runs.iter().for_each(|run| run.check_shape().unwrap());
}

#[test]
fn a_renewed_certificate_is_written_before_what_it_rules() {
    let mut world = World::new();
    let device = world.device(10);
    let name = device.name("shared/a", Part::Card);
    let first = append(None, &name, &device.hash, vec![facts("a")], &device.seed).unwrap();
    let mut renewed = device.certificate.clone();
    renewed.not_after.0 += 1;
    let (_, hash) = world.issue(&renewed);
    let second = append(Some(&first[0].state), &name, &hash, vec![facts("b")], &device.seed).unwrap();
    assert_eq!(second[0].run.entries[0].kind, EntryKind::CERTIFICATE);
    let state = &second[0].state;
    assert_eq!(state.certificates, [(0, device.hash), (2, hash)]);
    assert_eq!(state.certificate_at(1), Some(&device.hash));
    assert_eq!(state.certificate_at(3), Some(&hash));
    let third = append(Some(state), &name, &hash, vec![facts("c")], &device.seed).unwrap();
    assert_eq!(third[0].run.entries, [facts("c")]);
}

#[test]
fn what_may_not_be_written_is_an_error() {
    let mut world = World::new();
    let (device, other) = (world.device(10), world.device(12));
    let name = device.name("shared/a", Part::Card);
    let write = |entry: Entry, seed| append(None, &name, &device.hash, vec![entry], seed);
    let large = facts(vec![0; ENTRY_BYTES_MAX + 1]);
    assert!(matches!(write(large, &device.seed), Err(AppendError::EntryTooLarge { .. })));
    assert!(matches!(write(facts("a"), &other.seed), Err(AppendError::OtherDevice { .. })));
    let opening = device.opening(&name);
    assert!(matches!(write(opening, &device.seed), Err(AppendError::CertificateEntry(_))));
    assert_eq!(append(None, &name, &device.hash, vec![], &device.seed), Ok(vec![]));
}

#[test]
fn a_clone_does_not_go_on_writing() {
    let mut world = World::new();
    let device = world.device(10);
    let name = device.name("shared/a", Part::Card);
    let mut replica = Replica::new(&world.certificates);
    for text in ["one store", "its clone"] {
        replica.offer(&device.write(&name, &[vec![facts(text)]])[0]);
    }
    let state = replica.state(name.id());
    let refused = append(Some(state), &name, &device.hash, vec![facts("c")], &device.seed);
    assert_eq!(refused, Err(AppendError::Forked(name.id())));
}
