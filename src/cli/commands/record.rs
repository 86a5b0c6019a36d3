//! `musubi record`: writes into a record, or registers a new one.

use std::io::Read as _;

use clap::{Args, Subcommand};

use super::record_chart::ChartArgs;
use super::record_sections::SectionArgs;
use crate::base::Area;
use crate::cli::args::{AuthorArgs, Context, StoreArgs};
use crate::cli::failure::{Failure, NOT_DONE};
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, bullets};
use crate::cli::values::{CRITICALITIES, MEDICATION_ACTIONS, SEXES, birth_date, named};
use crate::record::linking::unnamed::Unnamed;
use crate::replica::answer::{UnnamedRegistered, Written};
use crate::replica::blocked::Blocked;
use crate::replica::request::{MedicationAction, NewPatient, Request, Write};

/// Longest text that is read from standard input, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Write into a patient's record, or register a patient.
///
/// What is written is durable when the command returns. Every entry names its author: give --author and --role, or
/// set MUSUBI_AUTHOR and MUSUBI_ROLE once. A text of `-` is read from standard input.
#[derive(Debug, Args)]
#[command(
    subcommand_negates_reqs = true,
    override_usage = "musubi record [OPTIONS] RECORD <note|allergy|medication|triage|vital|…> …\n       \
                      musubi record [OPTIONS] new --name NAME …\n       \
                      musubi record [OPTIONS] unnamed …",
    after_long_help = "\
Examples, with MUSUBI_STORE, MUSUBI_AUTHOR and MUSUBI_ROLE set:
  musubi record new --name \"三浦 花子\" --kana \"ミウラ ハナコ\" --birth-date 1950-01-31 --sex female
  musubi record unnamed --sex male --age 60-69 --tag R-0042 --features \"左手に火傷の痕\"
  musubi record 4f2a90b1c7de note \"意識清明。右前腕に創。\" --title 救護所
  musubi record 4f2a90b1c7de allergy ペニシリン --criticality high
  musubi record 4f2a90b1c7de allergy ペニシリン --refute \"challenge test negative\"
  musubi record 4f2a90b1c7de medication start アムロジピン --dose \"5mg 1日1回朝食後\"
  musubi record 4f2a90b1c7de medication start イトラコナゾール --override 代替なし
  musubi record 4f2a90b1c7de medication stop アムロジピン --reason 低血圧
  musubi record 4f2a90b1c7de triage --colour red --method START
  musubi record 4f2a90b1c7de vital blood-pressure 92/60
  musubi record 4f2a90b1c7de administration アドレナリン --dose \"0.3mg 筋注\"
  musubi record 4f2a90b1c7de move 第二小学校 --kind field
  musubi record 4f2a90b1c7de resuscitation do-not-attempt --confirm
  musubi record 4f2a90b1c7de consent sharing withdrawn
  musubi record 4f2a90b1c7de handover - < handover.txt
  musubi record 4f2a90b1c7de draft \"発熱なし。創部乾燥。\"
  musubi record 4f2a90b1c7de draft --note 9c1d02 \"発熱なし。創部乾燥。再診。\"
  musubi record 4f2a90b1c7de sign --note 9c1d02 --title 経過記録
  musubi record 4f2a90b1c7de addendum --to 6f3c9a12:12:0 \"血圧も安定。\"
  musubi record 4f2a90b1c7de plan add \"2時間ごとに体位変換\"
  musubi record 4f2a90b1c7de plan tick 3fa2c1-7
  musubi record 4f2a90b1c7de mark \"酸素2L\" --struck
  musubi record 4f2a90b1c7de mark \"ペニシリン禁\" --important --note 9c1d02
  musubi record 4f2a90b1c7de annotate 6f3c9a12:12:0 \"family confirms\"
  musubi record 4f2a90b1c7de annotate 3fa2c1-9 \"了解\"
  musubi record 4f2a90b1c7de texts
  musubi record 4f2a90b1c7de care-level 要介護3
  musubi record 4f2a90b1c7de adl 65
  musubi record 4f2a90b1c7de nursing-note \"清拭。仙骨部に発赤なし。\"
