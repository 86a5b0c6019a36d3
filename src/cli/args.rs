//! The arguments: what every command takes, what commands on a store share, and the list of commands.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use zeroize::Zeroizing;

use super::commands::{
    backup::BackupCommand,
    bench::BenchCommand,
    bundle::BundleCommand,
    decide::DecideCommand,
    drill::DrillCommand,
    export::ExportCommand,
    find::FindCommand,
    import::ImportCommand,
    link::{LinkCommand, UnlinkCommand},
    pull::PullCommand,
    realm::RealmCommand,
    record::RecordCommand,
    serve::ServeCommand,
    show::ShowCommand,
    status::StatusCommand,
    sync::SyncCommand,
};
use super::engine::{Backend, Engine, OnProgress};
use super::failure::Failure;
use super::key::{KeyChoice, KeyWanted};
use super::outcome::Outcome;
use super::text::Paper;
use crate::base::limits::AUTHOR_BYTES_MAX;
use crate::record::Author;
use crate::replica::request::Request;

/// Patient records that every hospital and every field tablet can read and write alone, and that tie themselves
/// together again when any path returns.
#[derive(Debug, Parser)]
#[command(
    name = "musubi",
    version,
    max_term_width = 110,
    after_long_help = "\
Exit status:
  0  done
  1  a check or an expectation failed, or something outside did not answer
  2  the call or the configuration is wrong
  3  the input or the store is damaged
"
)]
pub struct Cli {
    #[command(flatten)]
    pub(super) global: GlobalArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

const OUTPUT: &str = "Output";

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// Print the answer, or the error, as one JSON object on standard output.
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub json: bool,
    /// Log at this level: error, warn, info, debug, trace, or filters such as `musubi::sync=debug`.
    ///
    /// The log goes to standard error. Without it, `serve` logs at info and everything else at warn.
    #[arg(long, global = true, help_heading = OUTPUT, value_name = "LEVEL", env = "MUSUBI_LOG")]
    pub log: Option<String>,
    /// Log as JSON, one object a line.
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub log_json: bool,
}

// The help of each command is the doc comment of its arguments, in its own file; a comment here would hide it.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Realm(RealmCommand),
    Serve(ServeCommand),
    Status(StatusCommand),
    Import(ImportCommand),
    Find(FindCommand),
    Show(ShowCommand),
    Record(RecordCommand),
    Decide(DecideCommand),
    Link(LinkCommand),
    Unlink(UnlinkCommand),
    Export(ExportCommand),
    Sync(SyncCommand),
    Pull(PullCommand),
    Bundle(BundleCommand),
    Backup(BackupCommand),
    Drill(DrillCommand),
    Bench(BenchCommand),
}

impl Command {
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        match self {
            Command::Realm(command) => command.run(context),
            Command::Serve(command) => command.run(context),
            Command::Status(command) => command.run(context),
            Command::Import(command) => command.run(context),
            Command::Find(command) => command.run(context),
            Command::Show(command) => command.run(context),
            Command::Record(command) => command.run(context),
            Command::Decide(command) => command.run(context),
            Command::Link(command) => command.run(context),
            Command::Unlink(command) => command.run(context),
            Command::Export(command) => command.run(context),
            Command::Sync(command) => command.run(context),
            Command::Pull(command) => command.run(context),
            Command::Bundle(command) => command.run(context),
            Command::Backup(command) => command.run(context),
            Command::Drill(command) => command.run(context),
            Command::Bench(command) => command.run(context),
        }
    }
}

/// What a command runs in.
pub struct Context<'a> {
    /// The layers below.
    pub engine: &'a dyn Engine,
    /// Hears how far long jobs are.
    pub progress: OnProgress,
    /// What text is laid out for.
    pub paper: Paper,
    /// The passphrase of the environment.
    pub passphrase: Option<Zeroizing<String>>,
    /// Whether answers are printed as JSON, for what is printed before the end.
    pub json: bool,
}

/// Which store, and what opens it.
#[derive(Debug, Clone, Default, Args)]
pub struct StoreArgs {
    /// The store's folder.
    #[arg(long, global = true, value_name = "DIR", env = "MUSUBI_STORE")]
    pub store: Option<PathBuf>,
    /// What opens it.
    #[command(flatten)]
    pub key: KeyArgs,
}

