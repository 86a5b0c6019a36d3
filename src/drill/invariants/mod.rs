//! What must hold in every run, whatever the scenario: each invariant is one named, documented function of what was
//! observed. Scenarios ask for them by name among their expectations; the swarm of random regions asks for all.

mod alerts;
mod clinical;
mod data;
mod doubles;
mod forks;
mod found;
mod handovers;
mod held;
mod imports;
mod links;
mod notes;
mod sections;
mod time;

pub use alerts::alerts_shown;
pub use clinical::{ClinicalSeen, Looked};
pub use data::{
    backup_restores_equal, connected_replicas_equal, every_damage_detected, how_many,
    no_acknowledged_write_lost, no_positive_allergy_missing, nothing_backed_up,
};
pub use doubles::doubles_are_suggested;
pub use forks::forks_are_told;
pub use found::everyone_is_found;
pub use handovers::handovers_keep_what_was_typed;
pub use held::held_by_is_true;
pub use imports::imports_are_shown;
pub use links::links_join_and_undo;
pub use notes::signed_notes_read;
pub use sections::sections_show_what_was_written;
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
pub static INVARIANTS: [Invariant; 16] = [
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
        name: "sections-show-what-was-written",
        does: Words {
            en: "Every section shows what was written into it and what nobody has answered since: by who had seen what, \
                 not by clocks.",
            ja: "どの欄も、書かれたもののうち、誰もまだ応じていないものを示す。誰が何を見ていたかで決まり、時計では決まらない。",
        },
        holds: sections_show_what_was_written,
    },
    Invariant {
        name: "signed-notes-read",
        does: Words {
            en: "Every signed note is read word for word, once, wherever it is held; annotations stand where they were \
                 made.",
            ja: "署名された記録は、持っているどの複製でも、一字違わず一度だけ読める。注釈は付けた所にある。",
        },
        holds: signed_notes_read,
    },
    Invariant {
        name: "alerts-shown",
        does: Words {
            en: "A drug that meets an allergy, and one drug ordered at two sites, are warned of wherever both are held; \
                 a harmful order is not taken without a reason.",
            ja: "アレルギーのある薬と、二か所で出された同じ薬は、両方を持つどの複製でも警告される。害のある指示は理由なしに受けない。",
        },
        holds: alerts_shown,
    },
    Invariant {
        name: "everyone-is-found",
        does: Words {
            en: "Everybody who was registered is found by name, by reading and by birth date, wherever the record is held.",
            ja: "登録された人は、記録を持つどの複製でも、氏名・読み・生年月日で見つかる。",
        },
        holds: everyone_is_found,
    },
    Invariant {
        name: "links-join-and-undo",
        does: Words {
            en: "Records that somebody linked are shown together, with every allergy of each; an undone link parts them, and \
                 what was written meanwhile is listed.",
            ja: "人が統合した記録は、双方のアレルギーとともに一つに見える。取り消せば分かれ、その間に書かれたものが一覧になる。",
        },
        holds: links_join_and_undo,
    },
    Invariant {
        name: "imports-are-shown",
        does: Words {
            en: "What was imported is exported and shown as it was, once, wherever it is held; importing it again adds nothing.",
            ja: "取り込んだものは、持つどの複製でも、そのまま一度だけ書き出され、見える。もう一度取り込んでも増えない。",
        },
        holds: imports_are_shown,
    },
    Invariant {
        name: "doubles-are-suggested",
        does: Words {
            en: "Two records of one person that are alike in name, birth date and insurance number are suggested; people who have nothing in common are not; replicas that hold the same suggest the same.",
            ja: "氏名・生年月日・保険者番号が同じ二つの記録は名寄せの候補に挙がり、何も共通しない二人は挙がらない。同じものを持つ複製は同じ候補を挙げる。",
        },
        holds: doubles_are_suggested,
    },
    Invariant {
        name: "handovers-keep-what-was-typed",
        does: Words {
            en: "Every character that anybody typed into a hand-over text stands there in order, unless somebody who had read it wrote the text anew.",
            ja: "申し送りに誰かが打った文字は、それを読んだ誰かが書き直さない限り、順序のままどの複製にも残る。",
        },
        holds: handovers_keep_what_was_typed,
    },
    Invariant {
        name: "forks-are-told",
        does: Words {
            en: "Where a disk was set back and written to again, both histories are kept by all who hold the area, and the device that signed both refuses to go on.",
            ja: "以前の状態に戻ったディスクに書き足されたときは、両方の履歴をエリアの全員が保ち、両方に署名した機器は書き続けることを拒む。",
        },
        holds: forks_are_told,
    },
    Invariant {
        name: "held-by-is-true",
        does: Words {
            en: "Whatever a replica says that another device holds is held there, unless that disk was destroyed, set back or rotted.",
            ja: "ある複製が「他の機器が持つ」と示すものは、そのディスクが失われ、以前の状態に戻り、または劣化したのでない限り、そこにある。",
        },
        holds: held_by_is_true,
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
