//! Scenario files: what is read, and how mistakes are named.

use std::path::Path;
use std::time::Duration;

use super::read::parse;
use super::{Expectation, HandoverEdit, PatientAlias, Scenario};
use crate::drill::chance::Chance;
use crate::drill::deed::{Deed, PathState};
use crate::replica::request::{MedicationAction, Write};
use crate::transport::ProfileName;

pub(super) const SOUND: &str = r#"realm = "drill"
[title]
en = "A short drill"
[story]
en = "Two hospitals."
ja = "二つの病院。"
[[replica]]
name = "north"
site = "North"
kind = "hospital"
role = "hospital"
areas = ["shared/miura"]
author = { name = "佐藤", role = "doctor" }
[[replica]]
name = "tablet"
site = "Shelter"
kind = "shelter"
role = "tablet"
areas = ["shared/miura"]
author = { name = "小川", role = "nurse" }
[[link]]
between = ["north", "tablet"]
profile = "satellite"
[backup]
gateway = "north"
[patients]
oka = { find = "岡田 昭" }
[[event]]
do = "import"
at = "north"
data = "Patient.ndjson"
[[event]]
do = "cut"
what = "everything"
tell = "The quake."
[[event]]
do = "medication"
at = "tablet"
patient = "oka"
action = "start"
drug = "ワルファリン"
[[event]]
do = "heal"
what = "everything"
after-ms = 250
[[expect]]
name = "heads-equal-after-heal"
"#;

/// A folder with one data file.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Patient.ndjson"), "").unwrap();
    std::fs::write(dir.path().join("Condition.ndjson.gz"), "").unwrap();
    std::fs::write(dir.path().join("readme.txt"), "").unwrap();
    dir
}

pub(super) fn read(text: &str) -> Result<Scenario, String> {
    let dir = folder();
    parse("short", text, dir.path()).map_err(|mistake| format!("line {}: {}", mistake.line, mistake.problem))
}

/// What is said of the sound scenario with one thing changed.
pub(super) fn mistake(from: &str, to: &str) -> String {
    assert!(SOUND.contains(from), "the sound scenario lacks {from:?}");
    read(&SOUND.replacen(from, to, 1)).expect_err("a mistake")
}

/// How a message begins that is about so many lines below a text of the sound scenario.
pub(super) fn line_below(text: &str, below: isize) -> String {
    let before = &SOUND[..SOUND.find(text).unwrap()];
    format!("line {}:", before.matches('\n').count() as isize + 1 + below)
}

/// What an event of a scenario does.
pub(super) fn deeds(scenario: &Scenario, event: usize) -> Vec<Deed> {
    scenario.deeds(event, &Chance::of_seed(1)).into_iter().map(|timed| timed.deed).collect()
}

/// What is said of the sound scenario with more events at its end.
pub(super) fn mistake_with(more: &str) -> String {
    read(&format!("{SOUND}{more}")).expect_err("a mistake")
}

#[test]
fn a_sound_scenario_is_read() {
    let scenario = read(SOUND).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.story.ja.as_str()), ("short", "二つの病院。"));
    assert_eq!(scenario.links[0].profile, ProfileName::Satellite.profile());
    assert_eq!(scenario.replicas[1].author.name, "小川");
    let imported = deeds(&scenario, 0);
    let [Deed::Import { files, at: 0 }] = imported.as_slice() else { panic!() };
    assert!(files.len() == 1 && files[0].ends_with("Patient.ndjson"));
    let cut = [Deed::Path { link: 0, state: PathState::Down }, Deed::Bucket { reachable: false }];
    assert_eq!(deeds(&scenario, 1), cut);
    assert_eq!(scenario.events[1].tell.en, "The quake.");
    let written = deeds(&scenario, 2);
    let [Deed::Write { patient, write: Write::Medication { action, dose, .. }, at: 1 }] = written.as_slice()
    else {
        panic!()
    };
    assert_eq!((patient, *action, dose), (&PatientAlias("oka".into()), MedicationAction::Start, &None));
    assert_eq!(scenario.events[3].after, Duration::from_millis(250));
    assert_eq!(scenario.expectations, [Expectation::HeadsEqualAfterHeal]);
}

