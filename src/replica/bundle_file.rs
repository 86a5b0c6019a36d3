//! Bundles as files: written under a temporary name, synced, renamed; a file that was begun is gone on with.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use super::bundle_answer::{BundleExported, BundleFor, BundleRequested, BundleWanted};
use super::bundling::{Begun, Recipient};
use super::core::Replica;
use super::error::ReplicaError;
use super::files::{FileError, write_secret};
use super::request::Progress;
use crate::base::cbor;
use crate::base::limits::BUNDLE_BLOCK_PLAIN_BYTES_MAX;
use crate::bundle::block::MARK;
use crate::bundle::request::REQUEST_BYTES_MAX;
use crate::bundle::{Block, BlockKind, BundleHeader, Found, Heads, Scanner};
use crate::lane::frame::decode_plain;
use crate::lane::sealed;

/// How much of a file is read at once.
pub(super) const READ_BYTES: usize = 256 << 10;
/// After so many bytes the stick is told to write what it has: so much is lost at most when it is pulled.
const SYNC_BYTES: u64 = 16 << 20;

/// What is found where a bundle is to be written.
enum There {
    Nothing,
    Begun(Box<Begun>),
    /// Nothing but the name is missing.
    Whole(Box<Begun>),
    Other(String),
}

impl Replica {
    /// Writes the request file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn bundle_request_to(&self, to: &Path) -> Result<BundleRequested, ReplicaError> {
        let (file, lanes) = self.bundle_request();
        write_secret(to, &file)?;
        Ok(BundleRequested { to: to.display().to_string(), lanes, bytes: file.len() as u64 })
    }

    /// Writes a bundle to a file, or the rest of it where its beginning is there.
    ///
    /// # Errors
    /// When the request or the place is of no use, or the disk fails: then what is whole of it stays in `OUT.part` and is
    /// gone on with the next time.
    pub fn bundle_export(
        &self,
        wanted: &BundleWanted,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<BundleExported, ReplicaError> {
        let began = self.environment.now();
        let request = match &wanted.target {
            BundleFor::Request(path) => Some(read_bounded(path, REQUEST_BYTES_MAX)?),
            BundleFor::Site(_) | BundleFor::Realm => None,
        };
        let recipient = self.bundle_recipient(wanted, request.as_deref())?;
        let (out, part) = (&wanted.out, part_of(&wanted.out));
        let begun = self.begun_at(out, &part, &recipient)?;
        let failed = |source| FileError::Write { path: part.clone(), source };
        let mut file =
            OpenOptions::new().create(true).truncate(false).write(true).open(&part).map_err(failed)?;
        let whole = begun.as_ref().map_or(0, |begun| begun.bytes);
        file.set_len(whole).and_then(|()| file.seek(io::SeekFrom::End(0)).map(drop)).map_err(failed)?;
        let mut syncing = Syncing { file, written: whole, synced: whole };
        let bundled = self.write_bundle(&recipient, begun.as_ref(), &mut syncing, &part, progress)?;
        let Syncing { file, written, .. } = syncing;
        file.sync_all().map_err(failed)?;
        drop(file);
        rename(&part, out).map_err(|source| FileError::Write { path: out.clone(), source })?;
        Ok(BundleExported {
            to: out.display().to_string(),
            target: recipient.told,
            bundle: bundled.bundle.to_string(),
            blocks: bundled.blocks,
            entries: bundled.entries,
            bytes: written,
            continued: whole,
            groups: bundled.groups,
            problems: bundled.problems,
            took_ms: self.environment.ms_since(began),
        })
    }

    /// Finds what is there of this bundle from an earlier attempt: in `OUT.part`, or in `OUT` itself, which then is
    /// renamed.
    fn begun_at(
        &self,
        out: &Path,
        part: &Path,
        recipient: &Recipient,
    ) -> Result<Option<Begun>, ReplicaError> {
        let taken = |path: &Path, why: &str| {
            let path = path.display();
            ReplicaError::Call(format!(
                "{path}: {why}; nothing was overwritten: remove it, or name another file"
            ))
        };
        match self.there(out, recipient)? {
            There::Nothing => {}
            There::Whole(_) => return Err(taken(out, "a whole bundle is there already")),
            There::Other(why) => return Err(taken(out, &why)),
            There::Begun(_) if part.exists() => {
                return Err(taken(part, "this and the file without .part are both begun"));
            }
            There::Begun(begun) => {
                let failed = |source| FileError::Write { path: part.to_owned(), source };
                rename(out, part).map_err(failed)?;
                return Ok(Some(*begun));
            }
        }
        match self.there(part, recipient)? {
            There::Nothing => Ok(None),
            // Of a whole one the footer is written again, and the name at last.
            There::Begun(begun) | There::Whole(begun) => Ok(Some(*begun)),
            There::Other(why) => Err(taken(part, &why)),
        }
    }

    fn there(&self, path: &Path, recipient: &Recipient) -> Result<There, ReplicaError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
            Err(source) => return Err(FileError::Read { path: path.to_owned(), source }.into()),
        };
        let read = |source| FileError::Read { path: path.to_owned(), source };
        if file.metadata().map_err(read)?.len() == 0 {
            return Ok(There::Nothing);
        }
        self.whole_beginning(file, recipient).map_err(|source| read(source).into())
    }

    /// Reads a file as far as it is this very bundle.
    fn whole_beginning(&self, mut file: File, recipient: &Recipient) -> io::Result<There> {
        let (mut scanner, mut buffer) = (Scanner::default(), vec![0; READ_BYTES]);
        let mut begun: Option<Begun> = None;
        let mut header: Option<(BundleHeader, Block)> = None;
        let mut is_block = None;
        loop {
            let count = file.read(&mut buffer)?;
            let is_block = *is_block.get_or_insert_with(|| {
                let first = &buffer[..count.min(MARK.len())];
                MARK.starts_with(first)
            });
            if !is_block {
                return Ok(There::Other("the file is not the beginning of a bundle".into()));
            }
            match count {
                0 => scanner.end(),
                _ => scanner.feed(&buffer[..count]),
            }
            while let Some(found) = scanner.next_found() {
                let Found::Block(block) = found else { return Ok(of_beginning(begun)) };
                match (&mut begun, &header) {
                    (None, None) => match self.is_ours(&block, recipient) {
                        Ok(read) => header = Some((read, block)),
                        Err(why) => return Ok(There::Other(why)),
                    },
                    (None, Some((read, first))) => {
                        let heads = cbor::from_canonical::<Heads>(&block.payload).ok();
                        let fits = block.kind == Some(BlockKind::Heads) && block.bundle == first.bundle;
                        let heads = heads.filter(|heads| fits && heads.digest() == read.heads);
                        let Some(heads) = heads else { return Ok(There::Nothing) };
                        begun = Some(Begun {
                            bundle: first.bundle,
                            heads,
                            next: 2,
                            bytes: scanner.position(),
                            has_runs: false,
                            covered: BTreeMap::new(),
                            entries: 0,
                        });
                    }
                    (Some(one), _) => {
                        if block.bundle != one.bundle || block.number != one.next {
                            return Ok(of_beginning(begun));
                        }
                        if block.kind == Some(BlockKind::Footer) {
                            return Ok(begun.map_or(There::Nothing, |begun| There::Whole(Box::new(begun))));
                        }
                        if !self.takes(one, &block) {
                            return Ok(of_beginning(begun));
                        }
                        one.bytes = scanner.position();
                    }
                }
            }
            if count == 0 {
                return Ok(of_beginning(begun));
            }
        }
    }

    /// Checks that a first block is the header of the bundle that is to be written.
    fn is_ours(&self, block: &Block, recipient: &Recipient) -> Result<BundleHeader, String> {
        let header = match block.kind {
            Some(BlockKind::Header) if block.number == 0 => BundleHeader::read(&block.payload),
            _ => return Err("the file is not the beginning of a bundle".into()),
        };
        let (header, _) = header.map_err(|error| format!("a bundle whose header is damaged: {error}"))?;
        let me = self.me();
        if header.realm != me.realm || header.sender != me.device {
            return Err("a bundle of another device was begun there".into());
        }
        let same = header.target == recipient.target
            && header.request == recipient.request
            && header.areas == recipient.areas
            && header.parts == recipient.parts;
        if same {
            Ok(header)
        } else {
            Err("another bundle was begun there: for others, or of something else".into())
        }
    }

    /// Notes what a block of the beginning holds; says whether it can be read.
    fn takes(&self, begun: &mut Begun, block: &Block) -> bool {
        if block.kind == Some(BlockKind::Runs) {
            let Ok(header) = sealed::header(&block.payload) else { return false };
            let ring = self.keyring();
            let Some(key) = ring.read_key(&header.area, header.part, &header.key) else { return false };
            let Ok(opened) = sealed::open(&block.payload, key, BUNDLE_BLOCK_PLAIN_BYTES_MAX) else {
                return false;
            };
            for item in opened.items() {
                let Some(run) = item.ok().and_then(|item| decode_plain(item).ok()) else { return false };
                begun.entries += run.entries.len() as u64;
                begun.covered.insert(run.lane, run.end());
            }
            begun.has_runs = true;
        }
        begun.next += 1;
        true
    }
}

/// A bundle of which less than the header and the heads is whole is begun anew, in the same file.
fn of_beginning(begun: Option<Begun>) -> There {
    begun.map_or(There::Nothing, |begun| There::Begun(Box::new(begun)))
}

/// Writes, and tells the disk from time to time to do so.
struct Syncing {
    file: File,
    written: u64,
    synced: u64,
}

impl Write for Syncing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        if self.written - self.synced >= SYNC_BYTES {
            self.file.sync_data()?;
            self.synced = self.written;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The name under which a bundle is written until it is whole.
fn part_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Some file systems of sticks cannot sync a folder: the file itself is synced.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Reads a file that must not be larger than something.
fn read_bounded(path: &Path, bytes_max: usize) -> Result<Vec<u8>, FileError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| FileError::Read { path: path.to_owned(), source })
}
