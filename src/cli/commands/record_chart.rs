//! `musubi record RECORD draft`, `sign` and the others: what people edit together.

use clap::Subcommand;

use super::record::{filled, given_or_read, text_of};
use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, bullets, stamp};
use crate::record::Author;
use crate::replica::chart_marks::{Mark, Words};
use crate::replica::chart_write::{ChartWrite, Charted, Typed};
use crate::replica::request::Request;

/// What is written into the chart.
#[derive(Debug, Subcommand)]
pub enum ChartArgs {
    /// Begin a note, or make the draft of one read so; it merges with what others type.
    Draft {
        /// The whole text, or `-` for standard input.
        text: String,
        /// The draft, or its beginning, as `musubi show` names it; without it, a new one is begun.
        #[arg(long, value_name = "ID")]
        note: Option<String>,
    },
    /// Sign a draft; what others type meanwhile becomes a new draft.
    Sign {
        /// The draft, or its beginning, as `musubi show` names it.
        #[arg(long, value_name = "ID")]
        note: String,
        /// The title of the signed note.
        #[arg(long)]
        title: Option<String>,
        /// The version that was read, as `musubi show` names it; if the draft has changed since, nothing is signed.
        #[arg(long = "as-read", value_name = "VERSION", value_parser = version)]
        version: Option<String>,
    },
    /// Add to a signed note.
    Addendum {
        /// The signed note, as `musubi show` names it.
        #[arg(long, value_name = "STATEMENT")]
        to: String,
        /// The text, or `-` for standard input.
        text: String,
    },
    /// Write the care plan.
    Plan {
        /// What is done with it.
        #[command(subcommand)]
        what: PlanArgs,
    },
    /// Comment on a statement, or answer a comment.
    Annotate {
        /// The statement or the comment, as `musubi show` names it.
        statement: String,
        /// The text, or `-` for standard input.
        text: String,
    },
    /// Mark words of the hand-over or of a draft as important, or strike them through; struck words stay readable.
    ///
    /// What is no longer valid is struck, not erased. `musubi show` prints 【重要: …】 and 〔取消: …〕, with who and when.
    Mark {
        /// The words as they stand in the text.
        words: String,
        /// They are important (重要).
        #[arg(long, conflicts_with = "struck", required_unless_present = "struck")]
        important: bool,
        /// They are no longer valid (取消線).
        #[arg(long)]
        struck: bool,
        /// Take the mark away.
        #[arg(long)]
        off: bool,
        /// The draft, or its beginning, as `musubi show` names it; without it, the hand-over.
        #[arg(long, value_name = "ID")]
        note: Option<String>,
        /// Which of the places where the words stand, from 1; needed where they stand several times.
        #[arg(long, value_name = "NUMBER")]
        occurrence: Option<u32>,
    },
    /// Say that a sentence is right as it stands, though several people changed it without having seen one another's changes.
    ///
    /// `musubi show` tells which sentences these are, and what each of them wrote. Whoever corrects such a sentence settles it, too.
    Confirm {
        /// Words of the sentence, as they stand in the text.
        words: String,
        /// The draft, or its beginning, as `musubi show` names it; without it, the hand-over.
        #[arg(long, value_name = "ID")]
        note: Option<String>,
        /// Which of the places where the words stand, from 1; needed where they stand several times.
        #[arg(long, value_name = "NUMBER")]
        occurrence: Option<u32>,
    },
    /// Print what everybody typed into the chart, from the signed logs; also when the chart is spoiled.
    Texts,
    /// Begin a new chart beside a spoiled one, with what can be read of it.
    NewChart,
}

/// What is done with the care plan.
#[derive(Debug, Subcommand)]
pub enum PlanArgs {
    /// Add a line.
    Add {
        /// What is to be done.
        text: String,
    },
    /// Tick a line off.
    Tick {
        /// The line, as `musubi show` names it.
        item: String,
    },
    /// Take a tick away.
    Untick {
        /// The line, as `musubi show` names it.
        item: String,
    },
}

impl ChartArgs {
    /// Says whether it only reads, and needs no author.
    pub(super) fn reads(&self) -> bool {
        matches!(self, ChartArgs::Texts)
    }

    /// Prints what everybody typed.
    ///
    /// # Errors
    /// [`Failure`] when there is no such record, or the replica refuses.
    pub(super) fn texts(record: &str, store: &StoreArgs, context: &Context<'_>) -> Result<Outcome, Failure> {
        let answer = store.ask(context, Request::Texts { record: record.to_owned() })?;
        let typed: Typed = read(&answer)?;
        Ok(Outcome::done(answer, render_typed(&typed)))
    }

