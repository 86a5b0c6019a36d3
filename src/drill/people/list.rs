//! Lists of patients as other systems send them: FHIR resources that are invented from a list's name, so that two places
//! can import the same list, or the same people as another source spells them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::chance::Chance;
use super::super::ledger::ResourceKey;
use super::person::{Person, person, respelt};
use crate::base::RecordId;

/// Most people of one list.
pub const LIST_PEOPLE_MAX: u64 = 500;
/// Most versions of one list.
pub const LIST_VERSIONS_MAX: u64 = 9;
/// The share of people whom another source has exactly as the list says.
const EXACT: f64 = 0.5;
/// The share of people who are given the drug to which they are allergic.
const HARMED: f64 = 0.3;
/// Under this address sources of lists name their patients.
const SYSTEM: &str = "urn:musubi:drill:list:";
/// Drugs as they are ordered, the first twelve of their YJ codes, their HOT9 codes, and the name in lists of allergies.
const DRUGS: [[&str; 4]; 5] = [
    ["ロキソプロフェンNa錠60mg「トーワ」", "1149019F1560", "112475103", "ロキソプロフェン"],
    ["サワシリンカプセル250", "6131001M1018", "104165502", "アモキシシリン"],
    ["ワーファリン錠1mg", "3332001F1024", "103331103", "ワルファリン"],
    ["アムロジピンOD錠5mg「サワイ」", "2171022F4017", "118911201", "アムロジピン"],
    ["クラリス錠200", "6149003F2038", "111259601", "クラリスロマイシン"],
];
/// What is eaten and not borne.
const FOODS: [&str; 4] = ["そば", "卵", "落花生", "えび"];
/// Problems, with their codes of ICD-10.
const PROBLEMS: [[&str; 2]; 4] =
    [["高血圧症", "I10"], ["2型糖尿病", "E11"], ["気管支喘息", "J45"], ["慢性心不全", "I50"]];
/// A name as it is written, and as it is read (ISO 21090).
const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";

/// A list of patients of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventedList {
    /// Its name: the same name, the same people.
    pub name: String,
    /// Which system sends it: another one has other numbers for its patients, and spells some otherwise.
    pub source: String,
    /// How many people are on it.
    pub people: u64,
    /// Its version, from 1: a later one of the same source replaces what the earlier one said.
    pub version: u64,
}

/// A person on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The record in which the person's resources are filed, wherever they are imported.
    pub record: RecordId,
    /// The number on the list: the same for the same person, whatever the source.
    pub number: u64,
    /// As the source spells it.
    pub person: Person,
    /// Whether the source has name, birth date and insurance number as the list has them.
    pub exact: bool,
    /// The insurance number.
    pub insurance: String,
    /// The phone number.
    pub phone: String,
    /// To what the person is allergic.
    pub allergy: &'static str,
    /// The drug that the person takes, as it is ordered.
    pub drug: &'static str,
    /// The problem that the person has.
    pub problem: &'static str,
    /// Whether the person is allergic to the drug.
    pub harmed: bool,
    /// The code of the drug to which the person is allergic; none for food.
    allergen: Option<&'static str>,
}

impl InventedList {
    /// Returns who is on it.
    pub fn people(&self) -> Vec<Listed> {
        let of_list = Chance::of_seed(0).fork(&format!("list {}", self.name));
        (1..=self.people.min(LIST_PEOPLE_MAX)).map(|number| self.listed(number, &of_list)).collect()
    }

    /// Returns what is said of them, as FHIR resources.
    pub fn resources(&self) -> Vec<Value> {
        let mut all = vec![json!({
            "resourceType": "Practitioner",
            "id": format!("{}-dr", self.prefix()),
            "meta": self.meta(),
            "identifier": [{ "system": self.system(), "value": format!("{}-dr", self.name) }],
            "name": [{ "text": "下村 美代子" }],
        })];
        all.extend(self.people().iter().flat_map(|listed| self.of(listed)));
        all
    }

