//! A session that begins while its link is being opened: what it says first goes with the last step of the handshake, and
//! the answer is here a round trip earlier. It is a Hello, which whoever is dialled hears from a dialler in any case.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::task::block_in_place;

use super::core::{Changed, Replica};
use super::exchange::{Effect, Exchange};
use crate::base::DeviceId;
use crate::transport::PeerKey;

/// An exchange that has spoken first.
pub struct Opening {
    pub(super) exchange: Exchange,
    /// What changes since.
    pub(super) changes: broadcast::Receiver<Changed>,
}

impl Opening {
    /// Begins an exchange with whoever has proven a key at an address; returns what it says first.
    pub fn begin(
        replica: &Arc<Replica>,
        peer: PeerKey,
        address: SocketAddr,
        only_asks: bool,
    ) -> (Self, Vec<Vec<u8>>) {
        // What changes from now on is heard by the exchange when it goes on.
        let changes = replica.subscribe();
        let peer = DeviceId(*peer.as_bytes());
        let mut exchange = Exchange::begin(replica.clone(), peer, address.to_string(), true);
        if only_asks {
            exchange.only_ask();
        }
        let mut said = Vec::new();
        // Starting only speaks; a store that fails is met again at the next step.
        while let Ok(Some(effects)) = block_in_place(|| exchange.step()) {
            said.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Send(message) => Some(message),
                _ => None,
            }));
        }
        (Self { exchange, changes }, said)
    }
}
