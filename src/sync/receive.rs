//! Receiving: every run goes through the driver's admission, and is acknowledged when it is durable.

use super::digests::Group;
use super::event::{GiveUp, Output};
use super::lane::{Admitting, Theirs};
use super::limits::{ACK_EVERY_BYTES, ACKS_PER_MESSAGE_MAX, LANES_MAX, RECEIVE_BYTES_MAX};
use super::message::{Acknowledged, CloseCode, Fork, Message};
use super::session::{Fault, Session};
use crate::base::{Digest, LaneId};
use crate::lane::{EntryKind, Head, LaneName, LaneOpening, Refusal, RefusalReason, Run, Wait, frame};

impl Session {
    /// Takes a segment of runs.
    pub(super) fn runs(&mut self, segment: &[u8]) -> Result<(), Fault> {
        let unfolded = self.unfolder.unfold(segment)?;
        for plain in unfolded.iter() {
            let run =
                frame::decode_plain(plain).map_err(|error| Fault(CloseCode::Protocol, error.to_string()))?;
            self.run(run, plain.len())?;
        }
        self.unfolder.reuse(unfolded);
        Ok(())
    }

    fn run(&mut self, run: Run, plain: usize) -> Result<(), Fault> {
        let (id, end) = (run.lane, run.end());
        self.lanes.touch(&id);
        if self.lanes.get(&id).is_none() {
            let name =
                opening_name(&run).ok_or_else(|| Fault::protocol("a run of a lane that was not opened"))?;
            self.open_lane(&name)?;
        }
        let Some(lane) = self.lanes.get(&id) else { return Ok(()) };
        if lane.given_up || lane.awaited_from.is_some_and(|from| run.start > from) {
            return Ok(());
        }
        if !self.takes(&id, &lane.group) {
            self.refuse(id, GiveUp::NotSubscribed);
            return Ok(());
        }
        self.count_admitting(plain)?;
        self.lanes.change(&id, |lane| {
            lane.awaited_from = None;
            lane.admitting.push_back(Admitting::Run { end, plain, void: false });
        });
        self.out.push(Output::Admit { run });
        Ok(())
    }

    fn open_lane(&mut self, name: &LaneName) -> Result<(), Fault> {
        if self.lanes.foreign() >= LANES_MAX {
            return Err(Fault(CloseCode::Limit, format!("more than {LANES_MAX} lanes")));
        }
        self.lanes.add(name.id(), Group::of(name));
        Ok(())
    }

    /// Counts bytes handed to the driver; an honest peer's window keeps them below the limit.
    fn count_admitting(&mut self, plain: usize) -> Result<(), Fault> {
        self.admitting += 1;
        self.admitting_bytes += plain;
        if self.admitting_bytes > RECEIVE_BYTES_MAX {
            return Err(Fault(CloseCode::Limit, format!("more than {RECEIVE_BYTES_MAX} bytes in flight")));
        }
        Ok(())
    }

    /// Takes fork evidence.
    pub(super) fn fork(&mut self, fork: Fork) -> Result<(), Fault> {
        let Fork { name, head, more, evidence } = fork;
        let id = name.id();
        let bytes = match evidence {
            None => None,
            Some(segment) => {
                let unfolded = self.unfolder.unfold(&segment)?;
                let mut items = unfolded.iter();
                match (items.next(), items.next()) {
                    (Some(bytes), None) => Some(bytes.to_vec()),
                    (Some(_), Some(_)) | (None, _) => {
                        return Err(Fault::protocol("fork evidence is one item"));
                    }
                }
            }
        };
        self.lanes.touch(&id);
        if self.lanes.get(&id).is_none() {
            self.open_lane(&name)?;
        }
        let group = Group::of(&name);
        let Some(lane) = self.lanes.get(&id) else { return Ok(()) };
        if lane.group != group {
            return Err(Fault::protocol("a lane in another group than its own"));
        }
        if lane.given_up {
            return Ok(());
        }
        if !self.takes(&id, &group) {
            self.refuse(id, GiveUp::NotSubscribed);
            return Ok(());
        }
        let known = lane.ours.as_ref().is_some_and(|ours| is_forked_as(ours, &id, &head));
        self.forget_flights(&id);
        self.lanes.change(&id, |lane| {
            lane.theirs = Theirs::Forked(head);
            lane.fork_incoming = more;
        });
        match bytes {
            None => Ok(()),
            Some(_) if known => {
                if !more {
                    self.agree_on_fork(name, head);
                }
                Ok(())
            }
            Some(bytes) => {
                let plain = bytes.len();
                self.count_admitting(plain)?;
                self.lanes.change(&id, |lane| {
                    let name = name.clone();
                    lane.admitting.push_back(Admitting::Fork { name, head, plain, more, void: false });
                });
                self.out.push(Output::AdmitFork { name, bytes });
                if !more {
                    self.count_fork_round(id);
                }
                Ok(())
            }
        }
    }

    fn agree_on_fork(&mut self, name: LaneName, head: Digest) {
        self.send(&Message::Fork(Fork { name, head, more: false, evidence: None }));
    }

