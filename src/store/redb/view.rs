//! Typed access to the tables inside one transaction: everything read is unsealed, everything written sealed.

use std::sync::atomic::AtomicUsize;

use redb::{Key, ReadTransaction, ReadableTable, Table, TableError, WriteTransaction};

use super::engine::{Directory, decode, encode, id_from_state};
use super::fault::Fault;
use super::rows::{
    Counts, FORMAT_VERSION, IDS, IndexState, LANES, META, META_COUNTS, META_FORMAT, META_INDEX, META_NAMES,
    NAMED,
};
use crate::base::LaneId;
use crate::lane::state::LaneState;
use crate::store::sealing::{Sealer, damaged};

/// A table's name as its values were sealed with it: twins share the first one's name, so that either row
/// can stand for the other.
pub(super) const META_SEAL: &str = "meta";
/// As [`META_SEAL`].
pub(super) const LANES_SEAL: &str = "lanes";
/// As [`META_SEAL`].
pub(super) const NAMED_SEAL: &str = "named";

/// A consistent view of everything.
pub(super) struct View<'a> {
    pub(super) transaction: ReadTransaction,
    pub(super) directory: &'a Directory,
    pub(super) sealer: &'a Sealer,
}

impl<'a> View<'a> {
    /// Makes a view.
    pub(super) fn new(transaction: ReadTransaction, directory: &'a Directory, sealer: &'a Sealer) -> Self {
        Self { transaction, directory, sealer }
    }

    /// Checks that the tables are of this version and this data key.
    pub(super) fn check_format(&self) -> Result<(), Fault> {
        let table = match self.transaction.open_table(META[0]) {
            Err(TableError::TableDoesNotExist(_)) => {
                return Err(Fault::Damaged("it is a database, but not a store of Musubi".to_owned()));
            }
            other => other?,
        };
        let value = table.get(META_FORMAT)?.map(|guard| guard.value().to_vec());
        let Some((version, key_id)) = value.as_deref().and_then(|value| value.split_first_chunk::<8>())
        else {
            return Err(damaged(META_SEAL, META_FORMAT.as_bytes()).into());
        };
        let found = u64::from_be_bytes(*version);
        if found != FORMAT_VERSION {
            return Err(Fault::Format { found });
        }
        if key_id != self.sealer.key_id().0 {
            let why = format!(
                "it was sealed with another data key than {}: put back the keys.toml that belongs to it",
                self.sealer.key_id()
            );
            return Err(Fault::Damaged(why));
        }
        Ok(())
    }

    /// Reads a row of the table `meta`.
    pub(super) fn meta<T: for<'b> minicbor::Decode<'b, ()>>(&self, key: &'static str) -> Result<T, Fault> {
        let plain = either(|twin| {
            let table = self.transaction.open_table(META[twin])?;
            get(&table, self.sealer, META_SEAL, key, key.as_bytes())
        })?;
        let plain = plain.ok_or_else(|| damaged(META_SEAL, key.as_bytes()))?;
        Ok(decode(META_SEAL, key.as_bytes(), &plain)?)
    }

    /// Reads the id of a lane that there must be.
    pub(super) fn lane_id(&self, number: u32) -> Result<LaneId, Fault> {
        let bytes = number.to_be_bytes();
        let table = self.transaction.open_table(IDS)?;
        if let Ok(Some(id)) = get(&table, self.sealer, "ids", number, &bytes)
            && let Ok(id) = id.as_slice().try_into()
        {
            return Ok(LaneId(id));
        }
        let state = self.lane_row(number)?;
        Ok(state.as_deref().and_then(id_from_state).ok_or_else(|| damaged("ids", &bytes))?)
    }

    /// Reads the state of a lane by its number.
    pub(super) fn lane_state(&self, number: u32) -> Result<LaneState, Fault> {
        let key = number.to_be_bytes();
        let plain = self.lane_row(number)?.ok_or_else(|| damaged(LANES_SEAL, &key))?;
        Ok(decode(LANES_SEAL, &key, &plain)?)
    }

