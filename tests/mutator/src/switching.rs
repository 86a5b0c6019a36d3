//! Writes the switches: the text of a file in which every mistake is made when, and only when, its switch is on.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::places::{Change, Other};

/// What is asked of a switch in the copy.
const ON: &str = "crate::switched::on";

/// The text of a file with switches.
#[derive(Debug, Default)]
pub struct Switched {
    pub text: String,
    /// Which bytes of the text each mistake put there; also the whole place of several, for errors beside them.
    pub made: Vec<(Range<usize>, Vec<u32>)>,
}

impl Switched {
    /// Returns the mistakes that made the smallest piece of text around a byte.
    pub fn around(&self, byte: usize) -> Vec<u32> {
        let around = self.made.iter().filter(|(range, _)| range.contains(&byte));
        around.min_by_key(|(range, _)| range.len()).map(|(_, numbers)| numbers.clone()).unwrap_or_default()
    }

    /// Returns the mistakes by which a piece of text is not left any more: without it, what follows is reached in a state in
    /// which the compiler refuses it, and it tells of that place.
    pub fn stays_in(&self, piece: Range<usize>) -> Vec<u32> {
        let leaves = |range: &Range<usize>| {
            let inside = self.text[range.clone()].split_once("{ ").map_or("", |(_, inside)| inside);
            ["continue", "break", "return"].into_iter().any(|word| inside.starts_with(word))
        };
        let within = |range: &Range<usize>| piece.start <= range.start && range.end <= piece.end;
        let stays = self.made.iter().filter(|(range, _)| within(range) && leaves(range));
        stays.flat_map(|(_, numbers)| numbers.iter().copied()).collect()
    }
}

/// Writes the switches of a file; `changes` are in their order, and mistakes in `left_out` are not made.
pub fn switch(source: &str, changes: &[Change], left_out: &BTreeSet<u32>) -> Switched {
    let changes: Vec<Change> = changes.iter().filter_map(|change| without(change, left_out)).collect();
    let mut writer = Writer { source, switched: Switched::default() };
    writer.emit(0..source.len(), &changes);
    writer.switched
}

/// Takes the mistakes that are left out from a change; `None` when nothing is left.
fn without(change: &Change, left_out: &BTreeSet<u32>) -> Option<Change> {
    let kept = |number: &u32| !left_out.contains(number);
    match change.clone() {
        Change::Expression { whole, mut others } => {
            others.retain(|other| kept(&other.number));
            (!others.is_empty()).then_some(Change::Expression { whole, others })
        }
        Change::Statement { whole, number } => kept(&number).then_some(Change::Statement { whole, number }),
        Change::Body { begins, mut returns } => {
            returns.retain(|(number, _)| kept(number));
            (!returns.is_empty()).then_some(Change::Body { begins, returns })
        }
        Change::Arm { pattern_ends, guard, deleted, always, never } => {
            let (deleted, always, never) = (deleted.filter(kept), always.filter(kept), never.filter(kept));
            let any = deleted.or(always).or(never).is_some();
            any.then_some(Change::Arm { pattern_ends, guard, deleted, always, never })
        }
    }
}

struct Writer<'a> {
    source: &'a str,
    switched: Switched,
}

