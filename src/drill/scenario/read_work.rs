//! Reading `[[people]]` and `[[workload]]`: who lives there, who comes, and what is written.

use std::time::Duration;

use super::error::Mistake;
use super::fields::Fields;
use super::model::{Acts, LiveRefusal, PeoplePlan, TriageMix, WorkloadPlan};
use super::names::Names;

/// Reads the people; `simulated` notes the first line that only a simulation can do.
pub(super) fn people(
    root: &mut Fields<'_>,
    names: &Names,
    simulated: &mut Option<LiveRefusal>,
) -> Result<Vec<PeoplePlan>, Mistake> {
    let mut plans = Vec::new();
    for mut table in root.tables("people")? {
        let Some(count) = table.optional_number("count")? else {
            return Err(table.missing("count", "needs 'count': how many people"));
        };
        let Some(at) = table.optional_places("at")? else {
            return Err(table.missing("at", "needs 'at': the replicas that register them"));
        };
        let plan = PeoplePlan {
            count: u32::try_from(count.value).unwrap_or(u32::MAX),
            prefix: table.optional_text("prefix")?.map_or("P".to_owned(), |prefix| prefix.value),
            homes: names.members(&at.value)?,
            allergies: number(&mut table, "allergies", 0.2)?,
            medications: number(&mut table, "medications", 0.6)?,
        };
        simulated_only(&table, "[[people]]", simulated);
        table.finish()?;
        plans.push(plan);
    }
    Ok(plans)
}

/// Reads the workloads; `lasts` ends those that do not say when they end.
pub(super) fn workloads(
    root: &mut Fields<'_>,
    names: &Names,
    lasts: Option<Duration>,
    simulated: &mut Option<LiveRefusal>,
) -> Result<Vec<WorkloadPlan>, Mistake> {
    let mut plans = Vec::new();
    for mut table in root.tables("workload")? {
        let Some(at) = table.optional_places("at")? else {
            return Err(table.missing("at", "needs 'at': the replicas to which people come"));
        };
        let at = names.members(&at.value)?;
        let from = table.optional_span("from")?.map_or(Duration::ZERO, |from| from.value);
        let until = table.optional_span("until")?;
        let line = until.as_ref().map_or(table.line(), |until| until.line);
        let Some(until) = until.map(|until| until.value).or(lasts) else {
            return Err(
                table.missing("until", "needs 'until', or [clock] lasts = \"72h\" for the whole drill")
            );
        };
        if until <= from {
            return Err(Mistake::at(line, "ends before it begins; 'from' and 'until' count from time zero"));
        }
        if lasts.is_some_and(|lasts| until > lasts) {
            return Err(Mistake::at(line, "ends after the drill; see [clock] lasts"));
        }
        let plan = WorkloadPlan {
            at,
            from,
            until,
            arrivals_per_hour: number(&mut table, "arrivals-per-hour", 0.0)?,
            notes_per_hour: number(&mut table, "notes-per-hour", 0.0)?,
            triage: triage(&mut table)?,
            unnamed: number(&mut table, "unnamed", 0.05)?,
            known: number(&mut table, "known", 0.5)?,
            prescriptions: number(&mut table, "prescriptions", 0.3)?,
            allergies: number(&mut table, "allergies", 0.05)?,
            refutations: number(&mut table, "refutations", 0.01)?,
            handovers: number(&mut table, "handovers", 0.02)?,
            acts: match table.optional_text("acts")? {
                Some(acts) => acts.choose("acts", &[("usual", Acts::Usual), ("all", Acts::All)])?,
                None => Acts::Usual,
            },
        };
        if plan.arrivals_per_hour <= 0.0 && plan.notes_per_hour <= 0.0 {
            return Err(table.mistake("does nothing; give 'arrivals-per-hour' or 'notes-per-hour'"));
        }
        if plan.unnamed + plan.known > 1.0 {
            return Err(table.mistake("has more than everybody in 'unnamed' and 'known' together"));
        }
        simulated_only(&table, "[[workload]]", simulated);
        table.finish()?;
        plans.push(plan);
    }
    Ok(plans)
}

fn triage(table: &mut Fields<'_>) -> Result<TriageMix, Mistake> {
    let usual = TriageMix { red: 1.0, yellow: 3.0, green: 10.0, black: 0.2 };
    let Some(mut weights) = table.optional_table("triage")? else { return Ok(usual) };
    let mix = TriageMix {
        red: number(&mut weights, "red", 0.0)?,
        yellow: number(&mut weights, "yellow", 0.0)?,
        green: number(&mut weights, "green", 0.0)?,
        black: number(&mut weights, "black", 0.0)?,
    };
    if mix.red + mix.yellow + mix.green + mix.black <= 0.0 {
        return Err(weights.mistake("weighs nothing; write such as { red = 1, yellow = 3, green = 10 }"));
    }
    weights.finish()?;
    Ok(mix)
}

fn number(table: &mut Fields<'_>, key: &'static str, usual: f64) -> Result<f64, Mistake> {
    Ok(table.optional_decimal(key)?.map_or(usual, |number| number.value))
}

fn simulated_only(table: &Fields<'_>, what: &str, simulated: &mut Option<LiveRefusal>) {
    let problem = format!("{what} is for simulated drills; run it with --sim, or take it out");
    simulated.get_or_insert(LiveRefusal { line: table.line(), problem });
}
