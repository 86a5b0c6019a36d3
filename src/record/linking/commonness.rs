//! How common a value is in this store: a shared 佐藤 says less than a shared 我孫子.

use std::collections::HashMap;

use super::compare::{Agreement, Comparison, Field};
use super::traits::{Called, Part, Traits};

/// How many imagined people stand beside those counted, so that a small store does not take every name for rare.
const IMAGINED: f64 = 50.0;
/// The share of a name among the imagined: a name of middling frequency in Japan (the thousandth family name is
/// borne by about one in 8,000, the tenth by one in 100).
const IMAGINED_NAME: f64 = 0.001;
/// The share of a birth date among the imagined: one day of eighty years.
const IMAGINED_DAY: f64 = 1.0 / 29_200.0;
/// Registrations of one phone or insurance number that a large household may have; what more bear is the number of
/// an institution, or stands in for one that is not known.
const HOUSEHOLD_MAX: u32 = 24;

/// What is counted.
#[derive(Clone, Copy)]
enum Kind {
    Family,
    FamilyRead,
    Given,
    GivenRead,
    Born,
    Phone,
    Place,
    Insurance,
}

/// How often each value is borne.
#[derive(Clone, Default)]
pub struct Commonness {
    people: u64,
    /// By a hash of kind and value: a store of a million people has some millions of values.
    counts: HashMap<u64, u32>,
}

