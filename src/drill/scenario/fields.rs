//! Reading tables of a TOML text by their keys, with the line of every value.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Mistake, nearest};
use super::key::{Key, Shape};
use super::model::Told;
use super::span::{SPAN_FORM, read_signed_span, read_span};
use crate::base::Part;

/// A value with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The line, from 1.
    pub line: usize,
    /// The value.
    pub value: T,
}

/// A table whose keys are taken out one after another; what is left over was not known.
#[derive(Debug)]
pub struct Fields<'t> {
    what: String,
    text: &'t str,
    line: usize,
    left: Vec<(At<&'t str>, &'t Spanned<DeValue<'t>>)>,
    keys: Vec<&'static [Key]>,
    asked: BTreeSet<&'static str>,
}

impl<'t> Fields<'t> {
    /// Opens a table; `what` names it in messages, such as `[[event]]`, and `keys` are those that it may have.
    pub fn new(what: &str, text: &'t str, line: usize, table: &'t DeTable<'t>, keys: &'static [Key]) -> Self {
        let field = |(key, value): (&'t Spanned<_>, &'t Spanned<DeValue<'t>>)| {
            let key: &'t Spanned<std::borrow::Cow<'t, str>> = key;
            (At { line: line_of(text, key.span().start), value: key.get_ref().as_ref() }, value)
        };
        let left = table.iter().map(field).collect();
        Self { what: what.to_owned(), text, line, left, keys: vec![keys], asked: BTreeSet::new() }
    }

    /// Returns the line at which the table begins.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Changes how the table is called in messages, and adds the keys that it may have beside its first ones.
    pub fn become_a(&mut self, what: String, keys: &'static [Key]) {
        self.what = what;
        self.keys.push(keys);
    }

