//! Adds up what became of the mistakes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::asking::{Answer, Answers};
use crate::building::LeftOut;
use crate::listing::Mistake;

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    noticed: u32,
    not_noticed: u32,
    no_effect: u32,
    never_reached: u32,
}

impl Sum {
    fn built(self) -> u32 {
        self.noticed + self.not_noticed + self.no_effect + self.never_reached
    }

    fn row(self, name: &str) -> String {
        let share = |part: u32, of: u32| (part * 100).checked_div(of).unwrap_or(0);
        let reached = self.built() - self.never_reached;
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} % | {} % |\n",
            self.built(),
            self.noticed,
            self.not_noticed,
            self.no_effect,
            self.never_reached,
            share(self.noticed, self.built()),
            share(self.noticed, reached),
        )
    }
}

/// Tells the shares by folder, who noticed, and every mistake that nobody noticed.
pub fn tell(mistakes: &[Mistake], answers: &Answers) -> String {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let mut all = Sum::default();
    let (mut by, mut left_out): (BTreeMap<&str, u32>, BTreeMap<&str, u32>) = Default::default();
    let mut unseen: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (number, answer) in answers {
        let Some(mistake) = mistakes.get(*number as usize - 1) else { continue };
        let room = mistake.file.parent().unwrap_or(&mistake.file).display().to_string();
        let mut count = |add: fn(&mut Sum)| {
            add(&mut all);
            add(sums.entry(room.clone()).or_default());
        };
        match answer {
            Answer::LeftOut(LeftOut::DoesNotCompile) => {
                *left_out.entry("the compiler refuses them").or_default() += 1
            }
            Answer::LeftOut(LeftOut::NoSwitch) => {
                *left_out.entry("no switch can make them").or_default() += 1
            }
            Answer::Noticed { by: name, .. } => {
                count(|sum| sum.noticed += 1);
                *by.entry(name).or_default() += 1;
            }
            Answer::NotNoticed { .. } => {
                count(|sum| sum.not_noticed += 1);
                unseen.entry("not noticed").or_default().push(&mistake.name);
            }
            Answer::NoEffect { .. } => {
                count(|sum| sum.no_effect += 1);
                unseen.entry("without effect").or_default().push(&mistake.name);
            }
            Answer::NeverReached => {
                count(|sum| sum.never_reached += 1);
                unseen.entry("never reached").or_default().push(&mistake.name);
            }
        }
    }
    let mut text = String::new();
    for (kind, names) in &unseen {
        let _ = writeln!(text, "{kind}:");
        names.iter().for_each(|name| text.push_str(&format!("  {name}\n")));
    }
    text.push_str("\n| in | mistakes | noticed | not noticed | without effect | never reached | share of all | of reached |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    sums.iter().for_each(|(room, sum)| text.push_str(&sum.row(room)));
    text.push_str(&all.row("all"));
    let mut by: Vec<(&str, u32)> = by.into_iter().collect();
    by.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let by: Vec<String> = by.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let _ = writeln!(text, "\nnoticed by: {}", by.join(", "));
    left_out.iter().for_each(|(why, count)| text.push_str(&format!("left out: {count}, {why}\n")));
    text
}
