//! `musubi bundle`: sync by a stick in a courier's pocket, and one patient's card as QR codes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::base::{Area, Part};
use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::{DAMAGED, DONE, Failure};
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, bullets, count, counted, size, took};
use crate::cli::values::{PARTS, absolute, named};
use crate::replica::bundle_answer::{
    BundleExported, BundleFile, BundleFor, BundleImported, BundleRequested, BundleWanted, CardExported,
    CardImported,
};
use crate::replica::request::Request;

/// Carry what a replica lacks in a pocket: on a USB stick, or one patient's card as QR codes.
///
/// The receiver may write a request, a small file that says what it holds; the answer then holds just what it lacks.
/// Without a request a bundle holds everything that its target may have. Each area and part in it is sealed under its
/// own key: who finds the stick learns the names of areas, sites and devices, and how much there is, and no more. A
/// stick that is pulled, torn or damaged keeps all that is whole on it; the command says what is missing.
///
/// QR codes carry one patient's card (identity, allergies, problems, medication, alerts) to a device that holds nothing of
/// them, with proofs that need no network. They are NOT ENCRYPTED: whoever holds the paper can read it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi bundle request --store data/tablet --out /mnt/stick/tablet.request
  musubi bundle export --store data/north --for /mnt/stick/tablet.request --out /mnt/stick/for-tablet.musubi
  musubi bundle export --store data/north --to South --part card --out /mnt/stick/cards.musubi
  musubi bundle export --store data/north --realm --area shared/miura --out /mnt/stick/miura.musubi
  musubi bundle import --store data/tablet /mnt/stick/for-tablet.musubi
  musubi bundle export --store data/north --record 4f2a90b1c7de --qr card/
  musubi bundle import --store data/tablet card/photo-1.png card/photo-2.png
")]
pub struct BundleCommand {
    #[command(subcommand)]
    action: BundleAction,
}

#[derive(Debug, Subcommand)]
enum BundleAction {
    /// Write a small file that says what this replica holds, for whoever writes a bundle for it.
    Request {
        /// The file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Write a bundle, or with --record and --qr one patient's card as QR codes.
    ///
    /// It is written as FILE.part, which is renamed when all is on the stick. When that breaks off, the same command goes
    /// on with what is there.
    Export(ExportArgs),
    /// Import bundles, and PNG images of QR codes, in any order; what is here already is nothing new.
    ///
    /// Several codes may be in one image; duplicates do no harm, and missing ones are named by their numbers.
    ///
    /// Exit status 3 when something is damaged or missing; all that is whole is imported, and the same command with
    /// another copy of the file imports the rest.
    Import {
        /// The files.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// What this request lacks.
    #[arg(long = "for", value_name = "REQUEST", required_unless_present_any = ["to", "realm", "record"])]
    request: Option<PathBuf>,
    /// All that a site may hold: its name, or at least 8 digits of its id.
    #[arg(long, value_name = "SITE", conflicts_with_all = ["request", "realm"])]
    to: Option<String>,
    /// Everything in shared areas, for whoever of the realm can open it.
    #[arg(long, conflicts_with = "request")]
    realm: bool,
    /// Only this area; may be given several times. What rules the realm (common) always goes along.
    #[arg(long, value_name = "AREA")]
    area: Vec<Area>,
    /// Only this part; may be given several times. Control always goes along.
    #[arg(long, value_name = "PART", value_parser = named::<Part>(PARTS))]
    part: Vec<Part>,
    /// The file.
    #[arg(long, value_name = "FILE", required_unless_present = "record")]
    out: Option<PathBuf>,
    /// The card of this record alone, as QR codes: its id, or at least 8 digits of its beginning.
    #[arg(long, value_name = "RECORD", requires = "qr",
        conflicts_with_all = ["request", "to", "realm", "area", "part", "out"])]
    record: Option<String>,
    /// The folder for the codes, each as SVG and PNG. They are not encrypted.
    #[arg(long, value_name = "DIR", requires = "record")]
    qr: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
}

impl BundleCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when a file cannot be used, or the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        match &self.action {
            BundleAction::Request { out, store } => {
                store.folder()?;
                let answer = store.ask(context, Request::BundleRequest { to: file(out)? })?;
                let requested: BundleRequested = read(&answer)?;
                let text = format!(
                    "wrote {} ({}): how far this replica holds {}\nhint: carry it to whoever can send, and there: \
                     musubi bundle export --store DIR --for {} --out FILE",
                    requested.to,
                    size(requested.bytes),
                    counted(requested.lanes, "lane", "lanes"),
                    requested.to
                );
                Ok(Outcome::done(answer, text))
            }
            BundleAction::Export(args) => args.run(context),
            BundleAction::Import { files, store } => {
                store.folder()?;
                let files = files.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?;
                let answer = store.ask(context, Request::BundleImport { files })?;
                let imported: BundleImported = read(&answer)?;
                let status = match imported.is_complete() {
                    true => DONE,
                    false => DAMAGED,
                };
                Ok(Outcome::done(answer, render_import(&imported, context.paper)).status(status))
            }
        }
    }
}

