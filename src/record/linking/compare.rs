//! How well two people agree, field by field: levels, not yes or no.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::normal::{Address, Insurance, short_name};
use super::traits::{Part, Traits};

/// A field that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// The family name.
    Family,
    /// The given name.
    Given,
    /// The birth date.
    Birth,
    /// The sex.
    Sex,
    /// The phone number.
    Phone,
    /// The address, or the postal code where an address is missing.
    Place,
    /// The insurance number.
    Insurance,
}

impl Field {
    /// All fields, in the order of a comparison.
    pub const ALL: [Field; 7] =
        [Field::Family, Field::Given, Field::Birth, Field::Sex, Field::Phone, Field::Place, Field::Insurance];
}

/// How well one field agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// One side does not say.
    Missing,
    /// The same, however written.
    Same,
    /// The same characters with another reading.
    OtherReading,
    /// The same reading with other characters.
    OtherWriting,
    /// Readings that are heard as one, with other characters.
    HeardAlike,
    /// A short or pet name of the other.
    ShortName,
    /// Almost the same: one character shared, two digits exchanged, one side less complete.
    Near,
    /// Day and month, or the digits of the day, exchanged.
    Exchanged,
    /// Off by one day, one year, or ten.
    OffByOne,
    /// The same year of another era.
    OtherEra,
    /// The first of January on one side, as forms are filled in when only the year is known.
    Placeholder,
    /// The same day and month, a generation apart.
    Generation,
    /// The same street or quarter.
    SameTown,
    /// The same municipality, or the same postal code.
    SameCity,
    /// The same family's number; the branch is missing on a side.
    SameFamily,
    /// The same family's number with another branch: another member.
    OtherMember,
    /// Different; with branches on both sides where there are branches.
    Different,
    /// Different, with a branch missing on a side.
    DifferentUnbranched,
}

/// The levels of all fields, in the order of [`Field::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// The levels.
    pub levels: [Agreement; 7],
    /// Family and given name stand in each other's place.
    pub swapped: bool,
    /// Which names of the two were compared.
    pub names: (usize, usize),
}

impl Comparison {
    /// Compares two people; of several values the best pair counts.
    pub fn of(a: &Traits, b: &Traits) -> Self {
        let mut best =
            Called2 { family: Agreement::Missing, given: Agreement::Missing, swapped: false, at: (0, 0) };
        let mut first = true;
        for (i, one) in a.names.iter().enumerate() {
            for (j, other) in b.names.iter().enumerate() {
                for swapped in [false, true] {
                    let (family, given) =
                        if swapped { (&other.given, &other.family) } else { (&other.family, &other.given) };
                    let (family, given) = (part(&one.family, family, false), part(&one.given, given, true));
                    // A swap is believed only where both halves agree in it.
                    if swapped
                        && (family > Agreement::HeardAlike
                            || given > Agreement::HeardAlike
                            || family == Agreement::Missing
                            || given == Agreement::Missing)
                    {
                        continue;
                    }
                    let found = Called2 { family, given, swapped, at: (i, j) };
                    if first || found.rank() < best.rank() {
                        best = found;
                    }
                    first = false;
                }
            }
        }
        let levels = [
            best.family,
            best.given,
            pairs(&a.births, &b.births, birth),
            sex(a.female, b.female),
            pairs(&a.phones, &b.phones, |x, y| phone(x, y)),
            place(a, b),
            pairs(&a.insurance, &b.insurance, insurance),
        ];
        Self { levels, swapped: best.swapped, names: best.at }
    }

    /// Returns the level of a field.
    pub fn level(&self, field: Field) -> Agreement {
        self.levels[field as usize]
    }
}

struct Called2 {
    family: Agreement,
    given: Agreement,
    swapped: bool,
    at: (usize, usize),
}

impl Called2 {
    /// Orders name pairs from the best; the given name says more, a missing one less than an agreeing one.
    fn rank(&self) -> (u8, u8, bool) {
        let rank = |level: Agreement| if level == Agreement::Missing { 12 } else { level as u8 };
        (rank(self.given), rank(self.family), self.swapped)
    }
}

/// The best level of all pairs of values.
fn pairs<T>(a: &[T], b: &[T], level: impl Fn(&T, &T) -> Agreement) -> Agreement {
    let levels = a.iter().flat_map(|x| b.iter().map(|y| level(x, y)).collect::<Vec<_>>());
    levels.min().unwrap_or(Agreement::Missing)
}

fn part(a: &Part, b: &Part, given: bool) -> Agreement {
    let both = |x: &Option<Box<str>>, y: &Option<Box<str>>| match (x, y) {
        (Some(x), Some(y)) => Some(x == y),
        (_, _) => None,
    };
    let (written, read, heard) =
        (both(&a.written, &b.written), both(&a.read, &b.read), both(&a.heard, &b.heard));
    match (written, read, heard) {
        (None, None, _) => Agreement::Missing,
        (Some(true), None, _) | (Some(true) | None, Some(true), _) | (Some(true), _, Some(true)) => {
            Agreement::Same
        }
        (Some(true), Some(false), _) => Agreement::OtherReading,
        (Some(false), Some(true), _) => Agreement::OtherWriting,
        (_, Some(false), Some(true)) => Agreement::HeardAlike,
        (_, _, _) if given && is_short(a, b) => Agreement::ShortName,
        (_, _, _) if shares(a, b) => Agreement::Near,
        (_, _, _) => Agreement::Different,
    }
}

