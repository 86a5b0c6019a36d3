//! The score of a pair, and what it is made of.

use serde::{Deserialize, Serialize};

use super::commonness::Commonness;
use super::compare::{Agreement, Comparison, Field};
use super::traits::Traits;
use super::weights::{Kinship, shares};

/// From this probability on a pair is suggested to be one person: seven of eight at the margin, and nearly all above it.
/// A wrong suggestion costs a look; a double that nobody looks at costs an allergy that nobody sees.
pub const SUGGEST_MIN: f64 = 0.875;
/// From this probability on a pair is worth a look: as likely one person as not.
pub const MAYBE_MIN: f64 = 0.40;

/// What is thought of a pair. Nothing is ever linked by it: that takes a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Most probably one person.
    Suggest,
    /// Worth a look.
    Maybe,
    /// Two people, as far as can be told.
    No,
}

/// The score of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// The probability that the two are one person, from 0 to 1.
    pub probability: f64,
    /// The same as the weight of evidence for one person against all else, in bits.
    pub bits: f64,
    /// What else they would most probably be.
    pub otherwise: Kinship,
}

/// What one field contributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The field.
    pub field: Field,
    /// How well it agrees.
    pub level: Agreement,
    /// What it says for one person, against what the pair would else most probably be, in bits.
    pub bits: f64,
}

impl Score {
    /// Scores a pair that was compared.
    pub fn of(compared: &Comparison, a: &Traits, b: &Traits, known: &Commonness) -> Self {
        let mut logs = [0.0; 5];
        for (log, kinship) in logs.iter_mut().zip(Kinship::ALL) {
            *log = kinship.expected(known.people()).log2();
        }
        for field in Field::ALL {
            let chance = known.chance(field, compared, a, b);
            for (log, share) in logs.iter_mut().zip(shares(field, compared.level(field), chance)) {
                *log += share.log2();
            }
        }
        let [one, others @ ..] = logs;
        let most = others.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let all: f64 = others.iter().map(|log| (log - most).exp2()).sum();
        let bits = one - (most + all.log2());
        let at = others.iter().position(|log| *log == most).unwrap_or(0);
        Self { probability: 1.0 / (1.0 + (-bits).exp2()), bits, otherwise: Kinship::ALL[at + 1] }
    }

    /// Returns the odds for one person: the probability against what is left of 1.
    pub fn odds(&self) -> f64 {
        self.bits.exp2()
    }

    /// Returns the odds of a probability; those of 1 are as large as the numbers allow.
    pub fn odds_of(probability: f64) -> f64 {
        probability / (1.0 - probability).max(f64::EPSILON)
    }

    /// Returns the score with other odds.
    #[must_use]
    pub fn with_odds(self, odds: f64) -> Self {
        Self { probability: odds / (1.0 + odds), bits: odds.log2(), ..self }
    }

    /// Returns what is thought of the pair.
    pub fn verdict(&self) -> Verdict {
        match self.probability {
            p if p >= SUGGEST_MIN => Verdict::Suggest,
            p if p >= MAYBE_MIN => Verdict::Maybe,
            _ => Verdict::No,
        }
    }

    /// Says what each field contributes.
    pub fn evidence(
        &self,
        compared: &Comparison,
        a: &Traits,
        b: &Traits,
        known: &Commonness,
    ) -> Vec<Evidence> {
        let other = Kinship::ALL.iter().position(|kinship| *kinship == self.otherwise).unwrap_or(1);
        let evidence = |field| {
            let level = compared.level(field);
            let shares = shares(field, level, known.chance(field, compared, a, b));
            Evidence { field, level, bits: (shares[0] / shares[other]).log2() }
        };
        Field::ALL.into_iter().map(evidence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::traits::Raw;
    use super::*;

    fn base() -> Raw<'static> {
        Raw {
            family: "佐藤",
            given: "裕子",
            family_kana: "サトウ",
            given_kana: "ユウコ",
            birth_date: "1962-05-14",
            sex: "female",
            phone: "080-0713-6304",
            postal_code: "221-0455",
            address: "神奈川県横浜市神奈川区松原2丁目6番25号",
            insurance: "01646898:3053:97691:02",
        }
    }

    fn verdict(a: Raw<'_>, b: Raw<'_>) -> Verdict {
        // A town where every seventh is a 佐藤 and every twentieth of them a 裕子.
        let filler: Vec<Traits> = (0..2_000)
            .map(|n| {
                let (family, given) = (format!("名{}", n % 7), format!("字{}", n % 20));
                let raw = Raw { family: &family, given: &given, ..Raw::default() };
                Traits::of_raw(&if n % 7 == 0 {
                    Raw { family: "佐藤", given: if n % 20 == 0 { "裕子" } else { "某" }, ..raw }
                } else {
                    raw
                })
            })
            .collect();
        let known = Commonness::of(&filler);
        let (a, b) = (Traits::of_raw(&a), Traits::of_raw(&b));
        let [one, other] = [(&a, &b), (&b, &a)].map(|(a, b)| Score::of(&Comparison::of(a, b), a, b, &known));
        assert!((one.bits - other.bits).abs() < 1e-9, "a score has no direction");
        one.verdict()
    }

    #[test]
    fn one_person_with_slips_is_suggested() {
        let slips = [
            Raw { birth_date: "1962-01-01", ..base() },
            Raw { family: "渡辺", family_kana: "ワタナベ", insurance: "", ..base() },
            Raw {
                phone: "", address: "高知県高知市旭町1丁目1番1号", postal_code: "780-0001", ..base()
            },
            Raw { given: "ひろこ", given_kana: "ヒロコ", ..base() },
            Raw {
                family: "裕子", given: "佐藤", family_kana: "ユウコ", given_kana: "サトウ", ..base()
            },
            Raw { sex: "male", insurance: "01646898:3053:97691", ..base() },
            Raw {
                family: "不明",
                given: "女性",
                family_kana: "フメイ",
                given_kana: "",
                birth_date: "",
                phone: "",
                address: "",
                postal_code: "",
                ..base()
            },
        ];
        for (number, other) in slips.into_iter().enumerate() {
            assert_eq!(verdict(base(), other), Verdict::Suggest, "{number}");
        }
    }

    #[test]
    fn two_people_are_not() {
        let elsewhere = Raw {
            phone: "070-0111-2222",
            address: "高知県高知市旭町1丁目1番1号",
            postal_code: "780-0001",
            insurance: "39000001:1:1:01",
            ..base()
        };
        let twin =
            Raw { given: "裕美", given_kana: "ヒロミ", insurance: "01646898:3053:97691:03", ..base() };
        let pairs = [
            ("twins", twin),
            ("twins without a branch", Raw { insurance: "01646898:3053:97691", ..twin }),
            ("mother and daughter", Raw { birth_date: "1988-05-14", ..twin }),
            ("namesakes", Raw { birth_date: "1971-11-02", ..elsewhere }),
            ("namesakes born on one day", elsewhere),
            ("namesakes born on one day, little known", Raw { phone: "", insurance: "", ..elsewhere }),
            ("name and birth date but no household in common", Raw { insurance: "", ..elsewhere }),
        ];
        for (who, other) in pairs {
            assert_ne!(verdict(base(), other), Verdict::Suggest, "{who}");
        }
    }
}