impl Writer<'_> {
    /// Writes a range of the source with its changes, all of which lie within it.
    fn emit(&mut self, range: Range<usize>, changes: &[Change]) {
        let mut at = range.start;
        let mut rest = changes;
        while let [change, behind @ ..] = rest {
            let place = place_of(change);
            self.copy(at..place.start);
            let inside = behind.iter().take_while(|inner| place_of(inner).start < place.end).count();
            let (inner, outer) = behind.split_at(inside);
            let begun = self.switched.text.len();
            let numbers = match change {
                Change::Expression { whole, others } => self.expression(whole, others, inner),
                Change::Statement { whole, number } => {
                    self.write(&format!("if !{ON}({number}) {{ "));
                    self.emit(whole.clone(), inner);
                    self.write(" }");
                    vec![*number]
                }
                Change::Body { returns, .. } => self.returns(returns),
                Change::Arm { guard, deleted, always, never, .. } => {
                    self.arm(guard.as_ref(), inner, [*deleted, *always, *never])
                }
            };
            self.switched.made.push((begun..self.switched.text.len(), numbers));
            at = place.end;
            rest = outer;
        }
        self.copy(at..range.end);
    }

    fn copy(&mut self, range: Range<usize>) {
        self.switched.text.push_str(&self.source[range]);
    }

    fn write(&mut self, text: &str) {
        self.switched.text.push_str(text);
    }

    fn expression(&mut self, whole: &Range<usize>, others: &[Other], inner: &[Change]) -> Vec<u32> {
        self.write("(");
        for other in others {
            let begun = self.switched.text.len();
            self.write(&format!("if {ON}({}) {{ ", other.number));
            self.copy(whole.start..other.piece.start);
            self.write(&other.text);
            self.copy(other.piece.end..whole.end);
            self.write(" } else ");
            self.switched.made.push((begun..self.switched.text.len(), vec![other.number]));
        }
        self.write("{ ");
        self.emit(whole.clone(), inner);
        self.write(" })");
        others.iter().map(|other| other.number).collect()
    }

    fn returns(&mut self, returns: &[(u32, String)]) -> Vec<u32> {
        for (number, text) in returns {
            let begun = self.switched.text.len();
            self.write(&format!(" if {ON}({number}) {{ return {text}; }}"));
            self.switched.made.push((begun..self.switched.text.len(), vec![*number]));
        }
        returns.iter().map(|(number, _)| *number).collect()
    }

    fn arm(
        &mut self,
        guard: Option<&Range<usize>>,
        inner: &[Change],
        [deleted, always, never]: [Option<u32>; 3],
    ) -> Vec<u32> {
        let unless = |number: Option<u32>| number.map(|number| format!("!{ON}({number}) && "));
        match (guard, deleted) {
            (None, Some(deleted)) => self.write(&format!(" if !{ON}({deleted})")),
            (None, None) => {}
            (Some(guard), _) => {
                let before = [unless(deleted), unless(never)].into_iter().flatten().collect::<String>();
                self.write(&before);
                self.write("(");
                if let Some(always) = always {
                    self.write(&format!("{ON}({always}) || "));
                }
                self.write("(");
                self.emit(guard.clone(), inner);
                self.write("))");
            }
        }
        [deleted, always, never].into_iter().flatten().collect()
    }
}

