//! What goes wrong in a random region, and when.

use std::time::Duration;

use super::class::Class;
use super::invent::{AREAS, Inventor, SETTLED, minutes};
use super::region::{Happens, QUIET_ROT, Shift, name_of};
use crate::drill::scenario::write_span;

/// Fewest and most events of a region, before what cannot be is taken out.
const EVENTS: (u64, u64) = (10, 40);
/// How long a lull may take, until something rots: all must hold the same first.
const LULL: Duration = minutes(60);

impl Inventor {
    pub(super) fn faults(&mut self) {
        let (begins, ends) = (self.begins, self.region.ends);
        let rotting = if self.has(Class::DiskCorrupt) { self.a_disk_that_may_rot() } else { None };
        if let Some(disk) = rotting {
            // People write before the lull and after it; during it all come to hold the same, and then a disk rots.
            let meets = self.region.meets_max() * 2;
            let at = self.within(begins + minutes(15), ends);
            self.lull(at, disk);
            let over = at + LULL + meets;
            self.region.ends += LULL + meets + minutes(20);
            self.region.quiet = QUIET_ROT + meets;
            self.lull = Some((at, over));
        }
        let (lull, ends) = (self.lull, self.region.ends);
        self.shifts(lull);
        if self.region.backup_every.is_some() {
            self.region.events.push(Happens::at(SETTLED, "backup"));
        }
        let classes: Vec<Class> = self.classes.iter().copied().collect();
        let count = EVENTS.0 + self.chance.below(EVENTS.1 - EVENTS.0 + 1);
        for _ in 0..count {
            let Some(class) = self.chance.pick(&classes).copied() else { break };
            let time = self.within(begins, ends - minutes(1));
            if lull.is_some_and(|(from, over)| (from..over).contains(&time)) {
                continue;
            }
            // What the rotten disk may lack, no other loses.
            if class == Class::SiteLost && lull.is_some_and(|(from, _)| time >= from) {
                continue;
            }
            self.fault(class, time);
        }
    }

    fn shifts(&mut self, lull: Option<(Duration, Duration)>) {
        let (arrivals, notes) = (self.chance.below(3) as f64, 4.0 + self.chance.below(10) as f64);
        let shift = |from, until| Shift { from, until, arrivals_per_hour: arrivals, notes_per_hour: notes };
        self.region.shifts = match lull {
            None => vec![shift(minutes(2), self.region.ends)],
            Some((from, over)) => vec![shift(minutes(2), from), shift(over, self.region.ends)],
        };
    }

    /// Everything is mended and all hold the same; then some sectors of a disk rot.
    fn lull(&mut self, at: Duration, disk: usize) {
        let (disk, sectors) = (name_of(disk), 1 + self.chance.below(12));
        let rot = Happens::then("disk-corrupt").text("at", disk).key("sectors", sectors);
        let waiting = Happens::then("wait-converged").key("within-s", 3_600);
        self.region.events.extend([Happens::at(at, "return-to-normal"), waiting, rot]);
    }

    /// Chooses where a fault of links is: one link, all of a replica, or all.
    fn somewhere(&mut self, event: Happens) -> Happens {
        match (self.chance.below(3), self.a_line()) {
            (0, Some([one, other])) => {
                event.key("between", format!("[\"{}\", \"{}\"]", name_of(one), name_of(other)))
            }
            (1, _) => event.text("at", name_of(self.someone())),
            (_, _) => event.text("at", AREAS[0]).key("share", 0.6),
        }
    }

