//! What a command gives back to be printed, and the exit status that goes with it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::{DONE, Failure};

/// What a command did.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The exit status.
    pub status: u8,
    /// What is printed.
    pub output: Output,
}

/// What is printed on standard output.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Text for people, or one JSON object with `--json`.
    Answer {
        /// The object.
        json: Value,
        /// The text, without a line end.
        text: String,
    },
    /// A document that is printed as it is, with `--json` or without.
    Document(String),
    /// Nothing: all was printed on the way.
    Nothing,
}

impl Outcome {
    /// Makes the outcome of something that was done.
    pub fn done(json: Value, text: String) -> Self {
        Self { status: DONE, output: Output::Answer { json, text } }
    }

    /// Makes the outcome of something that was done and is described by a value of this program's own.
    pub fn described(value: &impl Serialize, text: String) -> Self {
        let json = serde_json::to_value(value).expect("descriptions are plain structs with text keys");
        Self::done(json, text)
    }

    /// Sets the exit status.
    pub fn status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }
}

/// Reads a backend's answer.
///
/// # Errors
/// [`Failure`] when it has another form: the replica that answered is another version of this program.
pub fn read<T: DeserializeOwned>(answer: &Value) -> Result<T, Failure> {
    T::deserialize(answer).map_err(|error| {
        Failure::wrong_call(format!("reading the replica's answer: {error}")).hint(
            "the replica that runs on this store may be another version of musubi; restart it with this one",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::answer::Exported;

    #[test]
    fn an_answer_of_another_form_is_refused_with_a_hint() {
        let failure = read::<Exported>(&serde_json::json!({ "to": "x", "records": "many" })).unwrap_err();
        assert_eq!(failure.status, 2);
        assert!(failure.hint.contains("version"), "{failure}");
    }
}
