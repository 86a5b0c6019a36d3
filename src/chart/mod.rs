//! The Automerge document of a record: what people edit together.
