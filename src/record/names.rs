//! Finding people: search tokens of names, birth dates, identifiers and phone numbers.
//!
//! The store keeps keyed hashes of tokens, so a token can only be looked up whole: prefixes are tokens of their
//! own. Names stand under what they sound like ([`normal::alike`]), so that variants of characters, long vowels, voiced
//! sounds and Latin letters lead to them. Tokens find candidates; [`rank`] then judges each candidate in full, and
//! puts what was typed before what only resembles it.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::linking::normal;
use super::sections::demographics::{Demographics, Identifier, Name, Person};
use super::{birth, kana, romaji};

/// Longest prefix that is a token, in folded characters; longer queries are looked up by this much of them.
pub const PREFIX_CHARS_MAX: usize = 10;
/// Shortest prefix that is a token; a whole name part is a token whatever its length.
pub const PREFIX_CHARS_MIN: usize = 2;
/// Most tokens of one resource.
pub const TOKENS_MAX: usize = 256;
/// Most words of a query that count.
pub const QUERY_WORDS_MAX: usize = 8;
/// Longest query that is read, in characters.
pub const QUERY_CHARS_MAX: usize = 200;
/// Shortest digits that are taken for a phone number.
const PHONE_DIGITS_MIN: usize = 6;
/// Digits of a whole Japanese phone number: a query of so many digits, however spaced, is one.
const PHONE_DIGITS_WHOLE: std::ops::RangeInclusive<usize> = 10..=11;

/// What a token is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// A name, or the beginning of one, as it sounds.
    Name,
    /// A part of a name as it is written, where it is written otherwise than what it sounds like: who types 渡邊 finds
    /// these before all 渡辺.
    Written,
    /// A birth date.
    Birth,
    /// An identifier.
    Identifier,
    /// A phone number.
    Phone,
}

impl TokenKind {
    /// Returns the kind's name, which goes into the token's hash.
    pub fn name(self) -> &'static str {
        match self {
            TokenKind::Name => "name",
            TokenKind::Written => "written",
            TokenKind::Birth => "birth",
            TokenKind::Identifier => "identifier",
            TokenKind::Phone => "phone",
        }
    }
}

/// One thing by which a record is found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SearchToken {
    /// What it is about.
    pub kind: TokenKind,
    /// The folded text.
    pub text: String,
}

/// Shows the kind only.
impl std::fmt::Debug for SearchToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SearchToken({})", self.kind.name())
    }
}

/// Returns the tokens of a resource: of Patient, and the member identifiers of Coverage; sorted, each once.
pub fn tokens_of(resource_type: &str, json: &Value) -> Vec<SearchToken> {
    let person = Person::read(resource_type, json);
    let searched = Searched::of_person(&person);
    let mut tokens = Vec::new();
    let mut add = |kind, text: String| tokens.push(SearchToken { kind, text });
    for part in searched.names.iter().flat_map(|name| &name.parts) {
        let part = &part.folded;
        prefixes(part).into_iter().for_each(|prefix| add(TokenKind::Name, prefix));
        written(part).into_iter().for_each(|part| add(TokenKind::Written, part));
    }
    for birth in searched.births {
        // Whoever knows the year, or the year and the month, finds by it.
        birth.match_indices('-').for_each(|(end, _)| add(TokenKind::Birth, birth[..end].to_owned()));
        add(TokenKind::Birth, birth);
    }
    for known in searched.identifiers {
        known.parts.into_iter().for_each(|text| add(TokenKind::Identifier, text));
        add(TokenKind::Identifier, known.whole);
    }
    searched.phones.into_iter().for_each(|text| add(TokenKind::Phone, text));
    tokens.sort_unstable();
    tokens.dedup();
    tokens.truncate(TOKENS_MAX);
    tokens
}

/// Returns the token under which all who bear a name of this writing or sound stand.
pub fn name_token(name: &str) -> SearchToken {
    SearchToken { kind: TokenKind::Name, text: start_of(&normal::alike(name)) }
}

