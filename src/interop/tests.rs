//! Stories of whole imports, from files to drafts and back.

use std::convert::Infallible;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::base::laws::cases;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::base::{Part, RecordId};
use crate::record::json::canonical;

const NUMBERS: &str =
    r#""type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]}"#;

/// A patient of a hospital whose record numbers have `system`.
fn patient(id: &str, system: &str, number: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{{NUMBERS},"system":"{system}","value":"{number}"}}],"name":[{{"text":"𠮷田 花子"}}]}}"#
    )
}

fn observation(id: &str, subject: &str) -> String {
    format!(r#"{{"resourceType":"Observation","id":"{id}","subject":{{"reference":"{subject}"}}}}"#)
}

/// Files for an import.
struct Files(TempDir);

impl Files {
    fn of(files: &[(&str, &str)]) -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| this.add(name, text.as_bytes()));
        this
    }

    fn add(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn import(&self, names: &[&str]) -> Imported {
        import(&names.iter().map(|name| self.path(name)).collect::<Vec<_>>(), None, &NoKnownPatients)
    }
}

/// What an import has handed over.
struct Imported {
    drafts: Vec<Draft>,
    report: ImportReport,
}

fn import(paths: &[PathBuf], source: Option<&str>, known: &dyn KnownPatients) -> Imported {
    let options = ImportOptions { source: source.map(str::to_owned), fallback_source: "site:here".into() };
    let mut drafts = Vec::new();
    let plan = plan(paths, options, known, &mut |_| {}).unwrap();
    let report = plan.run::<Infallible>(&mut |_| {}, &mut |draft| {
        drafts.push(draft);
        Ok(())
    });
    Imported { drafts, report: report.unwrap() }
}

impl Imported {
    /// The record and source of a resource.
    fn home(&self, id: &str) -> (RecordId, String) {
        let mut found = self.drafts.iter().filter(|d| d.resources.iter().any(|(origin, _)| origin.id == id));
        let draft = found.next().unwrap_or_else(|| panic!("{id} was not handed over: {:?}", self.report));
        (draft.record, draft.source.clone())
    }

    fn record(&self, id: &str) -> RecordId {
        self.home(id).0
    }

    fn texts(&self) -> Vec<&str> {
        let mut texts: Vec<&str> =
            self.drafts.iter().flat_map(|d| d.resources.iter().map(|(_, text)| text.as_str())).collect();
        texts.sort_unstable();
        texts
    }

    fn reasons(&self) -> Vec<String> {
        self.report
            .skipped
            .named
            .iter()
            .map(|problem| format!("{}: {}", line_of(problem), problem.reason))
            .collect()
    }
}

