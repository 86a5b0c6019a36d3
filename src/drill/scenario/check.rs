//! Checking a scenario before it runs: nothing is asked of a replica that is down, or before its time, and
//! everything that is expected can be judged.

use std::time::Duration;

use super::error::Mistake;
use super::expectation::Expectation;
use super::expectations::EXPECTATIONS;
use super::fields::At;
use super::model::{LiveRefusal, Modes, Scenario};
use super::span::write_span;
use super::walk::{Mark, Standing, Walk};

/// Checks the order of the events, and that each expectation can be judged; `lines` are those of the expectations.
pub(super) fn check(scenario: &Scenario, lines: &[usize]) -> Result<(), Mistake> {
    let mut walk = Walk::begin(scenario);
    let mut latest: Option<(Duration, usize)> = None;
    for plan in &scenario.events {
        let name = plan.event.kind().name;
        let wrong = |problem: String| Mistake::at(plan.line, format!("event '{name}' {problem}"));
        if let Some(time) = plan.time {
            in_time(scenario, time, latest).map_err(wrong)?;
            latest = Some((time, plan.line));
            walk.advance(time);
        }
        plan.event.check(&mut walk).map_err(wrong)?;
    }
    walk.finish();
    let last = scenario.events.last().map_or(1, |plan| plan.line);
    let down = |at: &usize| matches!(walk.standing(*at), Standing::Down | Standing::Destroyed);
    if let Some(at) = (0..scenario.replicas.len()).find(down) {
        let name = walk.name(at);
        let problem = match walk.standing(at) {
            Standing::Destroyed => format!(
                "the story ends while the disk of '{name}' is gone; add events 'restore' and 'start' at it, or \
                 write 'site-lost' instead of 'destroy-disk'"
            ),
            _ => format!(
                "the story ends while '{name}' is down; add an event 'start' at it, or 'return-to-normal'"
            ),
        };
        return Err(Mistake::at(last, problem));
    }
    for (expectation, line) in scenario.expectations.iter().zip(lines) {
        if let Some(missing) = missing(scenario, &walk, expectation) {
            let problem = format!("expectation '{}' can only be judged {missing}", expectation.name());
            return Err(Mistake::at(*line, problem));
        }
    }
    Ok(())
}

fn in_time(scenario: &Scenario, time: Duration, latest: Option<(Duration, usize)>) -> Result<(), String> {
    if let Some((before, line)) = latest.filter(|(before, _)| time < *before) {
        let (time, before) = (write_span(time), write_span(before));
        return Err(format!(
            "is in the past: time = \"{time}\" comes before \"{before}\" of the event in line {line}; put it above \
             that one, or give it a later time"
        ));
    }
    if let Some(lasts) = scenario.lasts.filter(|lasts| time > *lasts) {
        let (time, lasts) = (write_span(time), write_span(lasts));
        return Err(format!(
            "happens at \"{time}\", after the end of the drill; give it an earlier time, or let [clock] lasts be \
             more than \"{lasts}\""
        ));
    }
    Ok(())
}

