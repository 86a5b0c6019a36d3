//! The workload: records as a hospital has them, and what people write into some of them on both sides of a cut.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::base::RecordId;
use crate::drill::chance::Chance;
use crate::drill::people::{Person, person};
use crate::replica::request::{MedicationAction, Write};
use crate::replica::section_write::SectionWrite;

/// FHIR resources of one record: a patient, 5 allergies, 10 medications, 8 conditions, 20 observations and 2 notes; some
/// 15 kB of JSON. The same content was given to other programs that this one is compared with.
pub const RESOURCES: u64 = 46;
/// Of so many records that are edited, one is edited on both sides.
const SHARED_EVERY: u64 = 10;
/// Under this address the invented hospital numbers its patients.
pub(super) const SYSTEM: &str = "urn:musubi:bench:patients";

pub(super) const SUBSTANCES: [&str; 10] = [
    "ペニシリン",
    "そば",
    "卵",
    "セフェム系",
    "ラテックス",
    "造影剤",
    "アスピリン",
    "落花生",
    "えび",
    "キシロカイン",
];
pub(super) const DRUGS: [[&str; 2]; 10] = [
    ["アムロジピンOD錠5mg", "2171022F4017"],
    ["ワーファリン錠1mg", "3332001F1024"],
    ["メトホルミン塩酸塩錠250mg", "3962002F2027"],
    ["バイアスピリン錠100mg", "3399007H1021"],
    ["ランソプラゾールOD錠15mg", "2329023F1020"],
    ["ロキソプロフェンNa錠60mg", "1149019F1560"],
    ["フロセミド錠20mg", "2139005F1052"],
    ["アトルバスタチン錠10mg", "2189015F2023"],
    ["センノシド錠12mg", "2354003F2340"],
    ["酸化マグネシウム錠330mg", "2344009F2031"],
];
pub(super) const ILLS: [[&str; 2]; 8] = [
    ["高血圧症", "I10"],
    ["2型糖尿病", "E11"],
    ["心房細動", "I48"],
    ["慢性腎臓病", "N18"],
    ["脂質異常症", "E78"],
    ["変形性膝関節症", "M17"],
    ["気管支喘息", "J45"],
    ["骨粗鬆症", "M81"],
];
const TESTS: [&str; 20] = [
    "Na", "K", "Cl", "BUN", "Cre", "AST", "ALT", "LDH", "γ-GTP", "CRP", "WBC", "RBC", "Hb", "Plt", "Glu",
    "HbA1c", "TG", "LDL", "HDL", "BNP",
];

/// Records and edits that are drawn from a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// How many records.
    pub records: u64,
    /// How many of them are edited on each side in one round.
    pub edited: u64,
    /// What all is drawn from.
    pub seed: u64,
}

/// What is written into one record on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The record.
    pub record: RecordId,
    /// What people type there.
    pub writes: Vec<Write>,
    /// The patient as the side's own system sends it, if the phone number changed.
    pub patient: Option<Value>,
}

