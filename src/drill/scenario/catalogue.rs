//! The tables of events and expectations for the coordinator's guide, in two languages, made from the tables by which
//! files are read.

use std::fmt::Write as _;

use super::expectations::EXPECTATIONS;
use super::key::{AT, BETWEEN, EVENT, FOR, Key, PATIENT, SHARE, Shape, TOP, UNTIL, Words};
use crate::drill::events::EVENTS;
use crate::transport::{LinkProfile, PROFILES};

/// The keys that many events have; they are explained once, above the table.
const SHARED: [Key; 6] = [AT, SHARE, FOR, UNTIL, BETWEEN, PATIENT];

/// The language of a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Japanese.
    Japanese,
}

impl Language {
    fn of(self, words: Words) -> &'static str {
        match self {
            Language::English => words.en,
            Language::Japanese => words.ja,
        }
    }

    fn one(self, en: &'static str, ja: &'static str) -> &'static str {
        self.of(Words { en, ja })
    }
}

/// Writes the Markdown tables of every table, event and expectation of the language.
pub fn catalogue(language: Language) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    line(language.one("### Every table", "### すべての表"));
    line("");
    line(language.one("| table | key | what it is |", "| 表 | キー | 意味 |"));
    line("|---|---|---|");
    for key in TOP {
        let (name, keys) = match key.shape {
            Shape::Tables(keys) => (format!("`[[{}]]`", key.name), keys),
            Shape::Table(keys) => (format!("`[{}]`", key.name), keys),
            Shape::Named(keys) => (format!("`[{}]`", key.name), keys),
            Shape::Events => (format!("`[[{}]]`", key.name), EVENT),
            Shape::Expectations => (format!("`[[{}]]`", key.name), super::key::EXPECT),
            _ => (String::new(), &[] as &[Key]),
        };
        match name.is_empty() {
            true => line(&format!("| | {} | {} |", named(key), does(key, language))),
            false => line(&format!("| {name} | | {} |", language.of(key.does))),
        }
        for key in keys {
            line(&format!("| | {} | {} |", named(key), does(key, language)));
        }
    }
    line("");
    line(language.one("### Every profile of a link", "### すべての回線の種類"));
    line("");
    line(language.one(
        "Delays are for one direction; *up* is from the end that is named first.",
        "遅延は片道。*上り* は先に書いた側から相手へ。",
    ));
    line("");
    line(language.one("| profile | what it is like | in figures |", "| 種類 | どんな回線か | 数値 |"));
    line("|---|---|---|");
    for named in &PROFILES {
        let like = language.one(named.en, named.ja);
        line(&format!("| `{}` | {like} | {} |", named.text, figures(&named.profile, language)));
    }
    line("");
    line(language.one("### Every event (`do`)", "### すべての出来事（`do`）"));
    line("");
    line(language.one(
        "An event with `*` is for `--sim` only. In every list of keys, *those in italics* may be left out.",
        "`*` の付いた出来事は `--sim` だけのもの。キーのうち *斜体のもの* は省ける。",
    ));
    line("");
    line(language.one("Keys that many events have:", "多くの出来事に共通するキー："));
    line("");
    for key in SHARED {
        line(&format!("- `{}`: {}", key.name, does(&key, language)));
    }
    line("");
    line(language.one("| event | what happens | keys |", "| 出来事 | 何が起きるか | キー |"));
    line("|---|---|---|");
    for kind in EVENTS {
        let star = if kind.live { "" } else { " `*`" };
        let keys = keys(kind.keys, language);
        line(&format!("| `{}`{star} | {} | {keys} |", kind.name, language.of(kind.does)));
    }
    line("");
    line(language.one("One of each, to copy from:", "写して使える例："));
    line("");
    line("```toml");
    for kind in EVENTS {
        line("[[event]]");
        line(&format!("do = \"{}\"", kind.name));
        kind.example.lines().for_each(&mut line);
        line("");
    }
    line("```");
    line("");
    line(language.one("### Every expectation (`name`)", "### すべての期待（`name`）"));
    line("");
    line(language.one(
        "One with `*` is judged in `--sim` only; a run with real processes says so and does not fail by it.",
        "`*` の付いたものは `--sim` でだけ判定される。実プロセスの実行ではその旨が示され、失敗にはならない。",
    ));
    line("");
    line(language.one("| expectation | holds when | keys |", "| 期待 | 成り立つとき | キー |"));
    line("|---|---|---|");
    for kind in EXPECTATIONS {
        let star = if kind.live { "" } else { " `*`" };
        let keys = keys(kind.keys, language);
        line(&format!("| `{}`{star} | {} | {keys} |", kind.name, language.of(kind.does)));
    }
    text
}

