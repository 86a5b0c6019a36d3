//! `cut`, `heal` and `meet`: paths between replicas, and to the bucket, go and come.

use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::{Deed, PathState, TimedDeed};
use super::super::scenario::{
    BETWEEN, Fields, Key, LINKS_AT, Lines, Mark, Mistake, Names, OptionalLines, SHARE, Scenario, Shape, Told,
    Walk, Words, may, need,
};
use super::words::{site, told};
use super::{Event, EventKind};

/// What may be cut and healed as a whole.
const WHAT: &[&str] = &["everything", "links", "bucket"];
const WHAT_KEY: Key = may(
    "what",
    Shape::OneOf(WHAT),
    "'everything', 'links' or 'bucket', instead of 'between' or 'at'",
    "'everything'、'links'、'bucket' のいずれか（'between' や 'at' の代わり）",
);
const OUTAGE: Key = may(
    "outage-s",
    Shape::Whole(0, 3_600),
    "waits until so many seconds have passed since the last cut",
    "最後の切断からこの秒数がたつまで待つ",
);

/// The kind.
pub static CUT: EventKind = EventKind {
    name: "cut",
    does: Words { en: "paths are cut: nothing passes", ja: "経路が断たれ、何も通らない" },
    keys: &[WHAT_KEY, BETWEEN, LINKS_AT, SHARE],
    live: true,
    example: "at = \"shared/miura\"\nshare = 0.4",
    read: |table, names| {
        Ok(Arc::new(Paths { to: PathState::Down, meet: false, meant: meant(table, names, true)? }))
    },
};

/// The kind.
pub static HEAL: EventKind = EventKind {
    name: "heal",
    does: Words {
        en: "paths are healed: they are as planned again", ja: "経路が計画どおりに戻る"
    },
    keys: &[WHAT_KEY, BETWEEN, LINKS_AT, SHARE, OUTAGE],
    live: true,
    example: "what = \"everything\"\noutage-s = 12",
    read: |table, names| {
        Ok(Arc::new(Paths { to: PathState::Up, meet: false, meant: meant(table, names, false)? }))
    },
};

/// The kind.
pub static MEET: EventKind = EventKind {
    name: "meet",
    does: Words {
        en: "two replicas reach each other again: one link heals",
        ja: "二つのレプリカが再び届く：一本の回線が戻る",
    },
    keys: &[need(BETWEEN.name, BETWEEN.shape, BETWEEN.does.en, BETWEEN.does.ja), OUTAGE],
    live: true,
    example: "between = [\"north\", \"tablet\"]",
    read: |table, names| {
        let link = names.link(table)?;
        let link = link.ok_or_else(|| {
            table.missing("between", "needs 'between', two replicas such as [\"north\", \"south\"]")
        })?;
        let meant = Meant { lines: Some(Lines { links: vec![link], share: None }), bucket: false };
        Ok(Arc::new(Paths { to: PathState::Up, meet: true, meant }))
    },
};

/// The paths that are meant.
#[derive(Debug)]
struct Meant {
    lines: Option<Lines>,
    bucket: bool,
}

#[derive(Debug)]
struct Paths {
    to: PathState,
    meet: bool,
    meant: Meant,
}

/// Reads which paths are meant; those that survive are not `struck` unless they are named.
fn meant(table: &mut Fields<'_>, names: &Names, struck: bool) -> Result<Meant, Mistake> {
    let what = table.optional_text("what")?;
    let OptionalLines { links, named, share } = names.optional_lines(table)?;
    let left = |links: Vec<usize>| if struck { names.struck(table, links) } else { Ok(links) };
    let Some(what) = what else {
        let missing = || {
            let problem =
                "needs 'what' (everything, links or bucket), 'between' (two replicas) or 'at' (their links)";
            table.missing("what", problem)
        };
        let links = links.ok_or_else(missing)?;
        let links = if named { links } else { left(links)? };
        return Ok(Meant { lines: Some(Lines { links, share }), bucket: false });
    };
    if links.is_some() {
        return Err(Mistake::at(
            what.line,
            "'what' stands alone, without 'between' and 'at'; leave one of them out",
        ));
    }
    let all = || Ok(Lines { links: left((0..names.links.len()).collect())?, share });
    match what.value.as_str() {
        "bucket" => {
            names.needs_backup(table)?;
            Ok(Meant { lines: None, bucket: true })
        }
        "links" => Ok(Meant { lines: Some(all()?), bucket: false }),
        _ => Ok(Meant { lines: Some(all()?), bucket: names.backup }),
    }
}

impl Event for Paths {
    fn kind(&self) -> &'static EventKind {
        match (&self.to, self.meet) {
            (PathState::Down, _) => &CUT,
            (_, true) => &MEET,
            (_, false) => &HEAL,
        }
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        if self.to == PathState::Down {
            walk.mark(Mark::Cut);
            walk.mark(Mark::Fault);
        } else if walk.has(Mark::Cut) {
            walk.mark(Mark::Healed);
        }
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let links = self.meant.lines.as_ref().map(|lines| lines.choose(chance)).unwrap_or_default();
        let path = |link| Deed::Path { link, state: self.to.clone() }.at_once();
        let mut deeds: Vec<TimedDeed> = links.into_iter().map(path).collect();
        if self.meant.bucket {
            deeds.push(Deed::Bucket { reachable: self.to != PathState::Down }.at_once());
        }
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let lines = self.meant.lines.as_ref();
        if let (true, Some(Lines { links, .. })) = (self.meet, lines)
            && let [link] = links.as_slice()
        {
            let [a, b] = scenario.links[*link].ends.map(|end| site(scenario, end));
            return told(format!("{a} and {b} reach each other again"), format!("{a}と{b}が再びつながる"));
        }
        let mut parts: Vec<Told> =
            lines.map(|meant| super::words::lines(scenario, meant)).into_iter().collect();
        parts.extend(self.meant.bucket.then(|| told("the bucket", "バケット")));
        let joined =
            |text: fn(&Told) -> &str, comma: &str| parts.iter().map(text).collect::<Vec<_>>().join(comma);
        let (en, ja) = (joined(|part| &part.en, ", "), joined(|part| &part.ja, "、"));
        match self.to {
            PathState::Down => told(format!("Cut: {en}"), format!("切断：{ja}")),
            _ => told(format!("Healed: {en}"), format!("復旧：{ja}")),
        }
    }
}
