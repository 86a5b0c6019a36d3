//! Sending: one mechanism for the first sync and for what is written later.
//!
//! The pump takes the most urgent lane that is ahead of the peer, asks the driver for runs and sends them as they
//! come, while the window has room. Nothing less urgent is read while something more urgent is being read, so a
//! part is sent whole before the next one begins, and what becomes urgent overtakes at the next message.

use minicbor::bytes::ByteVec;

use super::event::{GiveUp, Output};
use super::lane::{Flight, Lane, Need};
use super::limits::{FORK_ROUNDS_MAX, READ_BYTES, READS_MAX, RESTARTS_MAX};
use super::message::{Acknowledged, CloseCode, Fork, Message};
use super::session::{Fault, Session};
use crate::base::LaneId;
use crate::lane::{Head, LaneName, Run, frame, join_within};

impl Session {
    /// Starts reads while the window and the order of urgency allow.
    pub(super) fn pump(&mut self) {
        while let Some((rank, _, id)) = self.lanes.first().cloned() {
            if !self.limits.reach().lets_rank(rank) {
                return;
            }
            let outranked = self.reads.values().any(|reading| *reading < rank);
            let room = self.window.room().saturating_sub(self.reads.len() * READ_BYTES);
            if outranked || room == 0 || self.reads.len() >= READS_MAX {
                return;
            }
            let Some(lane) = self.lanes.get(&id) else { return };
            let (need, from) = (lane.need(&id), lane.next);
            match need {
                Need::Nothing => return,
                Need::SendRuns => {
                    self.out.push(Output::ReadRuns { lane: id, from, limit_bytes: READ_BYTES.min(room) });
                }
                Need::SendFork => self.out.push(Output::ReadFork { lane: id }),
                Need::AskAgain => {
                    self.ask_again(id, 0);
                    continue;
                }
            }
            self.reads.insert(id, rank);
            self.lanes.change(&id, |lane| lane.reading = true);
        }
    }

    fn read_answered(&mut self, id: &LaneId) -> Result<(), Fault> {
        self.lanes.change(id, |lane| lane.reading = false);
        match self.reads.remove(id) {
            Some(_) => Ok(()),
            None => {
                Err(Fault(CloseCode::Internal, "the driver answered a read that was not asked".to_owned()))
            }
        }
    }

