//! `register`, `allergy`, `medication`, `note` and `handover`: somebody writes about a patient.

use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{
    AT_ONE, Fields, HandoverEdit, Mark, Mistake, PATIENT, PatientAlias, Scenario, Shape, Told, Walk, Words,
    may, need,
};
use super::words::{site, told};
use super::{Event, EventKind};
use crate::replica::request::{MedicationAction, NewPatient, Write};
use crate::replica::section_write::SectionWrite;

const MEDICATION_ACTIONS: [(&str, MedicationAction); 4] = [
    ("start", MedicationAction::Start),
    ("change", MedicationAction::Change),
    ("hold", MedicationAction::Hold),
    ("stop", MedicationAction::Stop),
];
const SEXES: &[&str] = &["male", "female", "other", "unknown"];

/// The kind.
pub static REGISTER: EventKind = EventKind {
    name: "register",
    does: Words {
        en: "a patient is registered in a new record", ja: "患者を新しい記録に登録する"
    },
    keys: &[
        AT_ONE,
        need(
            "as",
            Shape::Text,
            "a new alias, by which later events name the patient",
            "以後の出来事で使う新しい別名",
        ),
        need("name", Shape::Text, "family and given name, with a space between", "姓と名（間に空白）"),
        may("kana", Shape::Text, "the reading", "読み"),
        may("birth-date", Shape::Text, "YYYY-MM-DD", "生年月日（YYYY-MM-DD）"),
        may(
            "sex",
            Shape::OneOf(SEXES),
            "male, female, other or unknown",
            "male、female、other、unknown のいずれか",
        ),
    ],
    live: true,
    example: "at = \"tablet\"\nas = \"wanderer\"\nname = \"身元不明 三崎一\"\nsex = \"male\"",
    read: |table, names| {
        let at = names.at(table)?;
        let alias = PatientAlias(table.text("as")?.value);
        let name = table.text("name")?.value;
        let mut optional = |key| Ok::<_, Mistake>(table.optional_text(key)?.map(|text| text.value));
        let (kana, birth_date, sex) = (optional("kana")?, optional("birth-date")?, optional("sex")?);
        Ok(Arc::new(Register { at, alias, patient: NewPatient { name, kana, birth_date, sex } }))
    },
};

/// The kind.
pub static ALLERGY: EventKind = EventKind {
    name: "allergy",
    does: Words {
        en: "an allergy is recorded, or refuted", ja: "アレルギーを記録する、または否定する"
    },
    keys: &[
        AT_ONE,
        PATIENT,
        need("substance", Shape::Text, "as people name it", "物質の呼び名"),
        may("code", Shape::Text, "SYSTEM|CODE", "コード（SYSTEM|CODE）"),
        may(
            "criticality",
            Shape::OneOf(&["high", "low", "unable-to-assess"]),
            "how dangerous it is",
            "危険の程度",
        ),
        may("refute", Shape::Text, "the reason: the allergy is refuted", "否定する場合、その理由"),
    ],
    live: true,
    example: "at = \"tablet\"\npatient = \"oka\"\nsubstance = \"アモキシシリン\"\ncriticality = \"high\"",
    read: |table, names| {
        let (at, patient) = (names.at(table)?, names.patient(&table.text("patient")?)?);
        let substance = table.text("substance")?.value;
        let mut optional = |key| Ok::<_, Mistake>(table.optional_text(key)?.map(|text| text.value));
        let (code, criticality, refute) = (optional("code")?, optional("criticality")?, optional("refute")?);
        let write = Write::Allergy { substance, code, criticality, refute };
        Ok(Arc::new(Written { kind: &ALLERGY, at, patient, write }))
    },
};

