//! The keys of those parts of the language that say who takes part and who reaches whom.

use super::key::{Key, Shape, may, need};

const AUTHOR: &[Key] = &[
    need("name", Shape::Text, "the person's name", "氏名"),
    need("role", Shape::Text, "such as doctor, nurse, pharmacist", "doctor、nurse、pharmacist など"),
];
/// The kinds of sites.
pub const KINDS: &[&str] = &["hospital", "clinic", "pharmacy", "care-home", "shelter", "ambulance", "cloud"];
/// The roles of devices.
pub const ROLES: &[&str] = &["hospital", "tablet", "gateway"];
/// Where simulated replicas keep their records.
pub const STORES: &[&str] = &["disk", "memory"];
/// The parts of lanes.
pub const PARTS: &[&str] = &["control", "card", "notes", "data", "audit"];
/// The shapes of meshes.
pub const MESH_SHAPES: &[&str] = &["hub", "ring", "full", "each-to-one", "all"];
/// The most replicas of one fleet.
pub const FLEET_MAX: u64 = 2_000;

const STORE: Key = may(
    "store",
    Shape::OneOf(STORES),
    "where a simulation keeps its records: 'disk' (default) or 'memory', faster and without faults of disks",
    "シミュレーションでの記録先：'disk'（既定）か、速いがディスク障害のない 'memory'",
);
const OWN_PARTS: Key = may(
    "parts",
    Shape::SomeOf(PARTS),
    "the parts of its areas that it holds; control always; default: all",
    "エリアのうち持つ種別。control は常に持つ。既定はすべて",
);
const SUBSCRIPTION: &[Key] = &[
    need("areas", Shape::Texts, "the areas", "エリア"),
    need(
        "parts",
        Shape::SomeOf(PARTS),
        "what it holds of them, beside control",
        "そのうち持つ種別（control は常に）",
    ),
];
const ALSO: Key = may(
    "subscription",
    Shape::Tables(SUBSCRIPTION),
    "further areas of which it holds some parts only, such as every card of the region",
    "一部の種別だけを持つほかのエリア。圏域のすべてのカードなど",
);
const BUCKET: Key = may(
    "bucket-every",
    Shape::Span,
    "it also syncs through the backup's bucket so often, as one must whom no UDP reaches; with real processes every two \
     seconds",
    "この間隔でバックアップのバケットを通しても同期する。UDP の届かない所のため。実プロセスでは二秒ごと",
);
const BATTERY: Key = may(
    "battery-h",
    Shape::Number(0.0, 8_760.0),
    "hours that it runs on after its mains fail; none at all: for ever",
    "停電後に動き続ける時間。どちらもなければずっと動く",
);
const GENERATOR: Key = may(
    "generator-h",
    Shape::Number(0.0, 8_760.0),
    "hours that a generator carries it, added to the battery's",
    "自家発電で動く時間。電池の時間に加わる",
);

