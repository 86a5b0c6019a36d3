//! Builds the copy with its switches, and leaves out the mistakes that do not compile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cases::Cases;
use crate::listing::{Genre, Mistake};
use crate::places::{self, Change};
use crate::switching::{self, Switched};

/// Most times that the compiler is asked; it tells most errors at once, and some only when others are gone.
const ROUNDS_MAX: usize = 40;
const SWITCHED: &str = include_str!("switched.rs.in");
const CATCHER: &str = include_str!("catcher.rs.in");

/// Why a mistake is not asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeftOut {
    /// The compiler refuses it, as it would refuse the person who makes it.
    DoesNotCompile,
    /// It stands where nothing can be switched: a constant, a `const fn`, the type of what is returned.
    NoSwitch,
}

/// The program with all mistakes in it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Built {
    /// What is started.
    pub program: PathBuf,
    /// Mistakes that are not in it.
    pub left_out: BTreeMap<u32, LeftOut>,
}

struct Source {
    text: String,
    changes: Vec<Change>,
}

/// Builds the program, or takes the one that was built into this folder before.
pub fn build(copy: &Path, results: &Path, mistakes: &[Mistake], cases: &Cases) -> Result<Built> {
    let kept = results.join("built.json");
    if let Ok(text) = fs::read(&kept) {
        let built: Built =
            serde_json::from_slice(&text).with_context(|| format!("reading {}", kept.display()))?;
        if built.program.exists() {
            eprintln!("mutants: using {}", built.program.display());
            return Ok(built);
        }
    }
    let mut left_out = BTreeMap::new();
    let sources = read(copy, mistakes, &mut left_out)?;
    let count = mistakes.len().to_string();
    write(&copy.join("src/switched.rs"), &SWITCHED.replace("@COUNT@", &count))?;
    let root = copy.join("src/lib.rs");
    let lib = fs::read_to_string(&root).with_context(|| format!("reading {}", root.display()))?;
    if !lib.contains("mod switched;") {
        write(&root, &format!("{lib}\n#[allow(missing_docs)]\nmod switched;\n"))?;
    }
    write(&copy.join("examples/catcher.rs"), CATCHER)?;
    for round in 1..=ROUNDS_MAX {
        let without: BTreeSet<u32> = left_out.keys().copied().collect();
        let mut written = BTreeMap::new();
        for (file, source) in &sources {
            let switched = switching::switch(&source.text, &source.changes, &without);
            write(&copy.join(file), &switched.text)?;
            written.insert(file.clone(), switched);
        }
        let errors = compile(copy, &cases.checked())?;
        eprintln!(
            "mutants: round {round}: {} mistakes left, {} errors",
            mistakes.len() - without.len(),
            errors.len()
        );
        if errors.is_empty() {
            let program = cases.built(copy)?;
            let built = Built { program, left_out };
            write(&kept, &serde_json::to_string_pretty(&built)?)?;
            return Ok(built);
        }
        let mut guilty = BTreeSet::new();
        for error in &errors {
            guilty.extend(
                error
                    .guilty(&written)
                    .with_context(|| format!("no mistake made this error:\n{}", error.told))?,
            );
        }
        left_out.extend(guilty.into_iter().map(|number| (number, LeftOut::DoesNotCompile)));
    }
    bail!("the copy {} does not compile after {ROUNDS_MAX} rounds", copy.display())
}

fn read(
    copy: &Path,
    mistakes: &[Mistake],
    left_out: &mut BTreeMap<u32, LeftOut>,
) -> Result<BTreeMap<PathBuf, Source>> {
    let mut by_file: BTreeMap<&Path, Vec<(u32, &Mistake)>> = BTreeMap::new();
    for (number, mistake) in (1..).zip(mistakes) {
        // Whoever returns `impl Iterator` returns one type, on every path.
        let opaque = mistake.genre == Genre::FnValue && mistake.returns().contains("impl ");
        if opaque {
            left_out.insert(number, LeftOut::NoSwitch);
        } else {
            by_file.entry(&mistake.file).or_default().push((number, mistake));
        }
    }
    let mut sources = BTreeMap::new();
    for (file, mistakes) in by_file {
        let path = copy.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(
            !text.contains("crate::switched::on"),
            "{} has switches already: begin with a new copy",
            path.display()
        );
        let (changes, lost) = places::find(&text, &mistakes)
            .with_context(|| format!("reading the syntax of {}", path.display()))?;
        left_out.extend(lost.into_iter().map(|number| (number, LeftOut::NoSwitch)));
        sources.insert(file.to_owned(), Source { text, changes });
    }
    Ok(sources)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    // What is as it was is not compiled again.
    if fs::read(path).is_ok_and(|before| before == text.as_bytes()) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// An error of the compiler.
struct Mishap {
    /// Files and first bytes, of what the error is about first.
    places: Vec<(PathBuf, usize)>,
    told: String,
}

impl Mishap {
    fn guilty(&self, written: &BTreeMap<PathBuf, Switched>) -> Option<Vec<u32>> {
        let numbers =
            |(file, byte): &(PathBuf, usize)| written.get(file).map(|switched| switched.around(*byte));
        self.places.iter().filter_map(numbers).find(|numbers| !numbers.is_empty()).or_else(|| {
            let (file, _) = self.places.first()?;
            let bytes = || self.places.iter().filter(|(other, _)| other == file).map(|(_, byte)| *byte);
            let stays = written.get(file)?.stays_in(bytes().min()?..bytes().max()?);
            (!stays.is_empty()).then_some(stays)
        })
    }
}

fn compile(copy: &Path, words: &[&str]) -> Result<Vec<Mishap>> {
    let output = Command::new("cargo")
        .args(words)
        .arg("--message-format=json")
        .current_dir(copy)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("starting cargo")?;
    let mut errors = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let message = &message["message"];
        if message["level"] != "error" {
            continue;
        }
        let mut places = Vec::new();
        for primary in [true, false] {
            for span in
                message["spans"].as_array().into_iter().flatten().filter(|it| it["is_primary"] == primary)
            {
                collect(span, &mut places);
            }
        }
        for child in message["children"].as_array().into_iter().flatten() {
            child["spans"].as_array().into_iter().flatten().for_each(|span| collect(span, &mut places));
        }
        let told = message["rendered"].as_str().unwrap_or_default().to_owned();
        // "Aborting due to 3 errors" is about no place.
        if !places.is_empty() {
            errors.push(Mishap { places, told });
        }
    }
    ensure!(
        output.status.success() || !errors.is_empty(),
        "cargo {} failed in {}",
        words.join(" "),
        copy.display()
    );
    Ok(if output.status.success() { Vec::new() } else { errors })
}

/// A span, and where the macro was used that it stands in.
fn collect(span: &Value, places: &mut Vec<(PathBuf, usize)>) {
    if let (Some(file), Some(byte)) = (span["file_name"].as_str(), span["byte_start"].as_u64()) {
        places.push((PathBuf::from(file), byte as usize));
    }
    if !span["expansion"].is_null() {
        collect(&span["expansion"]["span"], places);
    }
}
