//! `musubi decide`: lists the contradictions that wait for a person, and settles one.

use clap::Args;

use super::record::{filled, render_blocked};
use crate::cli::args::{AuthorArgs, Context, StoreArgs};
use crate::cli::failure::{Failure, NOT_DONE};
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, bullets, printable, stamp};
use crate::record::Harm;
use crate::replica::answer::{Decided, DecisionShown, Decisions, Written};
use crate::replica::blocked::Blocked;
use crate::replica::request::Request;

/// Digits of a record's id in a list.
const RECORD_DIGITS: usize = 12;

/// List contradictions that wait for a person, the most harmful first, or settle one.
///
/// Two people who could not hear each other may have written what does not go together: a dose changed here, the drug
/// stopped there. Neither wins by itself; both are shown until somebody decides. A decision keeps one side and gives the
/// reason; the other side stays in the history. When a side has arrived since the list was printed, the decision is
/// refused and the new sides are shown. Records that are linked are one person: what is open in any of them is listed
/// once. To keep a drug that is contraindicated with what the person has needs --override, as an order does.
///
/// Without RECORD every record of this replica is read.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi decide --store data/north
  musubi decide --store data/north 4f2a90b1c7de
  musubi decide --store data/north 4f2a90b1c7de 1b2c3d4e-5f607182 --keep 2 --reason \"PT-INR 3.8\"
  musubi decide --store data/north 4f2a90b1c7de 1b2c3d4e-5f607182 --keep 1 --reason 主治医に確認 --override 代替なし

No clinician has reviewed the merge rules and the order of harm yet.
")]
pub struct DecideCommand {
    /// The record's id, or at least 8 digits of its beginning; `musubi find` names it.
    #[arg(value_name = "RECORD")]
    record: Option<String>,
    /// The decision's name, as listed.
    #[arg(value_name = "DECISION", requires_all = ["keep", "reason"])]
    decision: Option<String>,
    /// Which side is kept, by its number in the list.
    #[arg(long, value_name = "N", requires = "decision")]
    keep: Option<usize>,
    /// Why.
    #[arg(long, requires = "decision")]
    reason: Option<String>,
    /// Keep a drug in spite of a contraindication, for this reason; it is kept beside the decision.
    #[arg(long = "override", value_name = "REASON", requires = "decision")]
    overriding: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    author: AuthorArgs,
}

impl DecideCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when there is no such record or decision, it has grown meanwhile, or the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let (Some(record), Some(decision), Some(keep)) = (&self.record, &self.decision, self.keep) else {
            let request = Request::Decisions { record: self.record.clone() };
            let answer = self.store.ask(context, request)?;
            let decisions: Decisions = read(&answer)?;
            return Ok(Outcome::done(answer, render(&decisions)));
        };
        let request = Request::Decide {
            record: record.clone(),
            decision: decision.clone(),
            keep,
            reason: self.reason.clone().unwrap_or_default(),
            author: self.author.author(None)?,
            overriding: self.overriding.as_deref().map(|why| filled("the reason", why)).transpose()?,
        };
        let answer = self.store.ask(context, request)?;
        if answer.get("blocked").is_some() {
            let blocked: Blocked = read(&answer)?;
            return Ok(Outcome::done(answer, render_blocked(&blocked)).status(NOT_DONE));
        }
        let decided: Decided = read(&answer)?;
        match (decided.written, decided.changed) {
            (Some(written), _) => Ok(Outcome::done(answer, settled(&written, context.paper))),
            (None, changed) => {
                let now = changed.as_ref().map(one).unwrap_or_default();
                let text =
                    format!("nothing was written: it has changed since it was listed. It is now\n{now}");
                Ok(Outcome { status: NOT_DONE, ..Outcome::done(answer, text) })
            }
        }
    }
}

fn render(decisions: &Decisions) -> String {
    if decisions.open.is_empty() {
        return "nothing waits for a decision".to_owned();
    }
    let mut text: Vec<String> = decisions.open.iter().map(one).collect();
    text.push(format!(
        "{} open; settle one with: musubi decide RECORD DECISION --keep N --reason TEXT",
        decisions.open.len()
    ));
    text.join("\n")
}

