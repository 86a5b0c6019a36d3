//! Where the rows of a store's file lie, for tests of rot above the store.
//!
//! A bit that flips in a row is what sealing and counting are for. Elsewhere in the file it hits the tree above or the
//! list of free pages, which redb may answer by ending the process: `rot_tests` tells of those, on a device of its own.

use std::path::Path;

use redb::{ReadableDatabase as _, ReadableTable as _};

use super::rows::RUNS;

/// What rots of a run's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rots {
    /// The sealed value: what begins there is known still.
    Value,
    /// The start of the run in its key: nothing is known to begin there.
    Key,
}

/// Returns a byte of every copy of every run's row that lies in a store's file, in ascending order; nobody has it open.
pub(crate) fn places_of_runs(file: &Path, rots: Rots) -> Vec<usize> {
    let rows: Vec<([u8; 12], Vec<u8>)> = {
        let database = redb::Database::open(file).unwrap();
        let table = database.begin_read().unwrap().open_table(RUNS).unwrap();
        let rows = table.iter().unwrap().map(Result::unwrap);
        rows.map(|(key, value)| (*key.value(), value.value().to_vec())).collect()
    };
    let bytes = std::fs::read(file).unwrap();
    let sought: Vec<(Vec<u8>, usize)> = match rots {
        // A value begins with a nonce, so its first bytes are nowhere else.
        Rots::Value => rows.iter().map(|(_, value)| (value[..16].to_vec(), value.len() / 2)).collect(),
        // The keys of a page stand side by side, so a key is found behind the one before it.
        Rots::Key => rows.windows(2).map(|two| ([two[0].0, two[1].0].concat(), 16)).collect(),
    };
    let found = sought.iter().flat_map(|(sought, byte)| {
        let copies = bytes.windows(sought.len()).enumerate().filter(move |(_, window)| window == sought);
        copies.map(move |(place, _)| place + byte)
    });
    let mut places: Vec<usize> = found.collect();
    places.sort_unstable();
    places
}
