//! Notes: progress notes, summaries, letters, impressions.
//!
//! Rule: a signed note is immutable; what is added later stands beside it as an addendum, and a later version
//! shows that there were earlier ones. Concurrent versions are both listed. What was withdrawn stays listed,
//! marked. One draft that was signed apart by two people is two notes: both are listed, marked, and somebody must
//! look ("signed twice"); an addendum to both does not settle it. What a decision did not keep stays listed, marked.
//!
//! Why: notes were what people opened most in past disasters, and a note that changes after it was relied on
//! is worse than a wrong one.
//!
//! Laws (`record::tests`: `no_note_disappears`): every note thread is listed, whatever follows it;
//! (`a_draft_that_was_signed_twice_is_two_notes_until_somebody_decides`).

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use serde::Serialize;
use serde_json::Value;

use super::standing::open_conflict;
use crate::record::build;
use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir;
use crate::record::sections::Section;
use crate::record::signed::SignedDraft;
use crate::record::source::{Marks, Source};
use crate::record::statement::{Act, FollowRef, Position};
use crate::record::threads::Thread;

/// Longest excerpt of a note in a view, in characters.
pub const EXCERPT_CHARS_MAX: usize = 400;
/// Most nested sections of a Composition that are read.
const SECTION_DEPTH_MAX: usize = 8;

/// One version of a note that is current, with its addenda.
#[derive(Clone, PartialEq, Serialize)]
pub struct Note {
    /// The statement: the full text is found there ([`text_of`]).
    pub position: Position,
    /// The title.
    pub title: String,
    /// When it was written, as the resource says (else as the statement's device claims).
    pub date: String,
    /// The author, as the resource says (else the statement's).
    pub author: String,
    /// The beginning of the text.
    pub excerpt: String,
    /// How many characters the full text has.
    pub chars: usize,
    /// Earlier versions in this thread.
    pub earlier: usize,
    /// It was entered in error, or refuted.
    pub withdrawn: bool,
    /// A decision kept another version.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub set_aside: bool,
    /// The draft of the chart that it was, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    /// What was added later, oldest first.
    pub addenda: Vec<Addendum>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
    /// Who says so.
    pub source: Source,
}

/// An addition to a signed note.
#[derive(Clone, PartialEq, Serialize)]
pub struct Addendum {
    /// The statement.
    pub position: Position,
    /// The beginning of the text.
    pub excerpt: String,
    /// How many characters the full text has.
    pub chars: usize,
    /// Who says so.
    pub source: Source,
}

/// Views the notes of a record, the latest first.
pub fn view(facts: &Facts) -> (Vec<Note>, Vec<Conflict>) {
    let mut notes = Vec::new();
    let mut conflicts = Vec::new();
    for thread in facts.threads(Section::Notes) {
        let read: Vec<Reading> =
            thread.nodes.iter().map(|node| Reading::of(&node.first().json(), node.act())).collect();
        conflicts.extend(conflict::find(&thread, Section::Notes, |nodes| clash(&read, nodes)));
        notes.extend(versions(&thread, &read));
    }
    conflicts.extend(signed_twice(&mut notes));
    notes.sort_by_key(|note| std::cmp::Reverse((instant(&note.date), note.source.time, note.position)));
    (notes, conflicts)
}

/// Finds the drafts of which several signed notes are current, and marks these.
fn signed_twice(notes: &mut [Note]) -> Vec<Conflict> {
    let mut drafts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, note) in notes.iter().enumerate().filter(|(_, note)| !note.withdrawn && !note.set_aside) {
        if let Some(draft) = note.draft.clone() {
            drafts.entry(draft).or_default().push(index);
        }
    }
    let mut found = Vec::new();
    for signed in drafts.into_values().filter(|signed| signed.len() > 1) {
        let statements: Vec<FollowRef> = signed.iter().map(|index| notes[*index].source.follow).collect();
        for index in &signed {
            notes[*index].marks.concurrent = true;
            notes[*index].marks.disputed = true;
        }
        let summary = notes[signed[0]].title.clone();
        found.push(open_conflict(Section::Notes, "signed-twice", statements, summary));
    }
    found
}

