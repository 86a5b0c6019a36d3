//! Which pairs are compared at all: those that share a key. A million people have half a million million pairs, and
//! some tens of millions that share one.
//!
//! Every key is one way in which two registrations of one person stay the same whatever slips in the rest. A key that
//! too many share is not used; each such key has narrower ones beside it ([`keys`]), which are its fallback.

use std::collections::HashSet;

use super::traits::{Called, Part, Traits};

/// Most people that share a key whose pairs are compared.
pub const BLOCK_MAX: usize = 300;
/// Most people of one bare name that are all compared with each other: the broad keys are cut sooner, because
/// narrower ones stand beside them.
pub const BROAD_BLOCK_MAX: usize = 40;

/// A key, and whether narrower ones stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The hash of what is shared.
    pub hash: u64,
    /// Narrower keys stand beside it.
    pub broad: bool,
}

/// Pairs of places in a list that share a key, each pair once, the smaller first.
pub struct Pairs {
    /// How many pairs were met.
    pub compared: u64,
    /// Keys that too many shared.
    pub oversize: u64,
}

/// Hashes texts (FNV-1a): equal on all machines, and not secret.
pub(super) fn hash(tag: u64, texts: &[&str]) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325 ^ tag.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut eat = |byte: u8| state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    for text in texts {
        text.bytes().for_each(&mut eat);
        eat(0xFF);
    }
    state ^ (state >> 29)
}

