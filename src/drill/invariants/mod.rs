//! What must hold in every run, whatever the scenario: each invariant is one named, documented function of what was
//! observed. Scenarios ask for them by name among their expectations; the swarm of random regions asks for all.

mod data;
mod time;

pub use data::{
    backup_restores_equal, connected_replicas_equal, every_damage_detected, how_many,
    no_acknowledged_write_lost, no_positive_allergy_missing, nothing_backed_up,
};
pub use time::converges_in_bounded_time;

use super::course::Course;
use super::judge::{Judged, Observations};
use super::scenario::{Scenario, Told, Words};

/// Everything that an invariant may look at.
#[derive(Clone, Copy)]
pub struct Evidence<'r> {
    /// What was asked for.
    pub scenario: &'r Scenario,
    /// What happened.
    pub course: &'r Course,
    /// What was observed at the end.
    pub seen: &'r Observations,
}

/// Whether something holds, and what was seen, in both languages.
pub type Finding = Result<Told, Told>;

/// Something that must hold in every run.
pub struct Invariant {
    /// Its name, as expectations write it.
    pub name: &'static str,
    /// What it says.
    pub does: Words,
    /// Looks whether it holds.
    pub holds: fn(&Evidence<'_>) -> Finding,
}

/// All invariants that one run can show; that the same seed gives the same trace needs two.
pub static INVARIANTS: [Invariant; 6] = [
    Invariant {
        name: "no-acknowledged-write-lost",
        does: Words {
            en: "Every write that was acknowledged is, unaltered, on every replica that should hold it.",
            ja: "受領を返した書き込みは、持つべきすべての複製に、変わらずに残っている。",
        },
        holds: no_acknowledged_write_lost,
    },
    Invariant {
        name: "connected-replicas-equal",
        does: Words {
            en: "Replicas that can reach each other hold and show the same.",
            ja: "互いに通じる複製は、同じものを持ち、同じものを見せる。",
        },
        holds: connected_replicas_equal,
    },
    Invariant {
        name: "no-positive-allergy-missing",
        does: Words {
            en: "No replica hides an allergy that it holds and that nobody who knew of it has refuted.",
            ja: "持っているアレルギーで、知ったうえで否定した者がいないものを、どの複製も隠さない。",
        },
        holds: no_positive_allergy_missing,
    },
    Invariant {
        name: "backup-restores-equal",
        does: Words {
            en: "A restore from the bucket gives what was backed up.",
            ja: "バックアップから戻すと、書き込んだものと同じものが得られる。",
        },
        holds: backup_restores_equal,
    },
    Invariant {
        name: "damage-detected",
        does: Words {
            en: "What rotted on a disk was noticed, and never shown or passed on.",
            ja: "ディスク上で壊れたものは必ず気づかれ、見せられも渡されもしない。",
        },
        holds: every_damage_detected,
    },
    Invariant {
        name: "converges-in-bounded-time",
        does: Words {
            en: "When all faults have stopped, all replicas hold the same within an hour (seven when a disk rotted), and \
                 the time of two meetings of those that meet seldom.",
            ja: "障害がすべて止むと、一時間（ディスクが劣化したときは七時間）に、まれに会う機器が二回会う時間を加えた時間の\
                 うちに、全複製が同じになる。",
        },
        holds: converges_in_bounded_time,
    },
];

/// Looks at all of them.
pub fn all(evidence: &Evidence<'_>) -> Vec<Judged> {
    let judge = |invariant: &Invariant| {
        let (ok, detail) = match (invariant.holds)(evidence) {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        Judged { name: invariant.name.to_owned(), ok, detail }
    };
    INVARIANTS.iter().map(judge).collect()
}
