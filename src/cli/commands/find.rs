//! `musubi find`: searches patients.

use clap::Args;

use crate::base::RecordId;
use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::Paper;
use crate::replica::answer::Found;
use crate::replica::request::Request;

/// Digits of a record's id that are shown: enough to name one of millions.
const RECORD_DIGITS: usize = 12;
/// Stands behind a name that several people of a list bear.
const NAMESAKE: &str = " ⚠";
/// Most results that may be asked for.
const LIMIT_MAX: u16 = 1_000;

/// Find patients by name, birth date, identifier or phone.
///
/// Names in kanji (variants such as 邊 and 辺 alike), hiragana, katakana or Latin letters, whole or their beginning;
/// birth dates in either calendar, the year alone too, slips by one digit offered last; phone, insurance, hospital and
/// triage tag numbers; the beginning of a record's id. People of one name are marked.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi find --store data/north 三浦
  musubi find --store data/north \"ミウラ 1950-01-31\"
  musubi find --store data/north yoshida 昭和25年
")]
pub struct FindCommand {
    /// What to look for.
    #[arg(value_name = "TEXT", required = true)]
    text: Vec<String>,
    /// Most results.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=i64::from(LIMIT_MAX)))]
    limit: u16,
    #[command(flatten)]
    store: StoreArgs,
}

impl FindCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let request = Request::Find { text: self.text.join(" "), limit: usize::from(self.limit) };
        let answer = self.store.ask(context, request)?;
        let found: Found = read(&answer)?;
        let text = render(&found, context.paper);
        Ok(Outcome::done(answer, text))
    }
}

fn render(found: &Found, paper: Paper) -> String {
    if found.patients.is_empty() {
        return "nobody found here; try the kana, the birth date (1950-01-31), or fewer words; or ask the neighbours for one person: \
                `musubi pull --name NAME --birth-date DATE`, or --identifier"
            .to_owned();
    }
    let short = |record: &RecordId| record.to_string().chars().take(RECORD_DIGITS).collect::<String>();
    let rows = found.patients.iter().map(|patient| {
        let ages: Vec<String> = patient.ages.iter().map(u16::to_string).collect();
        let linked: Vec<String> = patient.linked.iter().map(short).collect();
        let mut names = patient.names.join(" / ");
        if patient.has_namesake {
            names.push_str(NAMESAKE);
        }
        vec![
            [short(&patient.record)].into_iter().chain(linked).collect::<Vec<_>>().join("\n= "),
            names,
            patient.birth_dates.join(" / "),
            ages.join(" / "),
            patient.sexes.join(" / "),
            patient.towns.join(" / "),
            patient.last_seen.clone().unwrap_or_default(),
        ]
    });
    let mut text =
        paper.table(&["record", "name", "born", "age", "sex", "town", "last seen"], rows.collect());
    if found.patients.iter().any(|patient| patient.has_namesake) {
        text.push_str(
            "\n⚠ 同名の人がいます: several people bear this name; compare birth date, town and last visit",
        );
    }
    if found.patients.iter().any(|patient| !patient.linked.is_empty()) {
        text.push_str("\n= 同一人の記録: records that people have linked as one person's");
    }
    for known in found.patients.iter().flat_map(|patient| &patient.proven) {
        text.push_str(&format!("\n{}: {}", short(&known.record), known.source()));
    }
    if found.more {
        text.push_str("\nthere are more: add words, or raise --limit");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Part, RecordId, WallMs};
    use crate::cli::fixtures::{Fake, text};
    use crate::replica::answer::FoundPatient;
    use crate::replica::proving::{ProvenShown, Via};

    fn found(patients: Vec<FoundPatient>, more: bool) -> serde_json::Value {
        serde_json::to_value(Found { patients, more }).unwrap()
    }

    fn fetched() -> ProvenShown {
        ProvenShown {
            record: RecordId([1; 16]),
            via: Via::Peer,
            site: "North".into(),
            device: "north-1".into(),
            time: WallMs(1_790_000_000_000),
            age_ms: 3 * 3_600_000,
            parts: vec![Part::Card],
            entries: 2,
            left_out: 0,
            unheard: vec![],
        }
    }

    #[test]
    fn patients_stand_in_a_table() {
        let patient = |id, name: &str, sex: &str| FoundPatient {
            record: RecordId([id; 16]),
            names: name.split('/').map(str::to_owned).collect(),
            birth_dates: vec!["1950-01-31".into()],
            sexes: vec![sex.into()],
            towns: vec!["三浦市".into()],
            ages: vec![76],
            last_seen: Some("2026-11-20".into()),
            linked: if id == 1 { vec![RecordId([2; 16])] } else { vec![] },
            has_namesake: id == 1,
            proven: if id == 1 { vec![fetched()] } else { vec![] },
        };
        let fake = Fake::answering(found(
            vec![patient(0xab, "三浦 花子/ミウラ ハナコ", "female"), patient(1, "Smith John", "male")],
            true,
        ));
        let outcome = fake.run(&["find", "--store", "s", "三浦", "1950-01-31"]).unwrap();
        let expected = "\
┌────────────────┬───────────────────────────┬────────────┬─────┬────────┬────────┬────────────┐
│ record         ┆ name                      ┆ born       ┆ age ┆ sex    ┆ town   ┆ last seen  │
╞════════════════╪═══════════════════════════╪════════════╪═════╪════════╪════════╪════════════╡
│ abababababab   ┆ 三浦 花子 / ミウラ ハナコ ┆ 1950-01-31 ┆ 76  ┆ female ┆ 三浦市 ┆ 2026-11-20 │
│ 010101010101   ┆ Smith John ⚠              ┆ 1950-01-31 ┆ 76  ┆ male   ┆ 三浦市 ┆ 2026-11-20 │
│ = 020202020202 ┆                           ┆            ┆     ┆        ┆        ┆            │
└────────────────┴───────────────────────────┴────────────┴─────┴────────┴────────┴────────────┘
⚠ 同名の人がいます: several people bear this name; compare birth date, town and last visit
= 同一人の記録: records that people have linked as one person's
010101010101: FETCHED, as known to North (north-1) at 2026-09-21T23:13:20+09:00, 3 h ago
there are more: add words, or raise --limit";
        assert_eq!(text(&outcome), expected);
        let Request::Find { text, limit } = fake.request() else { panic!("a search") };
        assert_eq!((text.as_str(), limit), ("三浦 1950-01-31", 20));
    }

    #[test]
    fn nobody_is_an_answer_too() {
        let outcome = Fake::answering(found(vec![], false)).run(&["find", "--store", "s", "x"]).unwrap();
        assert_eq!(outcome.status, 0);
        assert!(text(&outcome).contains("nobody"));
    }
}
