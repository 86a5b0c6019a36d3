//! A population whose doubles are known: for measuring how well they are found.
//!
//! Households with twins, fathers and sons of one character, neighbours of one name, some born on one day; each person
//! registered once or several times, with the slips of reception desks. All of it is invented.

use super::super::chance::Chance;
use super::names::{FAMILY, FAMILY_VARIANTS, FEMALE, GIVEN_VARIANTS, MALE, Name, Names, READING_VARIANTS};
use crate::record::linking::Raw;

/// Where people live: the beginning of the postal code, and the municipality.
const PLACES: [(&str, &str); 6] = [
    ("238", "神奈川県三浦市"),
    ("239", "神奈川県横須賀市"),
    ("240", "神奈川県三浦郡葉山町"),
    ("249", "神奈川県逗子市"),
    ("248", "神奈川県鎌倉市"),
    ("236", "神奈川県横浜市金沢区"),
];
const QUARTERS: [&str; 10] = ["三崎", "城山", "晴海", "栄町", "海外", "白石", "向ケ崎", "原", "東岡", "宮川"];
/// How many registrations a person has: one, two, three, four of a hundred people.
const REGISTRATIONS: [f64; 4] = [50.0, 32.0, 13.0, 5.0];
/// How many slips a further registration has: none to four.
const SLIPS: [f64; 5] = [10.0, 40.0, 30.0, 15.0, 5.0];

/// One registration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registration {
    /// Whose it is: one number for each person.
    pub person: u32,
    family: String,
    given: String,
    family_kana: String,
    given_kana: String,
    birth: (u64, u64, u64),
    female: bool,
    sex_known: bool,
    birth_text: String,
    phone: String,
    postal: String,
    address: String,
    insurance: String,
}

/// A household: what its members share.
struct Household {
    family: &'static Name,
    phone: String,
    postal: String,
    address: String,
    insurance: String,
    members: u64,
}

impl Registration {
    /// Returns it as a row of a list.
    pub fn raw(&self) -> Raw<'_> {
        Raw {
            family: &self.family,
            given: &self.given,
            family_kana: &self.family_kana,
            given_kana: &self.given_kana,
            birth_date: &self.birth_text,
            sex: match (self.sex_known, self.female) {
                (false, _) => "unknown",
                (true, true) => "female",
                (true, false) => "male",
            },
            phone: &self.phone,
            postal_code: &self.postal,
            address: &self.address,
            insurance: &self.insurance,
        }
    }
}

/// Invents so many registrations; the same seed gives the same.
pub fn population(count: usize, seed: u64) -> Vec<Registration> {
    let mut maker = Maker { chance: Chance::of_seed(seed).fork("population"), people: 0, all: Vec::new() };
    while maker.all.len() < count {
        maker.household();
    }
    maker.all.truncate(count);
    maker.all
}

struct Maker {
    chance: Chance,
    people: u32,
    all: Vec<Registration>,
}

impl Maker {
    fn household(&mut self) {
        let mut house = self.new_house(None);
        match self.chance.weighted([62.0, 18.0, 4.0, 4.0, 10.0, 2.0].into_iter()).unwrap_or(0) {
            1 => (0..2 + self.chance.below(3)).for_each(|_| {
                let member = self.member(&mut house, None, None, None);
                self.register(member);
            }),
            2 => self.twins(&mut house),
            3 => self.father_and_son(&mut house),
            4 => self.namesakes(&mut house, false),
            5 => self.namesakes(&mut house, true),
            _ => {
                let member = self.member(&mut house, None, None, None);
                self.register(member);
            }
        }
    }

    fn twins(&mut self, house: &mut Household) {
        let female = self.chance.share(0.5);
        let names: &'static Names = if female { &FEMALE } else { &MALE };
        let one = names.draw(&mut self.chance);
        let birth = self.birth(1940, 80);
        for name in [one, self.alike(names, one)] {
            let mut twin = self.member(house, Some(female), Some(birth), Some(name));
            twin.phone.clone_from(&house.phone);
            self.register(twin);
        }
    }

