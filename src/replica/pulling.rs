//! Fetching one person on demand: asks peers over the sessions that run, or over a link of its own, and takes the first good
//! answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::timeout_at;

use super::asking::{everybody, options, resolve};
use super::core::Replica;
use super::error::ReplicaError;
use super::first_word::Opening;
use super::pull_answer::{PullWanted, Pulled, RecordPulled, WhomTyped};
use super::pull_sessions::{News, Order, Told, orders};
use super::request::Progress;
use super::sync_answer::PeerStatus;
use super::syncing;
use crate::base::{DeviceId, Part, RecordId};
use crate::record::{Whom, birth};
use crate::sync::{Ended, Reach};
use crate::transport::Endpoint;

/// How long an answer may take in all. A peer that is silent is given up much sooner, by its session.
const WITHIN: Duration = Duration::from_secs(180);
/// How long the end of a link of its own is waited for.
const PARTING: Duration = Duration::from_millis(500);
/// The number of a link of its own, which no session of the replica has.
const OWN_LINK: u64 = u64::MAX;

/// Asks for one person; `peers` are the neighbours as the running replica knows them.
///
/// # Errors
/// When nobody can be asked, or nobody has given a good answer: each is named, with what it said.
pub async fn pull(
    replica: &Arc<Replica>,
    wanted: &PullWanted,
    peers: &[PeerStatus],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Pulled, ReplicaError> {
    let began = Instant::now();
    let whom = block_in_place(|| replica.whom(&wanted.whom))?;
    let reach = if wanted.card_only { Reach::to(Part::Card) } else { Reach::to(Part::Data) };
    replica.pulling.table().counts.asked += 1;
    let (news, told) = mpsc::unbounded_channel();
    let taken = Arc::new(OnceLock::new());
    let order =
        |session| Order { whom: whom.clone(), reach, session, news: news.clone(), taken: taken.clone() };
    let (asked, own) = match &wanted.from {
        Some(address) if address.contains(':') => {
            let own = OwnLink::open(replica, address, order(OWN_LINK)).await?;
            let device = own.device;
            (BTreeMap::from([(OWN_LINK, device)]), Some(own))
        }
        name => {
            let open = replica.pulling.table().sessions();
            let is_wanted =
                |device: &DeviceId| name.as_ref().is_none_or(|name| replica.is_named(device, name, peers));
            let mut asked = BTreeMap::new();
            for (device, (session, orders)) in open.into_iter().filter(|(device, _)| is_wanted(device)) {
                if orders.try_send(order(session)).is_ok() {
                    asked.insert(session, device);
                }
            }
            if asked.is_empty() {
                return Err(nobody_to_ask(name.as_deref()));
            }
            (asked, None)
        }
    };
    drop(news);
    let mut answers = Answers { began, asked, winner: None, taken, failed: Vec::new(), facts_ms: None };
    let outcome = answers.listen(replica, told, progress).await;
    let took_ms = millis(began);
    if let Some(own) = own {
        own.end().await;
    }
    let (winner, whole) = outcome?;
    replica.pulling.table().counts.fetched += 1;
    let (device, site) = replica.device_told(&winner.device);
    let text = block_in_place(|| replica.text_of(winner.records.iter().map(|one| one.record)))?;
    tracing::info!(device = %winner.device, records = winner.records.len(), "a person was fetched");
    let card_ms = Some(winner.card_ms);
    Ok(Pulled {
        device,
        site: site.unwrap_or_default(),
        records: winner.joined(),
        whole,
        facts_ms: answers.facts_ms,
        card_ms,
        took_ms,
        others: answers.failed,
        text,
    })
}

/// The one whose answer is taken.
struct Winner {
    session: u64,
    device: DeviceId,
    card_ms: u64,
    records: Vec<RecordPulled>,
}

impl Winner {
    /// Joins what came in several parts of each record.
    fn joined(self) -> Vec<RecordPulled> {
        let mut joined: Vec<RecordPulled> = Vec::new();
        for part in self.records {
            match joined.iter_mut().find(|known| known.record == part.record) {
                Some(known) => {
                    known.entries += part.entries;
                    known.left_out += part.left_out;
                    known.parts.extend(part.parts);
                    known.time = known.time.min(part.time);
                    let is_new = |site: &super::pull_answer::UnheardSite| !known.unheard.contains(site);
                    let unheard: Vec<_> = part.unheard.into_iter().filter(is_new).collect();
                    known.unheard.extend(unheard);
                }
                None => joined.push(part),
            }
        }
        joined
    }
}

/// What those who were asked have said so far.
struct Answers {
    began: Instant,
    asked: BTreeMap<u64, DeviceId>,
    winner: Option<Winner>,
    taken: Arc<OnceLock<u64>>,
    failed: Vec<String>,
    facts_ms: Option<u64>,
}

impl Answers {
    /// Listens until the first who had something to say has ended, or nobody is left.
    async fn listen(
        &mut self,
        replica: &Replica,
        mut told: mpsc::UnboundedReceiver<Told>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Winner, bool), ReplicaError> {
        let until = tokio::time::Instant::from_std(self.began) + WITHIN;
        let mut facts: BTreeMap<u64, u64> = BTreeMap::new();
        loop {
            let next = timeout_at(until, told.recv()).await;
            let Ok(Some(Told { session, news })) = next else {
                let why = if next.is_err() { "did not finish in time" } else { "the link broke" };
                for session in self.asked.keys().copied().collect::<Vec<_>>() {
                    self.fail(replica, session, why);
                }
                return self.over(false);
            };
            if self.winner.as_ref().is_some_and(|winner| winner.session != session) {
                continue;
            }
            match news {
                News::Facts(entries) => {
                    facts.entry(session).or_insert_with(|| millis(self.began));
                    let doing = "the facts are here, their proofs follow".to_owned();
                    progress(Progress { doing, done: entries as u64, of: 0, unit: "entries".to_owned() });
                }
                News::Kept(kept) => {
                    let Some(device) = self.asked.get(&session).copied() else { continue };
                    self.facts_ms = facts.get(&session).copied();
                    let card_ms = millis(self.began);
                    let _ = self.taken.set(session);
                    let new = || Winner { session, device, card_ms, records: Vec::new() };
                    self.winner.get_or_insert_with(new).records.push(kept);
                }
                News::Unfit(why) => {
                    self.fail(replica, session, &format!("gave an answer that is not believed: {why}"));
                    if self.winner.is_some() || self.asked.is_empty() {
                        return self.over(false);
                    }
                }
                News::Ended(Ended::Whole) => return self.over(true),
                News::Ended(ended) => {
                    self.fail(replica, session, words(ended));
                    if self.winner.is_some() || self.asked.is_empty() {
                        return self.over(false);
                    }
                }
            }
        }
    }

    fn fail(&mut self, replica: &Replica, session: u64, why: &str) {
        if let Some(device) = self.asked.remove(&session) {
            let (name, site) = replica.device_told(&device);
            self.failed.push(format!("{name} ({}): {why}", site.unwrap_or_default()));
        }
    }

    fn over(&mut self, whole: bool) -> Result<(Winner, bool), ReplicaError> {
        match self.winner.take() {
            Some(winner) => Ok((winner, whole)),
            None => Err(ReplicaError::Pull(self.failed.join("; "))),
        }
    }
}

fn words(ended: Ended) -> &'static str {
    match ended {
        Ended::Whole => "has said all",
        Ended::Nobody => "knows of nobody like that, which proves nothing",
        Ended::Several => {
            "knows of several people like that; say more of the one who is meant, or give an identifier"
        }
        Ended::Withheld => "may not give it to this device",
        Ended::TooOften => "was asked too often by this device; ask again in a while",
        Ended::Failed => "could not read its own store",
        Ended::Late => "did not answer in time",
    }
}