/// The kind.
pub static MEDICATION: EventKind = EventKind {
    name: "medication",
    does: Words {
        en: "a drug is started, changed, held or stopped", ja: "薬を開始、変更、休薬、中止する"
    },
    keys: &[
        AT_ONE,
        PATIENT,
        need("action", Shape::OneOf(&["start", "change", "hold", "stop"]), "what is done", "することの種類"),
        need("drug", Shape::Text, "as people name it", "薬の呼び名"),
        may("code", Shape::Text, "SYSTEM|CODE", "コード（SYSTEM|CODE）"),
        may("dose", Shape::Text, "such as 5mg 1日1回朝食後", "用量と用法（5mg 1日1回朝食後 など）"),
        may("reason", Shape::Text, "why", "理由"),
    ],
    live: true,
    example: "at = \"north\"\npatient = \"oka\"\naction = \"start\"\ndrug = \"ワルファリン\"\ndose = \"2mg 1日1回夕食後\"",
    read: |table, names| {
        let (at, patient) = (names.at(table)?, names.patient(&table.text("patient")?)?);
        let action = table.text("action")?.choose("action", &MEDICATION_ACTIONS)?;
        let drug = table.text("drug")?.value;
        let mut optional = |key| Ok::<_, Mistake>(table.optional_text(key)?.map(|text| text.value));
        let (code, dose, reason) = (optional("code")?, optional("dose")?, optional("reason")?);
        let write = Write::Medication { action, drug, code, dose, reason };
        Ok(Arc::new(Written { kind: &MEDICATION, at, patient, write }))
    },
};

/// The kind.
pub static ADMINISTRATION: EventKind = EventKind {
    name: "administration",
    does: Words { en: "a dose is given, now", ja: "薬を一回、今、投与する" },
    keys: &[
        AT_ONE,
        PATIENT,
        need("drug", Shape::Text, "as people name it", "薬の呼び名"),
        may("dose", Shape::Text, "such as 0.3mg 筋注", "量と方法（0.3mg 筋注 など）"),
    ],
    live: true,
    example: "at = \"north\"\npatient = \"oka\"\ndrug = \"モルヒネ\"\ndose = \"5mg 皮下注\"",
    read: |table, names| {
        let (at, patient) = (names.at(table)?, names.patient(&table.text("patient")?)?);
        let drug = table.text("drug")?.value;
        let dose = table.optional_text("dose")?.map(|dose| dose.value);
        let form = SectionWrite::Administration { drug, code: None, dose, at: None };
        Ok(Arc::new(Written { kind: &ADMINISTRATION, at, patient, write: Write::Section(form) }))
    },
};

/// The kind.
pub static NOTE: EventKind = EventKind {
    name: "note",
    does: Words { en: "a signed note is written", ja: "署名のある記録を書く" },
    keys: &[
        AT_ONE,
        PATIENT,
        need("text", Shape::Text, "the note", "本文"),
        may("title", Shape::Text, "its title", "題"),
    ],
    live: true,
    example: "at = \"tablet\"\npatient = \"oka\"\ntext = \"右前腕に挫創、圧迫止血。\"",
    read: |table, names| {
        let (at, patient) = (names.at(table)?, names.patient(&table.text("patient")?)?);
        let text = table.text("text")?.value;
        let write = Write::Note { text, title: table.optional_text("title")?.map(|title| title.value) };
        Ok(Arc::new(Written { kind: &NOTE, at, patient, write }))
    },
};

/// The kind.
pub static HANDOVER: EventKind = EventKind {
    name: "handover",
    does: Words {
        en: "the hand-over text is written, or something is typed right after a phrase of it",
        ja: "申し送りを書く、またはその中の語句のすぐ後に書き足す",
    },
    keys: &[
        AT_ONE,
        PATIENT,
        may("text", Shape::Text, "the whole text", "全文"),
        may("insert", Shape::Text, "what is typed, instead of 'text'", "書き足す文字（'text' の代わり）"),
        may("after", Shape::Text, "the phrase after which it is typed", "その直前にある語句"),
    ],
    live: true,
    example: "at = \"north\"\npatient = \"oka\"\ninsert = \"と血圧二時間毎\"\nafter = \"夜間は見守り\"",
    read: |table, names| {
        let (at, patient) = (names.at(table)?, names.patient(&table.text("patient")?)?);
        Ok(Arc::new(Handover { at, patient, edit: edit(table)? }))
    },
};

#[derive(Debug)]
struct Register {
    at: usize,
    alias: PatientAlias,
    patient: NewPatient,
}

#[derive(Debug)]
struct Written {
    kind: &'static EventKind,
    at: usize,
    patient: PatientAlias,
    write: Write,
}

#[derive(Debug)]
struct Handover {
    at: usize,
    patient: PatientAlias,
    edit: HandoverEdit,
}

fn edit(table: &mut Fields<'_>) -> Result<HandoverEdit, Mistake> {
    let whole = table.optional_text("text")?;
    let insert = table.optional_text("insert")?;
    let after = table.optional_text("after")?;
    match (whole, insert, after) {
        (Some(whole), None, None) => Ok(HandoverEdit::Whole(whole.value)),
        (None, Some(insert), Some(after)) => {
            Ok(HandoverEdit::Insert { text: insert.value, after: after.value })
        }
        (_, _, _) => Err(table.mistake("takes either 'text', or 'insert' and 'after'")),
    }
}

