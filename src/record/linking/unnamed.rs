//! People who cannot say who they are: a name that can be called out and told apart, and what is seen of them.
//!
//! The generated name is no name: it is FHIR `use = anonymous`, its family half says "not known", and comparing
//! passes over it. When the person is known, the two records are linked, which can be undone.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::RecordId;
use crate::record::build::RECORD_SYSTEM;
use crate::record::facts::Facts;
use crate::record::fhir;

/// The identifier system of triage tags.
pub const TAG_SYSTEM: &str = "urn:musubi:triage-tag";
/// The extension with the estimated age, a Range in years.
pub const AGE_URL: &str = "urn:musubi:estimated-age";
/// The extension with what is seen of a person, in words.
pub const FEATURES_URL: &str = "urn:musubi:features";
/// Longest description of features, in characters.
pub const FEATURES_CHARS_MAX: usize = 500;
/// Highest age that is estimated, in years.
pub const AGE_MAX: u8 = 120;

const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";

/// Colours: as written, in katakana, in English.
const COLOURS: [[&str; 3]; 12] = [
    ["赤い", "アカイ", "Red"],
    ["青い", "アオイ", "Blue"],
    ["白い", "シロイ", "White"],
    ["黒い", "クロイ", "Black"],
    ["黄色い", "キイロイ", "Yellow"],
    ["茶色い", "チャイロイ", "Brown"],
    ["緑の", "ミドリノ", "Green"],
    ["紫の", "ムラサキノ", "Purple"],
    ["灰色の", "ハイイロノ", "Grey"],
    ["金の", "キンノ", "Gold"],
    ["銀の", "ギンノ", "Silver"],
    ["桃色の", "モモイロノ", "Pink"],
];
/// Animals: in katakana and in English; none that is used to mock people.
const ANIMALS: [[&str; 2]; 24] = [
    ["ツル", "Crane"],
    ["ツバメ", "Swallow"],
    ["カモメ", "Gull"],
    ["スズメ", "Sparrow"],
    ["タカ", "Hawk"],
    ["ワシ", "Eagle"],
    ["ハト", "Dove"],
    ["フクロウ", "Owl"],
    ["カワセミ", "Kingfisher"],
    ["ペンギン", "Penguin"],
    ["シカ", "Deer"],
    ["ウマ", "Horse"],
    ["ライオン", "Lion"],
    ["トラ", "Tiger"],
    ["ゾウ", "Elephant"],
    ["パンダ", "Panda"],
    ["リス", "Squirrel"],
    ["コアラ", "Koala"],
    ["イルカ", "Dolphin"],
    ["クジラ", "Whale"],
    ["ラッコ", "Otter"],
    ["アザラシ", "Seal"],
    ["ホタル", "Firefly"],
    ["トンボ", "Dragonfly"],
];

/// A generated name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalledOut {
    /// As written: 青いツル-42.
    pub ja: String,
    /// In katakana: アオイツル-42.
    pub kana: String,
    /// In English: Blue Crane-42.
    pub en: String,
}

/// What is known of a person who cannot say who they are; everything may be unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Unnamed {
    /// `male`, `female`, `other` or `unknown`.
    pub sex: Option<String>,
    /// The estimated age: from, to, in years.
    pub age: Option<(u8, u8)>,
    /// What is seen: clothes, scars, what was carried.
    pub features: Option<String>,
    /// The number of the triage tag.
    pub tag: Option<String>,
}

impl CalledOut {
    /// Makes a name of random bytes: one of 28,512, always the same from the same bytes.
    pub fn of(random: [u8; 8]) -> Self {
        let number = u64::from_be_bytes(random);
        let mut rest = number;
        let mut draw = |count: u64| {
            let drawn = rest % count;
            rest /= count;
            drawn as usize
        };
        let (colour, animal) = (COLOURS[draw(COLOURS.len() as u64)], ANIMALS[draw(ANIMALS.len() as u64)]);
        let two_digits = 1 + draw(99);
        Self {
            ja: format!("{}{}-{two_digits:02}", colour[0], animal[0]),
            kana: format!("{}{}-{two_digits:02}", colour[1], animal[0]),
            en: format!("{} {}-{two_digits:02}", colour[2], animal[1]),
        }
    }
}

