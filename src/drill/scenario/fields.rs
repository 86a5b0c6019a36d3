//! Reading tables of a TOML text by their keys, with the line of every value.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Mistake;

/// A value with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    /// The line, from 1.
    pub line: usize,
    /// The value.
    pub value: T,
}

/// A table whose keys are taken out one after another; what is left over was not known.
pub(super) struct Fields<'t> {
    what: String,
    text: &'t str,
    line: usize,
    left: Vec<(At<&'t str>, &'t Spanned<DeValue<'t>>)>,
    known: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// Opens a table; `what` names it in messages, such as `[[step]]`.
    pub fn new(what: &str, text: &'t str, line: usize, table: &'t DeTable<'t>) -> Self {
        let field = |(key, value): (&'t Spanned<_>, &'t Spanned<DeValue<'t>>)| {
            let key: &'t Spanned<std::borrow::Cow<'t, str>> = key;
            (At { line: line_of(text, key.span().start), value: key.get_ref().as_ref() }, value)
        };
        Self { what: what.to_owned(), text, line, left: table.iter().map(field).collect(), known: Vec::new() }
    }

    /// Returns the line at which the table begins.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Changes how the table is called in messages.
    pub fn rename(&mut self, what: String) {
        self.what = what;
    }

    /// Notes a mistake of the table as a whole.
    pub fn mistake(&self, problem: &str) -> Mistake {
        Mistake::at(self.line, format!("{} {problem}", self.what))
    }

    /// Takes a text that may be absent.
    pub fn optional_text(&mut self, key: &'static str) -> Result<Option<At<String>>, Mistake> {
        self.read(key, "a text in quotes", |value| value.as_str().map(str::to_owned))
    }

    /// Takes a text that must be there and not be blank.
    pub fn text(&mut self, key: &'static str) -> Result<At<String>, Mistake> {
        match self.optional_text(key)? {
            Some(text) if text.value.trim().is_empty() => {
                Err(Mistake::at(text.line, format!("'{key}' is empty")))
            }
            Some(text) => Ok(text),
            None => Err(self.mistake(&format!("needs '{key}'"))),
        }
    }

    /// Takes a list of texts that may be absent.
    pub fn optional_texts(&mut self, key: &'static str) -> Result<Option<At<Vec<At<String>>>>, Mistake> {
        let text = self.text;
        self.read(key, "a list of texts", |value| {
            let item = |item: &Spanned<DeValue<'_>>| {
                let value = item.get_ref().as_str()?.to_owned();
                Some(At { line: line_of(text, item.span().start), value })
            };
            value.as_array()?.iter().map(item).collect()
        })
    }

    /// Takes a whole number that may be absent.
    pub fn optional_number(&mut self, key: &'static str) -> Result<Option<At<u64>>, Mistake> {
        self.read(key, "a whole number", |value| {
            let number = value.as_integer()?;
            u64::from_str_radix(number.as_str(), number.radix()).ok()
        })
    }

    /// Takes `true` or `false`; absent is `false`.
    pub fn flag(&mut self, key: &'static str) -> Result<bool, Mistake> {
        Ok(self.read(key, "true or false", DeValue::as_bool)?.is_some_and(|flag| flag.value))
    }

    /// Takes a value in its raw form, with its line.
    pub fn optional_value(&mut self, key: &'static str) -> Option<At<&'t Spanned<DeValue<'t>>>> {
        self.known.push(key);
        let place = self.left.iter().position(|(name, _)| name.value == key)?;
        let (name, value) = self.left.swap_remove(place);
        Some(At { line: name.line, value })
    }

    /// Takes a table that may be absent.
    pub fn optional_table(&mut self, key: &'static str) -> Result<Option<Fields<'t>>, Mistake> {
        let what = format!("[{key}]");
        let Some(found) = self.optional_value(key) else { return Ok(None) };
        match found.value.get_ref().as_table() {
            Some(table) => Ok(Some(Fields::new(&what, self.text, found.line, table))),
            None => Err(Mistake::at(found.line, format!("'{key}' must be a table: {what}"))),
        }
    }

    /// Takes the tables of a list, `[[key]]`; absent is empty.
    pub fn tables(&mut self, key: &'static str) -> Result<Vec<Fields<'t>>, Mistake> {
        let what = format!("[[{key}]]");
        let Some(found) = self.optional_value(key) else { return Ok(Vec::new()) };
        let wrong = || Mistake::at(found.line, format!("'{key}' must be a list of tables: {what}"));
        let items = found.value.get_ref().as_array().ok_or_else(wrong)?;
        let table = |item: &'t Spanned<DeValue<'t>>| {
            let line = line_of(self.text, item.span().start);
            Some(Fields::new(&what, self.text, line, item.get_ref().as_table()?))
        };
        items.iter().map(|item| table(item).ok_or_else(wrong)).collect()
    }

    /// Takes everything that is left, as names that the file chooses itself.
    pub fn rest(&mut self) -> Vec<(At<String>, &'t Spanned<DeValue<'t>>)> {
        let mut rest: Vec<_> = self.left.drain(..).collect();
        rest.sort_by_key(|(name, _)| name.line);
        let owned =
            |(name, value): (At<&str>, _)| (At { line: name.line, value: name.value.to_owned() }, value);
        rest.into_iter().map(owned).collect()
    }

    /// Ends the reading: a key that nobody took is a mistake.
    pub fn finish(mut self) -> Result<(), Mistake> {
        self.left.sort_by_key(|(name, _)| name.line);
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => {
                let what = format!("key of {}", self.what);
                Err(Mistake::unknown(name.line, &what, name.value, &self.known))
            }
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
