//! Entries carried into another area.

use super::support::*;
use crate::base::Part;
use crate::lane::carry::{Carried, CarryBody, CarryError, verify};
use crate::lane::{Entry, EntryKind, Frontier, LaneName, Run, append};
use crate::record::statement::Salt;

struct Story {
    world: World,
    writer: Device,
    carrier: Device,
    name: LaneName,
    run: Run,
    carried: Carried,
}

/// A device writes five entries in `shared/a`; one of them is carried.
fn story() -> Story {
    let mut world = World::new();
    let (writer, carrier) = (world.device(11), world.device(12));
    let name = writer.name("shared/a", Part::Card);
    let run = append(None, &name, &writer.hash, many("fact", 5), &writer.seed).unwrap().remove(0).run;
    let carried = Carried::from_run(&name, &Frontier::default(), &run, 3, &writer.hash).unwrap();
    Story { world, writer, carrier, name, run, carried }
}

fn body(carried: Vec<Carried>) -> CarryBody {
    CarryBody { version: 1, salt: Salt([9; 8]), registration: "registration 12".to_owned(), carried }
}

#[test]
fn a_carried_entry_keeps_its_identity() {
    let Story { world, carrier, name, run, carried, .. } = story();
    let (to, certificates) = (area("shared/b"), &world.certificates);
    let entry = body(vec![carried.clone()]).entry();
    let read = CarryBody::read(&entry.body).unwrap();
    let once = verify(&read.carried[0], &to, &carrier.certificate, certificates).unwrap();
    assert_eq!((once.lane, once.seq), (name.id(), 3));
    assert_eq!((&once.entry, once.leaf), (&run.entries[3], run.entries[3].leaf()));
    assert_eq!(once.area(), &name.area);
}

#[test]
fn carried_twice_from_trees_of_other_sizes_it_is_the_same_entry() {
    let Story { world, writer, carrier, name, carried, .. } = story();
    let longer = append(None, &name, &writer.hash, many("fact", 9), &writer.seed).unwrap().remove(0).run;
    let again = Carried::from_run(&name, &Frontier::default(), &longer, 3, &writer.hash).unwrap();
    assert_ne!(again, carried);
    let verify = |carried| verify(carried, &area("shared/b"), &carrier.certificate, &world.certificates);
    assert_eq!(verify(&again).unwrap(), verify(&carried).unwrap());
}

#[test]
fn what_is_not_proven_is_not_believed() {
    let Story { mut world, writer, carrier, carried, name, .. } = story();
    let other = world.device(14);
    let narrow = world.device(15);
    let to = area("shared/b");
    let check = |carried: &Carried| verify(carried, &to, &carrier.certificate, &world.certificates);
    let changed = |change: &dyn Fn(&mut Carried)| {
        let mut carried = carried.clone();
        change(&mut carried);
        check(&carried)
    };
    assert!(changed(&|_| ()).is_ok());
    for error in [
        changed(&|c| c.entry.body[0] ^= 1),
        changed(&|c| c.entry.kind = EntryKind::CHART),
        changed(&|c| c.seq = 2),
        changed(&|c| c.size += 1),
        changed(&|c| c.size = u64::MAX),
        changed(&|c| c.signature[5] ^= 1),
        changed(&|c| c.proof.clear()),
        changed(&|c| c.proof[0].0[0] ^= 1),
        changed(&|c| c.proof = vec![c.certificate; 5_000]),
        changed(&|c| c.name.part = Part::Notes),
    ] {
        assert!(matches!(error, Err(CarryError::Proof { .. })), "{error:?}");
    }
    assert!(matches!(changed(&|c| c.certificate = other.hash), Err(CarryError::Certificate(_))));
    assert!(matches!(changed(&|c| c.certificate.0[0] ^= 1), Err(CarryError::UnknownCertificate { .. })));
    assert!(matches!(changed(&|c| c.name.area = area("private/x")), Err(CarryError::Carrier { .. })));
    assert!(matches!(changed(&|c| c.entry = writer.opening(&name)), Err(CarryError::Kind { .. })));
    let nested = body(vec![carried.clone()]).entry();
    assert!(matches!(changed(&|c| c.entry = nested.clone()), Err(CarryError::Kind { .. })));
    let alone = verify(&carried, &to, &narrow.certificate, &world.certificates);
    assert!(matches!(alone, Err(CarryError::Carrier { .. })));
}

#[test]
fn a_body_of_another_version_or_form_is_an_error() {
    let good = body(vec![]);
    assert_eq!(CarryBody::read(&good.entry().body).unwrap(), good);
    let Entry { body: mut bytes, .. } = CarryBody { version: 2, ..good }.entry();
    assert!(matches!(CarryBody::read(&bytes), Err(CarryError::Version(2))));
    bytes.push(0);
    assert!(matches!(CarryBody::read(&bytes), Err(CarryError::Encoding(_))));
}
