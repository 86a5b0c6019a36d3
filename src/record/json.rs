//! Canonical JSON: one value, one text, and not a digit of it lost.
//!
//! The canonical text has no white space, object keys in the order of their UTF-8 bytes, and strings with the
//! escapes of RFC 8785 (only `"`, `\` and control characters). Unlike RFC 8785 it keeps **number literals as
//! they were written**: in FHIR `1.50` says more than `1.5` (the precision of a decimal is significant), and
//! what was imported must be exported again, equal.
//!
//! Refused: duplicate keys (readers disagree on which one counts), lone surrogates, nesting deeper than
//! [`JSON_DEPTH_MAX`], numbers that other readers would turn into infinity, trailing text. So every canonical
//! text is readable by every JSON reader, and a statement that was accepted can be viewed for ever.

use std::borrow::Cow;

use crate::base::limits::JSON_DEPTH_MAX;

/// Largest magnitude of a number: a binary64 reader must not overflow (its limit is about 1.8e308).
const NUMBER_MAX: f64 = 1e300;

/// Why a text is not JSON that can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("reading JSON: {problem} at line {line}, column {column} (byte {offset})")]
pub struct JsonError {
    /// What is wrong there.
    pub problem: JsonProblem,
    /// The byte at which it was noticed, from 0.
    pub offset: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// What can be wrong with JSON text; never quotes the text, which may be about a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// The text ends inside a value.
    #[error("unexpected end")]
    End,
    /// A character that cannot stand here.
    #[error("unexpected character")]
    Character,
    /// Text after the value.
    #[error("text after the value")]
    Trailing,
    /// An object names one key twice.
    #[error("duplicate key")]
    DuplicateKey,
    /// Objects and arrays inside each other beyond the limit.
    #[error("nested deeper than {JSON_DEPTH_MAX}")]
    Depth,
    /// A number that is malformed or too large.
    #[error("not a number that can be kept")]
    Number,
    /// An escape that is malformed.
    #[error("bad escape")]
    Escape,
    /// Half of a surrogate pair.
    #[error("lone surrogate")]
    Surrogate,
    /// An unescaped control character in a string.
    #[error("control character in a string")]
    Control,
    /// The value is not an object.
    #[error("not an object")]
    NotObject,
}

/// Writes the canonical form of a JSON text.
///
/// Laws: idempotent (`canonical(canonical(x)) = canonical(x)`), and equal values give equal texts.
///
/// # Errors
/// [`JsonError`] with the place, when the text is not strict JSON or exceeds a limit.
pub fn canonical(text: &str) -> Result<String, JsonError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, scratch: Vec::new() };
    let mut out = Vec::with_capacity(text.len());
    reader.value(&mut out, 0)?;
    reader.space();
    if reader.at < reader.bytes.len() {
        return Err(reader.error(JsonProblem::Trailing));
    }
    Ok(String::from_utf8(out).expect("whole characters were copied from UTF-8 text"))
}

/// Says whether a text is its own canonical form.
pub fn is_canonical(text: &str) -> bool {
    canonical(text).is_ok_and(|same| same == text)
}

/// Reads string members of the outermost object without building the rest: `None` where a key is missing or
/// its value is not a string.
///
/// # Errors
/// [`JsonError`] when the text is not an object of strict JSON.
pub fn top_strings<const N: usize>(text: &str, keys: [&str; N]) -> Result<[Option<String>; N], JsonError> {
    let mut found = [const { None }; N];
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, scratch: Vec::new() };
    reader.space();
    if reader.peek() != Some(b'{') {
        return Err(reader.error(JsonProblem::NotObject));
    }
    let mut waste = Vec::new();
    reader.members(&mut waste, 0, |key, value| {
        if let Some(place) = keys.iter().position(|wanted| *wanted == key)
            && value.starts_with(b"\"")
        {
            found[place] = serde_json::from_slice(value).ok();
        }
        false
    })?;
    Ok(found)
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    scratch: Vec<u8>,
}

