//! `musubi pull`: fetches one person's record from a neighbour, with proof.

use clap::Args;

use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, counted, took};
use crate::replica::pull_answer::{PullWanted, Pulled, WhomTyped};
use crate::replica::request::Request;

/// Fetch one person's record from a neighbour, with proof, without holding the area.
///
/// The person must be named exactly: by the whole record id, by an identifier (record number, insurance number), or by
/// the whole name and the birth date. The first good answer is taken, and says who knew this and when; what was written since,
/// or elsewhere, is not in it. It is kept for some days, shown by `show` and `find` with its source and age, and
/// replaced when the record itself arrives. Who answers notes it, by ids alone.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi pull --store data/tablet --name \"三浦 花子\" --birth-date 1950-01-31
  musubi pull --store data/tablet --identifier 00012345 --from north-1
  musubi pull --store data/tablet 4f2a90b1c7de4f2a90b1c7de4f2a90b1 --from north.example:7440 --card
")]
pub struct PullCommand {
    /// The record's whole id; for one that was fetched before, its first 8 digits are enough.
    #[arg(value_name = "RECORD", required_unless_present_any = ["identifier", "name"], conflicts_with_all = ["identifier", "name"])]
    record: Option<String>,
    /// An identifier of the person, whole.
    #[arg(long, value_name = "NUMBER", conflicts_with = "name")]
    identifier: Option<String>,
    /// The system that gave the identifier, where several may have given the same.
    #[arg(long, value_name = "URL", requires = "identifier")]
    system: Option<String>,
    /// The person's whole name, in kanji, kana or Latin letters as it was registered.
    #[arg(long, value_name = "NAME", requires = "birth_date")]
    name: Option<String>,
    /// The birth date, in either calendar.
    #[arg(long, value_name = "DATE", requires = "name")]
    birth_date: Option<String>,
    /// The peer to ask: its device, its site, its name in the configuration, or HOST:PORT. Without it, all peers with which
    /// the running replica is in touch.
    #[arg(long, value_name = "PEER")]
    from: Option<String>,
    /// Only the card: identity, allergies, problems, medication, alerts. Quicker where the line is slow.
    #[arg(long)]
    card: bool,
    #[command(flatten)]
    store: StoreArgs,
}

impl PullCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when nobody can be asked, or nobody has a good answer.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let whom = match (&self.record, &self.identifier, &self.name, &self.birth_date) {
            (Some(record), ..) => WhomTyped::Record { record: record.clone() },
            (None, Some(value), ..) => {
                WhomTyped::Identifier { system: self.system.clone(), value: value.clone() }
            }
            (None, None, Some(name), Some(birth_date)) => {
                WhomTyped::Person { name: name.clone(), birth_date: birth_date.clone() }
            }
            _ => return Err(Failure::wrong_call("a name is asked for together with --birth-date")),
        };
        let wanted = PullWanted { whom, from: self.from.clone(), card_only: self.card };
        let answer = self.store.ask(context, Request::Pull(wanted))?;
        let pulled: Pulled = read(&answer)?;
        let text = render(&pulled, context.paper);
        Ok(Outcome::done(answer, text))
    }
}

fn render(pulled: &Pulled, paper: Paper) -> String {
    let mut text = String::new();
    for record in &pulled.records {
        let parts: Vec<&str> = record.parts.iter().map(|part| part.name()).collect();
        text.push_str(&format!(
            "{}: {} of {}, as known to {} ({}) at {}\n",
            record.record,
            counted(record.entries, "entry", "entries"),
            parts.join(", "),
            pulled.site,
            pulled.device,
            paper.time(record.time),
        ));
        for site in &record.unheard {
            text.push_str(&format!(
                "  there nothing was heard of {} since {}\n",
                site.site,
                paper.time(site.heard)
            ));
        }
        if record.left_out > 0 {
            text.push_str(&format!(
                "  {} had no room\n",
                counted(record.left_out, "older entry", "older entries")
            ));
        }
    }
    let card = pulled.card_ms.map_or_else(String::new, |ms| format!("the card after {}, ", took(ms)));
    text.push_str(&format!("{card}all after {}; every entry is proven\n", took(pulled.took_ms)));
    if !pulled.whole {
        text.push_str("NOT ALL OF IT: the answer broke off; ask again\n");
    }
    pulled.others.iter().for_each(|other| text.push_str(&format!("{other}\n")));
    text.push_str(&format!("\n{}", pulled.text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Part, RecordId, WallMs};
    use crate::cli::fixtures::{Fake, text};
    use crate::replica::pull_answer::{RecordPulled, UnheardSite};

    fn fake() -> Fake {
        let record = RecordPulled {
            record: RecordId([7; 16]),
            parts: vec![Part::Card, Part::Notes],
            entries: 3,
            left_out: 1,
            time: WallMs(1_790_000_000_000),
            unheard: vec![UnheardSite { site: "South".into(), heard: WallMs(1_789_960_000_000) }],
        };
        let pulled = Pulled {
            device: "north-1".into(),
            site: "North".into(),
            records: vec![record],
            whole: false,
            facts_ms: Some(900),
            card_ms: Some(1_000),
            took_ms: 2_500,
            others: vec!["west-1 (West): did not answer in time".into()],
            text: "三浦 花子\n".into(),
        };
        Fake::answering(serde_json::to_value(pulled).unwrap())
    }

    #[test]
    fn who_answered_is_told_with_its_horizon_before_what_it_knew() {
        let outcome = fake().run(&["pull", "--store", "s", &"07".repeat(16)]).unwrap();
        let told = text(&outcome);
        for words in [
            "3 entries of card, notes, as known to North (north-1) at 2026-09-21",
            "nothing was heard of South since",
            "1 older entry had no room",
            "the card after",
            "NOT ALL OF IT",
            "west-1 (West): did not answer in time",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert!(told.ends_with("三浦 花子\n"), "{told}");
    }

    #[test]
    fn one_person_is_named_in_one_of_three_ways() {
        let asked = |words: &[&str]| {
            let fake = fake();
            fake.run(&[&["pull", "--store", "s"], words].concat()).map(|_| match fake.request() {
                Request::Pull(wanted) => wanted,
                other => panic!("{other:?}"),
            })
        };
        let by_name = asked(&["--name", "三浦 花子", "--birth-date", "昭和25年1月31日"]).unwrap();
        let person =
            WhomTyped::Person { name: "三浦 花子".into(), birth_date: "昭和25年1月31日".into() };
        assert_eq!(by_name, PullWanted { whom: person, from: None, card_only: false });
        let number =
            asked(&["--identifier", "12", "--system", "urn:x", "--from", "north", "--card"]).unwrap();
        let whom = WhomTyped::Identifier { system: Some("urn:x".into()), value: "12".into() };
        assert_eq!(number, PullWanted { whom, from: Some("north".into()), card_only: true });
        for wrong in [
            &["--name", "三浦 花子"][..],
            &["--birth-date", "1950-01-31"],
            &[],
            &["07070707", "--identifier", "1"],
            &["--identifier", "1", "--name", "a", "--birth-date", "b"],
        ] {
            assert_eq!(asked(wrong).unwrap_err().status, 2, "{wrong:?}");
        }
    }
}
