//! `link` and `unlink`: somebody says that two records are one person's, or takes that back.

use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{
    AT_ONE, Fields, Mistake, Names, PATIENT, PatientAlias, Scenario, Shape, Told, Walk, Words, may, need,
};
use super::words::{site, told};
use super::writing::writes;
use super::{Event, EventKind};
use crate::record::linking::TieKind;

/// The kind.
pub static LINK: EventKind = EventKind {
    name: "link",
    does: Words {
        en: "somebody says that two records are one person's",
        ja: "二つの記録が同じ人のものだと、人が判断して統合する",
    },
    keys: &[
        AT_ONE,
        PATIENT,
        need("with", Shape::Text, "the other patient", "もう一人の患者"),
        may("reason", Shape::Text, "why", "理由"),
        may(
            "suggested",
            Shape::Flag,
            "the replica must have suggested it; default false",
            "レプリカがそれを提案していることを求める。既定は false",
        ),
    ],
    live: false,
    example: "at = \"north\"\npatient = \"oka\"\nwith = \"aoki\"\nsuggested = true",
    read: |table, names| read(&LINK, TieKind::Link, table, names),
};

/// The kind.
pub static UNLINK: EventKind = EventKind {
    name: "unlink",
    does: Words {
        en: "somebody takes back that two records are one person's, or says that they are two people's",
        ja: "二つの記録の統合を取り消す、または別人だと記す",
    },
    keys: &[
        AT_ONE,
        PATIENT,
        need("with", Shape::Text, "the other patient", "もう一人の患者"),
        may("reason", Shape::Text, "why", "理由"),
        may("not-same", Shape::Flag, "they are two people; default false", "別人である。既定は false"),
    ],
    live: false,
    example: "at = \"north\"\npatient = \"oka\"\nwith = \"aoki\"\nreason = \"同姓同名の別人と判明\"",
    read: |table, names| {
        let not_same = table.optional_flag("not-same")?.unwrap_or_default();
        read(&UNLINK, if not_same { TieKind::NotSame } else { TieKind::Unlink }, table, names)
    },
};

#[derive(Debug)]
struct Tie {
    kind: &'static EventKind,
    at: usize,
    patients: [PatientAlias; 2],
    tie: TieKind,
    reason: String,
    suggested: bool,
}

fn read(
    kind: &'static EventKind,
    tie: TieKind,
    table: &mut Fields<'_>,
    names: &Names,
) -> Result<Arc<dyn Event>, Mistake> {
    let at = names.at(table)?;
    let patients = [names.patient(&table.text("patient")?)?, names.patient(&table.text("with")?)?];
    if patients[0] == patients[1] {
        return Err(table.mistake("names one patient twice"));
    }
    let reason = table.optional_text("reason")?;
    let reason = reason.map_or_else(|| "本人確認 / identity checked".to_owned(), |reason| reason.value);
    let suggested = tie == TieKind::Link && table.optional_flag("suggested")?.unwrap_or_default();
    Ok(Arc::new(Tie { kind, at, patients, tie, reason, suggested }))
}

impl Event for Tie {
    fn kind(&self) -> &'static EventKind {
        self.kind
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        self.patients.iter().try_for_each(|patient| writes(walk, self.at, patient))
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let (patients, reason) = (self.patients.clone(), self.reason.clone());
        let (at, tie, suggested) = (self.at, self.tie, self.suggested);
        vec![Deed::Tie { at, patients, tie, reason, suggested }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (site, [one, other]) = (site(scenario, self.at), &self.patients);
        match self.tie {
            TieKind::Link => told(
                format!("{site} links {one} and {other}: one person"),
                format!("{site}が{one}と{other}を同じ人として統合する"),
            ),
            TieKind::Unlink => told(
                format!("{site} takes back the link of {one} and {other}"),
                format!("{site}が{one}と{other}の統合を取り消す"),
            ),
            TieKind::NotSame => told(
                format!("{site} says that {one} and {other} are two people"),
                format!("{site}が{one}と{other}を別人と記す"),
            ),
        }
    }
}
