//! The keys of the language: one table, from which files are read, the JSON Schema is written and the tables of the
//! coordinator's guide are made.

pub use super::key_region::{
    FLEET, FLEET_MAX, KINDS, LINK, MESH, MESH_SHAPES, PARTS, REPLICA, ROLES, STORES,
};

/// One text in two languages, known when Musubi is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// In English.
    pub en: &'static str,
    /// In Japanese.
    pub ja: &'static str,
}

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Whether it must be there.
    pub needed: bool,
    /// What it is for.
    pub does: Words,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A text.
    Text,
    /// A text, or a table with `en` and `ja`.
    Told,
    /// A list of texts.
    Texts,
    /// A list of two texts.
    Pair,
    /// A text, or a list of texts: names of replicas, fleets or areas.
    Place,
    /// A whole number within these bounds, both included.
    Whole(u64, u64),
    /// A number within these bounds, both included.
    Number(f64, f64),
    /// Whether or not.
    Flag,
    /// A span of time, such as `"2d 4h30m"`.
    Span,
    /// A span of time that may begin with `-`.
    SignedSpan,
    /// A date and a time of day, `"2026-11-22T16:32"`.
    DateTime,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of some of these texts.
    SomeOf(&'static [&'static str]),
    /// A number, or the text `all`.
    CountOrAll,
    /// The profile of a link: a name, or a table.
    Profile,
    /// A table with these keys.
    Table(&'static [Key]),
    /// A list of tables with these keys.
    Tables(&'static [Key]),
    /// A table from names that the file chooses to tables with these keys.
    Named(&'static [Key]),
    /// A list of tables, each an event.
    Events,
    /// A list of tables, each an expectation.
    Expectations,
}

/// Describes a key that must be there.
pub const fn need(name: &'static str, shape: Shape, en: &'static str, ja: &'static str) -> Key {
    Key { name, shape, needed: true, does: Words { en, ja } }
}

/// Describes a key that may be there.
pub const fn may(name: &'static str, shape: Shape, en: &'static str, ja: &'static str) -> Key {
    Key { name, shape, needed: false, does: Words { en, ja } }
}

/// The longest span of time that a scenario may name, in seconds: a year.
pub const SPAN_S_MAX: u64 = 366 * 24 * 3_600;

/// The replica at which an event happens.
pub const AT_ONE: Key = need("at", Shape::Text, "the replica", "対象のレプリカ");
/// The replicas that an event concerns.
pub const AT: Key = need(
    "at",
    Shape::Place,
    "a replica, a fleet, an area, or a list of those",
    "レプリカ、群、エリア、またはその一覧",
);
/// The share of replicas or links that are meant.
pub const SHARE: Key = may(
    "share",
    Shape::Number(0.0, 1.0),
    "a random part of them, from 0 to 1; chosen from the seed",
    "そのうちの無作為な割合（0〜1）。シードから選ばれる",
);
/// How long an event lasts.
pub const FOR: Key = may(
    "for",
    Shape::Span,
    "how long it lasts; without it, until 'return-to-normal'",
    "続く時間。なければ 'return-to-normal' まで",
);
/// Until when an event lasts.
pub const UNTIL: Key = may(
    "until",
    Shape::Span,
    "when it ends, counted from time zero, instead of 'for'; the event needs 'time'",
    "終わる時刻（開始から数える）。'for' の代わり。'time' が要る",
);
/// The patient whom an event concerns.
pub const PATIENT: Key = need("patient", Shape::Text, "the patient's alias", "患者の別名");
/// Two replicas that a link joins.
pub const BETWEEN: Key = may("between", Shape::Pair, "the two ends of one link", "一本の回線の両端");
/// Replicas of which all links are meant.
pub const LINKS_AT: Key = may(
    "at",
    Shape::Place,
    "every link of these replicas (a replica, a fleet, an area, or a list)",
    "これらのレプリカのすべての回線（レプリカ、群、エリア、またはその一覧）",
);

/// The keys that every event has.
pub const EVENT: &[Key] = &[
    need("do", Shape::Text, "what happens: the name of an event", "何が起きるか：出来事の名前"),
    may(
        "time",
        Shape::Span,
        "when, counted from time zero; without it, right after the event above",
        "いつ（開始から数える）。なければ直前の出来事のすぐ後",
    ),
    may(
        "after-ms",
        Shape::Whole(0, 3_600_000),
        "a pause before it, in milliseconds",
        "その前の待ち時間（ミリ秒）",
    ),
    may("tell", Shape::Told, "a sentence for the people who watch", "見ている人に伝える一文"),
];
/// The keys that every expectation has.
pub const EXPECT: &[Key] = &[need("name", Shape::Text, "what must hold", "成り立つべきこと")];

const TOLD: &[Key] =
    &[need("en", Shape::Text, "in English", "英語"), may("ja", Shape::Text, "in Japanese", "日本語")];
/// The ways to run a scenario.
pub const MODES: &[&str] = &["live", "sim"];
/// The most people of one `[[people]]`.
pub const PEOPLE_MAX: u64 = 1_000_000;
const BACKUP: &[Key] = &[
    need("gateway", Shape::Text, "the replica that writes the backup", "バックアップを書くレプリカ"),
    may("every", Shape::Span, "how often it does so by itself (--sim)", "自動で書く間隔（--sim）"),
];
const CLOUD: &[Key] = &[need(
    "at",
    Shape::Text,
    "the replica where a central system would stand",
    "中央システムが置かれるレプリカ",
)];
const CLOCK: &[Key] = &[
    may(
        "begins",
        Shape::DateTime,
        "what clocks show at time zero, in Japan; default 2026-11-22T16:32",
        "開始時の日本時間。既定は 2026-11-22T16:32",
    ),
    may("lasts", Shape::Span, "when the drill ends, counted from time zero", "訓練の長さ"),
];
const PATIENT_PLAN: &[Key] = &[need(
    "find",
    Shape::Text,
    "a name or an identifier; exactly one patient must match",
    "氏名か番号。一人だけが当たること",
)];
/// The keys of `[[people]]`.
pub const PEOPLE: &[Key] = &[
    need(
        "count",
        Shape::Whole(1, PEOPLE_MAX),
        "how many people have records before the drill",
        "訓練の前から記録のある人の数",
    ),
    need("at", Shape::Place, "the replicas that register them, one after another", "順に登録するレプリカ"),
    may("prefix", Shape::Text, "what their numbers begin with; default P", "番号の頭。既定は P"),
    may(
        "allergies",
        Shape::Number(0.0, 1.0),
        "the share with an allergy on record; default 0.2",
        "アレルギーの記録がある割合。既定は 0.2",
    ),
    may(
        "medications",
        Shape::Number(0.0, 1.0),
        "the share with a medication on record; default 0.6",
        "薬の記録がある割合。既定は 0.6",
    ),
];
const TRIAGE: &[Key] = &[
    may("red", Shape::Number(0.0, 1e6), "the weight of 'immediate'", "赤（最優先）の重み"),
    may("yellow", Shape::Number(0.0, 1e6), "the weight of 'delayed'", "黄（待機）の重み"),
    may("green", Shape::Number(0.0, 1e6), "the weight of 'minor'", "緑（軽症）の重み"),
    may("black", Shape::Number(0.0, 1e6), "the weight of 'dead or beyond help'", "黒の重み"),
];
/// The keys of `[[workload]]`.
pub const WORKLOAD: &[Key] = &[
    AT,
    may("from", Shape::Span, "when it begins; default: time zero", "始まり。既定は開始時"),
    may("until", Shape::Span, "when it ends; default: the end of the drill", "終わり。既定は訓練の終わり"),
    may(
        "arrivals-per-hour",
        Shape::Number(0.0, 10_000.0),
        "people who come in an hour, at each replica",
        "一時間に来る人の数（レプリカごと）",
    ),
    may(
        "notes-per-hour",
        Shape::Number(0.0, 10_000.0),
        "notes written in an hour, at each replica",
        "一時間に書く記録の数（レプリカごと）",
    ),
    may(
        "triage",
        Shape::Table(TRIAGE),
        "how badly they are hurt, as weights; default 1, 3, 10, 0.2",
        "重症度の重み。既定は 1、3、10、0.2",
    ),
    may(
        "unnamed",
        Shape::Number(0.0, 1.0),
        "the share who cannot say their names; default 0.05",
        "名前を言えない割合。既定は 0.05",
    ),
    may(
        "known",
        Shape::Number(0.0, 1.0),
        "the share who are people of [[people]]; default 0.5",
        "[[people]] の人である割合。既定は 0.5",
    ),
    may(
        "prescriptions",
        Shape::Number(0.0, 1.0),
        "the chance of a prescription, for each contact; default 0.3",
        "一回の診療で処方する確率。既定は 0.3",
    ),
    may(
        "allergies",
        Shape::Number(0.0, 1.0),
        "the chance that an allergy is recorded; default 0.05",
        "アレルギーを記録する確率。既定は 0.05",
    ),
    may(
        "refutations",
        Shape::Number(0.0, 1.0),
        "the chance that an allergy is refuted; default 0.01",
        "アレルギーを否定する確率。既定は 0.01",
    ),
    may(
        "handovers",
        Shape::Number(0.0, 1.0),
        "the chance that the hand-over text is edited; default 0.02",
        "申し送りを書き換える確率。既定は 0.02",
    ),
    may(
        "acts",
        Shape::OneOf(&["usual", "all"]),
        "which sections are written: notes, allergies, orders and hand-over texts, or all (then people also decide what \
         is open); default: usual",
        "書く欄。usual は記録・アレルギー・処方・申し送り、all はすべて（未解決の矛盾の決定も行う）。既定は usual",
    ),
];

/// The keys of the whole file.
pub const TOP: &[Key] = &[
    need("realm", Shape::Text, "the name of the drill's own realm", "訓練だけの領域の名前"),
    need("title", Shape::Table(TOLD), "one line", "一行の題"),
    need("story", Shape::Table(TOLD), "what happens, for the people who watch", "見ている人のためのあらすじ"),
    may(
        "modes",
        Shape::SomeOf(MODES),
        "the ways in which it may be run; default: all that can do it",
        "実行できる方法。既定は可能なものすべて",
    ),
    may("clock", Shape::Table(CLOCK), "when it begins, and how long it lasts", "始まりと長さ"),
    may("replica", Shape::Tables(REPLICA), "one replica", "一つのレプリカ"),
    may("fleet", Shape::Tables(FLEET), "many replicas at once", "多くのレプリカをまとめて"),
    may("link", Shape::Tables(LINK), "a link between two replicas", "二つのレプリカを結ぶ回線"),
    may("mesh", Shape::Tables(MESH), "many links at once", "多くの回線をまとめて"),
    may("backup", Shape::Table(BACKUP), "who writes the backup", "バックアップを書くもの"),
    may(
        "cloud",
        Shape::Table(CLOUD),
        "where a central system would stand, for comparison",
        "比較のための中央システムの場所",
    ),
    may("patients", Shape::Named(PATIENT_PLAN), "patients whom events name", "出来事に名前が出る患者"),
    may(
        "people",
        Shape::Tables(PEOPLE),
        "people with records before the drill (--sim)",
        "訓練の前から記録のある人（--sim）",
    ),
    may(
        "workload",
        Shape::Tables(WORKLOAD),
        "who comes for help, and what is written (--sim)",
        "助けを求めて来る人と書かれる記録（--sim）",
    ),
    need("event", Shape::Events, "what happens, in order", "起きること（順に）"),
    need("expect", Shape::Expectations, "what must hold at the end", "最後に成り立つべきこと"),
];
