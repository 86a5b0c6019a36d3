//! Conversations of the simulated world: dialling, messages on their way, silence, parting.

use std::time::Duration;

use super::connections::{Begun, Connection};
use super::world::{Due, World};
use crate::replica::dialling::SESSION_SHORT;
use crate::replica::exchange::{Effect, Exchange};
use crate::transport::Backoff;

/// How often a session under way is told that time has passed.
const TICK: Duration = Duration::from_millis(500);

impl World<'_> {
    /// Dials within the time that a redial takes at most.
    pub(super) fn dial_soon(&mut self, line: usize) {
        if !self.lines[line].dialling {
            let jitter = self.chance.bits();
            let pause = self.lines[line].backoff.next(jitter);
            self.dial_in(line, pause);
        }
    }

    /// Dials for the first time after a start, as spread as all that start at one time are.
    pub(super) fn dial_first(&mut self, line: usize) {
        let jitter = self.chance.bits();
        self.lines[line].backoff.reset();
        self.dial_in(line, Backoff::first(jitter));
    }

    pub(super) fn dial(&mut self, line: usize) {
        if self.lines[line].connection.is_some() {
            return;
        }
        if !self.grid.is_usable(line, self.now) {
            // Whoever waits dials again when the line is back.
            self.lines[line].wanted = true;
            let flaps = self.grid.lines[line].next_up(self.now);
            if let Some(up) =
                flaps.filter(|_| self.grid.lines[line].ends.iter().all(|end| self.grid.runs(*end)))
                && !std::mem::replace(&mut self.lines[line].dialling, true)
            {
                self.queue.push(up, Due::Dial { line });
            }
            return;
        }
        let ends = self.grid.lines[line].ends;
        if ends.iter().any(|end| self.nodes[*end].replica.is_none()) {
            return;
        }
        let metered = match self.quota(line) {
            None => None,
            Some(quota) => match self.open_meter(line, quota) {
                None => return,
                metered => metered,
            },
        };
        let Some(seat) = self.come_in(line) else { return };
        let known = self.knows(ends[1], ends[0]);
        let begin = |end: usize| {
            let (here, there) = (&self.nodes[ends[end]], &self.nodes[ends[1 - end]]);
            let (replica, peer) = (here.replica.clone()?, there.replica.as_ref()?.me().device);
            let remote = self.scenario.replicas[ends[1 - end]].name.to_string();
            Some(Exchange::begin(replica, peer, remote, end == 0))
        };
        let (Some(one), Some(other)) = (begin(0), begin(1)) else { return };
        // QUIC needs a round trip before the first message.
        let delay = Duration::from_millis(self.grid.lines[line].profile().delay_ms.into());
        let begun = Begun { at: self.now, handshake: delay * 2, seat, known, metered };
        let it = &mut self.lines[line];
        it.epochs += 1;
        it.wanted = false;
        (it.gathering, it.vital_meanwhile) = (false, false);
        it.connection = Some(Connection::new(it.epochs, begun, [one, other]));
        self.trace.note(self.now, "connected", line as u64, &[]);
        self.count_handshake(line);
        self.pump(line, 0);
        self.pump(line, 1);
        self.after(line);
    }

    /// Ends a conversation without a word: what is on its way is lost; both want another one.
    pub(super) fn hang_up(&mut self, line: usize) {
        if self.part(line) {
            self.want(line);
        }
    }

    /// Ends a conversation without a word; says whether there was one.
    pub(super) fn part(&mut self, line: usize) -> bool {
        if self.lines[line].connection.is_some() {
            self.look_at_held_over(line);
        }
        let Some(connection) = self.lines[line].connection.take() else { return false };
        self.leave_seat(line, connection.seat, connection.met);
        for (end, pipe) in connection.pipes.iter().enumerate() {
            self.under_way(self.grid.lines[line].ends[1 - end], pipe.bytes_under_way(), false);
        }
        self.has_lasted(line, connection.begun);
        let lost = connection.pipes.iter().flat_map(|pipe| pipe.waiting());
        let (mut messages, mut bytes) = (0, 0);
        for message in lost {
            messages += 1;
            bytes += message.len() as u64;
        }
        self.recorder.faults.messages_dropped += messages;
        self.recorder.faults.bytes_lost += bytes;
        self.recorder.faults.connections_broken += 1;
        self.trace.note(self.now, "broken", line as u64, &[]);
        true
    }

    /// Dials soon again when a conversation has lasted, as a running replica does; otherwise ever later.
    fn has_lasted(&mut self, line: usize, begun: Duration) {
        if self.now.saturating_sub(begun) >= SESSION_SHORT {
            self.lines[line].backoff.reset();
        }
    }

    /// Somebody wants to talk over a line that has no conversation.
    fn want(&mut self, line: usize) {
        if self.scenario.links[line].meets_every.is_none() {
            self.dial_soon(line);
        } else {
            self.lines[line].wanted = true;
        }
    }

    /// Hangs up all conversations of a machine.
    pub(super) fn hang_up_all(&mut self, node: usize) {
        for line in self.grid.lines_of(node).to_vec() {
            self.hang_up(line);
        }
    }

    /// A message arrives, if the line passes; those that came before their turn wait for it.
    pub(super) fn deliver(&mut self, line: usize, epoch: u64, end: usize, number: u64, message: Vec<u8>) {
        let it = &self.grid.lines[line];
        let usable = it.passes(end, self.now) && self.grid.runs(it.ends[end]);
        let Some(connection) = self.lines[line].connection.as_mut().filter(|it| it.epoch == epoch) else {
            self.recorder.faults.messages_dropped += 1;
            self.recorder.faults.bytes_lost += message.len() as u64;
            return;
        };
        if !usable {
            // Lost on the way; it is sent again when the line is back, if the connection lives so long.
            connection.pipes[end].stalled.push((number, message));
            self.recorder.faults.messages_delayed += 1;
            self.notice(line);
            return;
        }
        let ready = connection.pipes[end].arrived(number, message);
        let bytes = ready.iter().map(Vec::len).sum();
        for message in ready {
            self.trace.note(self.now, "heard", (line * 2 + end) as u64, &message);
            connection.exchanges[end].heard(message);
        }
        let sender = self.grid.lines[line].ends[1 - end];
        self.under_way(sender, bytes, false);
        self.pump(line, end);
        self.after(line);
    }

    /// Lets an end of a line do all that it can.
    pub(super) fn pump(&mut self, line: usize, end: usize) {
        let node = self.grid.lines[line].ends[end];
        if !self.grid.runs(node) {
            return;
        }
        if end == 0 {
            self.look_at_meter(line);
        }
        loop {
            let Some(connection) = self.lines[line].connection.as_mut() else { return };
            let liar = self.nodes[node].liar.clone();
            liar.sending(true);
            let stepped = connection.exchanges[end].step();
            liar.sending(false);
            match stepped {
                Ok(None) => {
                    // What is merged of a fork is no run received, and must be told to the other sessions all the same.
                    if self.nodes[node].changes.as_ref().is_some_and(|changes| !changes.is_empty()) {
                        self.has_changed(node);
                    }
                    return;
                }
                Ok(Some(effects)) => effects.into_iter().for_each(|effect| self.carry(line, end, effect)),
                Err(error) => {
                    tracing::debug!(%error, node, "a session ended because its own store failed");
                    self.trace.note(self.now, "store failed", node as u64, &[]);
                    self.hang_up(line);
                    self.see_to(node);
                    return;
                }
            }
        }
    }

    fn carry(&mut self, line: usize, end: usize, effect: Effect) {
        let node = self.grid.lines[line].ends[end];
        match effect {
            Effect::Send(message) => self.send(line, end, message),
            Effect::Received(_) => self.has_changed(node),
            Effect::Sent(_) | Effect::Pulled { .. } => {}
            Effect::Refused(_) => self.recorder.faults.lies_refused += 1,
            Effect::Closed(_) => {
                if let Some(connection) = &mut self.lines[line].connection {
                    connection.ended[end] = true;
                }
            }
        }
    }

    fn send(&mut self, line: usize, from: usize, message: Vec<u8>) {
        let to = 1 - from;
        let carried = self.count_message(line, from, message.len());
        self.recorder.sent(self.now, line, carried);
        let (now, it) = (self.now, &self.grid.lines[line]);
        let sender = it.ends[from];
        let passes = it.passes(to, now);
        let (profile, loss) = (it.profile().clone(), it.loss(to));
        let Some(connection) = &mut self.lines[line].connection else { return };
        let number = connection.pipes[to].next_number(message.len());
        self.under_way(sender, message.len(), true);
        self.weigh(sender);
        let Some(connection) = &mut self.lines[line].connection else { return };
        if !passes {
            connection.pipes[to].stalled.push((number, message));
            self.recorder.faults.messages_delayed += 1;
            self.notice(line);
            return;
        }
        let arrival = connection.pipes[to].depart(now, message.len(), &profile, loss, &mut self.chance);
        self.recorder.faults.messages_delayed += u64::from(arrival.resent);
        let epoch = connection.epoch;
        self.queue.push(arrival.at, Due::Deliver { line, epoch, end: to, number, message });
    }

    /// Looks after a conversation when its ends have done what they could.
    pub(super) fn after(&mut self, line: usize) {
        let meets = self.scenario.links[line].meets_every.is_some();
        self.note_seat(line);
        if self.lines[line].connection.as_ref().is_some_and(|connection| connection.ended == [true; 2]) {
            self.parts_in_order(line);
            return;
        }
        let Some(connection) = &mut self.lines[line].connection else { return };
        let meets = meets || connection.metered.is_some();
        let settled = connection.is_settled();
        let epoch = connection.epoch;
        if settled && meets && !connection.ended[0] {
            connection.exchanges[0].close();
            self.pump(line, 0);
            return;
        }
        if !settled && !std::mem::replace(&mut connection.ticking, true) {
            self.queue.push(self.now + TICK, Due::Tick { line, epoch });
        }
    }

    /// Ends a conversation that both ends have closed.
    fn parts_in_order(&mut self, line: usize) {
        let Some(connection) = self.lines[line].connection.take() else { return };
        self.leave_seat(line, connection.seat, connection.met);
        for (end, pipe) in connection.pipes.iter().enumerate() {
            self.under_way(self.grid.lines[line].ends[1 - end], pipe.bytes_under_way(), false);
        }
        self.has_lasted(line, connection.begun);
        self.trace.note(self.now, "parted", line as u64, &[]);
        self.look_at_held_over(line);
        match connection.metered {
            Some(metered) => self.meet_again(line, metered),
            None if self.scenario.links[line].meets_every.is_none() => self.dial_soon(line),
            None => {}
        }
    }

    pub(super) fn tick(&mut self, line: usize, epoch: u64) {
        let Some(connection) = self.lines[line].connection.as_mut().filter(|it| it.epoch == epoch) else {
            return;
        };
        connection.ticking = false;
        connection.exchanges.iter_mut().for_each(Exchange::tick);
        self.pump(line, 0);
        self.pump(line, 1);
        self.after(line);
    }
}