"
)]
pub struct RecordCommand {
    /// The record's id, or at least 8 digits of its beginning; left out with `new`.
    #[arg(value_name = "RECORD")]
    record: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    author: AuthorArgs,
    /// Write an order in spite of a contraindication, for this reason; it is kept beside the order.
    #[arg(long = "override", value_name = "REASON", global = true)]
    overriding: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Register a patient in a new record.
    New {
        /// Family and given name, with a space between.
        #[arg(long)]
        name: String,
        /// The reading in kana, with a space between.
        #[arg(long)]
        kana: Option<String>,
        /// The birth date, YYYY-MM-DD.
        #[arg(long, value_name = "DATE", value_parser = birth_date)]
        birth_date: Option<String>,
        /// The sex.
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(SEXES))]
        sex: Option<String>,
        /// The area to file the patient in; without it, the device's first shared area.
        #[arg(long)]
        area: Option<Area>,
    },
    /// Register a person who cannot say who they are, under a generated name.
    Unnamed {
        /// The sex.
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(SEXES))]
        sex: Option<String>,
        /// The estimated age, such as 60 or 60-69.
        #[arg(long, value_name = "FROM-TO", value_parser = ages)]
        age: Option<(u8, u8)>,
        /// What is seen: clothes, scars, what was carried.
        #[arg(long)]
        features: Option<String>,
        /// The number of the triage tag.
        #[arg(long)]
        tag: Option<String>,
        /// The area to file the patient in; without it, the device's first shared area.
        #[arg(long)]
        area: Option<Area>,
    },
    /// Write a signed note.
    Note {
        /// The text, or `-` for standard input.
        text: String,
        /// The title.
        #[arg(long)]
        title: Option<String>,
    },
    /// Write an allergy, or refute one.
    Allergy {
        /// The substance as people name it.
        substance: String,
        /// Its code, if known.
        #[arg(long, value_name = "SYSTEM|CODE", value_parser = code)]
        code: Option<String>,
        /// How critical it is.
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(CRITICALITIES))]
        criticality: Option<String>,
        /// Refute the active allergy of this substance, for this reason.
        #[arg(long, value_name = "REASON", conflicts_with = "criticality")]
        refute: Option<String>,
    },
    /// Start, change, hold or stop a medication.
    Medication {
        /// What is done.
        #[arg(value_parser = named::<MedicationAction>(MEDICATION_ACTIONS))]
        action: MedicationAction,
        /// The drug as people name it.
        drug: String,
        /// Its code, if known.
        #[arg(long, value_name = "SYSTEM|CODE", value_parser = code)]
        code: Option<String>,
        /// The dose and its times.
        #[arg(long)]
        dose: Option<String>,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    #[command(flatten)]
    Section(SectionArgs),
    /// Make the hand-over text read so; it merges with what others change.
    Handover {
        /// The whole text, or `-` for standard input.
        text: String,
    },
    #[command(flatten)]
    Chart(ChartArgs),
}

impl RecordCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the author or the record is not named, or the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        if let (Some(record), What::Chart(chart)) = (&self.record, &self.what)
            && chart.reads()
        {
            return ChartArgs::texts(record, &self.store, context);
        }
        let author = self.author.author(None)?;
        self.store.folder()?;
        if let (Some(record), What::Chart(chart)) = (&self.record, &self.what) {
            return chart.run(record, author, &self.store, context);
        }
        let request = match (&self.record, &self.what) {
            (None, What::New { name, kana, birth_date, sex, area }) => Request::Register {
                patient: NewPatient {
                    name: filled("the name", name)?,
                    kana: kana.clone(),
                    birth_date: birth_date.clone(),
                    sex: sex.clone(),
                },
                area: area.clone(),
                author,
            },
            (None, What::Unnamed { sex, age, features, tag, area }) => {
                let (sex, features, tag) = (sex.clone(), features.clone(), tag.clone());
                let unnamed = Unnamed { sex, age: *age, features, tag };
                let request = Request::RegisterUnnamed { unnamed, area: area.clone(), author };
                let answer = self.store.ask(context, request)?;
                let UnnamedRegistered { name, written } = read(&answer)?;
                let text = format!("{} / {}\n{}", name.ja, name.en, render(&written, context.paper));
                return Ok(Outcome::done(answer, text));
            }
            (Some(record), What::New { .. } | What::Unnamed { .. }) => {
                return Err(Failure::wrong_call(format!(
                    "`new` and `unnamed` make a record of their own, and '{record}' is named"
                ))
                .hint("leave the record out: musubi record new --name NAME …"));
            }
            (None, _) => {
                return Err(Failure::wrong_call("no record is named").hint(
                    "name it before what to write: musubi record RECORD note …; `musubi find` names records",
                ));
            }
            (Some(record), what) => Request::Record {
                record: record.clone(),
                write: what.write()?,
                author,
                overriding: self.overriding.as_deref().map(|why| filled("the reason", why)).transpose()?,
            },
        };
        let answer = self.store.ask(context, request)?;
        if answer.get("blocked").is_some() {
            let blocked: Blocked = read(&answer)?;
            return Ok(Outcome::done(answer, render_blocked(&blocked)).status(NOT_DONE));
        }
        let written: Written = read(&answer)?;
        Ok(Outcome::done(answer, render(&written, context.paper)))
    }
}