/// Takes a query apart: every group must be met, by any of its tokens, of which the likeliest come first. Empty when
/// nothing can be looked up.
pub fn query(text: &str) -> Vec<Vec<SearchToken>> {
    let group = |word: Word| {
        let mut group = Vec::new();
        let mut add = |kind, text| {
            let token = SearchToken { kind, text };
            if !group.contains(&token) {
                group.push(token);
            }
        };
        word.birth.iter().for_each(|day| add(TokenKind::Birth, day.to_string()));
        word.partial.into_iter().for_each(|partial| add(TokenKind::Birth, partial));
        word.phone.into_iter().for_each(|phone| add(TokenKind::Phone, phone));
        let parts = word.names.iter().filter_map(|name| written(name));
        parts.for_each(|part| add(TokenKind::Written, part));
        let names = word.names.iter().chain(&word.readings);
        names.for_each(|name| add(TokenKind::Name, start_of(&normal::alike(name))));
        add(TokenKind::Identifier, squeezed(&word.identifier));
        add(TokenKind::Identifier, word.identifier);
        let near = word.birth.iter().flat_map(|day| birth::near(*day));
        near.for_each(|day| add(TokenKind::Birth, day.to_string()));
        group.retain(|token| !token.text.is_empty());
        group
    };
    words(text).into_iter().map(group).collect()
}

/// Judges whether a person is meant by a query, and how well: the higher the better, `None` is not meant.
pub fn rank(text: &str, demographics: &Demographics) -> Option<u32> {
    Asked::of(text).rank(demographics)
}

/// A query, read once to judge many.
pub struct Asked {
    words: Vec<Sought>,
}

/// A word of a query, with its names as they are compared.
struct Sought {
    word: Word,
    names: Vec<Form>,
    readings: Vec<Form>,
}

/// How well what one entry says fits a query; what else is said of the person may make it better, or take it back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint {
    /// How many words of the query it meets.
    pub met: usize,
    /// How well it meets these.
    pub score: u32,
}

impl Asked {
    /// Reads a query.
    pub fn of(text: &str) -> Self {
        let forms = |names: &[String]| names.iter().cloned().map(Form::of).collect();
        let sought = |word: Word| Sought { names: forms(&word.names), readings: forms(&word.readings), word };
        Self { words: words(text).into_iter().map(sought).collect() }
    }

    /// Judges whether a person is meant, and how well: the higher the better, `None` is not meant.
    pub fn rank(&self, demographics: &Demographics) -> Option<u32> {
        let searched = Searched::of_demographics(demographics);
        if self.words.is_empty() {
            return None;
        }
        self.words.iter().map(|word| searched.score(word)).sum()
    }

    /// Judges what some resources say of one person, by their types.
    pub fn hint(&self, said: &[(&str, &Value)]) -> Hint {
        let read = |(kind, json): &(&str, &Value)| Searched::of_person(&Person::read(kind, json));
        let searched: Vec<Searched> = said.iter().map(read).collect();
        let best = |word: &Sought| searched.iter().filter_map(|searched| searched.score(word)).max();
        let scores = self.words.iter().filter_map(best);
        scores.fold(Hint::default(), |hint, score| Hint { met: hint.met + 1, score: hint.score + score })
    }

    /// Says whether every word is met.
    pub fn is_met(&self, hint: Hint) -> bool {
        hint.met == self.words.len()
    }
}

/// What can be found of a person, folded.
struct Searched {
    names: Vec<FoldedName>,
    births: Vec<String>,
    identifiers: Vec<FoldedIdentifier>,
    phones: Vec<String>,
}

/// A name's parts; the first is the whole name.
struct FoldedName {
    parts: Vec<Form>,
}

/// A folded name, its writing without variants, and what it sounds like.
struct Form {
    folded: String,
    writing: String,
    sound: String,
}

impl Form {
    fn of(folded: String) -> Self {
        let writing = normal::writing(&folded);
        Self { sound: normal::sound(&writing), writing, folded }
    }
}

/// An identifier as it is written, and what people read out of it.
struct FoldedIdentifier {
    whole: String,
    parts: Vec<String>,
}

impl Searched {
    fn of_person(person: &Person) -> Self {
        Self::new(&person.names, person.birth_date.as_slice(), &person.identifiers, &person.contacts)
    }

    fn of_demographics(known: &Demographics) -> Self {
        Self::new(&known.names, &known.birth_dates, &known.identifiers, &known.contacts)
    }

    fn new(names: &[Name], births: &[String], identifiers: &[Identifier], contacts: &[String]) -> Self {
        let identifiers = identifiers.iter().map(|identifier| FoldedIdentifier::of(&identifier.value));
        let birth = |text: &String| birth::parse(text).map_or_else(|| text.clone(), |day| day.to_string());
        Self {
            names: names.iter().map(FoldedName::of).collect(),
            births: births.iter().map(birth).collect(),
            identifiers: identifiers.filter(|known| !known.whole.is_empty()).collect(),
            phones: contacts.iter().filter_map(|contact| phone(contact)).collect(),
        }
    }

