//! A person of a drill.

use super::super::chance::Chance;
use super::names::{FAMILY, FAMILY_VARIANTS, FEMALE, GIVEN_VARIANTS, MALE, READING_VARIANTS};
use crate::replica::request::NewPatient;

/// The year in which drills play, unless a scenario says otherwise; ages are counted from it.
const YEAR: u64 = 2026;
/// How many of a thousand people are of each age, in steps of ten years: an ageing region (rounded from the national
/// estimates of Japan for 2024, shifted towards the old as in coastal towns).
const AGES: [f64; 10] = [60.0, 75.0, 80.0, 95.0, 130.0, 140.0, 160.0, 160.0, 85.0, 15.0];

/// An invented person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Family and given name, with a space between.
    pub name: String,
    /// The reading in katakana, with a space between.
    pub kana: Option<String>,
    /// `YYYY-MM-DD`.
    pub birth_date: Option<String>,
    /// `male`, `female` or `unknown`.
    pub sex: &'static str,
}

impl From<Person> for NewPatient {
    fn from(person: Person) -> Self {
        let Person { name, kana, birth_date, sex } = person;
        Self { name, kana, birth_date, sex: Some(sex.to_owned()) }
    }
}

/// Invents the person of a number: always the same from the same source, whatever was drawn from it before.
pub fn person(number: u64, chance: &Chance) -> Person {
    let mut chance = chance.fork(&format!("person {number}"));
    let family = FAMILY.draw(&mut chance);
    let female = chance.share(0.52);
    let given = if female { FEMALE.draw(&mut chance) } else { MALE.draw(&mut chance) };
    let decade = chance.weighted(AGES.into_iter()).unwrap_or(0) as u64;
    let year = YEAR - 1 - decade * 10 - chance.below(10);
    let (month, day) = (1 + chance.below(12), 1 + chance.below(28));
    Person {
        name: format!("{} {}", family.written, given.written),
        kana: Some(format!("{} {}", family.kana, given.kana)),
        birth_date: Some(format!("{year:04}-{month:02}-{day:02}")),
        sex: if female { "female" } else { "male" },
    }
}

/// Invents a person who cannot say a name; `place` is where, `number` counts them there.
pub fn unnamed(place: &str, number: u64, chance: &mut Chance) -> Person {
    // Sites are often called in two languages; the last word is the shortest that people there use.
    let place = place.split_whitespace().next_back().unwrap_or(place);
    let (sex, told) = match chance.below(20) {
        0 => ("unknown", "性別不明"),
        1..=10 => ("male", "男性"),
        _ => ("female", "女性"),
    };
    let age = match chance.weighted(AGES.into_iter()).unwrap_or(6) {
        0 => "子ども".to_owned(),
        decade => format!("{decade}0代くらい"),
    };
    Person {
        name: format!("身元不明 {place} {number}番 {told} {age}"), kana: None, birth_date: None, sex
    }
}

/// Spells a person as somebody else might have: another character, another reading, no space, or the reading alone;
/// sometimes day and month are exchanged.
pub fn respelt(person: &Person, chance: &mut Chance) -> Person {
    let mut other = person.clone();
    let (family, given) = person.name.split_once(' ').unwrap_or((&person.name, ""));
    let mut spellings = vec![format!("{family}{given}"), format!("{family}　{given}")];
    spellings.extend(
        FAMILY_VARIANTS
            .iter()
            .filter(|[name, _]| *name == family)
            .map(|[_, variant]| format!("{variant} {given}")),
    );
    spellings.extend(
        GIVEN_VARIANTS
            .iter()
            .filter(|[character, _]| given.contains(character))
            .map(|[character, variant]| format!("{family} {}", given.replace(character, variant))),
    );
    if let Some(spelling) = chance.pick(&spellings) {
        other.name.clone_from(spelling);
    }
    let readings: Vec<&str> =
        READING_VARIANTS.iter().filter(|[name, ..]| *name == given).map(|[_, _, reading]| *reading).collect();
    if let (Some(reading), Some(kana)) = (chance.pick(&readings), &person.kana) {
        let family = kana.split_once(' ').map_or("", |(family, _)| family);
        other.kana = Some(format!("{family} {reading}"));
    }
    let date: Vec<&str> = person.birth_date.iter().flat_map(|date| date.split('-')).collect();
    if let ([year, month, day], true) = (date.as_slice(), chance.share(0.2))
        && *day <= "12"
    {
        other.birth_date = Some(format!("{year}-{day}-{month}"));
    }
    other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_the_same_for_the_same_seed_and_differ_by_number() {
        let chance = Chance::of_seed(4);
        assert_eq!(person(7, &chance), person(7, &Chance::of_seed(4)));
        let all: Vec<Person> = (0..300).map(|number| person(number, &chance)).collect();
        let names: std::collections::BTreeSet<&str> = all.iter().map(|person| person.name.as_str()).collect();
        assert!(names.len() > 280, "{}", names.len());
        let old = all.iter().filter(|person| person.birth_date.as_deref() < Some("1961-12-31")).count();
        assert!((100..200).contains(&old), "{old}");
        let crate::replica::request::NewPatient { name, kana, birth_date, sex } = all[0].clone().into();
        assert!(name.contains(' ') && kana.is_some_and(|kana| kana.contains(' ')));
        assert!(birth_date.is_some_and(|date| date.len() == 10) && sex.is_some());
    }

    #[test]
    fn the_unnamed_can_be_told_apart() {
        let mut chance = Chance::of_seed(1);
        let one = unnamed("Misaki Shelter 三崎避難所", 3, &mut chance);
        assert!(one.name.starts_with("身元不明 三崎避難所 3番 "), "{}", one.name);
        let names: std::collections::BTreeSet<String> =
            (0..50).map(|number| unnamed("三崎", number, &mut chance).name).collect();
        assert_eq!(names.len(), 50);
    }

    #[test]
    fn a_respelt_person_is_nearly_the_same() {
        let mut chance = Chance::of_seed(2);
        for number in 0..200 {
            let one = person(number, &chance);
            let other = respelt(&one, &mut chance);
            assert_ne!(one.name, other.name);
            assert_eq!((one.sex, one.birth_date.map(|date| date.len())), (other.sex, Some(10)));
        }
        let watanabe = Person {
            name: "渡辺 裕子".into(),
            kana: Some("ワタナベ ユウコ".into()),
            birth_date: None,
            sex: "female",
        };
        let spellings: std::collections::BTreeSet<String> =
            (0..60).map(|_| respelt(&watanabe, &mut chance).name).collect();
        assert!(spellings.contains("渡邊 裕子") && spellings.contains("渡辺裕子"), "{spellings:?}");
    }
}