fn is_short(a: &Part, b: &Part) -> bool {
    let short = |short: &Part, long: &Part| {
        let stem = short
            .read
            .as_deref()
            .and_then(short_name)
            .or_else(|| short.written.as_deref().and_then(short_name));
        let (Some(stem), Some(long)) = (stem, long.read.as_deref()) else { return false };
        long.starts_with(stem) || long.starts_with(&super::normal::sound(stem))
    };
    short(a, b) || short(b, a)
}

/// Says whether two names share their first character, or readings differ by one character.
fn shares(a: &Part, b: &Part) -> bool {
    let first = |part: &Part| part.written.as_deref().and_then(|text| text.chars().next());
    let same_first = first(a).is_some() && first(a) == first(b);
    let one_off = |x: &str, y: &str| {
        let (x, y): (Vec<char>, Vec<char>) = (x.chars().collect(), y.chars().collect());
        let common = x.iter().zip(&y).take_while(|(x, y)| x == y).count();
        let behind = x.iter().rev().zip(y.iter().rev()).take_while(|(x, y)| x == y).count();
        let longer = x.len().max(y.len());
        longer >= 3 && x.len().abs_diff(y.len()) <= 1 && common + behind + 1 >= longer
    };
    same_first || matches!((&a.heard, &b.heard), (Some(x), Some(y)) if one_off(x, y))
}

fn birth(a: &Date, b: &Date) -> Agreement {
    let days = |date: &Date| (date.year(), date.month(), date.day());
    let ((y, m, d), (y2, m2, d2)) = (days(a), days(b));
    let exchanged = |d: i8| d / 10 + d % 10 * 10;
    let same_day = (m, d) == (m2, d2);
    let years = y.abs_diff(y2);
    if a == b {
        Agreement::Same
    } else if y == y2 && ((m, d) == (d2, m2) || (m == m2 && exchanged(d) == d2)) {
        Agreement::Exchanged
    } else if (same_day && matches!(years, 1 | 10))
        || a.until(*b).is_ok_and(|span| span.get_days().abs() == 1)
    {
        Agreement::OffByOne
    } else if same_day && matches!(years, 14 | 63 | 30) {
        // First years of the eras less one: 1867, 1911, 1925, 1988, 2018. Those 30 years apart are a generation too.
        if years == 30 { Agreement::Generation } else { Agreement::OtherEra }
    } else if y == y2 && ((m, d) == (1, 1) || (m2, d2) == (1, 1)) {
        Agreement::Placeholder
    } else if same_day && (15..=50).contains(&years) {
        Agreement::Generation
    } else {
        Agreement::Different
    }
}

fn sex(a: Option<bool>, b: Option<bool>) -> Agreement {
    match (a, b) {
        (Some(a), Some(b)) if a == b => Agreement::Same,
        (Some(_), Some(_)) => Agreement::Different,
        (_, _) => Agreement::Missing,
    }
}

/// One digit wrong, or two neighbours exchanged, is near.
fn phone(a: &str, b: &str) -> Agreement {
    if a == b {
        return Agreement::Same;
    }
    let wrong: Vec<usize> =
        a.bytes().zip(b.bytes()).enumerate().filter(|(_, (x, y))| x != y).map(|(at, _)| at).collect();
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let near = a.len() == b.len()
        && match wrong.as_slice() {
            [_] => true,
            [x, y] => *y == x + 1 && a[*x] == b[*y] && a[*y] == b[*x],
            _ => false,
        };
    if near { Agreement::Near } else { Agreement::Different }
}

fn place(a: &Traits, b: &Traits) -> Agreement {
    let address = pairs(&a.addresses, &b.addresses, address);
    match address {
        Agreement::Missing => {
            pairs(&a.postal, &b.postal, |x, y| if x == y { Agreement::SameTown } else { Agreement::Missing })
        }
        level => level,
    }
}

fn address(a: &Address, b: &Address) -> Agreement {
    if a.town == b.town {
        let shorter = a.house.len().min(b.house.len());
        return match (a.house == b.house, a.house[..shorter] == b.house[..shorter]) {
            (true, _) if a.flat.is_empty() || b.flat.is_empty() || a.flat == b.flat => Agreement::Same,
            (true, _) => Agreement::Near,
            (false, true) if shorter >= 2 => Agreement::Near,
            (false, _) => Agreement::SameTown,
        };
    }
    match (a.city(), b.city()) {
        (Some(x), Some(y)) if x == y => Agreement::SameCity,
        (_, _) => Agreement::Different,
    }
}

