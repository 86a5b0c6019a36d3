//! `musubi show`: shows one record.

use clap::Args;

use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::{Outcome, read};
use crate::cli::values::moment;
use crate::replica::answer::Shown;
use crate::replica::knowledge::Moment;
use crate::replica::request::Request;

/// Show one patient's record: first what could kill, then the rest.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi show --store data/north 4f2a90b1c7de
  musubi show --store data/north 4f2a90b1c7de --json
  musubi show --store data/north 4f2a90b1c7de --at 14:10
  musubi show --store data/north 4f2a90b1c7de --at 2026-11-22T14:10 --device tablet-1
  musubi show --store data/north 4f2a90b1c7de --as-of 9c31a0b2:17:0
")]
pub struct ShowCommand {
    /// The record's id, or at least 8 digits of its beginning; `musubi find` names it.
    #[arg(value_name = "RECORD")]
    record: String,
    /// As a device showed it at a time: 2026-11-22T14:10, with an offset or in Japanese time, or 14:10 of today.
    ///
    /// For this device by its own times of arrival; for another one, what it had heard when it last wrote before then.
    #[arg(long, value_name = "TIME", conflicts_with = "as_of")]
    at: Option<String>,
    /// The device for --at: its name, or at least 8 digits of its id; without it, this one.
    #[arg(long, value_name = "DEVICE", requires = "at", visible_alias = "on")]
    device: Option<String>,
    /// As the author of a statement knew it: LANE:SEQ:INDEX, where 8 digits of the lane are enough.
    #[arg(long, value_name = "STATEMENT")]
    as_of: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
}

impl ShowCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when there is no such record, or the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let moment = match (&self.at, &self.as_of) {
            (Some(at), _) => {
                let time = moment(at, context.paper.now).map_err(Failure::wrong_call)?;
                Some(Moment::At { time, device: self.device.clone() })
            }
            (None, Some(statement)) => Some(Moment::AsOf { statement: statement.clone() }),
            (None, None) => None,
        };
        let answer = self.store.ask(context, Request::Show { record: self.record.clone(), moment })?;
        let shown: Shown = read(&answer)?;
        Ok(Outcome::done(answer, shown.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{RecordId, WallMs};
    use crate::cli::fixtures::{Asked, Fake, text};
    use crate::cli::key::KeyChoice;

    #[test]
    fn the_replica_s_own_text_is_shown() {
        let shown = Shown {
            record: RecordId([7; 16]),
            areas: vec![],
            knowledge: None,
            proven: vec![],
            waits: vec![],
            harms: vec![],
            view: serde_json::json!({}),
            person: serde_json::json!({}),
            reach: Default::default(),
            charts: vec![],
            text: "三浦 花子\nALLERGY ペニシリン".into(),
        };
        let fake = Fake::answering(serde_json::to_value(shown).unwrap());
        let outcome = fake.run(&["show", "07070707", "--store", "data/s"]).unwrap();
        assert_eq!(text(&outcome), "三浦 花子\nALLERGY ペニシリン");
        let asked = fake.asked();
        let [Asked::Open(store, key), Asked::Request(Request::Show { record, moment: None })] =
            asked.as_slice()
        else {
            panic!("{asked:?}")
        };
        assert_eq!((store.to_str().unwrap(), record.as_str()), ("data/s", "07070707"));
        assert_eq!(*key, KeyChoice::Inside("data/s/store.key".into()));
    }

    #[test]
    fn a_moment_is_asked_for_in_japanese_time() {
        let asked = |words: &[&str]| {
            let fake = Fake::answering(serde_json::Value::Null);
            let call = [&["show", "07070707", "--store", "data/s"], words].concat();
            // The fake's answer is no record: what was asked is all that matters here.
            let _ = fake.run(&call);
            fake.asked().into_iter().find_map(|asked| match asked {
                Asked::Request(Request::Show { moment, .. }) => Some(moment),
                _ => None,
            })
        };
        let time = WallMs(1_795_324_200_000); // 2026-11-22T05:10Z
        let at = |device: Option<&str>| Moment::At { time, device: device.map(str::to_owned) };
        assert_eq!(asked(&["--at", "2026-11-22T14:10"]), Some(Some(at(None))));
        assert_eq!(asked(&["--at", "2026-11-22T05:10Z", "--device", "n-1"]), Some(Some(at(Some("n-1")))));
        assert_eq!(asked(&["--at", "2026-11-22T05:10Z", "--on", "n-1"]), Some(Some(at(Some("n-1")))));
        let as_of = Moment::AsOf { statement: "9c31a0b2:17:0".to_owned() };
        assert_eq!(asked(&["--as-of", "9c31a0b2:17:0"]), Some(Some(as_of)));
        assert_eq!(asked(&["--at", "sometime"]), None);
        assert_eq!(asked(&["--at", "14:10", "--as-of", "9c31a0b2:17:0"]), None);
        assert_eq!(asked(&["--device", "n-1"]), None);
    }

    #[test]
    fn without_a_store_the_refusal_says_how_to_name_one() {
        let failure = Fake::answering(serde_json::Value::Null).run(&["show", "07070707"]).unwrap_err();
        assert!(failure.status == 2 && failure.hint.contains("--store"), "{failure}");
    }
}
