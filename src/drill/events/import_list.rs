//! `import-list`: a replica imports a list of patients that another system sends, invented from its name.

use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::people::{InventedList, LIST_PEOPLE_MAX, LIST_VERSIONS_MAX};
use super::super::scenario::{AT_ONE, Mark, PatientAlias, Scenario, Shape, Told, Walk, Words, may};
use super::words::{site, told};
use super::{Event, EventKind};

/// How many people are on a list that does not say it.
const PEOPLE: u64 = 5;

/// The kind.
pub static IMPORT_LIST: EventKind = EventKind {
    name: "import-list",
    does: Words {
        en: "the replica imports an invented list of patients (FHIR: names with kana, allergies, drugs with YJ and HOT9 \
             codes, problems, results); the same list of another source has the same people, some spelt otherwise",
        ja: "レプリカが架空の患者一覧（FHIR：氏名とカナ、アレルギー、YJ・HOT9 コード付きの薬、病名、検査値）を取り込む。\
             同じ一覧を別の送り手から取り込むと、同じ人々が一部違う表記で入る",
    },
    keys: &[
        AT_ONE,
        may(
            "list",
            Shape::Text,
            "its name: the same name, the same people; default 'town'",
            "一覧の名前。同じ名前なら同じ人々。既定は 'town'",
        ),
        may(
            "source",
            Shape::Text,
            "which system sends it; default the replica's name",
            "送り手のシステム。既定はレプリカの名前",
        ),
        may("people", Shape::Whole(1, LIST_PEOPLE_MAX), "how many people; default 5", "人数。既定は 5"),
        may(
            "as",
            Shape::Text,
            "how later events call its first patient",
            "後の出来事で使う、一覧の最初の患者の別名",
        ),
        may(
            "version",
            Shape::Whole(1, LIST_VERSIONS_MAX),
            "a later one replaces what the same source said earlier; default 1",
            "版。新しい版は同じ送り手の前の版に代わる。既定は 1",
        ),
    ],
    live: true,
    example: "at = \"south\"\nlist = \"town\"\nsource = \"pharmacy\"\npeople = 20",
    read: |table, names| {
        let replica = table.text("at")?;
        let at = names.replica(&replica)?;
        let text = |value: Option<super::super::scenario::At<String>>, or: &str| {
            value.map_or_else(|| or.to_owned(), |text| text.value)
        };
        let name = text(table.optional_text("list")?, "town");
        let source = text(table.optional_text("source")?, &replica.value);
        let people = table.optional_number("people")?.map_or(PEOPLE, |people| people.value);
        let version = table.optional_number("version")?.map_or(1, |version| version.value);
        let alias = table.optional_text("as")?.map(|alias| PatientAlias(alias.value));
        Ok(Arc::new(ImportList { at, list: InventedList { name, source, people, version }, alias }))
    },
};

#[derive(Debug)]
struct ImportList {
    at: usize,
    list: InventedList,
    alias: Option<PatientAlias>,
}

impl Event for ImportList {
    fn kind(&self) -> &'static EventKind {
        &IMPORT_LIST
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.runs(self.at)?;
        walk.mark(Mark::Imported);
        walk.mark(Mark::Written);
        walk.mark(Mark::Allergy);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let (list, alias) = (self.list.clone(), self.alias.clone());
        vec![Deed::ImportList { at: self.at, list, alias }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (site, InventedList { name, source, people, .. }) = (site(scenario, self.at), &self.list);
        told(
            format!("{site} imports {people} patients of the list \"{name}\" as {source} sends it"),
            format!("{site}が、{source}の送った一覧「{name}」の患者{people}人を取り込む"),
        )
    }

    fn registers(&self) -> Option<&PatientAlias> {
        self.alias.as_ref()
    }
}
