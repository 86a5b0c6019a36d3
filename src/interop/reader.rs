//! Reading a file as a stream of FHIR resources: JSON, NDJSON or Bundles, each perhaps inside gzip.
//!
//! A Bundle is never held whole when its `resourceType` stands before its `entry`, as every known writer does
//! it; otherwise it may be as large as one value may be.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use serde::de::IgnoredAny;

use super::members::Members;
use super::scan::{Layout, ScanError, Scanner};
use crate::base::limits::ENTRY_BYTES_MAX;

/// Most bytes of one value as written, white space included.
const VALUE_BYTES_MAX: usize = 4 * ENTRY_BYTES_MAX;
/// Longest name of a member of a top-level object.
const NAME_BYTES_MAX: usize = 1 << 10;
/// Most Bundles inside each other.
const BUNDLE_DEPTH_MAX: usize = 4;

/// A resource as it stands in a file.
#[derive(Debug)]
pub(super) struct Found {
    /// The line at which it, or its Bundle entry, begins.
    pub line: u64,
    /// Its number among the entries of its Bundle, from 1.
    pub entry: Option<u64>,
    /// The Bundles that it stands in, outermost first, each with a number unique in the import.
    pub bundles: Vec<u64>,
    /// The `fullUrl` of its entry.
    pub full_url: Option<String>,
    /// The JSON text as written.
    pub text: String,
}

/// What a file holds next.
#[derive(Debug)]
pub(super) enum Item {
    /// A resource, or at least an object that is not a Bundle.
    Resource(Found),
    /// Something that had to be passed over.
    Problem {
        /// The line.
        line: u64,
        /// What is wrong.
        reason: String,
    },
}

/// The resources of one file, in the order of the file.
pub(super) struct Reader<R> {
    scanner: Scanner<R>,
    layout: Layout,
    queue: VecDeque<Item>,
    bundle: Option<OpenBundle>,
    bundles: u64,
    ended: bool,
}

/// A Bundle whose entries are being read.
struct OpenBundle {
    line: u64,
    number: u64,
    entry: u64,
    in_entries: bool,
}

/// Opens a file, adding the bytes that are read from it to `read`.
///
/// # Errors
/// The failure to open or read the file.
pub(super) fn open(path: &Path, file: u32, read: Arc<AtomicU64>) -> io::Result<Reader<Box<dyn Read>>> {
    let mut counted = Counted { input: File::open(path)?, read };
    let mut magic = [0; 2];
    let mut held = 0;
    while held < magic.len() {
        match counted.read(&mut magic[held..])? {
            0 => break,
            n => held += n,
        }
    }
    let whole = io::Cursor::new(magic[..held].to_vec()).chain(counted);
    let input: Box<dyn Read> = if magic == [0x1f, 0x8b] {
        Box::new(MultiGzDecoder::new(io::BufReader::new(whole)))
    } else {
        Box::new(whole)
    };
    Ok(Reader::new(input, file))
}

impl<R: Read> Reader<R> {
    /// Reads plain bytes; `file` is the number of the file within the import.
    pub(super) fn new(input: R, file: u32) -> Self {
        let mut scanner = Scanner::new(input);
        let mut queue = VecDeque::new();
        let (window, whole) = scanner.window();
        let mark = if window.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let wrong = other_format(&window[mark..], whole);
        let layout = layout_of(&window[mark..], whole);
        scanner.pass(mark);
        let ended = wrong.is_some();
        queue.extend(wrong.map(|reason| Item::Problem { line: 1, reason: reason.to_owned() }));
        Self { scanner, layout, queue, bundle: None, bundles: u64::from(file) << 32, ended }
    }

    /// Reads on until an item is queued or the file ends.
    fn advance(&mut self) {
        let (line, result) = match self.bundle {
            Some(_) => match self.expect() {
                Ok(_) => (self.scanner.line(), self.next_entry()),
                Err(error) => (self.scanner.line(), Err(error)),
            },
            None => match self.scanner.next_byte(false) {
                Ok(None) => {
                    self.ended = true;
                    return;
                }
                Ok(Some(byte)) => (self.scanner.line(), self.next_value(byte)),
                Err(error) => (self.scanner.line(), Err(error)),
            },
        };
        let Err(error) = result else { return };
        let within = self.bundle.take().map(|open| open.entry);
        let reason = match within {
            Some(entry) => {
                format!("{error} (at or after entry {entry} of a Bundle, the rest of which is lost)")
            }
            None => error.to_string(),
        };
        self.problem(line, reason);
        let onward = match (&error, self.layout) {
            (ScanError::Read(_) | ScanError::FileEnds, _) => Err(error),
            (_, Layout::Lines) => self.scanner.skip_line(),
            (_, Layout::Document) => self.scanner.skip_to_object_line(),
        };
        match onward {
            Ok(()) => {}
            Err(ScanError::Read(_) | ScanError::FileEnds) => self.ended = true,
            Err(error) => self.problem(line, error.to_string()),
        }
    }

