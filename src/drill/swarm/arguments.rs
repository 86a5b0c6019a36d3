//! What people of a random region write at two places at the same time, and whom they take for one another.

use std::time::Duration;

use super::invent::{Inventor, minutes};
use super::region::{Happens, name_of};

impl Inventor {
    /// People at two places write different things about one patient at the same time.
    pub(super) fn arguments(&mut self) {
        for _ in 0..1 + self.chance.below(3) {
            let Some([one, other]) = self.a_pair() else { return };
            let patient = self.alias();
            let registered = self.within(minutes(1), minutes(20));
            let name = format!("訓練 {patient}");
            let register = Happens::at(registered, "register").text("at", name_of(one)).text("as", &patient);
            self.region.events.push(register.text("name", name));
            let known = Happens::then("allergy").text("at", name_of(one)).text("patient", &patient);
            self.region.events.push(known.text("substance", "そば"));
            let mut argued = self.within(registered + minutes(10), registered + minutes(40));
            for _ in 0..2 + self.chance.below(3) {
                let parted = self.parted(argued, [one, other]);
                self.region.events.extend(parted);
                // As often as not it is what must never be decided by the clock: an allergy, and no allergy.
                let opposed = self.chance.share(0.5);
                for (at, first) in [(one, 0), (other, 2)] {
                    let kind = if opposed { first } else { self.chance.below(6) };
                    let event = argument(kind, argued, at, &patient);
                    self.region.events.push(event);
                }
                if argued + minutes(3) >= self.region.ends {
                    break;
                }
                argued = self.within(argued + minutes(2), self.region.ends - minutes(1));
            }
        }
    }

    /// Cuts the line between two shortly before they write, so that they do not know of each other.
    fn parted(&mut self, time: Duration, ends: [usize; 2]) -> Vec<Happens> {
        if !self.chance.share(0.5) {
            return Vec::new();
        }
        let between = format!("[\"{}\", \"{}\"]", name_of(ends[0]), name_of(ends[1]));
        let cut = Happens::at(time - minutes(1), "cut").key("between", &between);
        let heal = Happens::at(time + Duration::from_secs(30), "heal").key("between", &between);
        vec![cut, heal]
    }

    /// Two people are linked, one of them is given a drug, and the link is undone: there, or where it may be unknown.
    pub(super) fn wrong_link(&mut self, time: Duration) {
        let Some([at, elsewhere]) = self.a_pair() else { return };
        let (one, other) = (self.alias(), self.alias());
        for (place, patient) in [&one, &other].into_iter().enumerate() {
            let register = match place {
                0 => Happens::at(time, "register"),
                _ => Happens::then("register"),
            };
            let register = register.text("at", name_of(at)).text("as", patient);
            self.region.events.push(register.text("name", format!("訓練 {patient}")));
        }
        self.region.events.push(argument(0, time, at, &one));
        let tie = |event: Happens, at: usize| {
            event.text("at", name_of(at)).text("patient", &one).text("with", &other)
        };
        self.region.events.push(tie(Happens::then("link"), at));
        self.region.events.push(Happens { time: None, ..argument(3, time, at, &other) });
        let undone = time + minutes(1 + self.chance.below(30));
        if undone < self.region.ends && self.chance.share(0.8) {
            let from = if self.chance.share(0.5) { at } else { elsewhere };
            let order = argument(self.chance.below(6), undone, elsewhere, &one);
            let unlink = tie(Happens::at(undone, "unlink"), from).key("not-same", self.chance.share(0.5));
            self.region.events.extend([order, unlink]);
        }
    }
}

/// What somebody writes about a patient about whom others write at the same time; `kind` is below 6.
pub(super) fn argument(kind: u64, time: Duration, at: usize, patient: &str) -> Happens {
    let about = |event| Happens::at(time, event).text("at", name_of(at)).text("patient", patient);
    match kind {
        0 | 1 => about("allergy").text("substance", "そば").text("criticality", "high"),
        2 => about("allergy").text("substance", "そば").text("refute", "問診で否定"),
        3 => about("medication").text("action", "start").text("drug", "ワルファリン").text("dose", "2mg"),
        4 => about("medication").text("action", "stop").text("drug", "ワルファリン"),
        _ => about("handover").text("text", format!("{}より、夜間は見守り。", name_of(at))),
    }
}