    fn father_and_son(&mut self, house: &mut Household) {
        let name = MALE.draw(&mut self.chance);
        let birth = self.birth(1930, 50);
        let father = self.member(house, Some(false), Some(birth), Some(name));
        self.register(father);
        let later = (birth.0 + 22 + self.chance.below(16), birth.1, birth.2);
        let name = self.alike(&MALE, name);
        let son = self.member(house, Some(false), Some(later), Some(name));
        self.register(son);
    }

    fn namesakes(&mut self, house: &mut Household, born_together: bool) {
        let one = self.member(house, None, None, None);
        let mut elsewhere = self.new_house(Some(house.family));
        let birth = if born_together { one.birth } else { self.birth(1926, 99) };
        let mut other = self.member(&mut elsewhere, Some(one.female), Some(birth), None);
        other.given.clone_from(&one.given);
        other.given_kana.clone_from(&one.given_kana);
        self.register(one);
        self.register(other);
    }

    /// A name that begins with the same character, if one is drawn in a few attempts.
    fn alike(&mut self, names: &'static Names, name: &Name) -> &'static Name {
        let first = name.written.chars().next();
        let mut drawn = names.draw(&mut self.chance);
        for _ in 0..200 {
            if drawn.written != name.written && drawn.written.chars().next() == first {
                break;
            }
            drawn = names.draw(&mut self.chance);
        }
        drawn
    }

    fn new_house(&mut self, family: Option<&'static Name>) -> Household {
        let (postal, address) = self.address();
        let family = family.unwrap_or_else(|| FAMILY.draw(&mut self.chance));
        Household { family, phone: self.phone(), postal, address, insurance: self.insurance(), members: 0 }
    }

    fn member(
        &mut self,
        house: &mut Household,
        female: Option<bool>,
        birth: Option<(u64, u64, u64)>,
        given: Option<&Name>,
    ) -> Registration {
        let female = female.unwrap_or_else(|| self.chance.share(0.52));
        let drawn = if female { FEMALE.draw(&mut self.chance) } else { MALE.draw(&mut self.chance) };
        let given = given.unwrap_or(drawn);
        let birth = birth.unwrap_or_else(|| self.birth(1926, 99));
        house.members += 1;
        Registration {
            person: 0,
            family: house.family.written.to_owned(),
            given: given.written.to_owned(),
            family_kana: house.family.kana.to_owned(),
            given_kana: given.kana.to_owned(),
            birth,
            female,
            sex_known: true,
            birth_text: date(birth),
            phone: if self.chance.share(0.6) { self.phone() } else { house.phone.clone() },
            postal: house.postal.clone(),
            address: house.address.clone(),
            insurance: format!("{}:{:02}", house.insurance, house.members),
        }
    }

    fn register(&mut self, mut person: Registration) {
        self.people += 1;
        person.person = self.people;
        let further = self.chance.weighted(REGISTRATIONS.into_iter()).unwrap_or(0);
        self.all.push(person.clone());
        for _ in 0..further {
            let mut copy = person.clone();
            for _ in 0..self.chance.weighted(SLIPS.into_iter()).unwrap_or(0) {
                self.slip(&mut copy);
            }
            self.all.push(copy);
        }
    }

    fn slip(&mut self, to: &mut Registration) {
        let kinds = [12.0, 14.0, 8.0, 12.0, 5.0, 4.0, 8.0, 8.0, 16.0, 8.0, 7.0, 1.0, 2.0];
        match self.chance.weighted(kinds.into_iter()).unwrap_or(0) {
            0 => {
                let to_hiragana = |text: &str| {
                    let turn = |c: char| match c {
                        'ァ'..='ヶ' => char::from_u32(u32::from(c) - 0x60).unwrap_or(c),
                        _ => c,
                    };
                    text.chars().map(turn).collect::<String>()
                };
                (to.family_kana, to.given_kana) = (to_hiragana(&to.family_kana), to_hiragana(&to.given_kana));
            }
            1 => self.other_writing(to),
            2 => {
                let other = READING_VARIANTS
                    .iter()
                    .find(|[name, kana, _]| *name == to.given && *kana == to.given_kana);
                other.iter().for_each(|[_, _, kana]| to.given_kana = (*kana).to_owned());
            }
            3 => self.wrong_birth(to),
            4 if to.female => {
                let family = FAMILY.draw(&mut self.chance);
                (to.family, to.family_kana) = (family.written.to_owned(), family.kana.to_owned());
                to.insurance = format!("{}:02", self.insurance());
            }
            5 => to.given.clone_from(&to.given_kana),
            6 => (to.postal, to.address) = self.address(),
            7 => to.address = to.address.replace("丁目", "-").replace('番', "-").replace('号', ""),
            8 => match self.chance.below(4) {
                0 => to.phone.clear(),
                1 => (to.postal, to.address) = (String::new(), String::new()),
                2 => to.insurance.clear(),
                _ => (to.family_kana, to.given_kana) = (String::new(), String::new()),
            },
            9 => to.phone = self.phone(),
            10 => {
                let cut =
                    to.insurance.rsplit_once(':').filter(|(family, _)| family.matches(':').count() == 2);
                to.insurance = cut.map_or(to.insurance.clone(), |(family, _)| family.to_owned());
            }
            11 => {
                std::mem::swap(&mut to.family, &mut to.given);
                std::mem::swap(&mut to.family_kana, &mut to.given_kana);
            }
            _ => to.sex_known = false,
        }
    }

    fn other_writing(&mut self, to: &mut Registration) {
        let variants: Vec<&str> =
            FAMILY_VARIANTS.iter().filter(|[name, _]| *name == to.family).map(|[_, other]| *other).collect();
        match self.chance.pick(&variants) {
            Some(other) => to.family = (*other).to_owned(),
            None => {
                let given = GIVEN_VARIANTS.iter().find(|[character, _]| to.given.contains(character));
                given.iter().for_each(|[character, other]| to.given = to.given.replace(character, other));
            }
        }
    }

    fn wrong_birth(&mut self, to: &mut Registration) {
        let (year, month, day) = to.birth;
        let wrong = match self.chance.below(5) {
            0 if day <= 12 => (year, day, month),
            1 => (year, 1, 1),
            2 => (year + 1, month, day),
            3 if year > 1970 => (year - 63, month, day),
            _ => (year, month, day % 28 + 1),
        };
        to.birth_text = date(wrong);
    }

    fn birth(&mut self, from: u64, years: u64) -> (u64, u64, u64) {
        (from + self.chance.below(years), 1 + self.chance.below(12), 1 + self.chance.below(28))
    }

    fn phone(&mut self) -> String {
        // No Japanese subscriber's number begins with 0: none of these can be dialled.
        format!(
            "0{}0-0{:03}-{:04}",
            7 + self.chance.below(3),
            self.chance.below(1000),
            self.chance.below(10_000)
        )
    }

    fn address(&mut self) -> (String, String) {
        let (code, city) = PLACES[self.chance.below(PLACES.len() as u64) as usize];
        let quarter = QUARTERS[self.chance.below(QUARTERS.len() as u64) as usize];
        let mut number = |most: u64| 1 + self.chance.below(most);
        let (chome, block, house, postal) = (number(6), number(40), number(30), number(9_000));
        (format!("{code}-{postal:04}"), format!("{city}{quarter}{chome}丁目{block}番{house}号"))
    }

    fn insurance(&mut self) -> String {
        let mut below = |most| self.chance.below(most);
        format!("14{:06}:{:04}:{:05}", below(1_000_000), below(10_000), below(100_000))
    }
}

fn date((year, month, day): (u64, u64, u64)) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::linking::score::SUGGEST_MIN;
    use crate::record::linking::{Commonness, Quality, Traits, candidates};

    #[test]
    fn a_population_is_the_same_for_the_same_seed() {
        assert_eq!(population(200, 5), population(200, 5));
        assert_ne!(population(200, 5), population(200, 6));
    }

    #[test]
    fn doubles_are_found_and_twins_and_namesakes_are_not_taken_for_doubles() {
        let people = population(1_500, 11);
        let traits: Vec<Traits> = people.iter().map(|person| Traits::of_raw(&person.raw())).collect();
        let truth: Vec<u32> = people.iter().map(|person| person.person).collect();
        let (found, _) = candidates(&traits, &Commonness::of(&traits));
        let quality = Quality::of(&found, &truth, SUGGEST_MIN);
        assert!(quality.doubles > 500, "{quality:?}");
        assert!(quality.precision >= 0.995 && quality.recall >= 0.95, "{quality:?}");
    }
}