    /// Takes the driver's word that an admission is durable, and owes the acknowledgement.
    pub(super) fn stored(&mut self, id: LaneId, head: Head) -> Result<(), Fault> {
        let answered = self.answered(&id)?;
        // Of a forked lane, what lies below the fork stands.
        let durable = match &head {
            Head::Straight { size, .. } => *size,
            Head::Forked { at, .. } => *at,
        };
        let settled = |theirs: &Digest| is_forked_as(&head, &id, theirs);
        match answered {
            Admitting::Run { end, plain, .. } if end <= durable => {
                self.lanes.change(&id, |lane| lane.raise_theirs(end));
                let owed = self.acks.entry(id).or_default();
                *owed = end.max(*owed);
                self.acks_bytes += plain;
            }
            Admitting::Fork { name, head: theirs, more: false, .. } if settled(&theirs) => {
                self.agree_on_fork(name, theirs);
            }
            // The lane is forked and its head differs from the peer's, so its evidence is to be sent.
            Admitting::Run { .. } | Admitting::Fork { .. } => {}
        }
        self.lanes.set_ours(&id, head);
        Ok(())
    }

    /// Takes the driver's word that an admission can never succeed.
    pub(super) fn refused(&mut self, id: LaneId, refusal: Refusal) -> Result<(), Fault> {
        let answered = self.answered(&id)?;
        if self.counts_for_nothing(&id, &answered) {
            return Ok(());
        }
        let asked = self.lanes.get(&id).is_some_and(|lane| lane.asked_from_start);
        if matches!(refusal.reason, RefusalReason::DoesNotExtend { .. }) && !asked {
            self.ask_again(id, 0);
        } else {
            self.refuse(id, GiveUp::Refused(refusal));
        }
        Ok(())
    }

    /// Takes the driver's word that something is missing before an admission.
    pub(super) fn waiting(&mut self, id: LaneId, wait: Wait) -> Result<(), Fault> {
        let answered = self.answered(&id)?;
        if self.counts_for_nothing(&id, &answered) {
            return Ok(());
        }
        match wait {
            Wait::Gap { have } => self.ask_again(id, have),
            Wait::Certificate(certificate) => self.refuse(id, GiveUp::CertificateMissing(certificate)),
        }
        Ok(())
    }

    /// Says whether a failed admission has no consequence: the lane was asked for anew since; or more pieces of
    /// the evidence follow; or our lane is forked already, so that the peer learns of it by our evidence.
    fn counts_for_nothing(&self, id: &LaneId, answered: &Admitting) -> bool {
        match answered {
            Admitting::Run { void, .. } => {
                let ours = self.lanes.get(id).and_then(|lane| lane.ours.as_ref());
                *void || matches!(ours, Some(Head::Forked { .. }))
            }
            Admitting::Fork { void, more, .. } => *void || *more,
        }
    }

    fn answered(&mut self, id: &LaneId) -> Result<Admitting, Fault> {
        let answered = self.lanes.change(id, |lane| lane.admitting.pop_front()).flatten();
        let Some(answered) = answered else {
            let text = "the driver answered an admission that was not asked";
            return Err(Fault(CloseCode::Internal, text.to_owned()));
        };
        let (Admitting::Run { plain, .. } | Admitting::Fork { plain, .. }) = &answered;
        self.admitting -= 1;
        self.admitting_bytes -= plain;
        Ok(answered)
    }

    /// Asks the peer for a lane from an earlier entry on; what is under way counts only if it succeeds.
    pub(super) fn ask_again(&mut self, id: LaneId, from: u64) {
        if !self.lanes.get(&id).is_some_and(|lane| lane.may_ask_again()) {
            self.refuse(id, GiveUp::DoesNotFit);
            return;
        }
        self.lanes.change(&id, |lane| {
            lane.restarts_asked += 1;
            lane.asked_from_start |= from == 0;
            lane.awaited_from = Some(from);
            lane.fork_incoming = false;
            for admitting in &mut lane.admitting {
                match admitting {
                    Admitting::Run { void, .. } | Admitting::Fork { void, .. } => *void = true,
                }
            }
        });
        self.send(&Message::Restart(id, from));
    }

    /// Gives a lane up and tells the peer.
    pub(super) fn refuse(&mut self, id: LaneId, reason: GiveUp) {
        if self.lanes.get(&id).is_some_and(|lane| !lane.given_up) {
            self.send(&Message::Stop(id));
        }
        self.give_up(id, reason);
    }

    /// Sends acknowledgements when nothing more is being stored, when many bytes are owed, and at every tick.
    pub(super) fn flush_acks(&mut self, ticked: bool) {
        let due = self.admitting == 0 || ticked;
        let many = self.acks_bytes >= ACK_EVERY_BYTES || self.acks.len() >= ACKS_PER_MESSAGE_MAX;
        if self.acks.is_empty() || !(due || many) {
            return;
        }
        let acks: Vec<Acknowledged> = std::mem::take(&mut self.acks)
            .into_iter()
            .map(|(lane, size)| Acknowledged { lane, size })
            .collect();
        self.acks_bytes = 0;
        for message in acks.chunks(ACKS_PER_MESSAGE_MAX) {
            self.send(&Message::Ack(message.to_vec()));
        }
    }
}

fn is_forked_as(head: &Head, lane: &LaneId, digest: &Digest) -> bool {
    match head {
        Head::Straight { .. } => false,
        Head::Forked { .. } => head.digest(lane) == *digest,
    }
}

/// Reads the lane's name from a run that begins with entry 0, if the name is the lane's.
fn opening_name(run: &Run) -> Option<LaneName> {
    let first = run.entries.first().filter(|entry| run.start == 0 && entry.kind == EntryKind::CERTIFICATE)?;
    LaneOpening::read(&first.body).ok().map(|opening| opening.name).filter(|name| name.id() == run.lane)
}
