//! The table of all that can be expected.

use std::collections::BTreeSet;

use super::error::Mistake;
use super::expectation::{Access, Clinical, Expectation, ExpectationKind};
use super::fields::Fields;
use super::key::{AT, Key, PATIENT, Shape, Words, may, need};
use super::model::PatientAlias;
use super::names::Names;
use crate::base::Part;

/// The sections whose rules find conflicts, as `crate::record::sections` names them.
const SECTIONS: &[&str] = &["demographics", "allergies", "problems", "medication", "notes", "other"];
const ONLY_PATIENT: Key = may("patient", Shape::Text, "only this patient's", "この患者のものだけ");
/// The share of the time for which `availability` holds, unless the scenario says otherwise.
const AVAILABLE: f64 = 0.99;
/// The share of decisions for which `staleness` holds, unless the scenario says otherwise.
const FRESH: f64 = 0.95;

/// The share of writes or replicas for which what is about time holds, unless the scenario says otherwise.
const MOST: f64 = 0.99;
const PARTS: Key = need(
    "parts",
    Shape::SomeOf(super::key::PARTS),
    "of these parts of the lanes",
    "レーンの種別のうちこれら",
);

const AT_MOST: Key = need("at-most", Shape::Span, "the longest time", "最長の時間");

/// Makes an entry that has no keys.
macro_rules! plain {
    ($name:literal, $live:literal, $value:expr, $en:literal, $ja:literal) => {
        ExpectationKind {
            name: $name,
            does: Words { en: $en, ja: $ja },
            keys: &[],
            live: $live,
            example: "",
            read: |_, _| Ok($value),
        }
    };
}

