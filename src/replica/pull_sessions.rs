//! Between who asks for a person and the sessions that can be asked: orders go to sessions, news come back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::mpsc;

use super::core::Replica;
use super::granting::Grants;
use super::proven_index::ProvenIndex;
use super::pull_answer::{PullCounts, RecordPulled};
use crate::base::DeviceId;
use crate::record::Whom;
use crate::sync::{Ended, Reach};

/// How long what was fetched is kept, unless the configuration says otherwise: 7 days.
pub const KEPT_MS: u64 = 7 * 86_400_000;
/// Orders that may wait for one session.
const ORDERS_MAX: usize = 1_024;

/// What has come of something that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// So many entries can be read, not proven yet.
    Facts(usize),
    /// A part of a record is proven and durable.
    Kept(RecordPulled),
    /// What came is not believed: why.
    Unfit(String),
    /// It is over.
    Ended(Ended),
}

/// News of one session.
#[derive(Debug)]
pub(super) struct Told {
    /// The session.
    pub(super) session: u64,
    /// What.
    pub(super) news: News,
}

/// A person that a session is to ask its peer for.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) whom: Whom,
    pub(super) reach: Reach,
    /// The number by which who asks knows the session.
    pub(super) session: u64,
    pub(super) news: mpsc::UnboundedSender<Told>,
    /// The session whose answer is taken, once there is one: the others need not go on.
    pub(super) taken: Arc<OnceLock<u64>>,
}

impl Order {
    /// Says whether nobody waits for it any more.
    fn is_left(&self) -> bool {
        self.news.is_closed() || self.taken.get().is_some_and(|session| *session != self.session)
    }
}

/// Where a session hears whom to ask for.
pub(super) type Orders = mpsc::Receiver<Order>;

/// Makes the way by which orders come to one session.
pub(super) fn orders() -> (mpsc::Sender<Order>, Orders) {
    mpsc::channel(ORDERS_MAX)
}

/// Who waits in one session, by the number of the ask.
#[derive(Default)]
pub(super) struct Waiting(BTreeMap<u32, Order>);

impl Waiting {
    /// Notes who waits for an ask.
    pub(super) fn begun(&mut self, number: u32, order: Order) {
        self.0.insert(number, order);
    }

    /// Tells who waits; says whether somebody still does.
    pub(super) fn tell(&mut self, number: u32, news: News) -> bool {
        let is_last = matches!(news, News::Ended(_) | News::Unfit(_));
        let Some(order) = self.0.get(&number) else { return false };
        let heard = !order.is_left() && order.news.send(Told { session: order.session, news }).is_ok();
        if is_last || !heard {
            self.0.remove(&number);
        }
        heard
    }

    /// Takes out the asks for which nobody waits any more.
    pub(super) fn left(&mut self) -> Vec<u32> {
        let left: Vec<u32> =
            self.0.iter().filter(|(_, order)| order.is_left()).map(|(number, _)| *number).collect();
        left.iter().for_each(|number| drop(self.0.remove(number)));
        left
    }
}

/// All that a replica keeps in memory of asking for people.
pub(super) struct Pulling {
    table: Arc<Mutex<Table>>,
    pub(super) index: Mutex<Option<ProvenIndex>>,
    /// Held while what is kept of a record is read and written.
    keeping: Mutex<()>,
    /// How long what was fetched is kept, in milliseconds.
    pub(super) kept_ms: u64,
}

/// What changes while a replica runs.
#[derive(Default)]
pub(super) struct Table {
    sessions: BTreeMap<u64, (DeviceId, mpsc::Sender<Order>)>,
    next: u64,
    pub(super) grants: Grants,
    pub(super) counts: PullCounts,
}

impl Default for Pulling {
    fn default() -> Self {
        Self { table: Arc::default(), index: Mutex::new(None), keeping: Mutex::new(()), kept_ms: KEPT_MS }
    }
}

impl Pulling {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets nobody else change what is kept, until it is dropped.
    pub(super) fn keeping(&self) -> MutexGuard<'_, ()> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Returns a session with each device that can be asked.
    pub(super) fn sessions(&self) -> BTreeMap<DeviceId, (u64, mpsc::Sender<Order>)> {
        let open = self.sessions.iter().filter(|(_, (_, orders))| !orders.is_closed());
        open.map(|(number, (device, orders))| (*device, (*number, orders.clone()))).collect()
    }
}

/// A session that can be asked, until this is dropped.
pub(super) struct Joined {
    table: Arc<Mutex<Table>>,
    number: u64,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).sessions.remove(&self.number);
    }
}

impl Replica {
    /// Lets a session with a device be asked.
    pub(super) fn join_asked(&self, device: DeviceId) -> (Joined, Orders) {
        let (sender, receiver) = orders();
        let mut table = self.pulling.table();
        let number = table.next;
        table.next += 1;
        table.sessions.insert(number, (device, sender));
        (Joined { table: self.pulling.table.clone(), number }, receiver)
    }
}
