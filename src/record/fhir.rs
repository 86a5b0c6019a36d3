//! Reading FHIR R4 resources leniently: what is missing or of another shape reads as absent.

use serde::Serialize;
use serde_json::Value;

/// Longest text that a view shows in one field, in characters; the resource keeps all of it.
pub const TEXT_SHOWN_CHARS_MAX: usize = 300;

/// A code in a code system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Code {
    /// The code system's URL.
    pub system: String,
    /// The code.
    pub code: String,
    /// What the source calls it.
    pub display: Option<String>,
}

impl Code {
    /// Says whether both name the same concept.
    pub fn same(&self, other: &Code) -> bool {
        self.system == other.system && self.code == other.code
    }
}

/// Follows object keys, or array indices written as digits, down into a value; null when there is nothing.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, step| match value {
        Value::Array(items) => step.parse().ok().and_then(|i: usize| items.get(i)).unwrap_or(&Value::Null),
        Value::Object(_) => &value[*step],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => &Value::Null,
    })
}

/// Reads a non-blank string at a path, shortened for showing.
pub fn text(value: &Value, path: &[&str]) -> Option<String> {
    at(value, path).as_str().map(str::trim).filter(|text| !text.is_empty()).map(shorten)
}

/// Cuts a text to what a view shows.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(TEXT_SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns the items of an array at a path; a lone object counts as an array of one.
pub fn items<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    match at(value, path) {
        Value::Array(items) => items,
        object @ Value::Object(_) => std::slice::from_ref(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => &[],
    }
}

/// Reads the codings of a CodeableConcept.
pub fn codes(concept: &Value) -> Vec<Code> {
    let read = |coding: &Value| {
        Some(Code {
            system: text(coding, &["system"]).unwrap_or_default(),
            code: text(coding, &["code"])?,
            display: text(coding, &["display"]),
        })
    };
    items(concept, &["coding"]).iter().filter_map(read).collect()
}

/// Reads what a CodeableConcept is called: its text, else a display, else a code.
pub fn concept(concept: &Value) -> Option<String> {
    let codes = codes(concept);
    text(concept, &["text"])
        .or_else(|| codes.iter().find_map(|code| code.display.clone()))
        .or_else(|| codes.first().map(|code| code.code.clone()))
}

/// Reads the first code of a CodeableConcept, or a plain code.
pub fn first_code(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| text(value, &["coding", "0", "code"]))
}

/// Reads the first of several texts that is there.
pub fn first_text(value: &Value, paths: &[&[&str]]) -> Option<String> {
    paths.iter().find_map(|path| text(value, path))
}

/// Reads a quantity as people write it: `500 mg`.
pub fn quantity(quantity: &Value) -> Option<String> {
    let number = at(quantity, &["value"]).as_f64()?;
    let unit = first_text(quantity, &[&["unit"], &["code"]]).unwrap_or_default();
    Some(format!("{number} {unit}").trim_end().to_owned())
}

/// Returns the day of a FHIR date or dateTime: its first ten characters, or fewer when it says less.
pub fn day(date: &str) -> &str {
    date.get(..10).unwrap_or(date)
}

/// Reads a FHIR date or dateTime as seconds since 1970, so that different offsets have one order; a day is its
/// beginning in UTC.
pub fn instant(date: &str) -> Option<i64> {
    let zoned = date.parse::<jiff::Timestamp>().ok();
    let of_day = || {
        let day: jiff::civil::Date = day(date).parse().ok()?;
        day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    zoned.or_else(of_day).map(jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn other_shapes_read_as_absent() {
        for odd in [json!(null), json!(1), json!("x"), json!([1]), json!({"coding": 3}), json!({"text": " "})]
        {
            assert_eq!(concept(&odd), None);
            assert!(codes(&odd).is_empty());
            assert_eq!(quantity(&odd), None);
        }
    }

    #[test]
    fn concepts_and_quantities_read_as_people_say_them() {
        let coded = json!({"coding": [{"code": "1"}, {"code": "2", "display": "卵"}]});
        assert_eq!(concept(&coded).unwrap(), "卵");
        assert_eq!(concept(&json!({"coding": [{"code": "1"}]})).unwrap(), "1");
        assert_eq!(quantity(&json!({"value": 2.50, "unit": "mg"})).unwrap(), "2.5 mg");
        assert_eq!(quantity(&json!({"value": 500.0, "unit": "mg"})).unwrap(), "500 mg");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "𠮷".repeat(TEXT_SHOWN_CHARS_MAX + 1);
        assert_eq!(shorten(&long).chars().count(), TEXT_SHOWN_CHARS_MAX + 1);
        assert!(shorten(&long).ends_with('…'));
    }
}
