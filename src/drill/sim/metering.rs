//! Simulated links whose bytes are counted: the production meter and budget at the end that dials.
//!
//! Such a line is not kept open: the two meet now and then, and when something vital was written at the end that dials. What
//! goes over it is counted as UDP would carry it: with the handshake, and with what each datagram and its
//! acknowledgement cost beside the message.

use std::time::Duration;

use super::world::{Due, World};
use crate::replica::config::METERED_EVERY;
use crate::replica::core::Changed;
use crate::replica::dialling::{GATHERED_FOR, is_vital};
use crate::replica::metering::Meter;
use crate::sync::Reach;
use crate::transport::LinkStats;

/// What a handshake carries in both directions: initial datagrams of 1,200 bytes that are padded to that length, and
/// those that end it. With the first messages a meeting of equals costs some 6 kB, as measured.
const HANDSHAKE_BYTES: u64 = 4_800;
/// Payload of one datagram, in bytes.
const DATAGRAM_BYTES: u64 = 1_200;
/// Header, tag and frame of a datagram, and its share of an acknowledgement.
const DATAGRAM_COSTS: u64 = 80;

/// The counting of one conversation.
pub(super) struct Metered {
    meter: Meter,
    stats: LinkStats,
    /// How far the exchange was last told to go.
    reach: Reach,
}

impl World<'_> {
    /// Returns the bytes that a line may carry in a day now, if they are limited.
    pub(super) fn quota(&self, line: usize) -> Option<u64> {
        self.grid.lines[line].profile().bytes_per_day.map(std::num::NonZeroU64::get)
    }

    /// Opens the meter of a line that has a quota; none when today's bytes are used up, or the store fails: then the two
    /// meet later.
    pub(super) fn open_meter(&mut self, line: usize, quota: u64) -> Option<Metered> {
        let [here, there] = self.grid.lines[line].ends;
        let name = self.scenario.replicas[there].name.to_string();
        let meter = Meter::open(self.nodes[here].replica.as_ref()?, &name, quota).ok();
        let Some(meter) = meter.filter(Meter::is_enough_to_meet) else {
            self.meet_in(line, METERED_EVERY);
            return None;
        };
        Some(Metered { meter, stats: LinkStats::default(), reach: Reach::ALL })
    }

    /// Counts the handshake of a conversation that begins.
    pub(super) fn count_handshake(&mut self, line: usize) {
        if self.quota(line).is_some() {
            self.recorder.sent(self.now, line, HANDSHAKE_BYTES);
            self.count(line, 0, HANDSHAKE_BYTES);
        }
    }

    /// Counts a message that leaves an end; returns what the line carries for it.
    pub(super) fn count_message(&mut self, line: usize, from: usize, message: usize) -> u64 {
        let bytes = message as u64;
        if self.quota(line).is_none() {
            return bytes;
        }
        let bytes = bytes + bytes.div_ceil(DATAGRAM_BYTES).max(1) * DATAGRAM_COSTS;
        self.count(line, from, bytes);
        bytes
    }

    fn count(&mut self, line: usize, from: usize, bytes: u64) {
        let connection = self.lines[line].connection.as_mut();
        let Some(metered) = connection.and_then(|connection| connection.metered.as_mut()) else { return };
        let stats = &mut metered.stats;
        *(if from == 0 { &mut stats.udp_bytes_sent } else { &mut stats.udp_bytes_received }) += bytes;
    }

    /// Lets the meter of a line look at what was carried, and the exchange know how far it may go.
    pub(super) fn look_at_meter(&mut self, line: usize) {
        let Some(connection) = &mut self.lines[line].connection else { return };
        let Some(Metered { meter, stats, reach }) = &mut connection.metered else { return };
        // A store that fails ends the session by itself.
        let _ = meter.count(stats);
        let now = meter.reach();
        if std::mem::replace(reach, now) != now {
            connection.exchanges[0].limit(now);
            if now == Reach::NOTHING {
                connection.exchanges[0].close();
            }
        }
    }

    /// Plans the next meeting over a line whose bytes are counted, in place of the one that was planned.
    pub(super) fn meet_in(&mut self, line: usize, pause: Duration) {
        let it = &mut self.lines[line];
        it.meeting += 1;
        let number = it.meeting;
        self.queue.push(self.now + pause, Due::MeterMeets { line, number });
    }

    /// Plans the next meeting after one that ended in order.
    pub(super) fn meet_again(&mut self, line: usize, mut metered: Metered) {
        let _ = metered.meter.count(&metered.stats);
        let _ = metered.meter.save();
        let it = &mut self.lines[line];
        it.backoff.reset();
        let pause = match std::mem::take(&mut it.vital_meanwhile) {
            true => GATHERED_FOR,
            false => self.scenario.links[line].meets_every.unwrap_or(METERED_EVERY),
        };
        self.meet_in(line, pause);
    }

    /// Sees whether what has changed at the end that dials should be known at the other at once.
    pub(super) fn hear_vital(&mut self, line: usize, node: usize, told: &[Changed]) {
        if self.quota(line).is_none() || self.grid.lines[line].ends[0] != node {
            return;
        }
        let Some(me) = self.nodes[node].replica.as_ref().map(|replica| replica.me().device) else { return };
        let meeting = self.lines[line].connection.is_some();
        if !told.iter().any(|changed| is_vital(me, changed, meeting)) {
            return;
        }
        match meeting {
            true => self.lines[line].vital_meanwhile = true,
            false if self.lines[line].gathering => {}
            false => {
                self.meet_in(line, GATHERED_FOR);
                self.lines[line].gathering = true;
            }
        }
    }
}
