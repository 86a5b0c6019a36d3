//! The classes of faults of the swarm.

/// A class of faults, which a seed has or leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Links are cut and healed.
    Cut,
    /// Links come and go.
    Flap,
    /// Links carry one direction only.
    OneWay,
    /// Links get worse.
    Degrade,
    /// The mains fail; batteries carry some for a while.
    PowerFailure,
    /// Power is gone in mid-write.
    PowerLoss,
    /// Processes die.
    Crash,
    /// Power is gone right after an acknowledgement.
    KillInMidWrite,
    /// Processes stand still.
    Freeze,
    /// Replicas are shut down and started.
    Stop,
    /// Disks are full.
    DiskFull,
    /// Disks rot.
    DiskCorrupt,
    /// Sites are lost with their disks, and restored from the backup.
    SiteLost,
    /// Clocks are wrong.
    ClockSkew,
    /// Clocks jump.
    ClockJump,
    /// The bucket cannot be reached.
    S3Outage,
    /// People are registered twice.
    Duplicate,
    /// Two people are linked by mistake, and the link is undone.
    WrongLink,
    /// Many unknown people come at once.
    Surge,
    /// A device alters what it relays.
    Lie,
    /// Links and mains fail at once.
    SecondQuake,
}

impl Class {
    /// All classes.
    pub const ALL: [Class; 21] = [
        Self::Cut,
        Self::Flap,
        Self::OneWay,
        Self::Degrade,
        Self::PowerFailure,
        Self::PowerLoss,
        Self::Crash,
        Self::KillInMidWrite,
        Self::Freeze,
        Self::Stop,
        Self::DiskFull,
        Self::DiskCorrupt,
        Self::SiteLost,
        Self::ClockSkew,
        Self::ClockJump,
        Self::S3Outage,
        Self::Duplicate,
        Self::WrongLink,
        Self::Surge,
        Self::Lie,
        Self::SecondQuake,
    ];
}
