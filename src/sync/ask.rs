//! What the two messages about single people say: who is asked for, and how the answer comes and ends.
//!
//! An asker numbers what it asks. An answer is a stream of bytes in pieces, each the next segment of the sender's zstd
//! stream, and at last a word of how it ended. The asker tells how much it has heard, as acknowledgements do for runs.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::record::Whom;

/// What an asker says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Asking {
    /// It asks for one person, as far down the order of urgency as this many parts.
    #[n(0)]
    For(#[n(0)] Whom, #[n(1)] u8),
    /// So many plain bytes of the answer have come.
    #[n(1)]
    Heard(#[n(0)] u64),
    /// It needs no more of it.
    #[n(2)]
    Enough,
}

/// What an answerer says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Telling {
    /// The next bytes of the answer, as the next segment of the sender's stream.
    #[n(0)]
    Piece(#[n(0)] ByteVec),
    /// The answer is over: [`Ended::code`].
    #[n(1)]
    End(#[n(0)] u8),
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All was sent.
    Whole,
    /// The answerer knows of nobody like that.
    Nobody,
    /// Several people are like that: more must be said of the one who is meant.
    Several,
    /// The answerer may not give it to this asker.
    Withheld,
    /// The asker asks too often.
    TooOften,
    /// The answerer could not read its own store.
    Failed,
    /// Nothing was heard of it in time; no answerer says so.
    Late,
}

impl Ended {
    const ALL: [Ended; 6] =
        [Ended::Whole, Ended::Nobody, Ended::Several, Ended::Withheld, Ended::TooOften, Ended::Failed];

    /// Returns the number in the format.
    pub fn code(self) -> u8 {
        match self {
            Ended::Whole => 0,
            Ended::Nobody => 1,
            Ended::Several => 2,
            Ended::Withheld => 3,
            Ended::TooOften => 4,
            Ended::Failed | Ended::Late => 5,
        }
    }

    /// Reads the number of the format; what a later version says is a failure here.
    pub fn of_code(code: u8) -> Self {
        Ended::ALL.into_iter().find(|known| known.code() == code).unwrap_or(Ended::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{RecordId, id};
    use crate::sync::Message;
    use crate::sync::message::MessageError;

    #[test]
    fn the_bytes_of_version_1_never_change() {
        let record = Whom::Record { record: RecordId([7; 16]) };
        let number = Whom::Identifier { system: None, value: "A1".into() };
        let person = Whom::Person { name: "田".into(), birth_date: "1950-03-04".into() };
        let golden = [
            (
                Message::Ask(1, Asking::For(record, 2)),
                format!("830d01820082820081{}02", "5007".to_owned() + &"07".repeat(15)),
            ),
            (Message::Ask(2, Asking::For(number, 5)), "830d028200828201".to_owned() + "82f662413105"),
            (
                Message::Ask(3, Asking::For(person, 5)),
                format!("830d038200828202{}05", "8263e794b06a".to_owned() + &id::hex(b"1950-03-04")),
            ),
            (Message::Ask(3, Asking::Heard(300)), "830d0382018119012c".to_owned()),
            (Message::Ask(3, Asking::Enough), "830d03820280".to_owned()),
            (Message::Told(3, Telling::Piece(vec![9].into())), "830e038200814109".to_owned()),
            (Message::Told(3, Telling::End(1)), "830e0382018101".to_owned()),
        ];
        for (message, expected) in golden {
            assert_eq!(id::hex(&message.to_bytes()), expected, "{message:?}");
            assert_eq!(Message::from_bytes(&message.to_bytes()).unwrap(), Some(message));
        }
    }

    #[test]
    fn who_asks_for_nobody_in_particular_is_no_message() {
        for whom in [
            Whom::Identifier { system: None, value: " ".into() },
            Whom::Identifier { system: None, value: "1".repeat(1_000) },
            Whom::Person { name: "田中".into(), birth_date: "1950".into() },
        ] {
            let bytes = Message::Ask(1, Asking::For(whom, 5)).to_bytes();
            assert!(matches!(Message::from_bytes(&bytes), Err(MessageError::TooMany { kind: 13 })));
        }
    }

    #[test]
    fn what_a_later_version_says_is_a_failure() {
        assert!(Ended::ALL.into_iter().all(|ended| Ended::of_code(ended.code()) == ended));
        assert_eq!(Ended::of_code(99), Ended::Failed);
    }
}
