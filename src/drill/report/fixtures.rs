//! Believable courses for the tests of the report: a small region, a calm one, and a whole prefecture.

use std::time::Duration;

use crate::drill::course::*;
use crate::drill::judge::Judged;
use crate::drill::scenario::Told;

/// 2026-11-22 16:32 in Japan.
const BEGINS_MS: u64 = 1_795_332_720_000;

pub fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

pub fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

pub fn told(ja: &str, en: &str) -> Told {
    Told { ja: ja.into(), en: en.into() }
}

/// Numbers that look random and are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }
}

fn member(name: &str, site: &str, kind: &'static str, role: &'static str) -> Member {
    Member {
        name: name.into(),
        site: site.into(),
        kind,
        role,
        fleet: None,
        areas: vec!["shared/miura".into()],
        disk: DiskKind::Simulated,
        entries: 4_180,
        records: 312,
    }
}

const ALL: Able = Able { read: true, write: true, linked: true };
const ALONE: Able = Able { read: true, write: true, linked: false };
const READ_ONLY: Able = Able { read: true, write: false, linked: true };
const NOTHING: Able = Able { read: false, write: false, linked: false };

fn from(at: Duration, member: usize, able: Able) -> AbleFrom {
    AbleFrom { at, member, able }
}

fn happening(at: Duration, event: &'static str, ja: &str, en: &str, members: &[usize]) -> Happening {
    Happening { at, event, told: told(ja, en), members: members.to_vec(), failed: None }
}

fn dispute(section: &str, kind: &str, harm: &str, arose: Duration, seen: Option<Duration>) -> Dispute {
    Dispute {
        section: section.into(),
        kind: kind.into(),
        harm: harm.into(),
        person: 7,
        called: "岡田 昭".into(),
        written_at: vec![2, 1],
        arose,
        seen,
        seen_by: seen.map(|_| 0),
        decided: None,
        late_by_split: false,
    }
}

/// A day in which nothing went wrong: no cut, no stale decision, nothing lost.
pub fn calm() -> Course {
    let lasted = hours(24);
    let link = |ends| LinkCourse {
        ends,
        profile: "lan".into(),
        bytes_by_hour: (0..24).map(|hour| 40_000 + hour * 3_000).collect(),
        quota_bytes_per_day: None,
        metered_from: Duration::ZERO,
        outages: vec![],
    };
    let decision = |n: u64| Decision {
        at: minutes(n * 7),
        member: (n % 3) as usize,
        person: n % 40,
        act: [Act::Note, Act::Medication, Act::Register, Act::Allergy][(n % 4) as usize],
        read: true,
        written: true,
        unknown: 0,
        stale: Duration::ZERO,
    };
    Course {
        mode: Mode::Sim,
        begins_ms: BEGINS_MS,
        lasted,
        members: vec![
            member("north", "North Hospital 北病院", "hospital", "hospital"),
            member("south", "South Hospital 南病院", "hospital", "hospital"),
            member("tablet", "Misaki Shelter 三崎避難所", "shelter", "tablet"),
        ],
        happenings: vec![happening(hours(1), "", "平穏な一日。", "A calm day.", &[])],
        able: (0..3).map(|one| from(Duration::ZERO, one, ALL)).collect(),
        decisions: (1..200).map(decision).collect(),
        disputes: vec![],
        links: vec![link([0, 1]), link([0, 2]), link([1, 2])],
        reunions: vec![],
        restores: vec![],
        faults: Faults::default(),
        acknowledged: 812,
        held_by_least: Some(3),
        lost: vec![],
        sync_bytes: 5_400_000,
        backup_bytes: 1_200_000,
        traffic: Default::default(),
        remarks: vec![],
    }
}

