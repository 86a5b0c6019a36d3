//! `second-quake`: the next shock: links are cut, mains fail, perhaps a site is lost, all at once.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, PathState, TimedDeed};
use super::super::scenario::{
    FOR, LINKS_AT, Mark, Scenario, Shape, Standing, Told, UNTIL, Walk, Whom, Words, may,
};
use super::power::failure_deeds;
use super::words::{lasting, percent, told, whom};
use super::{Event, EventKind};

/// The share of links that it cuts unless the scenario says otherwise.
const LINKS: f64 = 0.5;
/// The share of replicas whose mains fail unless the scenario says otherwise.
const POWER: f64 = 0.3;
/// The part of these whose power ends in mid-write.
const IN_MID_WRITE: f64 = 0.5;

/// The kind.
pub static SECOND_QUAKE: EventKind = EventKind {
    name: "second-quake",
    does: Words {
        en: "another shock: a share of the links is cut, at a share of the replicas the mains fail, and sites may be lost",
        ja: "再びの地震：回線の一部が断たれ、一部で停電し、失われる施設もある",
    },
    keys: &[
        may(LINKS_AT.name, LINKS_AT.shape, "where; default: everywhere", "場所。既定は全域"),
        may(
            "links",
            Shape::Number(0.0, 1.0),
            "the share of their links that is cut; default 0.5",
            "断たれる回線の割合。既定は 0.5",
        ),
        may(
            "power",
            Shape::Number(0.0, 1.0),
            "the share of them whose mains fail; default 0.3",
            "停電する割合。既定は 0.3",
        ),
        may(
            "lost",
            Shape::Whole(0, 100),
            "how many sites are lost for good; default 0",
            "失われる施設の数。既定は 0",
        ),
        FOR,
        UNTIL,
    ],
    live: false,
    example: "at = \"shared/miura\"\nlinks = 0.6\npower = 0.4\nlost = 1\nfor = \"12h\"",
    read: |table, names| {
        let at = table.optional_places("at")?;
        let (members, called) = match &at {
            None => ((0..names.replicas.len()).collect(), "the region".to_owned()),
            Some(at) => {
                let called: Vec<&str> = at.value.iter().map(|name| name.value.as_str()).collect();
                (names.members(&at.value)?, called.join(", "))
            }
        };
        let touches = |link: &usize| names.links[*link].iter().any(|end| members.contains(end));
        let links =
            (0..names.links.len()).filter(touches).filter(|link| !names.surviving.contains(link)).collect();
        let cut = table.optional_decimal("links")?.map_or(LINKS, |share| share.value);
        let power = table.optional_decimal("power")?.map_or(POWER, |share| share.value);
        let lost = table.optional_number("lost")?.map_or(0, |lost| lost.value);
        let whom = Whom { members, share: None, called };
        Ok(Arc::new(SecondQuake { whom, links, cut, power, lost, lasts: names.lasting(table)? }))
    },
};

#[derive(Debug)]
struct SecondQuake {
    whom: Whom,
    links: Vec<usize>,
    cut: f64,
    power: f64,
    lost: u64,
    lasts: Option<Duration>,
}

impl Event for SecondQuake {
    fn kind(&self) -> &'static EventKind {
        &SECOND_QUAKE
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        let members = walk.standing_disks(&self.whom)?;
        if self.lost > 0 && members.len() as u64 <= self.lost {
            return Err(format!(
                "would lose all {} sites that are left at '{}'; say less in 'lost'",
                members.len(),
                self.whom.called
            ));
        }
        let unsure = |at: &usize| {
            self.lost > 0 || (self.power > 0.0 && walk.scenario().replicas[*at].reserve.is_some())
        };
        for at in members.into_iter().filter(unsure).collect::<Vec<_>>() {
            walk.set(at, Standing::Unsure);
        }
        if self.cut > 0.0 {
            walk.mark(Mark::Cut);
        }
        walk.mark(Mark::Fault);
        walk.mark(Mark::Damage);
        Ok(())
    }

    fn deeds(&self, scenario: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let cut = chance.fork("links").sample(&self.links, self.cut);
        let path = |link: &usize, state| Deed::Path { link: *link, state };
        let mut deeds: Vec<TimedDeed> =
            cut.iter().map(|link| path(link, PathState::Down).at_once()).collect();
        let share = self.lost as f64 / self.whom.members.len().max(1) as f64;
        let lost = chance.fork("lost").sample(&self.whom.members, share);
        deeds.extend(lost.into_iter().map(|at| Deed::DestroyDisk { at }.at_once()));
        let mut power = chance.fork("power");
        let dark = power.sample(&self.whom.members, self.power);
        deeds.extend(failure_deeds(scenario, &dark, self.lasts, IN_MID_WRITE, &mut power));
        if let Some(lasts) = self.lasts {
            deeds.extend(cut.iter().map(|link| path(link, PathState::Up).after(lasts)));
        }
        deeds.sort_by_key(|deed| deed.after);
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (whom, lasting) = (whom(scenario, &self.whom), lasting(self.lasts));
        let (cut, power, lost) = (percent(self.cut), percent(self.power), self.lost);
        let (lost_en, lost_ja) = match lost {
            0 => (String::new(), String::new()),
            _ => (format!(", {lost} sites are lost"), format!("、{lost}施設が失われる")),
        };
        told(
            format!(
                "Another shock at {whom}: {cut} of the links cut, {power} without power{lost_en}{}",
                lasting.en
            ),
            format!("{whom}で再び地震：回線の{cut}が切断、{power}で停電{lost_ja}{}", lasting.ja),
        )
    }
}
