//! A model of a region: up to seven replicas, each a set of statements; writes follow what their replica holds.
//!
//! The model knows nothing of threads, standings or views: it keeps who said what after what, and a law is judged
//! from that alone.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::record::RecordView;
use crate::record::fixtures::{self, Story, facts_of};
use crate::record::sections::care_level::CARE_LEVEL_CODE;
use crate::record::sections::consent::{ConsentKind, ConsentLevel};
use crate::record::sections::registry::MUSUBI_SYSTEM;
use crate::record::sections::resuscitation::Order;
use crate::record::statement::{Act, Position};

/// Replicas in a world.
pub(super) const REPLICAS: usize = 7;

/// What a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Allergy,
    Drug,
    Note,
    Dose,
    Triage,
    Stay,
    Blood,
    Will,
    Consent,
    Pulse,
    Potassium,
    Shot,
    Problem,
    Care,
    Patient,
}

pub(super) const ABOUT: [About; 15] = [
    About::Allergy,
    About::Drug,
    About::Note,
    About::Dose,
    About::Triage,
    About::Stay,
    About::Blood,
    About::Will,
    About::Consent,
    About::Pulse,
    About::Potassium,
    About::Shot,
    About::Problem,
    About::Care,
    About::Patient,
];

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Write {
        at: usize,
        about: About,
        what: u8,
        act: u8,
        doctor: bool,
        follow: u8,
        which: prop::sample::Index,
    },
    /// Two replicas meet and tell each other everything, unless the path between them is cut.
    Meet(usize, usize),
    /// One statement travels alone, on paper or by a courier: cuts do not stop it.
    Deliver(usize, usize, prop::sample::Index),
    Cut(usize, usize),
    Heal(usize, usize),
}

/// What was said, as the model remembers it.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) about: About,
    pub(super) what: u8,
    pub(super) act: Act,
    pub(super) doctor: bool,
    pub(super) follows: Vec<usize>,
}

/// All statements, and who holds which.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) story: Story,
    pub(super) said: Vec<Said>,
    pub(super) held: [BTreeSet<usize>; REPLICAS],
}

/// Any schedule, about everything.
pub(super) fn any_world() -> impl Strategy<Value = World> {
    schedule(Just(None))
}

/// Any schedule; most are about one thing only, so that its statements meet.
pub(super) fn world_about(about: About) -> impl Strategy<Value = World> {
    schedule(prop_oneof![7 => Just(Some(about)), 1 => Just(None)])
}

fn schedule(focus: impl Strategy<Value = Option<About>>) -> impl Strategy<Value = World> {
    let write = (
        0..REPLICAS,
        0..ABOUT.len(),
        any::<u8>(),
        any::<u8>(),
        any::<bool>(),
        0u8..4,
        any::<prop::sample::Index>(),
    );
    let write = write.prop_map(|(at, about, what, act, doctor, follow, which)| Step::Write {
        at,
        about: ABOUT[about],
        what,
        act,
        doctor,
        follow,
        which,
    });
    let pair = || (0..REPLICAS, 0..REPLICAS);
    let step = prop_oneof![
        6 => write,
        4 => pair().prop_map(|(a, b)| Step::Meet(a, b)),
        1 => (pair(), any::<prop::sample::Index>()).prop_map(|((a, b), which)| Step::Deliver(a, b, which)),
        1 => pair().prop_map(|(a, b)| Step::Cut(a, b)),
        1 => pair().prop_map(|(a, b)| Step::Heal(a, b)),
    ];
    (focus, prop::collection::vec(step, 1..40)).prop_map(|(focus, steps)| {
        let mut world = World::default();
        let mut cuts = BTreeSet::new();
        for step in steps {
            world.step(step, focus, &mut cuts);
        }
        world
    })
}