/// Returns the full text of a note resource.
pub fn text_of(json: &Value) -> String {
    match json["resourceType"].as_str() {
        Some("DocumentReference") => {
            let attachments = fhir::items(json, &["content"]).iter().map(|c| fhir::at(c, &["attachment"]));
            let text: Vec<String> = attachments.filter_map(attached).collect();
            if text.is_empty() { full(json, "description").unwrap_or_default() } else { text.join("\n") }
        }
        Some("Composition") => {
            let mut text = Vec::new();
            sections(json, 0, &mut text);
            text.join("\n")
        }
        Some("ClinicalImpression") => {
            let fields = ["description", "summary"].into_iter().filter_map(|field| full(json, field));
            let notes = fhir::items(json, &["note"]).iter().filter_map(|note| full(note, "text"));
            fields.chain(notes).collect::<Vec<_>>().join("\n")
        }
        Some(_) | None => String::new(),
    }
}

struct Reading {
    act: Act,
    title: String,
    date: Option<String>,
    author: Option<String>,
    text: String,
    withdrawn: bool,
    draft: Option<String>,
}

impl Reading {
    fn of(json: &Value, act: Act) -> Self {
        let title: [&[&str]; 2] = [&["title"], &["content", "0", "attachment", "title"]];
        let kind = || ["type", "code"].iter().find_map(|key| fhir::concept(fhir::at(json, &[key])));
        let status = |path: &str| fhir::at(json, &[path]).as_str() == Some("entered-in-error");
        Self {
            act,
            title: fhir::first_text(json, &title).or_else(kind).unwrap_or_else(|| "note".to_owned()),
            date: fhir::first_text(json, &[&["date"], &["effectiveDateTime"], &["effectivePeriod", "start"]]),
            author: fhir::first_text(json, &[&["author", "0", "display"], &["assessor", "display"]]),
            text: text_of(json),
            withdrawn: act == Act::Refute || status("status") || status("docStatus"),
            draft: SignedDraft::read(json).map(|draft| draft.note),
        }
    }
}

/// Lists the current versions of one note.
fn versions(thread: &Thread<'_>, read: &[Reading]) -> Vec<Note> {
    let is_note = |node: &usize| read[*node].act != Act::Addendum;
    // An addendum never hides what it adds to: the current versions are those that only addenda follow.
    let mut hidden = vec![false; thread.nodes.len()];
    for node in (0..thread.nodes.len()).filter(is_note) {
        let judge = &thread.nodes[node];
        let may = |f: usize| !judge.is_disputed() || thread.nodes[f].is_disputed();
        let hides = |f: &&usize| may(**f) && !thread.is_circle(node, **f);
        judge.follows.iter().filter(hides).for_each(|followed| hidden[*followed] = true);
    }
    let mut current: Vec<usize> =
        (0..thread.nodes.len()).filter(is_note).filter(|node| !hidden[*node]).collect();
    // A refutation carries no text worth showing: what it refutes is shown, marked as withdrawn. A disputed one
    // withdraws nothing verified.
    let mut withdrawn = vec![false; thread.nodes.len()];
    let shown = |node: usize| {
        let bare = read[node].act == Act::Refute && read[node].text.is_empty();
        let follows = &thread.nodes[node].follows;
        if bare && !follows.is_empty() {
            follows.iter().copied().filter(|followed| hidden[*followed]).collect()
        } else {
            vec![node]
        }
    };
    for node in std::mem::take(&mut current) {
        for shown in shown(node) {
            withdrawn[shown] |= read[node].withdrawn;
            current.push(shown);
        }
    }
    current.sort_unstable();
    current.dedup();
    let set_aside = set_aside(thread, read, &current);
    let earlier =
        (0..thread.nodes.len()).filter(is_note).count().saturating_sub(current.len() + set_aside.len());
    let mut addenda: Vec<Addendum> = (0..thread.nodes.len())
        .filter(|node| !is_note(node))
        .map(|node| addendum(thread, read, node))
        .collect();
    if current.is_empty() {
        // Addenda whose note has not arrived yet stand alone.
        addenda.clear();
        current = (0..thread.nodes.len()).collect();
    }
    let disputed = clash(read, &current).or(clash(read, &thread.tips)).is_some();
    let mut marks = Marks::of(thread, disputed);
    marks.concurrent = current.len() > 1;
    let note = |node: usize| {
        let (reading, source) = (&read[node], Source::of(&thread.nodes[node]));
        let (excerpt, chars) = excerpt(&reading.text);
        Note {
            position: thread.nodes[node].position(),
            title: reading.title.clone(),
            date: reading.date.clone().unwrap_or_else(|| build::fhir_time(source.time_ms)),
            author: reading.author.clone().unwrap_or_else(|| source.who.clone()),
            excerpt,
            chars,
            earlier,
            withdrawn: withdrawn[node],
            set_aside: set_aside.contains(&node),
            draft: reading.draft.clone(),
            // An addendum stands beside what is kept.
            addenda: if set_aside.contains(&node) { Vec::new() } else { addenda.clone() },
            marks: if set_aside.contains(&node) { Marks::default() } else { marks },
            source,
        }
    };
    current.into_iter().chain(set_aside.iter().copied()).map(note).collect()
}

