//! One small record as a region's systems write it: a patient, and what a card tells.

use super::super::workload::{DRUGS, ILLS, SUBSTANCES, SYSTEM};
use crate::base::{Hlc, RecordId, WallMs};
use crate::drill::chance::Chance;
use crate::drill::people::{Person, person};
use crate::lane::{Entry, EntryKind};
use crate::record::statement::Salt;
use crate::record::{Act, Author, FactsBody, Informant, Statement};

/// What a record is, for people.
pub const CARD_TOLD: &str = "a record is one entry of the card: a patient (name in kanji and kana, birth date, address, phone, \
                             number), 0 to 2 allergies, 1 to 3 drugs, 1 or 2 illnesses; some 2.4 kB";
/// When the first record was written: 2026-11-01, in Japan.
const BEGUN_MS: u64 = 1_793_458_800_000;
/// A record is written each so many milliseconds: a million in about 17 days.
const EACH_MS: u64 = 1_500;

/// The records of a region, each drawn from the seed and its number alone.
#[derive(Debug, Clone)]
pub struct Cards {
    people: Chance,
    chance: Chance,
}

impl Cards {
    /// The records of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let people = Chance::of_seed(seed);
        Self { chance: people.fork("held"), people }
    }

    /// Returns whom a record is about.
    pub fn person(&self, number: u64) -> Person {
        person(number, &self.people)
    }

    /// Returns the phone number of a record's patient. No Japanese subscriber's number begins with 0: none can be dialled.
    pub fn phone(&self, number: u64) -> String {
        format!("0{}0-0{:03}-{:04}", 7 + number % 3, number / 10_000 % 1_000, number % 10_000)
    }

    /// Returns the number of a record's patient at its hospital.
    pub fn patient_number(&self, number: u64) -> String {
        format!("{number:08}")
    }

    /// Returns a record's id.
    pub fn record(&self, number: u64) -> RecordId {
        RecordId::of_patient(SYSTEM, &self.patient_number(number))
    }

    /// Makes the entry of a record.
    pub fn entry(&self, number: u64) -> Entry {
        let mut chance = self.chance.fork(&number.to_string());
        let id = format!("p{number:07}");
        let mut resources = vec![self.patient(number, &id)];
        let mut below = |most: u64| chance.below(most) as usize;
        let day = |below: &mut dyn FnMut(u64) -> usize| {
            format!("20{:02}-{:02}-{:02}", 10 + below(17), 1 + below(12), 1 + below(28))
        };
        for index in 0..below(3) {
            let (substance, criticality) = (SUBSTANCES[below(10)], ["low", "high"][below(2)]);
            resources.push(format!(
                r#"{{"clinicalStatus":{},"code":{{"text":"{substance}"}},"criticality":"{criticality}","id":"{id}-a{index}","patient":{{"reference":"Patient/{id}"}},"recordedDate":"{}","resourceType":"AllergyIntolerance"}}"#,
                active("allergyintolerance"),
                day(&mut below),
            ));
        }
        let first = below(10);
        for index in 0..1 + below(3) {
            let [drug, code] = DRUGS[(first + index * 3) % DRUGS.len()];
            let written = day(&mut below);
            resources.push(format!(
                r#"{{"authoredOn":"{written}","dosageInstruction":[{{"text":"{}錠 1日{}回 朝食後"}}],"id":"{id}-m{index}","intent":"order","medicationCodeableConcept":{{"coding":[{{"code":"{code}","system":"http://capstandard.jp/iyaku.info/CodeSystem/YJ-code"}}],"text":"{drug}"}},"resourceType":"MedicationRequest","status":"active","subject":{{"reference":"Patient/{id}"}}}}"#,
                1 + below(3),
                1 + below(3),
            ));
        }
        let first = below(8);
        for index in 0..1 + below(2) {
            let [ill, code] = ILLS[(first + index * 3) % ILLS.len()];
            resources.push(format!(
                r#"{{"clinicalStatus":{},"code":{{"coding":[{{"code":"{code}","system":"http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full"}}],"text":"{ill}"}},"id":"{id}-c{index}","onsetDateTime":"{}","resourceType":"Condition","subject":{{"reference":"Patient/{id}"}}}}"#,
                active("condition"),
                day(&mut below),
            ));
        }
        let mut salt = Salt([0; 8]);
        chance.fill(&mut salt.0);
        self.written(number, salt, 0, resources)
    }

    /// Makes a small change of a record, as a tablet writes one: a pulse.
    pub fn change(&self, number: u64, turn: u64) -> Entry {
        let mut chance = self.chance.fork(&format!("change {number} {turn}"));
        let mut salt = Salt([0; 8]);
        chance.fill(&mut salt.0);
        let pulse = 50 + chance.below(80);
        let resource = format!(
            r#"{{"category":[{{"coding":[{{"code":"vital-signs","system":"http://terminology.hl7.org/CodeSystem/observation-category"}}]}}],"code":{{"coding":[{{"code":"8867-4","system":"http://loinc.org"}}],"text":"脈拍"}},"effectiveDateTime":"2026-11-{:02}T{:02}:{:02}:00+09:00","id":"p{number:07}-v{turn}","resourceType":"Observation","status":"final","subject":{{"reference":"Patient/p{number:07}"}},"valueQuantity":{{"code":"/min","system":"http://unitsofmeasure.org","unit":"/min","value":{pulse}}}}}"#,
            19 + chance.below(4),
            chance.below(24),
            chance.below(60),
        );
        self.written(number, salt, 1 + turn, vec![resource])
    }

    fn written(&self, number: u64, salt: Salt, turn: u64, resources: Vec<String>) -> Entry {
        let (act, informant) = (Act::Assert, Informant::Imported);
        let statement = |resource| Statement { act, informant, follows: Vec::new(), reason: None, resource };
        let body = FactsBody {
            version: FactsBody::VERSION,
            salt,
            record: self.record(number),
            time: Hlc::at(WallMs(BEGUN_MS + number * EACH_MS + turn)),
            author: Author { name: "地域の電子カルテ".to_owned(), role: "import".to_owned() },
            source: Some(SYSTEM.to_owned()),
            statements: resources.into_iter().map(statement).collect(),
        };
        Entry { kind: EntryKind::FACTS, body: body.to_bytes() }
    }

    fn patient(&self, number: u64, id: &str) -> String {
        let Person { name, kana, birth_date, sex } = self.person(number);
        let written = |text: &str, how: &str| {
            format!(
                r#"{{"extension":[{{"url":"http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation","valueCode":"{how}"}}],"text":"{text}","use":"official"}}"#
            )
        };
        let (name, kana) = (written(&name, "IDE"), written(kana.as_deref().unwrap_or_default(), "SYL"));
        format!(
            r#"{{"address":[{{"text":"神奈川県横須賀市栄{}丁目{}-{}"}}],"birthDate":"{}","gender":"{sex}","id":"{id}","identifier":[{{"system":"{SYSTEM}","type":{{"coding":[{{"code":"MR","system":"http://terminology.hl7.org/CodeSystem/v2-0203"}}]}},"use":"usual","value":"{}"}}],"name":[{name},{kana}],"resourceType":"Patient","telecom":[{{"system":"phone","value":"{}"}}]}}"#,
            1 + number % 9,
            1 + number % 30,
            1 + number % 20,
            birth_date.unwrap_or_default(),
            self.patient_number(number),
            self.phone(number),
        )
    }
}

