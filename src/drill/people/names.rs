//! The lists of names, as they are in the tree.

use std::sync::LazyLock;

use super::super::chance::Chance;

/// A name that people bear.
#[derive(Debug)]
pub(super) struct Name {
    /// As written.
    pub written: &'static str,
    /// Its reading, in katakana.
    pub kana: &'static str,
    /// The sum of the weights up to it, this one included.
    reaches: u64,
}

/// A list of names, drawn by weight.
#[derive(Debug)]
pub(super) struct Names(Vec<Name>);

/// Family names.
pub(super) static FAMILY: LazyLock<Names> = LazyLock::new(|| Names::of(include_str!("family.tsv")));
/// Given names of women.
pub(super) static FEMALE: LazyLock<Names> = LazyLock::new(|| Names::of(include_str!("given-female.tsv")));
/// Given names of men.
pub(super) static MALE: LazyLock<Names> = LazyLock::new(|| Names::of(include_str!("given-male.tsv")));
/// Family names and other ways to write them.
pub(super) static FAMILY_VARIANTS: LazyLock<Vec<[&str; 2]>> =
    LazyLock::new(|| rows(include_str!("family-variants.tsv")));
/// Characters of given names and other ways to write them.
pub(super) static GIVEN_VARIANTS: LazyLock<Vec<[&str; 2]>> =
    LazyLock::new(|| rows(include_str!("given-variants.tsv")));
/// Given names, their reading, and another reading.
pub(super) static READING_VARIANTS: LazyLock<Vec<[&str; 3]>> =
    LazyLock::new(|| rows(include_str!("reading-variants.tsv")));

impl Names {
    fn of(text: &'static str) -> Self {
        let mut reaches = 0;
        let name = |[written, kana, weight]: [&'static str; 3]| {
            // A weight that is no number would be found by the test below.
            reaches += weight.parse::<u64>().unwrap_or(0);
            Name { written, kana, reaches }
        };
        Self(rows(text).into_iter().map(name).collect())
    }

    /// Draws a name, each as likely as it is common.
    pub fn draw(&self, chance: &mut Chance) -> &Name {
        let total = self.0.last().map_or(0, |name| name.reaches);
        let drawn = chance.below(total);
        let place = self.0.partition_point(|name| name.reaches <= drawn);
        // The lists are not empty, and what is drawn is below what the last one reaches.
        &self.0[place.min(self.0.len() - 1)]
    }
}

fn rows<const N: usize>(text: &'static str) -> Vec<[&'static str; N]> {
    text.lines().filter_map(|line| line.split('\t').collect::<Vec<_>>().try_into().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_lists_is_read() {
        assert_eq!((FAMILY.0.len(), MALE.0.len(), FEMALE.0.len()), (500, 420, 420));
        assert_eq!((FAMILY_VARIANTS.len(), GIVEN_VARIANTS.len(), READING_VARIANTS.len()), (37, 18, 30));
        for list in [&*FAMILY, &*MALE, &*FEMALE] {
            let mut before = 0;
            for name in &list.0 {
                assert!(
                    name.reaches > before && !name.written.is_empty() && !name.kana.is_empty(),
                    "{name:?}"
                );
                before = name.reaches;
            }
        }
    }

    #[test]
    fn common_names_are_drawn_more_often() {
        let mut chance = Chance::of_seed(1);
        let drawn: Vec<&str> = (0..3_000).map(|_| FAMILY.draw(&mut chance).written).collect();
        let count = |name| drawn.iter().filter(|drawn| **drawn == name).count();
        assert!(count("佐藤") > 60 && count("佐藤") > 4 * count(FAMILY.0[300].written));
    }
}
