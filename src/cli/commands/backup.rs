//! `musubi backup`: writes, checks and restores the backup.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::{Context, KeyArgs, StoreArgs};
use crate::cli::engine::Restore;
use crate::cli::failure::{DAMAGED, DONE, Failure, NOT_DONE};
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, bullets, count, counted, size, took};
use crate::cli::values::{absolute, bucket, empty_or_absent};
use crate::replica::answer::{BackedUp, Restored, Verified};
use crate::replica::realm::RecoveryKit;
use crate::replica::request::Request;

/// Write, check and restore the backup in a bucket.
///
/// A bucket is a folder (file:///folder) or S3 (s3://bucket/prefix?endpoint=http://host:port&region=us-east-1).
/// S3 credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if there is one, AWS_SESSION_TOKEN.
/// Everything in the bucket is sealed: the bucket's keeper can read nothing.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi backup now --store data/north --url file:///srv/backup
  musubi backup verify --store data/north --url \"s3://musubi-miura/backup?region=ap-northeast-1\"
  musubi backup restore --url file:///srv/backup --recovery-key recovery-1a2b3c4d.toml --store data/north-2
")]
pub struct BackupCommand {
    #[command(subcommand)]
    action: BackupAction,
}

#[derive(Debug, Subcommand)]
enum BackupAction {
    /// Write what the bucket lacks.
    Now {
        /// The bucket; without it, that of the running replica's configuration.
        #[arg(long)]
        url: Option<String>,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Read the whole backup back and check it; exit status 1 when something is wrong.
    Verify {
        /// The bucket; without it, that of the running replica's configuration.
        #[arg(long)]
        url: Option<String>,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Restore a lost site from the bucket and its recovery kit alone, as a new device that goes on.
    ///
    /// Exit status 3 when some of the backup could not be used; the rest is restored.
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
struct RestoreArgs {
    /// The bucket.
    #[arg(long)]
    url: String,
    /// The lost site's recovery kit.
    #[arg(long, value_name = "FILE")]
    recovery_key: PathBuf,
    /// The folder of the new store: empty, or not there yet.
    #[arg(long, value_name = "NEWDIR", env = "MUSUBI_STORE")]
    store: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
}

impl BackupCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the bucket does not answer, the recovery kit is of no use, or the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        match &self.action {
            BackupAction::Now { url, store } => {
                let answer = store.ask(context, Request::BackupNow { url: checked(url.as_deref())? })?;
                let text = render_now(&read(&answer)?);
                Ok(Outcome::done(answer, text))
            }
            BackupAction::Verify { url, store } => {
                let answer = store.ask(context, Request::BackupVerify { url: checked(url.as_deref())? })?;
                let verified: Verified = read(&answer)?;
                let status = match verified.problems.is_empty() {
                    true => DONE,
                    false => NOT_DONE,
                };
                Ok(Outcome::done(answer, render_verify(&verified, context.paper)).status(status))
            }
            BackupAction::Restore(args) => restore(args, context),
        }
    }
}

fn checked(url: Option<&str>) -> Result<Option<String>, Failure> {
    url.map(|url| bucket(url).map(|url| url.to_string())).transpose()
}

fn restore(args: &RestoreArgs, context: &Context<'_>) -> Result<Outcome, Failure> {
    let url = bucket(&args.url)?;
    let kit = RecoveryKit::read(&args.recovery_key)?;
    let store = absolute(&args.store)?;
    let key = args.key.resolve(&args.store, context)?;
    empty_or_absent(&store, "the new store")?;
    let advice = key.advice();
    let answer = context.engine.restore(Restore { url, kit, store, key }, &context.progress)?;
    let restored: Restored = read(&answer)?;
    let status = match restored.problems.is_empty() {
        true => DONE,
        false => DAMAGED,
    };
    let mut text = render_restore(&restored, context.paper);
    if let Some(advice) = advice {
        text.push_str("\n\n");
        text.push_str(advice);
    }
    Ok(Outcome::done(answer, text).status(status))
}

fn render_now(backed_up: &BackedUp) -> String {
    match backed_up.manifest {
        None => format!("nothing new for {}: the backup is complete", backed_up.url),
        Some(manifest) => format!(
            "wrote manifest {manifest} to {}: {}, {}, {} in {}",
            backed_up.url,
            counted(backed_up.segments, "segment", "segments"),
            counted(backed_up.entries, "entry", "entries"),
            size(backed_up.bytes),
            took(backed_up.took_ms)
        ),
    }
}

fn render_verify(verified: &Verified, paper: Paper) -> String {
    let rows = [
        ("bucket", verified.url.clone()),
        ("manifests", count(verified.manifests)),
        ("segments", count(verified.segments)),
        (
            "sealed for others",
            format!("{} (only their hashes were checked)", count(verified.sealed_for_others)),
        ),
        ("entries", format!("{} (signatures and trees checked)", count(verified.entries))),
        ("bytes", size(verified.bytes)),
        ("heads", verified.heads.to_string()),
    ];
    let end = match verified.problems.as_slice() {
        [] => "the backup is sound".to_owned(),
        problems => format!(
            "THE BACKUP IS DAMAGED:{}\nhint: every object is immutable: find out who changed the bucket; `musubi \
             backup now` to a new prefix writes a whole new backup",
            bullets(problems)
        ),
    };
    format!("{}\n{end}", paper.fields(&rows))
}

fn render_restore(restored: &Restored, paper: Paper) -> String {
    let rows = [
        ("site", restored.site.clone()),
        ("new device", restored.device_id.to_string()),
        ("records", count(restored.records)),
        ("entries", count(restored.entries)),
        ("heads", restored.heads.to_string()),
        ("backup of", paper.time(restored.backup_time)),
        ("took", took(restored.took_ms)),
    ];
    let end = match restored.problems.as_slice() {
        [] => {
            "restored: every run is verified and durable. The first command on this store builds the index for \
             searching; what was written after that backup comes from the peers when they are met"
                .to_owned()
        }
        problems => format!(
            "RESTORED IN PART; this could not be used:{}\nhint: what is missing comes from the peers when they are \
             met, if they hold it",
            bullets(problems)
        ),
    };
    format!("{}\n{end}", paper.fields(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::BucketUrl;
    use crate::base::{DeviceId, Digest, WallMs};
    use crate::cli::fixtures::{Asked, Fake, NOW, text};

    fn verified(problems: &[&str]) -> Fake {
        let verified = Verified {
            url: "file:///b".into(),
            manifests: 3,
            segments: 12,
            entries: 4_000,
            sealed_for_others: 2,
            bytes: 5_000_000,
            problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
            heads: Digest([1; 32]),
        };
        Fake::answering(serde_json::to_value(verified).unwrap())
    }

    #[test]
    fn a_damaged_backup_fails_the_command() {
        let outcome = verified(&[]).run(&["backup", "verify", "--store", "s"]).unwrap();
        assert_eq!(outcome.status, 0);
        assert!(text(&outcome).ends_with("the backup is sound"), "{}", text(&outcome));
        let outcome = verified(&["segment 7 is missing"]).run(&["backup", "verify", "--store", "s"]).unwrap();
        assert_eq!(outcome.status, 1);
        assert!(text(&outcome).contains("DAMAGED:\n  - segment 7 is missing\n"), "{}", text(&outcome));
    }

    #[test]
    fn a_backup_is_told_in_one_line() {
        let mut backed_up = BackedUp {
            url: "file:///b".into(),
            manifest: Some(4),
            segments: 2,
            entries: 1_000,
            bytes: 45_600,
            took_ms: 120,
        };
        assert_eq!(
            render_now(&backed_up),
            "wrote manifest 4 to file:///b: 2 segments, 1,000 entries, 45.6 kB in 120 ms"
        );
        backed_up.manifest = None;
        assert_eq!(render_now(&backed_up), "nothing new for file:///b: the backup is complete");
    }

    #[test]
    fn a_bucket_that_is_none_is_refused_before_the_store_is_asked() {
        let fake = Fake::answering(serde_json::Value::Null);
        let failure = fake.run(&["backup", "now", "--store", "s", "--url", "ftp://x"]).unwrap_err();
        assert_eq!(failure.status, 2);
        assert!(fake.asked().is_empty());
    }

    #[test]
    fn a_restore_needs_a_kit_and_reports_what_it_could_not_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let restored = Restored {
            device_id: DeviceId([3; 32]),
            site: "北病院".into(),
            records: 10,
            entries: 400,
            heads: Digest([1; 32]),
            backup_time: WallMs(NOW.0 - 7_200_000),
            problems: vec!["segment 7: hash differs".into()],
            took_ms: 900,
        };
        let fake = Fake::answering(serde_json::to_value(restored).unwrap());
        fake.run(&["realm", "create", "--realm", &path("r"), "--name", "三浦"]).unwrap();
        let words = [
            "realm",
            "enrol",
            "--realm",
            &path("r"),
            "--site",
            "北病院",
            "--kind",
            "hospital",
            "--device",
            "n1",
            "--role",
            "hospital",
            "--area",
            "shared/m",
            "--store",
            &path("old"),
        ];
        fake.run(&words).unwrap();
        assert!(matches!(fake.asked().pop(), Some(Asked::CreateStore(..))));
        let files = std::fs::read_dir(dir.path().join("r")).unwrap();
        let is_kit = |path: &std::path::PathBuf| path.to_string_lossy().contains("recovery-");
        let kit = files.map(|file| file.unwrap().path()).find(is_kit).unwrap();
        let kit = kit.to_str().unwrap();

        let words =
            ["backup", "restore", "--url", "file://b", "--recovery-key", kit, "--store", &path("new")];
        let outcome = fake.run(&words).unwrap();
        assert_eq!(outcome.status, 3);
        assert!(text(&outcome).contains("(2 h 0 min ago)"), "{}", text(&outcome));
        assert!(
            text(&outcome).contains("RESTORED IN PART; this could not be used:\n  - segment 7: hash differs")
        );
        let asked = fake.asked();
        let [Asked::Restore(wanted)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(wanted.kit.site_name, "北病院");
        assert!(matches!(&wanted.url, BucketUrl::File { directory } if directory.is_absolute()));

        let words = ["backup", "restore", "--url", "file://b", "--recovery-key", kit, "--store", &path("r")];
        assert_eq!(fake.run(&words).unwrap_err().status, 2);
    }
}
