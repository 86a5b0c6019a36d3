//! The tokenizer of canonical JSON: reads strict JSON text and writes its canonical form as it goes.
//!
//! Objects whose keys are already in order are copied straight; others are put in order once they are
//! complete. Work is linear in the text's length times its depth, memory in its length.

use std::borrow::Cow;

use super::json::{JsonError, JsonProblem};
use crate::base::limits::JSON_DEPTH_MAX;

/// Largest magnitude of a number: a binary64 reader must not overflow (its limit is about 1.8e308).
const NUMBER_MAX: f64 = 1e300;

/// A place in a text, and what is written from it.
pub(super) struct Reader<'a> {
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
    /// Starts at the beginning of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, scratch: Vec::new() }
    }

    /// Reads one value and nothing after it, and writes its canonical form.
    pub(super) fn document(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        self.value(out, 0)?;
        self.space();
        if self.at < self.bytes.len() { Err(self.error(JsonProblem::Trailing)) } else { Ok(()) }
    }

    /// Reads one object and nothing after it, writes its canonical form, and shows each of its keys with its canonical
    /// value.
    pub(super) fn object(
        &mut self,
        out: &mut Vec<u8>,
        mut see: impl FnMut(&str, &[u8]),
    ) -> Result<(), JsonError> {
        self.space();
        if self.peek() != Some(b'{') {
            return Err(self.error(JsonProblem::NotObject));
        }
        self.members(out, 0, |key, value| {
            see(key, value);
            true
        })?;
        self.space();
        if self.at < self.bytes.len() { Err(self.error(JsonProblem::Trailing)) } else { Ok(()) }
    }

    /// Reads an object and shows each of its keys with its canonical value.
    pub(super) fn top_members(&mut self, mut see: impl FnMut(&str, &[u8])) -> Result<(), JsonError> {
        self.space();
        if self.peek() != Some(b'{') {
            return Err(self.error(JsonProblem::NotObject));
        }
        self.members(&mut Vec::new(), 0, |key, value| {
            see(key, value);
            false
        })
    }

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
