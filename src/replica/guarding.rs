//! The safety checks of this replica: its table of rules, and what is asked before an order is written.
//!
//! An order that brings a contraindication is not written without a reason ([`ReplicaError::Contraindicated`]); with
//! one, the reason is written beside it, in the same entry. Allergies and stops are always written: what is known must
//! not be kept out. What was imported or has come from elsewhere is told when the record is shown. A decision that keeps
//! a drug being given is checked as an order is, also against harm that was possible before.
//!
//! The rules are the demonstration, NOT for clinical use, unless the configuration names a table or the store's folder
//! has one called [`RULES_FILE`]. A table with a mistake is not used, and the replica goes on with the demonstration: who
//! cannot read a record is harmed more than who is told, at each record and order, that less is checked.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::blocked::Blocked;
use super::core::Replica;
use super::error::ReplicaError;
use super::files::FileError;
use super::subject::Subject;
use super::writing::Target;
use crate::base::{Digest, Hlc, LaneId};
use crate::record::facts::{Facts, Standing};
use crate::record::fhir;
use crate::record::linking::told;
use crate::record::safety::{Alert, Checker, Evidence, Sections, Severity, check, overriding};
use crate::record::sections::{administration, allergies, medication};
use crate::record::statement::Salt;
use crate::record::{Act, FactsBody, FollowRef, Informant, Position, RecordView, Statement};

/// What is answered to a reason for which there was no contraindication.
const NOT_NEEDED: &str = "理由は不要だったため記録していない / no contraindication was found: the reason was not needed, and is not written";
/// The name of a table of rules in a store's folder.
pub const RULES_FILE: &str = "interactions.csv";

/// An order as it would stand, and what is to be written beside it.
pub(super) struct Guarded {
    /// The reasons for ordering all the same, one for each contraindication.
    pub(super) issues: Vec<Statement>,
    /// What a clinician should know at once.
    pub(super) warnings: Vec<String>,
}

/// Which possible harm stops what is about to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stops {
    /// What it brings: who goes on with a drug at another dose is not stopped by what was known before. Who starts one is.
    New,
    /// What it brings or goes on with: who decides takes it upon themselves.
    Any,
}