fn line_of(problem: &Problem) -> u64 {
    problem.line.unwrap_or(0)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

fn hard_resources() -> Vec<String> {
    let subject = r#""subject":{"reference":"Patient/1"}"#;
    vec![
        patient("1", "urn:north", "7"),
        format!(
            r#"{{"resourceType":"Observation","id":"n",{subject},"v":[1.0,1.50,1e-5,36.60,-0,0.0,1E+3,123456789012345678901234567890,2.50e10]}}"#
        ),
        format!(
            r#"{{"resourceType":"Composition","id":"t",{subject},"title":"退院 \"要約\" \\ \/ \t\u3042 \ud842\udfb7 𠮷 👩‍⚕️ \u0000 \u001f","x":{{"b":[],"a":{{}},"ö":null,"é":true}}}}"#
        ),
        format!(
            r#"{{"id":"c",{subject},"contained":[{{"resourceType":"Bundle"}}],"resourceType":"List","entry":[{{"x":1}}]}}"#
        ),
        r#"{"resourceType":"Practitioner","id":"d","name":[{"text":"山田"}]}"#.to_owned(),
    ]
}

#[test]
fn every_resource_comes_back_equal_whatever_the_packing() {
    let resources = hard_resources();
    let mut expected: Vec<String> = resources.iter().map(|text| canonical(text).unwrap()).collect();
    expected.sort_unstable();
    let lines = resources.join("\n");
    let entries: Vec<String> = resources.iter().map(|text| format!(r#"{{"resource":{text}}}"#)).collect();
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{}],"total":5}}"#,
        entries.join(",")
    );
    let late = format!(r#"{{"entry":[{}],"resourceType":"Bundle"}}"#, entries.join(","));
    let nested = format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{bundle}}}]}}"#);
    let pretty = |text: &str| {
        let spaced = text.replace(",\"", ",\n  \"").replace("{\"", "{\r\n \"");
        assert_eq!(canonical(&spaced).unwrap(), canonical(text).unwrap());
        spaced
    };
    let pretty_values = resources.iter().map(|text| pretty(text)).collect::<Vec<_>>().join("\n");
    let packings = [
        ("NDJSON", lines.clone()),
        ("CRLF and blank lines", format!("\r\n{}\r\n\r\n", resources.join("\r\n\r\n"))),
        ("byte-order mark", format!("\u{feff}{lines}\n")),
        ("Bundle", bundle.clone()),
        ("pretty Bundle", pretty(&bundle)),
        ("Bundle a line", format!("{bundle}\n{bundle}\n")),
        ("Bundle with its type behind", late),
        ("Bundle in a Bundle", nested),
        ("values over many lines", pretty_values),
    ];
    for (name, text) in packings {
        let files = Files::of(&[("記録 の/data 1.json", &text)]);
        files.add("z/data.ndjson.gz", &gzip(&text));
        let plain = files.import(&["記録 の"]);
        assert_eq!(plain.texts(), expected, "{name}: {:?}", plain.report);
        assert_eq!(files.import(&["z/data.ndjson.gz"]).texts(), expected, "{name}, gzip");
        let both = files.import(&[""]);
        assert_eq!(both.texts(), expected, "{name}, twice");
        assert!(both.report.repeated >= 5 && both.report.files == 2 && both.report.skipped.total == 0);
    }
}

#[test]
fn what_is_exported_is_imported_again_to_the_same_drafts() {
    let files = Files::of(&[("in.ndjson", &hard_resources().join("\n"))]);
    let first = files.import(&["in.ndjson"]);
    let resources = || first.texts().into_iter().map(|text| Ok::<_, std::io::Error>(text.to_owned()));
    export::to_file(resources(), export::ExportForm::Bundle, &files.path("b.json")).unwrap();
    export::to_file(resources(), export::ExportForm::Ndjson, &files.path("n.ndjson")).unwrap();
    export::to_folder(resources(), &files.path("folder")).unwrap();
    for name in ["b.json", "n.ndjson", "folder"] {
        let again = files.import(&[name]);
        assert_eq!(again.texts(), first.texts(), "{name}");
        for id in ["1", "n", "t", "c", "d"] {
            assert_eq!(again.home(id), first.home(id), "{name}: {id}");
        }
    }
}

#[test]
fn a_bad_line_is_named_and_costs_only_itself() {
    let good: Vec<String> = (0..6).map(|n| observation(&format!("o{n}"), "Patient/1")).collect();
    let mut text = patient("1", "urn:north", "7").into_bytes();
    for (good, bad) in good.iter().zip([
        &b"{\"resourceType\":\"Observation\",\"id\":\"x"[..],
        b"{\"resourceType\":\"Observation\",\"a\":[1,",
        b"{\"resourceType\":\"Observation\",\"t\":\"\xff\xfe\"}",
        b"{\"id\":\"5\"}",
        b"{\"resourceType\":\"Observation\"} {}",
        b"nonsense",
    ]) {
        text.extend([b"\n", bad, b"\n", good.as_bytes()].concat());
    }
    let files = Files::of(&[]);
    files.add("a.ndjson", &text);
    let done = files.import(&["a.ndjson"]);
    assert_eq!(done.report.resources, 7, "{:?}", done.reasons());
    assert_eq!(
        done.reasons(),
        [
            "2: the line ends within a JSON value",
            "4: the line ends within a JSON value",
            "6: not UTF-8",
            "8: not a FHIR resource: it has no resourceType",
            "10: not JSON: a value or a sign between values is missing",
            "12: not JSON: a value or a sign between values is missing",
        ]
    );
    // A file whose first line is the bad one is still read by lines.
    files.add("b.ndjson", &text[text.iter().position(|byte| *byte == b'\n').unwrap() + 1..]);
    assert_eq!(files.import(&["a.ndjson", "b.ndjson"]).report.skipped.total, 12);
}

