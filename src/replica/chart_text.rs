//! Charts as plain text, for a terminal.

use super::answer::ChartShown;
use super::chart_apart::ApartShown;
use super::chart_marks::{Mark, MarkShown};
use super::chart_shown::{DraftShown, PlanShown};
use crate::base::WallMs;
use crate::record::render::{self, age};

/// Deepest indentation of a reply.
const DEPTH_SHOWN_MAX: u32 = 6;
/// Digits of a draft's name in a hint.
const NOTE_DIGITS: usize = 8;
/// Most characters of marked words that stand beside their author.
const WORDS_SHOWN_MAX: usize = 40;

/// Writes what is shown of charts, with the age of every entry as of `now`; `record` is how commands name the record.
pub(super) fn text(charts: &[ChartShown], record: &str, now: WallMs) -> String {
    let mut out = String::new();
    let title = |out: &mut String, title: &str| out.push_str(&format!("\n{title}\n"));
    for chart in charts.iter().filter(|chart| !chart.handover.is_empty()) {
        title(&mut out, "Hand-over (申し送り)");
        chart.handover_visible.lines().for_each(|line| out.push_str(&format!("  {}\n", plain(line))));
        let spans = chart.handover_spans.iter().map(|span| (span.text.as_str(), span.marks.as_slice()));
        marks(&mut out, spans, now);
        apart(&mut out, &chart.handover_apart, &format!("record {record} confirm WORDS"), now);
    }
    for (number, draft) in charts.iter().flat_map(|chart| &chart.drafts).enumerate() {
        if number == 0 {
            title(&mut out, "Drafts, not signed (下書き、未署名)");
        }
        draft_text(&mut out, draft, record, now);
    }
    for (number, item) in charts.iter().flat_map(|chart| &chart.plan).enumerate() {
        if number == 0 {
            title(&mut out, "Care plan (看護・ケア計画)");
        }
        plan_text(&mut out, item, now);
    }
    comments(&mut out, charts, now);
    for chart in charts {
        if chart.quarantined > 0 {
            out.push_str(&format!(
                "\nTHE CHART IS SPOILED (共同編集の記録が破損): {} of its changes were refused. The statements above are \
                 untouched (確定した記載は無事).\n  `musubi record {record} texts` shows what everybody typed; \
                 `musubi record {record} new-chart` begins a new one from what can be read\n",
                chart.quarantined
            ));
        }
        if chart.waiting > 0 {
            let waiting = chart.waiting;
            out.push_str(&format!("{waiting} changes of the chart wait for others that have not arrived (未着の編集を待っています)\n"));
        }
        for older in &chart.older {
            out.push_str(&format!(
                "an older chart of {} changes is kept aside (旧記録を保管): `musubi record {record} texts` shows it\n",
                older.changes
            ));
        }
    }
    out
}

fn draft_text(out: &mut String, draft: &DraftShown, record: &str, now: WallMs) {
    let late =
        if draft.while_signing { "; TYPED WHILE IT WAS BEING SIGNED (署名中に入力)" } else { "" };
    let [first, last] = draft.typed.map(|time| age(time, now));
    let age = if first == last { last } else { format!("{first} – {last}") };
    let authors: Vec<String> = draft.authors.iter().map(|author| plain(author)).collect();
    out.push_str(&format!(
        "  note {} v{}: {}, {age}{late}\n",
        plain(&draft.note),
        draft.version,
        authors.join(", ")
    ));
    if !draft.while_signing {
        draft.visible.lines().for_each(|line| out.push_str(&format!("    {}\n", plain(line))));
    }
    for piece in draft.pieces.iter().filter(|_| draft.while_signing) {
        let after =
            if piece.after.is_empty() { String::new() } else { format!("…{} ", plain(&piece.after)) };
        out.push_str(&format!("    {after}「{}」 ({})\n", plain(&piece.visible), plain(&piece.author)));
    }
    marks(out, draft.pieces.iter().map(|piece| (piece.text.as_str(), piece.marks.as_slice())), now);
    let note: String = draft.note.chars().take(NOTE_DIGITS).collect();
    apart(out, &draft.apart, &format!("record {record} confirm --note {} WORDS", plain(&note)), now);
    let signed: Vec<String> = draft.signed.iter().map(|name| shortened(name)).collect();
    if !signed.is_empty() {
        out.push_str(&format!("    signed as (署名済み): {}\n", signed.join(", ")));
    }
}

