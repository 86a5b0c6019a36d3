//! Whatever the carrier: links that break, a bucket, sticks that are pulled, in any order and any mix.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::Replica;
use super::bundle_answer::{BundleFor, BundleWanted};
use super::exchange::{Effect, Exchange};
use super::knowing_tests::{hear_all, medication, note, region_on, register};
use super::request::MedicationAction;
use super::sealed_world_tests::{World, author};
use super::tests::{digest, views};
use crate::backup::Bucket;
use crate::base::RecordId;
use crate::store::MemoryStore;

const MIURA: &str = "shared/miura";

/// What carries entries from one replica to another.
#[derive(Debug, Clone)]
enum Carrier {
    /// A link, which breaks after so many messages.
    Link { messages: usize },
    /// A bucket: what the first puts there the second takes, or one of them only comes later.
    Bucket { second_too: bool },
    /// A bundle, for a request of the second or of everything, torn at a byte or whole; an older stick may be read again.
    Stick { asked: bool, torn: Option<Index>, again: Option<Index> },
}

#[derive(Debug, Clone)]
enum Step {
    Register {
        at: usize,
    },
    Write {
        at: usize,
        record: Index,
        what: bool,
    },
    /// What was written is indexed and joined at rest.
    Rest {
        at: usize,
    },
    /// The replica ends and its store is opened again.
    Restart {
        at: usize,
    },
    Carry {
        from: usize,
        to: usize,
        carrier: Carrier,
    },
}

fn carrier() -> impl Strategy<Value = Carrier> {
    let torn = prop::option::of(any::<Index>());
    prop_oneof![
        prop_oneof![1_usize..12, Just(usize::MAX)].prop_map(|messages| Carrier::Link { messages }),
        any::<bool>().prop_map(|second_too| Carrier::Bucket { second_too }),
        (any::<bool>(), torn, prop::option::of(any::<Index>()))
            .prop_map(|(asked, torn, again)| Carrier::Stick { asked, torn, again }),
    ]
}

