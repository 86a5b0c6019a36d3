//! `flap`, `one-way` and `degrade`: paths that are neither up nor down.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, PathState, TimedDeed};
use super::super::scenario::{
    BETWEEN, FOR, LINKS_AT, Lines, Mark, Mistake, SHARE, Scenario, Shape, Told, UNTIL, Walk, Words, may,
    need, profile,
};
use super::words::{lasting, lines, site, told};
use super::{Event, EventKind};
use crate::transport::{Flap, LinkProfile};

/// The kind.
pub static FLAP: EventKind = EventKind {
    name: "flap",
    does: Words {
        en: "links come and go: up for some seconds, down for some, again and again",
        ja: "回線が数秒ごとにつながったり切れたりを繰り返す",
    },
    keys: &[
        BETWEEN,
        LINKS_AT,
        SHARE,
        may("up-s", Shape::Whole(1, 86_400), "seconds of being up; default 15", "つながる秒数。既定は 15"),
        may("down-s", Shape::Whole(1, 86_400), "seconds of being down; default 5", "切れる秒数。既定は 5"),
        FOR,
        UNTIL,
    ],
    live: true,
    example: "at = \"tablet\"\nup-s = 20\ndown-s = 10\nfor = \"2h\"",
    read: |table, names| {
        let lines = names.lines(table)?;
        let milliseconds = |s: u64| u32::try_from(s * 1_000).unwrap_or(u32::MAX);
        let up_s = table.optional_number("up-s")?.map_or(15, |up| up.value);
        let down_s = table.optional_number("down-s")?.map_or(5, |down| down.value);
        let up_ms = NonZeroU32::new(milliseconds(up_s)).unwrap_or(NonZeroU32::MIN);
        let how = How::Flaps(Flap { up_ms, down_ms: milliseconds(down_s) });
        Ok(Arc::new(WeakPaths { lines, how, lasts: names.lasting(table)? }))
    },
};

/// The kind.
pub static ONE_WAY: EventKind = EventKind {
    name: "one-way",
    does: Words {
        en: "one link carries only what travels towards one of its ends",
        ja: "一本の回線が、一方の端に向かうものだけを通す",
    },
    keys: &[
        need(BETWEEN.name, BETWEEN.shape, BETWEEN.does.en, BETWEEN.does.ja),
        need("towards", Shape::Text, "the end that still hears the other", "まだ相手の声が届く側"),
        FOR,
        UNTIL,
    ],
    live: true,
    example: "between = [\"north\", \"tablet\"]\ntowards = \"tablet\"\nfor = \"30m\"",
    read: |table, names| {
        let link = names.link(table)?;
        let link = link.ok_or_else(|| {
            table.missing("between", "needs 'between', two replicas such as [\"north\", \"south\"]")
        })?;
        let end = table.text("towards")?;
        let place = names.replica(&end)?;
        let towards = names.links[link].iter().position(|other| *other == place);
        let towards = towards
            .ok_or_else(|| Mistake::at(end.line, format!("'{}' is no end of that link", end.value)))?;
        let lines = Lines { links: vec![link], share: None };
        Ok(Arc::new(WeakPaths { lines, how: How::OneWay(towards), lasts: names.lasting(table)? }))
    },
};

/// The kind.
pub static DEGRADE: EventKind = EventKind {
    name: "degrade",
    does: Words {
        en: "links get another profile: slower, lossier, narrower",
        ja: "回線が別の性質になる：遅く、失われやすく、細く",
    },
    keys: &[
        BETWEEN,
        LINKS_AT,
        SHARE,
        need("to", Shape::Profile, "the profile, as in [[link]]", "回線の性質（[[link]] と同じ書き方）"),
        FOR,
        UNTIL,
    ],
    live: true,
    example: "share = 0.5\nto = \"narrow-23k\"\nfor = \"12h\"",
    read: |table, names| {
        let lines = names.lines(table)?;
        let Some((profile, name)) = profile(table, "to")? else {
            return Err(table.missing("to", "needs 'to': a profile such as \"narrow-23k\""));
        };
        Ok(Arc::new(WeakPaths { lines, how: How::Profile(profile, name), lasts: names.lasting(table)? }))
    },
};

#[derive(Debug)]
enum How {
    Flaps(Flap),
    OneWay(usize),
    Profile(LinkProfile, String),
}

#[derive(Debug)]
struct WeakPaths {
    lines: Lines,
    how: How,
    lasts: Option<Duration>,
}

impl Event for WeakPaths {
    fn kind(&self) -> &'static EventKind {
        match self.how {
            How::Flaps(_) => &FLAP,
            How::OneWay(_) => &ONE_WAY,
            How::Profile(..) => &DEGRADE,
        }
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.mark(Mark::Fault);
        Ok(())
    }

    fn deeds(&self, scenario: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let links = self.lines.choose(chance);
        let state = |link: usize| match &self.how {
            How::Flaps(flap) => {
                let profile = scenario.links[link].profile.clone();
                PathState::Degraded(LinkProfile { flap: Some(*flap), ..profile })
            }
            How::OneWay(towards) => PathState::OneWay { towards: *towards },
            How::Profile(profile, _) => PathState::Degraded(profile.clone()),
        };
        let mut deeds: Vec<TimedDeed> =
            links.iter().map(|link| Deed::Path { link: *link, state: state(*link) }.at_once()).collect();
        if let Some(lasts) = self.lasts {
            deeds.extend(
                links.iter().map(|link| Deed::Path { link: *link, state: PathState::Up }.after(lasts)),
            );
        }
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (which, lasting) = (lines(scenario, &self.lines), lasting(self.lasts));
        let (en, ja) = match &self.how {
            How::Flaps(_) => ("Coming and going: ".to_owned(), "つながったり切れたり：".to_owned()),
            How::OneWay(towards) => {
                let heard = self.lines.links.first().map(|link| scenario.links[*link].ends[*towards]);
                let heard = heard.map_or("?", |end| site(scenario, end));
                (format!("Only {heard} still hears the other: "), format!("{heard}にだけ届く："))
            }
            How::Profile(_, name) => (format!("As bad as {name} now: "), format!("{name}並みに悪化：")),
        };
        told(format!("{en}{}{}", which.en, lasting.en), format!("{ja}{}{}", which.ja, lasting.ja))
    }
}
