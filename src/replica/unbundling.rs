//! Reading bundles: block by block through the admission of every carrier, and an account of what is missing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::admit::Outcome;
use super::bundle_answer::{BundleFile, BundleImported};
use super::bundle_file::READ_BYTES;
use super::core::Replica;
use super::environment::blocking;
use super::error::ReplicaError;
use super::files::FileError;
use super::request::Progress;
use crate::base::limits::BUNDLE_BLOCK_PLAIN_BYTES_MAX;
use crate::base::{LaneId, cbor};
use crate::bundle::{Block, BlockKind, BundleHeader, Footer, Found, Ledger, Scanner};
use crate::lane::frame::decode_plain;
use crate::lane::sealed::{self, SealedHeader};
use crate::lane::{EntryKind, ForkState, LaneName, LaneOpening, Run, Wait};

/// One reading of one bundle.
#[derive(Debug, Default)]
pub struct Reading {
    /// Which blocks came, and what is missing.
    pub ledger: Ledger,
    /// Entries that are new here.
    pub entries: u64,
    /// Where runs stand that wait for what is missing before them.
    pub waits: BTreeMap<LaneId, Wait>,
    /// Whether the bundle is of another realm: then nothing else of it is read.
    is_foreign: bool,
}

/// A file that is read, perhaps several times.
struct FileRead {
    path: PathBuf,
    reading: Reading,
    size: u64,
}