/// What opens a store. Without any of these: the passphrase in MUSUBI_PASSPHRASE, else the file `store.key` inside
/// the store's folder.
#[derive(Debug, Clone, Default, Args)]
pub struct KeyArgs {
    /// The key file that opens the store.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub key_file: Option<PathBuf>,
    /// A file that holds the passphrase, on one line; instead of MUSUBI_PASSPHRASE.
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl KeyArgs {
    /// Chooses what opens `store`.
    ///
    /// # Errors
    /// [`Failure`] as [`KeyChoice::resolve`].
    pub fn resolve(&self, store: &Path, context: &Context<'_>) -> Result<KeyChoice, Failure> {
        let wanted = KeyWanted {
            key_file: self.key_file.as_deref(),
            passphrase_file: self.passphrase_file.as_deref(),
        };
        KeyChoice::resolve(store, wanted, context.passphrase.as_ref())
    }
}

impl StoreArgs {
    /// Returns the store's folder.
    ///
    /// # Errors
    /// [`Failure`] when none is named.
    pub fn folder(&self) -> Result<&Path, Failure> {
        self.store.as_deref().ok_or_else(|| {
            Failure::wrong_call("no store is named")
                .hint("give its folder with --store DIR, or in MUSUBI_STORE")
        })
    }

    /// Opens the store and asks one thing.
    ///
    /// # Errors
    /// [`Failure`] of opening or of asking.
    pub fn ask(&self, context: &Context<'_>, request: Request) -> Result<serde_json::Value, Failure> {
        self.open(context)?.ask(request, &context.progress)
    }

    fn open(&self, context: &Context<'_>) -> Result<Box<dyn Backend>, Failure> {
        let store = self.folder()?;
        context.engine.open(store, &self.key.resolve(store, context)?)
    }
}

/// Who writes: every entry names a person, beside the device that signs it.
#[derive(Debug, Clone, Default, Args)]
pub struct AuthorArgs {
    /// The name of the person who writes.
    #[arg(long, global = true, value_name = "NAME", env = "MUSUBI_AUTHOR")]
    pub author: Option<String>,
    /// The person's role, such as doctor, nurse or pharmacist.
    #[arg(long, global = true, value_name = "ROLE", env = "MUSUBI_ROLE")]
    pub role: Option<String>,
}

impl AuthorArgs {
    /// Returns who writes; `role` stands in when none is given.
    ///
    /// # Errors
    /// [`Failure`] when the name, or the role without a stand-in, is missing or too long.
    pub fn author(&self, role: Option<&str>) -> Result<Author, Failure> {
        let take = |what: &str, option: &str, variable: &str, value: Option<&str>| match value.map(str::trim)
        {
            None | Some("") => {
                Err(Failure::wrong_call(format!("the author's {what} is not given")).hint(format!(
                    "every entry says who wrote it: give {option}, or set {variable} once in the environment"
                )))
            }
            Some(text) if text.len() > AUTHOR_BYTES_MAX => Err(Failure::wrong_call(format!(
                "the author's {what} has {} bytes, more than {AUTHOR_BYTES_MAX}",
                text.len()
            ))),
            Some(text) => Ok(text.to_owned()),
        };
        Ok(Author {
            name: take("name", "--author NAME", "MUSUBI_AUTHOR", self.author.as_deref())?,
            role: take("role", "--role ROLE", "MUSUBI_ROLE", self.role.as_deref().or(role))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            let long = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            let name = format!("musubi {}", command.get_name());
            assert!(long.contains(&name), "{} has no example", command.get_name());
        }
    }

    #[test]
    fn every_example_of_the_help_parses() {
        let mut seen = 0;
        for command in Cli::command().get_subcommands() {
            let long = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            for line in long.lines().filter_map(|line| line.strip_prefix("  ")) {
                let Some(place) = line.find("musubi ") else { continue };
                let words = words(line[place..].split(" < ").next().unwrap());
                let parsed = Cli::try_parse_from(&words);
                assert!(parsed.is_ok(), "{line}\n{}", parsed.unwrap_err());
                seen += 1;
            }
        }
        assert!(seen >= 20, "{seen} examples only");
    }

    #[test]
    fn every_command_of_the_guides_parses() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut seen = 0;
        for guide in ["README.md", "replicas/README.md"] {
            let text = std::fs::read_to_string(root.join(guide)).unwrap().replace("\\\n", " ");
            for line in text.lines().filter(|line| line.starts_with("musubi ")) {
                let parsed = Cli::try_parse_from(words(line.trim_end_matches('&')));
                assert!(parsed.is_ok(), "{guide}: {line}\n{}", parsed.unwrap_err());
                seen += 1;
            }
        }
        assert!(seen >= 25, "{seen} commands only");
    }

    #[test]
    fn an_author_is_needed_and_the_refusal_says_how_to_give_one() {
        let failure = AuthorArgs::default().author(None).unwrap_err();
        assert!(failure.status == 2 && failure.hint.contains("MUSUBI_AUTHOR"), "{failure}");
        let named = AuthorArgs { author: Some("佐藤".into()), role: None };
        assert!(named.author(None).unwrap_err().message.contains("role"));
        assert_eq!(named.author(Some("import")).unwrap().role, "import");
        let long = AuthorArgs { author: Some("x".repeat(AUTHOR_BYTES_MAX + 1)), role: Some("nurse".into()) };
        assert_eq!(long.author(None).unwrap_err().status, 2);
    }

    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '"' | '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words.into_iter().filter(|word| !word.is_empty()).collect()
    }
}