/// Reads a table of rules.
///
/// # Errors
/// When the file cannot be read, or [`ReplicaError::Rules`] with line and column of a mistake; nothing is loaded then.
pub fn read_rules(path: &Path) -> Result<Arc<Checker>, ReplicaError> {
    let read = |source| FileError::Read { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(read)?;
    let checker = Checker::parse(&bytes);
    checker.map(Arc::new).map_err(|error| ReplicaError::Rules { path: path.to_owned(), error })
}

impl Replica {
    /// Checks by the table of a file from now on; by the demonstration if it has a mistake, which is told then.
    pub fn use_rules(&mut self, path: &Path) {
        match read_rules(path) {
            Ok(checker) => (self.checker, self.rules_refused) = (checker, None),
            Err(error) => {
                tracing::error!(%error, "the site's table of rules is not used; orders are checked by the demonstration");
                (self.checker, self.rules_refused) = (Checker::demonstration(), Some(error.to_string()));
            }
        }
    }

    /// Says why the site's table of rules is not used, if it is not.
    pub fn rules_refused(&self) -> Option<&str> {
        self.rules_refused.as_deref()
    }

    /// Tells whoever reads or orders that the site's table of rules is not used.
    pub(super) fn less_checked(&self) -> Option<String> {
        self.rules_refused.as_ref().map(|error| {
            format!(
                "未確認：施設の安全確認の表が使えず、見本の表だけで確認している / CHECKED BY THE DEMONSTRATION TABLE ONLY, \
                 NOT for clinical use: the site's table has a mistake: {error}"
            )
        })
    }

    /// Computes a record's view by this replica's rules, as of the record's latest statement: same facts and rules,
    /// same view, whatever the clock.
    pub fn view(&self, facts: &Facts) -> RecordView {
        let latest = facts.iter().map(|fact| fact.time).max().unwrap_or_default();
        RecordView::checked_by(facts, &self.checker, latest.wall())
    }

    /// Checks an order before it is written. What linked records know counts as much as what its own does.
    pub(super) fn guard(
        &self,
        subject: &Subject<'_>,
        target: &Target,
        order: &Statement,
        stops: Stops,
        reason: Option<&str>,
    ) -> Result<Guarded, ReplicaError> {
        let person = subject.facts()?;
        let before = person.joined();
        let (mut after, record, now) = (before.clone(), target.record, self.environment().now());
        // What it follows at one position of a forked lane is checked as it is written: one by one.
        let first = FollowRef::rounds(order.follows.iter().copied()).swap_remove(0);
        let mut body = FactsBody {
            version: FactsBody::VERSION,
            salt: Salt([0; 8]),
            // Joined facts go by the id of whom they were asked of.
            record: *subject.record(),
            time: Hlc::at(now),
            author: target.author.clone(),
            source: None,
            statements: vec![Statement { follows: first, ..order.clone() }],
        };
        // A place that no entry has: what is there is not written yet.
        let position = Position { lane: LaneId([0xFF; 32]), seq: u64::MAX, index: 0 };
        let call = |error: &dyn std::fmt::Display| ReplicaError::Call(error.to_string());
        body.check().map_err(|error| call(&error))?;
        body.statements = vec![order.clone()];
        let (lane, seq, leaf) = (position.lane, position.seq, Digest([0xFF; 32]));
        after
            .insert_body(lane, self.me().device, &target.area, Standing::Verified, seq, &leaf, &body)
            .map_err(|error| call(&error))?;
        let view = self.view(&after);
        // A drug is given on at another dose: nobody is asked again for what was known before, or has been given a reason.
        let goes_on = stops == Stops::New && !order.follows.is_empty();
        let known = if goes_on { self.interrupting(&before, view.latest) } else { BTreeSet::new() };
        let touches = |alert: &&Alert| {
            alert.severity == Severity::Contraindicated && alert.statements.contains(&position)
        };
        let touched: Vec<&Alert> = view.alerts.iter().filter(touches).collect();
        let is_brought = |alert: &&&Alert| !goes_on || (alert.interrupts() && !known.contains(&alert.pair));
        let brought: Vec<&&Alert> = touched.iter().filter(is_brought).collect();
        let mut warnings = warnings(&view, &position);
        warnings.extend(self.less_checked());
        warnings.extend(unchecked(&view, order));
        warnings.extend(told::left_out(person.left_out()));
        warnings.extend(told::unheld(&person.unheld()));
        let Some(reason) = reason.map(str::trim).filter(|reason| !reason.is_empty()) else {
            if !brought.is_empty() {
                let blocked = brought.iter().map(|alert| alert.why.line()).collect();
                let rules = brought.iter().flat_map(|alert| alert.rules.iter().cloned()).collect();
                return Err(ReplicaError::Contraindicated(Box::new(Blocked { record, blocked, rules })));
            }
            return Ok(Guarded { issues: Vec::new(), warnings });
        };
        let [kind, id] =
            crate::record::json::top_strings(&order.resource, ["resourceType", "id"]).unwrap_or_default();
        let reference = format!("{}/{}", kind.unwrap_or_default(), id.unwrap_or_default());
        let issue = |alert: &&Alert| Statement {
            act: Act::Assert,
            informant: Informant::Clinician,
            follows: Vec::new(),
            reason: Some(reason.to_owned()),
            resource: overriding::issue(&record, now, &target.author, alert, &reference, reason),
        };
        if touched.is_empty() {
            warnings.push(NOT_NEEDED.to_owned());
        }
        Ok(Guarded { issues: touched.iter().map(issue).collect(), warnings })
    }

    /// The pairs that interrupt already.
    fn interrupting(&self, facts: &Facts, latest: Hlc) -> BTreeSet<String> {
        let ((allergies, _), (medication, _)) = (allergies::view(facts), medication::view(facts));
        let (doses, _) = administration::view(facts);
        let sections = Sections { allergies: &allergies, medication: &medication, doses: &doses };
        let evidence = Evidence::of_drugs(facts, sections, latest.wall());
        let alerts = check(&evidence, &self.checker, latest.wall()).alerts;
        alerts.into_iter().filter(Alert::interrupts).map(|alert| alert.pair).collect()
    }
}

/// Says that the drug of an order could not be checked, if the tables do not know it.
fn unchecked(view: &RecordView, order: &Statement) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(&order.resource).ok()?;
    let name = fhir::concept(fhir::at(&json, &["medicationCodeableConcept"]))?;
    let is_unknown = view.checked.drugs_unresolved.contains(&name);
    is_unknown.then(|| {
        format!(
            "未確認：この薬は表になく、アレルギーや相互作用を確認できていない / NOT CHECKED: the tables do not know '{name}'; \
             give its YJ code or another name"
        )
    })
}