impl Workload {
    /// Writes all records as NDJSON; `told` hears how many are written. Returns the bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_to(&self, file: &mut dyn io::Write, told: &mut dyn FnMut(u64)) -> io::Result<u64> {
        let mut bytes = 0;
        let mut file = io::BufWriter::new(file);
        for number in 0..self.records {
            for resource in self.record(number) {
                let line = resource.to_string();
                bytes += line.len() as u64 + 1;
                writeln!(file, "{line}")?;
            }
            told(number + 1);
        }
        file.flush()?;
        Ok(bytes)
    }

    /// Returns what one side (0 or 1) writes in a round: into as many records as are asked for, and every tenth of them is
    /// edited on both sides.
    pub fn edits(&self, round: u64, side: u64) -> Vec<Edit> {
        let common = self.edited.div_ceil(SHARED_EVERY);
        let own = self.edited - common;
        // Common records first, then those of the one side, then those of the other; the next round takes others.
        let span = common + 2 * own;
        let at = |place: u64| (round * span + place) % self.records.max(1);
        let shared = (0..common).map(|place| self.edit(at(place), round, side, true));
        let alone = (0..own).map(|place| self.edit(at(common + side * own + place), round, side, false));
        shared.chain(alone).collect()
    }

    fn edit(&self, number: u64, round: u64, side: u64, shared: bool) -> Edit {
        let mut chance = self.chance(number).fork(&format!("edit {round} {side}"));
        let mut below = |most: u64| chance.below(most);
        let text = format!(
            "巡回{}。{}により通院中。血圧{}/{}、体温{}.{}度。{}を継続し、次回{}週後。担当{}。",
            round + 1,
            ILLS[below(8) as usize][0],
            100 + below(80),
            60 + below(40),
            35 + below(4),
            below(10),
            DRUGS[below(10) as usize][0],
            1 + below(8),
            ["北", "南"][side as usize % 2],
        );
        let pulse = (50 + below(80)).to_string();
        let mut writes = vec![
            Write::Note { text, title: None },
            Write::Section(SectionWrite::Vital { sign: "pulse".to_owned(), value: pulse }),
        ];
        if shared {
            let substance = format!("{}（{}回目）", SUBSTANCES[below(10) as usize], round + 1);
            writes.push(Write::Allergy {
                substance,
                code: None,
                criticality: Some("low".to_owned()),
                refute: None,
            });
            writes.push(Write::Medication {
                action: MedicationAction::Start,
                drug: format!("{}（{}）", DRUGS[below(10) as usize][0], ["北", "南"][side as usize % 2]),
                code: None,
                dose: Some("1錠 1日1回 朝食後".to_owned()),
                reason: None,
            });
        }
        // No Japanese subscriber's number begins with 0: none of these can be dialled.
        let phone = format!("0{}0-0{:03}-{:04}", 7 + below(3), below(1_000), below(10_000));
        let patient = shared.then(|| self.patient(number, &phone));
        Edit { record: self.record_id(number), writes, patient }
    }

    fn chance(&self, number: u64) -> Chance {
        Chance::of_seed(self.seed).fork(&format!("bench record {number}"))
    }

    fn record_id(&self, number: u64) -> RecordId {
        RecordId::of_patient(SYSTEM, &format!("{number:08}"))
    }

    fn patient(&self, number: u64, phone: &str) -> Value {
        let Person { name, kana, birth_date, sex } = person(number, &Chance::of_seed(self.seed));
        let mr = json!({ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR" }] });
        let written = |text: &str, how: &str| {
            json!({ "use": "official", "text": text, "extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": how,
            }] })
        };
        let mut names = vec![written(&name, "IDE")];
        names.extend(kana.iter().map(|kana| written(kana, "SYL")));
        json!({
            "resourceType": "Patient", "id": patient_id(number),
            "identifier": [{ "use": "usual", "type": mr, "system": SYSTEM, "value": format!("{number:08}") }],
            "name": names, "gender": sex, "birthDate": birth_date,
            "address": [{ "text": format!("神奈川県横須賀市栄{}丁目{}-{}", 1 + number % 9, 1 + number % 30, 1 + number % 20) }],
            "telecom": [{ "system": "phone", "value": phone }],
        })
    }

    /// The resources of one record.
    fn record(&self, number: u64) -> Vec<Value> {
        let mut chance = self.chance(number);
        let mut below = |most: u64| chance.below(most);
        let id = patient_id(number);
        let subject = json!({ "reference": format!("Patient/{id}") });
        let status = |kind: &str| {
            let system = format!("http://terminology.hl7.org/CodeSystem/{kind}-clinical");
            json!({ "coding": [{ "system": system, "code": "active" }] })
        };
        let coded = |text: &str, system: &str, code: String| json!({ "text": text, "coding": [{ "system": system, "code": code }] });
        let mut all = vec![self.patient(number, &format!("046-0{:02}-{:04}", below(100), below(10_000)))];
        let day = |below: &mut dyn FnMut(u64) -> u64| {
            format!("20{:02}-{:02}-{:02}", 10 + below(17), 1 + below(12), 1 + below(28))
        };
        for index in 0..5 {
            let substance = SUBSTANCES[(index * 2 + below(2)) as usize];
            let system = "http://jpfhir.jp/fhir/core/CodeSystem/JP_JfagyMedicationAllergen_CS";
            let criticality = ["low", "high"][below(2) as usize];
            all.push(json!({
                "resourceType": "AllergyIntolerance", "id": format!("{id}-a{index}"), "clinicalStatus": status("allergyintolerance"),
                "criticality": criticality, "code": coded(substance, system, format!("{:07}", below(10_000_000))),
                "patient": subject, "recordedDate": day(&mut below),
            }));
        }
        for (index, [drug, code]) in DRUGS.iter().enumerate() {
            let system = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code";
            let dose = format!("{}錠 1日{}回 朝食後", 1 + below(3), 1 + below(3));
            all.push(json!({
                "resourceType": "MedicationRequest", "id": format!("{id}-m{index}"), "status": "active", "intent": "order",
                "medicationCodeableConcept": coded(drug, system, (*code).to_owned()),
                "subject": subject, "authoredOn": day(&mut below), "dosageInstruction": [{ "text": dose }],
            }));
        }
        for (index, [ill, code]) in ILLS.iter().enumerate() {
            let system = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full";
            all.push(json!({
                "resourceType": "Condition", "id": format!("{id}-c{index}"), "clinicalStatus": status("condition"),
                "code": coded(ill, system, (*code).to_owned()), "subject": subject, "onsetDateTime": day(&mut below),
            }));
        }
        for (index, test) in TESTS.iter().enumerate() {
            let value = (10 + below(3_000)) as f64 / 10.0;
            all.push(json!({
                "resourceType": "Observation", "id": format!("{id}-o{index}"), "status": "final",
                "code": coded(test, "urn:oid:1.2.392.200119.4.1005", format!("3{index:04}")), "subject": subject,
                "effectiveDateTime": day(&mut below),
                "valueQuantity": { "value": value, "unit": "mg/dL" },
            }));
        }
        for index in 0..2 {
            let text = format!(
                "{} 診察。{}にて通院中。血圧{}/{}。{}を継続。次回{}週後。",
                day(&mut below),
                ILLS[below(8) as usize][0],
                100 + below(80),
                60 + below(40),
                DRUGS[below(10) as usize][0],
                2 + below(6)
            );
            let data = data_encoding::BASE64.encode(text.as_bytes());
            all.push(json!({
                "resourceType": "DocumentReference", "id": format!("{id}-n{index}"), "status": "current", "docStatus": "final",
                "type": { "text": "経過記録" }, "subject": subject, "date": format!("{}T10:00:00+09:00", day(&mut below)),
                "content": [{ "attachment": { "contentType": "text/plain", "data": data } }],
            }));
        }
        all
    }
}

