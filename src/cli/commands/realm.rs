//! `musubi realm`: makes a region's network, and certifies its sites and devices.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde::Serialize;

use crate::base::{Area, DeviceId, RealmId};
use crate::cli::args::{Context, KeyArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;
use crate::cli::values::{DEVICE_ROLES, SITE_KINDS, empty_or_absent, named};
use crate::identity::{DeviceRole, SiteKind};
use crate::replica::realm::{CertifiedDevice, Enrolment, RealmFolder};

/// Make a realm, and enrol sites and devices into it.
///
/// A realm is one region's network. Its folder holds the region's root key and belongs on a machine without a
/// network: no replica needs it to run or to be restored.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi realm create --realm realm --name 三浦
  musubi realm enrol --realm realm --site North --kind hospital --device north-1 --role hospital --area shared/miura --area private/north --store data/north
")]
pub struct RealmCommand {
    #[command(subcommand)]
    action: RealmAction,
}

#[derive(Debug, Subcommand)]
enum RealmAction {
    /// Make a new realm.
    Create {
        /// The realm's folder, which must not hold a realm yet.
        #[arg(long, value_name = "DIR")]
        realm: PathBuf,
        /// The realm's name, such as the region's.
        #[arg(long)]
        name: String,
    },
    /// Certify a device, and its site if that is new, and make the device's store.
    ///
    /// A store is a device: it must never be copied. A second device, or the successor of a lost one, is enrolled
    /// or restored as a device of its own.
    Enrol(EnrolArgs),
}

#[derive(Debug, Args)]
struct EnrolArgs {
    /// The realm's folder.
    #[arg(long, value_name = "DIR")]
    realm: PathBuf,
    /// The site's name; a new name makes a new site, with a recovery kit of its own.
    #[arg(long, value_name = "NAME")]
    site: String,
    /// What a new site is.
    #[arg(long, value_parser = named::<SiteKind>(SITE_KINDS))]
    kind: SiteKind,
    /// The device's name.
    #[arg(long, value_name = "NAME")]
    device: String,
    /// What the device does.
    #[arg(long, value_parser = named::<DeviceRole>(DEVICE_ROLES))]
    role: DeviceRole,
    /// An area that the device may hold and write, such as shared/miura or private/north; again for each.
    #[arg(long = "area", value_name = "AREA", required = true)]
    areas: Vec<Area>,
    /// The folder of the device's new store: empty, or not there yet.
    #[arg(long, value_name = "DIR", env = "MUSUBI_STORE")]
    store: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Debug, Serialize)]
struct Created {
    realm: RealmId,
    name: String,
    folder: PathBuf,
}

#[derive(Debug, Serialize)]
struct Enrolled {
    realm: String,
    site: String,
    device: String,
    device_id: DeviceId,
    areas: Vec<Area>,
    store: PathBuf,
    key_file: Option<PathBuf>,
    recovery_kit: Option<PathBuf>,
}

impl RealmCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the realm's folder or the store's folder is not as it should be.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        match &self.action {
            RealmAction::Create { realm, name } => create(realm, name, context),
            RealmAction::Enrol(args) => enrol(args, context),
        }
    }
}

fn create(folder: &Path, name: &str, context: &Context<'_>) -> Result<Outcome, Failure> {
    let name = given("--name", name)?;
    let realm = RealmFolder::create(folder, &name, context.paper.now, &mut random()?)?;
    let text = format!(
        "{}\n\nThis folder holds the realm's root key: keep it, and an offline copy, on machines without a network. \
         No replica needs it to run.\nNext: musubi realm enrol --realm {} …",
        context.paper.fields(&[
            ("realm", name.clone()),
            ("id", realm.realm().to_string()),
            ("folder", folder.display().to_string()),
        ]),
        folder.display(),
    );
    Ok(Outcome::described(&Created { realm: realm.realm(), name, folder: folder.to_owned() }, text))
}

