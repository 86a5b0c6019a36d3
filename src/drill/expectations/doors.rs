//! Expectations about whoever returns with many others: how soon they have what they need, and what that puts on those whom
//! they meet.

use std::time::Duration;

use super::super::course::{AbleFrom, Course};
use super::super::invariants::Finding;
use super::super::scenario::Told;
use super::super::units::{length, number};
use super::{holds, nth};

/// How much of a span a replica had a link that could be used.
fn linked(able: &[&AbleFrom], from: Duration, to: Duration) -> Duration {
    let mut time = Duration::ZERO;
    for (place, change) in able.iter().enumerate() {
        let until = able.get(place + 1).map_or(Duration::MAX, |next| next.at);
        if change.able.linked {
            time += until.min(to).saturating_sub(change.at.max(from));
        }
    }
    time
}

/// Of some replicas, a share had the cards of their own areas in time after their last return. Counted is the time in which
/// a link of theirs could be used, with all waiting for a place at the other end.
pub(super) fn cards_after_return(course: &Course, at: &[usize], within: Duration, share: f64) -> Finding {
    let mut able: Vec<Vec<&AbleFrom>> = vec![Vec::new(); course.members.len()];
    course.able.iter().for_each(|change| able[change.member].push(change));
    let mut spans = Vec::new();
    let mut lacked = 0;
    for member in at {
        let Some(last) = course.traffic.returns.iter().rev().find(|one| one.member == *member) else {
            continue;
        };
        lacked += last.lacked;
        spans.push(match last.had {
            Some(had) => linked(&able[*member], last.at, had),
            None => Duration::MAX,
        });
    }
    if spans.is_empty() || lacked == 0 {
        return Err(Told::of(
            "nobody returned who lacked a card",
            "カードの足りない複製は一つも戻らなかった",
        ));
    }
    spans.sort_unstable();
    let found = spans.partition_point(|span| *span <= within) as f64 / spans.len() as f64;
    let told_of = |part: f64| match nth(&spans, part) {
        Duration::MAX => Told::of("never", "届かず"),
        span => length(span),
    };
    let (half, most, limit) = (told_of(0.5), told_of(share), length(within));
    let (count, lacked, percent, least) =
        (number(spans.len() as u64), number(lacked), found * 100.0, share * 100.0);
    let told = Told::of(
        format!(
            "{percent:.2} % of {count} had the cards of their areas within {} of link time (at least {least:.2} %): half of \
             them in {}, {least:.2} % in {}; they lacked {lacked} cards",
            limit.en, half.en, most.en
        ),
        format!(
            "戻った {count} 台の {percent:.2} % が、回線の使えた時間 {}以内に自区域のカードを得た（下限 {least:.2} %）。半数は {}、{least:.2} % は {}。足りなかったカードは {lacked} 件",
            limit.ja, half.ja, most.ja
        ),
    );
    holds(found >= share, told)
}

/// No replica of some held more in memory at any time.
pub(super) fn memory_kept(course: &Course, at: &[usize], at_most_bytes: u64) -> Finding {
    let loads = at.iter().filter_map(|member| Some((*member, course.traffic.loads.get(*member)?)));
    let Some((member, most)) = loads.max_by_key(|(_, load)| load.bytes) else {
        return Err(Told::of("nobody counted what replicas hold", "保持量は数えられなかった"));
    };
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let name = &course.members[member].name;
    let (all, store, sessions) = (mb(most.bytes), mb(most.store_bytes), mb(most.session_bytes));
    let (count, limit) = (most.sessions, mb(at_most_bytes));
    let told = Told::of(
        format!(
            "most at {name}: {all:.1} MB (at most {limit:.1} MB): {store:.1} MB of records at the end, {sessions:.1} MB of \
             {count} sessions at the worst time"
        ),
        format!(
            "最大は {name}：{all:.1} MB（上限 {limit:.1} MB）。終了時の記録 {store:.1} MB、最も多い時のセッション {count} 本 {sessions:.1} MB"
        ),
    );
    holds(most.bytes <= at_most_bytes, told)
}

/// Some replicas turned so many dials away: the storm was one.
pub(super) fn turned_away(course: &Course, at: &[usize], at_least: u64) -> Finding {
    let count: u64 =
        at.iter().filter_map(|member| course.traffic.loads.get(*member)).map(|load| load.turned_away).sum();
    let told = Told::of(
        format!("{} dials were turned away (at least {at_least} wanted)", number(count)),
        format!("断られた接続 {} 件（下限 {at_least} 件）", number(count)),
    );
    holds(count >= at_least, told)
}