    fn fault(&mut self, class: Class, time: Duration) {
        let event = match class {
            Class::Cut => return self.cut(time),
            Class::Flap => {
                let (up, down) = (2 + self.chance.below(60), 1 + self.chance.below(40));
                let lasting = self.span(60, 1_800);
                let flap = Happens::at(time, "flap").key("up-s", up).key("down-s", down);
                self.somewhere(flap.text("for", lasting))
            }
            Class::OneWay => {
                let Some([one, other]) = self.a_pair() else { return };
                let between = format!("[\"{}\", \"{}\"]", name_of(one), name_of(other));
                let event =
                    Happens::at(time, "one-way").key("between", between).text("towards", name_of(one));
                event.text("for", self.span(10, 1_800))
            }
            Class::Degrade => {
                let to = [
                    "\"weak-mobile\"",
                    "\"narrow-23k\"",
                    "{ delay_ms = 900, loss_up = 0.3, loss_down = 0.4 }",
                ];
                let to = to[self.chance.below(3) as usize];
                let event = Happens::at(time, "degrade").key("to", to).text("for", self.span(60, 3_600));
                self.somewhere(event)
            }
            Class::PowerFailure => self.machines(time, "power-failure", 60, 3_600),
            Class::PowerLoss => {
                let at = if self.chance.share(0.7) { self.a_disk() } else { self.someone() };
                Happens::at(time, "power-loss").text("at", name_of(at)).text("for", self.span(2, 1_200))
            }
            Class::Crash => self.machines(time, "crash", 1, 900),
            Class::KillInMidWrite => return self.kill_in_mid_write(time),
            Class::Freeze => self.machines(time, "freeze", 1, 900),
            Class::Stop => {
                let at = name_of(self.someone());
                self.region.events.push(Happens::at(time, "stop").text("at", &at));
                let again = time + minutes(1 + self.chance.below(20));
                if again < self.region.ends {
                    self.region.events.push(Happens::at(again, "start").text("at", at));
                }
                return;
            }
            Class::DiskFull => {
                let at = name_of(self.a_disk());
                Happens::at(time, "disk-full").text("at", at).text("for", self.span(30, 2_400))
            }
            // There is one, in the lull.
            Class::DiskCorrupt => return,
            Class::SiteLost => return self.site_lost(time),
            Class::ClockSkew | Class::ClockJump => self.clock(class, time),
            Class::S3Outage => Happens::at(time, "s3-outage").text("for", self.span(60, 3_600)),
            Class::Duplicate => {
                let Some([one, other]) = self.a_pair() else { return };
                let at = format!("[\"{}\", \"{}\"]", name_of(one), name_of(other));
                Happens::at(time, "duplicate-registration").key("at", at)
            }
            Class::WrongLink => return self.wrong_link(time),
            Class::Surge => {
                let event = Happens::at(time, "surge").text("at", AREAS[0]);
                let over = self.region.ends.saturating_sub(time).min(minutes(10));
                event.key("count", 1 + self.chance.below(6)).text("over", write_span(over))
            }
            Class::Lie => {
                let at = name_of(self.someone());
                Happens::at(time, "lie").text("at", at).text("for", self.span(120, 3_600))
            }
            Class::SecondQuake => {
                let event = Happens::at(time, "second-quake").text("at", AREAS[0]);
                event.key("links", 0.5).key("power", 0.4).text("for", self.span(60, 1_800))
            }
        };
        self.region.events.push(event);
    }

    fn machines(&mut self, time: Duration, event: &'static str, from_s: u64, until_s: u64) -> Happens {
        let lasting = self.span(from_s, until_s);
        let event = Happens::at(time, event).text("for", lasting);
        match self.chance.share(0.7) {
            true => event.text("at", name_of(self.someone())),
            false => event.text("at", AREAS[0]).key("share", 0.5),
        }
    }

    fn cut(&mut self, time: Duration) {
        let ends = self.region.ends;
        let mut cut = Happens::at(time, "cut");
        let mut heal = Happens::at(self.within(time, (time + minutes(40)).min(ends)), "heal");
        if self.chance.share(0.3) {
            let what = if self.has(Class::S3Outage) { "everything" } else { "links" };
            (cut, heal) = (cut.text("what", what), heal.text("what", what));
        } else {
            cut = self.somewhere(cut);
            heal.keys = cut.keys.clone();
        }
        self.region.events.push(cut);
        // Some cuts last until everything returns to normal.
        if self.chance.share(0.7) {
            self.region.events.push(heal);
        }
    }

    fn kill_in_mid_write(&mut self, time: Duration) {
        let (at, patient) = (name_of(self.a_disk()), self.alias());
        let name = format!("訓練 {patient}");
        let register = Happens::at(time, "register").text("at", &at).text("as", &patient);
        self.region.events.push(register.text("name", name));
        let kill = Happens::then("kill-in-mid-write").text("at", &at).text("patient", &patient);
        self.region.events.push(kill.key("after-writes", 1 + self.chance.below(8)));
        let again = time + minutes(1 + self.chance.below(10));
        if again < self.region.ends {
            self.region.events.push(Happens::at(again, "start").text("at", at));
        }
    }

    /// A site is lost once at most, and restored: soon, if nobody can keep the bucket from it, or afterwards.
    fn site_lost(&mut self, time: Duration) {
        let at = self.someone();
        let areas = &self.region.replicas[at - 1].areas;
        // What rots is on another disk, even if this one is lost.
        let lost = self.lost.iter().copied().chain([at]).collect();
        let enough = !self.has(Class::DiskCorrupt)
            || areas.iter().all(|area| self.holders(area) > 2) && self.region.is_whole_without(&lost);
        if !enough || self.lost.len() >= self.region.replicas.len() / 2 || !self.lost.insert(at) {
            return;
        }
        let at = name_of(at);
        self.region.events.push(Happens::at(time, "site-lost").text("at", &at));
        let soon = time + minutes(2 + self.chance.below(20));
        let restore = Happens::at(soon, "restore").text("at", &at);
        let start = Happens::then("start").text("at", &at);
        if self.has(Class::S3Outage) || self.has(Class::DiskCorrupt) || soon >= self.region.ends {
            let restore = Happens { time: None, ..restore };
            self.region.afterwards.extend([restore, start]);
        } else {
            self.region.events.extend([restore, start]);
        }
    }

    fn clock(&mut self, class: Class, time: Duration) -> Happens {
        let sign = if self.chance.share(0.5) { "-" } else { "" };
        let by = format!("{sign}{}", self.span(1, 3 * 86_400));
        let at = name_of(self.someone());
        match class {
            Class::ClockJump => Happens::at(time, "clock-jump").text("at", at).text("by", by),
            _ => {
                let skew = Happens::at(time, "clock-skew").text("at", at).text("by", by);
                skew.text("for", self.span(60, 7_200))
            }
        }
    }
}