/// Every kind of expectation: whoever adds one adds it here and to [`Expectation`].
pub static EXPECTATIONS: &[ExpectationKind] = &[
    plain!(
        "heads-differ-before-heal",
        true,
        Expectation::HeadsDifferBeforeHeal,
        "before the first path healed after the last cut the replicas held different things: the cut was real",
        "最後の切断の後、最初に復旧する前、レプリカは違うものを持っていた：切断は本物だった"
    ),
    plain!(
        "heads-equal-after-heal",
        true,
        Expectation::HeadsEqualAfterHeal,
        "at the end all hold the same",
        "最後にすべてが同じものを持つ"
    ),
    plain!(
        "no-acknowledged-write-lost",
        true,
        Expectation::NoAcknowledgedWriteLost,
        "everything in the ledger of acknowledged writes is in every export",
        "応答された書き込みの台帳にあるものは、すべての書き出しにある"
    ),
    plain!(
        "records-equal",
        true,
        Expectation::RecordsEqual,
        "all exports are equal, and every patient reads the same everywhere",
        "すべての書き出しが等しく、どの患者もどこでも同じに読める"
    ),
    ExpectationKind {
        name: "conflict-open",
        does: Words {
            en: "the conflict waits for a person's decision, on every replica",
            ja: "食い違いが、すべてのレプリカで人の判断を待っている",
        },
        keys: &[
            need("section", Shape::OneOf(SECTIONS), "such as medication", "medication など"),
            need("kind", Shape::Text, "such as dose-vs-stop", "dose-vs-stop など"),
            ONLY_PATIENT,
        ],
        live: true,
        example: "section = \"medication\"\nkind = \"dose-vs-stop\"\npatient = \"oka\"",
        read: |table, names| {
            let (section, kind) = (table.text("section")?.value, table.text("kind")?.value);
            Ok(Expectation::ConflictOpen { section, kind, patient: patient(table, names)? })
        },
    },
    ExpectationKind {
        name: "alert-open",
        does: Words {
            en: "the alert is shown on every replica", ja: "警告がすべてのレプリカで示される"
        },
        keys: &[need("kind", Shape::Text, "such as drug-allergy", "drug-allergy など"), ONLY_PATIENT],
        live: true,
        example: "kind = \"drug-allergy\"\npatient = \"oka\"",
        read: |table, names| {
            let kind = table.text("kind")?.value;
            Ok(Expectation::AlertOpen { kind, patient: patient(table, names)? })
        },
    },
    ExpectationKind {
        name: "handover-has-all",
        does: Words {
            en: "every author's characters are in the one merged text, on every disk",
            ja: "書いた全員の文字が、すべてのディスクで一つの申し送りに入っている",
        },
        keys: &[PATIENT],
        live: true,
        example: "patient = \"oka\"",
        read: |table, names| {
            Ok(Expectation::HandoverHasAll { patient: names.patient(&table.text("patient")?)? })
        },
    },
    plain!(
        "restored-heads-equal",
        true,
        Expectation::RestoredHeadsEqual,
        "the restored disk held what the destroyed one had held",
        "復元されたディスクは、壊れたものが持っていたものを持つ"
    ),
    ExpectationKind {
        name: "converged",
        does: Words {
            en: "after the last fault, all replicas that can reach each other hold the same within this time (liveness)",
            ja: "最後の障害の後、互いに届くすべてのレプリカがこの時間のうちに同じものを持つ（活性）",
        },
        keys: &[need("within", Shape::Span, "how long after the last fault", "最後の障害からの時間")],
        live: false,
        example: "within = \"30m\"",
        read: |table, _| Ok(Expectation::Converged { within: table.span("within")?.value }),
    },
    plain!(
        "no-positive-allergy-missing",
        false,
        Expectation::NoPositiveAllergyMissing,
        "no replica shows a record without an allergy of which it holds a statement",
        "アレルギーの記載を持ちながら、それを示さないレプリカはない"
    ),
    plain!(
        "sections-show-what-was-written",
        false,
        Expectation::Clinical(Clinical::Sections),
        "every section shows what was written into it and what nobody has answered since",
        "どの欄も、書かれたもののうち誰もまだ応じていないものを示す"
    ),
    plain!(
        "signed-notes-read",
        false,
        Expectation::Clinical(Clinical::Notes),
        "every signed note is read word for word, once, and annotations stand where they were made",
        "署名された記録は一字違わず一度だけ読め、注釈は付けた所にある"
    ),
    plain!(
        "alerts-shown",
        false,
        Expectation::Clinical(Clinical::Alerts),
        "a drug that meets an allergy and one drug ordered at two sites are warned of, and no harmful order is taken \
         without a reason",
        "アレルギーのある薬と二か所で出された同じ薬は警告され、害のある指示は理由なしに受けない"
    ),
    plain!(
        "everyone-is-found",
        false,
        Expectation::Clinical(Clinical::Found),
        "everybody who was registered is found by name, by reading and by birth date",
        "登録された人は氏名・読み・生年月日で見つかる"
    ),
    plain!(
        "links-join-and-undo",
        false,
        Expectation::Clinical(Clinical::Links),
        "linked records are shown together; an undone link parts them, and what was written meanwhile is listed",
        "統合した記録は一つに見え、取り消せば分かれ、その間に書かれたものが一覧になる"
    ),
    plain!(
        "imports-are-shown",
        false,
        Expectation::Clinical(Clinical::Imports),
        "what was imported is exported and shown as it was, once, wherever it is held; importing it again adds nothing",
        "取り込んだものは、持つどの複製でも、そのまま一度だけ書き出され、見える。もう一度取り込んでも増えない"
    ),
    plain!(
        "doubles-are-suggested",
        false,
        Expectation::Clinical(Clinical::Doubles),
        "two records of one person that are alike in name, birth date and insurance number are suggested; people who have nothing in common are not; replicas that hold the same suggest the same",
        "氏名・生年月日・保険者番号が同じ二つの記録は名寄せの候補に挙がり、何も共通しない二人は挙がらない。同じものを持つ複製は同じ候補を挙げる"
    ),
    plain!(
        "handovers-keep-what-was-typed",
        false,
        Expectation::Clinical(Clinical::Handovers),
        "every character that anybody typed into a hand-over text stands there in order, unless somebody who had read it wrote the text anew",
        "申し送りに誰かが打った文字は、それを読んだ誰かが書き直さない限り、順序のままどの複製にも残る"
    ),
    plain!(
        "forks-are-told",
        false,
        Expectation::Clinical(Clinical::Forks),
        "where a disk was set back and written to again, both histories are kept by all who hold the area, and the device that signed both refuses to go on",
        "以前の状態に戻ったディスクに書き足されたときは、両方の履歴をエリアの全員が保ち、両方に署名した機器は書き続けることを拒む"
    ),
    plain!(
        "held-by-is-true",
        false,
        Expectation::Clinical(Clinical::HeldBy),
        "whatever a replica says that another device holds is held there, unless that disk was destroyed, set back or rotted",
        "ある複製が「他の機器が持つ」と示すものは、そのディスクが失われ、以前の状態に戻り、または劣化したのでない限り、そこにある"
    ),
    plain!(
        "backup-restores-equal",
        false,
        Expectation::BackupRestoresEqual,
        "a restore from the bucket gives what the gateway had written to it",
        "バケットからの復元が、書き込まれたものと等しい"
    ),
    plain!(
        "damage-detected",
        false,
        Expectation::DamageDetected,
        "everything that was torn, rotten or altered was noticed: nothing of it was shown or passed on",
        "壊れたもの、腐ったもの、改ざんされたものはすべて気付かれ、示されも渡されもしなかった"
    ),
    ExpectationKind {
        name: "availability",
        does: Words {
            en: "people could read, or write, at each of these replicas for this share of the time that they had power",
            ja: "これらの各レプリカで、電源のある時間のうちこの割合、読める（書ける）",
        },
        keys: &[
            need("of", Shape::OneOf(&["read", "write"]), "read or write", "read または write"),
            may(AT.name, AT.shape, "where; default: everywhere", "場所。既定は全部"),
            may("at-least", Shape::Number(0.0, 1.0), "the share; default 0.99", "割合。既定は 0.99"),
        ],
        live: false,
        example: "of = \"write\"\nat = \"shared/miura\"\nat-least = 0.99",
        read: |table, names| {
            let of = table.text("of")?.choose("of", &[("read", Access::Read), ("write", Access::Write)])?;
            let at = match table.optional_places("at")? {
                Some(at) => names.members(&at.value)?,
                None => (0..names.replicas.len()).collect(),
            };
            let at_least = table.optional_decimal("at-least")?.map_or(AVAILABLE, |share| share.value);
            Ok(Expectation::Availability { of, at, at_least })
        },
    },
    ExpectationKind {
        name: "staleness",
        does: Words {
            en: "the knowledge on which decisions rested was at most so old, for this share of the decisions",
            ja: "判断の拠り所となった知識の古さが、この割合の判断で上限以下",
        },
        keys: &[
            AT_MOST,
            may("share", Shape::Number(0.0, 1.0), "the share; default 0.95", "割合。既定は 0.95"),
        ],
        live: false,
        example: "at-most = \"6h\"\nshare = 0.95",
        read: |table, _| {
            let at_most = table.span("at-most")?.value;
            let share = table.optional_decimal("share")?.map_or(FRESH, |share| share.value);
            Ok(Expectation::Staleness { at_most, share })
        },
    },
    ExpectationKind {
        name: "held-by",
        does: Words {
            en: "each acknowledged write is on at least so many replicas at the end",
            ja: "応答された書き込みはすべて、最後に少なくともこの数のレプリカにある",
        },
        keys: &[need("at-least", Shape::Whole(1, 100_000), "how many replicas", "レプリカの数")],
        live: false,
        example: "at-least = 2",
        read: |table, names| {
            let at_least = whole(table, "at-least")?;
            if at_least > names.replicas.len() as u64 {
                let most = names.replicas.len();
                return Err(table.mistake(&format!(
                    "asks for {at_least} replicas, but there are {most}; say less in 'at-least'"
                )));
            }
            Ok(Expectation::HeldBy { at_least })
        },
    },
    ExpectationKind {
        name: "writes",
        does: Words {
            en: "at least so many writes were acknowledged: the drill was no empty one",
            ja: "少なくともこの数の書き込みが応答された：空の訓練ではなかった",
        },
        keys: &[need("at-least", Shape::Whole(1, 1_000_000_000), "how many writes", "書き込みの数")],
        live: true,
        example: "at-least = 1",
        read: |table, _| Ok(Expectation::Writes { at_least: whole(table, "at-least")? }),
    },
    plain!(
        "quota-kept",
        true,
        Expectation::QuotaKept,
        "no link carried more in a day than its quota",
        "どの回線も、一日の上限を超えて運ばなかった"
    ),
    ExpectationKind {
        name: "everywhere-within",
        does: Words {
            en: "of what was acknowledged in these parts, this share was within this time on every replica that holds its area \
                 and part",
            ja: "これらの種別の応答された記入のうちこの割合が、そのエリアと種別を持つすべてのレプリカにこの時間内で届いた",
        },
        keys: &[
            PARTS,
            need("within", Shape::Span, "how long after its acknowledgement", "応答からの時間"),
            may("share", Shape::Number(0.0, 1.0), "the share; default 0.99", "割合。既定は 0.99"),
        ],
        live: false,
        example: "parts = [\"card\"]\nwithin = \"20m\"\nshare = 0.99",
        read: |table, _| {
            let (parts, within) = (parts(table)?, table.span("within")?.value);
            let share = table.optional_decimal("share")?.map_or(MOST, |share| share.value);
            Ok(Expectation::EverywhereWithin { parts, within, share })
        },
    },
    ExpectationKind {
        name: "waited",
        does: Words {
            en: "some write of these parts took at least so long to be everywhere: it waited for what is more urgent",
            ja: "これらの種別の記入のどれかは、行き渡るまで少なくともこれだけかかった：より急ぐものに譲った",
        },
        keys: &[PARTS, need("at-least", Shape::Span, "how long", "時間")],
        live: false,
        example: "parts = [\"notes\"]\nat-least = \"2h\"",
        read: |table, _| {
            Ok(Expectation::Waited { parts: parts(table)?, at_least: table.span("at-least")?.value })
        },
    },
    ExpectationKind {
        name: "cards-after-return",
        does: Words {
            en: "after their last start this share of these replicas soon held every card of their own areas that some replica in \
                 their reach held then; only time in which a link could be used counts, waiting for a place at the other end \
                 included",
            ja: "これらのレプリカのうちこの割合が、最後の起動後まもなく、届く範囲の誰かがその時持っていた自区域のカードをすべて得た。回線の使えた時間だけを数え、相手側の空きを待つ時間も含む",
        },
        keys: &[
            AT,
            need("within", Shape::Span, "how much link time", "回線の使えた時間"),
            may("share", Shape::Number(0.0, 1.0), "the share; default 0.99", "割合。既定は 0.99"),
        ],
        live: false,
        example: "at = \"tablet\"\nwithin = \"10s\"\nshare = 0.99",
        read: |table, names| {
            let (at, within) = (names.whom_at(table)?, table.span("within")?.value);
            let share = table.optional_decimal("share")?.map_or(MOST, |share| share.value);
            Ok(Expectation::CardsAfterReturn { at, within, share })
        },
    },
    ExpectationKind {
        name: "memory-kept",
        does: Words {
            en: "none of these replicas held more in memory at any time: its records with all rows and lanes, and of its sessions \
                 the compression contexts, what was sent and not heard, and the heads that were listed (an estimate of the \
                 simulation, see the architecture)",
            ja: "どの時点でも、これらのレプリカが記憶上に持つ量はこれを超えなかった：記録（行とレーンを含む）と、セッションの圧縮文脈、送られて届いていないもの、並べた先頭（シミュレーションによる見積り）",
        },
        keys: &[AT, need("at-most-mb", Shape::Number(0.001, 1e9), "megabytes", "メガバイト")],
        live: false,
        example: "at = \"north\"\nat-most-mb = 1000",
        read: |table, names| {
            let at = names.whom_at(table)?;
            let most = table.optional_decimal("at-most-mb")?;
            let most = most.ok_or_else(|| table.missing("at-most-mb", "needs 'at-most-mb', a number"))?;
            Ok(Expectation::MemoryKept { at, at_most_bytes: (most.value * 1e6) as u64 })
        },
    },
    ExpectationKind {
        name: "turned-away",
        does: Words {
            en: "these replicas turned at least so many dials away: more came at once than they have places for",
            ja: "これらのレプリカは少なくともこれだけの接続を断った：席より多くが一度に来た",
        },
        keys: &[AT, need("at-least", Shape::Whole(1, 1_000_000_000), "how many dials", "接続の数")],
        live: false,
        example: "at = \"north\"\nat-least = 1",
        read: |table, names| {
            Ok(Expectation::TurnedAway { at: names.whom_at(table)?, at_least: whole(table, "at-least")? })
        },
    },
    ExpectationKind {
        name: "rto",
        does: Words {
            en: "each replica whose disk was lost and restored could be used again within this time (recovery time)",
            ja: "ディスクを失い復元されたレプリカは、この時間のうちに再び使えた（目標復旧時間）",
        },
        keys: &[AT_MOST],
        live: false,
        example: "at-most = \"4h\"",
        read: |table, _| Ok(Expectation::Rto { at_most: table.span("at-most")?.value }),
    },
    ExpectationKind {
        name: "rpo",
        does: Words {
            en: "the backup from which a replica came back was at most so old at the loss (recovery point)",
            ja: "復元に使われたバックアップは、失われた時点でこの時間より古くなかった（目標復旧時点）",
        },
        keys: &[AT_MOST],
        live: false,
        example: "at-most = \"1h\"",
        read: |table, _| Ok(Expectation::Rpo { at_most: table.span("at-most")?.value }),
    },
    plain!(
        "same-trace",
        false,
        Expectation::SameTrace,
        "a second run with the same seed gives the same trace",
        "同じシードの二度目の実行が同じ軌跡になる"
    ),
];

fn patient(table: &mut Fields<'_>, names: &Names) -> Result<Option<PatientAlias>, Mistake> {
    table.optional_text("patient")?.map(|text| names.patient(&text)).transpose()
}

fn parts(table: &mut Fields<'_>) -> Result<BTreeSet<Part>, Mistake> {
    let parts = table.optional_parts("parts")?;
    parts.ok_or_else(|| table.missing("parts", "needs 'parts', such as [\"card\"]"))
}

fn whole(table: &mut Fields<'_>, key: &'static str) -> Result<u64, Mistake> {
    let number = table.optional_number(key)?;
    Ok(number.ok_or_else(|| table.missing(key, &format!("needs '{key}', a whole number")))?.value)
}