    /// Sends runs that the driver has read.
    pub(super) fn send_runs(
        &mut self,
        id: LaneId,
        from: u64,
        runs: Vec<Run>,
        certificates: Vec<Vec<u8>>,
    ) -> Result<(), Fault> {
        self.read_answered(&id)?;
        let Some(lane) = self.lanes.get(&id) else { return Ok(()) };
        if lane.next != from || lane.given_up {
            return Ok(()); // The peer asked for another entry, or for none, while the read was under way.
        }
        if runs.is_empty() {
            let is_forked = matches!(lane.ours, Some(Head::Forked { .. }));
            self.lanes.change(&id, |lane| lane.trunk_asked = false);
            if !is_forked {
                self.give_up(id, GiveUp::RunsMissing);
            }
            return Ok(());
        }
        if lane.lost {
            let end = runs.last().map_or(from, Run::end);
            self.lanes.change(&id, |lane| {
                lane.raise_theirs(end);
                lane.next = end;
            });
            self.out.push(Output::PeerHas { lane: id, size: end });
            return Ok(());
        }
        self.send_certificates(certificates);
        let (mut batch, mut batch_bytes, mut end) = (Vec::new(), 0, from);
        let mut room = self.window.room();
        // As much as one message, at most: on a slow link what is urgent overtakes, and what is cut off can go on.
        let joined = join_within(following(&id, from, runs)?, self.window.message_bytes());
        'runs: for run in joined {
            let parts = run.body_bytes() > self.window.message_bytes();
            let pieces = if parts { parted(run) } else { vec![run] };
            for piece in pieces {
                if room == 0 {
                    break 'runs; // The rest is read again when the window has room.
                }
                let plain = frame::encode_plain(&piece);
                if batch_bytes + plain.len() > self.window.message_bytes() && !batch.is_empty() {
                    self.send_batch(id, end, &batch)?;
                    (batch, batch_bytes) = (Vec::new(), 0);
                }
                end = piece.end();
                room = room.saturating_sub(plain.len());
                batch_bytes += plain.len();
                batch.push(plain);
            }
        }
        if batch.is_empty() {
            return Ok(()); // Others have filled the window meanwhile.
        }
        self.send_batch(id, end, &batch)
    }

    fn send_batch(&mut self, id: LaneId, end: u64, batch: &[Vec<u8>]) -> Result<(), Fault> {
        let segment = self.folder.fold(batch.iter().map(Vec::as_slice))?;
        let plain = batch.iter().map(Vec::len).sum();
        let flight = Flight { end: Some(end), plain, packed: segment.len(), at: self.now };
        self.window.sent(plain);
        self.send(&Message::Runs(ByteVec::from(segment)));
        self.lanes.change(&id, |lane| {
            lane.flights.push_back(flight);
            lane.next = end;
            lane.sent_most = lane.sent_most.max(end);
        });
        Ok(())
    }

    /// Sends fork evidence that the driver has read, in pieces.
    pub(super) fn send_fork(
        &mut self,
        name: LaneName,
        head: &Head,
        pieces: &[Vec<u8>],
        certificates: Vec<Vec<u8>>,
    ) -> Result<(), Fault> {
        let id = name.id();
        self.read_answered(&id)?;
        match self.lanes.get(&id) {
            Some(lane) if !lane.given_up && !lane.trunk_asked => {}
            Some(_) | None => return Ok(()),
        }
        if pieces.is_empty() || !matches!(head, Head::Forked { .. }) {
            self.give_up(id, GiveUp::RunsMissing);
            return Ok(());
        }
        self.send_certificates(certificates);
        let digest = head.digest(&id);
        self.forget_flights(&id);
        for (index, piece) in pieces.iter().enumerate() {
            let segment = self.folder.fold([piece.as_slice()])?;
            let flight = Flight { end: None, plain: piece.len(), packed: segment.len(), at: self.now };
            self.window.sent(piece.len());
            self.lanes.change(&id, |lane| lane.flights.push_back(flight));
            let evidence = Some(ByteVec::from(segment));
            let more = index + 1 < pieces.len();
            self.send(&Message::Fork(Fork { name: name.clone(), head: digest, more, evidence }));
        }
        self.lanes.change(&id, |lane| lane.fork_sent = Some(digest));
        self.count_fork_round(id);
        Ok(())
    }

    /// Counts a round of fork evidence and gives the lane up when there is no end to it.
    pub(super) fn count_fork_round(&mut self, id: LaneId) {
        let rounds = self.lanes.change(&id, |lane| {
            lane.fork_rounds = lane.fork_rounds.saturating_add(1);
            lane.fork_rounds
        });
        if rounds.is_some_and(|rounds| rounds > FORK_ROUNDS_MAX) {
            self.refuse(id, GiveUp::ForkUnsettled);
        }
    }

    /// Takes acknowledgements.
    pub(super) fn acknowledged(&mut self, lanes: &[Acknowledged]) -> Result<(), Fault> {
        for Acknowledged { lane: id, size } in lanes.iter().copied() {
            self.lanes.touch(&id);
            if self.lanes.get(&id).is_none_or(|lane| size > lane.sent_most) {
                return Err(Fault::protocol("an acknowledgement of what was never sent"));
            }
            let mut landed = Vec::new();
            self.lanes.change(&id, |lane| {
                while let Some(flight) = lane.flights.pop_front_if(|f| f.end.is_some_and(|end| end <= size)) {
                    landed.push(flight);
                }
                lane.raise_theirs(size);
            });
            for flight in landed {
                self.window.acknowledged(flight.plain, flight.at, self.now);
            }
            self.out.push(Output::PeerHas { lane: id, size });
        }
        Ok(())
    }

    /// Starts a lane again from an earlier entry, as the peer asks.
    pub(super) fn restart(&mut self, id: LaneId, from: u64) -> Result<(), Fault> {
        self.lanes.touch(&id);
        let Some(lane) = self.lanes.get(&id) else {
            return Err(Fault::protocol("a restart of an unknown lane"));
        };
        if lane.given_up {
            return Ok(());
        }
        if lane.restarts_served >= RESTARTS_MAX {
            return Err(Fault(CloseCode::Limit, "too many restarts of one lane".to_owned()));
        }
        match &lane.ours {
            Some(Head::Straight { size, .. }) if from < *size => {}
            Some(Head::Forked { .. }) => {}
            Some(Head::Straight { .. }) | None => {
                return Err(Fault::protocol("a restart from an entry that does not exist"));
            }
        }
        self.forget_flights(&id);
        self.lanes.change(&id, |lane| {
            lane.restarts_served += 1;
            lane.next = from;
            lane.trunk_asked = matches!(lane.ours, Some(Head::Forked { .. }));
            lane.fork_sent = None;
        });
        Ok(())
    }

    /// Gives a lane up because the peer does.
    pub(super) fn stop(&mut self, id: LaneId) -> Result<(), Fault> {
        self.lanes.touch(&id);
        if self.lanes.get(&id).is_none() {
            return Err(Fault::protocol("a stop of an unknown lane"));
        }
        self.give_up(id, GiveUp::ByPeer);
        Ok(())
    }

    /// Forgets what is on its way for a lane: it will not be acknowledged.
    pub(super) fn forget_flights(&mut self, id: &LaneId) {
        let flights = self.lanes.change(id, |lane| std::mem::take(&mut lane.flights)).unwrap_or_default();
        for flight in flights {
            self.window.forgotten(flight.plain);
        }
    }

    /// Does no more for a lane in this session, and reports it once.
    pub(super) fn give_up(&mut self, id: LaneId, reason: GiveUp) {
        self.forget_flights(&id);
        let first = self.lanes.change(&id, |lane: &mut Lane| !std::mem::replace(&mut lane.given_up, true));
        if first == Some(true) {
            self.out.push(Output::GaveUp { lane: id, reason });
        }
    }
}

/// Cuts off what comes before `from`, and checks that the rest follows, run after run.
fn following(id: &LaneId, from: u64, mut runs: Vec<Run>) -> Result<Vec<Run>, Fault> {
    let mut end = from;
    for run in &mut runs {
        run.trim_start(end);
        if run.lane != *id || run.start != end || run.entries.is_empty() {
            return Err(Fault(CloseCode::Internal, "the driver read runs that do not follow".to_owned()));
        }
        end = run.end();
    }
    Ok(runs)
}

/// Parts a run at its checkpoints: each piece is a run of its own, and the smallest that can be admitted.
fn parted(run: Run) -> Vec<Run> {
    let (lane, mut start) = (run.lane, run.start);
    let mut entries = run.entries.into_iter();
    let pieces = run.checkpoints.into_iter().map(|checkpoint| {
        let count = usize::try_from(checkpoint.size.saturating_sub(start)).unwrap_or(usize::MAX);
        let piece = Run {
            lane,
            start,
            entries: entries.by_ref().take(count).collect(),
            checkpoints: vec![checkpoint],
        };
        start = checkpoint.size;
        piece
    });
    pieces.collect()
}
