//! Finding where JSON values begin and end in a stream of bytes.
//!
//! The scanner knows quotes, escapes and brackets, nothing else: whether the text between is JSON is checked
//! later, on the one value. So a stream of any length needs memory for one value only.

use std::io::{self, Read};

/// Bytes that are read at once, and that are looked at to tell how a file is laid out.
pub(super) const WINDOW_BYTES: usize = 256 << 10;

/// How values are laid out in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One value a line (NDJSON): a line break ends a value, whole or broken.
    Lines,
    /// Values over any number of lines.
    Document,
}

/// Why no value could be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    /// The stream cannot be read further.
    #[error("{}", read_reason(.0))]
    Read(io::Error),
    /// The line ends within the value.
    #[error("the line ends within a JSON value")]
    LineEnds,
    /// The file ends within the value.
    #[error("the file ends within a JSON value")]
    FileEnds,
    /// A text (string) holds a line break.
    #[error("a line break stands inside a JSON string")]
    TextBroken,
    /// Something else stands where a value should begin.
    #[error("not JSON: a value or a sign between values is missing")]
    Misplaced,
    /// The value is larger than allowed; it has been passed over whole.
    #[error("larger than the {limit} bytes that one value may have")]
    TooLarge {
        /// The most bytes allowed.
        limit: usize,
    },
}

/// Says why a read failed, with the words of the two ways in which a compressed file breaks.
fn read_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            "the compressed file is cut short; what came before was read".to_owned()
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            "the compressed file is damaged; what came before was read".to_owned()
        }
        _ => format!("reading failed: {error}"),
    }
}

/// A stream of bytes with a window on it.
pub(super) struct Scanner<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    failed: Option<io::Error>,
    line: u64,
}