    fn score(&self, sought: &Sought) -> Option<u32> {
        let word = &sought.word;
        let if_so = |there: bool, score: u32| there.then_some(score);
        let squeezed = squeezed(&word.identifier);
        let identifier = if_so(self.identifiers.iter().any(|known| known.whole == word.identifier), 100);
        let read_out = if_so(self.identifiers.iter().any(|known| known.parts.contains(&squeezed)), 80);
        let phone = if_so(word.phone.as_ref().is_some_and(|phone| self.phones.contains(phone)), 100);
        let pairs = self.names.iter().flat_map(|name| sought.names.iter().map(move |wanted| (name, wanted)));
        let name = pairs.filter_map(|(name, wanted)| name.score(wanted)).max();
        let pairs =
            self.names.iter().flat_map(|name| sought.readings.iter().map(move |wanted| (name, wanted)));
        let reading =
            pairs.filter_map(|(name, wanted)| name.score(wanted)).max().map(|score| score - READ_COSTS);
        let birth = self.births.iter().filter_map(|birth| word.born(birth)).max();
        [identifier, read_out, birth, phone, name, reading].into_iter().flatten().max()
    }
}

/// What it costs in rank that a name was typed in Latin letters.
const READ_COSTS: u32 = 5;

impl FoldedName {
    fn of(name: &Name) -> Self {
        let mut parts = vec![kana::fold(&name.full)];
        if name.family.is_none() && name.given.is_empty() {
            parts.extend(name.full.split_whitespace().map(kana::fold));
        } else {
            parts.extend(name.family.iter().chain(&name.given).map(|part| kana::fold(part)));
        }
        parts.retain(|part| !part.is_empty());
        Self { parts: parts.into_iter().map(Form::of).collect() }
    }

    /// The same writing comes before a variant of it, that before the same sound, and a whole name before its
    /// beginning.
    fn score(&self, wanted: &Form) -> Option<u32> {
        let few = wanted.folded.chars().count() < PREFIX_CHARS_MIN;
        let score = |(place, part): (usize, &Form)| {
            let [same, variant, heard] = if place == 0 { [90, 85, 70] } else { [60, 55, 40] };
            match part {
                part if part.folded == wanted.folded => Some(same),
                part if part.writing == wanted.writing => Some(variant),
                part if part.sound == wanted.sound => Some(heard),
                _ if few => None,
                part if part.folded.starts_with(&wanted.folded) => Some(30),
                part => part.sound.starts_with(&wanted.sound).then_some(20),
            }
        };
        self.parts.iter().enumerate().filter_map(score).max()
    }
}

impl FoldedIdentifier {
    fn of(value: &str) -> Self {
        let whole = fold_identifier(value);
        let mut parts = vec![squeezed(&whole)];
        // Insurer, symbol and number, and a branch: people read out the number, or the symbol and the number.
        if let [_, symbol, number] | [_, symbol, number, _] =
            whole.split([':', '/', '・', '|']).collect::<Vec<_>>()[..]
        {
            parts.extend([squeezed(number), squeezed(&format!("{symbol}{number}"))]);
        }
        parts.retain(|part| !part.is_empty());
        Self { whole, parts }
    }
}

/// One word of a query, in every reading that makes sense.
struct Word {
    birth: Option<Date>,
    /// A year, or a year and a month.
    partial: Option<String>,
    phone: Option<String>,
    /// The word as a name; and joined to those before it, as the beginning of a whole name (田中 幸) or of a given
    /// name of several words.
    names: Vec<String>,
    /// The same of a word in Latin letters, as kana.
    readings: Vec<String>,
    identifier: String,
}

impl Word {
    fn of(part: &str, birth: Option<Date>) -> Self {
        let name = kana::fold(part);
        let has_letter = name.chars().any(char::is_alphabetic);
        let is_name = has_letter && birth.is_none();
        Self {
            partial: if birth.is_none() { birth::parse_partial(part) } else { None },
            phone: phone(part),
            readings: if is_name { romaji::readings(part) } else { Vec::new() },
            names: is_name.then_some(name).into_iter().collect(),
            identifier: fold_identifier(part),
            birth,
        }
    }