    /// Reads the state of a lane, `None` when there is no such lane.
    pub(super) fn lane(&self, id: &LaneId) -> Result<Option<(u32, LaneState)>, Fault> {
        match self.directory.numbers.get(id) {
            Some(&number) => Ok(Some((number, self.lane_state(number)?))),
            None => Ok(None),
        }
    }

    /// Reads a named value; the name must be in use.
    pub(super) fn named(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let key = self.sealer.keyed_hash(NAMED_SEAL, name.as_bytes());
        let plain = either(|twin| {
            let table = self.transaction.open_table(NAMED[twin])?;
            get(&table, self.sealer, NAMED_SEAL, &key, &key)
        })?;
        Ok(plain.ok_or_else(|| damaged(NAMED_SEAL, &key))?)
    }

    fn lane_row(&self, number: u32) -> Result<Option<Vec<u8>>, Fault> {
        either(|twin| {
            let table = self.transaction.open_table(LANES[twin])?;
            get(&table, self.sealer, LANES_SEAL, number, &number.to_be_bytes())
        })
    }
}

/// One durable change of everything, or nothing: dropped without [`Change::commit`] it leaves no trace.
pub(super) struct Change<'a> {
    pub(super) transaction: WriteTransaction,
    pub(super) sealer: &'a Sealer,
    directory: &'a Directory,
    new_lanes: Vec<LaneId>,
    new_names: Vec<String>,
    /// How many other writes wait that somebody waits for.
    awaited: Option<&'a AtomicUsize>,
}

impl<'a> Change<'a> {
    /// Makes a change within a transaction.
    pub(super) fn new(transaction: WriteTransaction, directory: &'a Directory, sealer: &'a Sealer) -> Self {
        Self { transaction, sealer, directory, new_lanes: Vec::new(), new_names: Vec::new(), awaited: None }
    }

    /// Tells the change how many other writes wait.
    pub(super) fn beside(self, awaited: &'a AtomicUsize) -> Self {
        Self { awaited: Some(awaited), ..self }
    }