impl ExportArgs {
    fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        self.store.folder()?;
        if self.record.is_some() != self.qr.is_some() {
            return Err(Failure::wrong_call(
                "a card as QR codes needs --record RECORD and --qr DIR together",
            ));
        }
        if let (Some(record), Some(to)) = (&self.record, &self.qr) {
            let request = Request::CardExport { record: record.clone(), to: absolute(to)? };
            let answer = self.store.ask(context, request)?;
            let text = render_card_export(&read(&answer)?);
            return Ok(Outcome::done(answer, text));
        }
        let out =
            self.out.as_deref().ok_or_else(|| Failure::wrong_call("no file is named: give --out FILE"))?;
        let target = match (&self.request, &self.to) {
            (Some(request), _) => BundleFor::Request(absolute(request)?),
            (None, Some(site)) => BundleFor::Site(site.clone()),
            (None, None) => BundleFor::Realm,
        };
        let (areas, parts): (BTreeSet<Area>, BTreeSet<Part>) =
            (self.area.iter().cloned().collect(), self.part.iter().copied().collect());
        let wanted = BundleWanted { target, areas, parts, out: file(out)? };
        let answer = self.store.ask(context, Request::BundleExport(wanted))?;
        let exported: BundleExported = read(&answer)?;
        let status = match exported.problems.is_empty() {
            true => DONE,
            false => DAMAGED,
        };
        Ok(Outcome::done(answer, render_export(&exported, context.paper)).status(status))
    }
}

/// A file that is to be written: its name made absolute.
fn file(path: &Path) -> Result<PathBuf, Failure> {
    match path.file_name() {
        Some(_) if !path.is_dir() => absolute(path),
        Some(_) | None => Err(Failure::wrong_call(format!("{} is a folder", path.display()))
            .hint("name the file that is to be written")),
    }
}

fn render_export(exported: &BundleExported, paper: Paper) -> String {
    let groups = exported.groups.iter().filter(|group| group.entries > 0);
    let rows = groups
        .map(|group| vec![group.part.to_string(), group.area.to_string(), count(group.entries)])
        .collect::<Vec<_>>();
    let mut text = format!(
        "wrote {} for {}: {} in {}, {} in {}",
        exported.to,
        exported.target,
        counted(exported.entries, "entry", "entries"),
        counted(exported.blocks, "block", "blocks"),
        size(exported.bytes),
        took(exported.took_ms)
    );
    if exported.continued > 0 {
        text.push_str(&format!("\ngone on with {} that were there already", size(exported.continued)));
    }
    match rows.is_empty() {
        true => text.push_str("\nnothing is in it that the target lacks"),
        false => text.push_str(&format!("\n{}", paper.table(&["PART", "AREA", "ENTRIES"], rows))),
    }
    if !exported.problems.is_empty() {
        text.push_str(&format!("\nNOT ALL IS IN IT:{}", bullets(&exported.problems)));
    }
    text
}

fn render_import(imported: &BundleImported, paper: Paper) -> String {
    let mut lines: Vec<String> = imported.files.iter().map(|file| render_file(file, paper)).collect();
    lines.extend(imported.cards.iter().map(|card| render_card(card, paper)));
    if !imported.images.is_empty() {
        lines.push(format!("NOT READ:{}", bullets(&imported.images)));
    }
    lines.push(format!(
        "{} new here, in {}",
        counted(imported.entries, "entry", "entries"),
        took(imported.took_ms)
    ));
    if !imported.is_complete() {
        lines.push(
            "hint: all that is whole was imported; copy the file to the stick again and repeat this command: what is here \
             already does no harm"
                .into(),
        );
    }
    lines.join("\n")
}

fn render_card_export(exported: &CardExported) -> String {
    let drill = if exported.is_drill { "訓練 DRILL: " } else { "" };
    format!(
        "{drill}wrote {} (each as SVG and PNG) to {}: {} of the card, {}\nNOT ENCRYPTED: whoever holds these codes can read \
         them; hand them over, and shred what is not needed\nhint: print at least 6 cm wide a code, or show them on a \
         screen one after the other",
        counted(exported.codes, "code", "codes"),
        exported.to,
        counted(exported.entries, "entry", "entries"),
        size(exported.bytes)
    )
}

fn render_card(card: &CardImported, paper: Paper) -> String {
    let set = format!("codes {} ({} in all)", card.set, card.codes);
    match (&card.record, &card.problem, card.missing.as_slice()) {
        (Some(record), _, _) => {
            let site = card.site.as_deref().unwrap_or("an unknown site");
            let time = card.time.map_or_else(String::new, |time| format!(", {}", paper.time(time)));
            format!(
                "{set}: the card of record {record}, as known to {site}{time}: {} proven\nhint: musubi show --store DIR {record}",
                counted(card.entries, "entry", "entries")
            )
        }
        (None, Some(problem), _) => format!("{set}: NOT IMPORTED: {problem}"),
        (None, None, missing) => {
            let missing: Vec<String> = missing.iter().map(u8::to_string).collect();
            format!(
                "{set}: NOT IMPORTED: missing code {}; photograph it too and name all images again",
                missing.join(", ")
            )
        }
    }
}