fn one(open: &DecisionShown) -> String {
    let harm = match open.harm {
        Harm::High => "HIGH",
        Harm::Medium => "medium",
        Harm::Low => "low",
    };
    let record: String = open.record.to_string().chars().take(RECORD_DIGITS).collect();
    let mut text = format!(
        "{harm:<6}  {record}  {}  {} {}  decision {}\n",
        printable(&open.patient),
        open.section,
        open.kind,
        open.decision
    );
    for (number, side) in open.sides.iter().enumerate() {
        let (says, who, role) = (printable(&side.says), printable(&side.who), printable(&side.role));
        let reason = side.reason.as_deref().map(|reason| format!(": {}", printable(reason)));
        let reason = reason.unwrap_or_default();
        text.push_str(&format!(
            "        {}) {says}  ({who}, {role}, {}{reason})\n",
            number + 1,
            stamp(side.time)
        ));
    }
    text
}

fn settled(written: &Written, paper: Paper) -> String {
    let mut rows = vec![("record", written.record.to_string())];
    rows.extend(written.statement.clone().map(|statement| ("decided", statement)));
    rows.push(("written", stamp(written.time)));
    let mut text = paper.fields(&rows);
    if !written.warnings.is_empty() {
        text.push_str(&format!("\nATTENTION:{}", bullets(&written.warnings)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{RecordId, WallMs};
    use crate::cli::fixtures::{Fake, text};
    use crate::replica::answer::SideShown;

    fn decisions() -> serde_json::Value {
        let side = |says: &str, who: &str| SideShown {
            says: says.into(),
            who: who.into(),
            role: "doctor".into(),
            time: WallMs(1_795_000_000_000),
            reason: None,
            statement: "ab:1:0".into(),
        };
        let open = DecisionShown {
            record: RecordId([0xab; 16]),
            patient: "三浦 花子".into(),
            decision: "1b2c3d4e-5f607182".into(),
            section: "medication".into(),
            kind: "dose-vs-stop".into(),
            harm: Harm::High,
            summary: String::new(),
            sides: vec![side("give ワルファリン 3mg", "北村"), side("stop ワルファリン", "南\u{1b}[2J")],
        };
        serde_json::to_value(Decisions { open: vec![open] }).unwrap()
    }

    #[test]
    fn what_is_open_is_listed_with_its_sides_and_who_wrote_them() {
        let fake = Fake::answering(decisions());
        let outcome = fake.run(&["decide", "--store", "s"]).unwrap();
        let listed = text(&outcome);
        assert!(listed.starts_with("HIGH    abababababab  三浦 花子  medication dose-vs-stop"), "{listed}");
        assert!(listed.contains("1) give ワルファリン 3mg  (北村, doctor") && listed.contains("2) stop"));
        assert!(!listed.contains('\u{1b}'), "nothing that a name holds moves the cursor");
        let Request::Decisions { record: None } = fake.request() else { panic!("a list of all") };
    }

    #[test]
    fn a_drug_that_must_not_be_kept_is_blocked_and_the_reason_is_passed_on() {
        let rules = vec!["DD-001.1".to_owned()];
        let blocked = Blocked { record: RecordId([1; 16]), blocked: vec!["甲と乙".into()], rules };
        let fake = Fake::answering(serde_json::to_value(blocked).unwrap());
        let call =
            ["decide", "abababab", "1b2c3d4e-5f607182", "--keep", "1", "--reason", "r", "--store", "s"];
        let author = ["--author", "北村", "--role", "doctor"];
        let outcome = fake.run(&[&call[..], &author].concat()).unwrap();
        assert_eq!(outcome.status, NOT_DONE);
        assert!(text(&outcome).contains("BLOCKED") && text(&outcome).contains("甲と乙"));
        let Request::Decide { overriding: None, .. } = fake.request() else { panic!("no reason given") };

        let fake = Fake::answering(serde_json::Value::Null);
        // The fake's answer is no decision: what was asked is all that matters here.
        let _ = fake.run(&[&call[..], &author, &["--override", "代替なし"]].concat());
        let Request::Decide { overriding: Some(reason), .. } = fake.request() else { panic!("a reason") };
        assert_eq!(reason, "代替なし");
        let wrong = fake.run(&[&call[..], &author, &["--override", " "]].concat());
        assert_eq!(wrong.unwrap_err().status, 2);
    }

    #[test]
    fn a_decision_needs_a_side_and_a_reason() {
        for left_out in [vec!["--reason", "r"], vec!["--keep", "1"], vec![]] {
            let mut call = vec!["decide", "abababab", "1b2c3d4e-5f607182", "--store", "s"];
            call.extend(left_out);
            assert_eq!(Fake::answering(decisions()).run(&call).unwrap_err().status, 2);
        }
    }
}