/// What a profile does, in figures.
fn figures(profile: &LinkProfile, language: Language) -> String {
    let mut told = Vec::new();
    if profile.delay_ms > 0 {
        let jitter = if profile.jitter_ms > 0 {
            format!("–{}", profile.delay_ms + profile.jitter_ms)
        } else {
            String::new()
        };
        told.push(format!("{}{jitter} ms", profile.delay_ms));
    }
    told.extend(profile.rate_bytes_per_s.map(|rate| format!("{} kbit/s", rate.get() * 8 / 1_000)));
    for (en, ja, loss) in [("up", "上り", profile.loss_up), ("down", "下り", profile.loss_down)] {
        let percent = f64::from(loss) * 100.0;
        if percent > 0.0 {
            told.push(
                language.one("lost ", "損失 ").to_owned() + &format!("{} {percent} %", language.one(en, ja)),
            );
        }
    }
    told.extend(profile.flap.map(|flap| {
        let (up, down) = (flap.up_ms.get() / 1_000, flap.down_ms / 1_000);
        match language {
            Language::English => format!("{up} s up, {down} s down"),
            Language::Japanese => format!("{up} 秒つながり {down} 秒切れる"),
        }
    }));
    told.extend(profile.bytes_per_day.map(|most| {
        let mb = most.get() as f64 / 1e6;
        match language {
            Language::English => format!("{mb} MB a day"),
            Language::Japanese => format!("一日 {mb} MB"),
        }
    }));
    if told.is_empty() { "–".to_owned() } else { told.join(", ") }
}

/// The name of a key; in italics when it may be left out.
fn named(key: &Key) -> String {
    if key.needed { format!("`{}`", key.name) } else { format!("*`{}`*", key.name) }
}

/// What a key is for, with its options or bounds where the words do not say them.
fn does(key: &Key, language: Language) -> String {
    let mut told = language.of(key.does).replace('|', "\\|");
    match key.shape {
        Shape::OneOf(options) | Shape::SomeOf(options)
            if !options.iter().all(|option| told.contains(option)) =>
        {
            let options: Vec<String> = options.iter().map(|option| format!("`{option}`")).collect();
            // Writing to a text cannot fail.
            let _ = write!(told, " ({})", options.join(", "));
        }
        Shape::Table(keys) | Shape::Tables(keys) => {
            let names: Vec<String> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
            let _ = write!(told, " ({{ {} }})", names.join(", "));
        }
        _ => {}
    }
    told
}

fn keys(keys: &[Key], language: Language) -> String {
    let shared = |key: &Key| SHARED.iter().any(|shared| shared.name == key.name && shared.does == key.does);
    let told = |key: &Key| match shared(key) {
        true => named(key),
        false => format!("{}: {}", named(key), does(key, language)),
    };
    match keys {
        [] => "–".to_owned(),
        keys => keys.iter().map(told).collect::<Vec<_>>().join("<br>"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The marks between which the guides hold the catalogue.
    const BEGIN: &str = "<!-- catalogue: begin (made by `cargo test`; MUSUBI_BLESS=1 writes it anew) -->\n";
    const END: &str = "<!-- catalogue: end -->";

    #[test]
    fn the_guides_hold_the_catalogue() {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        for (guide, language) in [("README.md", Language::English), ("README.ja.md", Language::Japanese)] {
            let path = scenarios.join(guide);
            let text = std::fs::read_to_string(&path).unwrap();
            let (before, rest) = text.split_once(BEGIN).expect("the mark of the beginning");
            let (found, after) = rest.split_once(END).expect("the mark of the end");
            let wanted = format!("\n{}\n", catalogue(language));
            if std::env::var_os("MUSUBI_BLESS").is_some() {
                std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
            } else {
                assert!(found == wanted, "{guide} is behind the language; run the tests with MUSUBI_BLESS=1");
            }
        }
    }

    #[test]
    fn nothing_is_without_words_in_both_languages() {
        let (english, japanese) = (catalogue(Language::English), catalogue(Language::Japanese));
        assert_eq!(english.lines().count(), japanese.lines().count());
        for text in [&english, &japanese] {
            assert!(!text.contains("|  |") && !text.contains(": <br>"), "{text}");
        }
        for kind in EVENTS {
            assert!(
                english.contains(&format!("| `{}`", kind.name)) && !kind.does.ja.is_ascii(),
                "{}",
                kind.name
            );
        }
    }
}