impl<R: Read> Scanner<R> {
    /// Starts at the beginning of `input`.
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), start: 0, ended: false, failed: None, line: 1 }
    }

    /// Returns the line at which the scanner stands, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Fills the window and returns it, and whether it reaches to the end. A read that fails ends the window;
    /// the failure comes again when the scanner arrives there.
    pub(super) fn window(&mut self) -> (&[u8], bool) {
        while self.buffer.len() - self.start < WINDOW_BYTES && !self.ended {
            match self.read_more() {
                Ok(_) => {}
                Err(error) => self.failed = Some(error),
            }
        }
        (&self.buffer[self.start..], self.ended && self.failed.is_none())
    }

    /// Passes over `count` bytes of the window that hold no line break, such as a byte-order mark.
    pub(super) fn pass(&mut self, count: usize) {
        self.start = (self.start + count).min(self.buffer.len());
    }

    /// Passes over white space and returns the byte that follows, unless the stream ends. With `same_line` it
    /// stops before a line break.
    pub(super) fn next_byte(&mut self, same_line: bool) -> Result<Option<u8>, ScanError> {
        loop {
            while let Some(&byte) = self.buffer.get(self.start) {
                match byte {
                    b'\n' if same_line => return Ok(Some(byte)),
                    b'\n' => self.line += 1,
                    b' ' | b'\t' | b'\r' => {}
                    _ => return Ok(Some(byte)),
                }
                self.start += 1;
            }
            if !self.read_more().map_err(ScanError::Read)? {
                return Ok(None);
            }
        }
    }

    /// Takes the byte that [`Self::next_byte`] has returned.
    pub(super) fn take(&mut self) {
        if self.buffer.get(self.start) == Some(&b'\n') {
            self.line += 1;
        }
        self.pass(1);
    }

    /// Appends the value that begins here to `out`, which may grow to `limit` bytes.
    pub(super) fn value(&mut self, layout: Layout, limit: usize, out: &mut Vec<u8>) -> Result<(), ScanError> {
        let mut state = ValueState::default();
        let mut over = false;
        loop {
            if self.start == self.buffer.len() && !self.read_more().map_err(ScanError::Read)? {
                return if state.is_scalar() { Ok(()) } else { Err(ScanError::FileEnds) };
            }
            let chunk = &self.buffer[self.start..];
            let (taken, ending) = state.run(chunk, layout);
            over |= out.len() + taken > limit;
            if over {
                out.clear();
            } else {
                out.extend_from_slice(&chunk[..taken]);
            }
            self.start += taken;
            self.line += std::mem::take(&mut state.lines);
            match ending {
                None => {}
                Some(Ok(())) if over => return Err(ScanError::TooLarge { limit }),
                Some(result) => return result,
            }
        }
    }

    /// Passes over the rest of the line and its end.
    pub(super) fn skip_line(&mut self) -> Result<(), ScanError> {
        loop {
            let rest = &self.buffer[self.start..];
            match rest.iter().position(|byte| *byte == b'\n') {
                Some(at) => {
                    self.start += at + 1;
                    self.line += 1;
                    return Ok(());
                }
                None => self.start = self.buffer.len(),
            }
            if !self.read_more().map_err(ScanError::Read)? {
                return Ok(());
            }
        }
    }

    /// Passes over lines until one begins with `{`: where the next value of a document may begin.
    pub(super) fn skip_to_object_line(&mut self) -> Result<(), ScanError> {
        loop {
            self.skip_line()?;
            if self.start == self.buffer.len() && !self.read_more().map_err(ScanError::Read)? {
                return Ok(());
            }
            if self.buffer.get(self.start) == Some(&b'{') {
                return Ok(());
            }
        }
    }

    /// Reads further bytes behind the window; says whether there were any.
    fn read_more(&mut self) -> io::Result<bool> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.ended {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let held = self.buffer.len();
        self.buffer.resize(held + WINDOW_BYTES / 4, 0);
        let result = loop {
            match self.input.read(&mut self.buffer[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(held + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => {
                self.ended = true;
                Ok(false)
            }
            Ok(_) => Ok(true),
            Err(error) => {
                self.ended = true;
                Err(error)
            }
        }
    }
}

/// Where in a value the scanner stands.
#[derive(Default)]
struct ValueState {
    begun: bool,
    depth: usize,
    in_text: bool,
    escaped: bool,
    lines: u64,
}

impl ValueState {
    /// Says whether the value so far is a number or a word, which the end of the file may end.
    fn is_scalar(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_text
    }

    /// Goes through `chunk`; returns how many bytes belong to the value and how it ended, if it did.
    fn run(&mut self, chunk: &[u8], layout: Layout) -> (usize, Option<Result<(), ScanError>>) {
        for (at, &byte) in chunk.iter().enumerate() {
            if self.in_text {
                match byte {
                    b'\n' if layout == Layout::Lines => return (at, Some(Err(ScanError::LineEnds))),
                    b'\n' => return (at, Some(Err(ScanError::TextBroken))),
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_text = false;
                        if self.depth == 0 {
                            return (at + 1, Some(Ok(())));
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' if self.depth == 0 && self.begun => return (at, Some(Err(ScanError::Misplaced))),
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => {
                    return (at, Some(if self.begun { Ok(()) } else { Err(ScanError::Misplaced) }));
                }
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, Some(Ok(())));
                    }
                }
                b'\n' if layout == Layout::Lines => return (at, Some(Err(ScanError::LineEnds))),
                b'\n' => self.lines += 1,
                _ => {}
            }
            self.begun = true;
        }
        (chunk.len(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str, layout: Layout, limit: usize) -> (Result<(), ScanError>, String) {
        let mut out = Vec::new();
        let result = Scanner::new(text.as_bytes()).value(layout, limit, &mut out);
        (result, String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_end_where_their_brackets_close_and_not_inside_strings() {
        for (text, value) in [
            (r#"{"a":"}\"]"} tail"#, r#"{"a":"}\"]"}"#),
            ("[1,[2,{}]],", "[1,[2,{}]]"),
            (r#""x\\" : 1"#, r#""x\\""#),
            ("12.50e3,", "12.50e3"),
            ("true", "true"),
        ] {
            let (result, taken) = take(text, Layout::Lines, 100);
            result.unwrap();
            assert_eq!(taken, value);
        }
    }

    #[test]
    fn a_line_break_ends_a_value_only_where_lines_count() {
        assert!(matches!(take("{\n}", Layout::Lines, 100).0, Err(ScanError::LineEnds)));
        assert!(take("{\n}", Layout::Document, 100).0.is_ok());
        assert!(matches!(take("{\"a\nb\"}", Layout::Document, 100).0, Err(ScanError::TextBroken)));
        assert!(matches!(take("{\"a\"", Layout::Document, 100).0, Err(ScanError::FileEnds)));
    }

    #[test]
    fn a_value_too_large_is_passed_over_whole() {
        let text = format!("{{\"a\":\"{}\"}}\n{{}}", "x".repeat(2 * WINDOW_BYTES));
        let mut scanner = Scanner::new(text.as_bytes());
        let mut out = Vec::new();
        let result = scanner.value(Layout::Lines, 100, &mut out);
        assert!(matches!(result, Err(ScanError::TooLarge { limit: 100 })));
        assert_eq!(scanner.next_byte(false).unwrap(), Some(b'{'));
        assert_eq!(scanner.line(), 2);
        assert!(scanner.buffer.capacity() <= 2 * WINDOW_BYTES);
    }
}
