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
        (one, "") | ("", one) => format!("<{tag}{attributes}>{}</{tag}>", esc(one)),
        (ja, en) if ja == en => format!("<{tag}{attributes}>{}</{tag}>", esc(en)),
        (ja, en) => format!(
            "<{tag}{attributes} lang=\"ja\">{}</{tag}><{tag}{attributes} lang=\"en\">{}</{tag}>",
            esc(ja),
            esc(en)
        ),
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
    fn a_missing_language_is_told_in_the_other() {
        let told = |ja: &str, en: &str| t(&Told { ja: ja.into(), en: en.into() });
        assert_eq!(told("", "A&B"), "<span>A&amp;B</span>");
        assert_eq!(told("訓練", ""), "<span>訓練</span>");
        assert_eq!(told("7", "7"), "<span>7</span>");
        assert_eq!(told("", ""), "");
        assert_eq!(told("甲", "A"), "<span lang=\"ja\">甲</span><span lang=\"en\">A</span>");
    }
}