impl Replica {
    /// Reads bundles and images of codes, in any order.
    ///
    /// # Errors
    /// When a file cannot be opened, or this replica's store fails; what is wrong inside of files is in the answer.
    pub fn bundle_import(
        &self,
        paths: &[PathBuf],
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<BundleImported, ReplicaError> {
        let began = self.environment.now();
        let (mut files, mut images) = (Vec::new(), Vec::new());
        for path in paths {
            let failed = |source| FileError::Read { path: path.clone(), source };
            let size = path.metadata().map_err(failed)?.len();
            match is_image(path).map_err(failed)? {
                true => images.push(path.clone()),
                false => files.push(FileRead { path: path.clone(), reading: Reading::default(), size }),
            }
        }
        let of: u64 = files.iter().map(|file| file.size).sum();
        let mut done = 0;
        let mut tell = |bytes: u64| {
            done += bytes;
            let (doing, unit) = ("reading the bundle".to_owned(), "bytes".to_owned());
            progress(Progress { doing, done, of: of.max(done), unit });
        };
        for file in &mut files {
            self.read_file(&file.path, &mut file.reading, &mut tell)?;
        }
        // What waits for something is kept nowhere: its file is read again, as long as that brings anything new.
        loop {
            let mut new = 0;
            for file in files.iter_mut().filter(|file| !file.reading.waits.is_empty()) {
                let mut again = Reading::default();
                self.read_file(&file.path, &mut again, &mut tell)?;
                new += again.entries;
                file.reading.entries += again.entries;
                file.reading.waits = again.waits;
            }
            if new == 0 {
                break;
            }
        }
        let mut answer = BundleImported::default();
        for FileRead { path, reading, .. } in files {
            answer.entries += reading.entries;
            answer.files.push(self.bundle_told(&path.display().to_string(), &reading));
        }
        self.import_images(&images, &mut answer)?;
        answer.took_ms = self.environment.ms_since(began);
        Ok(answer)
    }

    /// Reads a bundle from memory, for a simulator; `name` stands for the file.
    ///
    /// # Errors
    /// When this replica's store fails.
    pub fn take_bundle(&self, name: &str, bytes: &[u8]) -> Result<BundleFile, ReplicaError> {
        let mut reading = Reading::default();
        self.read_bundle(&mut &*bytes, &mut reading, &mut |_| {})?;
        Ok(self.bundle_told(name, &reading))
    }

    /// Reads one bundle from any reader; a reader that fails in the middle is a file that ends there, and is told.
    ///
    /// # Errors
    /// When this replica's store fails: what was acknowledged until then stays.
    pub fn read_bundle(
        &self,
        from: &mut dyn Read,
        reading: &mut Reading,
        tell: &mut dyn FnMut(u64),
    ) -> Result<(), ReplicaError> {
        let (mut scanner, mut buffer) = (Scanner::default(), vec![0; READ_BYTES]);
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => {
                    scanner.end();
                    0
                }
                Ok(count) => {
                    scanner.feed(&buffer[..count]);
                    count
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    reading.ledger.problem(format!(
                        "reading stopped: {error}; put the stick in again and repeat the command"
                    ));
                    scanner.end();
                    0
                }
            };
            while let Some(found) = scanner.next_found() {
                match found {
                    Found::Block(block) => self.read_block(block, reading)?,
                    Found::Lost(loss) => reading.ledger.lost(&loss),
                }
                if reading.is_foreign {
                    return Ok(());
                }
            }
            tell(count as u64);
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn read_file(
        &self,
        path: &Path,
        reading: &mut Reading,
        tell: &mut dyn FnMut(u64),
    ) -> Result<(), ReplicaError> {
        let mut file =
            File::open(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
        self.read_bundle(&mut file, reading, tell)
    }

    fn read_block(&self, block: Block, reading: &mut Reading) -> Result<(), ReplicaError> {
        let Block { bundle, number, kind, payload } = block;
        let ours = *reading.ledger.bundle.get_or_insert(bundle);
        if bundle != ours {
            reading.ledger.saw_other(bundle);
            return Ok(());
        }
        if !reading.ledger.saw(number) {
            return Ok(());
        }
        match kind {
            Some(BlockKind::Header) => self.read_header(&payload, reading),
            // How far the sender held its lanes: only who goes on writing needs it.
            Some(BlockKind::Heads) => {}
            Some(BlockKind::Certificates) => self.read_certificates(number, &payload, reading),
            Some(BlockKind::Runs) => self.read_runs(number, &payload, reading)?,
            Some(BlockKind::Forks) => self.read_forks(number, &payload, reading)?,
            Some(BlockKind::Footer) => match cbor::from_canonical::<Footer>(&payload) {
                Ok(footer) if footer.version == 1 && footer.blocks == number => {
                    reading.ledger.footer = Some(footer);
                }
                Ok(_) | Err(_) => {
                    reading.ledger.problem(format!("block {number}: not a footer of this version"))
                }
            },
            None => reading
                .ledger
                .problem(format!("block {number} is of a kind that this program does not know; update it")),
        }
        Ok(())
    }

    fn read_header(&self, payload: &[u8], reading: &mut Reading) {
        let ledger = &mut reading.ledger;
        let (header, chain) = match BundleHeader::read(payload) {
            Ok(read) => read,
            Err(error) => return ledger.problem(format!("the header: {error}")),
        };
        let ours = self.me().realm;
        if header.realm != ours {
            reading.is_foreign = true;
            let (theirs, ours) = (header.realm.short(), ours.short());
            return ledger.problem(format!(
                "a bundle of another realm ({theirs}; this device is of {ours}): nothing of it was imported"
            ));
        }
        self.offer_certificates(&chain);
        let is_member = |known: &crate::identity::DeviceCertificate| known.device == header.sender;
        match self.device_certificate(&header.certificate).is_some_and(|known| is_member(&known)) {
            true => ledger.header = Some(header),
            false => ledger.problem(format!(
                "the header: its writer {} has no certificate of this realm",
                header.sender.short()
            )),
        }
    }

    fn read_certificates(&self, number: u32, payload: &[u8], reading: &mut Reading) {
        let Ok(signed) = cbor::from_canonical::<Vec<minicbor::bytes::ByteVec>>(payload) else {
            return reading.ledger.problem(format!("block {number}: not certificates"));
        };
        let signed: Vec<Vec<u8>> = signed.into_iter().map(Into::into).collect();
        let bad = self.offer_certificates(&signed);
        if bad > 0 {
            reading.ledger.problem(format!("block {number}: {bad} certificates that never verify"));
        }
    }

    /// Opens a block of items; none when it is for others or damaged, which is noted.
    fn opened(
        &self,
        number: u32,
        payload: &[u8],
        reading: &mut Reading,
    ) -> Option<(SealedHeader, Vec<Vec<u8>>)> {
        let ledger = &mut reading.ledger;
        let header = match sealed::header(payload) {
            Ok(header) => header,
            Err(error) => {
                ledger.problem(format!("block {number}: {error}"));
                return None;
            }
        };
        let ring = self.keyring();
        let key = ring.read_key(&header.area, header.part, &header.key);
        let Some(key) = key.filter(|_| self.areas().contains(&header.area)) else {
            ledger.sealed_for_others(&header.area, header.part);
            return None;
        };
        let opened = sealed::open(payload, key, BUNDLE_BLOCK_PLAIN_BYTES_MAX);
        let items = opened.and_then(|opened| opened.items().map(|item| item.map(<[u8]>::to_vec)).collect());
        match items {
            Ok(items) => Some((header, items)),
            Err(error) => {
                ledger.problem(format!("block {number}: {error}"));
                None
            }
        }
    }

    fn read_runs(&self, number: u32, payload: &[u8], reading: &mut Reading) -> Result<(), ReplicaError> {
        let Some((header, items)) = self.opened(number, payload, reading) else { return Ok(()) };
        let (mut runs, mut entries) = (Vec::new(), 0);
        for item in items {
            match decode_plain(&item) {
                Ok(run) if self.is_of(&run, &header) => {
                    entries += run.entries.len() as u64;
                    runs.push(run);
                }
                Ok(run) => reading.ledger.problem(format!(
                    "block {number}: lane {} is not of {} in {}",
                    run.lane.short(),
                    header.part,
                    header.area
                )),
                Err(error) => reading.ledger.problem(format!("block {number}: {error}")),
            }
        }
        reading.ledger.opened(&header.area, header.part, entries);
        let lanes: Vec<LaneId> = runs.iter().map(|run| run.lane).collect();
        let sizes = |lanes: &[LaneId]| -> BTreeMap<LaneId, u64> {
            let size = |lane| (lane, self.lane(&lane).map_or(0, |state| state.size()));
            lanes.iter().copied().map(size).collect()
        };
        let before = sizes(&lanes);
        let outcomes = blocking(|| self.admit(runs))?;
        reading.entries +=
            sizes(&lanes).iter().map(|(lane, size)| size.saturating_sub(before[lane])).sum::<u64>();
        for (lane, outcome) in lanes.into_iter().zip(outcomes) {
            note(lane, outcome, reading);
        }
        Ok(())
    }

    fn read_forks(&self, number: u32, payload: &[u8], reading: &mut Reading) -> Result<(), ReplicaError> {
        let Some((_, items)) = self.opened(number, payload, reading) else { return Ok(()) };
        for item in items {
            let split = item.split_first_chunk::<32>();
            let fork = split.and_then(|(lane, state)| {
                Some((LaneId(*lane), cbor::from_canonical::<ForkState>(state).ok()?))
            });
            match fork {
                Some((lane, fork)) => {
                    let outcome = blocking(|| self.admit_fork(&lane, &fork))?;
                    note(lane, outcome, reading);
                }
                None => reading.ledger.problem(format!("block {number}: not the evidence of a fork")),
            }
        }
        Ok(())
    }

    /// Says whether a run is of the area and part under whose key it came: by the lane's name where it is known, else by
    /// its entry 0; what begins later waits for that anyway.
    fn is_of(&self, run: &Run, header: &SealedHeader) -> bool {
        let fits = |name: &LaneName| name.area == header.area && name.part == header.part;
        match (self.lane_name(&run.lane), run.entries.first()) {
            (Some(name), _) => fits(&name),
            (None, Some(first)) if run.start == 0 && first.kind == EntryKind::CERTIFICATE => {
                LaneOpening::read(&first.body).is_ok_and(|opening| fits(&opening.name))
            }
            (None, _) => true,
        }
    }

    /// Tells what came of a file.
    pub(super) fn bundle_told(&self, file: &str, reading: &Reading) -> BundleFile {
        let ledger = &reading.ledger;
        let mut problems = match ledger.is_none() && !reading.is_foreign {
            true => vec!["not a bundle: no block of one is in it".to_owned()],
            false => ledger.told(),
        };
        if reading.is_foreign {
            problems.retain(|problem| problem.contains("another realm"));
        }
        problems.extend(reading.waits.iter().map(|(lane, wait)| match wait {
            Wait::Gap { have } => format!(
                "lane {}: {have} entries are held, and the file goes on farther up; import the bundle that was written before this one, and then this one again",
                lane.short()
            ),
            Wait::Certificate(hash) => {
                format!("lane {}: its certificate {} is not in the file", lane.short(), hash.short())
            }
        }));
        let header = ledger.header.as_ref();
        BundleFile {
            file: file.to_owned(),
            bundle: ledger.bundle.map(|bundle| bundle.to_string()),
            from: header.map(|header| match self.device_told(&header.sender) {
                (device, Some(site)) => format!("{site} ({device})"),
                (device, None) => device,
            }),
            made: header.map(|header| header.time),
            blocks: ledger.blocks(),
            for_others: ledger.for_others(),
            entries: reading.entries,
            problems,
        }
    }
}

fn note(lane: LaneId, outcome: Outcome, reading: &mut Reading) {
    match outcome {
        Outcome::Stored(_) => {
            reading.waits.remove(&lane);
        }
        Outcome::Waiting(wait) => {
            reading.waits.insert(lane, wait);
        }
        Outcome::Refused(refusal) => reading.ledger.problem(refusal.to_string()),
    }
}

/// Says whether a file is a PNG image, by its first bytes.
fn is_image(path: &Path) -> io::Result<bool> {
    let mut first = [0; 8];
    let mut file = File::open(path)?;
    let mut filled = 0;
    while filled < first.len() {
        match file.read(&mut first[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(first[..filled] == *b"\x89PNG\r\n\x1a\n")
}