struct Member<'a> {
    key: Cow<'a, str>,
    start: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
        self.space();
        match self.peek() {
            Some(b'{') => self.members(out, depth, |_, _| true),
            Some(b'[') => self.array(out, depth),
            Some(b'"') => self.string(out).map(|_| ()),
            Some(b't') => self.word(out, "true"),
            Some(b'f') => self.word(out, "false"),
            Some(b'n') => self.word(out, "null"),
            Some(b'-' | b'0'..=b'9') => self.number(out),
            Some(_) => Err(self.error(JsonProblem::Character)),
            None => Err(self.error(JsonProblem::End)),
        }
    }

    /// Reads an object; `keep` sees each key with its canonical value and says whether the output keeps it.
    fn members(
        &mut self,
        out: &mut Vec<u8>,
        depth: usize,
        mut keep: impl FnMut(&str, &[u8]) -> bool,
    ) -> Result<(), JsonError> {
        self.enter(depth)?;
        out.push(b'{');
        let first = out.len();
        let mut members: Vec<Member<'a>> = Vec::new();
        let mut sorted = true;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            out.push(b'}');
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected());
            }
            if !members.is_empty() && out.len() > first {
                out.push(b',');
            }
            let start = out.len();
            let key = self.string(out)?;
            self.space();
            self.expect(b':')?;
            out.push(b':');
            let value = out.len();
            self.value(out, depth + 1)?;
            let kept = keep(&key, &out[value..]);
            sorted &= members.last().is_none_or(|last| last.key < key);
            members.push(Member { key, start, end: out.len() });
            if !kept {
                out.truncate(first);
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                Some(_) | None => return Err(self.unexpected()),
            }
        }
        if !sorted {
            members.sort_by(|a, b| a.key.cmp(&b.key));
            if members.windows(2).any(|pair| pair[0].key == pair[1].key) {
                return Err(self.error(JsonProblem::DuplicateKey));
            }
            if out.len() > first {
                self.reorder(out, first, &members);
            }
        }
        self.at += 1;
        out.push(b'}');
        Ok(())
    }

    fn reorder(&mut self, out: &mut Vec<u8>, first: usize, members: &[Member<'a>]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        for member in members {
            if !scratch.is_empty() {
                scratch.push(b',');
            }
            scratch.extend_from_slice(&out[member.start..member.end]);
        }
        out.truncate(first);
        out.extend_from_slice(&scratch);
        self.scratch = scratch;
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
        self.enter(depth)?;
        out.push(b'[');
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            out.push(b']');
            return Ok(());
        }
        loop {
            self.value(out, depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => out.push(b','),
                Some(b']') => {
                    self.at += 1;
                    out.push(b']');
                    return Ok(());
                }
                Some(_) | None => return Err(self.unexpected()),
            }
            self.at += 1;
        }
    }

    /// Steps over the opening bracket, counting depth.
    fn enter(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth >= JSON_DEPTH_MAX {
            return Err(self.error(JsonProblem::Depth));
        }
        self.at += 1;
        Ok(())
    }

    /// Copies a string in canonical escapes and returns its meaning.
    fn string(&mut self, out: &mut Vec<u8>) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        let plain = |b: &u8| *b == b'"' || *b == b'\\' || *b < 0x20;
        let length = self.bytes[start..].iter().position(plain).unwrap_or(self.bytes.len() - start);
        self.at = start + length;
        out.push(b'"');
        out.extend_from_slice(&self.bytes[start..self.at]);
        if self.peek() == Some(b'"') {
            self.at += 1;
            out.push(b'"');
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        let mut meaning = self.text[start..self.at].to_owned();
        loop {
            let character = match self.peek() {
                None => return Err(self.error(JsonProblem::End)),
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) => return Err(self.error(JsonProblem::Control)),
                Some(_) => {
                    let c = self.text[self.at..].chars().next().expect("peek saw a byte of it");
                    self.at += c.len_utf8();
                    c
                }
            };
            meaning.push(character);
            write_escaped(out, character);
        }
        self.at += 1;
        out.push(b'"');
        Ok(Cow::Owned(meaning))
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let simple = match self.bytes.get(self.at + 1) {
            None => return Err(self.error(JsonProblem::End)),
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) => return Err(self.error(JsonProblem::Escape)),
        };
        self.at += 2;
        Ok(simple)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let high = self.hex_unit()?;
        let code = match high {
            0xD800..=0xDBFF => {
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err(self.error(JsonProblem::Surrogate));
                }
                let low = self.hex_unit()?;
                if !(0xDC00..=0xDFFF).contains(&low) {
                    return Err(self.error(JsonProblem::Surrogate));
                }
                0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
            }
            _ => high,
        };
        char::from_u32(code).ok_or_else(|| self.error(JsonProblem::Surrogate))
    }

    /// Reads `\uXXXX`.
    fn hex_unit(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at + 2..self.at + 6).ok_or_else(|| self.error(JsonProblem::End))?;
        let mut unit = 0;
        for digit in digits {
            let value = char::from(*digit).to_digit(16).ok_or_else(|| self.error(JsonProblem::Escape))?;
            unit = unit * 16 + value;
        }
        self.at += 6;
        Ok(unit)
    }

    fn number(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let start = self.at;
        self.skip(b'-');
        let zero_first = self.peek() == Some(b'0');
        let whole = self.digits();
        let mut good = whole > 0 && !(zero_first && whole > 1);
        if self.skip(b'.') {
            good &= self.digits() > 0;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if !self.skip(b'+') {
                self.skip(b'-');
            }
            good &= self.digits() > 0;
        }
        let literal = &self.text[start..self.at];
        let small = literal.parse::<f64>().is_ok_and(|value| value.abs() <= NUMBER_MAX);
        if !good || !small {
            self.at = start;
            return Err(self.error(JsonProblem::Number));
        }
        out.extend_from_slice(literal.as_bytes());
        Ok(())
    }

    fn word(&mut self, out: &mut Vec<u8>, word: &str) -> Result<(), JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error(JsonProblem::Character));
        }
        self.at += word.len();
        out.extend_from_slice(word.as_bytes());
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let count = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn skip(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.skip(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn unexpected(&self) -> JsonError {
        self.error(if self.at < self.bytes.len() { JsonProblem::Character } else { JsonProblem::End })
    }

    fn error(&self, problem: JsonProblem) -> JsonError {
        let before = &self.bytes[..self.at.min(self.bytes.len())];
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
        let characters = before[line_start..].iter().filter(|b| (**b & 0xC0) != 0x80).count();
        JsonError {
            problem,
            offset: before.len(),
            line: 1 + before.iter().filter(|b| **b == b'\n').count(),
            column: 1 + characters,
        }
    }
}

fn write_escaped(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\0'..='\u{1f}' => out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes()),
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn problem(text: &str) -> JsonProblem {
        canonical(text).unwrap_err().problem
    }

    #[test]
    fn keys_are_sorted_space_goes_and_numbers_stay_as_written() {
        let text = " { \"b\" : [ 1.0 , 1.50, -0, 1E+2 , 12345678901234567890 ] , \"a\" : { \"z\":null,\"y\" : true } }\n";
        let expected = r#"{"a":{"y":true,"z":null},"b":[1.0,1.50,-0,1E+2,12345678901234567890]}"#;
        assert_eq!(canonical(text).unwrap(), expected);
    }

    #[test]
    fn strings_have_one_form() {
        let text = r#""\u7d50\u3073 \ud842\udfb7 \/ \u0041 \u000a \u0001 \" \\ 𠮷""#;
        assert_eq!(canonical(text).unwrap(), "\"結び 𠮷 / A \\n \\u0001 \\\" \\\\ 𠮷\"");
    }

    #[test]
    fn keys_are_ordered_by_utf8_bytes_of_their_meaning() {
        // U+FF21 (EF BC A1) stands before U+20BB7 (F0 A0 AE B7), although UTF-16 orders them the other way.
        let text = "{\"𠮷\":1,\"Ａ\":2,\"\\u0061\":3,\"Z\":4}";
        assert_eq!(canonical(text).unwrap(), "{\"Z\":4,\"a\":3,\"Ａ\":2,\"𠮷\":1}");
    }

    #[test]
    fn what_is_not_strict_json_is_refused() {
        assert_eq!(problem(r#"{"a":1,"\u0061":2}"#), JsonProblem::DuplicateKey);
        assert_eq!(problem(r#"{"b":1,"a":2,"b":3}"#), JsonProblem::DuplicateKey);
        assert_eq!(problem(r#""\ud842""#), JsonProblem::Surrogate);
        assert_eq!(problem(r#""\ud842\u0041""#), JsonProblem::Surrogate);
        assert_eq!(problem(r#""\udfb7""#), JsonProblem::Surrogate);
        assert_eq!(problem("{} x"), JsonProblem::Trailing);
        assert_eq!(problem("\"a\nb\""), JsonProblem::Control);
        assert_eq!(problem(r#""\x""#), JsonProblem::Escape);
        for text in ["01", "-", "1.", ".5", "1e", "1e999", "+1"] {
            assert!(matches!(problem(text), JsonProblem::Number | JsonProblem::Character), "{text}");
        }
        for text in ["", "{", "[1", "{\"a\"", "{\"a\":", "\"ab", "\"\\", "\"\\u12", "[1,"] {
            assert_eq!(problem(text), JsonProblem::End, "{text}");
        }
        for text in ["[1,]", "{,}", "{\"a\":1,}", "tru", "nul", "{1:2}", "[1 2]", "\u{feff}{}"] {
            assert_eq!(problem(text), JsonProblem::Character, "{text}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(canonical(&nested(JSON_DEPTH_MAX)).is_ok());
        assert_eq!(problem(&nested(JSON_DEPTH_MAX + 1)), JsonProblem::Depth);
        assert_eq!(problem(&"[".repeat(1_000_000)), JsonProblem::Depth);
    }

    #[test]
    fn errors_say_where() {
        let error = canonical("{\n  \"結び\": 1,\n  \"次\": ?\n}").unwrap_err();
        assert_eq!((error.line, error.column), (3, 8));
    }

    #[test]
    fn top_strings_sees_only_the_outermost_object() {
        let text =
            r#"{"contained":[{"id":"inner","resourceType":"X"}],"id":"a\u0062","n":1,"resourceType":"Y"}"#;
        let found = top_strings(text, ["resourceType", "id", "n", "none"]).unwrap();
        assert_eq!(found, [Some("Y".to_owned()), Some("ab".to_owned()), None, None]);
        assert_eq!(top_strings("[1]", ["a"]).unwrap_err().problem, JsonProblem::NotObject);
        assert!(top_strings(r#"{"a":"x","a":"y"}"#, ["a"]).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,6}|[\\x00-\\x1f\"\\\\]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,3}", inner, 0..4)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_canonical_form_means_the_same_and_is_a_fixed_point(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let one = canonical(&pretty).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&one).unwrap(), value);
            prop_assert_eq!(canonical(&one).unwrap(), one.clone());
            prop_assert!(is_canonical(&one));
        }

        #[test]
        fn any_text_gives_a_value_or_an_error_and_what_passes_others_can_read(text in "[\\[\\]{}\",:\\\\u0-9a-f.eE+ -]{0,24}") {
            if let Ok(one) = canonical(&text) {
                prop_assert!(serde_json::from_str::<Value>(&one).is_ok());
            }
        }
    }
}
