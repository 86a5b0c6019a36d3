//! Appending by the lane's own device: pure, so seeds and entries are arguments.

use super::checkpoint;
use super::entry::{Entry, EntryKind, LaneName, LaneOpening};
use super::run::Run;
use super::state::LaneState;
use super::tree::{Frontier, TREE_SIZE_MAX};
use crate::base::limits::{
    CHECKPOINT_BYTES_MAX, CHECKPOINT_ENTRIES_MAX, ENTRY_BYTES_MAX, RUN_BYTES_MAX, RUN_ENTRIES_MAX,
};
use crate::base::{DeviceId, Digest, LaneId};
use crate::identity::SecretSeed;

/// One appended run, ready to be stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The run.
    pub run: Run,
    /// The tree's edge before it.
    pub before: Frontier,
    /// The lane after it.
    pub state: LaneState,
}

/// Why nothing is appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Another store has written to this lane with the same key.
    #[error("lane {} is forked: this store is a clone or was restored; enrol it as a new device", .0.short())]
    Forked(LaneId),
    /// The seed is not that of the lane's device.
    #[error("lane {} belongs to device {}, not to this one", .lane.short(), .device.short())]
    OtherDevice {
        /// The lane.
        lane: LaneId,
        /// Its device.
        device: DeviceId,
    },
    /// The state is another lane's.
    #[error("appending to lane {}: the state is of lane {}", .lane.short(), .state.short())]
    OtherLane {
        /// The lane to append to.
        lane: LaneId,
        /// The lane of the state.
        state: LaneId,
    },
    /// An entry is too large.
    #[error("appending to lane {}: an entry of {bytes} bytes, more than {ENTRY_BYTES_MAX}", .lane.short())]
    EntryTooLarge {
        /// The lane.
        lane: LaneId,
        /// The size of the entry's body.
        bytes: usize,
    },
    /// A `CERTIFICATE` entry was given; the writer makes them itself.
    #[error("appending to lane {}: certificate entries are made by the writer", .0.short())]
    CertificateEntry(LaneId),
    /// The lane has as many entries as a lane can have.
    #[error("lane {} is full", .0.short())]
    Full(LaneId),
}

/// Appends entries to a lane and signs checkpoints, the last one at the end of the last run.
///
/// Opens the lane when there is no state, and writes a `CERTIFICATE` entry first when `certificate` is not the
/// one that rules the lane now. Without entries nothing is written.
///
/// # Errors
/// [`AppendError`] when the lane is forked or not this device's, or an entry cannot be written; then nothing
/// is.
pub fn append(
    state: Option<&LaneState>,
    name: &LaneName,
    certificate: &Digest,
    entries: Vec<Entry>,
    seed: &SecretSeed,
) -> Result<Vec<Appended>, AppendError> {
    check(state, name, &entries, seed)?;
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let mut state = state.cloned().unwrap_or_else(|| LaneState::new(name.clone()));
    let ruling = state.certificates.last().map(|(_, hash)| hash);
    let opening = (ruling != Some(certificate)).then(|| {
        let opening =
            LaneOpening { version: LaneOpening::VERSION, name: name.clone(), certificate: *certificate };
        opening.entry()
    });
    let mut entries = opening.into_iter().chain(entries).peekable();
    let mut appended = Vec::new();
    while entries.peek().is_some() {
        appended.push(append_run(&mut state, certificate, &mut entries, seed));
    }
    Ok(appended)
}

fn check(
    state: Option<&LaneState>,
    name: &LaneName,
    entries: &[Entry],
    seed: &SecretSeed,
) -> Result<(), AppendError> {
    let lane = name.id();
    if seed.device_id() != name.device {
        return Err(AppendError::OtherDevice { lane, device: name.device });
    }
    if let Some(state) = state {
        if state.name != *name {
            return Err(AppendError::OtherLane { lane, state: state.id() });
        }
        if state.fork.is_some() {
            return Err(AppendError::Forked(lane));
        }
        if state.size() + 1 + entries.len() as u64 > TREE_SIZE_MAX {
            return Err(AppendError::Full(lane));
        }
    }
    for entry in entries {
        if entry.kind == EntryKind::CERTIFICATE {
            return Err(AppendError::CertificateEntry(lane));
        }
        if entry.body.len() > ENTRY_BYTES_MAX {
            return Err(AppendError::EntryTooLarge { lane, bytes: entry.body.len() });
        }
    }
    Ok(())
}

/// Takes as many entries as one run may hold, at least one.
fn append_run(
    state: &mut LaneState,
    certificate: &Digest,
    entries: &mut std::iter::Peekable<impl Iterator<Item = Entry>>,
    seed: &SecretSeed,
) -> Appended {
    let (lane, before) = (state.id(), state.frontier.clone());
    let mut run = Run { lane, start: before.size(), entries: Vec::new(), checkpoints: Vec::new() };
    let (mut run_bytes, mut unsigned_bytes, mut unsigned) = (0, 0, 0);
    let sign = |frontier: &Frontier| checkpoint::sign(seed, &lane, frontier.size(), &frontier.root());
    while let Some(entry) = entries.next_if(|entry| {
        run.entries.is_empty()
            || run.entries.len() < RUN_ENTRIES_MAX && run_bytes + entry.body.len() <= RUN_BYTES_MAX
    }) {
        if unsigned > 0
            && (unsigned == CHECKPOINT_ENTRIES_MAX
                || unsigned_bytes + entry.body.len() > CHECKPOINT_BYTES_MAX)
        {
            run.checkpoints.push(sign(&state.frontier));
            (unsigned, unsigned_bytes) = (0, 0);
        }
        run_bytes += entry.body.len();
        unsigned_bytes += entry.body.len();
        unsigned += 1;
        if entry.kind == EntryKind::CERTIFICATE {
            state.certificates.push((state.size(), *certificate));
        }
        state.frontier.push(&entry.leaf());
        run.entries.push(entry);
    }
    run.checkpoints.push(sign(&state.frontier));
    Appended { run, before, state: state.clone() }
}
