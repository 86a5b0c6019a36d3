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

use super::json_quick;
use super::json_reader::Reader;
use crate::base::limits::JSON_DEPTH_MAX;

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
    let mut reader = Reader::new(text);
    let mut out = Vec::with_capacity(text.len());
    reader.document(&mut out)?;
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
    let mut reader = Reader::new(text);
    reader.top_members(|key, value| take_string(&mut found, &keys, key, value))?;
    Ok(found)
}

/// Reads string members of the outermost object of a text that is its own canonical form, in one reading: none when it is
/// no such text, or no object.
pub fn canonical_strings<'a, const N: usize>(
    text: &'a str,
    keys: [&str; N],
) -> Option<[Option<Cow<'a, str>>; N]> {
    let mut found = [const { None }; N];
    let see = |key: &str, value: &'a str| {
        if let Some(place) = keys.iter().position(|wanted| *wanted == key) {
            found[place] = string_of(value);
        }
    };
    if json_quick::members(text, see).is_some() {
        return Some(found);
    }
    let (mut found, mut out) = ([const { None }; N], Vec::with_capacity(text.len()));
    let see = |key: &str, value: &[u8]| take_string(&mut found, &keys, key, value);
    Reader::new(text).object(&mut out, see).ok()?;
    (out == text.as_bytes()).then_some(found.map(|found| found.map(Cow::Owned)))
}

/// The meaning of a string as it is written; none of any other value.
fn string_of(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(value).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

fn take_string<const N: usize>(found: &mut [Option<String>; N], keys: &[&str; N], key: &str, value: &[u8]) {
    if let Some(place) = keys.iter().position(|wanted| *wanted == key)
        && value.starts_with(b"\"")
    {
        found[place] = serde_json::from_slice(value).ok();
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

    #[test]
    fn what_only_resembles_canonical_text_is_left_to_the_full_reader() {
        let deep = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        let looks = |text: &str| json_quick::members(text, |_, _| {}).is_some();
        assert!(looks(&deep(JSON_DEPTH_MAX - 1)) && !looks(&deep(JSON_DEPTH_MAX)));
        for good in [
            r#"{}"#,
            r#"{"a":-0.10,"b":[],"c":{},"d":[true,false,null,"\b\n\\\""]}"#,
            r#"{"あ":1,"𠮷":"い"}"#,
        ] {
            assert!(looks(good) && is_canonical(good), "{good}");
        }
        let long = format!("{{\"a\":{}}}", "9".repeat(310));
        for bad in [
            r#"{"b":1,"a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":-}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\u0041"}"#,
            r#"{"\n":1}"#,
            r#"{"a":1} "#,
            r#"{"a": 1}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":1,}"#,
            r#"{"a":tru}"#,
            r#"{"a"}"#,
            r#"{"a":"#,
            "[1]",
            "",
            "{",
            "{\"a\":\"\n\"}",
            r#"{"a":1e999}"#,
            &long,
        ] {
            assert!(!looks(bad), "{bad}");
        }
    }

    #[test]
    fn canonical_strings_are_those_of_a_canonical_object_alone() {
        let keys = ["resourceType", "id"];
        let found = canonical_strings(r#"{"id":"a","resourceType":"Y"}"#, keys);
        assert_eq!(found, Some([Some("Y".into()), Some("a".into())]));
        let found = canonical_strings(r#"{"id":"a\"\u0001","resourceType":"\\Y"}"#, keys);
        assert_eq!(found, Some([Some("\\Y".into()), Some("a\"\u{1}".into())]));
        assert_eq!(canonical_strings(r#"{"a":{"id":"b"},"id":1}"#, keys), Some([None, None]));
        for other in [
            r#"{"resourceType":"Y","id":"a"}"#,
            r#"{"id": "a"}"#,
            r#"{"id":"a"} "#,
            "[1]",
            "",
            r#"{"a":1,"a":1}"#,
        ] {
            assert_eq!(canonical_strings(other, keys), None, "{other}");
        }
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
            prop_assert_eq!(serde_json::from_str::<Value>(&one).unwrap(), value.clone());
            prop_assert_eq!(canonical(&one).unwrap(), one.clone());
            prop_assert!(is_canonical(&one));
            let keys = ["a", "b"];
            let found = canonical_strings(&one, keys).map(|found| found.map(|one| one.map(Cow::into_owned)));
            prop_assert_eq!(found, top_strings(&one, keys).ok());
            prop_assert_eq!(canonical_strings(&pretty, keys).is_some(), pretty == one && value.is_object());
        }

        #[test]
        fn any_text_gives_a_value_or_an_error_and_what_passes_others_can_read(text in "[\\[\\]{}\",:\\\\u0-9a-f.eE+ -]{0,24}") {
            if let Ok(one) = canonical(&text) {
                prop_assert!(serde_json::from_str::<Value>(&one).is_ok());
            }
        }

        #[test]
        fn what_looks_canonical_is(value in any_json(), spoil in prop::option::of((any::<prop::sample::Index>(), "[\\PC\\x00-\\x1f]"))) {
            let mut text = canonical(&serde_json::json!({ "a": value }).to_string()).unwrap();
            if let Some((place, with)) = &spoil {
                let place = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).nth(place.index(text.chars().count())).unwrap();
                text.insert_str(place, with);
            }
            let looks = json_quick::members(&text, |_, _| {}).is_some();
            prop_assert!(!looks || is_canonical(&text), "{text}");
            prop_assert!(looks || spoil.is_some() || text.contains('\\'), "{text}");
        }
    }
}
