//! Marks in texts: what is important, and what is struck through but stays readable.
//!
//! Japanese records are corrected by striking out (見え消し), never by erasing: what was written stays legible, with who
//! struck it and when. Two marks are fixed by the schema; more would be another schema.
//!
//! | mark | name in the document | covers |
//! |---|---|---|
//! | [`MarkKind::Important`] | `important` | from the first to the last character that its writer had seen between its ends, also what is typed between these later |
//! | [`MarkKind::Struck`] | `struck` | of that, only what its writer had seen |
//!
//! Neither expands: what is typed at the ends of a mark, by whomever and whenever, is plain. A word that is important would otherwise
//! drag all that is added behind it along. And nobody's words become struck by where they stand: a sentence that one
//! device strikes while another corrects a dose in the middle of it keeps the new dose unstruck. What was typed inside an
//! important sentence belongs to it, which errs to the safe side.
//!
//! Taking a mark away is a mark itself, of value null. Automerge alone would show whichever has the higher number. Here
//! a mark stands while somebody set it whom nobody's removal had seen; where a removal is not seen by the former either,
//! the two are concurrent and the mark is *disputed*, with both sides named, as a tick is. Nothing decides but what the
//! writers had seen, so all replicas agree.

use super::actor::ChangeHash;

/// What stands in a visible form before a bracket of the text itself.
pub const ESCAPE: char = '＼';

/// The name of [`MarkKind::Important`] in the document.
const IMPORTANT: &str = "important";
/// The name of [`MarkKind::Struck`] in the document.
const STRUCK: &str = "struck";

/// A mark that characters of a text can bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkKind {
    /// Important (重要).
    Important,
    /// Struck through (取消線): no longer valid, and still readable.
    Struck,
}

impl MarkKind {
    /// All marks, in the order in which a span names them.
    pub const ALL: [Self; 2] = [Self::Important, Self::Struck];

    /// Returns the mark's name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Important => IMPORTANT,
            Self::Struck => STRUCK,
        }
    }

    /// Reads a name; `None` for any but ours.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One setting of a mark, or one removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marking {
    /// When, by the writer's clock, in seconds since 1970.
    pub time_s: i64,
    /// The change that wrote it, which tells who.
    pub change: ChangeHash,
}

/// A mark that characters bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanMark {
    /// Which.
    pub kind: MarkKind,
    /// Who set it, oldest first, at most [`MARKINGS_SHOWN_MAX`](super::limits::MARKINGS_SHOWN_MAX); never empty.
    pub by: Vec<Marking>,
    /// Who took it away at once with them, as many at most, oldest first; while there is one, the mark is disputed.
    pub against: Vec<Marking>,
}

impl SpanMark {
    /// Says whether somebody took the mark away while somebody else set it.
    pub fn is_disputed(&self) -> bool {
        !self.against.is_empty()
    }
}

/// Characters side by side that bear the same marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The characters.
    pub text: String,
    /// Their marks, each kind at most once, in the order of [`MarkKind::ALL`].
    pub marks: Vec<SpanMark>,
}

/// Writes text with its marks visible: `【重要: …】` and `〔取消: …〕`, with `?` where a mark is disputed.
///
/// Without `important`, as a text is signed: what is important stays plain text there, but what is struck must neither
/// vanish nor look valid.
///
/// A bracket of the text itself that could be taken for one of these has [`ESCAPE`] before it, and so has that sign
/// itself: nobody types what looks struck, or ends a strike from within. `【主訴】` stays as it is.
pub fn visible_text<'a>(
    spans: impl IntoIterator<Item = (&'a str, &'a [SpanMark])>,
    important: bool,
) -> String {
    let mut out = String::new();
    // What is open, from the outside: whether each kind is, and disputed.
    let mut open: [Option<bool>; 2] = [None; 2];
    for (text, marks) in spans {
        let of = |kind| marks.iter().find(|mark| mark.kind == kind).map(SpanMark::is_disputed);
        let wanted = [of(MarkKind::Important).filter(|_| important), of(MarkKind::Struck)];
        turn(&mut out, &mut open, wanted);
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let could_be_ours = match character {
                ESCAPE | '〔' | '〕' => true,
                // What begins a mark goes on with 重; at the end of a piece nobody knows how it goes on.
                '【' => important && characters.peek().is_none_or(|next| *next == '重'),
                '】' => open[0].is_some(),
                _ => false,
            };
            if could_be_ours {
                out.push(ESCAPE);
            }
            out.push(character);
        }
    }
    turn(&mut out, &mut open, [None; 2]);
    out
}

