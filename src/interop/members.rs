//! Looking at single members of a JSON object without reading the rest.
//!
//! Nothing here turns a number into a float or a text into a tree: a resource is kept as it was written.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of a JSON object, each as its unread text.
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads the members of the object in `text`; the column (in bytes) and the line of what is wrong with it
    /// otherwise. Never quotes the text.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| match error.line() {
            0 | 1 => format!("not a JSON object (byte {})", error.column()),
            line => format!("not a JSON object (line {line} of it, byte {})", error.column()),
        })
    }

    /// Returns the unread text of a member.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// Returns a member that is a string.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).and_then(text_of)
    }

    /// Calls `visit` with each value at `path`, such as `participant.actor`, in the order of the text; arrays on
    /// the way are gone through.
    pub(super) fn each(&self, path: &str, visit: &mut dyn FnMut(&'a RawValue)) {
        let (name, rest) = match path.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        let Some(value) = self.raw(name) else { return };
        for item in items_of(value) {
            match rest {
                None => visit(item),
                Some(rest) => {
                    if let Ok(members) = Members::parse(item.get()) {
                        members.each(rest, visit);
                    }
                }
            }
        }
    }
}

/// Reads a string value.
pub(super) fn text_of(value: &RawValue) -> Option<Cow<'_, str>> {
    let text: Text<'_> = serde_json::from_str(value.get()).ok()?;
    Some(text.0)
}

/// Returns the items of an array, or the value itself.
pub(super) fn items_of(value: &RawValue) -> Vec<&RawValue> {
    if value.get().starts_with('[') {
        serde_json::from_str(value.get()).unwrap_or_default()
    } else {
        vec![value]
    }
}

/// A string that borrows when it holds no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        d.deserialize_str(TextVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((key.0, value));
                }
                Ok(Members(members))
            }
        }
        d.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_through_arrays() {
        let text =
            r#"{"participant":[{"actor":{"reference":"a"}},{"actor":[{"reference":"b"}]},7],"n":1e999}"#;
        let members = Members::parse(text).unwrap();
        let mut seen = Vec::new();
        members.each("participant.actor", &mut |value| seen.push(value.get()));
        assert_eq!(seen, [r#"{"reference":"a"}"#, r#"{"reference":"b"}"#]);
        assert_eq!(members.raw("n").unwrap().get(), "1e999");
    }

    #[test]
    fn a_reason_never_quotes_the_text() {
        let reason = Members::parse(r#"{"name":"田中 幸雄" "x"}"#).err().unwrap();
        assert!(!reason.contains("田中") && reason.contains("byte"), "{reason}");
        assert!(Members::parse("[1]").is_err() && Members::parse("{} {}").is_err());
    }
}
