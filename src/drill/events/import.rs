//! `import`: a replica imports FHIR files by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{AT_ONE, Fields, Mark, Mistake, Scenario, Shape, Told, Walk, Words, may, need};
use super::words::{site, told};
use super::{Event, EventKind};

/// The kind.
pub static IMPORT: EventKind = EventKind {
    name: "import",
    does: Words {
        en: "the replica imports FHIR NDJSON files by itself",
        ja: "レプリカが自分で FHIR NDJSON ファイルを取り込む",
    },
    keys: &[
        AT_ONE,
        need(
            "data",
            Shape::Text,
            "a folder or a file, from the scenario's folder",
            "フォルダまたはファイル（シナリオの場所から）",
        ),
        may(
            "types",
            Shape::Texts,
            "only these resource types of a folder",
            "フォルダのうち、これらのリソース型だけ",
        ),
    ],
    live: true,
    example: "at = \"north\"\ndata = \"data/jp-region-small\"\ntypes = [\"Patient\", \"AllergyIntolerance\"]",
    read: |table, names| {
        let at = names.at(table)?;
        Ok(Arc::new(Import { at, files: files(table, &names.folder)? }))
    },
};

#[derive(Debug)]
struct Import {
    at: usize,
    files: Vec<PathBuf>,
}

impl Event for Import {
    fn kind(&self) -> &'static EventKind {
        &IMPORT
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.runs(self.at)?;
        walk.mark(Mark::Imported);
        walk.mark(Mark::Written);
        walk.mark(Mark::Allergy);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        vec![Deed::Import { at: self.at, files: self.files.clone() }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (site, count) = (site(scenario, self.at), self.files.len());
        told(format!("{site} imports {count} files"), format!("{site}が{count}個のファイルを取り込む"))
    }
}

/// Finds the files of an import: all NDJSON files of a folder, or those of the types named.
fn files(table: &mut Fields<'_>, folder: &Path) -> Result<Vec<PathBuf>, Mistake> {
    let data = table.text("data")?;
    let types = table.optional_texts("types")?;
    let place = folder.join(&data.value);
    let missing = |path: &Path| {
        let problem = format!("{} is not there; paths start from the scenario's folder", path.display());
        Mistake::at(data.line, problem)
    };
    if place.is_file() && types.is_none() {
        return Ok(vec![place]);
    }
    let mut found = Vec::new();
    for item in fs::read_dir(&place).map_err(|_| missing(&place))?.flatten() {
        let name = item.file_name().to_string_lossy().into_owned();
        if let Some(kind) = name.strip_suffix(".ndjson.gz").or_else(|| name.strip_suffix(".ndjson")) {
            found.push((kind.to_owned(), item.path()));
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Mistake::at(data.line, format!("{} holds no .ndjson or .ndjson.gz", place.display())));
    }
    let Some(types) = types else { return Ok(found.into_iter().map(|(_, path)| path).collect()) };
    let known: Vec<&str> = found.iter().map(|(kind, _)| kind.as_str()).collect();
    let mut files = Vec::new();
    for kind in &types.value {
        match found.iter().find(|(name, _)| *name == kind.value) {
            Some((_, path)) => files.push(path.clone()),
            None => return Err(Mistake::unknown(kind.line, "resource type", &kind.value, &known)),
        }
    }
    match files.is_empty() {
        true => Err(Mistake::at(types.line, "'types' names nothing; leave it out to import all")),
        false => Ok(files),
    }
}