/// Says below a text who marked what of it and when.
fn marks<'a>(out: &mut String, spans: impl Iterator<Item = (&'a str, &'a [MarkShown])> + Clone, now: WallMs) {
    for (kind, name) in [(Mark::Important, "important (重要)"), (Mark::Struck, "struck (取消)")] {
        let mut marked: Vec<(String, &MarkShown)> = Vec::new();
        let mut before: Option<&MarkShown> = None;
        for (text, marks) in spans.clone() {
            let mark = marks.iter().find(|mark| mark.mark == kind);
            match (mark, marked.last_mut()) {
                (Some(mark), Some((words, _))) if before == Some(mark) => words.push_str(text),
                (Some(mark), _) => marked.push((text.to_owned(), mark)),
                (None, _) => {}
            }
            before = mark;
        }
        for (words, mark) in marked {
            let by = |who: &[(String, WallMs)]| {
                let named = who.iter().map(|(who, time)| format!("{}, {}", plain(who), age(*time, now)));
                named.collect::<Vec<_>>().join("; ")
            };
            let (words, set) = (clipped(&plain(&words)), by(&mark.by));
            if mark.against.is_empty() {
                out.push_str(&format!("    {name}: 「{words}」 — {set}\n"));
            } else {
                let against = by(&mark.against);
                out.push_str(&format!(
                    "    ASK: 「{words}」 {name} by {set} ‖ taken away (解除) by {against}\n"
                ));
            }
        }
    }
}

/// Says below a text which sentences of it several people changed apart, and what each of them left.
fn apart(out: &mut String, sentences: &[ApartShown], confirm: &str, now: WallMs) {
    for sentence in sentences {
        let sides = sentence.sides.iter().map(|side| {
            let (author, age) = (plain(&side.author), age(side.time, now));
            match side.text.as_str() {
                "" => format!("deleted (削除) ({author}, {age})"),
                text => format!("「{}」 ({author}, {age})", plain(text)),
            }
        });
        let sides = sides.collect::<Vec<_>>().join(" ‖ ");
        out.push_str(&format!(
            "    ASK: 「{}」 was changed apart (別々に変更、要確認): {sides}\n",
            plain(&sentence.text)
        ));
    }
    if !sentences.is_empty() {
        out.push_str(&format!("    correct it, or if it is right: `musubi {confirm}`\n"));
    }
}

fn clipped(words: &str) -> String {
    match words.char_indices().nth(WORDS_SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

fn plan_text(out: &mut String, item: &PlanShown, now: WallMs) {
    let ticked = item.ticked.iter().map(|(by, time)| format!("{}, {}", plain(by), age(*time, now)));
    let ticked = ticked.collect::<Vec<_>>().join("; ");
    let (mark, state) = match item.state.as_str() {
        "done" => ("[x]", format!(" — done (済): {ticked}")),
        "disputed" => {
            let against: Vec<String> = item.against.iter().map(|who| plain(who)).collect();
            let against = against.join(", ");
            ("[?]", format!(" — ASK: ticked (済) by {ticked} ‖ taken away (取消) by {against}"))
        }
        _ => ("[ ]", String::new()),
    };
    let (name, author, age) = (entry_shortened(&item.item), plain(&item.author), age(item.time, now));
    out.push_str(&format!("  {mark} {}{state}  ({name}: {author}, {age})\n", plain(&item.text)));
}

fn comments(out: &mut String, charts: &[ChartShown], now: WallMs) {
    let mut thread: Option<&str> = None;
    for (number, comment) in charts.iter().flat_map(|chart| &chart.annotations).enumerate() {
        if number == 0 {
            out.push_str("\nComments (コメント)\n");
        }
        if thread != Some(comment.thread.as_str()) {
            let about = comment.about.as_deref().map_or(String::new(), |about| format!(": {}", plain(about)));
            out.push_str(&format!("  on {}{about}\n", shortened(&comment.thread)));
            thread = Some(&comment.thread);
        }
        let indent = "  ".repeat(usize::try_from(comment.depth.min(DEPTH_SHOWN_MAX)).unwrap_or(0));
        let (text, author, age) = (plain(&comment.text), plain(&comment.author), age(comment.time, now));
        out.push_str(&format!("    {indent}{text}  ({}: {author}, {age})\n", entry_shortened(&comment.id)));
    }
}

/// A statement's name with the beginning of its lane alone; what is none is shown as it is.
fn shortened(name: &str) -> String {
    match name.split_once(':') {
        Some((lane, place)) if lane.len() == 64 && lane.is_ascii() => {
            format!("{}:{}", &lane[..render::LANE_DIGITS], plain(place))
        }
        Some(_) | None => plain(name),
    }
}

/// An entry's name with the beginning of its writer's alone.
fn entry_shortened(name: &str) -> String {
    match name.rsplit_once('-') {
        Some((writer, number)) if writer.len() == 16 && writer.is_ascii() => {
            format!("{}-{}", &writer[..6], plain(number))
        }
        Some(_) | None => plain(name),
    }
}

/// Control characters in data must not reach a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