fn patient_id(number: u64) -> String {
    format!("p{number:07}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SMALL: Workload = Workload { records: 400, edited: 40, seed: 7 };

    #[test]
    fn a_record_has_46_resources_of_some_15_kilobytes() {
        let mut text = Vec::new();
        let mut told = 0;
        let bytes = SMALL.write_to(&mut text, &mut |done| told = done).unwrap();
        assert_eq!((bytes, told), (text.len() as u64, 400));
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count() as u64, 400 * RESOURCES);
        assert!((12_000..18_000).contains(&(bytes / 400)), "{}", bytes / 400);
        let ids: BTreeSet<String> = SMALL.record(3).iter().map(|one| one["id"].to_string()).collect();
        assert_eq!(ids.len() as u64, RESOURCES);
        assert_eq!(SMALL.record(3), SMALL.record(3));
        assert_ne!(SMALL.record(3)[30], Workload { seed: 8, ..SMALL }.record(3)[30]);
    }

    #[test]
    fn a_tenth_of_what_is_edited_is_edited_on_both_sides_and_each_round_takes_other_records() {
        let of = |round, side| -> BTreeSet<RecordId> {
            SMALL.edits(round, side).iter().map(|edit| edit.record).collect()
        };
        assert_eq!((of(0, 0).len(), of(0, 1).len()), (40, 40));
        assert_eq!(of(0, 0).intersection(&of(0, 1)).count(), 4);
        assert!(of(0, 0).is_disjoint(&of(1, 1)) && of(0, 1).is_disjoint(&of(1, 0)));
        let writes: usize = SMALL.edits(0, 0).iter().map(|edit| edit.writes.len()).sum();
        assert_eq!(writes, 40 * 2 + 4 * 2);
        let edits = [SMALL.edits(0, 0), SMALL.edits(0, 1)];
        let phones: BTreeSet<String> = edits
            .iter()
            .flatten()
            .filter_map(|edit| Some(edit.patient.as_ref()?["telecom"].to_string()))
            .collect();
        assert_eq!(phones.len(), 8);
    }
}