/// Closes and opens brackets so that `wanted` are open.
fn turn(out: &mut String, open: &mut [Option<bool>; 2], wanted: [Option<bool>; 2]) {
    let [outer_changes, changes] = [open[0] != wanted[0], *open != wanted];
    if changes && open[1].is_some() {
        out.push('〕');
    }
    if outer_changes && open[0].is_some() {
        out.push('】');
    }
    if outer_changes && let Some(disputed) = wanted[0] {
        out.push_str(if disputed { "【重要?: " } else { "【重要: " });
    }
    if changes && let Some(disputed) = wanted[1] {
        out.push_str(if disputed { "〔取消?: " } else { "〔取消: " });
    }
    *open = wanted;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(kind: MarkKind, disputed: bool) -> SpanMark {
        let marking = Marking { time_s: 0, change: ChangeHash([1; 32]) };
        SpanMark { kind, by: vec![marking], against: vec![marking; usize::from(disputed)] }
    }

    #[test]
    fn marks_are_named_by_two_words_only() {
        for kind in MarkKind::ALL {
            assert_eq!(MarkKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(MarkKind::from_name("bold"), None);
    }

    #[test]
    fn brackets_nest_and_close() {
        let (important, struck) = (mark(MarkKind::Important, false), mark(MarkKind::Struck, false));
        let disputed = mark(MarkKind::Struck, true);
        let spans: [(&str, &[SpanMark]); 6] = [
            ("a", &[]),
            ("b", std::slice::from_ref(&important)),
            ("c", &[important.clone(), struck.clone()]),
            ("d", std::slice::from_ref(&struck)),
            ("e", std::slice::from_ref(&struck)),
            ("f", &[disputed]),
        ];
        assert_eq!(visible_text(spans, true), "a【重要: b〔取消: c〕】〔取消: de〕〔取消?: f〕");
        assert_eq!(visible_text(spans, false), "ab〔取消: cde〕〔取消?: f〕");
        assert_eq!(visible_text([], true), "");
    }

    #[test]
    fn brackets_of_the_text_itself_neither_end_a_strike_nor_look_like_one() {
        let struck = [mark(MarkKind::Struck, false)];
        let form = |text, marks| visible_text([(text, marks)], false);
        assert_eq!(form("アスピリン100mg〕続行", &struck[..]), "〔取消: アスピリン100mg＼〕続行〕");
        assert_eq!(form("〔取消: 続行〕", &[]), "＼〔取消: 続行＼〕");
        assert_eq!(
            visible_text([("【主訴】頭痛、【重要: 済】", &[][..])], true),
            "【主訴】頭痛、＼【重要: 済】"
        );
    }

    /// Reads a visible form back: each character with whether it is important, and struck.
    fn read(form: &str, important: bool) -> Vec<(char, [Option<bool>; 2])> {
        let (mut rest, mut open, mut found) = (form, [None; 2], Vec::new());
        'next: while let Some(character) = rest.chars().next() {
            if character != ESCAPE {
                let begins = [
                    ("【重要: ", 0, false),
                    ("【重要?: ", 0, true),
                    ("〔取消: ", 1, false),
                    ("〔取消?: ", 1, true),
                ];
                for (begin, kind, disputed) in begins {
                    if let Some(behind) = rest.strip_prefix(begin).filter(|_| important || kind == 1) {
                        (open[kind], rest) = (Some(disputed), behind);
                        continue 'next;
                    }
                }
                for (end, kind) in [('】', 0), ('〕', 1)] {
                    if character == end && open[kind].is_some() {
                        (open[kind], rest) = (None, &rest[end.len_utf8()..]);
                        continue 'next;
                    }
                }
            } else {
                rest = &rest[ESCAPE.len_utf8()..];
            }
            let character = rest.chars().next().expect("something stands behind the sign");
            found.push((character, open));
            rest = &rest[character.len_utf8()..];
        }
        found
    }

    proptest::proptest! {
        #[test]
        fn a_visible_form_reads_back_as_what_it_was_made_of(
            spans in proptest::collection::vec(("[〔〕【】＼取消重要:? a]{0,6}", 0..3u8, 0..3u8), 0..6),
            important: bool,
        ) {
            let state = |which: u8| (which > 0).then_some(which == 2);
            let marks: Vec<Vec<SpanMark>> = spans.iter().map(|(_, one, other)| {
                let kinds = [(MarkKind::Important, state(*one)), (MarkKind::Struck, state(*other))];
                kinds.into_iter().filter_map(|(kind, disputed)| Some(mark(kind, disputed?))).collect()
            }).collect();
            let made = spans.iter().zip(&marks).map(|((text, _, _), marks)| (text.as_str(), marks.as_slice()));
            let form = visible_text(made, important);
            let expected: Vec<_> = spans.iter().flat_map(|(text, one, other)| {
                let state = [state(*one).filter(|_| important), state(*other)];
                text.chars().map(move |character| (character, state))
            }).collect();
            proptest::prop_assert_eq!(read(&form, important), expected, "{}", form);
        }
    }
}