/// A carrier that breaks nowhere.
fn whole_carrier() -> impl Strategy<Value = Carrier> {
    prop_oneof![
        Just(Carrier::Link { messages: usize::MAX }),
        Just(Carrier::Bucket { second_too: true }),
        any::<bool>().prop_map(|asked| Carrier::Stick { asked, torn: None, again: None }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..3_usize;
    prop_oneof![
        1 => at.clone().prop_map(|at| Step::Register { at }),
        4 => (at.clone(), any::<Index>(), any::<bool>())
            .prop_map(|(at, record, what)| Step::Write { at, record, what }),
        1 => at.clone().prop_map(|at| Step::Rest { at }),
        1 => at.clone().prop_map(|at| Step::Restart { at }),
        6 => (at, 1..3_usize, carrier())
            .prop_map(|(from, by, carrier)| Step::Carry { from, to: (from + by) % 3, carrier }),
    ]
}

/// A region of three with a bucket that all reach and a drawer of sticks.
struct Places {
    world: Arc<World>,
    stores: [Arc<MemoryStore>; 3],
    replicas: Vec<Arc<Replica>>,
    bucket: Bucket,
    sticks: tempfile::TempDir,
    written: Vec<PathBuf>,
    records: Vec<RecordId>,
    runtime: tokio::runtime::Runtime,
}

impl Places {
    fn new() -> Self {
        let world = World::new(11);
        let stores = [(); 3].map(|()| Arc::new(MemoryStore::new()));
        let replicas = region_on(&world, &stores);
        hear_all(&replicas);
        let records = vec![register(&replicas[0], "三浦 花子", MIURA)];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sticks = tempfile::tempdir().unwrap();
        Self {
            world,
            stores,
            replicas,
            bucket: Bucket::memory(),
            sticks,
            written: Vec::new(),
            records,
            runtime,
        }
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Register { at } => self.records.push(register(&self.replicas[at], "海野 潮", MIURA)),
            Step::Write { at, record, what } => {
                let record = self.records[record.index(self.records.len())];
                let what = match what {
                    true => note("再診"),
                    false => medication(MedicationAction::Start, "5mg"),
                };
                // Nobody writes about a person of whom nothing has come yet.
                let _ = self.replicas[at].write(&record, what, author());
            }
            Step::Rest { at } => {
                self.replicas[at].index_step().unwrap();
                self.replicas[at].repack_step().unwrap();
            }
            Step::Restart { at } => {
                let store = self.stores[at].clone();
                self.replicas[at] = Arc::new(Replica::open(store, self.world.clone()).unwrap());
            }
            Step::Carry { from, to, carrier } => self.carry(from, to, &carrier),
        }
    }

    fn carry(&mut self, from: usize, to: usize, carrier: &Carrier) {
        match carrier {
            Carrier::Link { messages } => link(&self.replicas[from], &self.replicas[to], *messages),
            Carrier::Bucket { second_too } => {
                self.meet_bucket(from);
                if *second_too {
                    self.meet_bucket(to);
                }
            }
            Carrier::Stick { asked, torn, again } => {
                let stick = self.stick(from, asked.then_some(to));
                self.written.push(stick.clone());
                if let Some(torn) = torn {
                    let bytes = std::fs::read(&stick).unwrap();
                    std::fs::write(&stick, &bytes[..torn.index(bytes.len())]).unwrap();
                }
                let is_complete = self.take(to, &stick);
                assert_eq!(is_complete, torn.is_none(), "whether a stick is whole is told");
                if let Some(again) = again {
                    self.take(to, &self.written[again.index(self.written.len())].clone());
                }
            }
        }
    }

    fn meet_bucket(&self, at: usize) {
        let mut progress = |_| {};
        let met = self.replicas[at].sync_with_bucket(&self.bucket, "shared", &mut progress);
        self.runtime.block_on(met).unwrap();
    }

    fn stick(&self, from: usize, asked_by: Option<usize>) -> PathBuf {
        let name = |what: &str| self.sticks.path().join(format!("{what}-{}", self.written.len()));
        let target = asked_by.map_or(BundleFor::Realm, |to| {
            self.replicas[to].bundle_request_to(&name("request")).unwrap();
            BundleFor::Request(name("request"))
        });
        let (areas, parts, out) = Default::default();
        let mut wanted = BundleWanted { target, areas, parts, out };
        wanted.out = name("bundle");
        self.replicas[from].bundle_export(&wanted, &mut |_| {}).unwrap();
        wanted.out
    }

    fn take(&self, to: usize, stick: &Path) -> bool {
        self.replicas[to].bundle_import(&[stick.to_owned()], &mut |_| {}).unwrap().is_complete()
    }
}

/// How many entries a replica holds.
fn held(replica: &Replica) -> u64 {
    replica.lanes().values().map(|lane| lane.size()).sum()
}

/// Lets two replicas talk over a link that breaks after so many messages; what is on its way then is lost. What either
/// was sent it did not have, and nothing comes twice.
fn link(one: &Arc<Replica>, other: &Arc<Replica>, mut messages: usize) {
    let pair = [one, other];
    let before = pair.map(|replica| held(replica));
    let begin = |here: usize| {
        Exchange::begin(pair[here].clone(), pair[1 - here].me().device, "peer".into(), here == 0)
    };
    let (mut ends, mut received, mut silent) = ([begin(0), begin(1)], [0, 0], 0);
    'talk: while silent < 6 {
        for end in 0..2 {
            let mut said = Vec::new();
            while let Some(effects) = ends[end].step().unwrap() {
                for effect in effects {
                    match effect {
                        Effect::Send(message) => said.push(message),
                        Effect::Received(entries) => received[end] += entries,
                        Effect::Sent(_) | Effect::Refused(_) | Effect::Pulled { .. } | Effect::Closed(_) => {}
                    }
                }
            }
            silent = if said.is_empty() { silent + 1 } else { 0 };
            if said.is_empty() {
                // What is acknowledged waits for a tick.
                ends[end].tick();
            }
            for message in said {
                if messages == 0 {
                    break 'talk;
                }
                messages -= 1;
                ends[1 - end].heard(message);
            }
        }
    }
    for end in 0..2 {
        assert_eq!(received[end], held(pair[end]) - before[end], "what came was new, and came once");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    /// Whatever is written, whatever carries it, however often it breaks, is torn, repeated or comes late: once something
    /// has led from each to each, heads and views are equal everywhere, and no carrier has anything to bring any more.
    #[test]
    fn any_mix_of_carriers_ends_in_the_same(
        steps in prop::collection::vec(step(), 1..40),
        last in prop::collection::vec(whole_carrier(), 6),
    ) {
        let mut places = Places::new();
        for step in steps {
            places.play(step);
        }
        // Around the ring twice: from each to each.
        for (number, carrier) in last.iter().enumerate() {
            places.carry(number % 3, (number + 1) % 3, carrier);
        }
        let [a, b, c] = [0, 1, 2].map(|at| (digest(&places.replicas[at]), views(&places.replicas[at])));
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(&a, &c);
        let before = held(&places.replicas[0]);
        for carrier in &last {
            places.carry(1, 0, carrier);
        }
        prop_assert_eq!((digest(&places.replicas[0]), held(&places.replicas[0])), (a.0, before));
    }
}