/// Which bytes of the source a change takes the place of.
fn place_of(change: &Change) -> Range<usize> {
    match change {
        Change::Expression { whole, .. }
        | Change::Statement { whole, .. }
        | Change::Arm { guard: Some(whole), .. } => whole.clone(),
        Change::Body { begins: at, .. } | Change::Arm { pattern_ends: at, .. } => *at..*at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::{Genre, Mistake, Place, Span};
    use crate::places;

    fn mistake(genre: Genre, line: usize, from: usize, to: usize, replacement: &str) -> Mistake {
        let span = Span { start: Place { line, column: from }, end: Place { line, column: to } };
        Mistake {
            file: "a.rs".into(),
            function: None,
            name: String::new(),
            genre,
            span,
            replacement: replacement.to_owned(),
        }
    }

    fn switched(source: &str, mistakes: &[Mistake]) -> (String, Vec<u32>) {
        let numbered: Vec<(u32, &Mistake)> = (1..).zip(mistakes).collect();
        let (changes, lost) = places::find(source, &numbered).unwrap();
        (switch(source, &changes, &BTreeSet::new()).text, lost)
    }

    #[test]
    fn operators_within_operators_each_have_a_switch() {
        let source = "fn 名() -> bool { a < b && !c }";
        let mistakes = [
            mistake(Genre::BinaryOperator, 1, 20, 21, "<="),
            mistake(Genre::BinaryOperator, 1, 24, 26, "||"),
            mistake(Genre::UnaryOperator, 1, 27, 28, ""),
        ];
        let (text, lost) = switched(source, &mistakes);
        assert_eq!(
            text.replace(ON, "on"),
            "fn 名() -> bool { (if on(2) { a < b || !c } else { (if on(1) { a <= b } else { a < b }) && \
             (if on(3) { c } else { !c }) }) }"
        );
        assert!(lost.is_empty());
    }

    #[test]
    fn a_function_returns_and_an_arm_is_passed_over() {
        let source = "fn f() -> u8 { match a { 1 if b == c => 2, _ => 3 } }";
        let mistakes = [
            mistake(Genre::FnValue, 1, 16, 52, "0"),
            mistake(Genre::MatchArm, 1, 26, 43, ""),
            mistake(Genre::MatchArmGuard, 1, 31, 37, "true"),
            mistake(Genre::BinaryOperator, 1, 33, 35, "!="),
        ];
        let (text, lost) = switched(source, &mistakes);
        assert_eq!(
            text.replace(ON, "on"),
            "fn f() -> u8 { if on(1) { return 0; } match a { 1 if !on(2) && (on(3) || ((if on(4) { b != c } else \
             { b == c }))) => 2, _ => 3 } }"
        );
        assert!(lost.is_empty());
    }

    #[test]
    fn a_statement_is_left_out_and_an_operand_is_not_asked() {
        let source = "fn f() { g(); if a && b { h() } let Some(c) = d else { e(); return; }; }";
        let mistakes = crate::lines::find("a.rs".as_ref(), source).unwrap();
        let (text, lost) = switched(source, &mistakes);
        assert_eq!(
            text.replace(ON, "on"),
            "fn f() { if !on(1) { g(); } if !on(2) { if (if on(3) { a } else if on(4) { b } else { a && b }) { h() } } \
             let Some(c) = d else { if !on(5) { e(); } return; }; }"
        );
        assert!(lost.is_empty());
    }

    #[test]
    fn who_does_not_leave_is_guilty_of_what_is_behind() {
        let source = "fn f() { if a { g(b); return; } h(b); }";
        let mistakes = crate::lines::find("a.rs".as_ref(), source).unwrap();
        let numbered: Vec<(u32, &Mistake)> = (1..).zip(&mistakes).collect();
        let (changes, _) = places::find(source, &numbered).unwrap();
        let made = switch(source, &changes, &BTreeSet::new());
        let at = |text: &str| made.text.find(text).unwrap();
        let returns = mistakes.iter().position(|one| one.name.ends_with("return;")).unwrap() as u32 + 1;
        assert_eq!(made.stays_in(at("g(b)")..at("h(b)")), [returns]);
        assert_eq!(made.stays_in(at("h(b)")..made.text.len()), [0; 0]);
    }

    #[test]
    fn what_the_compiler_computes_and_what_binds_names_has_no_switch() {
        let source = "const A: u8 = 1 << 2;\nfn f() { if a && let Some(b) = c {} }";
        let mistakes = [
            mistake(Genre::BinaryOperator, 1, 17, 19, ">>"),
            mistake(Genre::BinaryOperator, 2, 15, 17, "||"),
        ];
        assert_eq!(switched(source, &mistakes), (source.to_owned(), vec![1, 2]));
    }

    #[test]
    fn what_was_made_is_found_again_by_its_bytes() {
        let source = "fn f() -> u8 { 1 + 2 }";
        let mistakes =
            [mistake(Genre::BinaryOperator, 1, 18, 19, "-"), mistake(Genre::BinaryOperator, 1, 18, 19, "*")];
        let numbered: Vec<(u32, &Mistake)> = (1..).zip(&mistakes).collect();
        let (changes, _) = places::find(source, &numbered).unwrap();
        let made = switch(source, &changes, &BTreeSet::new());
        assert_eq!(made.around(made.text.find("1 - 2").unwrap()), [1]);
        assert_eq!(made.around(made.text.find("1 * 2").unwrap()), [2]);
        assert_eq!(made.around(made.text.find("1 + 2").unwrap()), [1, 2]);
        let less = switch(source, &changes, &BTreeSet::from([1]));
        assert!(!less.text.contains("1 - 2") && less.text.contains("1 * 2"));
    }
}