    /// Returns the keys that were asked for so far.
    pub fn asked(&self) -> &BTreeSet<&'static str> {
        &self.asked
    }

    /// Notes a mistake of the table as a whole.
    pub fn mistake(&self, problem: &str) -> Mistake {
        Mistake::at(self.line, format!("{} {problem}", self.what))
    }

    /// Notes that a key is missing, or which of the keys that nobody took is probably it.
    pub fn missing(&self, key: &str, problem: &str) -> Mistake {
        let known: BTreeSet<&str> = self.keys().map(|key| key.name).collect();
        let meant = self
            .left
            .iter()
            .find(|(name, _)| !known.contains(name.value) && nearest(name.value, &[key]).is_some());
        match meant {
            Some((name, _)) => Mistake::at(name.line, format!("'{}' should be '{key}'", name.value)),
            None => self.mistake(problem),
        }
    }

    /// Takes a text that may be absent.
    ///
    /// # Errors
    /// A mistake when it is no text, or none of the texts that the key may have.
    pub fn optional_text(&mut self, key: &'static str) -> Result<Option<At<String>>, Mistake> {
        let text = self.read(key, "a text in quotes", |value| value.as_str().map(str::to_owned))?;
        if let (Some(text), Some(Shape::OneOf(options))) = (&text, self.shape(key))
            && !options.contains(&text.value.as_str())
        {
            return Err(Mistake::unknown(text.line, key, &text.value, options));
        }
        Ok(text)
    }

    /// Takes a text that must be there and not be blank.
    ///
    /// # Errors
    /// A mistake when it is missing, blank or of another kind.
    pub fn text(&mut self, key: &'static str) -> Result<At<String>, Mistake> {
        match self.optional_text(key)? {
            Some(text) if text.value.trim().is_empty() => {
                Err(Mistake::at(text.line, format!("'{key}' is empty")))
            }
            Some(text) => Ok(text),
            None => Err(self.missing(key, &format!("needs '{key}'"))),
        }
    }

    /// Takes a text, or a table of it in English and Japanese; absent is empty.
    ///
    /// # Errors
    /// A mistake when it is something else.
    pub fn told(&mut self, key: &'static str) -> Result<Told, Mistake> {
        let told = self.read(key, "a text, or { en = \"…\", ja = \"…\" }", |value| {
            if let Some(en) = value.as_str() {
                return Some(Told { en: en.to_owned(), ja: String::new() });
            }
            let mut told = Told::default();
            for (name, value) in value.as_table()? {
                let text = value.get_ref().as_str()?.to_owned();
                match name.get_ref().as_ref() {
                    "en" => told.en = text,
                    "ja" => told.ja = text,
                    _ => return None,
                }
            }
            Some(told)
        })?;
        Ok(told.map(|told| told.value).unwrap_or_default())
    }

    /// Takes a list of texts that may be absent.
    ///
    /// # Errors
    /// A mistake when it is something else.
    pub fn optional_texts(&mut self, key: &'static str) -> Result<Option<At<Vec<At<String>>>>, Mistake> {
        let text = self.text;
        self.read(key, "a list of texts", |value| texts(text, value))
    }

    /// Takes a list of parts that may be absent.
    ///
    /// # Errors
    /// A mistake when it is empty, or something else.
    pub fn optional_parts(&mut self, key: &'static str) -> Result<Option<BTreeSet<Part>>, Mistake> {
        let Some(list) = self.optional_texts(key)? else { return Ok(None) };
        let known = Part::ALL.map(|part| (part.name(), part));
        let parts =
            list.value.iter().map(|part| part.choose("part", &known)).collect::<Result<BTreeSet<_>, _>>()?;
        match parts.is_empty() {
            true => Err(Mistake::at(list.line, format!("'{key}' names nothing"))),
            false => Ok(Some(parts)),
        }
    }

    /// Takes a text or a list of texts, each with its line.
    ///
    /// # Errors
    /// A mistake when it is something else, or empty.
    pub fn optional_places(&mut self, key: &'static str) -> Result<Option<At<Vec<At<String>>>>, Mistake> {
        let text = self.text;
        let Some(found) = self.optional_value(key) else { return Ok(None) };
        let line = found.line;
        let places = match found.value.get_ref() {
            DeValue::String(one) => Some(vec![At { line, value: one.as_ref().to_owned() }]),
            other => texts(text, other),
        };
        match places {
            Some(value) if !value.is_empty() => Ok(Some(At { line, value })),
            Some(_) => Err(Mistake::at(line, format!("'{key}' names nothing"))),
            None => Err(Mistake::at(line, format!("'{key}' must be a name in quotes, or a list of names"))),
        }
    }

    /// Takes a whole number that may be absent.
    ///
    /// # Errors
    /// A mistake when it is something else, or out of the bounds of the key.
    pub fn optional_number(&mut self, key: &'static str) -> Result<Option<At<u64>>, Mistake> {
        let (least, most) = match self.shape(key) {
            Some(Shape::Whole(least, most)) => (least, most),
            _ => (0, u64::MAX),
        };
        self.read(key, &format!("a whole number from {least} to {most}"), |value| {
            let number = value.as_integer()?;
            let number = u64::from_str_radix(number.as_str(), number.radix()).ok()?;
            (least..=most).contains(&number).then_some(number)
        })
    }

    /// Takes a number that may be absent.
    ///
    /// # Errors
    /// A mistake when it is something else, or out of the bounds of the key.
    pub fn optional_decimal(&mut self, key: &'static str) -> Result<Option<At<f64>>, Mistake> {
        let (least, most) = match self.shape(key) {
            Some(Shape::Number(least, most)) => (least, most),
            _ => (f64::MIN, f64::MAX),
        };
        self.read(key, &format!("a number from {least} to {most}"), |value| {
            let number: f64 = match value {
                DeValue::Float(number) => number.as_str().parse().ok()?,
                DeValue::Integer(number) => number.as_str().parse().ok()?,
                _ => return None,
            };
            (least..=most).contains(&number).then_some(number)
        })
    }

    /// Takes yes or no; absent is none.
    ///
    /// # Errors
    /// A mistake when it is something else.
    pub fn optional_flag(&mut self, key: &'static str) -> Result<Option<bool>, Mistake> {
        Ok(self.read(key, "true or false", DeValue::as_bool)?.map(|flag| flag.value))
    }

    /// Takes a span of time that may be absent.
    ///
    /// # Errors
    /// A mistake when it is something else, or longer than a year.
    pub fn optional_span(&mut self, key: &'static str) -> Result<Option<At<Duration>>, Mistake> {
        self.read(key, SPAN_FORM, |value| read_span(value.as_str()?))
    }

    /// Takes a span of time that must be there.
    ///
    /// # Errors
    /// A mistake when it is missing or something else.
    pub fn span(&mut self, key: &'static str) -> Result<At<Duration>, Mistake> {
        let span = self.optional_span(key)?;
        span.ok_or_else(|| self.missing(key, &format!("needs '{key}', {SPAN_FORM}")))
    }

    /// Takes a span of time with a sign, in milliseconds.
    ///
    /// # Errors
    /// A mistake when it is missing or something else.
    pub fn signed_span(&mut self, key: &'static str) -> Result<At<i64>, Mistake> {
        let form = "a span of time that may begin with '-', such as \"-3m\"";
        let span = self.read(key, form, |value| read_signed_span(value.as_str()?))?;
        span.ok_or_else(|| self.missing(key, &format!("needs '{key}', {form}")))
    }

    /// Takes a value in its raw form, with its line.
    pub fn optional_value(&mut self, key: &'static str) -> Option<At<&'t Spanned<DeValue<'t>>>> {
        debug_assert!(self.shape(key).is_some(), "'{key}' stands in the table of keys of {}", self.what);
        self.asked.insert(key);
        let place = self.left.iter().position(|(name, _)| name.value == key)?;
        let (name, value) = self.left.swap_remove(place);
        Some(At { line: name.line, value })
    }

    /// Takes a table that may be absent.
    ///
    /// # Errors
    /// A mistake when it is no table.
    pub fn optional_table(&mut self, key: &'static str) -> Result<Option<Fields<'t>>, Mistake> {
        let what = format!("[{key}]");
        let keys = self.inner_keys(key);
        let Some(found) = self.optional_value(key) else { return Ok(None) };
        match found.value.get_ref().as_table() {
            Some(table) => Ok(Some(Fields::new(&what, self.text, found.line, table, keys))),
            None => Err(Mistake::at(found.line, format!("'{key}' must be a table: {what}"))),
        }
    }

    /// Takes the tables of a list, `[[key]]`; absent is empty.
    ///
    /// # Errors
    /// A mistake when it is no list of tables.
    pub fn tables(&mut self, key: &'static str) -> Result<Vec<Fields<'t>>, Mistake> {
        let what = format!("[[{key}]]");
        let keys = self.inner_keys(key);
        let Some(found) = self.optional_value(key) else { return Ok(Vec::new()) };
        let wrong = || Mistake::at(found.line, format!("'{key}' must be a list of tables: {what}"));
        let items = found.value.get_ref().as_array().ok_or_else(wrong)?;
        let table = |item: &'t Spanned<DeValue<'t>>| {
            let line = line_of(self.text, item.span().start);
            Some(Fields::new(&what, self.text, line, item.get_ref().as_table()?, keys))
        };
        items.iter().map(|item| table(item).ok_or_else(wrong)).collect()
    }

    /// Takes everything that is left, as names that the file chooses itself.
    pub fn rest(&mut self) -> Vec<(At<String>, &'t Spanned<DeValue<'t>>)> {
        let mut rest: Vec<_> = self.left.drain(..).collect();
        rest.sort_by_key(|(name, _)| name.line);
        let named =
            |(name, value): (At<&str>, _)| (At { line: name.line, value: name.value.to_owned() }, value);
        rest.into_iter().map(named).collect()
    }

    /// Ends reading.
    ///
    /// # Errors
    /// A mistake when a key is left that is not known, or has no use beside the others.
    pub fn finish(self) -> Result<(), Mistake> {
        let Some((name, _)) = self.left.iter().min_by_key(|(name, _)| name.line) else { return Ok(()) };
        let known: Vec<&str> = self.keys().map(|key| key.name).collect();
        if known.contains(&name.value) {
            let problem =
                format!("'{}' has no use in {} beside its other keys; leave it out", name.value, self.what);
            return Err(Mistake::at(name.line, problem));
        }
        Err(Mistake::unknown(name.line, &format!("key of {}", self.what), name.value, &known))
    }

    fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.clone().into_iter().flatten()
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        self.keys().find(|key| key.name == name).map(|key| key.shape)
    }

    /// Returns the keys of a table inside this one.
    fn inner_keys(&self, key: &str) -> &'static [Key] {
        match self.shape(key) {
            Some(Shape::Table(keys) | Shape::Tables(keys) | Shape::Named(keys)) => keys,
            Some(Shape::Events) => super::key::EVENT,
            Some(Shape::Expectations) => super::key::EXPECT,
            _ => &[],
        }
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&DeValue<'t>) -> Option<T>,
    ) -> Result<Option<At<T>>, Mistake> {
        let Some(found) = self.optional_value(key) else { return Ok(None) };
        match read(found.value.get_ref()) {
            Some(value) => Ok(Some(At { line: found.line, value })),
            None => Err(Mistake::at(found.line, format!("'{key}' must be {wanted}"))),
        }
    }
}

impl At<String> {
    /// Finds the option of this name; `what` says what is chosen.
    ///
    /// # Errors
    /// A mistake when there is none, with the nearest.
    pub fn choose<T: Copy>(&self, what: &str, options: &[(&str, T)]) -> Result<T, Mistake> {
        match options.iter().find(|(name, _)| *name == self.value) {
            Some((_, option)) => Ok(*option),
            None => {
                let known: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
                Err(Mistake::unknown(self.line, what, &self.value, &known))
            }
        }
    }
}

/// Returns the line of a byte of a text, from 1.
pub(super) fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn texts(text: &str, value: &DeValue<'_>) -> Option<Vec<At<String>>> {
    let item = |item: &Spanned<DeValue<'_>>| {
        let value = item.get_ref().as_str()?.to_owned();
        Some(At { line: line_of(text, item.span().start), value })
    };
    value.as_array()?.iter().map(item).collect()
}