fn nobody_to_ask(name: Option<&str>) -> ReplicaError {
    ReplicaError::Call(match name {
        Some(name) => format!(
            "this replica is not in touch with a peer named '{name}'; `musubi status` names its peers, or give HOST:PORT"
        ),
        None => "no replica runs on this store that is in touch with a peer: name one with --from HOST:PORT"
            .to_owned(),
    })
}

/// A link that was opened to ask one peer.
struct OwnLink {
    device: DeviceId,
    endpoint: Endpoint,
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), ReplicaError>>,
}

impl OwnLink {
    async fn open(replica: &Arc<Replica>, address: &str, order: Order) -> Result<Self, ReplicaError> {
        let address = block_in_place(|| resolve(address))?;
        let local: SocketAddr = if address.is_ipv6() { ([0; 8], 0).into() } else { ([0; 4], 0).into() };
        let endpoint = Endpoint::bind(local, replica.me().seed.expose(), options(), everybody())?;
        let mut opening = None;
        let said_first = |peer| {
            let (begun, said) = Opening::begin(replica, peer, address, true);
            opening = Some(Box::new(begun));
            said
        };
        let link = endpoint.connect_saying(address, None, said_first).await?;
        let device = DeviceId(*link.peer().as_bytes());
        let ((sender, receiver), (stop, stopped)) = (orders(), watch::channel(false));
        let _ = sender.try_send(order);
        let running = tokio::spawn(syncing::run_asking(replica.clone(), link, opening, receiver, stopped));
        Ok(Self { device, endpoint, stop, running })
    }

