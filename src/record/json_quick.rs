//! A quick look at JSON text that is canonical already, as nearly all that arrives is: nothing is written and compared.
//!
//! It says yes only to text that the full reader ([`super::json_reader`]) would leave as it is. What it does not know, such as a
//! long number or an escape by number, it leaves to that reader.

use crate::base::limits::JSON_DEPTH_MAX;

/// The longest number literal that is certainly small enough for every reader, if it has no exponent.
const DIGITS_MAX: usize = 300;
/// 1 in each byte.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
/// The upper bit of each byte.
const TOPS: u64 = ONES << 7;

/// Shows each key of the outermost object with its value, both as they are written; none when the text may not be a
/// canonical object.
pub(super) fn members<'a>(text: &'a str, mut see: impl FnMut(&'a str, &'a str)) -> Option<()> {
    let mut look = Look { text, bytes: text.as_bytes(), at: 0 };
    look.object(0, &mut see)?;
    (look.at == look.bytes.len()).then_some(())
}

struct Look<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Look<'a> {
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(depth, &mut |_, _| {}),
            b'[' => self.array(depth),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn object(&mut self, depth: usize, see: &mut dyn FnMut(&'a str, &'a str)) -> Option<()> {
        self.open(b'{', depth)?;
        if self.skip(b'}') {
            return Some(());
        }
        let mut last: Option<&str> = None;
        loop {
            let (key, is_plain) = self.string()?;
            // The order of keys is that of their meaning, and none stands twice.
            if !is_plain || last.is_some_and(|last| last >= key) || !self.skip(b':') {
                return None;
            }
            last = Some(key);
            let start = self.at;
            self.value(depth + 1)?;
            see(key, &self.text[start..self.at]);
            if self.skip(b'}') {
                return Some(());
            }
            if !self.skip(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.open(b'[', depth)?;
        if self.skip(b']') {
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            if self.skip(b']') {
                return Some(());
            }
            if !self.skip(b',') {
                return None;
            }
        }
    }

    fn open(&mut self, bracket: u8, depth: usize) -> Option<()> {
        (depth < JSON_DEPTH_MAX && self.skip(bracket)).then_some(())
    }

    /// Reads a string; returns what is between its quotes, and whether that is its meaning.
    fn string(&mut self) -> Option<(&'a str, bool)> {
        if !self.skip(b'"') {
            return None;
        }
        let (start, mut is_plain) = (self.at, true);
        loop {
            self.at += plain_bytes(&self.bytes[self.at..]);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some((&self.text[start..self.at - 1], is_plain));
                }
                b'\\'
                    if matches!(
                        self.bytes.get(self.at + 1)?,
                        b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't'
                    ) =>
                {
                    self.at += 2;
                    is_plain = false;
                }
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        self.skip(b'-');
        let zero_first = self.peek() == Some(b'0');
        let whole = self.digits();
        let good = whole > 0 && !(zero_first && whole > 1) && (!self.skip(b'.') || self.digits() > 0);
        let sure = self.at - start <= DIGITS_MAX && !matches!(self.peek(), Some(b'e' | b'E'));
        (good && sure).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let is_there = self.bytes[self.at..].starts_with(word);
        self.at += word.len();
        is_there.then_some(())
    }

    fn digits(&mut self) -> usize {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// Returns how many bytes at the beginning mean themselves in a string: no quote, backslash or control character.
fn plain_bytes(bytes: &[u8]) -> usize {
    let mut count = 0;
    for eight in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
        // A byte below another has its upper bit set in the difference, and not in itself; a borrow can only set bits
        // above the first such byte, which is the one that counts.
        let below = |limit: u64, word: u64| word.wrapping_sub(ONES * limit) & !word & TOPS;
        let same = |byte: u8| below(1, word ^ (ONES * u64::from(byte)));
        let special = below(0x20, word) | same(b'"') | same(b'\\');
        if special != 0 {
            return count + special.trailing_zeros() as usize / 8;
        }
        count += 8;
    }
    let rest = bytes[count..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20));
    count + rest.count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_byte_that_ends_plain_text_is_found_wherever_it_is() {
        for end in [b'"', b'\\', b'\n', 0, 0x1f] {
            for place in 0..40 {
                for around in ["a", "\u{7f}", " !#[]", "日本語", "\u{80}\u{7ff}", "𠮷"] {
                    let mut text = around.as_bytes().repeat(50);
                    text[place] = end;
                    assert_eq!(plain_bytes(&text), place, "{around} {end}");
                    text[place + 1] = b'"';
                    assert_eq!(plain_bytes(&text), place, "{around} {end}");
                }
            }
        }
        assert_eq!(plain_bytes("日本語です".as_bytes()), 15);
    }

    proptest! {
        #[test]
        fn any_bytes_end_where_the_first_special_one_is(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(plain_bytes(&bytes), first.unwrap_or(bytes.len()));
        }
    }
}
