//! One SVG picture, as text that grows.

use std::fmt::Write;

use crate::drill::scenario::Told;

/// The width of every plot in its own units, which are about those of a screen.
pub(crate) const WIDTH: f64 = 760.0;

/// Escapes text for HTML and SVG, also within attributes; control characters go.
pub(crate) fn esc(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && c != '\n' && c != '\t' => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// Writes a coordinate with at most one decimal.
pub(super) fn n(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 { format!("{rounded:.0}") } else { format!("{rounded:.1}") }
}

/// Estimates the width of a text in ems: wide characters are one, others a little over a half.
pub(crate) fn ems(text: &str) -> f64 {
    let width = |c: char| match c {
        'i' | 'l' | 'j' | 't' | 'f' | '.' | ',' | ' ' | '\'' | '(' | ')' | ':' | '-' => 0.34,
        'm' | 'w' | 'M' | 'W' | '%' => 0.86,
        'A'..='Z' => 0.68,
        c if c.is_ascii() => 0.56,
        _ => 1.0,
    };
    text.chars().map(width).sum()
}

/// Breaks a text into at most `lines` lines of at most `most` ems, at spaces where there are some; what does not
/// fit ends in an ellipsis.
pub(super) fn wrap(text: &str, most: f64, lines: usize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let word_end = rest.find(' ').unwrap_or(rest.len());
        let word = &rest[..word_end];
        let gap = if line.is_empty() { "" } else { " " };
        if ems(&line) + ems(gap) + ems(word) <= most {
            line = format!("{line}{gap}{word}");
            rest = rest[word_end..].trim_start();
        } else if !line.is_empty() && (ems(word) <= most || found.len() + 1 < lines) {
            found.push(std::mem::take(&mut line));
        } else {
            let fits: String = word
                .chars()
                .scan(ems(&line), |width, c| {
                    *width += ems(&c.to_string());
                    (*width <= most).then_some(c)
                })
                .collect();
            let taken =
                if fits.is_empty() { word.chars().next().map_or(0, char::len_utf8) } else { fits.len() };
            found.push(format!("{line}{}", &word[..taken]));
            line.clear();
            rest = rest[taken..].trim_start();
        }
        if found.len() == lines {
            break;
        }
    }
    if found.len() < lines && !line.is_empty() {
        found.push(std::mem::take(&mut line));
    }
    if (!rest.is_empty() || !line.is_empty())
        && let Some(last) = found.last_mut()
    {
        while ems(last) + 1.0 > most && last.pop().is_some() {}
        last.push('…');
    }
    found
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// It begins at the point.
    Start,
    /// Its middle is at the point.
    Middle,
    /// It ends at the point.
    End,
}

/// An SVG picture.
pub(super) struct Canvas {
    height: f64,
    label: Told,
    body: String,
}

impl Canvas {
    /// Begins a picture; the label says to those who cannot see it what it shows.
    pub(super) fn new(height: f64, label: Told) -> Self {
        Self { height, label, body: String::new() }
    }

    /// Draws a rectangle.
    pub(super) fn rect(&mut self, at: (f64, f64), size: (f64, f64), class: &str) {
        let ((x, y), (w, h)) = (at, size);
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            n(x),
            n(y),
            n(w.max(0.0)),
            n(h.max(0.0))
        );
    }

    /// Draws a line.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let d = format!("M{} {}L{} {}", n(from.0), n(from.1), n(to.0), n(to.1));
        self.path(&d, class);
    }

    /// Draws a path.
    pub(super) fn path(&mut self, d: &str, class: &str) {
        if !d.is_empty() {
            let _ = write!(self.body, "<path class=\"{class}\" d=\"{d}\"/>");
        }
    }

    /// Writes a text that is the same in both languages.
    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        self.put(at, anchor, class, "", text);
    }

    /// Writes a text in both languages, of which the page shows one.
    pub(super) fn told(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &Told) {
        if text.ja == text.en || text.ja.is_empty() {
            return self.put(at, anchor, class, "", &text.en);
        }
        self.put(at, anchor, class, " lang=\"ja\"", &text.ja);
        self.put(at, anchor, class, " lang=\"en\"", &text.en);
    }

    fn put(&mut self, at: (f64, f64), anchor: Anchor, class: &str, lang: &str, text: &str) {
        let class = match anchor {
            Anchor::Start => class.to_owned(),
            Anchor::Middle => format!("{class} mid"),
            Anchor::End => format!("{class} end"),
        };
        let class = class.trim();
        let _ = write!(
            self.body,
            "<text class=\"{class}\"{lang} x=\"{}\" y=\"{}\">{}</text>",
            n(at.0),
            n(at.1),
            esc(text)
        );
    }

    /// Ends the picture.
    pub(super) fn finish(self) -> String {
        let label = match self.label.ja == self.label.en {
            true => self.label.en.clone(),
            false => format!("{} / {}", self.label.ja, self.label.en),
        };
        format!(
            "<svg class=\"plot\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\">{}</svg>\n",
            esc(&label),
            n(WIDTH),
            n(self.height),
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_a_tag_or_leave_an_attribute() {
        assert_eq!(esc("<b a='1'>\"&\u{7}"), "&lt;b a=&#39;1&#39;&gt;&quot;&amp;");
    }

    #[test]
    fn lines_are_broken_at_spaces_and_cut_with_an_ellipsis() {
        assert_eq!(wrap("North Hospital 北病院", 9.0, 2), ["North Hospital", "北病院"]);
        assert_eq!(wrap("北病院", 9.0, 2), ["北病院"]);
        let long = wrap("とてもとても長い名前の総合医療センター別館", 8.0, 2);
        assert!(long.len() == 2 && long[1].ends_with('…'), "{long:?}");
        for text in ["a b c d e f g h", "とてもとても長い名前", "", "x"] {
            assert!(wrap(text, 3.0, 2).iter().all(|line| ems(line) <= 4.0), "{text}");
        }
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!([1.0, 1.25, -0.04, 33.333].map(n), ["1", "1.3", "-0", "33.3"]);
    }
}