    async fn end(self) {
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(PARTING, self.running).await;
        let _ = tokio::time::timeout(PARTING, self.endpoint.close("the person was asked for")).await;
    }
}

impl Replica {
    /// Reads who is meant.
    fn whom(&self, typed: &WhomTyped) -> Result<Whom, ReplicaError> {
        let whom = match typed {
            WhomTyped::Record { record } => match record.parse() {
                Ok(record) => Whom::Record { record },
                // The beginning of a record that is known here, such as one that was fetched before.
                Err(_) => Whom::Record { record: self.record_named(record).map_err(|error| match error {
                    ReplicaError::NoRecord(_) => ReplicaError::Call(
                        "a record that is not known here is asked for by its whole id of 32 digits; or ask by --identifier, or by --name and --birth-date".into(),
                    ),
                    other => other,
                })? },
            },
            WhomTyped::Identifier { system, value } => {
                Whom::Identifier { system: system.clone(), value: value.clone() }
            }
            WhomTyped::Person { name, birth_date } => {
                let day = birth::parse(birth_date).map_or_else(|| birth_date.clone(), |day| day.to_string());
                Whom::Person { name: name.clone(), birth_date: day }
            }
        };
        whom.check().map_err(|why| ReplicaError::Call(why.to_owned()))?;
        Ok(whom)
    }

    /// Says whether a device goes by a name: its own, its site's, or that of the configuration.
    fn is_named(&self, device: &DeviceId, name: &str, peers: &[PeerStatus]) -> bool {
        let (own, site) = self.device_told(device);
        let configured =
            peers.iter().find(|peer| peer.name == own).and_then(|peer| peer.configured.as_deref());
        own == name || site.as_deref() == Some(name) || configured == Some(name)
    }

    /// Shows the people of some records, each once.
    fn text_of(&self, records: impl Iterator<Item = RecordId>) -> Result<String, ReplicaError> {
        let (mut text, mut told) = (String::new(), BTreeSet::new());
        for record in records {
            if told.contains(&record) {
                continue;
            }
            told.insert(record);
            told.extend(self.person_facts(&record, None)?.records());
            text.push_str(&self.show(&record)?.text);
        }
        Ok(text)
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
