//! The weights: how often each level of agreement is seen, in one person's two registrations and in two people's.
//!
//! Fellegi–Sunter, with one change: two people are not simply strangers. Household members share name, address, phone
//! and insurance; namesakes share name and now and then the birth date. Within each of these **kinds of pairs** the
//! fields are taken as independent, which over all pairs they are far from being.
//!
//! The numbers are round, from what is known of registers and of mistakes in them, and each says why. A few (how names,
//! phones and insurance numbers are shared, some rates of households) were corrected after mistakes on invented lists had
//! been read: those lists, named in `docs/performance.md`, are no blind test of them; where a field's value can be counted in the store, [`super::commonness`] stands in for
//! the column of strangers.

use std::sync::LazyLock;

use serde::Serialize;

use super::compare::{Agreement, Field};
use Agreement::{
    Different, DifferentUnbranched, Exchanged, Generation, HeardAlike, Near, OffByOne, OtherEra, OtherMember,
    OtherReading, OtherWriting, Placeholder, Same, SameCity, SameFamily, SameTown, ShortName,
};

/// What two registrations can be to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kinship {
    /// One person, registered twice.
    One,
    /// Two people who have nothing to do with each other.
    Strangers,
    /// Two people of one household: parent and child, twins, a couple.
    Household,
    /// Two people of one name.
    Namesakes,
    /// Two people of one name and one birth date.
    NamesakesBornTogether,
}

impl Kinship {
    /// All of them.
    pub const ALL: [Kinship; 5] = [
        Kinship::One,
        Kinship::Strangers,
        Kinship::Household,
        Kinship::Namesakes,
        Kinship::NamesakesBornTogether,
    ];

    /// How many other registrations of this kind one registration has, in a store of so many.
    ///
    /// One double for every second person: registers of several sites without a common number hold most people who
    /// are ill more than once. A household has two or three others of it in the store. Namesakes beyond what the
    /// shares of names explain (cohort fashions, villages of one family name): one for every tenth person. Namesakes
    /// born together: one for every twentieth, far more than chance gives, because this is the mistake that harms:
    /// name and birth date alone shall never be enough.
    pub fn expected(self, people: u64) -> f64 {
        match self {
            Kinship::One => 0.5,
            Kinship::Strangers => people.max(2) as f64,
            Kinship::Household => 2.0,
            Kinship::Namesakes => 0.1,
            Kinship::NamesakesBornTogether => 0.05,
        }
    }
}

/// How often one level of one field is seen in each kind of pair; the levels of a field sum to about 1, those with a
/// branch of an insurance number and those without one apart.
#[derive(Debug, Clone, Copy)]
pub struct Weight {
    /// The field.
    pub field: Field,
    /// The level.
    pub level: Agreement,
    /// In one person's two registrations.
    pub one: f64,
    /// In two strangers, where the value's own share is not counted.
    pub strangers: f64,
    /// In two members of a household.
    pub household: f64,
    /// In two namesakes.
    pub namesakes: f64,
    /// Why.
    pub why: &'static str,
}

const fn w(field: Field, level: Agreement, shares: [f64; 4], why: &'static str) -> Weight {
    let [one, strangers, household, namesakes] = shares;
    Weight { field, level, one, strangers, household, namesakes, why }
}

