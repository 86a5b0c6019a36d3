//! The roster as the store keeps it: certificates and key wraps, and which signatures of these were checked, so that opening
//! does not check thousands once more.
//!
//! A signature that was checked is named by a hash over the issuer's key, the very bytes that were signed, and the
//! signature. The names are one sealed value of the store, written after the checks: what its seal proves was written here.
//! Where the value is damaged or missing everything is checked again; another byte in a certificate is another name.

use std::collections::HashSet;

use super::core::Replica;
use super::error::ReplicaError;
use crate::base::{Digest, cbor, hash_tagged};
use crate::identity::{Certificates, ControlItem, Roster};
use crate::store::{Batch, Store};

/// The store's space of control items, by their hash: a cache of what the control lanes and sessions brought.
const ROSTER: &str = "roster";
/// Items read at once.
const PAGE: usize = 1_024;
/// The store's space of the names of signatures that were checked, under one key.
const CHECKED: &str = "roster-checked";
/// The version of that value, which is its first byte and its key.
const CHECKED_VERSION: u8 = 1;
/// The names are written when there are so many new ones: some milliseconds of checking.
const CHECKED_AFTER: usize = 64;

/// Makes the value that keeps an item.
pub(super) fn kept(item: &ControlItem) -> (String, Vec<u8>, Vec<u8>) {
    let bytes = cbor::to_vec(item);
    let key = hash_tagged("musubi.roster.v1", &[&bytes]);
    (ROSTER.to_owned(), key.0.to_vec(), bytes)
}

/// Reads the roster that a store keeps; also says how many checked signatures were remembered.
///
/// # Errors
/// When the store fails, or the genesis is none.
pub(super) fn read(store: &dyn Store, genesis: &[u8]) -> Result<(Roster, usize), ReplicaError> {
    let mut certificates = Certificates::new(genesis)?;
    let checked = checked(store);
    let remembered = checked.len();
    certificates.remember(checked);
    let mut roster = Roster::new(certificates);
    let (mut items, mut after): (Vec<ControlItem>, Option<Vec<u8>>) = (Vec::new(), None);
    loop {
        let page = store.blobs(ROSTER, after.as_deref(), PAGE)?;
        items.extend(page.iter().filter_map(|(_, bytes)| minicbor::decode(bytes).ok()));
        match page.last() {
            Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
            Some(_) | None => break,
        }
    }
    roster.fold_kept(items);
    roster.certificates.remember(HashSet::new());
    Ok((roster, remembered))
}

/// Reads which signatures were checked; none where that cannot be read.
fn checked(store: &dyn Store) -> HashSet<Digest> {
    let value = store.blob(CHECKED, &[CHECKED_VERSION]).ok().flatten().unwrap_or_default();
    match value.split_first() {
        Some((&CHECKED_VERSION, names)) => {
            names.as_chunks::<32>().0.iter().map(|name| Digest(*name)).collect()
        }
        Some(_) | None => HashSet::new(),
    }
}

impl Replica {
    /// Keeps which signatures of certificates were checked, if many are new.
    ///
    /// # Errors
    /// When the store fails: then they are checked again after the next start.
    pub(super) fn save_checked(&self) -> Result<(), ReplicaError> {
        let (value, count) = {
            let inner = self.lock();
            let names = inner.roster.certificates.checked();
            if names.len() < inner.checked_kept + CHECKED_AFTER {
                return Ok(());
            }
            let value = [CHECKED_VERSION].into_iter().chain(names.iter().flat_map(|name| name.0)).collect();
            (value, names.len())
        };
        let blobs = vec![(CHECKED.to_owned(), vec![CHECKED_VERSION], value)];
        self.store.commit(Batch { blobs, ..Batch::default() })?;
        self.lock().checked_kept = count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::WallMs;
    use crate::identity::fixtures::Realm;
    use crate::store::MemoryStore;

    fn store_with(items: &[ControlItem], checked: &[Digest]) -> Arc<dyn Store> {
        let store = MemoryStore::new();
        let mut blobs: Vec<_> = items.iter().map(kept).collect();
        let names = checked.iter().flat_map(|name| name.0);
        let value = [CHECKED_VERSION].into_iter().chain(names).collect();
        blobs.push((CHECKED.to_owned(), vec![CHECKED_VERSION], value));
        let time = Some(WallMs(0));
        store.commit(Batch { blobs, time, ..Batch::default() }).unwrap();
        Arc::new(store)
    }

    fn devices(store: &Arc<dyn Store>, genesis: &[u8]) -> usize {
        read(&**store, genesis).unwrap().0.certificates.devices().count()
    }

    #[test]
    fn a_signature_that_was_checked_is_taken_for_checked_and_any_other_byte_is_not() {
        let realm = Realm::new();
        let site = realm.site("北病院", &["shared/miura"]);
        let device = realm.device(&site, "north-1", &["shared/miura"]);
        let items = |device: &[u8]| {
            [&site.signed[..], device].map(|signed| ControlItem::Certificate(signed.to_vec())).to_vec()
        };
        let fresh = store_with(&items(&device.signed), &[]);
        let known: Vec<Digest> =
            read(&*fresh, &realm.genesis).unwrap().0.certificates.checked().iter().copied().collect();
        assert_eq!(known.len(), 2);
        // The last byte is one of the signature: what was checked is not this.
        let mut spoilt = device.signed.clone();
        *spoilt.last_mut().unwrap() ^= 1;
        assert_eq!(devices(&store_with(&items(&device.signed), &known), &realm.genesis), 1);
        assert_eq!(devices(&store_with(&items(&spoilt), &known), &realm.genesis), 0);
        // The names are what is trusted: with that of the spoilt signature nothing is checked.
        let told = crate::identity::Certificate::read(&spoilt).unwrap();
        let site_key = read(&*fresh, &realm.genesis).unwrap().0.certificates.sites().next().unwrap().key;
        let lie = [known.clone(), vec![told.signature_by(&site_key)]].concat();
        assert_eq!(devices(&store_with(&items(&spoilt), &lie), &realm.genesis), 1);
        // Whoever issued it must still be here: without its site a device waits, whatever is remembered.
        let alone = [ControlItem::Certificate(device.signed.clone())];
        assert_eq!(devices(&store_with(&alone, &known), &realm.genesis), 0);
    }
}