fn insurance(a: &Insurance, b: &Insurance) -> Agreement {
    match (a.family == b.family, a.branch, b.branch) {
        (true, Some(x), Some(y)) if x == y => Agreement::Same,
        (true, Some(_), Some(_)) => Agreement::OtherMember,
        (true, _, _) => Agreement::SameFamily,
        (false, Some(_), Some(_)) => Agreement::Different,
        (false, _, _) => Agreement::DifferentUnbranched,
    }
}

#[cfg(test)]
mod tests {
    use super::super::traits::Raw;
    use super::*;

    fn levels(a: Raw<'_>, b: Raw<'_>) -> Comparison {
        Comparison::of(&Traits::of_raw(&a), &Traits::of_raw(&b))
    }

    fn born(a: &str, b: &str) -> Agreement {
        let raw = |birth_date| Raw { birth_date, ..Raw::default() };
        let [one, other] = [levels(raw(a), raw(b)), levels(raw(b), raw(a))].map(|c| c.level(Field::Birth));
        assert_eq!(one, other, "{a} {b}");
        one
    }

    #[test]
    fn birth_dates_go_wrong_in_known_ways() {
        assert_eq!(born("1950-01-31", "S25.1.31"), Agreement::Same);
        assert_eq!(born("1950-03-04", "1950-04-03"), Agreement::Exchanged);
        assert_eq!(born("1950-03-12", "1950-03-21"), Agreement::Exchanged);
        assert_eq!(born("1950-03-12", "1960-03-12"), Agreement::OffByOne);
        assert_eq!(born("1950-02-28", "1950-03-01"), Agreement::OffByOne);
        assert_eq!(born("1950-03-12", "2013-03-12"), Agreement::OtherEra);
        assert_eq!(born("1950-03-12", "1950-01-01"), Agreement::Placeholder);
        assert_eq!(born("1950-03-12", "1976-03-12"), Agreement::Generation);
        assert_eq!(born("1950-03-12", "1950-03-14"), Agreement::Different);
        assert_eq!(born("1950-03-12", ""), Agreement::Missing);
    }

    #[test]
    fn names_agree_by_writing_by_reading_and_by_sound() {
        let raw = |family, given, family_kana, given_kana| Raw {
            family,
            given,
            family_kana,
            given_kana,
            ..Raw::default()
        };
        let a = raw("渡邊", "裕子", "ﾜﾀﾅﾍﾞ", "ﾕｳｺ");
        let names = |b: Raw<'_>| {
            let c = levels(a, b);
            assert_eq!(c.levels, levels(b, a).levels);
            (c.level(Field::Family), c.level(Field::Given), c.swapped)
        };
        assert_eq!(
            names(raw("渡辺", "裕子　", "わたなべ", "ゆーこ")),
            (Agreement::Same, Agreement::Same, false)
        );
        assert_eq!(
            names(raw("渡辺", "裕子", "", "ヒロコ")),
            (Agreement::Same, Agreement::OtherReading, false)
        );
        assert_eq!(
            names(raw("渡部", "ゆうこ", "ワタナベ", "")),
            (Agreement::OtherWriting, Agreement::Same, false)
        );
        assert_eq!(
            names(raw("裕子", "渡辺", "ユウコ", "ワタナベ")),
            (Agreement::Same, Agreement::Same, true)
        );
        assert_eq!(names(raw("渡辺", "ゆうちゃん", "ワタナベ", "ユウチャン")).1, Agreement::ShortName);
        assert_eq!(names(raw("渡辺", "裕美", "ワタナベ", "ヒロミ")).1, Agreement::Near);
        assert_eq!(names(raw("佐藤", "太郎", "サトウ", "タロウ")).0, Agreement::Different);
    }

    #[test]
    fn phones_places_and_insurance_have_levels() {
        let phone = |phone| Raw { phone, ..Raw::default() };
        let of = |a, b, field| levels(a, b).level(field);
        assert_eq!(of(phone("080-1234-5678"), phone("08012345687"), Field::Phone), Agreement::Near);
        assert_eq!(of(phone("080-1234-5678"), phone("08012345999"), Field::Phone), Agreement::Different);
        let at = |address| Raw { address, ..Raw::default() };
        assert_eq!(of(at("高知県高知市旭町1丁目2番3号"), at("高知市旭町1-2"), Field::Place), Agreement::Near);
        assert_eq!(
            of(at("高知県高知市旭町1丁目2番3号"), at("高知市旭町3-2"), Field::Place),
            Agreement::SameTown
        );
        assert_eq!(
            of(at("高知県高知市旭町1丁目2番3号"), at("高知市本町3-2"), Field::Place),
            Agreement::SameCity
        );
        let insured = |insurance| Raw { insurance, ..Raw::default() };
        assert_eq!(of(insured("1:2:3:01"), insured("1:2:3:02"), Field::Insurance), Agreement::OtherMember);
        assert_eq!(of(insured("1:2:3:01"), insured("1:2:3"), Field::Insurance), Agreement::SameFamily);
    }
}