    /// Reads the object that begins here, up to its end or to the entries of the Bundle that it is.
    fn next_value(&mut self, first: u8) -> Result<(), ScanError> {
        let line = self.scanner.line();
        if first != b'{' {
            return Err(ScanError::Misplaced);
        }
        self.scanner.take();
        let mut text = vec![b'{'];
        let mut is_bundle = false;
        match self.members(&mut text, &mut is_bundle)? {
            Stop::Entries => {
                self.bundles += 1;
                self.bundle = Some(OpenBundle { line, number: self.bundles, entry: 0, in_entries: true });
                Ok(())
            }
            Stop::End => {
                let end = self.line_end(line);
                if !matches!(end, Err(ScanError::Misplaced)) {
                    self.whole_value(line, text);
                }
                end
            }
        }
    }

    /// Reads the members of an object behind its `{` or behind one of them.
    fn members(&mut self, text: &mut Vec<u8>, is_bundle: &mut bool) -> Result<Stop, ScanError> {
        loop {
            if text.len() > VALUE_BYTES_MAX {
                return Err(ScanError::TooLarge { limit: VALUE_BYTES_MAX });
            }
            match self.expect()? {
                b'}' => {
                    self.scanner.take();
                    text.push(b'}');
                    return Ok(Stop::End);
                }
                b',' => {
                    self.scanner.take();
                    text.push(b',');
                }
                b'"' => {
                    let mut name = Vec::new();
                    self.scanner.value(self.layout, NAME_BYTES_MAX, &mut name)?;
                    if self.expect()? != b':' {
                        return Err(ScanError::Misplaced);
                    }
                    self.scanner.take();
                    let begins = self.expect()?;
                    if name == b"\"entry\"" && *is_bundle && begins == b'[' {
                        self.scanner.take();
                        return Ok(Stop::Entries);
                    }
                    text.extend_from_slice(&name);
                    text.push(b':');
                    let at = text.len();
                    self.scanner.value(self.layout, VALUE_BYTES_MAX, text)?;
                    *is_bundle |= name == b"\"resourceType\"" && &text[at..] == b"\"Bundle\"";
                }
                _ => return Err(ScanError::Misplaced),
            }
        }
    }

    /// Reads the next entry of the open Bundle, or what follows its entries.
    fn next_entry(&mut self) -> Result<(), ScanError> {
        let open = self.bundle.as_mut().expect("the caller has seen an open Bundle");
        if !open.in_entries {
            // The members behind the entries: read and not needed.
            let (mut rest, mut is_bundle) = (Vec::new(), true);
            let line = open.line;
            return match self.members(&mut rest, &mut is_bundle)? {
                Stop::Entries => {
                    self.bundle.as_mut().expect("unchanged").in_entries = true;
                    Ok(())
                }
                Stop::End => {
                    self.bundle = None;
                    self.line_end(line)
                }
            };
        }
        match self.expect()? {
            b']' => {
                self.scanner.take();
                self.bundle.as_mut().expect("unchanged").in_entries = false;
                Ok(())
            }
            b',' => {
                self.scanner.take();
                Ok(())
            }
            b'{' => {
                let line = self.scanner.line();
                let mut text = Vec::new();
                let result = self.scanner.value(self.layout, VALUE_BYTES_MAX, &mut text);
                let open = self.bundle.as_mut().expect("unchanged");
                open.entry += 1;
                let (number, entry) = (open.number, open.entry);
                match result {
                    Ok(()) => self.entry(line, entry, &[number], text),
                    Err(error @ ScanError::TooLarge { .. }) => {
                        self.problem(line, format!("entry {entry}: {error}"));
                    }
                    Err(error) => return Err(error),
                }
                Ok(())
            }
            _ => Err(ScanError::Misplaced),
        }
    }

    /// Queues what an entry of a Bundle holds.
    fn entry(&mut self, line: u64, entry: u64, bundles: &[u64], text: Vec<u8>) {
        let Some(text) = self.utf8(line, Some(entry), text) else { return };
        let (full_url, resource) = match Members::parse(&text) {
            Ok(members) => (members.text("fullUrl"), members.raw("resource")),
            Err(reason) => return self.problem(line, format!("entry {entry}: {reason}")),
        };
        match resource {
            Some(resource) => {
                let full_url = full_url.map(|url| url.into_owned());
                let text = resource.get().to_owned();
                self.resource(Found { line, entry: Some(entry), bundles: bundles.to_vec(), full_url, text });
            }
            None => self.problem(line, format!("entry {entry} of the Bundle holds no resource")),
        }
    }

