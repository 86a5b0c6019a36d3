//! `musubi bench link`: how well registrations of one person are found.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;
use crate::cli::text::{count, took};
use crate::drill::people::population;
use crate::record::linking::score::{MAYBE_MIN, SUGGEST_MIN};
use crate::record::linking::{Commonness, Quality, Raw, Traits, candidates};

/// Most records of one measurement.
const RECORDS_MAX: u32 = 5_000_000;
/// Largest list that is read, in bytes.
const LIST_BYTES_MAX: u64 = 4 << 30;
/// Thresholds that are shown beside those in use.
const THRESHOLDS: [f64; 5] = [0.8, 0.9, 0.95, 0.99, 0.999];
/// The columns of a list.
const COLUMNS: [&str; 11] = [
    "cluster_id",
    "family",
    "given",
    "family_kana",
    "given_kana",
    "birth_date",
    "sex",
    "phone",
    "postal_code",
    "address",
    "insurance_id",
];

/// How well, and how fast, registrations of one person are found (名寄せ).
///
/// A list has a header with cluster_id (who it truly is), family, given, family_kana, given_kana, birth_date, sex,
/// phone, postal_code, address, insurance_id; an empty field is not known.
#[derive(Debug, Args)]
pub struct LinkBench {
    /// The list, as CSV.
    #[arg(value_name = "FILE.csv", required_unless_present = "synthetic", conflicts_with = "synthetic")]
    list: Option<PathBuf>,
    /// Invent so many registrations instead, with twins, namesakes and slips.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(RECORDS_MAX)))]
    synthetic: Option<u32>,
    /// The seed of what is invented.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    records: u64,
    people: u64,
    /// Pairs that shared a key and were compared.
    compared: u64,
    /// Keys that too many shared, whose narrower ones were used.
    oversize_keys: u64,
    /// From the probability at which a pair is suggested.
    suggest: Quality,
    /// From the probability at which a pair is worth a look.
    maybe: Quality,
    thresholds: Vec<Quality>,
    took_ms: u64,
}

impl LinkBench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the list cannot be read.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let Self { list, synthetic, seed } = self;
        let measured = match (list, synthetic) {
            (Some(list), _) => {
                let text = read(list)?;
                let (traits, truth) = listed(&text, list)?;
                measure(traits, &truth)
            }
            (None, Some(synthetic)) => {
                let people = population(usize::try_from(*synthetic).unwrap_or(usize::MAX), *seed);
                let began = Instant::now();
                let traits = people.iter().map(|person| Traits::of_raw(&person.raw())).collect();
                let truth: Vec<u32> = people.iter().map(|person| person.person).collect();
                drop(people);
                let mut measured = measure(traits, &truth);
                measured.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                measured
            }
            (None, None) => return Err(Failure::wrong_call("neither a list nor --synthetic is given")),
        };
        let text = told(&measured);
        Ok(Outcome::described(&measured, text))
    }
}

fn measure(traits: Vec<Traits>, truth: &[u32]) -> Measured {
    let began = Instant::now();
    let known = Commonness::of(&traits);
    let (found, pairs) = candidates(&traits, &known);
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let people: std::collections::HashSet<u32> = truth.iter().copied().collect();
    let quality = |threshold| Quality::of(&found, truth, threshold);
    Measured {
        records: traits.len() as u64,
        people: people.len() as u64,
        compared: pairs.compared,
        oversize_keys: pairs.oversize,
        suggest: quality(SUGGEST_MIN),
        maybe: quality(MAYBE_MIN),
        thresholds: THRESHOLDS.into_iter().map(quality).collect(),
        took_ms,
    }
}

fn told(measured: &Measured) -> String {
    let mut text = format!(
        "{} records of {} people, {} pairs compared, {}\n",
        count(measured.records),
        count(measured.people),
        count(measured.compared),
        took(measured.took_ms)
    );
    text.push_str("threshold  precision  recall  suggested  right  doubles");
    let mut line = |name: &str, quality: &Quality| {
        text.push_str(&format!(
            "\n{:<9}  {:<9.4}  {:<6.4}  {:<9}  {:<5}  {}{name}",
            quality.threshold,
            quality.precision,
            quality.recall,
            quality.suggested,
            quality.right,
            quality.doubles
        ));
    };
    line("  maybe", &measured.maybe);
    line("  suggest", &measured.suggest);
    measured.thresholds.iter().for_each(|quality| line("", quality));
    text
}

