//! What of a person is compared: folded once, compared often.

use jiff::civil::Date;

use super::normal::{self, Address, Insurance};
use crate::record::build::RECORD_SYSTEM;
use crate::record::sections::demographics::{Demographics, Identifier, Name, Person, Script};
use crate::record::{birth, kana};

/// Most names of one person that are compared.
pub const NAMES_MAX: usize = 6;
/// Most values of every other field that are compared.
pub const VALUES_MAX: usize = 4;

/// A person as a list or a form gives them; an empty text is not known.
#[derive(Clone, Copy, Default)]
pub struct Raw<'a> {
    /// The family name as written.
    pub family: &'a str,
    /// The given name as written.
    pub given: &'a str,
    /// The family name's reading.
    pub family_kana: &'a str,
    /// The given name's reading.
    pub given_kana: &'a str,
    /// The birth date, in any writing that is understood.
    pub birth_date: &'a str,
    /// `male`, `female`; anything else is not known.
    pub sex: &'a str,
    /// A phone number.
    pub phone: &'a str,
    /// The postal code.
    pub postal_code: &'a str,
    /// The address.
    pub address: &'a str,
    /// The insurance number, `insurer:symbol:number:branch`.
    pub insurance: &'a str,
}

/// One half of a name, folded.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// As written with kanji or letters; none when it is only known in kana.
    pub written: Option<Box<str>>,
    /// The reading.
    pub read: Option<Box<str>>,
    /// The reading as it is heard.
    pub heard: Option<Box<str>>,
}

/// A name, folded.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Called {
    /// The family name.
    pub family: Part,
    /// The given name.
    pub given: Part,
}

/// What of a person is compared.
#[derive(Clone, Default)]
pub struct Traits {
    /// Names; none for a person whose name is not known.
    pub names: Vec<Called>,
    /// Birth dates.
    pub births: Vec<Date>,
    /// `Some(true)` is female; none is not known or contradicted.
    pub female: Option<bool>,
    /// Phone numbers.
    pub phones: Vec<Box<str>>,
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Postal codes.
    pub postal: Vec<Box<str>>,
    /// Insurance numbers.
    pub insurance: Vec<Insurance>,
}

impl Part {
    /// Folds one half of a name: `written` as it stands, `read` in kana.
    pub fn new(written: &str, read: &str) -> Self {
        let (written, read) = (normal::writing(written), normal::writing(read));
        let only_kana = kana::is_kana(&written);
        let read = if read.is_empty() && only_kana { written.clone() } else { read };
        let full = |text: String| (!text.is_empty()).then(|| text.into_boxed_str());
        Self {
            heard: full(normal::sound(&read)),
            read: full(read),
            written: if only_kana { None } else { full(written) },
        }
    }

    /// Says whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.written.is_none() && self.read.is_none()
    }
}

impl Traits {
    /// Folds one row of a list.
    pub fn of_raw(raw: &Raw<'_>) -> Self {
        let family = Part::new(raw.family, raw.family_kana);
        let given = Part::new(raw.given, raw.given_kana);
        let names = vec![Called { family, given }];
        Self {
            names: known(names),
            births: birth::parse(raw.birth_date).into_iter().collect(),
            female: sex(raw.sex),
            phones: normal::phone(raw.phone).map(String::into_boxed_str).into_iter().collect(),
            addresses: normal::address(raw.address).into_iter().collect(),
            postal: normal::postal(raw.postal_code).map(String::into_boxed_str).into_iter().collect(),
            insurance: normal::insurance(raw.insurance).into_iter().collect(),
        }
    }

    /// Folds what several registrations of one record say, the outdated ones too.
    pub fn of_people(people: Vec<Person>) -> Self {
        let mut all = Self::default();
        for person in people {
            let of = Self::of_known(
                &person.names,
                person.birth_date.as_slice(),
                person.sex.as_slice(),
                &person.addresses,
                &person.contacts,
                &person.identifiers,
            );
            all.names
                .extend(of.names.into_iter().filter(|name| !all.names.contains(name)).collect::<Vec<_>>());
            all.births.extend(of.births);
            all.female = all.female.or(of.female);
            all.phones.extend(of.phones);
            all.addresses.extend(of.addresses);
            all.postal.extend(of.postal);
            all.insurance.extend(of.insurance);
        }
        all.names.truncate(NAMES_MAX);
        all.births.sort_unstable();
        all.births.dedup();
        all.births.truncate(VALUES_MAX);
        all.phones.truncate(VALUES_MAX);
        all.addresses.truncate(VALUES_MAX);
        all.postal.truncate(VALUES_MAX);
        all.insurance.truncate(VALUES_MAX);
        all
    }

