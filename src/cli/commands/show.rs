//! `musubi show`: shows one record.

use clap::Args;

use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::{Outcome, read};
use crate::replica::answer::Shown;
use crate::replica::request::Request;

/// Show one patient's record: first what could kill, then the rest.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi show --store data/north 4f2a90b1c7de
  musubi show --store data/north 4f2a90b1c7de --json
")]
pub struct ShowCommand {
    /// The record's id, or at least 8 digits of its beginning; `musubi find` names it.
    #[arg(value_name = "RECORD")]
    record: String,
    #[command(flatten)]
    store: StoreArgs,
}

impl ShowCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when there is no such record, or the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let answer = self.store.ask(context, Request::Show { record: self.record.clone() })?;
        let shown: Shown = read(&answer)?;
        Ok(Outcome::done(answer, shown.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RecordId;
    use crate::cli::fixtures::{Asked, Fake, text};
    use crate::cli::key::KeyChoice;

    #[test]
    fn the_replica_s_own_text_is_shown() {
        let shown = Shown {
            record: RecordId([7; 16]),
            areas: vec![],
            view: serde_json::json!({}),
            person: serde_json::json!({}),
            charts: vec![],
            text: "三浦 花子\nALLERGY ペニシリン".into(),
        };
        let fake = Fake::answering(serde_json::to_value(shown).unwrap());
        let outcome = fake.run(&["show", "07070707", "--store", "data/s"]).unwrap();
        assert_eq!(text(&outcome), "三浦 花子\nALLERGY ペニシリン");
        let asked = fake.asked();
        let [Asked::Open(store, key), Asked::Request(Request::Show { record })] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        assert_eq!((store.to_str().unwrap(), record.as_str()), ("data/s", "07070707"));
        assert_eq!(*key, KeyChoice::Inside("data/s/store.key".into()));
    }

    #[test]
    fn without_a_store_the_refusal_says_how_to_name_one() {
        let failure = Fake::answering(serde_json::Value::Null).run(&["show", "07070707"]).unwrap_err();
        assert!(failure.status == 2 && failure.hint.contains("--store"), "{failure}");
    }
}