#[test]
fn a_truncated_gzip_gives_all_lines_before_and_one_problem() {
    let lines: Vec<String> =
        (0..4_000).map(|n| observation(&format!("o{n}-{}", n * 7_919), "Patient/1")).collect();
    let whole = gzip(&format!("{}\n{}\n", patient("1", "urn:north", "7"), lines.join("\n")));
    let files = Files::of(&[]);
    files.add("a.ndjson.gz", &whole[..whole.len() / 2]);
    let done = files.import(&["a.ndjson.gz"]);
    assert!(done.report.resources > 1_000, "{}", done.report.resources);
    assert_eq!(done.report.skipped.total, 1);
    assert!(done.report.skipped.named[0].reason.contains("cut short"));
}

#[test]
fn a_damaged_bundle_gives_the_entries_before_the_damage() {
    let entries: Vec<String> =
        (0..3).map(|n| format!("{{\"resource\":{}}}", observation(&format!("o{n}"), "Patient/1"))).collect();
    let text = format!(
        "{{\"resourceType\":\"Bundle\",\"entry\":[\n{{\"resource\":{}}},\n{},\n{{\"link\":[]}},\n{{\"resource\":{{\"res",
        patient("1", "urn:north", "7"),
        entries.join(",\n")
    );
    let done = Files::of(&[("a.json", &text)]).import(&["a.json"]);
    assert_eq!(done.report.resources, 4);
    let reasons = done.reasons();
    assert_eq!(reasons[0], "6: entry 5 of the Bundle holds no resource");
    assert!(reasons[1].starts_with("7: the file ends within"), "{reasons:?}");
}