/// Notes that a patient is written about at a replica.
pub(super) fn writes(walk: &mut Walk<'_>, at: usize, patient: &PatientAlias) -> Result<(), String> {
    walk.runs(at)?;
    if walk.scenario().patients.contains_key(patient) && !walk.has(Mark::Imported) {
        return Err(format!(
            "names patient '{patient}' before any event 'import'; import the data before, or 'register' the patient"
        ));
    }
    walk.mark(Mark::Written);
    Ok(())
}

impl Event for Register {
    fn kind(&self) -> &'static EventKind {
        &REGISTER
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.runs(self.at)?;
        walk.mark(Mark::Written);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let (alias, patient) = (self.alias.clone(), self.patient.clone());
        vec![Deed::Register { at: self.at, alias, patient }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (site, alias) = (site(scenario, self.at), &self.alias);
        told(format!("{site} registers {alias}"), format!("{site}が{alias}を登録する"))
    }

    fn registers(&self) -> Option<&PatientAlias> {
        Some(&self.alias)
    }
}

impl Event for Written {
    fn kind(&self) -> &'static EventKind {
        self.kind
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        writes(walk, self.at, &self.patient)?;
        if matches!(self.write, Write::Allergy { .. }) {
            walk.mark(Mark::Allergy);
        }
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let (patient, write) = (self.patient.clone(), self.write.clone());
        vec![Deed::Write { at: self.at, patient, write }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (site, patient, words) = (site(scenario, self.at), &self.patient, written(&self.write));
        told(format!("{site} {} {patient}", words.en), format!("{site}が{patient}{}", words.ja))
    }
}

impl Event for Handover {
    fn kind(&self) -> &'static EventKind {
        &HANDOVER
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        writes(walk, self.at, &self.patient)
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let (patient, edit) = (self.patient.clone(), self.edit.clone());
        vec![Deed::Handover { at: self.at, patient, edit }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (site, patient) = (site(scenario, self.at), &self.patient);
        match &self.edit {
            HandoverEdit::Whole(_) => told(
                format!("{site} writes the hand-over of {patient}"),
                format!("{site}が{patient}の申し送りを書く"),
            ),
            HandoverEdit::Insert { text, after } => told(
                format!("{site} types \"{text}\" after \"{after}\" in the hand-over of {patient}"),
                format!("{site}が{patient}の申し送りの「{after}」の後に「{text}」と書き足す"),
            ),
        }
    }
}

fn written(write: &Write) -> Told {
    match write {
        Write::Note { .. } => told("writes a note about", "について記録を書く"),
        Write::Allergy { substance, refute: None, .. } => told(
            format!("records an allergy to {substance} of"),
            format!("の{substance}アレルギーを記録する"),
        ),
        Write::Allergy { substance, refute: Some(_), .. } => told(
            format!("refutes the allergy to {substance} of"),
            format!("の{substance}アレルギーを否定する"),
        ),
        Write::Medication { action, drug, dose, .. } => {
            let dose = dose.as_ref().map(|dose| format!(" {dose}")).unwrap_or_default();
            match action {
                MedicationAction::Start => {
                    told(format!("prescribes {drug}{dose} to"), format!("に{drug}{dose}を処方する"))
                }
                MedicationAction::Change => {
                    told(format!("changes {drug} to{dose} for"), format!("の{drug}を{dose}に変更する"))
                }
                MedicationAction::Hold => told(format!("holds {drug} of"), format!("の{drug}を休薬する")),
                MedicationAction::Stop => told(format!("stops {drug} of"), format!("の{drug}を中止する")),
            }
        }
        Write::Section(SectionWrite::Administration { drug, dose, .. }) => {
            let dose = dose.as_ref().map(|dose| format!(" {dose}")).unwrap_or_default();
            told(format!("gives {drug}{dose} to"), format!("に{drug}{dose}を投与する"))
        }
        Write::Section(_) => told("writes a form about", "について所定の様式に記入する"),
        Write::Handover { .. } => told("writes the hand-over of", "の申し送りを書く"),
        Write::Annotation { .. } => told("annotates a statement of", "の記載に注釈を付ける"),
    }
}
