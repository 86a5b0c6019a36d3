//! A region as a scenario file, and back: the file is read by the ordinary reader, and what the reader refuses is
//! taken out.

use std::fmt::Write as _;
use std::path::Path;

use super::region::{Happens, Line, Region, Shift, Site, name_of};
use crate::drill::scenario::{Scenario, ScenarioError, write_span};

/// A part of a region that can be taken out when the reader refuses it.
#[derive(Debug, Clone, Copy)]
enum Part {
    Link(usize),
    Event(usize),
    Afterwards(usize),
    Expects(usize),
}

struct Writer {
    text: String,
    lines: usize,
    /// On which line each part begins; none begins a part that cannot be taken out.
    parts: Vec<(usize, Option<Part>)>,
}

impl Region {
    /// Writes the region as a scenario file; `remarks` are comments at its top.
    pub fn text(&self, remarks: &str) -> String {
        self.write(remarks).text
    }

    /// Takes out what the reader of scenarios refuses, such as an event at a replica that is down at that time or
    /// that is no more, and returns the scenario; none when nothing is left that could be run.
    pub fn legalise(&mut self) -> Option<Scenario> {
        loop {
            let written = self.write("");
            let path = format!("/swarm/seed-{}.toml", self.seed);
            match Scenario::parse(Path::new(&path), &written.text) {
                Ok(scenario) => return Some(scenario),
                Err(ScenarioError::Wrong { line, .. }) => {
                    let place = written.parts.partition_point(|(begins, _)| *begins <= line);
                    let (_, part) = *written.parts.get(place.checked_sub(1)?)?;
                    self.take_out(part?);
                }
                Err(ScenarioError::Read { .. }) => return None,
            }
        }
    }

    fn take_out(&mut self, part: Part) {
        match part {
            Part::Link(place) => drop(self.links.remove(place)),
            Part::Event(place) => drop(self.events.remove(place)),
            Part::Afterwards(place) => drop(self.afterwards.remove(place)),
            Part::Expects(place) => drop(self.expects.remove(place)),
        }
    }

    fn write(&self, remarks: &str) -> Writer {
        let mut to = Writer { text: String::new(), lines: 0, parts: Vec::new() };
        for remark in remarks.lines() {
            to.line(&format!("# {remark}"));
        }
        to.line(&format!("realm = \"群れ {} 訓練\"", self.seed));
        to.line(&format!("title = {{ en = \"Random region {0}\", ja = \"無作為の地域 {0}\" }}", self.seed));
        to.line("story = { en = \"All faults are on.\", ja = \"あらゆる障害が起きる。\" }");
        to.line("modes = [\"sim\"]");
        let lasts = write_span(self.ends + self.quiet);
        to.table("clock", None, &[format!("lasts = \"{lasts}\"")]);
        for site in &self.replicas {
            to.table("[replica]", None, &replica(site));
        }
        for (place, line) in self.links.iter().enumerate() {
            to.table("[link]", Some(Part::Link(place)), &link(line));
        }
        if let (Some(every), Some(gateway)) = (self.backup_every, self.replicas.first()) {
            let keys =
                [format!("gateway = \"{}\"", gateway.name()), format!("every = \"{}\"", write_span(every))];
            to.table("backup", None, &keys);
        }
        let all = format!("at = [{}]", list(self.replicas.iter().map(Site::name)));
        if self.people > 0 {
            let keys = [format!("count = {}", self.people), all.clone(), "allergies = 0.5".to_owned()];
            to.table("[people]", None, &keys);
        }
        for writing in &self.shifts {
            to.table("[workload]", None, &[vec![all.clone()], shift(writing)].concat());
        }
        for (place, event) in self.events.iter().enumerate() {
            to.event(Some(Part::Event(place)), event);
        }
        to.event(None, &Happens::at(self.ends, "return-to-normal"));
        for (place, event) in self.afterwards.iter().enumerate() {
            to.event(Some(Part::Afterwards(place)), event);
        }
        for (place, name) in self.expects.iter().enumerate() {
            to.table("[expect]", Some(Part::Expects(place)), &[format!("name = \"{name}\"")]);
        }
        to
    }
}

impl Writer {
    fn line(&mut self, line: &str) {
        // Writing to a String never fails.
        let _ = writeln!(self.text, "{line}");
        self.lines += 1;
    }

    fn table(&mut self, name: &str, part: Option<Part>, keys: &[String]) {
        self.line("");
        self.parts.push((self.lines + 1, part));
        self.line(&format!("[{name}]"));
        keys.iter().for_each(|key| self.line(key));
    }

    fn event(&mut self, part: Option<Part>, happens: &Happens) {
        let mut keys = vec![format!("do = \"{}\"", happens.event)];
        keys.extend(happens.time.map(|time| format!("time = \"{}\"", write_span(time))));
        keys.extend(happens.keys.iter().map(|(key, value)| format!("{key} = {value}")));
        self.table("[event]", part, &keys);
    }
}

fn replica(site: &Site) -> Vec<String> {
    let (name, store) = (site.name(), if site.disk { "disk" } else { "memory" });
    let mut keys = vec![
        format!("name = \"{name}\""),
        format!("site = \"Site {name}\""),
        "kind = \"clinic\"".to_owned(),
        "role = \"hospital\"".to_owned(),
        format!("areas = [{}]", list(site.areas.iter())),
        // Every second one is no doctor: whose word ends what matters.
        format!("author = {{ name = \"当直 {name}\", role = \"{}\" }}", ["nurse", "doctor"][site.number % 2]),
        format!("store = \"{store}\""),
    ];
    keys.extend(site.battery_h.map(|hours| format!("battery-h = {hours}")));
    keys.extend(site.parts.map(|parts| format!("parts = [{}]", list(parts.iter()))));
    keys.extend(site.bucket_every.map(|every| format!("bucket-every = \"{}\"", write_span(every))));
    keys
}

fn link(line: &Line) -> Vec<String> {
    let profile = match line.profile.starts_with('{') {
        true => line.profile.clone(),
        false => format!("\"{}\"", line.profile),
    };
    let mut keys =
        vec![format!("between = [{}]", list(line.ends.map(name_of).iter())), format!("profile = {profile}")];
    keys.extend(line.meets_every.map(|every| format!("meets-every = \"{}\"", write_span(every))));
    keys.extend(line.quota_mb.map(|mb| format!("quota-mb-per-day = {mb}")));
    keys
}

fn shift(shift: &Shift) -> Vec<String> {
    vec![
        format!("from = \"{}\"", write_span(shift.from)),
        format!("until = \"{}\"", write_span(shift.until)),
        format!("arrivals-per-hour = {}", shift.arrivals_per_hour),
        format!("notes-per-hour = {}", shift.notes_per_hour),
        "known = 0.7".to_owned(),
        "unnamed = 0.1".to_owned(),
        "allergies = 0.3".to_owned(),
        "refutations = 0.3".to_owned(),
        "prescriptions = 0.4".to_owned(),
        "handovers = 0.5".to_owned(),
        "triage = { red = 1, yellow = 1, green = 1, black = 1 }".to_owned(),
        "acts = \"all\"".to_owned(),
    ]
}

fn list(names: impl Iterator<Item = impl AsRef<str>>) -> String {
    names.map(|name| format!("\"{}\"", name.as_ref())).collect::<Vec<_>>().join(", ")
}