    /// Queues a top-level value.
    fn whole_value(&mut self, line: u64, text: Vec<u8>) {
        if let Some(text) = self.utf8(line, None, text) {
            self.resource(Found { line, entry: None, bundles: Vec::new(), full_url: None, text });
        }
    }

    /// Queues a resource, or the entries of the Bundle that it is.
    fn resource(&mut self, found: Found) {
        // Most resources do not hold the word, and are read once, by whoever needs them.
        let members = if found.text.contains("\"Bundle\"") { Members::parse(&found.text).ok() } else { None };
        let Some(members) = members.filter(|m| m.text("resourceType").as_deref() == Some("Bundle")) else {
            self.queue.push_back(Item::Resource(found));
            return;
        };
        if found.bundles.len() >= BUNDLE_DEPTH_MAX {
            let reason = format!("a Bundle inside more than {BUNDLE_DEPTH_MAX} Bundles");
            return self.problem(found.line, reason);
        }
        self.bundles += 1;
        let bundles: Vec<u64> = found.bundles.iter().copied().chain([self.bundles]).collect();
        let mut count = 0;
        members.each("entry", &mut |entry| {
            count += 1;
            self.entry(found.line, count, &bundles, entry.get().as_bytes().to_vec());
        });
    }

    /// Checks that nothing but the line's end follows a value that began at `line`; a document whose value
    /// stood on one line is read as lines from there on.
    fn line_end(&mut self, line: u64) -> Result<(), ScanError> {
        match self.scanner.next_byte(true)? {
            None | Some(b'\n') if line == self.scanner.line() => self.layout = Layout::Lines,
            Some(_) if self.layout == Layout::Lines => return Err(ScanError::Misplaced),
            None | Some(_) => {}
        }
        Ok(())
    }

    /// Passes over white space within a value and returns the byte that follows.
    fn expect(&mut self) -> Result<u8, ScanError> {
        match self.scanner.next_byte(self.layout == Layout::Lines)? {
            Some(b'\n') => Err(ScanError::LineEnds),
            Some(byte) => Ok(byte),
            None => Err(ScanError::FileEnds),
        }
    }

    /// Checks that bytes are UTF-8.
    fn utf8(&mut self, line: u64, entry: Option<u64>, bytes: Vec<u8>) -> Option<String> {
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(_) => {
                let which = entry.map(|entry| format!("entry {entry}: ")).unwrap_or_default();
                self.problem(line, format!("{which}not UTF-8"));
                None
            }
        }
    }

    fn problem(&mut self, line: u64, reason: String) {
        self.queue.push_back(Item::Problem { line, reason });
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        while self.queue.is_empty() && !self.ended {
            self.advance();
        }
        self.queue.pop_front()
    }
}

/// Why the members of an object were read no further.
enum Stop {
    /// The object ends.
    End,
    /// The entries of a Bundle begin.
    Entries,
}

/// Recognizes files that people confuse with FHIR JSON.
fn other_format(window: &[u8], whole: bool) -> Option<&'static str> {
    let begin = window.trim_ascii_start();
    if begin.is_empty() {
        // What cannot be read at all says so when it is read.
        whole.then_some("the file is empty")
    } else if window.starts_with(b"\xff\xfe") || window.starts_with(b"\xfe\xff") {
        Some("the text is UTF-16; FHIR JSON is UTF-8")
    } else if begin.starts_with(b"<") {
        Some("XML or HTML; only FHIR in JSON can be read")
    } else if begin.starts_with(b"PK\x03\x04") {
        Some("a zip archive: unpack it first")
    } else if begin.starts_with(b"[") {
        Some("a JSON list, not FHIR: expected a resource, a Bundle, or one resource a line")
    } else if !window.contains(&b'{') {
        Some("not FHIR: expected a resource, a Bundle, or one resource a line, in JSON")
    } else {
        None
    }
}

/// Tells the layout from the beginning of a file (`whole`: from all of it).
///
/// Lines, when the first line is a value, or when the text is not JSON as one document and some line is a value
/// of its own.
fn layout_of(window: &[u8], whole: bool) -> Layout {
    let is_value = |line: &[u8]| line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok();
    let mut lines =
        window.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    if lines.next().is_some_and(is_value) {
        return Layout::Lines;
    }
    let failed = serde_json::Deserializer::from_slice(window).into_iter::<IgnoredAny>().find_map(Result::err);
    match failed {
        None => Layout::Document,
        Some(error) if error.is_eof() && !whole => Layout::Document,
        Some(_) if lines.any(is_value) => Layout::Lines,
        Some(_) => Layout::Document,
    }
}

/// Counts the bytes that are read from a file.
struct Counted {
    input: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