fn render_file(file: &BundleFile, paper: Paper) -> String {
    let from = match (&file.from, file.made) {
        (Some(from), Some(made)) => format!(" from {from}, {}", paper.time(made)),
        _ => String::new(),
    };
    let mut text = format!(
        "{}{from}: {} new, {} read",
        file.file,
        counted(file.entries, "entry", "entries"),
        counted(file.blocks, "block", "blocks")
    );
    if file.for_others > 0 {
        text.push_str(&format!(", {} for others", count(file.for_others)));
    }
    if !file.problems.is_empty() {
        text.push_str(&format!("\nNOT WHOLE:{}", bullets(&file.problems)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::WallMs;
    use crate::cli::fixtures::{Fake, NOW, text};
    use crate::replica::bundle_answer::BundleGroup;

    fn imported(problems: &[&str]) -> Fake {
        let file = BundleFile {
            file: "/s/b.musubi".into(),
            bundle: Some("0102030405060708".into()),
            from: Some("北病院 (north-1)".into()),
            made: Some(WallMs(NOW.0 - 7_200_000)),
            blocks: 12,
            for_others: 3,
            entries: 340,
            problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
        };
        let answer = BundleImported { files: vec![file], entries: 340, ..BundleImported::default() };
        Fake::answering(serde_json::to_value(answer).unwrap())
    }

    #[test]
    fn a_whole_bundle_is_told_in_one_line_and_a_torn_one_fails_the_command() {
        let outcome = imported(&[]).run(&["bundle", "import", "--store", "s", "b.musubi"]).unwrap();
        assert_eq!(outcome.status, 0);
        let first = text(&outcome).lines().next().unwrap();
        assert!(
            first.starts_with("/s/b.musubi from 北病院 (north-1), ") && first.contains("(2 h 0 min ago)"),
            "{first}"
        );
        assert!(first.ends_with(": 340 entries new, 12 blocks read, 3 for others"), "{first}");
        let torn = imported(&["the file has no end"]);
        let outcome = torn.run(&["bundle", "import", "--store", "s", "b.musubi"]).unwrap();
        assert_eq!(outcome.status, 3);
        assert!(text(&outcome).contains("NOT WHOLE:\n  - the file has no end"), "{}", text(&outcome));
        assert!(text(&outcome).contains("hint: all that is whole was imported"));
        let Request::BundleImport { files } = torn.request() else { panic!("an import") };
        assert!(files[0].is_absolute());
    }

    #[test]
    fn an_export_says_for_whom_and_what() {
        let exported = BundleExported {
            to: "/s/x".into(),
            target: "南病院".into(),
            bundle: "0102030405060708".into(),
            blocks: 9,
            entries: 1_200,
            bytes: 230_000,
            continued: 45_000,
            groups: vec![BundleGroup { area: Area::common(), part: Part::Card, entries: 1_200 }],
            problems: Vec::new(),
            took_ms: 90,
        };
        let fake = Fake::answering(serde_json::to_value(exported).unwrap());
        let words = [
            "bundle",
            "export",
            "--store",
            "s",
            "--to",
            "南病院",
            "--part",
            "card",
            "--part",
            "notes",
            "--out",
            "x",
        ];
        let outcome = fake.run(&words).unwrap();
        assert!(
            text(&outcome)
                .starts_with("wrote /s/x for 南病院: 1,200 entries in 9 blocks, 230.0 kB in 90 ms\n")
        );
        assert!(text(&outcome).contains("gone on with 45.0 kB"), "{}", text(&outcome));
        let Request::BundleExport(wanted) = fake.request() else { panic!("an export") };
        assert_eq!(wanted.parts, BTreeSet::from([Part::Card, Part::Notes]));
        assert_eq!(wanted.target, BundleFor::Site("南病院".into()));
    }

    #[test]
    fn a_bundle_is_for_one_target_only() {
        let fake = Fake::answering(serde_json::Value::Null);
        for words in [
            vec!["--out", "x"],
            vec!["--realm", "--to", "s", "--out", "x"],
            vec!["--for", "r", "--realm", "--out", "x"],
            vec!["--realm"],
            vec!["--realm", "--part", "cards", "--out", "x"],
            vec!["--realm", "--out", "/"],
            vec!["--record", "4f2a90b1", "--out", "x"],
            vec!["--record", "4f2a90b1", "--qr", "x", "--realm"],
            vec!["--qr", "x", "--realm", "--out", "x"],
        ] {
            let words = [&["bundle", "export", "--store", "s"], words.as_slice()].concat();
            assert_eq!(fake.run(&words).unwrap_err().status, 2, "{words:?}");
        }
        assert!(fake.asked().is_empty());
    }
}