fn enrol(args: &EnrolArgs, context: &Context<'_>) -> Result<Outcome, Failure> {
    // All that can be checked is checked before the realm is changed.
    let key = args.key.resolve(&args.store, context)?;
    empty_or_absent(&args.store, "the new store")?;
    let wanted = Enrolment {
        site: given("--site", &args.site)?,
        kind: args.kind,
        device: given("--device", &args.device)?,
        role: args.role,
        areas: args.areas.iter().cloned().collect::<BTreeSet<_>>(),
    };
    let mut realm = RealmFolder::open(&args.realm)?;
    let CertifiedDevice { device, recovery } = realm.enrol(&wanted, context.paper.now, &mut random()?)?;
    let enrolled = Enrolled {
        realm: realm.name().to_owned(),
        site: wanted.site,
        device: wanted.device,
        device_id: device.seed.device_id(),
        areas: wanted.areas.into_iter().collect(),
        store: args.store.clone(),
        key_file: key.file().map(Path::to_owned),
        recovery_kit: recovery,
    };
    context.engine.create_store(&args.store, &key, device).map_err(|failure| {
        let kit = enrolled.recovery_kit.as_ref().map(|kit| {
            format!(" The site '{}' was made: keep its recovery kit {}.", enrolled.site, kit.display())
        });
        let hint = format!(
            "{} The realm has certified this device, and without a store it stays unused: call again with another \
             empty folder.{}",
            failure.hint,
            kit.unwrap_or_default()
        );
        Failure { hint: hint.trim().to_owned(), ..failure }
    })?;
    let areas: Vec<_> = enrolled.areas.iter().map(Area::as_str).collect();
    let mut rows = vec![
        ("realm", enrolled.realm.clone()),
        ("site", enrolled.site.clone()),
        ("device", format!("{} ({})", enrolled.device, enrolled.device_id)),
        ("areas", areas.join(", ")),
        ("store", args.store.display().to_string()),
        ("opened by", key.describe()),
    ];
    if let Some(kit) = &enrolled.recovery_kit {
        rows.push(("recovery kit", kit.display().to_string()));
    }
    let mut text = context.paper.fields(&rows);
    if enrolled.recovery_kit.is_some() {
        text.push_str(
            "\n\nTake the recovery kit off this machine: on paper or on a stick in the site's safe. With it and the \
             backup the whole site can be restored, and read.",
        );
    }
    text.push_str(
        "\n\nNever copy a store's folder: a copy writes as the same device, and both are then disputed. Enrol \
         another device instead.",
    );
    if let Some(advice) = key.advice() {
        text.push_str("\n\n");
        text.push_str(advice);
    }
    Ok(Outcome::described(&enrolled, text))
}

fn given(option: &str, text: &str) -> Result<String, Failure> {
    match text.trim() {
        "" => Err(Failure::wrong_call(format!("{option} is empty")).hint("give a name that people know")),
        name => Ok(name.to_owned()),
    }
}

fn random() -> Result<ChaCha20Rng, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::not_done(format!("asking the system for random bytes: {error}")))?;
    Ok(ChaCha20Rng::from_seed(seed))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::cli::fixtures::{Asked, Fake, text};
    use crate::cli::outcome::Output;

    const ENROL: &[&str] = &[
        "realm",
        "enrol",
        "--site",
        "北病院",
        "--kind",
        "care-home",
        "--device",
        "n1",
        "--role",
        "tablet",
        "--area",
        "shared/m",
    ];

    fn realm(fake: &Fake, dir: &Path) -> String {
        let realm = dir.join("realm 三浦").to_str().unwrap().to_owned();
        fake.run(&["realm", "create", "--realm", &realm, "--name", "三浦"]).unwrap();
        realm
    }

    #[test]
    fn enrolling_makes_a_store_and_tells_where_the_kit_lies() {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::answering(Value::Null);
        let realm = realm(&fake, dir.path());
        let store = dir.path().join("store").to_str().unwrap().to_owned();
        let outcome = fake.run(&[ENROL, &["--realm", &realm, "--store", &store]].concat()).unwrap();
        let Output::Answer { json, text } = &outcome.output else { panic!("an answer") };
        assert!(Path::new(json["recovery_kit"].as_str().unwrap()).exists());
        assert_eq!(json["key_file"].as_str().unwrap(), format!("{store}/store.key"));
        assert!(
            text.contains("safe") && text.contains("Never copy") && text.contains("protects nothing"),
            "{text}"
        );
        let asked = fake.asked();
        let [Asked::CreateStore(folder, key, device)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(folder, Path::new(&store));
        assert_eq!(key.file().unwrap(), Path::new(&store).join("store.key"));
        assert_eq!(json["device_id"].as_str().unwrap(), device.seed.device_id().to_string());
    }

    #[test]
    fn a_folder_in_use_is_refused_before_the_realm_changes() {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::answering(Value::Null);
        let realm = realm(&fake, dir.path());
        let before = std::fs::read(Path::new(&realm).join("realm.toml")).unwrap();
        let failure = fake.run(&[ENROL, &["--realm", &realm, "--store", &realm]].concat()).unwrap_err();
        assert_eq!(failure.status, 2);
        assert_eq!(std::fs::read(Path::new(&realm).join("realm.toml")).unwrap(), before);
        assert!(fake.asked().is_empty());
    }

    #[test]
    fn a_store_that_cannot_be_made_leaves_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let mut fake = Fake::answering(Value::Null);
        let realm = realm(&fake, dir.path());
        fake.refuses = Some(Failure::wrong_call("creating the store: no space"));
        let store = dir.path().join("store").to_str().unwrap().to_owned();
        let failure = fake.run(&[ENROL, &["--realm", &realm, "--store", &store]].concat()).unwrap_err();
        assert!(failure.hint.contains("recovery kit") && failure.hint.contains("another"), "{failure}");
    }

    #[test]
    fn a_realm_is_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::answering(Value::Null);
        let realm = realm(&fake, dir.path());
        let failure = fake.run(&["realm", "create", "--realm", &realm, "--name", "三浦"]).unwrap_err();
        assert!(failure.status == 2 && failure.message.contains("exists already"), "{failure}");
        let other = dir.path().join("other");
        let outcome =
            fake.run(&["realm", "create", "--realm", other.to_str().unwrap(), "--name", "丹沢"]).unwrap();
        assert!(text(&outcome).contains("root key"));
    }
}