    /// Writes.
    ///
    /// # Errors
    /// [`Failure`] when a text is empty, what is named is not there, or the replica refuses.
    pub(super) fn run(
        &self,
        record: &str,
        author: Author,
        store: &StoreArgs,
        context: &Context<'_>,
    ) -> Result<Outcome, Failure> {
        let request = Request::Chart { record: record.to_owned(), write: self.write()?, author };
        let answer = store.ask(context, request)?;
        let charted: Charted = read(&answer)?;
        Ok(Outcome::done(answer, render(&charted, context.paper)))
    }

    fn write(&self) -> Result<ChartWrite, Failure> {
        Ok(match self {
            ChartArgs::Draft { text, note: None } => ChartWrite::Draft { note: None, text: text_of(text)? },
            // An empty text clears a draft.
            ChartArgs::Draft { text, note } => {
                ChartWrite::Draft { note: note.clone(), text: given_or_read(text)? }
            }
            ChartArgs::Sign { note, title, version } => {
                ChartWrite::Sign { note: note.clone(), title: title.clone(), version: version.clone() }
            }
            ChartArgs::Addendum { to, text } => {
                ChartWrite::Addendum { to: filled("the statement", to)?, text: text_of(text)? }
            }
            ChartArgs::Plan { what: PlanArgs::Add { text } } => {
                ChartWrite::Plan { text: filled("what is to be done", text)? }
            }
            ChartArgs::Plan { what: PlanArgs::Tick { item } } => {
                ChartWrite::Tick { item: item.clone(), done: true }
            }
            ChartArgs::Plan { what: PlanArgs::Untick { item } } => {
                ChartWrite::Tick { item: item.clone(), done: false }
            }
            ChartArgs::Annotate { statement, text } => {
                ChartWrite::Comment { at: filled("the statement", statement)?, text: text_of(text)? }
            }
            ChartArgs::Mark { words, important, struck: _, off, note, occurrence } => ChartWrite::Mark {
                note: note.clone(),
                words: Words { text: filled("the words", words)?, occurrence: *occurrence },
                mark: if *important { Mark::Important } else { Mark::Struck },
                on: !*off,
            },
            ChartArgs::Confirm { words, note, occurrence } => ChartWrite::Confirm {
                note: note.clone(),
                words: Words { text: filled("the words", words)?, occurrence: *occurrence },
            },
            ChartArgs::NewChart => ChartWrite::NewChart,
            ChartArgs::Texts => return Err(Failure::wrong_call("`texts` writes nothing")),
        })
    }
}

fn render(charted: &Charted, paper: Paper) -> String {
    let mut rows = vec![("record", charted.record.to_string())];
    rows.extend(charted.name.clone().map(|name| ("name", name)));
    rows.extend(charted.statement.clone().map(|statement| ("statement", statement)));
    rows.extend(charted.resource_id.clone().map(|id| ("resource", id)));
    rows.push(("written", stamp(charted.time)));
    let mut text = paper.fields(&rows);
    if !charted.warnings.is_empty() {
        text.push_str(&format!("\nATTENTION:{}", bullets(&charted.warnings)));
    }
    text
}

fn render_typed(typed: &Typed) -> String {
    let mut out =
        String::from("What everybody typed, deletions not followed (入力された全文、削除前を含む)\n");
    for one in &typed.texts {
        let author = one.author.as_deref().unwrap_or("?");
        let chart = match (one.in_chart, one.generation) {
            (true, _) => String::new(),
            (false, 0) => ", NOT IN THE CHART (記録に入っていません)".to_owned(),
            (false, number) => format!(", not in the chart of today (第{number}版)"),
        };
        out.push_str(&format!("{}  {} @ {}{chart}\n", stamp(one.time), plain(author), plain(&one.device)));
        one.text.lines().for_each(|line| out.push_str(&format!("    {}\n", plain(line))));
    }
    if typed.texts.is_empty() {
        out.push_str("nothing (なし)\n");
    }
    if typed.unreadable > 0 {
        out.push_str(&format!("{} entries or changes cannot be read (判読不能)\n", typed.unreadable));
    }
    out.trim_end().to_owned()
}