/// Builds the Patient of an unnamed person.
pub fn patient(record: &RecordId, name: &CalledOut, known: &Unnamed) -> String {
    let script = |code: &str| json!([{"url": REPRESENTATION, "valueCode": code}]);
    let mut identifiers = vec![json!({"system": RECORD_SYSTEM, "value": record.to_string()})];
    identifiers.extend(known.tag.iter().map(|tag| {
        json!({"use": "temp", "system": TAG_SYSTEM, "value": tag, "type": {"text": "トリアージタグ / triage tag"}})
    }));
    let mut extensions: Vec<Value> = Vec::new();
    extensions.extend(known.age.map(|(low, high)| {
        let years = |value: u8| json!({"value": value, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"});
        json!({"url": AGE_URL, "valueRange": {"low": years(low), "high": years(high)}})
    }));
    extensions.extend(known.features.iter().map(|text| json!({"url": FEATURES_URL, "valueString": text})));
    let mut resource = json!({
        "resourceType": "Patient",
        "identifier": identifiers,
        "name": [
            {"use": "anonymous", "family": "身元不明", "given": [name.ja], "text": format!("身元不明 {}", name.ja), "extension": script("IDE")},
            {"use": "anonymous", "family": "ミモトフメイ", "given": [name.kana], "text": format!("ミモトフメイ {}", name.kana), "extension": script("SYL")},
            {"use": "anonymous", "family": "Unknown", "given": [name.en], "text": format!("Unknown {}", name.en)},
        ],
        "gender": known.sex.as_deref().unwrap_or("unknown"),
    });
    if !extensions.is_empty() {
        resource["extension"] = Value::Array(extensions);
    }
    resource.to_string()
}

/// Says in words what the Patient statements of a record tell of an unnamed person's age and features.
pub fn seen(facts: &Facts) -> Vec<String> {
    let mut seen = Vec::new();
    for fact in facts.iter().filter(|fact| fact.resource_type == "Patient") {
        // Nearly all patients have a name: the text tells without being read.
        if !fact.statement.resource.contains("urn:musubi:") {
            continue;
        }
        let json = fact.json();
        for extension in fhir::items(&json, &["extension"]) {
            let years = |end: &str| extension["valueRange"][end]["value"].as_u64();
            match (extension["url"].as_str(), years("low"), years("high")) {
                (Some(AGE_URL), Some(low), Some(high)) => {
                    seen.push(format!("推定年齢 / estimated age {low}–{high}"))
                }
                (Some(FEATURES_URL), _, _) => {
                    let text = extension["valueString"].as_str().unwrap_or_default();
                    seen.push(format!("特徴 / features: {text}"));
                }
                (_, _, _) => {}
            }
        }
    }
    seen.sort();
    seen.dedup();
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json::canonical;
    use crate::record::names::{query, tokens_of};

    #[test]
    fn an_unnamed_person_is_found_by_name_and_tag_and_never_taken_for_another_unnamed() {
        let name = CalledOut::of([0, 0, 0, 0, 0, 0x21, 0x43, 0x65]);
        assert_eq!(name, CalledOut::of([0, 0, 0, 0, 0, 0x21, 0x43, 0x65]));
        let known = Unnamed {
            sex: Some("female".into()),
            age: Some((60, 69)),
            features: Some("左手に火傷の痕".into()),
            tag: Some("R-0042".into()),
        };
        let resource = canonical(&patient(&RecordId([1; 16]), &name, &known)).unwrap();
        let json: Value = serde_json::from_str(&resource).unwrap();
        let tokens = tokens_of("Patient", &json);
        for text in [name.ja.as_str(), &name.kana, &name.en, "R-0042", "r-0042"] {
            let groups = query(text);
            assert!(groups.iter().all(|group| group.iter().any(|token| tokens.contains(token))), "{text}");
        }
        let folded = super::super::normal::writing("ミモトフメイ");
        assert!(super::super::normal::is_nameless(&folded) && super::super::normal::is_nameless("身元不明"));
    }

    #[test]
    fn names_are_many() {
        let names: std::collections::BTreeSet<String> =
            (0u64..28_512).map(|n| CalledOut::of(n.to_be_bytes()).en).collect();
        assert_eq!(names.len(), 28_512);
    }
}