#[test]
fn the_shipped_scenario_is_sound() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut read = 0;
    for item in std::fs::read_dir(scenarios).unwrap() {
        let path = item.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let scenario = Scenario::read(&path).unwrap();
            assert!(!scenario.title.ja.is_empty() && !scenario.story.ja.is_empty(), "{}", path.display());
            read += 1;
        }
    }
    assert!(read > 0);
}

#[test]
fn misspelt_names_are_told_with_line_and_suggestion() {
    for (from, to, below, told) in [
        ("at = \"tablet\"", "at = \"tabelt\"", 0, "unknown replica 'tabelt'; did you mean 'tablet'?"),
        ("patient = \"oka\"", "patient = \"okka\"", 0, "unknown patient 'okka'; did you mean 'oka'?"),
        ("patient = \"oka\"", "pateint = \"oka\"", 0, "'pateint' should be 'patient'"),
        ("drug = ", "dosage = \"1mg\"\ndrug = ", 0, "unknown key of event 'medication' 'dosage'"),
        ("do = \"import\"", "do = \"imprt\"", 0, "unknown event 'imprt'; did you mean 'import'?"),
        (
            "action = \"start\"",
            "action = \"begin\"",
            0,
            "unknown action 'begin' (known: start, change, hold, stop)",
        ),
        ("what = \"everything\"", "what = \"all\"", 0, "(known: everything, links, bucket)"),
        ("profile = \"satellite\"", "profile = \"sattelite\"", 0, "known are lan"),
        ("kind = \"shelter\"", "kind = \"sheltr\"", 0, "did you mean 'shelter'?"),
        ("gateway = \"north\"", "gateway = \"nroth\"", 0, "did you mean 'north'?"),
        ("between = [\"north\", \"tablet\"]", "between = [\"north\", \"north\"]", 0, "no link to itself"),
        ("areas = [\"shared/miura\"]", "areas = [\"Shared\"]", 0, "is not an area"),
        (
            "name = \"heads-equal-after-heal\"",
            "name = \"heads-equal-after-hael\"",
            0,
            "did you mean 'heads-equal",
        ),
        ("realm = \"drill\"", "realm = \"drill\"\nseeds = 4", 1, "unknown key of the scenario 'seeds'"),
        ("realm = \"drill\"", "realm = drill", 0, "this is not TOML"),
    ] {
        let said = mistake(from, to);
        assert!(said.contains(told) && said.starts_with(&line_below(from, below)), "{to}: {said}");
    }
}

#[test]
fn data_that_is_missing_is_told_with_its_place() {
    let said = mistake("data = \"Patient.ndjson\"", "data = \"nowhere\"");
    assert!(said.starts_with(&line_below("data = ", 0)) && said.contains("nowhere is not there"), "{said}");
    let said = mistake("data = \"Patient.ndjson\"", "data = \".\"\ntypes = [\"Patient\", \"Conditon\"]");
    assert!(
        said.starts_with(&line_below("data = ", 1)) && said.contains("did you mean 'Condition'?"),
        "{said}"
    );
    let all = read(&SOUND.replace("data = \"Patient.ndjson\"", "data = \".\"")).unwrap();
    let imported = deeds(&all, 0);
    let [Deed::Import { files, .. }] = imported.as_slice() else { panic!() };
    assert_eq!(files.len(), 2, "the text file is no data");
}