    /// Writes them into a folder, as NDJSON or as one bundle, and returns the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_to(&self, folder: &Path) -> io::Result<PathBuf> {
        let resources = self.resources();
        // Every second source sends bundles.
        let (name, text) = match self.source.bytes().map(u64::from).sum::<u64>() % 2 {
            0 => {
                let lines: Vec<String> = resources.iter().map(Value::to_string).collect();
                ("list.ndjson", lines.join("\n") + "\n")
            }
            _ => {
                let entry = |resource: Value| json!({ "resource": resource });
                let entries: Vec<Value> = resources.into_iter().map(entry).collect();
                let bundle = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries });
                ("list.json", bundle.to_string())
            }
        };
        let path = folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Returns the FHIR id of a person's `Patient`, with which the ids of the person's other resources begin.
    pub fn id_of(&self, listed: &Listed) -> String {
        format!("{}-{}", self.prefix(), listed.number)
    }

    /// Returns the key of a person's allergy.
    pub fn allergy_of(&self, listed: &Listed) -> ResourceKey {
        let id = format!("{}-al", self.id_of(listed));
        ResourceKey { resource_type: "AllergyIntolerance".to_owned(), id }
    }

    fn listed(&self, number: u64, of_list: &Chance) -> Listed {
        let mut chance = of_list.fork(&format!("traits {number}"));
        let mut pick = |most: usize| chance.below(most as u64) as usize;
        let (food, drug, other, problem) =
            (FOODS[pick(FOODS.len())], pick(DRUGS.len()), pick(DRUGS.len()), pick(PROBLEMS.len()));
        let (harmed, to_food) = (chance.share(HARMED), chance.share(0.5));
        let allergen = match (harmed, to_food) {
            (true, _) => Some(drug),
            (false, true) => None,
            (false, false) => Some(other),
        };
        let mut below = |most: u64| chance.below(most);
        let insurance = format!("14{:06}:{:04}:{:05}:01", below(1_000_000), below(10_000), below(100_000));
        // No Japanese subscriber's number begins with 0: none of these can be dialled.
        let phone = format!("0{}0-0{:03}-{:04}", 7 + below(3), below(1_000), below(10_000));
        let mut of_source = of_list.fork(&format!("source {} {number}", self.source));
        let exact = of_source.share(EXACT);
        let known = person(number, of_list);
        Listed {
            record: RecordId::of_patient(&self.system(), &self.number(number)),
            number,
            person: if exact { known } else { respelt(&known, &mut of_source) },
            exact,
            insurance,
            phone,
            allergy: allergen.map_or(food, |allergen| DRUGS[allergen][3]),
            drug: DRUGS[drug][0],
            problem: PROBLEMS[problem][0],
            harmed: allergen == Some(drug),
            allergen: allergen.map(|allergen| DRUGS[allergen][1]),
        }
    }

    fn system(&self) -> String {
        format!("{SYSTEM}{}", self.source)
    }

    fn number(&self, number: u64) -> String {
        format!("{}-{number}", self.name)
    }

    /// What ids of this list and source begin with: FHIR allows few characters.
    fn prefix(&self) -> String {
        let digest = crate::base::hash_tagged(
            "musubi.drill.list.v1",
            &[self.name.as_bytes(), b"/", self.source.as_bytes()],
        );
        digest.short().to_string()
    }

    fn meta(&self) -> Value {
        json!({ "lastUpdated": format!("2026-0{}-01T09:00:00+09:00", self.version.clamp(1, LIST_VERSIONS_MAX)) })
    }

    /// What is said of one person.
    fn of(&self, listed: &Listed) -> Vec<Value> {
        let (version, id) = (self.version, self.id_of(listed));
        let resource = |kind: &str, id: &str, more: Value| {
            let mut all = json!({ "resourceType": kind, "id": id, "meta": self.meta() });
            if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
                all.extend(more);
            }
            all
        };
        let subject = json!({ "reference": format!("Patient/{id}") });
        let [_, drug_code, drug_hot, _] =
            DRUGS.into_iter().find(|drug| drug[0] == listed.drug).unwrap_or(DRUGS[0]);
        let problem = PROBLEMS.into_iter().find(|one| one[0] == listed.problem).unwrap_or(PROBLEMS[0]);
        let yj = |code: &str| json!({ "system": "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code", "code": code });
        let mut allergy = json!({ "text": listed.allergy });
        if let Some(code) = listed.allergen.filter(|_| listed.number.is_multiple_of(2)) {
            allergy["coding"] = json!([yj(code)]);
        }
        let coded = |system: &str, code: &str| json!({ "coding": [{ "system": system, "code": code }] });
        let clinical = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
        let mut all = vec![resource("Patient", &id, self.patient(listed))];
        all.push(resource(
            "AllergyIntolerance",
            &format!("{id}-al"),
            json!({
                "clinicalStatus": coded(clinical, "active"),
                "criticality": if version > 1 { "high" } else { "low" },
                "code": allergy,
                "patient": subject,
            }),
        ));
        all.push(resource(
            "MedicationRequest",
            &format!("{id}-mr"),
            json!({
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": {
                    "text": listed.drug,
                    "coding": [yj(drug_code), { "system": "http://medis.or.jp/CodeSystem/master-HOT9", "code": drug_hot }],
                },
                "subject": subject,
                "authoredOn": "2026-01-05T09:00:00+09:00",
                "dosageInstruction": [{ "text": format!("1回{version}錠 1日3回 毎食後") }],
            }),
        ));
        all.push(resource(
            "Condition",
            &format!("{id}-co"),
            json!({
                "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
                "code": {
                    "text": problem[0],
                    "coding": [{ "system": "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full", "code": problem[1] }],
                },
                "subject": subject,
            }),
        ));
        all.push(resource(
            "Observation",
            &format!("{id}-ob"),
            json!({
                "status": "final",
                "category": [coded("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")],
                "code": { "text": "カリウム", "coding": [{ "system": "http://loinc.org", "code": "2823-3" }] },
                "subject": subject,
                "effectiveDateTime": "2026-01-05T09:00:00+09:00",
                "valueQuantity": { "value": 4.25, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L" },
            }),
        ));
        all
    }

    fn patient(&self, listed: &Listed) -> Value {
        let name = |text: &str, how: &str| {
            let mut name = json!({
                "use": "official",
                "text": text,
                "extension": [{ "url": REPRESENTATION, "valueCode": how }],
            });
            if let Some((family, given)) = text.split_once(char::is_whitespace) {
                (name["family"], name["given"]) = (json!(family), json!([given]));
            }
            name
        };
        let mut names = vec![name(&listed.person.name, "IDE")];
        names.extend(listed.person.kana.iter().map(|kana| name(kana, "SYL")));
        json!({
            "identifier": [
                {
                    "use": "usual",
                    "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR" }] },
                    "system": self.system(),
                    "value": self.number(listed.number),
                },
                { "system": "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID", "value": listed.insurance },
            ],
            "name": names,
            "gender": listed.person.sex,
            "birthDate": listed.person.birth_date,
            "telecom": [{ "system": "phone", "value": listed.phone }],
            "address": [{
                "text": format!("神奈川県三浦市三崎{}丁目{}番1号", 1 + listed.number % 6, listed.number),
                "postalCode": format!("238-{:04}", listed.number),
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn list(source: &str, version: u64) -> InventedList {
        InventedList { name: "町".to_owned(), source: source.to_owned(), people: 30, version }
    }

    #[test]
    fn a_list_is_the_same_wherever_it_is_asked_for_and_another_source_differs_a_little() {
        let (one, other) = (list("east", 1).people(), list("west", 1).people());
        assert_eq!(one, list("east", 1).people());
        assert_eq!(list("east", 1).resources(), list("east", 1).resources());
        let pairs = || one.iter().zip(&other);
        assert!(pairs().all(|(a, b)| a.insurance == b.insurance && a.record != b.record));
        let exact = pairs().filter(|(a, b)| a.exact && b.exact).count();
        assert!((3..20).contains(&exact), "{exact}");
        assert!(pairs().all(|(a, b)| !(a.exact && b.exact) || a.person == b.person));
        assert!(one.iter().any(|listed| listed.harmed) && one.iter().any(|listed| !listed.harmed));
    }

    #[test]
    fn a_later_version_has_the_same_ids_and_says_something_else() {
        let ids = |version| -> BTreeSet<String> {
            list("east", version)
                .resources()
                .iter()
                .map(|one| one["id"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(ids(1), ids(2));
        assert_eq!(ids(1).len(), 1 + 30 * 5);
        assert!(list("east", 1).resources().iter().zip(list("east", 2).resources()).all(|(a, b)| *a != b));
        let valid = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        assert!(ids(1).iter().all(|id| id.len() <= 64 && id.chars().all(valid)));
    }
}
