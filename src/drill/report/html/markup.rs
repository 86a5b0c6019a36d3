//! Pieces of HTML in two languages.

pub(in crate::drill::report) use super::super::svg::esc;
use crate::drill::report::svg::ems;
use crate::drill::report::wording::same;
use crate::drill::scenario::Told;

/// Writes a text in both languages, of which the page shows one; a language that is missing is told in the other.
pub(crate) fn t(text: &Told) -> String {
    wrapped("span", "", text)
}

/// Writes words of the page itself in both languages.
pub(crate) fn w(ja: &str, en: &str) -> String {
    t(&Told { ja: ja.to_owned(), en: en.to_owned() })
}

/// Writes paragraphs in both languages.
pub(crate) fn paragraph(class: &str, text: &Told) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    wrapped("p", &class, text)
}

fn wrapped(tag: &str, attributes: &str, text: &Told) -> String {
    let (ja, en) = (text.ja.trim(), text.en.trim());
    match (ja, en) {
        ("", "") => String::new(),
        (one, "") | ("", one) => format!("<{tag}{attributes}>{}</{tag}>", set(one)),
        (ja, en) if ja == en => format!("<{tag}{attributes}>{}</{tag}>", set(en)),
        (ja, en) => format!(
            "<{tag}{attributes} lang=\"ja\">{}</{tag}><{tag}{attributes} lang=\"en\">{}</{tag}>",
            set(ja),
            set(en)
        ),
    }
}

/// Units that stay on the line of their figure; longer ones stand before their beginnings.
const UNITS: [&str; 21] = [
    "時間",
    "拠点",
    "セクター",
    "日",
    "分",
    "秒",
    "件",
    "台",
    "本",
    "回",
    "組",
    "%",
    "min",
    "TB",
    "GB",
    "MB",
    "kB",
    "B",
    "h",
    "d",
    "s",
];

/// Escapes text, keeps each figure and its unit on one line, and sets what stands between backticks small, as code.
fn set(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for (number, part) in text.split('`').enumerate() {
        let is_last = text.split('`').count() == number + 1;
        match (number % 2 == 1, is_last) {
            (true, false) => written.push_str(&format!("<code>{}</code>", esc(part))),
            (true, true) => written.push_str(&format!("`{}", unbroken(part))),
            (false, _) => written.push_str(&unbroken(part)),
        }
    }
    written
}

fn unbroken(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(begin);
        written.push_str(&esc(before));
        // Digits that belong to a word, such as a name or a digest, are no figure.
        let in_word = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let figure = from.len() - from.trim_start_matches(is_figure).len();
        let kept = if in_word { 0 } else { measured(from) };
        match kept {
            0 => {
                written.push_str(&esc(&from[..figure]));
                rest = &from[figure..];
            }
            kept => {
                written.push_str(&format!("<span class=\"nb\">{}</span>", esc(&from[..kept])));
                rest = &from[kept..];
            }
        }
    }
    written.push_str(&esc(rest));
    written
}

fn is_figure(c: char) -> bool {
    c.is_ascii_digit() || c == ',' || c == '.'
}

/// Returns the length of the figures with units at the beginning of a text, such as of `9 h 20 min`; 0 for none.
fn measured(text: &str) -> usize {
    let mut kept = 0;
    loop {
        let rest = &text[kept..];
        let spaced = if kept == 0 { rest } else { rest.strip_prefix(' ').unwrap_or(rest) };
        if !spaced.starts_with(|c: char| c.is_ascii_digit()) {
            return kept;
        }
        let after = spaced.trim_start_matches(is_figure);
        let after = after.strip_prefix(' ').unwrap_or(after);
        let unit = UNITS.iter().find(|unit| {
            let behind = after.strip_prefix(**unit).map(|behind| behind.chars().next());
            behind.is_some_and(|next| !unit.is_ascii() || next.is_none_or(|c| !c.is_ascii_alphanumeric()))
        });
        let Some(unit) = unit else { return kept };
        kept = text.len() - after.len() + unit.len();
    }
}

/// Writes a section with the mark of a drill at its title.
pub(crate) fn section(class: &str, title: &Told, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    format!(
        "<section class=\"{class}\"><h2>{}<b class=\"mark\">訓練 DRILL</b></h2>\n{body}</section>\n",
        t(title)
    )
}

