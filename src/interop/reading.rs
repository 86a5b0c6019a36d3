//! Reading all files of an import: where values begin and end is found on a thread of its own, while those before them are
//! looked at.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::reader::{self, Item};

/// Items are given on when so many have come together,
const GIVEN_ITEMS: usize = 256;
/// or when their texts have so many bytes.
const GIVEN_BYTES: usize = 1 << 20;

/// Reads all files, adding to `read` the bytes that were read; hands each item to `visit` with the number of its file, a file
/// that cannot be opened as a problem at line 0; and calls `tell` now and then.
///
/// # Errors
/// The first error of `visit`, which ends the reading.
pub(super) fn read_all<E>(
    files: &[PathBuf],
    read: &Arc<AtomicU64>,
    tell: &mut dyn FnMut(),
    visit: &mut dyn FnMut(u32, Item) -> Result<(), E>,
) -> Result<(), E> {
    std::thread::scope(|threads| {
        let (to, given) = sync_channel(1);
        let reading = threads.spawn(move || read_ahead(files, read, &to));
        for items in given {
            for (file, item) in items {
                visit(file, item)?;
            }
            tell();
        }
        if let Err(panic) = reading.join() {
            std::panic::resume_unwind(panic);
        }
        tell();
        Ok(())
    })
}

/// Reads until the files end, or nobody takes what is read.
fn read_ahead(files: &[PathBuf], read: &Arc<AtomicU64>, to: &SyncSender<Vec<(u32, Item)>>) {
    let (mut items, mut bytes) = (Vec::new(), 0);
    for (number, path) in files.iter().enumerate() {
        let file = u32::try_from(number).expect("an import has at most FILES_MAX files");
        let (reader, failed) = match reader::open(path, file, read.clone()) {
            Ok(reader) => (Some(reader), None),
            Err(error) => {
                (None, Some(Item::Problem { line: 0, reason: format!("cannot be opened: {error}") }))
            }
        };
        for item in failed.into_iter().chain(reader.into_iter().flatten()) {
            bytes += match &item {
                Item::Resource(found) => found.text.len(),
                Item::Problem { reason, .. } => reason.len(),
            };
            items.push((file, item));
            if items.len() >= GIVEN_ITEMS || bytes >= GIVEN_BYTES {
                bytes = 0;
                if to.send(std::mem::take(&mut items)).is_err() {
                    return;
                }
            }
        }
    }
    // Who has gone needs it no more.
    let _ = to.send(items);
}
