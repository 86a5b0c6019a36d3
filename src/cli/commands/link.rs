//! `musubi link` and `musubi unlink`: says that two records are one person's, or not, and looks for such records.

use clap::Args;

use crate::cli::args::{AuthorArgs, Context, StoreArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, bullets, count, printable, stamp};
use crate::record::linking::TieKind;
use crate::record::linking::compare::Agreement;
use crate::replica::answer::{Linked, Suggested};
use crate::replica::request::Request;

/// Most suggestions that may be asked for.
const LIMIT_MAX: u16 = 1_000;

/// Say that two records are one person's, or are not; or look for records that may be (名寄せ).
///
/// A link is a statement of its author, written into both records and never made by the program. It fuses nothing:
/// `musubi show` shows linked records as one, `musubi unlink` shows them apart again.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples, with MUSUBI_STORE, MUSUBI_AUTHOR and MUSUBI_ROLE set:
  musubi link --suggest
  musubi link --suggest 4f2a90b1c7de
  musubi link 4f2a90b1c7de 77b1c02e9a41 --reason \"保険証と本人の申告で確認\"
  musubi link --not-same 4f2a90b1c7de 77b1c02e9a41 --reason \"twins: both were here\"
")]
pub struct LinkCommand {
    /// The two records, or with --suggest one or none: ids, or at least 8 digits of their beginnings.
    #[arg(value_name = "RECORD", num_args = 0..=2)]
    records: Vec<String>,
    /// List records that may be one person's, with the reasons; nothing is written.
    #[arg(long, conflicts_with_all = ["not_same", "reason"])]
    suggest: bool,
    /// Most suggestions.
    #[arg(long, value_name = "N", default_value_t = 50, requires = "suggest", value_parser = clap::value_parser!(u16).range(1..=i64::from(LIMIT_MAX)))]
    limit: u16,
    /// Say that they are two people's.
    #[arg(long)]
    not_same: bool,
    /// How it is known.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    author: AuthorArgs,
}

/// Undo a link of two records, which may be one person's or not.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples, with MUSUBI_STORE, MUSUBI_AUTHOR and MUSUBI_ROLE set:
  musubi unlink 4f2a90b1c7de 77b1c02e9a41 --reason \"another birth date on the passport\"
")]
pub struct UnlinkCommand {
    /// The two records: ids, or at least 8 digits of their beginnings.
    #[arg(value_name = "RECORD", num_args = 2, required = true)]
    records: Vec<String>,
    /// How it is known.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    author: AuthorArgs,
}

impl LinkCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the call makes no sense, or the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        if self.suggest {
            let record = match self.records.as_slice() {
                [] => None,
                [record] => Some(record.clone()),
                _ => return Err(Failure::wrong_call("--suggest takes one record, or none")),
            };
            let answer =
                self.store.ask(context, Request::Suggest { record, limit: usize::from(self.limit) })?;
            let suggested: Suggested = read(&answer)?;
            return Ok(Outcome::done(answer, render(&suggested)));
        }
        let reason = self.reason.as_deref().ok_or_else(|| {
            Failure::wrong_call("no reason is given")
                .hint("say with --reason how it is known: others judge the link by it")
        })?;
        let kind = if self.not_same { TieKind::NotSame } else { TieKind::Link };
        say(context, &self.store, &self.author, kind, &self.records, reason)
    }
}

impl UnlinkCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when there is no such link, or the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        say(context, &self.store, &self.author, TieKind::Unlink, &self.records, &self.reason)
    }
}

fn say(
    context: &Context<'_>,
    store: &StoreArgs,
    author: &AuthorArgs,
    tie: TieKind,
    records: &[String],
    reason: &str,
) -> Result<Outcome, Failure> {
    let [a, b] = records else {
        return Err(Failure::wrong_call("two records are needed").hint("`musubi find` names records"));
    };
    if reason.trim().is_empty() {
        return Err(Failure::wrong_call("the reason is empty"));
    }
    let records = [a.clone(), b.clone()];
    let author = author.author(None)?;
    let answer = store.ask(context, Request::Tie { tie, records, reason: reason.to_owned(), author })?;
    let linked: Linked = read(&answer)?;
    let text = linked_text(&linked, context.paper);
    Ok(Outcome::done(answer, text))
}

