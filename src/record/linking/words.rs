//! A score in words, in Japanese and English.

use super::compare::{Agreement, Field};
use super::score::{Score, Verdict};
use super::weights::Kinship;

/// A text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Words {
    /// Japanese.
    pub ja: &'static str,
    /// English.
    pub en: &'static str,
}

const fn both(ja: &'static str, en: &'static str) -> Words {
    Words { ja, en }
}

impl Field {
    /// Names the field.
    pub fn words(self) -> Words {
        match self {
            Field::Family => both("姓", "family name"),
            Field::Given => both("名", "given name"),
            Field::Birth => both("生年月日", "birth date"),
            Field::Sex => both("性別", "sex"),
            Field::Phone => both("電話", "phone"),
            Field::Place => both("住所", "address"),
            Field::Insurance => both("保険者番号・記号・番号", "insurance number"),
        }
    }
}

impl Agreement {
    /// Names the level.
    pub fn words(self) -> Words {
        match self {
            Agreement::Missing => both("不明", "not known"),
            Agreement::Same => both("一致", "same"),
            Agreement::OtherReading => both("表記一致・読みが違う", "same writing, other reading"),
            Agreement::OtherWriting => both("読み一致・表記が違う", "same reading, other writing"),
            Agreement::HeardAlike => both("読みが似ている", "sounds alike"),
            Agreement::ShortName => both("略称・愛称", "short name"),
            Agreement::Near => both("ほぼ一致", "nearly the same"),
            Agreement::Exchanged => both("数字の入れ違い", "digits exchanged"),
            Agreement::OffByOne => both("一つ違い", "off by one"),
            Agreement::OtherEra => both("元号の取り違え", "another era"),
            Agreement::Placeholder => both("1月1日(仮の日付)", "1 January stands in"),
            Agreement::Generation => both("同じ月日・一世代違い", "same day, a generation apart"),
            Agreement::SameTown => both("町名・郵便番号が一致", "same quarter or postal code"),
            Agreement::SameCity => both("市区町村が一致", "same municipality"),
            Agreement::SameFamily => both("世帯の番号が一致(枝番なし)", "the family's number, no branch"),
            Agreement::OtherMember => {
                both("世帯の番号が一致・枝番が違う", "the family's number, another branch")
            }
            Agreement::Different | Agreement::DifferentUnbranched => both("不一致", "different"),
        }
    }
}

impl Verdict {
    /// Says what is thought.
    pub fn words(self) -> Words {
        match self {
            Verdict::Suggest => both("同一人物の可能性が高い", "most probably one person"),
            Verdict::Maybe => both("要確認", "worth a look"),
            Verdict::No => both("別人とみられる", "two people, as far as can be told"),
        }
    }
}

impl Kinship {
    /// Names what two registrations are to each other.
    pub fn words(self) -> Words {
        match self {
            Kinship::One => both("同一人物", "one person"),
            Kinship::Strangers => both("他人", "strangers"),
            Kinship::Household => both("家族・双子", "family or twins"),
            Kinship::Namesakes => both("同姓同名の別人", "namesakes"),
            Kinship::NamesakesBornTogether => both("同姓同名・同生年月日の別人", "namesakes born on one day"),
        }
    }
}

impl Score {
    /// Says in one line what is thought, in both languages.
    pub fn told(&self) -> String {
        let (verdict, other) = (self.verdict().words(), self.otherwise.words());
        let percent = self.probability * 100.0;
        format!(
            "{percent:.1}% {} / {} (そうでなければ{} / else {})",
            verdict.ja, verdict.en, other.ja, other.en
        )
    }
}