/// All weights.
pub static WEIGHTS: &[Weight] = &[
    w(Field::Family, Same, [0.90, 0.005, 0.95, 0.94], "kept by nearly all; shared by households"),
    w(Field::Family, OtherReading, [0.01, 1e-4, 0.002, 0.01], "河野: two readings of one writing"),
    w(Field::Family, OtherWriting, [0.02, 0.003, 0.003, 0.03], "a clerk wrote what was heard: 伊藤, 伊東"),
    w(Field::Family, HeardAlike, [0.005, 0.003, 0.002, 0.01], "heard over a telephone"),
    w(Field::Family, ShortName, [1e-4, 1e-4, 1e-4, 1e-4], "family names have no short forms"),
    w(Field::Family, Near, [0.015, 0.03, 0.008, 0.005], "one character in common is chance"),
    w(
        Field::Family,
        Different,
        [0.05, 0.96, 0.035, 0.005],
        "marriage, divorce, adoption, between two registrations",
    ),
    w(Field::Given, Same, [0.85, 0.005, 0.002, 0.92], "given for life; one house does not give it twice"),
    w(Field::Given, OtherReading, [0.03, 5e-4, 0.002, 0.02], "裕子: ゆうこ or ひろこ"),
    w(Field::Given, OtherWriting, [0.03, 0.005, 0.004, 0.03], "written by ear"),
    w(Field::Given, HeardAlike, [0.01, 0.005, 0.004, 0.005], "heard over a telephone"),
    w(Field::Given, ShortName, [0.03, 0.002, 0.03, 0.005], "what children and the old are called"),
    w(Field::Given, Near, [0.015, 0.05, 0.24, 0.005], "brothers and sisters share a character"),
    w(
        Field::Given,
        Different,
        [0.02, 0.93, 0.72, 0.005],
        "few change it; most slips are in the same half of a form",
    ),
    w(Field::Birth, Same, [0.88, 3.4e-5, 0.03, 3.4e-5], "twins are two in a hundred births"),
    w(Field::Birth, Exchanged, [0.025, 7e-5, 0.001, 7e-5], "typed in the wrong order"),
    w(Field::Birth, OffByOne, [0.04, 2e-4, 0.003, 2e-4], "typed beside it"),
    w(Field::Birth, OtherEra, [0.015, 1e-4, 0.001, 1e-4], "the era's letter mistaken"),
    w(Field::Birth, Placeholder, [0.02, 6e-5, 5e-4, 6e-5], "only the year was known"),
    w(Field::Birth, Generation, [0.001, 0.001, 0.03, 0.001], "parent and child born on one day of the year"),
    w(Field::Birth, Different, [0.02, 0.9985, 0.93, 0.9985], "other slips are rare"),
    w(Field::Sex, Same, [0.985, 0.5, 0.5, 0.97], "names tell it"),
    w(Field::Sex, Different, [0.015, 0.5, 0.5, 0.03], "ticked wrongly, or changed"),
    w(Field::Phone, Same, [0.70, 1e-5, 0.40, 1e-5], "households share one; people change theirs"),
    w(Field::Phone, Near, [0.04, 1e-5, 0.02, 1e-5], "a slip of the finger"),
    w(Field::Phone, Different, [0.26, 1.0, 0.58, 1.0], "a home's number here, a mobile's there"),
    w(Field::Place, Same, [0.68, 1e-5, 0.80, 1e-5], "a house"),
    w(Field::Place, Near, [0.04, 1e-4, 0.03, 1e-4], "left incomplete, or a neighbour in the building"),
    w(Field::Place, SameTown, [0.06, 0.005, 0.04, 0.005], "moved close by"),
    w(Field::Place, SameCity, [0.10, 0.15, 0.08, 0.15], "moved within the town; a store is a region"),
    w(Field::Place, Different, [0.12, 0.84, 0.05, 0.84], "moved away"),
    w(Field::Insurance, Same, [0.78, 1e-7, 0.004, 1e-7], "the branch is the person"),
    w(Field::Insurance, OtherMember, [0.01, 1e-5, 0.876, 1e-5], "the branch is another person"),
    w(Field::Insurance, Different, [0.21, 1.0, 0.12, 1.0], "another employer, 75th birthday, divorce"),
    w(Field::Insurance, SameFamily, [0.79, 1e-5, 0.88, 1e-5], "without a branch it is the family's"),
    w(
        Field::Insurance,
        DifferentUnbranched,
        [0.21, 1.0, 0.12, 1.0],
        "another employer, 75th birthday, divorce",
    ),
];

/// How much a house counts with no street number known: levels that the table has no row for say nothing.
const SILENT: [f64; 5] = [1.0; 5];
/// How many levels there are.
const LEVELS: usize = DifferentUnbranched as usize + 1;

static TABLE: LazyLock<[[[f64; 5]; LEVELS]; 7]> = LazyLock::new(|| {
    let mut table = [[SILENT; LEVELS]; 7];
    for row in WEIGHTS {
        let born_together = if row.field == Field::Birth { row.one } else { row.namesakes };
        table[row.field as usize][row.level as usize] =
            [row.one, row.strangers, row.household, row.namesakes, born_together];
    }
    table
});

/// Returns how often a level of a field is seen in each kind of pair, in the order of [`Kinship::ALL`]; `chance` is
/// the share of this value among strangers, where it is counted. A missing field says nothing.
pub fn shares(field: Field, level: Agreement, chance: Option<f64>) -> [f64; 5] {
    let mut shares = TABLE[field as usize][level as usize];
    if let Some(chance) = chance {
        // Never less than the table says of a value that no store this size can have counted well.
        let strangers = match (field, level) {
            (Field::Family | Field::Given | Field::Birth | Field::Place, _) => chance,
            // The branch is one of some four.
            (Field::Insurance, Agreement::Same) => chance / 4.0,
            (_, _) => chance.max(shares[1]),
        };
        shares[1] = strangers;
        if field == Field::Birth {
            shares[3] = strangers;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_of_a_field_share_out_the_whole() {
        for field in Field::ALL {
            let rows = |unbranched: bool| {
                WEIGHTS.iter().filter(move |row| {
                    let bare = matches!(row.level, SameFamily | DifferentUnbranched);
                    row.field == field && bare == unbranched
                })
            };
            for unbranched in [false, true] {
                if rows(unbranched).next().is_none() {
                    continue;
                }
                for column in [
                    |row: &Weight| row.one,
                    |row: &Weight| row.strangers,
                    |row: &Weight| row.household,
                    |row: &Weight| row.namesakes,
                ] {
                    let sum: f64 = rows(unbranched).map(column).sum();
                    assert!((0.95..=1.05).contains(&sum), "{field:?} {unbranched} {sum}");
                }
            }
        }
    }

    #[test]
    fn every_weight_says_why_and_stands_once() {
        let mut seen = std::collections::BTreeSet::new();
        for row in WEIGHTS {
            assert!(!row.why.is_empty() && seen.insert((row.field, row.level)));
        }
        assert_eq!(shares(Field::Phone, Agreement::Missing, None), SILENT);
    }
}