/// Writes a plot with its title, legend and a sentence on how to read it.
pub(crate) fn figure(title: &Told, legend: &str, plot: &str, reading: &Told) -> String {
    if plot.is_empty() {
        return String::new();
    }
    let caption = paragraph("reading", reading);
    format!("<figure><figcaption><h3>{}</h3>{caption}</figcaption>{legend}{plot}</figure>\n", t(title))
}

/// The width of words, in ems, up to which a cell stays on one line.
const UNBROKEN_EMS_MAX: f64 = 9.0;
/// Most rows of a table that stays on one printed page.
const UNBROKEN_ROWS_MAX: usize = 12;

/// A cell of a table.
pub(crate) enum Cell {
    /// Words, at the left.
    Words(Told),
    /// A time on the clock, at the left, never broken.
    When(String),
    /// A figure, at the right.
    Figure(Told),
}

impl Cell {
    /// Words that are the same in both languages.
    pub(crate) fn words(text: impl Into<String>) -> Self {
        Cell::Words(same(text))
    }

    /// A figure that is the same in both languages.
    pub(crate) fn figure(text: impl Into<String>) -> Self {
        Cell::Figure(same(text))
    }

    /// A figure that may be missing.
    pub(crate) fn maybe(text: Option<Told>) -> Self {
        Cell::Figure(text.unwrap_or_else(|| same("–")))
    }
}

/// Writes a table; the title stands above it, and nothing is written without rows.
pub(crate) fn table(title: &Told, head: &[Told], rows: &[Vec<Cell>]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let heads = head.iter().enumerate().map(|(place, text)| match first.get(place) {
        Some(Cell::Figure(_)) => format!("<th scope=\"col\" class=\"num\">{}</th>", t(text)),
        Some(Cell::Words(_) | Cell::When(_)) | None => format!("<th scope=\"col\">{}</th>", t(text)),
    });
    let row = |cells: &Vec<Cell>| {
        let cells = cells.iter().map(|cell| match cell {
            Cell::Words(text) if ems(&text.ja).max(ems(&text.en)) <= UNBROKEN_EMS_MAX => {
                format!("<td class=\"one\">{}</td>", t(text))
            }
            Cell::Words(text) => format!("<td>{}</td>", t(text)),
            Cell::When(text) => format!("<td class=\"when\">{}</td>", esc(text)),
            Cell::Figure(text) => format!("<td class=\"num\">{}</td>", t(text)),
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let class = if first.len() == 2 { " class=\"two\"" } else { "" };
    let short = if rows.len() <= UNBROKEN_ROWS_MAX { " short" } else { "" };
    let caption = t(title);
    let caption = if caption.is_empty() { caption } else { format!("<h3>{caption}</h3>") };
    format!(
        "<div class=\"table{short}\">{caption}<table{class}><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>\n",
        heads.collect::<String>(),
        rows.iter().map(row).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_and_its_unit_stay_on_one_line_and_names_are_no_figures() {
        let set = |text: &str| set(text).replace("<span class=\"nb\">", "[").replace("</span>", "]");
        assert_eq!(set("after 9 h 20 min, at most"), "after [9 h 20 min], at most");
        assert_eq!(
            set("最長 2日19時間以上、1,204 件の 33.6 %。"),
            "最長 [2日19時間]以上、[1,204 件]の [33.6 %]。"
        );
        assert_eq!(set("core-1 holds 7d1b, 3 dogs & 4 <s>"), "core-1 holds 7d1b, 3 dogs &amp; 4 &lt;s&gt;");
        assert_eq!(set("中止 `dose-vs-stop` と ` 一つ"), "中止 <code>dose-vs-stop</code> と ` 一つ");
    }

    #[test]
    fn a_missing_language_is_told_in_the_other() {
        let told = |ja: &str, en: &str| t(&Told { ja: ja.into(), en: en.into() });
        assert_eq!(told("", "A&B"), "<span>A&amp;B</span>");
        assert_eq!(told("訓練", ""), "<span>訓練</span>");
        assert_eq!(told("7", "7"), "<span>7</span>");
        assert_eq!(told("", ""), "");
        assert_eq!(told("甲", "A"), "<span lang=\"ja\">甲</span><span lang=\"en\">A</span>");
    }
}