impl What {
    fn write(&self) -> Result<Write, Failure> {
        Ok(match self {
            What::New { .. } | What::Unnamed { .. } => {
                return Err(Failure::wrong_call("`new` and `unnamed` write into no record"));
            }
            What::Note { text, title } => Write::Note { text: text_of(text)?, title: title.clone() },
            What::Allergy { substance, code, criticality, refute } => Write::Allergy {
                substance: filled("the substance", substance)?,
                code: code.clone(),
                criticality: criticality.clone(),
                refute: refute.as_deref().map(|reason| filled("the reason", reason)).transpose()?,
            },
            What::Medication { action, drug, code, dose, reason } => Write::Medication {
                action: *action,
                drug: filled("the drug", drug)?,
                code: code.clone(),
                dose: dose.clone(),
                reason: reason.clone(),
            },
            What::Section(section) => Write::Section(section.write()?),
            // An empty hand-over is a text too: it clears what was there.
            What::Handover { text } => Write::Handover { text: given_or_read(text)? },
            What::Chart(_) => return Err(Failure::wrong_call("this is written into the chart")),
        })
    }
}

fn render(written: &Written, paper: Paper) -> String {
    let mut rows = vec![("record", written.record.to_string())];
    rows.extend(written.statement.clone().map(|statement| ("statement", statement)));
    rows.extend(written.resource_id.clone().map(|id| ("resource", id)));
    rows.push(("written", crate::cli::text::stamp(written.time)));
    let mut text = paper.fields(&rows);
    if !written.warnings.is_empty() {
        text.push_str(&format!("\nATTENTION:{}", bullets(&written.warnings)));
    }
    text
}

pub(super) fn render_blocked(blocked: &Blocked) -> String {
    format!(
        "BLOCKED, nothing was written / 禁忌のため書き込みませんでした{}\nhint: give a reason with --override REASON to \
         write it all the same / 理由を --override に書けば記録されます",
        bullets(&blocked.blocked)
    )
}

pub(super) fn text_of(text: &str) -> Result<String, Failure> {
    filled("the text", &given_or_read(text)?)
}

