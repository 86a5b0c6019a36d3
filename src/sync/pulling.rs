//! Asking for one person, and answering: beside the lanes, in pieces that keep to the window and the order of urgency.
//!
//! Laws: nobody is answered, and no answer is read, before the peer's certificate has shown that it is a member; a piece of an answer
//! goes ahead of lanes of its own part and never of a more urgent one; every answer ends, by its own word, by a limit
//! or by time.

use std::collections::{BTreeMap, VecDeque};

use minicbor::bytes::ByteVec;

use super::ask::{Asking, Ended, Telling};
use super::event::Output;
use super::limiting::Reach;
use super::limits::{
    ANSWER_BYTES_MAX, ANSWER_PIECES_MAX, ANSWER_TIMEOUT_MS, ASKS_OPEN_MAX, ASKS_WAITING_MAX, STRAY_BYTES_MAX,
};
use super::message::{CloseCode, Message};
use super::session::{Fault, Phase, Session};
use crate::base::{Part, WallMs};
use crate::record::Whom;

/// What both sides of a session have asked.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    /// Whether this session is for asking alone: it compares nothing.
    pub only_asks: bool,
    /// Whether the driver knew the peer's proven key as a member's before its certificate was named.
    pub knows_peer: bool,
    /// Whether the peer's chain was asked for before its certificate was named.
    awaits_chain: bool,
    /// What this side will ask.
    unsent: VecDeque<(u32, Whom, Reach)>,
    /// What this side has asked.
    asked: BTreeMap<u32, Asked>,
    /// The first number that this side has not used.
    next: u32,
    /// Plain bytes that came of what is no longer wanted.
    stray: usize,
    /// What the peer has asked before it was known to be a member.
    unvetted: Vec<(u32, Whom, Reach)>,
    /// What the peer has asked.
    answers: BTreeMap<u32, Answer>,
    /// The first number that the peer has not used.
    next_of_peer: u32,
}

/// Something that this side has asked.
#[derive(Debug)]
struct Asked {
    /// When it was asked, or last heard of.
    at: WallMs,
    bytes: usize,
    pieces: usize,
}

/// An answer to the peer.
#[derive(Debug, Default)]
struct Answer {
    /// What is still to be sent, with how much of the first was.
    parts: VecDeque<(Part, Vec<u8>)>,
    begun: usize,
    /// How it ends, once the driver has answered.
    ended: Option<Ended>,
    /// Whether the end was sent.
    is_over: bool,
    /// Pieces on their way: up to which byte, how many, since when.
    flights: VecDeque<(u64, usize, WallMs)>,
    sent: u64,
}

impl Session {
    /// Makes this a session for asking alone: it finds out nothing else, and sends no runs. To be called before the start.
    pub fn only_ask(&mut self) {
        self.pulls.only_asks = true;
    }

    /// Tells that the peer's key, which the link has proven, is a member's: it may be asked before its certificate is named.
    pub fn knows_peer(&mut self) {
        self.pulls.knows_peer = true;
    }

    /// Behind the Hello of a session for asking alone: strangers will want each other's chains, so the round trip of finding
    /// that out is saved.
    pub(super) fn introduce(&mut self) -> Result<(), Fault> {
        if self.pulls.only_asks && self.config.initiator && !self.pulls.knows_peer {
            self.want_certificate()?;
            self.pulls.awaits_chain = true;
            self.send(&Message::WantCertificate);
        }
        Ok(())
    }

    /// Says, once, whether the chain that is missing was asked for already.
    pub(super) fn awaits_chain(&mut self) -> bool {
        self.peer.asked |= self.pulls.awaits_chain;
        std::mem::take(&mut self.pulls.awaits_chain)
    }

    /// Takes what this side wants to ask; numbers ascend.
    pub(super) fn ask(&mut self, number: u32, whom: Whom, reach: Reach) -> Result<(), Fault> {
        if number < self.pulls.next || whom.check().is_err() {
            return Err(Fault(CloseCode::Internal, "an ask that makes no sense".to_owned()));
        }
        self.pulls.next = number + 1;
        match self.pulls.unsent.len() < ASKS_WAITING_MAX {
            true => self.pulls.unsent.push_back((number, whom, reach)),
            false => self.out.push(Output::Answered { number, ended: Ended::TooOften }),
        }
        Ok(())
    }

    /// Forgets what this side has asked.
    pub(super) fn enough(&mut self, number: u32) {
        self.pulls.unsent.retain(|(waiting, _, _)| *waiting != number);
        if self.pulls.asked.remove(&number).is_some() {
            self.send(&Message::Ask(number, Asking::Enough));
        }
    }