    /// Adds the readings of the words before it and of itself as one, from each of them on.
    fn join_readings(&mut self, before: &mut Vec<String>) {
        let Some(own) = self.readings.first().cloned() else { return before.clear() };
        before.iter_mut().for_each(|run| run.push_str(&own));
        self.readings.extend(before.iter().cloned());
        before.push(own);
    }

    /// Judges a FHIR date, which may be partial.
    fn born(&self, date: &str) -> Option<u32> {
        if let Some(partial) = &self.partial {
            let rest = date.strip_prefix(partial.as_str());
            return rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')).then_some(50);
        }
        let typed = self.birth?;
        if typed.to_string() == date {
            return Some(100);
        }
        let known = birth::parse(date)?;
        birth::near(typed).contains(&known).then_some(15)
    }
}

fn words(text: &str) -> Vec<Word> {
    // Alone they stand behind a space in the normal form, which would part the word.
    let marks = text.chars().take(QUERY_CHARS_MAX).map(|c| match c {
        '゛' => '\u{3099}',
        '゜' => '\u{309a}',
        other => other,
    });
    let normal: String = marks.nfkc().collect();
    if let Some(date) = birth::parse(&normal) {
        return vec![Word::of(&normal, Some(date))];
    }
    if phone(&normal).is_some_and(|digits| PHONE_DIGITS_WHOLE.contains(&digits.len())) {
        return vec![Word::of(&normal, None)];
    }
    let mut words: Vec<Word> = Vec::new();
    // What is typed so far from each word on.
    let (mut runs, mut readings): (Vec<String>, Vec<String>) = Default::default();
    for part in normal.split_whitespace() {
        if words.len() == QUERY_WORDS_MAX {
            break;
        }
        let mut word = Word::of(part, birth::parse(part));
        if word.birth.is_none() {
            let own = kana::fold(part);
            runs.iter_mut().for_each(|run| run.push_str(&own));
            word.names.extend(runs.iter().filter(|run| run.chars().any(char::is_alphabetic)).cloned());
            runs.push(own);
            word.join_readings(&mut readings);
        } else {
            (runs, readings) = Default::default();
        }
        if !word.identifier.is_empty() {
            words.push(word);
        }
    }
    words
}

/// Gives the beginnings of a folded part that are tokens, as they sound, and the part itself where it is short.
fn prefixes(part: &str) -> BTreeSet<String> {
    let alike = normal::alike(part);
    let ends: Vec<usize> =
        alike.char_indices().map(|(at, c)| at + c.len_utf8()).take(PREFIX_CHARS_MAX).collect();
    let first = PREFIX_CHARS_MIN.min(ends.len());
    let mut prefixes: BTreeSet<String> =
        ends.into_iter().skip(first.saturating_sub(1)).map(|end| alike[..end].to_owned()).collect();
    // Of とうま somebody has typed とう, which sounds as short as と.
    prefixes.insert(normal::alike(&part.chars().take(PREFIX_CHARS_MIN).collect::<String>()));
    prefixes
}

/// Gives a folded part where it is written otherwise than what it stands under; one character alone tells nothing.
fn written(part: &str) -> Option<String> {
    (part.chars().count() >= PREFIX_CHARS_MIN && normal::alike(part) != part).then(|| part.to_owned())
}

fn start_of(alike: &str) -> String {
    alike.chars().take(PREFIX_CHARS_MAX).collect()
}

/// Folds an identifier: width, case, and without spaces.
pub fn fold_identifier(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect()
}

/// What is left of an identifier when it is read out: letters and digits, without leading zeros.
fn squeezed(folded: &str) -> String {
    let plain: String = folded.chars().filter(|c| c.is_alphanumeric()).collect();
    plain.trim_start_matches('0').to_owned()
}

/// Reads a phone number: its digits, with the Japanese country code written as 0.
fn phone(text: &str) -> Option<String> {
    let normal: String = text.nfkc().filter(|c| !c.is_whitespace()).collect();
    let foreign = normal.strip_prefix("+81");
    let rest = foreign.unwrap_or(&normal);
    let separators = |c: char| matches!(c, '-' | '(' | ')' | '.' | '‐' | '−' | 'ー' | '–' | '+');
    if rest.chars().any(|c| !c.is_ascii_digit() && !separators(c)) {
        return None;
    }
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let digits = if foreign.is_some() && !digits.starts_with('0') { format!("0{digits}") } else { digits };
    (digits.len() >= PHONE_DIGITS_MIN).then_some(digits)
}

#[cfg(test)]
mod tests;