    /// Folds what a record says of who its patient is.
    pub fn of_demographics(person: &Demographics) -> Self {
        let Demographics { names, birth_dates, sexes, addresses, contacts, identifiers, .. } = person;
        Self::of_known(names, birth_dates, sexes, addresses, contacts, identifiers)
    }

    fn of_known(
        names: &[Name],
        births: &[String],
        sexes: &[String],
        addresses: &[String],
        contacts: &[String],
        identifiers: &[Identifier],
    ) -> Self {
        let is_kana = |name: &&Name| name.script == Script::Kana || kana::is_kana(&kana::fold(&name.full));
        let (read, written): (Vec<&Name>, Vec<&Name>) = names.iter().partition(is_kana);
        let mut called = Vec::new();
        for name in &written {
            let (family, given) = halves(name);
            if read.is_empty() {
                called.push(Called { family: Part::new(&family, ""), given: Part::new(&given, "") });
            }
            for reading in &read {
                let (family_read, given_read) = halves(reading);
                called.push(Called {
                    family: Part::new(&family, &family_read),
                    given: Part::new(&given, &given_read),
                });
            }
        }
        if written.is_empty() {
            called.extend(read.iter().map(|reading| {
                let (family, given) = halves(reading);
                Called { family: Part::new("", &family), given: Part::new("", &given) }
            }));
        }
        called.truncate(NAMES_MAX);
        let sexes: Vec<bool> = sexes.iter().filter_map(|text| sex(text)).collect();
        let boxed = |text: String| text.into_boxed_str();
        let identifiers = identifiers.iter().filter(|identifier| identifier.system != RECORD_SYSTEM);
        Self {
            names: known(called),
            births: births.iter().filter_map(|text| birth::parse(text)).take(VALUES_MAX).collect(),
            female: sexes.first().copied().filter(|first| sexes.iter().all(|other| other == first)),
            phones: first(contacts.iter().filter_map(|text| normal::phone(text)).map(boxed)),
            addresses: first(addresses.iter().filter_map(|text| normal::address(text))),
            postal: first(addresses.iter().filter_map(|text| normal::postal(text)).map(boxed)),
            insurance: first(identifiers.filter_map(|identifier| normal::insurance(&identifier.value))),
        }
    }
}

fn first<T>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.take(VALUES_MAX).collect()
}

fn known(names: Vec<Called>) -> Vec<Called> {
    let nameless =
        |part: &Part| [&part.written, &part.read].into_iter().flatten().any(|text| normal::is_nameless(text));
    let is_known = |name: &Called| {
        let says_nothing = name.family.is_empty() && name.given.is_empty();
        !(says_nothing || nameless(&name.family) || nameless(&name.given))
    };
    names.into_iter().filter(is_known).collect()
}

fn sex(text: &str) -> Option<bool> {
    match text {
        "female" => Some(true),
        "male" => Some(false),
        _ => None,
    }
}

/// Takes a name apart into family and given; a name of one word is a family name.
fn halves(name: &Name) -> (String, String) {
    match (&name.family, name.given.as_slice()) {
        (None, []) => {
            let (family, given) = name.full.split_once(char::is_whitespace).unwrap_or((&name.full, ""));
            (family.to_owned(), given.to_owned())
        }
        (family, given) => (family.clone().unwrap_or_default(), given.concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_kana_only_is_a_reading() {
        let part = Part::new("はなこ", "");
        assert!(part.written.is_none() && part.read.as_deref() == Some("ハナコ"));
    }

    #[test]
    fn nobody_knows_the_name_of_the_unknown() {
        let raw =
            Raw { family: "不明", given: "男性 推定60代", family_kana: "フメイ", ..Raw::default() };
        assert!(Traits::of_raw(&raw).names.is_empty());
    }
}
