//! A region of three sites with a central system: as good as Musubi while its lines are up, and dark without them.

use std::path::Path;
use std::time::Duration;

use super::central;
use crate::drill::course::{Course, Mode};
use crate::drill::scenario::Scenario;

const HOUR: Duration = Duration::from_secs(3_600);

/// Three sites in a row: clinic – hospital – shelter; the centre stands at the hospital.
fn scenario(link: &str, events: &str) -> Scenario {
    let site = |name: &str, kind: &str| {
        format!(
            "[[replica]]\nname = \"{name}\"\nsite = \"{name}\"\nkind = \"{kind}\"\nrole = \"hospital\"\n\
             areas = [\"shared/miura\"]\nauthor = {{ name = \"佐藤\", role = \"doctor\" }}\nstore = \"memory\"\n"
        )
    };
    let text = format!(
        "realm = \"r\"\ntitle = {{ en = \"t\" }}\nstory = {{ en = \"s\" }}\nclock = {{ lasts = \"10h\" }}\n\
         backup = {{ gateway = \"hospital\" }}\n{}{}{}\n\
         [[link]]\nbetween = [\"clinic\", \"hospital\"]\n{link}\n[[link]]\nbetween = [\"hospital\", \"shelter\"]\n\
         [[people]]\ncount = 20\nat = \"clinic\"\nprefix = \"p\"\nallergies = 0.5\nmedications = 0.5\n\
         [[workload]]\nat = [\"clinic\", \"hospital\", \"shelter\"]\nfrom = \"1h\"\nuntil = \"10h\"\n\
         arrivals-per-hour = 2\nnotes-per-hour = 20\nknown = 0.8\nprescriptions = 0.3\nallergies = 0.2\n\
         {events}\n[[expect]]\nname = \"no-acknowledged-write-lost\"\n",
        site("hospital", "hospital"),
        site("clinic", "clinic"),
        site("shelter", "shelter")
    );
    Scenario::parse(Path::new("/three.toml"), &text).unwrap()
}

/// The share of the time from 3 h to 6 h in which a member could read.
fn read_while_cut(course: &Course, member: usize) -> f64 {
    let mut seconds = 0;
    for second in (3 * 3_600)..(6 * 3_600) {
        let at = Duration::from_secs(second);
        let mut before = course.able.iter().filter(|from| from.member == member && from.at <= at);
        seconds += u32::from(before.next_back().is_some_and(|from| from.able.read));
    }
    f64::from(seconds) / (3.0 * 3_600.0)
}

const CUT: &str = "[[event]]\ndo = \"cut\"\nbetween = [\"clinic\", \"hospital\"]\ntime = \"3h\"\n\
                   [[event]]\ndo = \"heal\"\nbetween = [\"clinic\", \"hospital\"]\ntime = \"6h\"\n";

#[test]
fn with_all_lines_up_everything_is_read_and_written_and_no_warning_comes_late() {
    let course = central(&scenario("", ""), 1);
    assert_eq!((course.mode, course.lasted), (Mode::Central, 10 * HOUR));
    assert!(course.decisions.len() > 300, "{}", course.decisions.len());
    assert!(course.decisions.iter().all(|one| one.read && one.written && one.unknown == 0));
    assert!(!course.disputes.is_empty(), "the script gives drugs to people who react to them");
    let at_once = |dispute: &crate::drill::course::Dispute| {
        dispute.seen == Some(dispute.arose) && !dispute.late_by_split
    };
    assert!(course.disputes.iter().all(at_once), "{:#?}", course.disputes);
    assert_eq!((course.members[0].entries, course.members[1].entries), (course.acknowledged, 0));
}

#[test]
fn a_site_that_is_cut_off_reads_and_writes_nothing_and_catches_up_when_the_line_is_back() {
    let course = central(&scenario("", CUT), 1);
    assert_eq!([1, 0, 2].map(|member| read_while_cut(&course, member)), [0.0, 1.0, 1.0]);
    let cut = |at: Duration| (3 * HOUR..6 * HOUR).contains(&at);
    for one in &course.decisions {
        let dark = one.member == 1 && cut(one.at);
        assert_eq!((one.read, one.written), (!dark, !dark), "{one:?}");
        assert!(dark || cut(one.at) || one.unknown == 0, "{one:?}");
    }
    assert!(
        course.decisions.iter().any(|one| one.member != 1 && one.unknown > 0),
        "paper is unknown elsewhere"
    );
    let whole = central(&scenario("", ""), 1);
    assert_eq!(course.acknowledged, whole.acknowledged, "all paper was typed in");
    assert_eq!(course.decisions.len(), whole.decisions.len(), "the same script was played");
    let late: Vec<_> = course.disputes.iter().filter(|dispute| dispute.late_by_split).collect();
    assert!(!late.is_empty());
    assert!(late.iter().all(|dispute| cut(dispute.arose) && dispute.seen >= Some(6 * HOUR)), "{late:#?}");
    assert_eq!(course.links[0].outages, [(3 * HOUR, 6 * HOUR)]);
}

#[test]
fn the_centre_takes_everybody_down_with_it() {
    for event in ["do = \"s3-outage\"\nfor = \"3h\"", "do = \"crash\"\nat = \"hospital\"\nfor = \"3h\""] {
        let course = central(&scenario("", &format!("[[event]]\n{event}\ntime = \"3h\"\n")), 1);
        assert_eq!([0, 1, 2].map(|member| read_while_cut(&course, member)), [0.0; 3], "{event}");
        assert!(course.able.iter().rev().take(3).all(|from| from.at == 6 * HOUR && from.able.read));
    }
    let lost = central(&scenario("", "[[event]]\ndo = \"site-lost\"\nat = \"hospital\"\ntime = \"3h\"\n"), 1);
    assert!(lost.able.iter().rev().take(3).all(|from| from.at == 3 * HOUR && !from.able.read));
    assert!(lost.remarks.last().is_some_and(|remark| remark.en.contains("still on paper")));
}

#[test]
fn two_who_only_meet_hand_over_paper_and_see_no_screen() {
    let course = central(&scenario("meets-every = \"2h\"", ""), 1);
    let clinic = || course.decisions.iter().filter(|one| one.member == 1);
    assert!(clinic().count() > 50 && clinic().all(|one| !one.read));
    assert!(course.members[0].entries > 0);
    let late = course.disputes.iter().filter(|dispute| dispute.late_by_split && dispute.seen.is_some());
    assert!(late.count() > 0, "what was handed over came together");
}

#[test]
fn a_line_that_flaps_slowly_is_dark_part_of_the_time() {
    let flap = "[[event]]\ndo = \"flap\"\nbetween = [\"clinic\", \"hospital\"]\nup-s = 600\ndown-s = 1800\n\
                time = \"3h\"\nfor = \"3h\"\n";
    let share = read_while_cut(&central(&scenario("", flap), 1), 1);
    assert!((0.2..0.3).contains(&share), "{share}");
}

#[test]
fn the_same_seed_gives_the_same_course() {
    let course = |seed| serde_json::to_string(&central(&scenario("", CUT), seed)).unwrap();
    assert_eq!(course(4), course(4));
    assert_ne!(course(4), course(5));
}