/// The keys of `[[replica]]`.
pub const REPLICA: &[Key] = &[
    need("name", Shape::Text, "its name in events: a-z, 0-9 and '-'", "出来事で使う名前：a-z、0-9、'-'"),
    need("site", Shape::Text, "its site, as people call it", "施設の呼び名"),
    need("kind", Shape::OneOf(KINDS), "what the site is", "施設の種類"),
    need("role", Shape::OneOf(ROLES), "what the device does", "機器の役割"),
    need(
        "areas",
        Shape::Texts,
        "the areas that it holds, such as \"shared/miura\"",
        "持つエリア（\"shared/miura\" など）",
    ),
    need("author", Shape::Table(AUTHOR), "who writes there", "そこで書く人"),
    OWN_PARTS,
    ALSO,
    BUCKET,
    STORE,
    BATTERY,
    GENERATOR,
];
const MIX: &[Key] = &[
    may("hospital", Shape::Number(0.0, 1e6), "the weight of hospitals", "病院の重み"),
    may("clinic", Shape::Number(0.0, 1e6), "the weight of clinics", "診療所の重み"),
    may("pharmacy", Shape::Number(0.0, 1e6), "the weight of pharmacies", "薬局の重み"),
    may("care-home", Shape::Number(0.0, 1e6), "the weight of care homes", "介護施設の重み"),
    may("shelter", Shape::Number(0.0, 1e6), "the weight of shelters", "避難所の重み"),
    may("ambulance", Shape::Number(0.0, 1e6), "the weight of ambulances", "救急車の重み"),
    may("cloud", Shape::Number(0.0, 1e6), "the weight of data centres", "データセンターの重み"),
];
/// The keys of `[[fleet]]`.
pub const FLEET: &[Key] = &[
    need(
        "name",
        Shape::Text,
        "its name; its replicas are called NAME-001 and so on",
        "名前。レプリカは NAME-001 のように呼ばれる",
    ),
    need("count", Shape::Whole(1, FLEET_MAX), "how many replicas", "レプリカの数"),
    may(
        "site",
        Shape::Text,
        "what its sites are called, before their numbers; default: the name",
        "番号の前に付く施設の呼び名。既定は名前",
    ),
    need("mix", Shape::Table(MIX), "how many of each kind of site, as weights", "施設の種類の重み"),
    may("role", Shape::OneOf(ROLES), "what its devices do; default: hospital", "機器の役割。既定は hospital"),
    need(
        "areas",
        Shape::Texts,
        "the areas that are dealt to its replicas, one after another",
        "順に配るエリア",
    ),
    may(
        "areas-each",
        Shape::CountOrAll,
        "how many areas each gets (default 1), or \"all\"",
        "一つあたりのエリア数（既定は 1）か \"all\"",
    ),
    may("author", Shape::Table(AUTHOR), "who writes there", "そこで書く人"),
    OWN_PARTS,
    ALSO,
    BUCKET,
    STORE,
    may(
        "disk-sample",
        Shape::Whole(0, FLEET_MAX),
        "how many of a fleet in memory have a disk all the same",
        "'memory' の群のうちディスクを持つ数",
    ),
    BATTERY,
    GENERATOR,
];
const MEETS: Key = may(
    "meets-every",
    Shape::Span,
    "the two meet only so often, sync, and part; without it they are always linked",
    "この間隔で会い、同期して別れる。なければ常につながる",
);
const QUOTA: Key = may(
    "quota-mb-per-day",
    Shape::Number(0.001, 1e9),
    "megabytes (of 1,000,000 bytes, both ways) that it may carry in a day; the first end dials, counts them and spends them on \
     cards first",
    "一日に運べる量（百万バイト単位、双方向の合計）。前に書いた側が発信して数え、カードから先に使う",
);
const PROFILE: Key = may(
    "profile",
    Shape::Profile,
    "one of the profiles below (default lan), or a table such as { delay_ms = 300, loss_up = 0.1 }",
    "下の回線の種類のいずれか（既定は lan）、または { delay_ms = 300, loss_up = 0.1 } のような表",
);
const SURVIVES: Key = may(
    "survives",
    Shape::Flag,
    "only an event that names it in 'between' cuts or spoils it, such as a satellite dish on a roof (default false)",
    "'between' で名指しする出来事だけがこれを断ち、傷める。屋上の衛星アンテナなど（既定は false）",
);
/// The keys of `[[link]]`.
pub const LINK: &[Key] =
    &[need("between", Shape::Pair, "the two replicas", "二つのレプリカ"), PROFILE, SURVIVES, MEETS, QUOTA];
/// The keys of `[[mesh]]`.
pub const MESH: &[Key] = &[
    may(
        "of",
        Shape::Place,
        "the replicas, for the shapes hub, ring and full",
        "hub、ring、full でつなぐレプリカ",
    ),
    may(
        "between",
        Shape::Pair,
        "two fleets, areas or replicas, for the shapes each-to-one and all",
        "each-to-one、all でつなぐ二つの群、エリア、レプリカ",
    ),
    need(
        "shape",
        Shape::OneOf(MESH_SHAPES),
        "hub, ring, full, each-to-one or all",
        "hub、ring、full、each-to-one、all のいずれか",
    ),
    may(
        "by-area",
        Shape::Flag,
        "link only replicas that share an area; each area by itself (default true)",
        "同じエリアを持つものだけを、エリアごとにつなぐ（既定は true）",
    ),
    PROFILE,
    SURVIVES,
    MEETS,
    QUOTA,
];