fn read(list: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::wrong_call(format!("reading {}: {why}", list.display()));
    let size = std::fs::metadata(list).map_err(|error| failed(error.to_string()))?.len();
    if size > LIST_BYTES_MAX {
        return Err(failed(format!("it has more than {LIST_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(list).map_err(|error| failed(error.to_string()))
}

fn listed(text: &str, list: &Path) -> Result<(Vec<Traits>, Vec<u32>), Failure> {
    let damaged =
        |line: usize, why: &str| Failure::damaged(format!("{}, line {line}: {why}", list.display()));
    let mut lines = text.lines().enumerate();
    let (_, header) = lines.next().ok_or_else(|| damaged(1, "there is no header"))?;
    let header = cells(header.trim_start_matches('\u{feff}'));
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let at = header.iter().position(|cell| cell == column);
        *place = at.ok_or_else(|| damaged(1, &format!("there is no column {column}")))?;
    }
    let (mut traits, mut truth) = (Vec::new(), Vec::new());
    let mut people = std::collections::HashMap::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let cells = cells(line);
        if cells.len() != header.len() {
            return Err(damaged(number + 1, "it has another number of fields than the header"));
        }
        let [
            person,
            family,
            given,
            family_kana,
            given_kana,
            birth_date,
            sex,
            phone,
            postal_code,
            address,
            insurance,
        ] = places.map(|place| cells[place].as_str());
        let next = u32::try_from(people.len()).unwrap_or(u32::MAX);
        truth.push(*people.entry(person.to_owned()).or_insert(next));
        traits.push(Traits::of_raw(&Raw {
            family,
            given,
            family_kana,
            given_kana,
            birth_date,
            sex,
            phone,
            postal_code,
            address,
            insurance,
        }));
    }
    Ok((traits, truth))
}

/// Takes a line of CSV apart; a field in quotes may hold commas, and quotes twice.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let (mut quoted, mut after_quote) = (false, false);
    for c in line.trim_end_matches('\r').chars() {
        let cell = cells.last_mut().expect("there is always one");
        match c {
            '"' if quoted => (quoted, after_quote) = (false, true),
            '"' => {
                if after_quote {
                    cell.push('"');
                }
                quoted = true;
            }
            ',' if !quoted => cells.push(String::new()),
            c => cell.push(c),
        }
        after_quote &= c == '"';
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures::{Fake, text};
    use crate::cli::outcome::Output;

    #[test]
    fn a_list_is_measured() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("list.csv");
        let header = format!("record_id,{}", COLUMNS.join(","));
        let rows = "R1,C1,渡邊,裕子,ﾜﾀﾅﾍﾞ,ﾕｳｺ,1962-05-14,female,080-0713-6304,221-0455,\"高知市旭町1,2\",1:2:3:01\n\
                    R2,C1,渡辺,裕子,ワタナベ,ユウコ,1962-05-14,female,080-0713-6304,,,1:2:3:01\n\
                    R3,C2,渡辺,裕美,ワタナベ,ヒロミ,1962-05-14,female,,,,1:2:3:02\n";
        std::fs::write(&list, format!("{header}\n{rows}")).unwrap();
        let fake = Fake::answering(serde_json::Value::Null);
        let outcome = fake.run(&["bench", "link", list.to_str().unwrap()]).unwrap();
        assert!(text(&outcome).contains("suggest"), "{}", text(&outcome));
        let Output::Answer { json, .. } = &outcome.output else { panic!("an answer") };
        assert_eq!(
            (json["suggest"]["precision"].as_f64(), json["suggest"]["recall"].as_f64()),
            (Some(1.0), Some(1.0))
        );
        std::fs::write(&list, "cluster_id\nC1\n").unwrap();
        assert_eq!(fake.run(&["bench", "link", list.to_str().unwrap()]).unwrap_err().status, 3);
        assert_eq!(fake.run(&["bench", "link"]).unwrap_err().status, 2);
    }

    #[test]
    fn quoted_cells_are_read() {
        assert_eq!(cells("a,\"b,\"\"c\"\"\",,d\r"), ["a", "b,\"c\"", "", "d"]);
    }
}