/// The conflicts and alerts that a statement takes part in.
pub(super) fn warnings(view: &RecordView, position: &Position) -> Vec<String> {
    let conflicts = view.conflicts.iter().filter(|conflict| conflict.open);
    let conflicts = conflicts.filter(|conflict| conflict.statements.contains(position));
    let alerts = view.alerts.iter().filter(|alert| alert.statements.contains(position));
    alerts.map(|alert| alert.why.line()).chain(conflicts.map(|conflict| conflict.summary.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::environment::SystemEnvironment;
    use crate::replica::home::Home;
    use crate::replica::request::{MedicationAction, NewPatient, Write};
    use crate::replica::tests::{Region, author};

    #[test]
    fn a_wrong_table_names_file_line_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RULES_FILE);
        std::fs::write(&path, "rule_id,kind\n").unwrap();
        let error = read_rules(&path).unwrap_err().to_string();
        assert!(
            error.contains(RULES_FILE) && error.contains("line 1") && error.contains("a_yj_prefix"),
            "{error}"
        );
        assert!(matches!(read_rules(&dir.path().join("none.csv")), Err(ReplicaError::File(_))));
    }

    #[test]
    fn a_replica_whose_table_is_wrong_opens_and_tells_that_less_is_checked() {
        let mut region = Region::new();
        let (north, _) = region.enrol("north");
        let patient = NewPatient { name: "三浦 花子".into(), kana: None, birth_date: None, sex: None };
        let record = north.register(&patient, None, author()).unwrap().record;
        drop(north);
        let home = region.dir.path().join("north");
        let open = || Home::open(&home, &Region::key(&home), Arc::new(SystemEnvironment)).unwrap();
        std::fs::write(home.join(RULES_FILE), "rule_id,kind\n").unwrap();
        let north = open();
        assert!(north.status(Vec::new(), None).unwrap().rules_refused.unwrap().contains("line 1"));
        let text = north.show(&record).unwrap().text;
        assert!(text.starts_with("未確認") && text.contains("line 1"), "{text}");
        let (action, drug) = (MedicationAction::Start, "ロキソプロフェン".into());
        let order = Write::Medication { action, drug, code: None, dose: None, reason: None };
        let written = north.write(&record, order, author()).unwrap();
        assert!(written.warnings.iter().any(|one| one.contains("DEMONSTRATION TABLE ONLY")), "{written:?}");
        drop(north);
        std::fs::remove_file(home.join(RULES_FILE)).unwrap();
        let north = open();
        assert_eq!(north.status(Vec::new(), None).unwrap().rules_refused, None);
        assert!(!north.show(&record).unwrap().text.contains("DEMONSTRATION"));
    }
}