pub(super) fn given_or_read(text: &str) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let failed = |why: String| Failure::wrong_call(format!("reading the text from standard input: {why}"));
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(TEXT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(failed(format!("it has more than {TEXT_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8".to_owned()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

pub(super) fn filled(what: &str, text: &str) -> Result<String, Failure> {
    match text.trim() {
        "" => Err(Failure::wrong_call(format!("{what} is empty"))),
        _ => Ok(text.to_owned()),
    }
}

fn ages(text: &str) -> Result<(u8, u8), String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (low.trim().parse(), high.trim().parse()) {
        (Ok(low), Ok(high)) if low <= high => Ok((low, high)),
        _ => Err("an age in years or FROM-TO is needed, as in 60-69".to_owned()),
    }
}

pub(super) fn code(text: &str) -> Result<String, String> {
    match text.split_once('|') {
        Some((system, code)) if !system.is_empty() && !code.is_empty() => Ok(text.to_owned()),
        _ => Err("SYSTEM|CODE is needed, as in urn:oid:1.2.392.100495.20.1.73|2171022".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RecordId;
    use crate::cli::fixtures::{Fake, NOW, text};

    const AUTHOR: &[&str] = &["--store", "s", "--author", "佐藤", "--role", "nurse"];

    fn fake(warnings: &[&str]) -> Fake {
        let written = Written {
            record: RecordId([0xab; 16]),
            statement: Some("6f3c-12-0".into()),
            resource_id: Some("r1".into()),
            time: NOW,
            warnings: warnings.iter().map(|&text| text.to_owned()).collect(),
        };
        Fake::answering(serde_json::to_value(written).unwrap())
    }

    fn request(words: &[&str]) -> Request {
        let fake = fake(&[]);
        fake.run(&[&["record"], words, AUTHOR].concat()).unwrap();
        fake.request()
    }

    #[test]
    fn a_patient_is_registered_without_a_record() {
        let words = ["new", "--name", "三浦 花子", "--birth-date", "1950-01-31", "--area", "shared/m"];
        let Request::Register { patient, area, author } = request(&words) else { panic!("a registration") };
        assert_eq!((patient.name.as_str(), patient.sex), ("三浦 花子", None));
        assert_eq!(area, Some(Area::new("shared/m").unwrap()));
        assert_eq!(author.role, "nurse");
    }

    #[test]
    fn a_record_named_before_what_is_written() {
        let Request::Record { record, write, .. } =
            request(&["abababab", "note", "清明", "--title", "救護所"])
        else {
            panic!("a record")
        };
        assert_eq!(record, "abababab");
        assert_eq!(write, Write::Note { text: "清明".into(), title: Some("救護所".into()) });
        let Request::Record { write, .. } = request(&["abababab", "medication", "hold", "ワルファリン"])
        else {
            panic!("a record")
        };
        let Write::Medication { action, drug, .. } = write else { panic!("a medication") };
        assert_eq!((action, drug.as_str()), (MedicationAction::Hold, "ワルファリン"));
        let Request::Record { write, .. } = request(&["abababab", "handover", ""]) else {
            panic!("a record")
        };
        assert_eq!(write, Write::Handover { text: String::new() });
    }

    #[test]
    fn wrong_calls_are_refused_with_a_hint_before_anything_is_asked() {
        let fake = fake(&[]);
        for (words, hint) in [
            (vec!["record", "abababab", "new", "--name", "x"], "leave the record out"),
            (vec!["record", "note", "x"], "musubi find"),
        ] {
            let failure = fake.run(&[&words, AUTHOR].concat()).unwrap_err();
            assert!(failure.status == 2 && failure.hint.contains(hint), "{failure}");
        }
        for words in [
            vec!["abababab", "note", "  "],
            vec!["abababab", "allergy", "x", "--refute", ""],
            vec!["abababab", "allergy", "x", "--code", "123"],
            vec!["new", "--name", "x", "--birth-date", "1950-02-30"],
            vec!["abababab", "frobnicate", "x"],
            vec!["abababab"],
        ] {
            let failure = fake.run(&[&["record"], words.as_slice(), AUTHOR].concat()).unwrap_err();
            assert_eq!(failure.status, 2, "{words:?}");
        }
        let failure = fake.run(&["record", "--store", "s", "abababab", "note", "x"]).unwrap_err();
        assert!(failure.hint.contains("MUSUBI_AUTHOR"), "{failure}");
        assert!(fake.asked().is_empty());
    }

    #[test]
    fn a_contraindicated_order_ends_with_status_one_and_an_override_is_asked_for() {
        let blocked = Blocked { record: RecordId([1; 16]), blocked: vec!["甲と乙".into()], rules: vec![] };
        let fake = Fake::answering(serde_json::to_value(blocked).unwrap());
        let words = ["record", "abababab", "medication", "start", "甲"];
        let outcome = fake.run(&[&words[..], AUTHOR].concat()).unwrap();
        assert_eq!(outcome.status, 1);
        assert!(text(&outcome).contains("甲と乙") && text(&outcome).contains("--override"), "{outcome:?}");
        let overriding = |words: &[&str]| match request(words) {
            Request::Record { overriding, .. } => overriding,
            other => panic!("{other:?}"),
        };
        let order = ["abababab", "medication", "start", "甲", "--override", "代替なし"];
        assert_eq!(overriding(&order).as_deref(), Some("代替なし"));
        assert_eq!(overriding(&order[..4]), None);
        assert_eq!(fake.run(&[&words[..], &["--override", " "], AUTHOR].concat()).unwrap_err().status, 2);
    }

    #[test]
    fn warnings_stand_out() {
        let written = fake(&["active allergy to penicillin"]);
        let outcome = written.run(&[&["record", "abababab", "note", "x"], AUTHOR].concat()).unwrap();
        let expected = "record     abababababababababababababababab\nstatement  6f3c-12-0\nresource   r1\n\
                        written    2026-09-21 23:13 JST\nATTENTION:\n  - active allergy to penicillin";
        assert_eq!(text(&outcome), expected);
    }
}
