//! The same scenario with a central system instead of Musubi: every site reads and writes one record over its lines.
//!
//! It is what the region would have without replicas, played with the same script, events and choices of the seed
//! ([`workload`](super::workload), [`Scenario::deeds`](super::scenario::Scenario::deeds)), and told as the same
//! [`Course`](super::course::Course). Where a rule could be harder or softer on the central system, the softer one is
//! taken: what the comparison shows is the least that it costs to depend on a line.
//!
//! Rules:
//!
//! 1. The centre stands at the replica that `[cloud]` names, else at the gateway, else at the one with the most lines.
//!    It serves while that place runs and the bucket's region is reachable (`s3-outage` is its outage, too). It never
//!    loses what it took: its disks are mirrored, and a destroyed one only takes it down until it starts again.
//! 2. A terminal stands where a replica would: power, crashes and standstills strike it alike. A full, rotten or
//!    lying disk and a wrong clock do it no harm.
//! 3. A site can read and write while a path of usable lines joins it to the centre. Slow, lossy and metered lines are
//!    as good as fast ones, and a flapping line is looked at once a minute. Two who only meet from time to time have
//!    no line for a screen; when they meet, paper is handed over.
//! 4. Cut off, people decide without the record and write on paper (`record`). Nothing of it is acknowledged then.
//!    All of it is typed in, without a mistake, at the very moment the line is back, and is acknowledged by that.
//!    Paper that never reaches a line is never acknowledged, and is counted in a remark. Without power nothing is
//!    written at all, as with Musubi.
//! 5. What a site wrote itself its people know, on screen or on paper. Everything that others wrote before and that
//!    cannot be seen here is unknown, whether it stands in the centre or on others' paper.
//! 6. A contradiction or danger arises when its second statement is made. It is seen when all of it is in the centre,
//!    or at once when the one who made the second statement knew of the first; whoever did not is
//!    `late_by_split`. No harm is assumed: the warning only came too late to prevent it. As with Musubi, what counts
//!    is what is left at the end, and contradictions that somebody settled (`dangers`).
//! 7. Imports, waiting, backups and restores take no time. What was imported is not looked into.

mod dangers;
mod record;
mod run;
#[cfg(test)]
mod tests;
mod world;

pub use run::central;
