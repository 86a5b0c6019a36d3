//! One patient's card as QR codes on paper or a screen, and back from photographs of them.
//!
//! Message: `1 ‖ zstd frame of a signed proven record`, parted into frames. It is not encrypted: whoever holds the paper
//! can read it, as whoever holds a paper card can.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::bundle_answer::{BundleImported, CardExported, CardImported};
use super::core::Replica;
use super::error::ReplicaError;
use super::files::{FileError, write_secret};
use super::proving::Via;
use crate::base::limits::QR_CARD_PLAIN_BYTES_MAX;
use crate::base::{Part, RecordId};
use crate::bundle::frame::{Frame, FrameError, Gathered, SetId, parted};
use crate::bundle::qr::{self, Caption};

/// The first byte of a message.
const VERSION: u8 = 1;
/// A card is small and written once: every byte is a module on paper.
const ZSTD_LEVEL: i32 = 19;
/// Largest image file that is read.
const IMAGE_BYTES_MAX: u64 = 128 << 20;
/// Most sets of codes in one import.
const SETS_MAX: usize = 256;

impl Replica {
    /// Makes the frames of a record's card, and how many entries and bytes they carry.
    ///
    /// # Errors
    /// When the store fails, or the card does not fit into the codes of one set.
    pub fn card_frames(&self, record: &RecordId) -> Result<(Vec<Frame>, u64, u64), ReplicaError> {
        let (proven, signed) = self.proven_record(record, Part::Card)?;
        let packed = zstd::bulk::compress(&signed, ZSTD_LEVEL)
            .map_err(|error| ReplicaError::Call(format!("packing the card: {error}")))?;
        let message = [&[VERSION], packed.as_slice()].concat();
        let frames = parted(&message).map_err(|error| {
            ReplicaError::Call(format!("the card does not fit on paper: {error}; give it on a stick: `musubi bundle export --part card`"))
        })?;
        if signed.len() > QR_CARD_PLAIN_BYTES_MAX {
            return Err(ReplicaError::Call(
                "the card does not fit on paper; give it on a stick: `musubi bundle export --part card`"
                    .into(),
            ));
        }
        Ok((frames, proven.entries.len() as u64, message.len() as u64))
    }

    /// Writes a record's card as QR codes into a folder: each as SVG and as PNG.
    ///
    /// # Errors
    /// As [`Replica::card_frames`], or when the folder cannot be written.
    pub fn card_export(&self, record: &RecordId, to: &Path) -> Result<CardExported, ReplicaError> {
        let (frames, entries, bytes) = self.card_frames(record)?;
        let is_drill = is_of_drill(&self.me().realm_name);
        let set = frames.first().map_or(SetId([0; 4]), |frame| frame.set).to_string();
        let count = frames.len();
        fs::create_dir_all(to).map_err(|source| FileError::Write { path: to.to_owned(), source })?;
        for (number, frame) in (1..).zip(&frames) {
            let caption = Caption { is_drill, set: set.clone(), number, count };
            let name = |ending: &str| to.join(format!("card-{set}-{number:02}-of-{count:02}.{ending}"));
            let png = qr::png(frame, &caption).map_err(|error| ReplicaError::Call(error.to_string()))?;
            write_secret(&name("png"), &png)?;
            write_secret(&name("svg"), qr::svg(frame, &caption).as_bytes())?;
        }
        let (to, codes) = (to.display().to_string(), count as u64);
        Ok(CardExported { to, record: *record, set, codes, entries, bytes, is_drill })
    }