fn active(kind: &str) -> String {
    format!(
        r#"{{"coding":[{{"code":"active","system":"http://terminology.hl7.org/CodeSystem/{kind}-clinical"}}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::Part;
    use crate::record::place_of;

    #[test]
    fn records_are_canonical_and_belong_in_the_card() {
        let cards = Cards::of_seed(3);
        let (mut bytes, mut kinds) = (0, BTreeSet::new());
        for number in 0..200 {
            let entry = cards.entry(number);
            bytes += entry.body.len();
            let body = FactsBody::from_bytes(&entry.body).expect("each statement is canonical JSON");
            assert_eq!(body.record, cards.record(number));
            for statement in &body.statements {
                let json: serde_json::Value = serde_json::from_str(&statement.resource).unwrap();
                let kind = json["resourceType"].as_str().unwrap().to_owned();
                assert_eq!(place_of(&kind, &statement.resource).part, Part::Card, "{kind}");
                kinds.insert(kind);
            }
        }
        let all = ["AllergyIntolerance", "Condition", "MedicationRequest", "Patient"];
        assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), all);
        assert!((2_000..2_800).contains(&(bytes / 200)), "{}", bytes / 200);
        assert_eq!(cards.entry(7), Cards::of_seed(3).entry(7));
        assert_ne!(cards.entry(7), Cards::of_seed(4).entry(7));
    }

    #[test]
    fn a_change_is_small_and_belongs_in_data() {
        let cards = Cards::of_seed(3);
        let entry = cards.change(5, 2);
        let body = FactsBody::from_bytes(&entry.body).unwrap();
        assert_eq!(place_of("Observation", &body.statements[0].resource).part, Part::Data);
        assert!(entry.body.len() < 700, "{}", entry.body.len());
        assert_ne!(entry, cards.change(5, 3));
    }
}