/// Three sites, 24 hours: a quake cuts all lines, power fails at North, South's disk dies and is restored.
pub fn small() -> Course {
    let mut course = calm();
    course.happenings = vec![
        happening(
            Duration::ZERO,
            "import",
            "北病院が日常の記録を取り込む。",
            "North imports its everyday records.",
            &[0],
        ),
        happening(minutes(50), "backup", "バックアップを保存。", "The backup is written.", &[0]),
        happening(
            hours(1),
            "cut",
            "地震。すべての回線とバックアップ先が断たれる。",
            "The quake. Every line is cut, the backup too.",
            &[0, 1, 2],
        ),
        happening(
            minutes(70),
            "power-failure",
            "北病院で停電。書き込みの最中だった。",
            "North loses power in mid-write.",
            &[0],
        ),
        happening(
            minutes(75),
            "medication",
            "南病院が青木さんのワルファリンを中止する。",
            "South stops warfarin of Aoki.",
            &[1],
        ),
        happening(
            minutes(95),
            "start",
            "北病院、自家発電で再開。",
            "North starts again on its generator.",
            &[0],
        ),
        happening(
            hours(4),
            "disk-full",
            "避難所のタブレットの空き容量がなくなる。",
            "The tablet's disk is full.",
            &[2],
        ),
        happening(
            hours(6),
            "disk-full",
            "写真を消して空きを作る。",
            "Photos are deleted; there is room again.",
            &[2],
        ),
        happening(
            hours(10),
            "meet",
            "道が開き、救護班が北病院へ戻る。",
            "The road opens: the relief team returns to North.",
            &[0, 2],
        ),
        happening(
            minutes(620),
            "heal",
            "北病院と南病院の回線が復旧。",
            "The line between North and South is back.",
            &[0, 1],
        ),
        happening(hours(16), "destroy-disk", "南病院のディスクが壊れる。", "South's disk dies.", &[1]),
        happening(
            hours(17),
            "restore",
            "南病院をバックアップから復元する。",
            "South is restored from the backup.",
            &[1],
        ),
    ];
    course.able.extend([
        from(hours(1), 0, ALONE),
        from(hours(1), 1, ALONE),
        from(hours(1), 2, ALONE),
        from(minutes(70), 0, NOTHING),
        from(minutes(95), 0, ALONE),
        from(hours(4), 2, Able { write: false, ..ALONE }),
        from(hours(6), 2, ALONE),
        from(hours(10), 0, ALL),
        from(hours(10), 2, ALL),
        from(minutes(620), 1, ALL),
        from(hours(16), 1, NOTHING),
        from(minutes(1_024), 1, ALL),
    ]);
    for decision in &mut course.decisions {
        let (at, south) = (decision.at, decision.member == 1);
        if at > hours(1) && at < minutes(620) && decision.person % 3 != 0 {
            decision.unknown = (decision.person % 4) as u32 + 1;
            decision.stale = (at - hours(1)).mul_f64(0.4 + 0.03 * (decision.person % 20) as f64);
        }
        if (decision.member == 0 && at > minutes(70) && at < minutes(95))
            || (south && at > hours(16) && at < minutes(1_024))
        {
            (decision.read, decision.written, decision.unknown, decision.stale) =
                (false, false, 0, Duration::ZERO);
        }
        if decision.member == 2 && at > hours(4) && at < hours(6) {
            decision.written = false;
        }
    }
    let late = |dispute: Dispute| Dispute { late_by_split: true, ..dispute };
    course.disputes = vec![
        late(dispute("medication", "dose-vs-stop", "contraindicated", minutes(130), Some(minutes(630)))),
        late(dispute("alerts", "drug-allergy", "contraindicated", minutes(300), Some(minutes(610)))),
        late(dispute("medication", "dose-vs-dose", "caution", minutes(240), Some(minutes(612)))),
        late(dispute("allergies", "active-vs-refuted", "caution", minutes(500), Some(minutes(625)))),
        dispute("demographics", "address", "none", minutes(700), Some(minutes(700))),
        dispute("demographics", "phone", "none", minutes(720), Some(minutes(721))),
    ];
    course.disputes[0].decided = Some(minutes(700));
    course.disputes[2].decided = Some(minutes(720));
    course.disputes[4].decided = Some(minutes(760));
    let quake = hours(1);
    course.links[0].outages = vec![(quake, minutes(620))];
    course.links[1].outages = vec![(quake, hours(10))];
    course.links[2].outages = vec![(quake, minutes(700))];
    course.links[1].profile = "satellite".into();
    course.links[1].quota_bytes_per_day = Some(3_000_000);
    for link in &mut course.links {
        for hour in 1..10 {
            link.bytes_by_hour[hour] = 0;
        }
        link.bytes_by_hour[10] = 2_900_000;
        link.bytes_by_hour[11] = 400_000;
    }
    course.reunions = vec![
        Reunion::broken_off(hours(10), minutes(615)),
        Reunion::converged(minutes(620), minutes(620) + Duration::from_secs(41)),
        Reunion::converged(minutes(700), minutes(700) + Duration::from_millis(2_300)),
    ];
    course.restores = vec![RestoreCourse {
        member: 1,
        lost: hours(16),
        back: Some(minutes(1_024)),
        point: Some(minutes(935)),
        behind: Some(12),
        lost_entries: Some(0),
    }];
    course.faults = Faults {
        messages_dropped: 1_204,
        bytes_lost: 88_000,
        connections_broken: 9,
        crashes: 1,
        power_cuts: 2,
        sectors_lost: 14,
        writes_torn: 1,
        full_refusals: 31,
        disks_lost: 1,
        lies_told: 6,
        lies_refused: 6,
        ..Faults::default()
    };
    course.remarks = vec![told(
        "署名の検証は模擬時間に数えていない。",
        "The time that signatures take is not counted in virtual time.",
    )];
    course
}