impl Commonness {
    /// Counts the values of some people.
    pub fn of<'a>(people: impl IntoIterator<Item = &'a Traits>) -> Self {
        let mut all = Self::default();
        people.into_iter().for_each(|person| all.add(person));
        all
    }

    /// Takes over counts from an index: of the names of one person, among so many people. `count` says how many bear a
    /// folded name.
    pub fn counted(people: u64, person: &Traits, count: impl Fn(&str) -> u32) -> Self {
        let mut known = Self { people, counts: HashMap::new() };
        for name in &person.names {
            for (part, written, read) in
                [(&name.family, Kind::Family, Kind::FamilyRead), (&name.given, Kind::Given, Kind::GivenRead)]
            {
                part.written.iter().for_each(|text| {
                    known.counts.insert(key(written, text), count(text));
                });
                if let (Some(full), Some(heard)) = (&part.read, &part.heard) {
                    known.counts.insert(key(read, heard), count(full));
                }
            }
        }
        known
    }

    /// Counts one more person.
    pub fn add(&mut self, person: &Traits) {
        self.people += 1;
        let mut add = |kind, text: &str| *self.counts.entry(key(kind, text)).or_default() += 1;
        if let Some(name) = person.names.first() {
            let mut part = |part: &Part, written, read| {
                part.written.iter().for_each(|text| add(written, text));
                part.heard.iter().for_each(|text| add(read, text));
            };
            part(&name.family, Kind::Family, Kind::FamilyRead);
            part(&name.given, Kind::Given, Kind::GivenRead);
        }
        person.births.iter().for_each(|date| add(Kind::Born, &date.to_string()));
        person.phones.iter().for_each(|phone| add(Kind::Phone, phone));
        person.addresses.iter().for_each(|address| add(Kind::Place, &address.town));
        person.insurance.iter().for_each(|insurance| add(Kind::Insurance, &insurance.family));
    }

    /// Returns how many people were counted.
    pub fn people(&self) -> u64 {
        self.people
    }

    /// Returns the chance that a stranger agrees as well in a field, where that depends on the value.
    pub fn chance(&self, field: Field, compared: &Comparison, a: &Traits, b: &Traits) -> Option<f64> {
        let level = compared.level(field);
        match (field, level) {
            (Field::Family | Field::Given, level) => self.name(field, level, compared, a, b),
            (Field::Birth, Agreement::Same) => {
                let date = a.births.iter().find(|date| b.births.contains(date))?;
                Some(self.share(Kind::Born, &date.to_string(), IMAGINED_DAY))
            }
            (Field::Phone, Agreement::Same) => {
                let phone = a.phones.iter().find(|phone| b.phones.contains(phone))?;
                self.shared_number(Kind::Phone, phone)
            }
            (Field::Insurance, Agreement::SameFamily | Agreement::Same) => {
                let shared =
                    a.insurance.iter().find(|one| b.insurance.iter().any(|two| one.family == two.family))?;
                self.shared_number(Kind::Insurance, &shared.family)
            }
            (Field::Place, Agreement::SameTown) => {
                let shared =
                    a.addresses.iter().find(|one| b.addresses.iter().any(|two| one.town == two.town))?;
                Some(self.share(Kind::Place, &shared.town, IMAGINED_NAME))
            }
            (_, _) => None,
        }
    }

    fn name(
        &self,
        field: Field,
        level: Agreement,
        compared: &Comparison,
        a: &Traits,
        b: &Traits,
    ) -> Option<f64> {
        let (one, other) = (a.names.get(compared.names.0)?, b.names.get(compared.names.1)?);
        let of = |name: &Called, field| match field {
            Field::Family => name.family.clone(),
            _ => name.given.clone(),
        };
        // Swapped halves are counted in the places where they are common.
        let here = of(one, field);
        let counterpart = match (compared.swapped, field) {
            (false, field) => of(other, field),
            (true, Field::Family) => of(other, Field::Given),
            (true, _) => of(other, Field::Family),
        };
        let (written, read) = match field {
            Field::Family => (Kind::Family, Kind::FamilyRead),
            _ => (Kind::Given, Kind::GivenRead),
        };
        let by_writing = || here.written.as_deref().map(|text| self.share(written, text, IMAGINED_NAME));
        let by_reading = || {
            let heard = here.heard.as_deref().or(counterpart.heard.as_deref());
            heard.map(|text| self.share(read, text, IMAGINED_NAME))
        };
        match level {
            Agreement::Same if here.written.is_some() && counterpart.written.is_some() => by_writing(),
            Agreement::OtherReading => by_writing(),
            Agreement::Same | Agreement::OtherWriting | Agreement::HeardAlike => by_reading(),
            _ => None,
        }
    }

    /// The share of a number that more than a household bear.
    fn shared_number(&self, kind: Kind, text: &str) -> Option<f64> {
        let count = self.counts.get(&key(kind, text)).copied().filter(|count| *count > HOUSEHOLD_MAX)?;
        Some(f64::from(count) / self.people.max(1) as f64)
    }

    /// The share of the others who bear a value: the two who are compared do not count, or every value that only they
    /// share would look common because they share it.
    fn share(&self, kind: Kind, text: &str, imagined: f64) -> f64 {
        let count = self.counts.get(&key(kind, text)).map_or(0, |count| count.saturating_sub(2));
        (f64::from(count) + IMAGINED * imagined) / (self.people as f64 + IMAGINED)
    }
}

fn key(kind: Kind, text: &str) -> u64 {
    super::block::hash(kind as u64, &[text])
}

#[cfg(test)]
mod tests {
    use super::super::traits::Raw;
    use super::*;

    #[test]
    fn a_shared_common_name_says_less_than_a_shared_rare_one() {
        let person = |family: &str| Traits::of_raw(&Raw { family, given: "花子", ..Raw::default() });
        let mut people: Vec<Traits> = (0..500).map(|_| person("佐藤")).collect();
        people.extend((0..500).map(|n| person(&format!("名{n}"))).collect::<Vec<_>>());
        people.push(person("我孫子"));
        let known = Commonness::of(&people);
        let chance = |family: &str| {
            let (a, b) = (person(family), person(family));
            known.chance(Field::Family, &Comparison::of(&a, &b), &a, &b).unwrap()
        };
        assert!(chance("佐藤") > 0.4 && chance("我孫子") < 0.002);
        assert!(chance("聞いたことがない") > 0.0, "an unheard name is rare, not impossible");
    }
}