#[test]
fn nothing_is_asked_of_what_is_down_or_unknown_at_that_time() {
    let kill = "[[event]]\ndo = \"kill-in-mid-write\"\nat = \"north\"\npatient = \"oka\"\n";
    let note = "[[event]]\ndo = \"note\"\nat = \"north\"\npatient = \"oka\"\ntext = \"x\"\n";
    let start = "[[event]]\ndo = \"start\"\nat = \"north\"\n";
    let said = mistake_with(&format!("{kill}{note}{start}"));
    assert!(said.starts_with("line 52:") && said.contains("asks 'north', which is down"), "{said}");
    assert!(mistake_with(kill).contains("ends while 'north' is down"));
    assert!(mistake_with(start).contains("running already"));
    read(&format!("{SOUND}{kill}{start}{note}")).unwrap();

    let restore = "[[event]]\ndo = \"restore\"\nat = \"north\"\n";
    let destroy = "[[event]]\ndo = \"destroy-disk\"\nat = \"north\"\n";
    let backup = "[[event]]\ndo = \"backup\"\n";
    assert!(mistake_with(restore).contains("needs an event 'destroy-disk'"));
    assert!(mistake_with(&format!("{destroy}{restore}{start}")).contains("needs an event 'backup'"));
    read(&format!("{SOUND}{backup}{destroy}{restore}{start}")).unwrap();

    let early = format!("{note}[[event]]\ndo = \"import\"");
    assert!(mistake("[[event]]\ndo = \"import\"", &early).contains("before any event 'import'"));
    let register = "[[event]]\ndo = \"register\"\nat = \"north\"\nas = \"oka\"\nname = \"身元 不明\"\n";
    assert!(mistake_with(register).contains("called 'oka' already"));
}

#[test]
fn what_could_not_be_judged_is_refused() {
    assert!(mistake("[[expect]]\nname = \"heads-equal-after-heal\"\n", "").contains("could not fail"));
    let restored = "[[expect]]\nname = \"restored-heads-equal\"\n";
    assert!(mistake_with(restored).contains("after an event 'restore'"));
    let differ = "[[expect]]\nname = \"heads-differ-before-heal\"\n";
    read(&format!("{SOUND}{differ}")).unwrap();
    let never_cut = SOUND.replace("do = \"cut\"", "do = \"heal\"");
    assert!(read(&format!("{never_cut}{differ}")).is_err());
    let conflict = "[[expect]]\nname = \"conflict-open\"\nsection = \"medicine\"\nkind = \"x\"\n";
    assert!(mistake_with(conflict).contains("unknown section 'medicine'"));
}

#[test]
fn a_handover_is_a_whole_text_or_an_insertion() {
    let handover = |edit: &str| {
        read(&format!("{SOUND}[[event]]\ndo = \"handover\"\nat = \"north\"\npatient = \"oka\"\n{edit}"))
    };
    let insert = handover("insert = \"と採血\"\nafter = \"見守り\"\n").unwrap();
    let typed = deeds(&insert, insert.events.len() - 1);
    let [Deed::Handover { edit: HandoverEdit::Insert { text, after }, .. }] = typed.as_slice() else {
        panic!()
    };
    assert_eq!((text.as_str(), after.as_str()), ("と採血", "見守り"));
    assert!(
        handover("text = \"a\"\ninsert = \"b\"\n").is_err_and(|said| said.contains("takes either 'text'"))
    );
    assert!(handover("insert = \"b\"\n").is_err());
}

#[test]
fn a_backup_needs_a_gateway_and_a_meeting_a_link() {
    let without = SOUND.replace("[backup]\ngateway = \"north\"\n", "");
    let said = read(&format!("{without}[[event]]\ndo = \"backup\"\n")).unwrap_err();
    assert!(said.contains("add [backup]"), "{said}");
    let without = SOUND.replace("[[link]]\nbetween = [\"north\", \"tablet\"]\nprofile = \"satellite\"\n", "");
    let said = read(&format!("{without}[[event]]\ndo = \"meet\"\nbetween = [\"north\", \"tablet\"]\n"));
    assert!(said.unwrap_err().contains("which no link joins (north is linked to nothing)"));
}

#[test]
fn the_first_scenario_of_the_guides_is_sound() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    for guide in ["README.md", "README.ja.md"] {
        let text = std::fs::read_to_string(scenarios.join(guide)).unwrap();
        let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
        let first: String = blocks.take(3).collect();
        let scenario = read(&first).unwrap_or_else(|said| panic!("{guide}: {said}"));
        assert!(scenario.modes.live && scenario.events.len() == 8, "{guide}");
    }
}
