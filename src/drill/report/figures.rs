//! The figures in which runs are compared: what each is called, its unit, and whether more of it is better.

use super::measures::Measures;
use super::wording::{bytes, number, percent, same, seconds, told};
use crate::drill::scenario::Told;

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A share of one.
    Share,
    /// A count.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// One figure of a run.
pub(super) struct Figure {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name in Japanese.
    pub ja: &'static str,
    /// Its name in English.
    pub en: &'static str,
    /// How it is written.
    pub unit: Unit,
    /// Whether the comparison draws bars of it.
    pub drawn: bool,
    /// Its value; none where the run has none.
    pub value: fn(&Measures) -> Option<f64>,
}

const fn figure(
    key: &'static str,
    (ja, en): (&'static str, &'static str),
    unit: Unit,
    drawn: bool,
    value: fn(&Measures) -> Option<f64>,
) -> Figure {
    Figure { key, ja, en, unit, drawn, value }
}

/// All of them, in the order of tables.
pub(super) const FIGURES: &[Figure] = &[
    figure(
        "read_share",
        ("閲覧できた時間", "time that records could be read"),
        Unit::Share,
        true,
        |m| Some(m.availability.all.read),
    ),
    figure("write_share", ("記入できた時間", "time that one could write"), Unit::Share, true, |m| {
        Some(m.availability.all.write)
    }),
    figure(
        "least_read_share",
        ("閲覧が最も少ない拠点", "reading, worst replica"),
        Unit::Share,
        false,
        |m| m.availability.fleets.iter().map(|fleet| fleet.least_read).reduce(f64::min),
    ),
    figure(
        "decisions_current",
        ("最新の記録に基づく判断", "decisions on current records"),
        Unit::Count,
        true,
        |m| Some((m.staleness.decisions - m.staleness.unread - m.staleness.stale) as f64),
    ),
    figure(
        "decisions_unread",
        ("記録を開けずに行われた判断", "decisions without the record"),
        Unit::Count,
        true,
        |m| Some(m.staleness.unread as f64),
    ),
    figure(
        "decisions_stale",
        ("古い情報での判断", "decisions on old records"),
        Unit::Count,
        true,
        |m| Some(m.staleness.stale as f64),
    ),
    figure(
        "stale_p95_s",
        ("情報の古さの 95 % 点", "age of knowledge, 95th percentile"),
        Unit::Seconds,
        false,
        |m| m.staleness.p95_s,
    ),
    figure("stale_max_s", ("最も古い情報", "oldest knowledge"), Unit::Seconds, false, |m| {
        m.staleness.max_s
    }),
    figure(
        "writes_refused",
        ("その場で記録できなかった判断", "decisions that could not be recorded at once"),
        Unit::Count,
        true,
        |m| Some(m.staleness.unwritten as f64),
    ),
    figure(
        "late_contraindicated",
        ("遅れた警告（禁忌）", "late warnings, contraindicated"),
        Unit::Count,
        true,
        |m| Some(late(m, "contraindicated")),
    ),
    figure(
        "late_caution",
        ("遅れた警告（注意）", "late warnings, caution"),
        Unit::Count,
        false,
        |m| Some(late(m, "caution")),
    ),
    figure("late_max_s", ("警告の最大の遅れ", "latest warning"), Unit::Seconds, false, |m| {
        m.late_harm_max_s()
    }),
    figure(
        "open_harm",
        ("未解決の矛盾・警告（害のおそれ）", "open, with possible harm"),
        Unit::Count,
        false,
        |m| Some(m.open_harm() as f64),
    ),
    figure("acknowledged", ("受理された記入", "acknowledged writes"), Unit::Count, false, |m| {
        Some(m.writing.acknowledged as f64)
    }),
    figure(
        "lost_writes",
        ("システムが失った記入", "writes that the system lost"),
        Unit::Count,
        true,
        |m| Some(m.writing.lost as f64),
    ),
    figure(
        "lost_with_disks",
        ("唯一の写しが壊れたディスクにあった記入", "writes whose only copy was on a destroyed disk"),
        Unit::Count,
        false,
        |m| m.restores.lost_entries.map(|entries| entries as f64),
    ),
    figure(
        "converge_max_s",
        ("復旧から一致まで（最長）", "reunion to equality, slowest"),
        Unit::Seconds,
        true,
        |m| m.convergence.max_s,
    ),
    figure(
        "not_converged",
        ("一致しなかった復旧", "reunions without equality"),
        Unit::Count,
        false,
        |m| Some(m.convergence.open as f64),
    ),
    figure(
        "rto_max_s",
        ("復旧時間 RTO（最長）", "recovery time (RTO), slowest"),
        Unit::Seconds,
        false,
        |m| m.restores.rto_max_s,
    ),
    figure(
        "not_restored",
        ("終了まで復旧しなかった拠点", "replicas not restored by the end"),
        Unit::Count,
        false,
        |m| Some(m.restores.not_restored as f64),
    ),
    figure("links_over_quota", ("上限を超えた回線", "links over quota"), Unit::Count, false, |m| {
        Some(m.links.over_quota as f64)
    }),
    figure("sync_bytes", ("同期の通信量", "bytes of sync"), Unit::Bytes, false, |m| {
        Some(m.writing.sync_bytes as f64)
    }),
];

fn late(measures: &Measures, harm: &str) -> f64 {
    measures.late.harms.iter().filter(|one| one.harm == harm).map(|one| one.count as f64).sum()
}

impl Figure {
    /// Returns its name in both languages.
    pub(super) fn name(&self) -> Told {
        told(self.ja, self.en)
    }

    /// Returns what bars of it are measured against: one for shares.
    pub(super) fn whole(&self) -> Option<f64> {
        (self.unit == Unit::Share).then_some(1.0)
    }

    /// Writes a value; a missing one is a dash.
    pub(super) fn write(&self, value: Option<f64>) -> Told {
        match (value, self.unit) {
            (None, _) => same("–"),
            (Some(value), Unit::Share) => same(percent(value)),
            (Some(value), Unit::Count) => same(number(value.round() as u64)),
            (Some(value), Unit::Seconds) => seconds(value),
            (Some(value), Unit::Bytes) => same(bytes(value.round() as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::fixtures::small;
    use super::*;

    #[test]
    fn every_figure_has_a_name_of_its_own_and_a_finite_value() {
        let keys: BTreeSet<&str> = FIGURES.iter().map(|figure| figure.key).collect();
        assert_eq!(keys.len(), FIGURES.len());
        let measures = Measures::of(&small());
        for figure in FIGURES {
            assert!((figure.value)(&measures).is_none_or(f64::is_finite), "{}", figure.key);
        }
    }
}
