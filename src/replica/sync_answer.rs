//! What syncing answers: how each neighbour is, what a sync did, and what one would do.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::base::{Area, Part, WallMs};

/// A neighbour.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub name: String,
    /// Whether a session runs.
    pub connected: bool,
    /// Whether both held the same when last compared.
    pub in_sync: bool,
    /// When something was last heard from it.
    pub heard: Option<WallMs>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// Its name in the configuration, if it is dialled.
    #[serde(default)]
    pub configured: Option<String>,
    /// When it was last reached by dialling, also before the last restart; none when it never was.
    #[serde(default)]
    pub reached: Option<WallMs>,
    /// Since when every attempt has failed, also before the last restart.
    #[serde(default)]
    pub tried_since: Option<WallMs>,
    /// What was used of the link's bytes of today, if they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetStatus>,
}

/// Who was found on the local network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearbyStatus {
    /// The replicas of the realm that were found.
    pub found: Vec<FoundStatus>,
    /// Why nobody is looked for, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A replica that was found on the local network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundStatus {
    /// Where it can be reached.
    pub addresses: Vec<SocketAddr>,
    /// Its device's name, while there is a session with it.
    pub device: Option<String>,
}

/// A link whose bytes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// Bytes a day.
    pub bytes_per_day: u64,
    /// Bytes used today.
    pub bytes_used: u64,
    /// Whether something waits because of it.
    pub held_back: bool,
}

/// What one sync did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Synced {
    /// The peer's device name.
    pub peer: String,
    /// Entries received.
    pub received: u64,
    /// Entries sent.
    pub sent: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// What a sync with a peer would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPlan {
    /// The peer's device name.
    pub peer: String,
    /// By area and part, the most urgent first; none when both hold the same.
    pub parts: Vec<PlannedPart>,
    /// Payload bytes that finding this out took, both ways.
    pub bytes: u64,
    /// Those of them that were heads of lanes in which both differ, or may.
    #[serde(default)]
    pub heads_bytes: u64,
    /// Milliseconds from dialling until this replica knew what differs.
    #[serde(default)]
    pub compared_ms: u64,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// What a sync would do in one area and part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPart {
    /// The area.
    pub area: Area,
    /// The part.
    pub part: Part,
    /// Lanes of which this replica has more.
    pub send_lanes: u64,
    /// Entries to be sent.
    pub send_entries: u64,
    /// About how many bytes they are on the wire.
    pub send_bytes_about: u64,
    /// Lanes of which the peer has more.
    pub take_lanes: u64,
    /// Entries to be received; of how many bytes only the peer knows.
    pub take_entries: u64,
    /// Forked lanes that differ, of which nobody can tell beforehand.
    pub forked: u64,
}