    /// Reads codes from images, in any order, and takes every card of which no code is missing.
    pub(super) fn import_images(
        &self,
        images: &[PathBuf],
        answer: &mut BundleImported,
    ) -> Result<(), ReplicaError> {
        let mut contents = Vec::new();
        for path in images {
            let found = read_image(path)?;
            match found.map(|bytes| qr::read_png(&bytes)) {
                Ok(Ok(found)) => contents.extend(found.into_iter().map(|content| (path.clone(), content))),
                Ok(Err(error)) => answer.images.push(format!("{}: {error}", path.display())),
                Err(why) => answer.images.push(format!("{}: {why}", path.display())),
            }
        }
        let mut frames = Vec::new();
        for (path, content) in contents {
            match Frame::read(&content) {
                Ok(frame) => frames.push(frame),
                // Other people's codes may stand beside ours.
                Err(FrameError::Other) if images.len() > 1 => {}
                Err(error) => answer.images.push(format!("{}: {error}", path.display())),
            }
        }
        answer.cards.extend(self.take_frames(frames)?);
        Ok(())
    }

    /// Takes the cards that frames make, in any order and of any number of sets.
    ///
    /// # Errors
    /// When the store fails; what is wrong with a set is in its answer.
    pub fn take_frames(&self, frames: Vec<Frame>) -> Result<Vec<CardImported>, ReplicaError> {
        let mut sets: BTreeMap<SetId, Gathered> = BTreeMap::new();
        for frame in frames {
            if sets.len() < SETS_MAX || sets.contains_key(&frame.set) {
                sets.entry(frame.set).or_default().add(frame);
            }
        }
        sets.into_iter().map(|(set, gathered)| self.take_card(set, &gathered)).collect()
    }

    fn take_card(&self, set: SetId, gathered: &Gathered) -> Result<CardImported, ReplicaError> {
        let mut card = CardImported {
            set: set.to_string(),
            codes: u64::from(gathered.count()),
            missing: gathered.missing(),
            record: None,
            site: None,
            time: None,
            entries: 0,
            problem: None,
        };
        if !card.missing.is_empty() {
            return Ok(card);
        }
        let signed =
            gathered.joined(set).map_err(|error| error.to_string()).and_then(|message| unpacked(&message));
        let taken = match signed {
            Ok(signed) => self.take_proven(Via::Qr, &signed),
            Err(why) => Err(ReplicaError::Bundle(why)),
        };
        match taken {
            Ok(proven) => {
                card.record = Some(proven.record);
                card.site = self.device_told(&proven.answerer).1;
                card.time = Some(proven.time);
                card.entries = proven.entries.len() as u64;
            }
            Err(ReplicaError::Bundle(why)) => card.problem = Some(why),
            Err(error) => return Err(error),
        }
        Ok(card)
    }
}

/// Says whether a realm is a drill's, by its name: what is printed for it is marked, so that nobody treats by it.
pub fn is_of_drill(realm: &str) -> bool {
    realm.contains("訓練") || realm.to_lowercase().contains("drill")
}

/// Reads an image file whole, if it is not larger than any photograph.
fn read_image(path: &Path) -> Result<Result<Vec<u8>, String>, ReplicaError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(failed)?
        .take(IMAGE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(match bytes.len() as u64 > IMAGE_BYTES_MAX {
        true => Err("larger than any photograph".to_owned()),
        false => Ok(bytes),
    })
}

fn unpacked(message: &[u8]) -> Result<Vec<u8>, String> {
    let packed = match message.split_first() {
        Some((&VERSION, packed)) => packed,
        Some((version, _)) => return Err(format!("codes of version {version}: update this program")),
        None => return Err("codes without content".into()),
    };
    let mut plain = Vec::new();
    zstd::Decoder::new(packed)
        .and_then(|mut decoder| {
            decoder.window_log_max(QR_CARD_PLAIN_BYTES_MAX.next_power_of_two().trailing_zeros())?;
            decoder.take(QR_CARD_PLAIN_BYTES_MAX as u64 + 1).read_to_end(&mut plain)
        })
        .map_err(|error| format!("the codes do not unpack: {error}"))?;
    match plain.len() > QR_CARD_PLAIN_BYTES_MAX {
        true => Err("the codes unpack to more than any card has".into()),
        false => Ok(plain),
    }
}