#[test]
fn what_is_not_fhir_is_said_clearly() {
    let files = Files::of(&[
        ("x.json", "<Bundle/>"),
        ("csv.json", "a,b,c\n1,2,3\n"),
        ("list.json", "[\n {\"resourceType\":\"Patient\"}\n]"),
        ("empty.json", ""),
        ("readme.md", "# hello"),
        (
            "deep.json",
            &format!(r#"{{"resourceType":"Basic","x":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000)),
        ),
    ]);
    files.add("cut.json.gz", &gzip("{}")[..5]);
    let done = files.import(&["", "no such file"]);
    let mut reasons = done.reasons();
    reasons.sort();
    for (reason, expected) in reasons.iter().zip([
        "0: there is no such file or folder",
        "1: XML",
        "1: a JSON list",
        "1: not FHIR",
        "1: reading JSON: nested deeper",
        "1: the compressed file is cut short",
        "1: the file is empty",
    ]) {
        assert!(reason.starts_with(expected), "{reason} / {expected}");
    }
    assert_eq!(reasons.len(), 7);
    assert_eq!(done.report.warnings, [Warning { kind: WarningKind::FileIgnored, count: 1 }]);
}

#[test]
fn references_in_a_bundle_go_by_full_url() {
    let uuid = "0f1e2d3c-0000-4000-8000-0123456789ab";
    let entry = |url: &str, text: &str| format!(r#"{{"fullUrl":"{url}","resource":{text}}}"#);
    let text = format!(
        r#"{{"resourceType":"Bundle","type":"document","entry":[{}]}}"#,
        [
            entry("urn:uuid:c", &observation("by-urn", &format!("urn:uuid:{uuid}"))),
            entry("https://ehr.example/Observation/u", &observation("by-url", "https://ehr.example/Patient/p")),
            entry("urn:uuid:g", r#"{"resourceType":"Group","id":"group"}"#),
            entry("urn:uuid:o", &observation("of-group", "urn:uuid:g")),
            entry("urn:uuid:v", r#"{"resourceType":"Provenance","id":"of-two","target":[{"reference":"urn:uuid:c"},{"reference":"urn:uuid:o"}]}"#),
            entry("urn:uuid:w", r#"{"resourceType":"Provenance","id":"of-group-only","target":[{"reference":"urn:uuid:o"}]}"#),
            entry(&format!("urn:uuid:{uuid}"), &patient("p", "urn:north", "7")),
            entry("urn:uuid:n", &observation("nobody", "urn:uuid:unknown")),
            entry("urn:uuid:k", &observation("contained", "#p")),
        ]
        .join(",")
    );
    let done = Files::of(&[("doc.json", &text)]).import(&["doc.json"]);
    let record = RecordId::of_patient("urn:north", "7");
    for id in ["p", "by-urn", "by-url", "of-two"] {
        assert_eq!(done.home(id), (record, "urn:north".to_owned()), "{id}");
    }
    for id in ["group", "of-group", "of-group-only"] {
        assert_eq!(done.home(id), (RecordId::of_directory("urn:north"), "urn:north".to_owned()), "{id}");
    }
    assert_eq!(done.report.skipped.total, 2, "{:?}", done.reasons());
}

/// A store that holds the patients of another import.
struct Holding(Vec<(String, PatientBinding)>);

impl KnownPatients for Holding {
    fn by_id(&self, id: &str) -> Vec<PatientBinding> {
        self.0.iter().filter(|(known, _)| known == id).map(|(_, binding)| binding.clone()).collect()
    }

    fn single_source(&self) -> Option<String> {
        let first = &self.0.first()?.1.source;
        self.0.iter().all(|(_, one)| one.source == *first).then(|| first.clone())
    }
}

fn holding(id: &str, source: &str, number: &str) -> (String, PatientBinding) {
    (id.into(), PatientBinding { source: source.into(), record: RecordId::of_patient(source, number) })
}

/// A store that remembers how many drafts had been taken when it was asked.
struct Counting<'a>(&'a std::cell::Cell<usize>, std::cell::RefCell<Vec<(String, usize)>>);

impl KnownPatients for Counting<'_> {
    fn by_id(&self, id: &str) -> Vec<PatientBinding> {
        self.1.borrow_mut().push((id.to_owned(), self.0.get()));
        vec![PatientBinding { source: "urn:north".into(), record: RecordId::of_patient("urn:north", id) }]
    }

    fn single_source(&self) -> Option<String> {
        None
    }
}

#[test]
fn the_store_is_asked_when_all_that_was_gathered_before_is_taken() {
    let pad = "x".repeat(2_000);
    let of = |subject: &str, n: usize| {
        observation(&format!("o{n}"), subject).replace("}}", &format!("}},\"p\":\"{pad}\"}}"))
    };
    let mut lines = vec![patient("1", "urn:north", "7")];
    lines.extend((0..40).map(|n| of("Patient/1", n)));
    lines.push(of("Patient/2", 40));
    lines.extend((41..80).map(|n| of("Patient/1", n)));
    lines.push(of("Patient/3", 80));
    let files = Files::of(&[("a.ndjson", &lines.join("\n"))]);
    let options = || ImportOptions { source: None, fallback_source: "x".into() };
    let run = || {
        let taken = std::cell::Cell::new(0);
        let known = Counting(&taken, Default::default());
        let plan = plan(&[files.path("a.ndjson")], options(), &known, &mut |_| {}).unwrap();
        let done = plan.flushing_at(10_000).run::<Infallible>(&mut |_| {}, &mut |draft| {
            // Slow enough that who gathers is ahead.
            std::thread::sleep(std::time::Duration::from_micros(300));
            taken.set(taken.get() + draft.resources.len());
            Ok(())
        });
        assert_eq!(done.unwrap().resources, 82);
        known.1.take()
    };
    let asked = run();
    let [(two, after_40), (three, after_80)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((two.as_str(), three.as_str()), ("2", "3"));
    assert!((38..=41).contains(after_40) && (78..=81).contains(after_80), "{asked:?}");
    assert_eq!(asked, run());
}

#[test]
fn a_subset_gives_the_same_records_and_origins() {
    let provenance = r#"{"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/o1"}]}"#;
    let whole = [
        provenance.to_owned(),
        observation("o1", "Patient/1"),
        observation("o2", "Patient/2"),
        r#"{"resourceType":"Organization","id":"org"}"#.to_owned(),
        patient("2", "urn:north", "8"),
        patient("1", "urn:north", "7"),
    ];
    let files = Files::of(&[
        ("whole.ndjson", &whole.join("\n")),
        ("part.ndjson", &[&whole[5], &whole[3], &whole[1]].map(String::as_str).join("\n")),
        ("late.ndjson", &[&whole[2], &whole[3], &whole[0]].map(String::as_str).join("\n")),
    ]);
    let first = files.import(&["whole.ndjson"]);
    assert_eq!(first.record("v"), RecordId::of_patient("urn:north", "7"));
    let origins = |done: &Imported| -> Vec<_> {
        done.drafts
            .iter()
            .flat_map(|d| d.resources.iter().map(|(o, _)| (d.record, d.part, o.clone())))
            .collect()
    };
    let store = Holding(vec![holding("1", "urn:north", "7"), holding("2", "urn:north", "8")]);
    for (name, missing) in [("part.ndjson", 0), ("late.ndjson", 1)] {
        let done = import(&[files.path(name)], None, &store);
        assert!(origins(&done).iter().all(|one| origins(&first).contains(one)), "{name}");
        assert_eq!(done.report.skipped.total, missing, "{name}: {:?}", done.reasons());
    }
    let alone = files.import(&["late.ndjson"]);
    assert!(alone.reasons()[0].contains("names Patient/2, which is in neither these files nor the store"));
    assert_eq!(alone.report.warnings, [Warning { kind: WarningKind::SourceUnclear, count: 1 }]);
}

#[test]
fn two_hospitals_with_the_same_local_ids_do_not_mix() {
    let of = |system: &str| {
        format!("{}\n{{\"resourceType\":\"Practitioner\",\"id\":\"d\"}}", patient("1", system, "7"))
    };
    let files = Files::of(&[
        ("north/p.ndjson", &of("urn:north")),
        ("north/o.ndjson", &observation("north", "Patient/1")),
        ("south/p.ndjson", &of("urn:south")),
        ("south/x/o.ndjson", &observation("south", "Patient/1")),
        ("o.ndjson", &observation("whose", "Patient/1")),
    ]);
    let done = files.import(&[""]);
    assert_eq!(done.record("north"), RecordId::of_patient("urn:north", "7"));
    assert_eq!(done.record("south"), RecordId::of_patient("urn:south", "7"));
    assert_ne!(done.record("north"), done.record("south"));
    let directories = ["urn:north", "urn:south"].map(RecordId::of_directory);
    assert!(directories.iter().all(|one| done.drafts.iter().any(|draft| draft.record == *one)));
    assert_eq!(done.report.skipped.total, 1);
    assert!(done.reasons()[0].contains("several patients in these files"), "{:?}", done.reasons());

    let store = Holding(vec![holding("1", "urn:north", "7"), holding("1", "urn:south", "7")]);
    let only = [files.path("o.ndjson")];
    assert!(import(&only, None, &store).reasons()[0].contains("several patients in the store"));
    let named = import(&only, Some("urn:south"), &store);
    assert_eq!(named.record("whose"), RecordId::of_patient("urn:south", "7"));
}

#[test]
fn a_named_source_rules_and_mixed_systems_under_it_are_told() {
    let text = [patient("1", "urn:north", "7"), patient("2", "urn:south", "7")].join("\n");
    let files = Files::of(&[("a.ndjson", &text)]);
    let done = import(&[files.path("a.ndjson")], Some("urn:both"), &NoKnownPatients);
    assert_eq!(done.home("1"), (RecordId::of_patient("urn:both", "7"), "urn:both".to_owned()));
    assert_eq!(done.report.warnings, [Warning { kind: WarningKind::NumberInTwoSystems, count: 1 }]);
    assert_eq!(done.report.patients, 1);
    let bad = ImportOptions { source: Some(String::new()), fallback_source: "x".into() };
    assert!(matches!(plan(&[], bad, &NoKnownPatients, &mut |_| {}), Err(PlanError::Source)));
}

#[test]
fn drafts_are_the_same_every_time_and_the_card_comes_first() {
    let mut lines = vec![patient("1", "urn:north", "7"), observation("o", "Patient/1")];
    lines.extend((0..300).map(|n| {
        let pad = "x".repeat(1_000);
        format!(r#"{{"resourceType":"Condition","id":"c{n}","subject":{{"reference":"Patient/1"}},"note":"{pad}"}}"#)
    }));
    lines.push(observation("o", "Patient/1").replace("}}", "},\"status\":\"amended\"}"));
    let files = Files::of(&[("a.ndjson", &lines.join("\n"))]);
    let first = files.import(&["a.ndjson"]);
    let parts: Vec<Part> = first.drafts.iter().map(|draft| draft.part).collect();
    assert!(parts.is_sorted() && parts.contains(&Part::Data));
    for draft in &first.drafts {
        assert!(draft.resources.iter().map(|(_, text)| text.len()).sum::<usize>() <= 64 << 10);
    }
    // Both versions of the observation, the later one behind the earlier one and in a draft of its own.
    let versions: Vec<&Draft> = first.drafts.iter().filter(|draft| draft.part == Part::Data).collect();
    assert_eq!(versions.len(), 2);
    assert!(versions[1].resources[0].1.contains("amended"));
    assert_eq!(first.drafts, files.import(&["a.ndjson"]).drafts);

    let mut steps = Vec::new();
    let options = ImportOptions { source: None, fallback_source: "x".into() };
    let paths = [files.path("a.ndjson")];
    let plan = plan(&paths, options, &NoKnownPatients, &mut |progress| steps.push(progress)).unwrap();
    let small = plan.flushing_at(20 << 10);
    let mut count = 0;
    let stopped = small.run(&mut |progress| steps.push(progress), &mut |_| {
        count += 1;
        if count < 5 { Ok(()) } else { Err("full") }
    });
    assert_eq!((stopped.unwrap_err(), count), ("full", 5));
    assert!(steps.iter().all(|progress| progress.read <= progress.total && progress.total > 300_000));
}

#[test]
fn a_bundle_larger_than_one_value_may_be_is_streamed() {
    let path = tempfile::tempdir().unwrap();
    let file = path.path().join("large.json");
    let mut out = std::io::BufWriter::new(fs::File::create(&file).unwrap());
    write!(out, r#"{{"resourceType":"Bundle","entry":[{{"resource":{}}}"#, patient("1", "urn:north", "7"))
        .unwrap();
    let pad = "x".repeat(1 << 20);
    for n in 0..34 {
        let text = observation(&format!("o{n}"), "Patient/1").replace("}}", &format!("}},\"p\":\"{pad}\"}}"));
        write!(out, ",{{\"resource\":{text}}}").unwrap();
    }
    write!(out, "]}}").unwrap();
    out.into_inner().unwrap();
    assert!(fs::metadata(&file).unwrap().len() > 34 << 20);
    let items: Vec<_> = super::reader::open(Path::new(&file), 0, Default::default()).unwrap().collect();
    assert_eq!(items.len(), 35);
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn no_bytes_make_the_reader_panic_or_stall(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        pieces in proptest::collection::vec(0usize..14, 0..60),
        cut in 0usize..2_000,
    ) {
        let words = [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\n", "\"resourceType\":\"Bundle\"", "\"entry\":[",
            "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"1\"}}", "\"resource\":", "\u{feff}",
        ];
        let text: String = pieces.iter().map(|piece| words[*piece]).collect();
        let whole = gzip(&hard_resources().join("\n"));
        let mut damaged = whole.clone();
        let at = cut % whole.len();
        damaged[at] ^= 0x55;
        let files = Files::of(&[("a.json", &text)]);
        files.add("b.json", &bytes);
        files.add("c.json.gz", &damaged);
        files.add("d.json.gz", &whole[..at]);
        let done = files.import(&[""]);
        prop_assert!(done.report.skipped.total < 500);
    }
}