    /// Returns the number of other writes that wait and that somebody waits for.
    pub(super) fn awaited(&self) -> Option<&'a AtomicUsize> {
        self.awaited
    }

    /// Returns a lane's number.
    pub(super) fn lane_number(&self, id: &LaneId) -> Option<u32> {
        let new = || self.new_lanes.iter().position(|new| new == id);
        let known = self.directory.numbers.get(id).copied();
        known.or_else(|| new().map(|index| (self.directory.ids.len() + index) as u32))
    }

    /// Returns how many lanes had a number before this change.
    pub(super) fn lanes(&self) -> u32 {
        self.directory.ids.len() as u32
    }

    /// Gives a new lane its number.
    pub(super) fn add_lane(&mut self, id: LaneId) -> Result<u32, Fault> {
        let number = u32::try_from(self.directory.ids.len() + self.new_lanes.len())
            .map_err(|_| Fault::Damaged("it holds as many lanes as can be numbered".to_owned()))?;
        let sealed = self.sealer.seal("ids", &number.to_be_bytes(), &id.0)?;
        self.transaction.open_table(IDS)?.insert(number, sealed.as_slice())?;
        self.new_lanes.push(id);
        Ok(number)
    }

    /// Reads the state of a lane as it was before this change.
    pub(super) fn lane_state(&self, number: u32) -> Result<LaneState, Fault> {
        let key = number.to_be_bytes();
        let plain = either(|twin| {
            let table = self.transaction.open_table(LANES[twin])?;
            get(&table, self.sealer, LANES_SEAL, number, &key)
        })?;
        let plain = plain.ok_or_else(|| damaged(LANES_SEAL, &key))?;
        Ok(decode(LANES_SEAL, &key, &plain)?)
    }

    /// Writes the state of a lane.
    pub(super) fn put_lane(&self, number: u32, state: &LaneState) -> Result<(), Fault> {
        let sealed = self.sealer.seal(LANES_SEAL, &number.to_be_bytes(), &encode(state))?;
        for twin in LANES {
            self.transaction.open_table(twin)?.insert(number, sealed.as_slice())?;
        }
        Ok(())
    }

    /// Reads a row of the table `meta`.
    pub(super) fn meta<T: for<'b> minicbor::Decode<'b, ()>>(&self, key: &'static str) -> Result<T, Fault> {
        let plain = either(|twin| {
            let table = self.transaction.open_table(META[twin])?;
            get(&table, self.sealer, META_SEAL, key, key.as_bytes())
        })?;
        let plain = plain.ok_or_else(|| damaged(META_SEAL, key.as_bytes()))?;
        Ok(decode(META_SEAL, key.as_bytes(), &plain)?)
    }

    /// Writes a row of the table `meta`.
    pub(super) fn put_meta<T: minicbor::Encode<()>>(
        &self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        let sealed = self.sealer.seal(META_SEAL, key.as_bytes(), &encode(value))?;
        for twin in META {
            self.transaction.open_table(twin)?.insert(key, sealed.as_slice())?;
        }
        Ok(())
    }

    /// Reads how much there is of everything.
    pub(super) fn counts(&self) -> Result<Counts, Fault> {
        self.meta(META_COUNTS)
    }

    /// Reads where the index stands.
    pub(super) fn index_state(&self) -> Result<IndexState, Fault> {
        self.meta(META_INDEX)
    }

    /// Writes a named value.
    pub(super) fn put_named(&mut self, name: &str, value: &[u8]) -> Result<(), Fault> {
        let key = self.sealer.keyed_hash(NAMED_SEAL, name.as_bytes());
        let sealed = self.sealer.seal(NAMED_SEAL, &key, value)?;
        for twin in NAMED {
            self.transaction.open_table(twin)?.insert(&key, sealed.as_slice())?;
        }
        if !self.directory.names.contains(name) && !self.new_names.iter().any(|new| new == name) {
            self.new_names.push(name.to_owned());
        }
        Ok(())
    }

    /// Commits: durable when this returns. Returns the lanes and names that are new.
    pub(super) fn commit(self) -> Result<(Vec<LaneId>, Vec<String>), Fault> {
        if !self.new_names.is_empty() {
            let names: Vec<&String> = self.directory.names.iter().chain(&self.new_names).collect();
            self.put_meta(META_NAMES, &names)?;
        }
        self.transaction.commit()?;
        Ok((self.new_lanes, self.new_names))
    }
}

/// Reads and unseals a value.
pub(super) fn get<'k, K: Key + 'static>(
    table: &impl ReadableTable<K, &'static [u8]>,
    sealer: &Sealer,
    name: &'static str,
    key: impl std::borrow::Borrow<K::SelfType<'k>>,
    key_bytes: &[u8],
) -> Result<Option<Vec<u8>>, Fault> {
    match table.get(key)? {
        Some(sealed) => Ok(Some(sealer.open(name, key_bytes, sealed.value())?)),
        None => Ok(None),
    }
}

/// Seals and writes a value.
pub(super) fn put<'k, K: Key + 'static>(
    table: &mut Table<'_, K, &'static [u8]>,
    sealer: &Sealer,
    name: &'static str,
    key: impl std::borrow::Borrow<K::SelfType<'k>>,
    key_bytes: &[u8],
    plain: &[u8],
) -> Result<(), Fault> {
    let sealed = sealer.seal(name, key_bytes, plain)?;
    table.insert(key, sealed.as_slice())?;
    Ok(())
}

/// Reads a value from its first table, or from the twin when it is damaged or missing there.
fn either(mut read: impl FnMut(usize) -> Result<Option<Vec<u8>>, Fault>) -> Result<Option<Vec<u8>>, Fault> {
    match read(0) {
        Ok(Some(value)) => Ok(Some(value)),
        Ok(None) => read(1),
        Err(first) => match read(1) {
            Ok(Some(value)) => Ok(Some(value)),
            Ok(None) | Err(_) => Err(first),
        },
    }
}