fn linked_text(linked: &Linked, paper: Paper) -> String {
    let state = serde_json::to_value(linked.state).ok();
    let joined: Vec<String> = linked.joined.iter().map(ToString::to_string).collect();
    let rows = [
        ("records", linked.records.map(|record| record.to_string()).join("  ")),
        ("said", linked.said.name().to_owned()),
        ("now", state.and_then(|state| state.as_str().map(str::to_owned)).unwrap_or_default()),
        ("shown as one", joined.join("  ")),
        ("written", stamp(linked.time)),
    ];
    let mut text = paper.fields(&rows);
    if linked.written_into < 2 {
        text.push_str("\nwritten into one of the two records only: this device may not write the other");
    }
    if !linked.warnings.is_empty() {
        text.push_str(&format!("\nATTENTION:{}", bullets(&linked.warnings)));
    }
    text
}

fn render(suggested: &Suggested) -> String {
    let mut text = format!(
        "{} people, {} pairs compared; nothing is linked by this",
        count(suggested.people),
        count(suggested.compared)
    );
    if suggested.pairs.is_empty() {
        text.push_str("\nno probable double / 同一人物とみられる記録はありません");
    }
    for pair in &suggested.pairs {
        text.push_str(&format!("\n\n{}", pair.told));
        for side in &pair.sides {
            text.push_str(&format!("\n  {}  {}", side.record, printable(&side.who)));
        }
        let others = [
            ("双方と一致する第三の登録 / by way of", &pair.third),
            ("同世帯の別人にも一致 / fits another member of the household as well", &pair.rival),
        ];
        for (words, other) in others {
            if let Some(other) = other {
                text.push_str(&format!("\n    {words}: {}  {}", other.record, printable(&other.who)));
            }
        }
        for evidence in pair.evidence.iter().filter(|evidence| evidence.level != Agreement::Missing) {
            let (field, level) = (evidence.field.words(), evidence.level.words());
            text.push_str(&format!(
                "\n    {:+6.1}  {} / {}: {} / {}",
                evidence.bits, field.ja, field.en, level.ja, level.en
            ));
        }
    }
    if suggested.more {
        text.push_str("\n\nthere are more: raise --limit");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RecordId;
    use crate::cli::fixtures::{Fake, NOW, text};
    use crate::record::linking::PairState;

    const AUTHOR: &[&str] = &["--store", "s", "--author", "佐藤", "--role", "nurse"];

    fn fake() -> Fake {
        let linked = Linked {
            records: [RecordId([1; 16]), RecordId([2; 16])],
            said: TieKind::Link,
            state: PairState::Joined,
            joined: vec![RecordId([1; 16]), RecordId([2; 16])],
            written_into: 2,
            time: NOW,
            warnings: vec!["look".into()],
        };
        Fake::answering(serde_json::to_value(linked).unwrap())
    }

    #[test]
    fn the_three_statements_are_asked_for_with_their_reason() {
        let calls = [
            (vec!["link", "01010101", "02020202", "--reason", "r"], TieKind::Link),
            (vec!["link", "--not-same", "01010101", "02020202", "--reason", "r"], TieKind::NotSame),
            (vec!["unlink", "01010101", "02020202", "--reason", "r"], TieKind::Unlink),
        ];
        for (words, wanted) in calls {
            let fake = fake();
            let outcome = fake.run(&[words.as_slice(), AUTHOR].concat()).unwrap();
            assert!(text(&outcome).contains("joined") && text(&outcome).contains("ATTENTION"));
            let Request::Tie { tie, records, reason, .. } = fake.request() else { panic!("a tie") };
            assert_eq!((tie, records[1].as_str(), reason.as_str()), (wanted, "02020202", "r"));
        }
    }

    #[test]
    fn wrong_calls_are_refused_before_anything_is_asked() {
        let fake = fake();
        for words in [
            vec!["link", "01010101", "02020202"],
            vec!["link", "01010101", "--reason", "r"],
            vec!["link", "01010101", "02020202", "--reason", " "],
            vec!["unlink", "01010101", "--reason", "r"],
            vec!["link", "--suggest", "01010101", "02020202"],
        ] {
            assert_eq!(fake.run(&[words.as_slice(), AUTHOR].concat()).unwrap_err().status, 2, "{words:?}");
        }
        assert!(fake.asked().is_empty());
    }

    #[test]
    fn suggestions_say_that_nothing_is_linked() {
        let none = Suggested { pairs: Vec::new(), people: 3, compared: 1, more: false };
        let fake = Fake::answering(serde_json::to_value(none).unwrap());
        let outcome = fake.run(&["link", "--store", "s", "--suggest"]).unwrap();
        assert!(text(&outcome).contains("nothing is linked"), "{}", text(&outcome));
        assert!(matches!(fake.request(), Request::Suggest { record: None, limit: 50 }));
    }
}
