//! The words of the report, explained for people who are not engineers.

use super::markup::{section, w};
use crate::drill::report::wording::told;

/// The words: Japanese, English, and what each means in both.
const WORDS: &[(&str, &str, &str, &str)] = &[
    (
        "拠点",
        "replica",
        "記録の写しを持つ端末またはサーバー一台。つながらなくても自分の写しで働く。",
        "One device with its own copy of the records. It works with that copy when nothing else can be reached.",
    ),
    (
        "閲覧・記入できた時間",
        "availability",
        "その拠点で記録を開けた、または確実に保存できた時間の割合。",
        "The share of time in which records could be opened there, or something could be saved durably.",
    ),
    (
        "開けずに行った判断",
        "decision without the record",
        "その人の記録を開けないまま行われた判断。端末が動いていない、ディスクを失って復旧前である、または記録がその端末にまだ届いていないか元々置かれていない場合。",
        "Made without being able to open the person's record: the device did not run, its disk was lost and not yet restored, or it did not hold that record (not arrived yet, or kept elsewhere).",
    ),
    (
        "孤立",
        "isolated",
        "動いているが、他のどの拠点にも届かない状態。そうなってから再び届くまでを数える。間に電源が切れた時間は含み、その前後に電源のない時間は含まない。",
        "Running, and in touch with no other replica. Counted from that moment until it is in touch again: time without power in between counts, time without power before or after does not.",
    ),
    (
        "断絶",
        "separated",
        "二つの拠点の間に、どの回線を経ても届く道がない状態。数え方は孤立と同じ。一本の回線が切れている時間は「不通」と呼び、別の道があれば断絶ではない。",
        "Two replicas have no way to each other over any lines; counted like isolation. A single line that is cut is “down”: while there is another way, nobody is separated.",
    ),
    (
        "システムが失った記入",
        "lost by the system",
        "受理された記入のうち、残っているべき拠点にないもの。唯一の写しが壊されたディスクにあったものは、どのシステムにも守れないため別に数える。",
        "Acknowledged writes that are missing where they should be. Those whose only copy was on a disk that was destroyed are counted apart: no system can keep them.",
    ),
    (
        "情報の古さ",
        "age of knowledge",
        "判断のとき、他の拠点で既に保存されていたのにその場では見えなかった記入のうち、最も古いものが書かれてからの時間。",
        "At a decision: how long ago the oldest entry was saved that already existed elsewhere and could not be seen there.",
    ),
    (
        "受理された記入",
        "acknowledged write",
        "システムが「保存しました」と答えた記入。その後に失われてはならない。",
        "Something of which the system said that it was saved. It must never be lost afterwards.",
    ),
    (
        "復旧・一致",
        "reunion, equality",
        "回線が戻ること、そして届き合う全拠点が同じ記録を持つに至ること。",
        "The return of the lines, and the moment from which all that reach each other hold the same records.",
    ),
    (
        "矛盾",
        "contradiction",
        "離れた拠点で互いを知らずに書かれ、両立しない記入。自動では混ぜられず、人が決める。",
        "Entries that cannot both be true, written apart without knowing of each other. They are never blended; a person decides.",
    ),
    (
        "害のおそれ",
        "possible harm",
        "禁忌：重い害があり得る。注意：確認が要る。害なし：診療への影響はない。",
        "Contraindicated: grave harm is possible. Caution: somebody must check. No harm: care is not affected.",
    ),
    (
        "遅れた警告",
        "late warning",
        "回線がつながっていればすぐ表示されたはずが、断絶のため後になって表示された警告・矛盾。",
        "One that would have been on the screen at once had the lines been up, and was shown only later.",
    ),
    (
        "RTO 復旧時間",
        "RTO",
        "ディスクを失ってから再び閲覧・記入できるまでの時間。",
        "From the loss of a disk until one can read and write there again.",
    ),
    (
        "RPO 復旧時点",
        "RPO",
        "喪失の時点で、使ったバックアップがどれだけ古かったか。その間の記入は他の拠点から戻るか、失われる。",
        "How old the backup was when the disk was lost. What was written since comes back from other replicas, or is lost.",
    ),
    (
        "通信量の上限",
        "quota",
        "衛星回線などで一日に送れるデータ量。",
        "How much a line, such as one by satellite, may carry in a day.",
    ),
    (
        "乱数の種・指紋",
        "seed, trace",
        "種が同じなら模擬訓練は同じ経過をたどる。指紋は出来事の経過を一つの値にしたもので、経過が同じなら等しい。",
        "The same seed gives the same simulated run. The trace is one value for the course of events: equal for equal courses.",
    ),
];

/// Writes the section.
pub(super) fn glossary() -> String {
    let word = |(ja, en, ja_means, en_means): &(&str, &str, &str, &str)| {
        format!("<dt>{}</dt><dd>{}</dd>\n", w(ja, en), w(ja_means, en_means))
    };
    let words: String = WORDS.iter().map(word).collect();
    section("glossary", &told("用語", "Words"), &format!("<dl class=\"words\">\n{words}</dl>\n"))
}