    /// Sends what waits, as soon as the peer is known to be a member.
    pub(super) fn send_asks(&mut self) {
        let (is_ready, is_member) = match &self.phase {
            Phase::Opening { sent } => (sent.is_some() && self.config.initiator, self.pulls.knows_peer),
            Phase::Comparing { .. } | Phase::Open => {
                (true, self.pulls.knows_peer || self.peer.allowed.is_some())
            }
            Phase::Idle | Phase::Closed => (false, false),
        };
        while is_ready
            && is_member
            && self.pulls.asked.len() < ASKS_OPEN_MAX
            && let Some((number, whom, reach)) = self.pulls.unsent.pop_front()
        {
            self.send(&Message::Ask(number, Asking::For(whom, reach.code())));
            self.pulls.asked.insert(number, Asked { at: self.now, bytes: 0, pieces: 0 });
        }
    }

    /// Takes what the peer says of what it asks.
    pub(super) fn asking(&mut self, number: u32, asking: Asking) -> Result<(), Fault> {
        match asking {
            Asking::For(whom, reach) => self.asked_for(number, whom, reach),
            Asking::Heard(bytes) => self.answer_heard(number, bytes),
            Asking::Enough if number < self.pulls.next_of_peer => {
                self.pulls.unvetted.retain(|(waiting, _, _)| *waiting != number);
                for (_, plain, _) in self.pulls.answers.remove(&number).unwrap_or_default().flights {
                    self.window.forgotten(plain);
                }
                Ok(())
            }
            Asking::Enough => Err(Fault::protocol("enough of what was never asked")),
        }
    }

    fn asked_for(&mut self, number: u32, whom: Whom, reach: u8) -> Result<(), Fault> {
        if number < self.pulls.next_of_peer || number == u32::MAX || reach > Reach::ALL.code() {
            return Err(Fault::protocol("an ask out of its order, or for more than all parts"));
        }
        if self.pulls.answers.len() + self.pulls.unvetted.len() >= ASKS_OPEN_MAX {
            return Err(Fault(
                CloseCode::Limit,
                format!("more than {ASKS_OPEN_MAX} people asked for at once"),
            ));
        }
        self.pulls.next_of_peer = number + 1;
        self.pulls.unvetted.push((number, whom, Reach::of_code(reach)));
        self.vet();
        Ok(())
    }

    /// Passes on what the peer has asked, once it is known to be a member.
    pub(super) fn vet(&mut self) {
        if self.peer.allowed.is_none() {
            return;
        }
        for (number, whom, reach) in std::mem::take(&mut self.pulls.unvetted) {
            self.pulls.answers.insert(number, Answer::default());
            self.out.push(Output::Asked { number, whom, reach });
        }
    }

    /// Takes the driver's answer.
    pub(super) fn answer(&mut self, number: u32, parts: Vec<(Part, Vec<u8>)>, ended: Ended) {
        // The peer may have had enough meanwhile.
        if let Some(answer) = self.pulls.answers.get_mut(&number) {
            answer.parts = parts.into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
            answer.ended = Some(ended);
        }
    }

    fn answer_heard(&mut self, number: u32, bytes: u64) -> Result<(), Fault> {
        let Some(answer) = self.pulls.answers.get_mut(&number) else {
            return match number < self.pulls.next_of_peer {
                true => Ok(()),
                false => Err(Fault::protocol("an answer was heard that was never given")),
            };
        };
        if bytes > answer.sent {
            return Err(Fault::protocol("more of an answer was heard than was sent"));
        }
        while let Some((_, plain, at)) = answer.flights.pop_front_if(|(end, _, _)| *end <= bytes) {
            self.window.acknowledged(plain, at, self.now);
        }
        if answer.is_over && answer.flights.is_empty() {
            self.pulls.answers.remove(&number);
        }
        Ok(())
    }

    /// Says whether the peer owes word of pieces that were sent.
    pub(super) fn owes_word(&self) -> bool {
        self.pulls.answers.values().any(|answer| !answer.flights.is_empty())
    }