/// A prefecture: 269 sites in 8 areas and 2,000 tablets over 72 hours, with 50,000 decisions.
pub fn large() -> Course {
    const AREAS: [&str; 8] =
        ["miura", "yokosuka", "zushi", "kamakura", "fujisawa", "hiratsuka", "odawara", "atsugi"];
    let mut dice = Dice(42);
    let mut course = calm();
    course.lasted = hours(72);
    course.members = vec![
        member("prefecture", "県庁災害対策本部", "hospital", "gateway"),
        member("core-1", "横浜中央災害拠点病院", "hospital", "hospital"),
        member("core-2", "三浦半島災害拠点病院", "hospital", "hospital"),
        member("dmat", "DMAT 調整本部", "shelter", "tablet"),
    ];
    let named = course.members.len();
    for (fleet, count, kind, role) in
        [("site", 269, "clinic", "hospital"), ("tablet", 2_000, "shelter", "tablet")]
    {
        for n in 0..count {
            let mut one = member(&format!("{fleet}-{:04}", n + 1), "", kind, role);
            one.site = format!("{} {}", if kind == "clinic" { "診療所" } else { "避難所端末" }, n + 1);
            one.fleet = Some(fleet.into());
            one.areas = vec![format!("shared/{}", AREAS[n % AREAS.len()])];
            one.disk = if n < 3 { DiskKind::Simulated } else { DiskKind::Memory };
            course.members.push(one);
        }
    }
    let count = course.members.len();
    course.able = (0..count).map(|one| from(Duration::ZERO, one, ALL)).collect();
    for one in 0..count {
        if one >= named && dice.roll(10) < 3 {
            continue;
        }
        let cut = minutes(60 + dice.roll(240));
        let heal = cut + minutes(300 + dice.roll(2_400));
        course.able.push(from(cut, one, ALONE));
        if dice.roll(6) == 0 {
            let off = cut + minutes(60 + dice.roll(200));
            course.able.push(from(off, one, NOTHING));
            course.able.push(from(off + minutes(dice.roll(900)), one, ALONE));
        }
        course.able.push(from(heal, one, ALL));
        if dice.roll(9) == 0 {
            course.able.push(from(heal + minutes(60), one, READ_ONLY));
            course.able.push(from(heal + minutes(200), one, ALL));
        }
    }
    course.able.sort_by_key(|change| change.at);
    course.decisions = (0..50_000)
        .map(|n| {
            let at = Duration::from_millis(n * 5_184);
            let old = at > hours(2) && dice.roll(5) < 2 && at < hours(50);
            let read = dice.roll(200) > 0;
            let stale = if old && read {
                (at - hours(1)).mul_f64(dice.roll(1_000) as f64 / 1_000.0)
            } else {
                Duration::ZERO
            };
            Decision {
                at,
                member: dice.roll(count as u64) as usize,
                person: dice.roll(3_000),
                act: [Act::Note, Act::Medication, Act::Register, Act::Allergy][dice.roll(4) as usize],
                read,
                written: read && dice.roll(300) > 0,
                unknown: if stale.is_zero() { 0 } else { 1 + dice.roll(9) as u32 },
                stale,
            }
        })
        .collect();
    course.disputes = (0..620)
        .map(|n| {
            let (section, kind) = [
                ("medication", "dose-vs-stop"),
                ("alerts", "drug-allergy"),
                ("allergies", "active-vs-refuted"),
                ("demographics", "address"),
                ("problems", "status"),
            ][dice.roll(5) as usize];
            let harm = ["contraindicated", "caution", "caution", "none", "none"][dice.roll(5) as usize];
            let arose = minutes(60 + n * 4);
            let split = dice.roll(3) > 0;
            let seen =
                arose + if split { minutes(dice.roll(1_500)) } else { Duration::from_secs(dice.roll(90)) };
            let mut one = dispute(section, kind, harm, arose, (dice.roll(40) > 0).then_some(seen));
            one.decided = (one.seen.is_some() && dice.roll(3) > 0).then(|| seen + minutes(dice.roll(400)));
            one.late_by_split = split;
            one
        })
        .collect();
    course.links = (named..count)
        .map(|one| {
            let mut link = LinkCourse {
                ends: [one, one % named],
                profile: ["lan", "lte", "satellite"][dice.roll(3) as usize].into(),
                bytes_by_hour: (0..72).map(|_| dice.roll(400_000)).collect(),
                quota_bytes_per_day: None,
                metered_from: Duration::ZERO,
                outages: vec![(minutes(60 + dice.roll(200)), minutes(900 + dice.roll(2_000)))],
            };
            link.quota_bytes_per_day = (link.profile == "satellite").then_some(5_500_000);
            link
        })
        .collect();
    course.reunions = (0..34)
        .map(|n| {
            let healed = minutes(600 + n * 80);
            match n % 11 {
                0 => Reunion::broken_off(healed, healed + Duration::from_secs(60)),
                _ => Reunion::converged(healed, healed + Duration::from_secs(20 + dice.roll(2_600))),
            }
        })
        .collect();
    course.restores = (0..26)
        .map(|n| {
            let lost = minutes(300 + n * 90);
            RestoreCourse {
                member: named + (n as usize) * 7,
                lost,
                back: Some(lost + minutes(20 + dice.roll(300))),
                point: Some(lost - minutes(dice.roll(240))),
                behind: Some(dice.roll(60)),
                lost_entries: Some(u64::from(n == 9) * 3),
            }
        })
        .collect();
    course.happenings = (0..140)
        .map(|n| {
            let at = minutes(55 + n * 29 + (n % 7) * 3);
            let members: Vec<usize> = (0..dice.roll(40) as usize).map(|one| named + one).collect();
            let (event, ja, en) = [
                (
                    "cut",
                    "基地局が停止し、地域の回線が断たれる。",
                    "A base station stops; the area's lines are cut.",
                ),
                (
                    "heal",
                    "移動基地局が到着し、回線が戻る。",
                    "A mobile base station arrives; the lines are back.",
                ),
                ("power-failure", "地域の停電が始まる。", "Power fails in the area."),
                ("meet", "巡回班が避難所を回る。", "The round reaches the shelters."),
            ][(n % 4) as usize];
            happening(at, event, ja, en, &members)
        })
        .collect();
    course.happenings[20].failed = Some("the bucket could not be reached".into());
    course.faults = Faults {
        messages_dropped: 481_233,
        bytes_lost: 733_000_000,
        connections_broken: 9_120,
        messages_delayed: 2_033_411,
        crashes: 310,
        power_cuts: 402,
        sectors_lost: 22_918,
        writes_torn: 77,
        sectors_rotten: 40,
        rot_found: 31,
        full_refusals: 1_902,
        clocks_changed: 120,
        bucket_refusals: 88,
        lies_told: 640,
        lies_refused: 640,
        disks_lost: 26,
        freezes: 54,
    };
    course.acknowledged = 148_220;
    course.held_by_least = Some(1);
    course.lost = (0..40)
        .map(|n| LostWrite {
            at: minutes(700 + n),
            member: named + 63,
            what: "note".into(),
            missing_at: (0..300).map(|one| named + one).collect(),
        })
        .collect();
    course.sync_bytes = 31_000_000_000;
    course.backup_bytes = 880_000_000;
    course
}

/// What a central system would have given in the same day as [`small`].
pub fn central() -> Course {
    let mut course = small();
    course.mode = Mode::Central;
    for change in &mut course.able {
        if !change.able.linked {
            change.able = NOTHING;
        }
    }
    for decision in &mut course.decisions {
        if decision.at > hours(1) && decision.at < minutes(620) {
            (decision.read, decision.written, decision.unknown, decision.stale) =
                (false, false, 0, Duration::ZERO);
        }
    }
    course.reunions.clear();
    course
}

/// Expectations, one of which does not hold.
pub fn judged() -> Vec<Judged> {
    let one = |name: &str, ok, detail: &str| Judged { name: name.into(), ok, detail: Told::same(detail) };
    vec![
        one("step", false, "step 7 (backup): the bucket could not be reached"),
        one("heads-equal-after-heal", true, "north 01010101, south 01010101, tablet 01010101"),
        one("no-acknowledged-write-lost", true, "1848 resources imported, 812 written, 3 texts typed"),
        one("records-equal", true, "2660 resources and the views of 312 records, equal everywhere"),
    ]
}
