//! `musubi sync`: syncs with a peer once.

use clap::Args;

use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{count, counted, size, took};
use crate::cli::values::replica_or_bucket;
use crate::replica::request::Request;
use crate::replica::sync_answer::{PlannedPart, SyncPlan, Synced};

/// Sync with a peer once, both ways, and end.
///
/// The peer is a replica, or a bucket that all of them can reach: where a firewall lets nothing but an HTTP proxy
/// through, replicas meet there. A replica that runs (`musubi serve`) keeps in touch with the peers of its
/// configuration by itself.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi sync --store data/tablet --with north.example:7440
  musubi sync --store data/tablet --with north.example:7440 --dry-run
  musubi sync --store data/tablet --with 's3://region/share?proxy=http://proxy.ward:3128'
  musubi sync --store data/tablet --with file:///mnt/share
")]
pub struct SyncCommand {
    /// Where the peer listens, or the bucket to meet in: HOST:PORT, s3://… or file://….
    #[arg(long, value_name = "PEER", value_parser = replica_or_bucket)]
    with: String,
    /// Say what would be sent and received, part by part, and send nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    store: StoreArgs,
}

impl SyncCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the peer does not answer or refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        if self.dry_run {
            return self.plan(context);
        }
        let answer = self.store.ask(context, Request::Sync { with: self.with.clone() })?;
        let synced: Synced = read(&answer)?;
        let text = format!(
            "in sync with {} after {}: received {} ({}), sent {} ({})",
            synced.peer,
            took(synced.took_ms),
            counted(synced.received, "entry", "entries"),
            size(synced.bytes_received),
            counted(synced.sent, "entry", "entries"),
            size(synced.bytes_sent)
        );
        Ok(Outcome::done(answer, text))
    }

    fn plan(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        if self.with.contains("://") {
            let text = "--dry-run asks a replica what it holds, and a bucket cannot be asked; leave it out";
            return Err(Failure::wrong_call(text));
        }
        let answer = self.store.ask(context, Request::PlanSync { with: self.with.clone() })?;
        let plan: SyncPlan = read(&answer)?;
        let found = format!("found out with {} in {}", size(plan.bytes), took(plan.took_ms));
        if plan.parts.is_empty() {
            return Ok(Outcome::done(
                answer,
                format!("{} holds the same as this replica ({found})", plan.peer),
            ));
        }
        let row = |part: &PlannedPart| {
            let forked = match part.forked {
                0 => String::new(),
                forked => format!("{} to compare", counted(forked, "forked lane", "forked lanes")),
            };
            vec![
                part.area.to_string(),
                part.part.to_string(),
                count(part.send_entries),
                if part.send_entries > 0 {
                    format!("about {}", size(part.send_bytes_about))
                } else {
                    String::new()
                },
                count(part.take_entries),
                forked,
            ]
        };
        let rows = plan.parts.iter().map(row).collect();
        let header = ["area", "part", "entries to send", "on the wire", "entries to receive", ""];
        let table = context.paper.table(&header, rows);
        Ok(Outcome::done(answer, format!("with {} ({found}), nothing was sent:\n\n{table}", plan.peer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Area, Part};
    use crate::cli::fixtures::{Fake, text};

    #[test]
    fn a_sync_is_told_in_one_line() {
        let synced = Synced {
            peer: "north-1".into(),
            received: 1_200,
            sent: 1,
            bytes_received: 130_000,
            bytes_sent: 412,
            took_ms: 830,
        };
        let fake = Fake::answering(serde_json::to_value(synced).unwrap());
        let outcome = fake.run(&["sync", "--store", "s", "--with", "north.example:7440"]).unwrap();
        let expected =
            "in sync with north-1 after 830 ms: received 1,200 entries (130.0 kB), sent 1 entry (412 B)";
        assert_eq!(text(&outcome), expected);
        fake.run(&["sync", "--store", "s", "--with", "s3://bucket"]).unwrap();
        assert!(fake.run(&["sync", "--store", "s", "--with", "ftp://bucket"]).is_err());
    }

    #[test]
    fn a_plan_is_told_part_by_part() {
        let part = |part, send_entries, take_entries| PlannedPart {
            area: Area::new("shared/miura").unwrap(),
            part,
            send_lanes: 1,
            send_entries,
            send_bytes_about: send_entries * 90,
            take_lanes: 1,
            take_entries,
            forked: 0,
        };
        let parts = vec![part(Part::Card, 12, 0), part(Part::Data, 4_000, 31)];
        let plan = SyncPlan {
            peer: "north-1".into(),
            parts,
            bytes: 2_100,
            heads_bytes: 1_500,
            compared_ms: 600,
            took_ms: 640,
        };
        let fake = Fake::answering(serde_json::to_value(&plan).unwrap());
        let call = ["sync", "--store", "s", "--with", "north.example:7440", "--dry-run"];
        let outcome = fake.run(&call).unwrap();
        let told = text(&outcome);
        for words in ["north-1", "2.1 kB", "nothing was sent", "card", "about 1.1 kB", "4,000", "31"] {
            assert!(told.contains(words), "{words}: {told}");
        }
        let same = SyncPlan { parts: vec![], ..plan };
        let fake = Fake::answering(serde_json::to_value(same).unwrap());
        assert!(text(&fake.run(&call).unwrap()).contains("holds the same"));
        assert_eq!(
            fake.run(&["sync", "--store", "s", "--with", "s3://bucket", "--dry-run"]).unwrap_err().status,
            2
        );
    }
}
