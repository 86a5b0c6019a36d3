//! Faults that a drill plants in its own replicas, to prove that its observer notices. They exist in debug
//! builds and with the feature `sabotage` only; elsewhere the variable that names one is ignored.

/// The environment variable that names a fault.
pub const SABOTAGE_VARIABLE: &str = "MUSUBI_SABOTAGE";
/// Whether this build can be sabotaged.
pub const AVAILABLE: bool = cfg!(any(debug_assertions, feature = "sabotage"));
/// How many writes a replica holds back that acknowledges before it persists; when nothing is written for a
/// while it writes them.
pub const LATE_MAX: usize = 8;
/// Every so many writes of a process, one is dropped.
const DROPPED_EVERY: u64 = 5;

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Acknowledges some writes without writing them.
    DropAcknowledgedWrite,
    /// Acknowledges writes a second before they are durable.
    AcknowledgeBeforePersisting,
    /// Leaves a lane out of what a new session compares and sends.
    ForgetLaneOnReconnect,
}

impl Sabotage {
    /// All faults.
    pub const ALL: [Sabotage; 3] =
        [Self::DropAcknowledgedWrite, Self::AcknowledgeBeforePersisting, Self::ForgetLaneOnReconnect];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::DropAcknowledgedWrite => "drop-acknowledged-write",
            Self::AcknowledgeBeforePersisting => "acknowledge-before-persisting",
            Self::ForgetLaneOnReconnect => "forget-lane-on-reconnect",
        }
    }

    /// Finds a fault by its name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Returns the fault that the environment asks for, in builds that can be sabotaged.
    pub fn from_environment() -> Option<Self> {
        if !AVAILABLE {
            return None;
        }
        std::env::var(SABOTAGE_VARIABLE).ok().and_then(|name| Self::by_name(&name))
    }

    /// Says what becomes of the batch of the replica's `write`th write.
    pub fn fate(self, write: u64) -> Fate {
        match self {
            Self::DropAcknowledgedWrite if write.is_multiple_of(DROPPED_EVERY) => Fate::Lost,
            Self::AcknowledgeBeforePersisting => Fate::Late,
            Self::DropAcknowledgedWrite | Self::ForgetLaneOnReconnect => Fate::Durable,
        }
    }
}

/// What becomes of a write that is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is durable before it is acknowledged, as it must be.
    Durable,
    /// It is never written.
    Lost,
    /// It is written some time after it is acknowledged.
    Late,
}