    /// Sends pieces of answers, the most urgent first, while the window has room and no lane is more urgent.
    pub(super) fn send_answers(&mut self) -> Result<(), Fault> {
        if !matches!(self.phase, Phase::Comparing { .. } | Phase::Open) {
            return Ok(());
        }
        let numbers: Vec<u32> = self.pulls.answers.keys().copied().collect();
        for number in &numbers {
            self.end_answer(*number);
        }
        loop {
            let due = self.pulls.answers.iter().filter_map(|(number, answer)| {
                let (part, _) = answer.parts.front()?;
                Some((*part, *number))
            });
            let Some((part, number)) = due.min() else { return Ok(()) };
            let rank = Reach::to(part).code();
            let first = self
                .lanes
                .first()
                .map(|(rank, _, _)| *rank)
                .filter(|rank| self.limits.reach().lets_rank(*rank));
            let outranked = first.into_iter().chain(self.reads.values().copied()).any(|other| other < rank);
            if outranked || self.window.room() == 0 {
                return Ok(());
            }
            self.send_piece(number)?;
            self.end_answer(number);
        }
    }

    fn send_piece(&mut self, number: u32) -> Result<(), Fault> {
        let most = self.window.message_bytes().max(1);
        let Some(answer) = self.pulls.answers.get_mut(&number) else { return Ok(()) };
        let Some((_, bytes)) = answer.parts.front() else { return Ok(()) };
        let end = bytes.len().min(answer.begun + most);
        let piece = &bytes[answer.begun..end];
        let (plain, is_last) = (piece.len(), end == bytes.len());
        let segment = self.folder.fold([piece])?;
        answer.sent += plain as u64;
        answer.flights.push_back((answer.sent, plain, self.now));
        answer.begun = if is_last { 0 } else { end };
        if is_last {
            answer.parts.pop_front();
        }
        self.window.sent(plain);
        self.send(&Message::Told(number, Telling::Piece(ByteVec::from(segment))));
        Ok(())
    }

    /// Ends an answer of which all was sent.
    fn end_answer(&mut self, number: u32) {
        let Some(answer) = self.pulls.answers.get_mut(&number) else { return };
        let (Some(ended), true, false) = (answer.ended, answer.parts.is_empty(), answer.is_over) else {
            return;
        };
        answer.is_over = true;
        if answer.flights.is_empty() {
            self.pulls.answers.remove(&number);
        }
        self.send(&Message::Told(number, Telling::End(ended.code())));
    }

    /// Takes what the peer tells.
    pub(super) fn telling(&mut self, number: u32, telling: Telling) -> Result<(), Fault> {
        if number >= self.pulls.next {
            return Err(Fault::protocol("an answer to what was never asked"));
        }
        match telling {
            Telling::Piece(segment) => self.piece(number, &segment),
            Telling::End(code) => {
                if self.pulls.asked.remove(&number).is_some() {
                    self.out.push(Output::Answered { number, ended: Ended::of_code(code) });
                }
                Ok(())
            }
        }
    }

    fn piece(&mut self, number: u32, segment: &[u8]) -> Result<(), Fault> {
        // Also what is no longer wanted is part of the peer's stream.
        let bytes: Vec<u8> = self.unfolder.unfold(segment)?.iter().flatten().copied().collect();
        let Some(asked) = self.pulls.asked.get_mut(&number) else {
            self.pulls.stray = self.pulls.stray.saturating_add(bytes.len().max(1));
            return match self.pulls.stray > STRAY_BYTES_MAX {
                true => Err(Fault(CloseCode::Limit, "answers go on that nobody waits for".to_owned())),
                false => Ok(()),
            };
        };
        asked.bytes = asked.bytes.saturating_add(bytes.len());
        asked.pieces += 1;
        asked.at = self.now;
        if bytes.is_empty() {
            return Err(Fault::protocol("an empty piece of an answer"));
        }
        if asked.bytes > ANSWER_BYTES_MAX || asked.pieces > ANSWER_PIECES_MAX {
            let text =
                format!("an answer of more than {ANSWER_BYTES_MAX} bytes or {ANSWER_PIECES_MAX} pieces");
            return Err(Fault(CloseCode::Limit, text));
        }
        let heard = asked.bytes as u64;
        self.send(&Message::Ask(number, Asking::Heard(heard)));
        self.out.push(Output::Told { number, bytes });
        Ok(())
    }

    /// Gives up what the peer is silent about.
    pub(super) fn late_answers(&mut self) {
        let is_late = |asked: &Asked| self.now.0.saturating_sub(asked.at.0) > ANSWER_TIMEOUT_MS;
        let late: Vec<u32> =
            self.pulls.asked.iter().filter(|(_, it)| is_late(it)).map(|(number, _)| *number).collect();
        for number in late {
            self.enough(number);
            self.out.push(Output::Answered { number, ended: Ended::Late });
        }
    }
}
