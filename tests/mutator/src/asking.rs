//! Asks all mistakes, several at once, and keeps every answer as soon as it is known.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::building::LeftOut;
use crate::cases::{Case, Cases, Heard};
use crate::listing::Mistake;

const TELLS_EVERY: Duration = Duration::from_secs(30);

/// What is known of a mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is not in the program.
    LeftOut(LeftOut),
    /// No case comes across its place.
    NeverReached,
    /// All that reached it went on exactly as without it.
    NoEffect { tries: usize },
    /// Something else happened, and nobody noticed.
    NotNoticed { tries: usize },
    /// A case noticed: which, by what (`hangs`, `dies`, or the name of an invariant or test), after how many others.
    Noticed { case: String, by: String, tries: usize },
}

/// What is asked of all mistakes.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub program: &'a Path,
    pub cases: &'a Cases,
    pub tries: usize,
    pub every: usize,
    pub threads: usize,
    pub results: &'a Path,
}

/// Answers by the mistakes' numbers.
pub type Answers = BTreeMap<u32, Answer>;

impl Question<'_> {
    /// Asks all mistakes that have no answer yet.
    pub fn ask(&self, mistakes: &[Mistake], left_out: &BTreeMap<u32, LeftOut>) -> Result<Answers> {
        let path = self.results.join("answers.jsonl");
        let mut answers = Answers::new();
        for line in fs::read_to_string(&path).unwrap_or_default().lines() {
            // The last line of a run that was broken off may be half a line.
            if let Ok((number, answer)) = serde_json::from_str(line) {
                answers.insert(number, answer);
            }
        }
        answers.extend(left_out.iter().map(|(number, why)| (*number, Answer::LeftOut(*why))));
        let numbers = (1..=mistakes.len() as u32).step_by(self.every);
        let open: Vec<u32> = numbers.filter(|number| !answers.contains_key(number)).collect();
        if open.is_empty() {
            return Ok(answers);
        }
        let cases = self.learn()?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = Mutex::new(file.with_context(|| format!("opening {}", path.display()))?);
        let heard = self.all("mistakes", &open, |number| {
            let answer = self.answer(&cases, *number)?;
            let line = serde_json::to_string(&(number, &answer))?;
            writeln!(file.lock().expect("nobody panics while writing"), "{line}")
                .context("keeping an answer")?;
            Ok(answer)
        })?;
        answers.extend(open.into_iter().zip(heard));
        Ok(answers)
    }

    /// Runs every case once without a mistake; the quickest come first.
    fn learn(&self) -> Result<Vec<Case>> {
        let names = self.cases.names(self.program)?;
        let kept = self.results.join(format!("cases-{}.json", names.len()));
        if let Ok(text) = fs::read(&kept) {
            return serde_json::from_slice(&text).with_context(|| format!("reading {}", kept.display()));
        }
        let mut cases: Vec<Case> =
            self.all("cases", &names, |name| self.cases.learn(self.program, name, self.results))?;
        cases.sort_by_key(|case| case.takes);
        fs::write(&kept, serde_json::to_vec(&cases)?)
            .with_context(|| format!("writing {}", kept.display()))?;
        Ok(cases)
    }

    fn answer(&self, cases: &[Case], number: u32) -> Result<Answer> {
        let reaching: Vec<&Case> = cases.iter().filter(|case| case.reaches.contains(&number)).collect();
        if reaching.is_empty() {
            return Ok(Answer::NeverReached);
        }
        let mut same = true;
        let chosen = spread(&reaching, self.tries);
        for (tries, case) in chosen.iter().enumerate() {
            let noticed = |by: &str| Answer::Noticed { case: case.name.clone(), by: by.to_owned(), tries };
            match self.cases.try_mistake(self.program, case, number)? {
                Heard::Holds { same: here } => same &= here,
                Heard::Broken(by) => return Ok(noticed(&by)),
                Heard::Hangs => return Ok(noticed("hangs")),
                Heard::Dies => return Ok(noticed("dies")),
            }
        }
        let tries = chosen.len();
        Ok(if same { Answer::NoEffect { tries } } else { Answer::NotNoticed { tries } })
    }

    /// Does something with all of many, in several threads, and says how far it has come.
    fn all<T: Sync, R: Send>(
        &self,
        what: &str,
        of: &[T],
        each: impl Fn(&T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let (next, told) = (AtomicUsize::new(0), Mutex::new(Instant::now()));
        let begun = Instant::now();
        let made: Mutex<BTreeMap<usize, Result<R>>> = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(one) = of.get(place) else { return };
                        let result = each(one);
                        let failed = result.is_err();
                        made.lock().expect("nobody panics with it").insert(place, result);
                        if failed {
                            next.store(of.len(), Ordering::Relaxed);
                        }
                        let mut told = told.lock().expect("nobody panics with it");
                        if told.elapsed() > TELLS_EVERY {
                            *told = Instant::now();
                            let seconds = begun.elapsed().as_secs();
                            eprintln!("mutants: {} of {} {what} in {seconds} s", place + 1, of.len());
                        }
                    }
                });
            }
        });
        made.into_inner().expect("nobody panicked with it").into_values().collect()
    }
}

/// Chooses so many, the quick ones and slow ones alike: quick regions are small, and small ones lack much.
fn spread<'a>(all: &[&'a Case], most: usize) -> Vec<&'a Case> {
    let step = all.len().div_ceil(most.max(1)).max(1);
    let places: BTreeSet<usize> = (0..all.len()).step_by(step).collect();
    places.into_iter().map(|place| all[place]).collect()
}