/// Returns the keys of a person, ascending, each once.
pub fn keys(person: &Traits) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut add = |tag: u64, broad: bool, texts: &[&str]| keys.push(Key { hash: hash(tag, texts), broad });
    person.phones.iter().for_each(|phone| add(1, false, &[phone]));
    person.insurance.iter().for_each(|insurance| add(2, false, &[&insurance.family]));
    let births: Vec<(String, String, String)> = person
        .births
        .iter()
        .map(|date| (date.to_string(), date.year().to_string(), format!("{}-{}", date.month(), date.day())))
        .collect();
    let places: Vec<String> =
        person.addresses.iter().map(|address| format!("{} {:?}", address.town, address.house)).collect();
    for name in &person.names {
        for (tag, half) in [(10, heard as Half), (20, written as Half)] {
            let (Some(family), Some(given)) = (half(&name.family), half(&name.given)) else { continue };
            // Swapped names have one key: the halves are sorted.
            let (low, high) = if family <= given { (family, given) } else { (given, family) };
            add(tag, true, &[low, high]);
            for (_, year, day) in &births {
                add(tag + 1, false, &[low, high, year]);
                add(tag + 2, false, &[low, high, day]);
            }
            for address in &person.addresses {
                add(tag + 3, false, &[low, high, &address.town]);
            }
        }
        for (tag, beginning) in beginnings(name) {
            for (date, year, _) in &births {
                add(30 + tag, false, &[&beginning, date]);
                if tag == 0
                    && let Some(family) = heard(&name.family)
                {
                    add(40, false, &[&beginning, chars(family, 2), year]);
                }
            }
            for place in &places {
                add(50 + tag, false, &[&beginning, place]);
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Meets every pair that shares a key, once.
///
/// `people` gives the keys of each, ascending as [`keys`] does.
pub fn pairs(people: &[Vec<Key>], mut meet: impl FnMut(usize, usize)) -> Pairs {
    let mut all: Vec<(Key, u32)> = Vec::with_capacity(people.iter().map(Vec::len).sum());
    for (at, keys) in people.iter().enumerate() {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        all.extend(keys.iter().map(|key| (*key, at)));
    }
    all.sort_unstable();
    let most = |key: &Key| if key.broad { BROAD_BLOCK_MAX } else { BLOCK_MAX };
    let blocks = || all.chunk_by(|(a, _), (b, _)| a == b);
    let oversize: HashSet<u64> =
        blocks().filter(|block| block.len() > most(&block[0].0)).map(|block| block[0].0.hash).collect();
    let mut found = Pairs { compared: 0, oversize: oversize.len() as u64 };
    for block in blocks().filter(|block| block.len() > 1 && !oversize.contains(&block[0].0.hash)) {
        let key = block[0].0;
        for (place, (_, a)) in block.iter().enumerate() {
            for (_, b) in &block[place + 1..] {
                let (a, b) = (*a as usize, *b as usize);
                // A pair is met in the first block that it shares.
                if first_shared(&people[a], &people[b], &oversize) == Some(key) {
                    found.compared += 1;
                    meet(a.min(b), a.max(b));
                }
            }
        }
    }
    found
}

fn first_shared(a: &[Key], b: &[Key], oversize: &HashSet<u64>) -> Option<Key> {
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal if oversize.contains(&x.hash) => {
                i += 1;
                j += 1;
            }
            std::cmp::Ordering::Equal => return Some(*x),
        }
    }
    None
}

type Half = fn(&Part) -> Option<&str>;

fn heard(part: &Part) -> Option<&str> {
    part.heard.as_deref()
}

fn written(part: &Part) -> Option<&str> {
    part.written.as_deref()
}

fn chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

/// The beginnings of a name's halves, with a number that tells which: given heard, given written, family heard,
/// family written.
fn beginnings(name: &Called) -> impl Iterator<Item = (u64, String)> {
    let halves = [
        (0, heard(&name.given), 1),
        (1, written(&name.given), 1),
        (2, heard(&name.family), 2),
        (3, written(&name.family), 2),
    ];
    halves
        .into_iter()
        .filter_map(|(tag, text, count)| text.map(|text| (tag, chars(text, count).to_owned())))
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::traits::Raw;
    use super::*;

    #[test]
    fn registrations_of_one_person_share_a_key_whatever_slipped() {
        let raw = Raw {
            family: "佐藤",
            given: "裕子",
            family_kana: "サトウ",
            given_kana: "ユウコ",
            birth_date: "1962-05-14",
            phone: "080-0713-6304",
            address: "高知市旭町1-1-1",
            insurance: "1:2:3:4",
            ..Raw::default()
        };
        let share = |other: Raw<'_>| {
            let (a, b) = (keys(&Traits::of_raw(&raw)), keys(&Traits::of_raw(&other)));
            first_shared(&a, &b, &HashSet::new()).is_some()
        };
        let bare = Raw { phone: "", address: "", insurance: "", ..raw };
        assert!(share(Raw { family: "渡辺", family_kana: "ワタナベ", ..bare }), "married");
        assert!(share(Raw { birth_date: "1962-01-01", ..bare }), "placeholder");
        assert!(share(Raw { birth_date: "1925-05-14", ..bare }), "era");
        assert!(
            share(Raw {
                family: "裕子", given: "佐藤", family_kana: "ユウコ", given_kana: "サトウ", ..bare
            }),
            "swapped"
        );
        assert!(share(Raw { phone: raw.phone, ..Raw::default() }), "unnamed with a phone");
        assert!(!share(Raw {
            family: "田中", given: "一郎", birth_date: "1950-01-02", ..Raw::default()
        }));
    }

    proptest! {
        #[test]
        fn each_pair_that_shares_a_key_is_met_once(people in prop::collection::vec(prop::collection::btree_set(0u64..12, 0..5), 0..30)) {
            let people: Vec<Vec<Key>> = people.into_iter()
                .map(|keys| keys.into_iter().map(|hash| Key { hash, broad: false }).collect()).collect();
            let mut met = Vec::new();
            pairs(&people, |a, b| met.push((a, b)));
            let mut expected = Vec::new();
            for a in 0..people.len() {
                for b in a + 1..people.len() {
                    if people[a].iter().any(|key| people[b].contains(key)) {
                        expected.push((a, b));
                    }
                }
            }
            met.sort_unstable();
            prop_assert_eq!(met, expected);
        }
    }
}
