//! What is told of an event at its time: its own sentence, and when those run dry whose mains failed.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::model::{Scenario, Told};
use crate::drill::deed::{Deed, TimedDeed};

/// Most different times that one sentence names one by one.
const TIMES_MAX: usize = 3;
/// Most sites that are named at one time.
const SITES_MAX: usize = 2;
/// Japan is so many hours ahead of UTC, all year.
const JAPAN_H: i8 = 9;

impl Scenario {
    /// Returns one sentence about an event, by its place in [`Scenario::events`], that happens at a time of the run
    /// and does these deeds; without the full stop.
    pub fn told(&self, event: usize, at: Duration, deeds: &[TimedDeed]) -> Told {
        let Some(plan) = self.events.get(event) else { return Told::default() };
        let told = plan.event.told(self);
        if !matches!(plan.event.kind().name, "power-failure" | "second-quake") {
            return told;
        }
        let mut dry: BTreeMap<Duration, Vec<usize>> = BTreeMap::new();
        for timed in deeds.iter().filter(|timed| !timed.after.is_zero()) {
            if let Deed::PowerCut { at: member } | Deed::Crash { at: member } = timed.deed {
                dry.entry(at.saturating_add(timed.after)).or_default().push(member);
            }
        }
        let Some(until) = self.until(at, &dry) else { return told };
        Told::of(format!("{}; {}", told.en, until.en), format!("{}。{}", told.ja, until.ja))
    }

    fn until(&self, at: Duration, dry: &BTreeMap<Duration, Vec<usize>>) -> Option<Told> {
        let ((first, members), (last, _)) = (dry.first_key_value()?, dry.last_key_value()?);
        let clock = |time: &Duration| self.clock(at, *time);
        let count: usize = dry.values().map(Vec::len).sum();
        if let (1, [_]) = (dry.len(), members.as_slice()) {
            let first = clock(first);
            return Some(Told::of(format!("battery until {first}"), format!("電池は {first} まで")));
        }
        if dry.len() > TIMES_MAX {
            let (first, last) = (clock(first), clock(last));
            return Some(Told::of(
                format!("batteries of {count} devices last until {first} at the least, {last} at the most"),
                format!("{count} 台の電池は早いもので {first} まで、遅いもので {last} まで"),
            ));
        }
        let one = |(time, members): (&Duration, &Vec<usize>)| {
            let (time, sites) = (clock(time), self.sites(members));
            Told::of(format!("{} until {time}", sites.en), format!("{}は {time} まで", sites.ja))
        };
        let all: Vec<Told> = dry.iter().map(one).collect();
        let joined = |of: fn(&Told) -> &str, gap: &str| all.iter().map(of).collect::<Vec<_>>().join(gap);
        Some(Told::of(
            format!("on battery: {}", joined(|told| &told.en, ", ")),
            format!("電池で動くのは、{}", joined(|told| &told.ja, "、")),
        ))
    }

    fn sites(&self, members: &[usize]) -> Told {
        let site = |member: &usize| self.replicas.get(*member).map_or("?", |plan| plan.site.as_str());
        match members.len() {
            0..=SITES_MAX => {
                let named: Vec<&str> = members.iter().map(site).collect();
                Told::of(named.join(" and "), named.join("と"))
            }
            many => Told::of(format!("{many} devices"), format!("{many} 台")),
        }
    }

    /// What clocks in Japan show at a time of the run, with the day when it is another than that of `since`.
    fn clock(&self, since: Duration, time: Duration) -> String {
        let japan = TimeZone::fixed(Offset::constant(JAPAN_H));
        let civil = |at: Duration| {
            let ms = self.begins.0.saturating_add(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
            let stamp = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
            stamp.map(|stamp| stamp.to_zoned(japan.clone()))
        };
        let (Some(since), Some(time)) = (civil(since), civil(time)) else { return "?".to_owned() };
        let form = if since.date() == time.date() { "%H:%M" } else { "%m/%d %H:%M" };
        time.strftime(form).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SOUND, read};
    use crate::drill::chance::Chance;

    fn told(battery: &str, event: &str) -> (String, String) {
        let text = SOUND.replacen("kind = \"shelter\"", &format!("kind = \"shelter\"\n{battery}"), 1);
        let scenario = read(&format!("{text}[[event]]\n{event}\n")).unwrap();
        let last = scenario.events.len() - 1;
        let at = scenario.events[last].time.unwrap();
        let told = scenario.told(last, at, &scenario.deeds(last, &Chance::of_seed(1)));
        (told.en, told.ja)
    }

    #[test]
    fn a_mains_failure_says_until_when_the_battery_lasts() {
        let failure = "do = \"power-failure\"\ntime = \"1h\"\nat = \"tablet\"\nfor = \"30h\"";
        let (en, ja) = told("battery-h = 4", failure);
        assert!(en.ends_with("; battery until 21:32") && ja.ends_with("。電池は 21:32 まで"), "{en} {ja}");
        let (en, ja) = told("battery-h = 8.5", failure);
        assert!(en.ends_with("until 11/23 02:02") && ja.ends_with("11/23 02:02 まで"), "{en} {ja}");
        // Dark at once, or bridged: there is nothing to wait for.
        assert!(!told("battery-h = 0", failure).0.contains("battery"));
        assert!(!told("battery-h = 40", failure).0.contains("battery"));
    }
}