/// Says what an expectation lacks to be judged.
fn missing(scenario: &Scenario, walk: &Walk<'_>, expectation: &Expectation) -> Option<&'static str> {
    let busy = !scenario.workloads.is_empty() || !scenario.people.is_empty();
    let lacks = |there: bool, what: &'static str| (!there).then_some(what);
    match expectation {
        Expectation::HeadsDifferBeforeHeal => {
            lacks(walk.has(Mark::Healed), "after a 'cut' and then a 'heal' or 'meet'")
        }
        Expectation::RestoredHeadsEqual | Expectation::Rto { .. } | Expectation::Rpo { .. } => {
            lacks(walk.has(Mark::Restored), "after an event 'restore'")
        }
        Expectation::Converged { .. } => {
            lacks(walk.has(Mark::Fault), "after a fault, such as an event 'cut'")
        }
        Expectation::DamageDetected => {
            lacks(walk.has(Mark::Damage), "after damage: an event 'disk-corrupt', 'power-loss' or 'lie'")
        }
        Expectation::BackupRestoresEqual => lacks(
            walk.has(Mark::BackedUp) || scenario.backup_every.is_some(),
            "after an event 'backup', or with [backup] every = \"6h\"",
        ),
        Expectation::QuotaKept => lacks(
            walk.has(Mark::Metered) || scenario.links.iter().any(|link| link.quota_bytes_per_day().is_some()),
            "when a [[link]] or a [[mesh]] has 'quota-mb-per-day', or after an event 'quota-satellite'",
        ),
        Expectation::NoPositiveAllergyMissing => {
            let by_chance = scenario.workloads.iter().any(|workload| workload.allergies > 0.0)
                || scenario.people.iter().any(|people| people.allergies > 0.0);
            lacks(
                by_chance || walk.has(Mark::Allergy),
                "when an allergy is recorded: an event 'allergy' or 'import'",
            )
        }
        Expectation::Staleness { .. } => lacks(
            !scenario.workloads.is_empty() || walk.has(Mark::Written),
            "when somebody writes: add a [[workload]] or an event 'note'",
        ),
        Expectation::CardsAfterReturn { .. } => lacks(
            walk.has(Mark::Fault),
            "after replicas have started again: an event 'reconnect-storm', 'crash' or 'power-failure'",
        ),
        Expectation::Writes { .. }
        | Expectation::HeldBy { .. }
        | Expectation::EverywhereWithin { .. }
        | Expectation::Waited { .. } => lacks(
            busy || walk.has(Mark::Written),
            "when something is written: add a [[workload]] or an event 'note'",
        ),
        Expectation::HeadsEqualAfterHeal
        | Expectation::NoAcknowledgedWriteLost
        | Expectation::ConflictOpen { .. }
        | Expectation::AlertOpen { .. }
        | Expectation::HandoverHasAll { .. }
        | Expectation::RecordsEqual
        | Expectation::Clinical(_)
        | Expectation::Availability { .. }
        | Expectation::MemoryKept { .. }
        | Expectation::TurnedAway { .. }
        | Expectation::SameTrace => None,
    }
}

/// Decides how the scenario may be run: `wanted` is what the file says.
pub(super) fn settle_modes(
    scenario: &mut Scenario,
    lines: &[usize],
    wanted: Option<At<Modes>>,
) -> Result<(), Mistake> {
    for plan in scenario.events.iter().filter(|plan| !plan.event.kind().live) {
        let name = plan.event.kind().name;
        let problem =
            format!("event '{name}' cannot be done with real processes; run it with --sim, or take it out");
        let refusal = LiveRefusal { line: plan.line, problem };
        match &scenario.live_refusal {
            Some(first) if first.line <= refusal.line => {}
            _ => scenario.live_refusal = Some(refusal),
        }
    }
    let Some(At { line, value: modes }) = wanted else {
        scenario.modes = Modes { live: scenario.live_refusal.is_none(), sim: true };
        return Ok(());
    };
    if let (true, Some(LiveRefusal { line: reason, problem })) = (modes.live, &scenario.live_refusal) {
        let problem = format!("'modes' names \"live\", but in line {reason} {problem}");
        return Err(Mistake::at(line, problem));
    }
    if !modes.live {
        let problem = "'modes' does not name \"live\"; run it with --sim, or add \"live\"".to_owned();
        scenario.live_refusal = Some(LiveRefusal { line, problem });
    }
    if !modes.sim {
        let simulated = |name: &str| EXPECTATIONS.iter().any(|kind| kind.name == name && !kind.live);
        let found = scenario.expectations.iter().zip(lines).find(|(wanted, _)| simulated(wanted.name()));
        if let Some((expectation, line)) = found {
            let name = expectation.name();
            let problem = format!(
                "expectation '{name}' can only be judged in --sim; add \"sim\" to 'modes', or take it out"
            );
            return Err(Mistake::at(*line, problem));
        }
    }
    scenario.modes = modes;
    Ok(())
}