impl World {
    fn step(&mut self, step: Step, focus: Option<About>, cuts: &mut BTreeSet<(usize, usize)>) {
        match step {
            Step::Write { at, about, what, act, doctor, follow, which } => {
                self.write(at, focus.unwrap_or(about), what, act, doctor, follow, which);
            }
            Step::Meet(a, b) if !cuts.contains(&(a.min(b), a.max(b))) => self.meet(a, b),
            Step::Meet(..) => {}
            Step::Deliver(a, b, which) => {
                let all: Vec<usize> = self.held[a].iter().copied().collect();
                if !all.is_empty() {
                    self.held[b].insert(*which.get(&all));
                }
            }
            Step::Cut(a, b) => drop(cuts.insert((a.min(b), a.max(b)))),
            Step::Heal(a, b) => drop(cuts.remove(&(a.min(b), a.max(b)))),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a write has this many choices")]
    fn write(
        &mut self,
        at: usize,
        about: About,
        what: u8,
        act: u8,
        doctor: bool,
        follow: u8,
        which: prop::sample::Index,
    ) {
        let known = self.known(at, about);
        let follows = match follow {
            _ if known.is_empty() => Vec::new(),
            0 => Vec::new(),
            1 => vec![*which.get(&known)],
            _ => self.tips(at, about),
        };
        let acts = acts(about);
        let act = acts[usize::from(act) % acts.len()];
        let role = if doctor { "doctor" } else { "nurse" };
        let site = u8::try_from(at).unwrap();
        let handle = self.story.write_as(role, site, act, &follows, &resource(about, what));
        self.said.push(Said { about, what, act, doctor, follows });
        self.held[at].insert(handle);
    }

    fn meet(&mut self, a: usize, b: usize) {
        let both: BTreeSet<usize> = self.held[a].union(&self.held[b]).copied().collect();
        self.held[a] = both.clone();
        self.held[b] = both;
    }

    /// Lets everybody meet everybody.
    pub(super) fn converge(&mut self) {
        let all: BTreeSet<usize> = self.held.iter().flatten().copied().collect();
        self.held.iter_mut().for_each(|held| *held = all.clone());
    }

    /// Returns the view of a replica; it took in what it holds in an order of its own.
    pub(super) fn view(&self, at: usize) -> RecordView {
        let mut entries: Vec<_> =
            self.held[at].iter().map(|handle| self.story.entries[*handle].clone()).collect();
        let turn = if entries.is_empty() { 0 } else { at % entries.len() };
        entries.rotate_left(turn);
        if at % 2 == 1 {
            entries.reverse();
        }
        RecordView::of(&facts_of(&entries))
    }

    /// Returns what a replica holds about something.
    pub(super) fn known(&self, at: usize, about: About) -> Vec<usize> {
        self.held[at].iter().copied().filter(|handle| self.said[*handle].about == about).collect()
    }

    /// Returns what follows a statement, as far as a replica can see.
    pub(super) fn after(&self, at: usize, handle: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = vec![handle];
        while let Some(next) = open.pop() {
            let followers = self.held[at].iter().filter(|one| self.said[**one].follows.contains(&next));
            open.extend(followers.copied().filter(|one| found.insert(*one)).collect::<Vec<_>>());
        }
        found
    }

    /// Returns what nothing follows, as far as a replica can see.
    pub(super) fn tips(&self, at: usize, about: About) -> Vec<usize> {
        self.known(at, about).into_iter().filter(|handle| self.after(at, *handle).is_empty()).collect()
    }

    /// Returns what is not followed by anything that a rule says may end it.
    pub(super) fn unended(&self, at: usize, about: About, ends: impl Fn(&Said) -> bool) -> Vec<usize> {
        let ended = |handle: &usize| self.after(at, *handle).iter().any(|later| ends(&self.said[*later]));
        self.known(at, about).into_iter().filter(|handle| !ended(handle)).collect()
    }

    /// Returns where a statement stands.
    pub(super) fn place(&self, handle: usize) -> Position {
        self.story.position(handle)
    }
}

fn acts(about: About) -> &'static [Act] {
    match about {
        About::Allergy => &[Act::Assert, Act::Change, Act::Refute],
        About::Drug => &[Act::Assert, Act::Change, Act::Hold, Act::Stop],
        About::Note => &[Act::Assert, Act::Addendum],
        About::Triage => &[Act::Change, Act::Change, Act::Change, Act::Change, Act::Refute],
        About::Stay => &[Act::Assert, Act::Change, Act::Stop],
        About::Blood | About::Will => &[Act::Assert, Act::Change, Act::Assert, Act::Decide, Act::Refute],
        About::Consent => &[Act::Assert, Act::Change],
        About::Dose | About::Pulse | About::Potassium | About::Shot => {
            &[Act::Assert, Act::Assert, Act::Change, Act::Refute]
        }
        About::Problem => &[Act::Assert, Act::Change, Act::Stop],
        About::Care => &[Act::Assert, Act::Change, Act::Change, Act::Refute],
        About::Patient => &[Act::Assert, Act::Change],
    }
}

/// The names of what is said; `what` chooses.
pub(super) fn one_of<T: Copy>(what: u8, list: &[T]) -> T {
    list[usize::from(what) % list.len()]
}

pub(super) const SUBSTANCES: [&str; 3] = ["アスピリン", "ペニシリン", "そば"];
pub(super) const COLOURS: [&str; 4] = ["red", "yellow", "green", "black"];
pub(super) const PLACES: [&str; 3] = ["第二小学校", "三浦市立", "自宅"];
pub(super) const GROUPS: [&str; 3] = ["A+", "B+", "A-"];
pub(super) const ORDERS: [Order; 2] = [Order::Attempt, Order::DoNotAttempt];
pub(super) const KINDS: [ConsentKind; 2] = [ConsentKind::Sharing, ConsentKind::Backup];
pub(super) const LEVELS: [ConsentLevel; 3] =
    [ConsentLevel::Permitted, ConsentLevel::Limited, ConsentLevel::Withdrawn];
pub(super) const CARE_LEVELS: [&str; 3] = ["要支援1", "要介護3", "要介護5"];
pub(super) const VALUES: [&str; 2] = ["3.5 mmol/L", "6.9 mmol/L"];

/// How the minutes of doses lie: some within the window, some beyond.
pub(super) const MINUTES: [u64; 4] = [0, 10, 45, 200];

pub(super) fn resource(about: About, what: u8) -> Value {
    let other = what / 16;
    match about {
        About::Allergy => fixtures::allergy(one_of(what, &SUBSTANCES)),
        About::Drug => fixtures::order("ワルファリン", "active", one_of(what, &["1mg", "2mg"])),
        About::Note => fixtures::note(one_of(what, &["呼吸苦", "改善"])),
        About::Dose => fixtures::dose(one_of(what, &["アドレナリン", "モルヒネ"]), one_of(other, &MINUTES)),
        About::Triage => fixtures::triage(one_of(what, &COLOURS)),
        About::Stay => fixtures::stay(one_of(what, &PLACES), false),
        About::Blood => fixtures::blood(one_of(what, &GROUPS)),
        About::Will => fixtures::resuscitation(one_of(what, &ORDERS)),
        About::Consent => fixtures::consent(one_of(what, &KINDS), one_of(other, &LEVELS)),
        About::Pulse => fixtures::pulse(60 + u64::from(what % 4), one_of(other, &MINUTES)),
        About::Potassium => fixtures::potassium(one_of(what, &VALUES), one_of(other, &["t1", "t2"])),
        About::Shot => fixtures::shot(one_of(what, &["破傷風", "風疹"]), one_of(other, &["L1", "L2"])),
        About::Problem => fixtures::problem("喘息", one_of(what, &["active", "resolved"])),
        About::Care => json!({
            "resourceType": "Observation", "status": "final",
            "code": {"coding": [{"system": MUSUBI_SYSTEM, "code": CARE_LEVEL_CODE}]},
            "valueCodeableConcept": {"text": one_of(what, &CARE_LEVELS)},
        }),
        About::Patient => json!({
            "resourceType": "Patient", "birthDate": one_of(what, &["1950-12-06", "1950-06-12"]),
        }),
    }
}
