//! Reading FHIR references: what a `Reference` points at, as far as its text tells.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::members::Members;

/// What a reference points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A resource by type and id: `Patient/x`, perhaps behind a server's address.
    Local {
        /// The resource type.
        resource_type: String,
        /// The id.
        id: String,
        /// The whole address, when it is absolute: an entry's `fullUrl` may be equal.
        url: Option<String>,
    },
    /// A `urn:uuid:…` or another address that only the `fullUrl` of an entry explains.
    Url(String),
    /// A business identifier of a patient.
    Identifier {
        /// The identifier's system.
        system: String,
        /// The identifier's value.
        value: String,
    },
    /// A resource that is contained in the referring one.
    Contained,
    /// Something that is not a patient, although the text does not tell which.
    NotPatient,
    /// Words, or nothing that could be followed.
    Words,
}

impl Target {
    /// Reads a `Reference` object; none when the value is not an object.
    pub(super) fn of(value: &RawValue) -> Option<Target> {
        let members = Members::parse(value.get()).ok()?;
        let resource_type = members.text("type");
        if let Some(reference) = members.text("reference") {
            return Some(Self::of_text(&reference));
        }
        if resource_type.is_some_and(|name| name != "Patient") {
            return Some(Target::NotPatient);
        }
        let identifier = members.raw("identifier").and_then(|raw| Members::parse(raw.get()).ok());
        let (system, value) = match &identifier {
            Some(identifier) => (identifier.text("system"), identifier.text("value")),
            None => (None, None),
        };
        Some(match (system, value) {
            (Some(system), Some(value)) => {
                Target::Identifier { system: system.into_owned(), value: value.into_owned() }
            }
            _ => Target::Words,
        })
    }

    /// Reads the text of a reference.
    pub(super) fn of_text(reference: &str) -> Target {
        if reference.starts_with('#') {
            return Target::Contained;
        }
        if reference.starts_with("urn:") {
            return Target::Url(reference.to_owned());
        }
        if let Some((path, query)) = reference.split_once('?') {
            return conditional(path, query);
        }
        let path = reference.split_once("/_history/").map_or(reference, |(path, _)| path);
        let mut segments = path.rsplit('/');
        let (id, resource_type) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        if id.is_empty() || !is_type_name(resource_type) {
            return if path.contains("://") { Target::Url(reference.to_owned()) } else { Target::Words };
        }
        let url = path.contains("://").then(|| path.to_owned());
        Target::Local { resource_type: resource_type.to_owned(), id: id.to_owned(), url }
    }

    /// Says whether the reference may mean a patient.
    pub(super) fn may_be_patient(&self) -> bool {
        match self {
            Target::Local { resource_type, .. } => resource_type == "Patient",
            Target::NotPatient => false,
            Target::Url(_) | Target::Identifier { .. } | Target::Contained | Target::Words => true,
        }
    }
}

/// Returns the id inside a `urn:uuid:…`, which many writers use as the resource's id too.
pub(super) fn uuid_of(url: &str) -> Option<&str> {
    url.strip_prefix("urn:uuid:")
}

/// Says whether a text may name a FHIR resource type: ASCII letters, the first a capital.
pub(super) fn is_type_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|letter| letter.is_ascii_alphabetic())
}

/// Reads a conditional reference, `Patient?identifier=system|value`.
fn conditional(path: &str, query: &str) -> Target {
    if path.rsplit('/').next() != Some("Patient") {
        return if is_type_name(path) { Target::NotPatient } else { Target::Words };
    }
    let found = query.split('&').find_map(|pair| pair.strip_prefix("identifier="));
    match found.map(unescape).as_deref().and_then(|token| token.split_once('|')) {
        Some((system, value)) if !system.is_empty() && !value.is_empty() => {
            Target::Identifier { system: system.to_owned(), value: value.to_owned() }
        }
        _ => Target::Words,
    }
}

/// Undoes percent-encoding (RFC 3986, section 2.1); a text that is not encoded properly stays as it is.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'%').then(|| tail.get(..2)).flatten();
        let decoded = code.and_then(|code| data_encoding::HEXUPPER_PERMISSIVE.decode(code).ok());
        match decoded {
            Some(decoded) => {
                bytes.extend(decoded);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(resource_type: &str, id: &str, url: Option<&str>) -> Target {
        Target::Local { resource_type: resource_type.into(), id: id.into(), url: url.map(str::to_owned) }
    }

    #[test]
    fn the_forms_of_a_reference_are_told_apart() {
        let server = "https://ehr.example/fhir/Patient/p-1";
        for (text, expected) in [
            ("Patient/p-1", local("Patient", "p-1", None)),
            ("Patient/p-1/_history/3", local("Patient", "p-1", None)),
            (server, local("Patient", "p-1", Some(server))),
            ("Group/g", local("Group", "g", None)),
            ("urn:uuid:0f3", Target::Url("urn:uuid:0f3".into())),
            ("#p", Target::Contained),
            (
                "Patient?identifier=urn%3Aoid%3A1.2%7C0042",
                Target::Identifier { system: "urn:oid:1.2".into(), value: "0042".into() },
            ),
            ("Practitioner?identifier=a|b", Target::NotPatient),
            ("田中さん", Target::Words),
            ("Patient?identifier=%ZZ%e3", Target::Words),
            ("", Target::Words),
        ] {
            assert_eq!(Target::of_text(text), expected, "{text}");
        }
    }

    #[test]
    fn identifiers_and_words_stand_in_for_a_reference() {
        let read = |text: &str| Target::of(&RawValue::from_string(text.to_owned()).unwrap());
        let identifier = r#"{"identifier":{"system":"urn:s","value":"7"},"display":"x"}"#;
        assert_eq!(read(identifier), Some(Target::Identifier { system: "urn:s".into(), value: "7".into() }));
        assert_eq!(read(r#"{"display":"匿名"}"#), Some(Target::Words));
        assert_eq!(read(r#"{"type":"Device","display":"x"}"#), Some(Target::NotPatient));
        assert_eq!(read(r#""Patient/1""#), None);
    }
}