/// Control characters in data must not reach a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A version as `show` prints it, with or without the `v`.
fn version(text: &str) -> Result<String, String> {
    Ok(text.strip_prefix('v').unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RecordId;
    use crate::cli::fixtures::{Fake, NOW, text};
    use crate::replica::chart_write::TypedText;

    fn run(words: &[&str]) -> Result<Fake, Failure> {
        let charted = Charted {
            record: RecordId([0xab; 16]),
            name: Some("3f2a".into()),
            statement: None,
            resource_id: None,
            time: NOW,
            warnings: Vec::new(),
        };
        let fake = Fake::answering(serde_json::to_value(charted).unwrap());
        let author = ["--store", "s", "--author", "佐藤", "--role", "nurse"];
        fake.run(&[&["record", "abababab"], words, &author].concat()).map(|_| fake)
    }

    #[test]
    fn each_form_is_asked_for_as_it_was_typed_and_survives_the_socket() {
        for (words, expected) in [
            (vec!["draft", "清明"], ChartWrite::Draft { note: None, text: "清明".into() }),
            (
                vec!["draft", "--note", "3f2a", ""],
                ChartWrite::Draft { note: Some("3f2a".into()), text: "".into() },
            ),
            (
                vec!["sign", "--note", "3f2a", "--as-read", "v9c1d"],
                ChartWrite::Sign { note: "3f2a".into(), title: None, version: Some("9c1d".into()) },
            ),
            (
                vec!["addendum", "--to", "6f3c:1:0", "追記"],
                ChartWrite::Addendum { to: "6f3c:1:0".into(), text: "追記".into() },
            ),
            (vec!["plan", "add", "体位変換"], ChartWrite::Plan { text: "体位変換".into() }),
            (vec!["plan", "tick", "3fa2-7"], ChartWrite::Tick { item: "3fa2-7".into(), done: true }),
            (vec!["plan", "untick", "3fa2-7"], ChartWrite::Tick { item: "3fa2-7".into(), done: false }),
            (
                vec!["annotate", "3fa2-7", "了解"],
                ChartWrite::Comment { at: "3fa2-7".into(), text: "了解".into() },
            ),
            (
                vec!["mark", "酸素2L", "--struck"],
                ChartWrite::Mark {
                    note: None,
                    words: Words { text: "酸素2L".into(), occurrence: None },
                    mark: Mark::Struck,
                    on: true,
                },
            ),
            (
                vec!["mark", "--important", "--off", "--note", "3f2a", "--occurrence", "2", "安静"],
                ChartWrite::Mark {
                    note: Some("3f2a".into()),
                    words: Words { text: "安静".into(), occurrence: Some(2) },
                    mark: Mark::Important,
                    on: false,
                },
            ),
            (
                vec!["confirm", "酸素5L"],
                ChartWrite::Confirm {
                    note: None, words: Words { text: "酸素5L".into(), occurrence: None }
                },
            ),
            (vec!["new-chart"], ChartWrite::NewChart),
        ] {
            let asked = run(&words).unwrap().request();
            let text = serde_json::to_string(&asked).unwrap();
            let Request::Chart { write, .. } = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
            assert_eq!(write, expected);
        }
    }

    #[test]
    fn empty_texts_are_refused_before_anything_is_asked() {
        for words in [
            vec!["draft", " "],
            vec!["plan", "add", ""],
            vec!["plan"],
            vec!["sign"],
            vec!["addendum", "x"],
            vec!["mark", "x"],
            vec!["mark", "", "--struck"],
            vec!["mark", "x", "--struck", "--important"],
        ] {
            assert_eq!(run(&words).map(|_| ()).unwrap_err().status, 2, "{words:?}");
        }
    }

    #[test]
    fn what_everybody_typed_is_printed_without_an_author_of_the_call() {
        let one = |author: Option<&str>, in_chart| TypedText {
            author: author.map(str::to_owned),
            device: "north-1".into(),
            time: NOW,
            generation: 0,
            in_chart,
            text: "酸素2L\u{1b}\n続き".into(),
        };
        let typed = Typed {
            record: RecordId([1; 16]),
            texts: vec![one(Some("佐藤"), true), one(None, false)],
            unreadable: 2,
        };
        let fake = Fake::answering(serde_json::to_value(typed).unwrap());
        let outcome = fake.run(&["record", "abababab", "texts", "--store", "s"]).unwrap();
        let shown = text(&outcome);
        assert!(shown.contains("佐藤 @ north-1\n    酸素2L \n    続き\n"), "{shown}");
        assert!(shown.contains("? @ north-1, NOT IN THE CHART") && shown.contains("2 entries"), "{shown}");
    }
}
