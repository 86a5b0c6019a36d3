//! The language as a JSON Schema (2020-12), for editors that complete and check TOML by one.

use serde_json::{Map, Value, json};

use super::expectations::EXPECTATIONS;
use super::key::{EVENT, EXPECT, Key, Shape, TOP, Words};
use crate::drill::events::EVENTS;
use crate::transport::ProfileName;

/// The form of a span of time; the reader also wants each unit at most once, longest first.
const SPAN: &str = r"^\s*([0-9]+(d|h|ms|m|s)\s*)+$";
const SIGNED_SPAN: &str = r"^\s*[+-]?([0-9]+(d|h|ms|m|s)\s*)+$";
const DATE_TIME: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$";

/// Returns the schema of scenario files, made from the tables of keys by which they are read.
pub fn schema() -> Value {
    let events = EVENTS.iter().map(|kind| variant(("do", kind.name), kind.does, EVENT, kind.keys));
    let expectations =
        EXPECTATIONS.iter().map(|kind| variant(("name", kind.name), kind.does, EXPECT, kind.keys));
    let mut schema = object(TOP);
    let more = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Musubi drill scenario",
        "description": "A scenario of `musubi drill`: who takes part, what happens, and what must hold at the end.",
        "$defs": {
            "event": { "oneOf": events.collect::<Vec<_>>() },
            "expectation": { "oneOf": expectations.collect::<Vec<_>>() },
            "profile": profile(),
        },
    });
    if let (Value::Object(schema), Value::Object(more)) = (&mut schema, more) {
        schema.extend(more);
    }
    schema
}

/// The table of one kind of event or expectation: `chosen` are the key that names the kind, and its name.
fn variant(chosen: (&str, &str), does: Words, common: &[Key], own: &[Key]) -> Value {
    let keys: Vec<Key> = common.iter().chain(own).copied().collect();
    let mut table = object(&keys);
    table["title"] = json!(chosen.1);
    table["description"] = described(does);
    table["properties"][chosen.0] = json!({ "const": chosen.1, "description": described(does) });
    table
}

fn object(keys: &[Key]) -> Value {
    let property = |key: &Key| {
        let mut value = of_shape(key.shape);
        value["description"] = described(key.does);
        (key.name.to_owned(), value)
    };
    let needed: Vec<&str> = keys.iter().filter(|key| key.needed).map(|key| key.name).collect();
    let properties: Map<String, Value> = keys.iter().map(property).collect();
    json!({ "type": "object", "properties": properties, "required": needed, "additionalProperties": false })
}

fn described(words: Words) -> Value {
    json!(format!("{} / {}", words.en, words.ja))
}

fn of_shape(shape: Shape) -> Value {
    let text = || json!({ "type": "string" });
    match shape {
        Shape::Text => text(),
        Shape::Told => json!({ "oneOf": [text(), {
            "type": "object",
            "properties": { "en": text(), "ja": text() },
            "additionalProperties": false,
        }] }),
        Shape::Texts => json!({ "type": "array", "items": text() }),
        Shape::Pair => json!({ "type": "array", "items": text(), "minItems": 2, "maxItems": 2 }),
        Shape::Place => json!({ "oneOf": [text(), { "type": "array", "items": text(), "minItems": 1 }] }),
        Shape::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Number(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Span => json!({ "type": "string", "pattern": SPAN }),
        Shape::SignedSpan => json!({ "type": "string", "pattern": SIGNED_SPAN }),
        Shape::DateTime => json!({ "type": "string", "pattern": DATE_TIME }),
        Shape::OneOf(options) => json!({ "enum": options }),
        Shape::SomeOf(options) => json!({ "type": "array", "items": { "enum": options }, "minItems": 1 }),
        Shape::CountOrAll => json!({ "oneOf": [{ "type": "integer", "minimum": 1 }, { "const": "all" }] }),
        Shape::Profile => json!({ "$ref": "#/$defs/profile" }),
        Shape::Table(keys) => object(keys),
        Shape::Tables(keys) => json!({ "type": "array", "items": object(keys) }),
        Shape::Named(keys) => json!({ "type": "object", "additionalProperties": object(keys) }),
        Shape::Events => json!({ "type": "array", "items": { "$ref": "#/$defs/event" } }),
        Shape::Expectations => json!({ "type": "array", "items": { "$ref": "#/$defs/expectation" } }),
    }
}

/// The profile of a link: a name, or a table of what differs from a perfect line.
fn profile() -> Value {
    let count = || json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
    let loss = || json!({ "type": "number", "minimum": 0, "maximum": 1 });
    let table = json!({
        "type": "object",
        "properties": {
            "delay_ms": count(),
            "jitter_ms": count(),
            "loss_up": loss(),
            "loss_down": loss(),
            "rate_bytes_per_s": { "type": "integer", "minimum": 1 },
            "queue_bytes_max": { "type": "integer", "minimum": 0 },
            "bytes_per_day": { "type": "integer", "minimum": 1 },
            "flap": {
                "type": "object",
                "properties": { "up_ms": { "type": "integer", "minimum": 1 }, "down_ms": count() },
                "required": ["up_ms", "down_ms"],
                "additionalProperties": false,
            },
        },
        "additionalProperties": false,
    });
    json!({ "oneOf": [{ "enum": ProfileName::ALL.map(ProfileName::as_str) }, table] })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(value: &Value) -> BTreeSet<&str> {
        value["properties"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn every_table_is_closed_and_described() {
        fn walk(value: &Value, place: &str) {
            if let Some(properties) = value.get("properties") {
                assert_eq!(value["additionalProperties"], false, "{place}");
                for key in value.get("required").and_then(Value::as_array).into_iter().flatten() {
                    assert!(properties.get(key.as_str().unwrap()).is_some(), "{place}: {key}");
                }
            }
            match value {
                Value::Object(members) => {
                    members.iter().for_each(|(key, value)| walk(value, &format!("{place}/{key}")))
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, place)),
                _ => {}
            }
        }
        let schema = schema();
        walk(&schema, "");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        for value in schema["properties"].as_object().unwrap().values() {
            assert!(value["description"].as_str().is_some_and(|told| told.contains(" / ")), "{value}");
        }
    }

    #[test]
    fn every_event_and_expectation_is_a_variant_with_all_its_keys() {
        let schema = schema();
        let variants = |name: &str| schema["$defs"][name]["oneOf"].as_array().unwrap().clone();
        let events = variants("event");
        assert_eq!(events.len(), EVENTS.len());
        for (variant, kind) in events.iter().zip(EVENTS) {
            assert_eq!(variant["properties"]["do"]["const"], kind.name);
            let wanted = EVENT.iter().chain(kind.keys).map(|key| key.name).collect();
            assert_eq!(keys(variant), wanted, "{}", kind.name);
        }
        let expectations = variants("expectation");
        assert_eq!(expectations.len(), EXPECTATIONS.len());
        for (variant, kind) in expectations.iter().zip(EXPECTATIONS) {
            assert_eq!(variant["properties"]["name"]["const"], kind.name);
            assert!(kind.keys.iter().all(|key| keys(variant).contains(key.name)), "{}", kind.name);
        }
    }
}