/// Finds the notes that decisions have not kept: they were signed, and people have read them.
fn set_aside(thread: &Thread<'_>, read: &[Reading], current: &[usize]) -> BTreeSet<usize> {
    let decisions = (0..thread.nodes.len()).filter(|node| read[*node].act == Act::Decide);
    let against = decisions.flat_map(|node| thread.nodes[node].follows.iter().copied());
    let is_signed = |node: &usize| !matches!(read[*node].act, Act::Decide | Act::Addendum | Act::Refute);
    let is_shown = |node: &usize| current.iter().any(|one| read[*one].text == read[*node].text);
    against.filter(is_signed).filter(|node| !is_shown(node)).collect()
}

fn addendum(thread: &Thread<'_>, read: &[Reading], node: usize) -> Addendum {
    let (excerpt, chars) = excerpt(&read[node].text);
    let node = &thread.nodes[node];
    Addendum { position: node.position(), excerpt, chars, source: Source::of(node) }
}

fn excerpt(text: &str) -> (String, usize) {
    let text = text.trim();
    let chars = text.chars().count();
    let mut excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    if chars > EXCERPT_CHARS_MAX {
        excerpt.push('…');
    }
    (excerpt, chars)
}

/// Brings dates with different offsets into one order; unreadable ones come last.
fn instant(date: &str) -> i64 {
    fhir::instant(date).unwrap_or(i64::MIN)
}

fn attached(attachment: &Value) -> Option<String> {
    let kind = fhir::at(attachment, &["contentType"]).as_str().unwrap_or("text/plain");
    if !kind.starts_with("text/") {
        return None;
    }
    let bytes = BASE64.decode(fhir::at(attachment, &["data"]).as_str()?.as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    Some(if kind.starts_with("text/html") { without_markup(&text) } else { text })
}

fn sections(json: &Value, depth: usize, text: &mut Vec<String>) {
    if depth > SECTION_DEPTH_MAX {
        return;
    }
    for section in fhir::items(json, &["section"]) {
        let title = fhir::text(section, &["title"]).map(|title| format!("【{title}】"));
        let body = fhir::at(section, &["text", "div"]).as_str().map(without_markup);
        let words: Vec<String> = title.into_iter().chain(body).collect();
        if !words.is_empty() {
            text.push(words.join(" "));
        }
        sections(section, depth + 1, text);
    }
}

fn full(json: &Value, field: &str) -> Option<String> {
    json[field].as_str().map(str::to_owned).filter(|text| !text.trim().is_empty())
}

/// Takes the tags out of XHTML narrative and reads its five entities; nothing is ever rendered from it.
fn without_markup(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('>') else {
            rest = &rest[open..];
            break;
        };
        let tag = &rest[open + 1..open + close];
        let breaks = ["br", "/p", "/div", "/li", "/tr", "/h"].iter().any(|name| tag.starts_with(name));
        if breaks && !text.ends_with('\n') {
            text.push('\n');
        }
        rest = &rest[open + close + 1..];
    }
    text.push_str(rest);
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")];
    entities.iter().fold(text, |text, (entity, meaning)| text.replace(entity, meaning)).trim().to_owned()
}

fn clash(read: &[Reading], nodes: &[usize]) -> Option<Clash> {
    let versions: Vec<&Reading> =
        nodes.iter().map(|node| &read[*node]).filter(|reading| reading.act != Act::Addendum).collect();
    let first = versions.first()?;
    let differ = versions.iter().any(|one| one.text != first.text || one.withdrawn != first.withdrawn);
    differ.then(|| Clash { kind: "two-versions", summary: first.title.clone() })
}
