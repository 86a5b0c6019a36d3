//! `usb-courier` and `qr-handover`: what is carried by hand where no path is left.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{
    Mark, Mistake, PATIENT, PatientAlias, Scenario, Shape, Told, Walk, Words, may, need,
};
use super::super::units::length;
use super::words::{site, told};
use super::{Event, EventKind};

/// How long a courier takes who does not say it.
const TAKES: Duration = Duration::from_secs(3 * 3_600);

/// The kind.
pub static USB_COURIER: EventKind = EventKind {
    name: "usb-courier",
    does: Words {
        en: "a courier carries a stick with everything in shared areas from one replica to another, which imports what of it is \
             whole",
        ja: "使者が、共有区域のすべてを入れた USB メモリーを運ぶ。着いた先では、そのうち壊れていない部分を取り込む",
    },
    keys: &[
        need("from", Shape::Text, "the replica that writes the stick", "書き出すレプリカ"),
        need("to", Shape::Text, "the replica that reads it", "読み込むレプリカ"),
        may("takes", Shape::Span, "how long the way is; default 3h", "道中の時間。既定は 3h"),
        may(
            "lost",
            Shape::Flag,
            "the stick is lost on the way; default false",
            "途中で失われる。既定は false",
        ),
        may(
            "torn-percent",
            Shape::Whole(1, 99),
            "so much of the file's end is missing, because the stick was pulled too early; default 0",
            "早く抜いたため、ファイルの末尾がこれだけ欠けている。既定は 0",
        ),
    ],
    live: true,
    example: "from = \"north\"\nto = \"tablet\"\ntakes = \"5h\"\ntorn-percent = 20\nlost = false",
    read: |table, names| {
        let (from, to) = (table.text("from")?, table.text("to")?);
        let (source, target) = (names.replica(&from)?, names.replica(&to)?);
        let takes = table.optional_span("takes")?.map_or(TAKES, |takes| takes.value);
        let lost = table.optional_flag("lost")?.unwrap_or_default();
        let torn = table.optional_number("torn-percent")?.map_or(0, |torn| torn.value);
        match source == target {
            true => Err(Mistake::at(to.line, "a courier goes from one replica to another")),
            false => Ok(Arc::new(Courier { from: source, to: target, takes, lost, torn })),
        }
    },
};

/// The kind.
pub static QR_HANDOVER: EventKind = EventKind {
    name: "qr-handover",
    does: Words {
        en: "one patient's card is handed over on paper, as QR codes, which the other replica reads without any path",
        ja: "一人の患者のカードを QR コードで紙に印刷して渡す。相手は回線なしで読み取る",
    },
    keys: &[
        need("from", Shape::Text, "the replica that prints", "印刷するレプリカ"),
        need("to", Shape::Text, "the replica that reads", "読み取るレプリカ"),
        PATIENT,
    ],
    live: true,
    example: "from = \"north\"\nto = \"tablet\"\npatient = \"oka\"",
    read: |table, names| {
        let (from, to) = (table.text("from")?, table.text("to")?);
        let (source, target) = (names.replica(&from)?, names.replica(&to)?);
        let alias = table.text("patient")?;
        let patient = names.patient(&alias)?;
        match source == target {
            true => Err(Mistake::at(to.line, "a card is handed from one replica to another")),
            false => Ok(Arc::new(Handover { from: source, to: target, patient })),
        }
    },
};

#[derive(Debug)]
struct Courier {
    from: usize,
    to: usize,
    takes: Duration,
    lost: bool,
    torn: u64,
}

impl Event for Courier {
    fn kind(&self) -> &'static EventKind {
        &USB_COURIER
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.runs(self.from)?;
        if self.lost {
            walk.mark(Mark::Fault);
        }
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let stick = chance.below(u64::MAX);
        let mut deeds = vec![Deed::PackStick { at: self.from, stick }.at_once()];
        if !self.lost {
            let read = Deed::ReadStick { at: self.to, stick, torn_percent: self.torn };
            deeds.push(read.after(self.takes));
        }
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (from, to) = (site(scenario, self.from), site(scenario, self.to));
        let takes = length(self.takes);
        match (self.lost, self.torn) {
            (true, _) => told(
                format!("A courier leaves {from} for {to} with a stick, and never arrives"),
                format!("使者が USB メモリーを持って{from}から{to}へ向かうが、着かない"),
            ),
            (false, 0) => told(
                format!("A courier carries a stick from {from} to {to}, {} on the way", takes.en),
                format!("使者が USB メモリーを{from}から{to}へ運ぶ。道中{}", takes.ja),
            ),
            (false, torn) => told(
                format!(
                    "A courier carries a stick from {from} to {to}, {} on the way; {torn} % of it is missing",
                    takes.en
                ),
                format!(
                    "使者が USB メモリーを{from}から{to}へ運ぶ。道中{}、末尾の{torn}%が欠けている",
                    takes.ja
                ),
            ),
        }
    }
}

#[derive(Debug)]
struct Handover {
    from: usize,
    to: usize,
    patient: PatientAlias,
}

impl Event for Handover {
    fn kind(&self) -> &'static EventKind {
        &QR_HANDOVER
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.runs(self.from)?;
        walk.runs(self.to)
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let (at, to, patient) = (self.from, self.to, self.patient.clone());
        vec![Deed::HandCard { at, to, patient }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (from, to) = (site(scenario, self.from), site(scenario, self.to));
        told(
            format!("{from} prints the card of '{}' as QR codes, and {to} reads it", self.patient),
            format!("{from}が患者「{}」のカードを QR コードで印刷し、{to}が読み取る", self.patient),
        )
    }
}
