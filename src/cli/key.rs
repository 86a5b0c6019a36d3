//! What opens a store: a key file or a passphrase.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::failure::Failure;

/// The key file inside a store's folder that is used when nothing else is named.
pub const DEFAULT_KEY_FILE: &str = "store.key";
/// The environment variable that holds a passphrase.
pub const PASSPHRASE_VARIABLE: &str = "MUSUBI_PASSPHRASE";
/// Largest passphrase file that is read, in bytes.
pub const PASSPHRASE_FILE_BYTES_MAX: u64 = 4 << 10;

/// What opens a store.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyChoice {
    /// A key file of the operator's choice.
    File(PathBuf),
    /// The key file inside the store's folder, which protects nothing when the whole folder is stolen.
    Inside(PathBuf),
    /// A passphrase.
    Passphrase(Zeroizing<String>),
}

/// What the caller named.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyWanted<'a> {
    /// The key file of the call or of the configuration.
    pub key_file: Option<&'a Path>,
    /// The file that holds a passphrase.
    pub passphrase_file: Option<&'a Path>,
}

impl KeyChoice {
    /// Chooses what opens the store `store`: what the call names (a file that holds the passphrase first), else
    /// the passphrase of the environment, else `store.key` inside the store's folder.
    ///
    /// # Errors
    /// [`Failure`] when the passphrase file cannot be read, or the passphrase is empty.
    pub fn resolve(
        store: &Path,
        wanted: KeyWanted<'_>,
        environment: Option<&Zeroizing<String>>,
    ) -> Result<Self, Failure> {
        let choice = match (wanted.passphrase_file, wanted.key_file, environment) {
            (Some(file), _, _) => KeyChoice::Passphrase(read_passphrase(file)?),
            (None, Some(file), _) => KeyChoice::File(file.to_owned()),
            (None, None, Some(passphrase)) => KeyChoice::Passphrase(passphrase.clone()),
            (None, None, None) => KeyChoice::Inside(store.join(DEFAULT_KEY_FILE)),
        };
        match &choice {
            KeyChoice::Passphrase(text) if text.is_empty() => {
                Err(Failure::wrong_call("the passphrase is empty")
                    .hint(format!("set {PASSPHRASE_VARIABLE}, or name a key file with --key-file")))
            }
            KeyChoice::Passphrase(_) | KeyChoice::File(_) | KeyChoice::Inside(_) => Ok(choice),
        }
    }

    /// Returns the key file, if one is used.
    pub fn file(&self) -> Option<&Path> {
        match self {
            KeyChoice::File(path) | KeyChoice::Inside(path) => Some(path),
            KeyChoice::Passphrase(_) => None,
        }
    }

    /// Says what opens the store, for people.
    pub fn describe(&self) -> String {
        match self {
            KeyChoice::File(path) => format!("key file {}", path.display()),
            KeyChoice::Inside(path) => format!("key file {} (inside the store's folder)", path.display()),
            KeyChoice::Passphrase(_) => "passphrase".to_owned(),
        }
    }

    /// Says what the operator should know about this choice.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            KeyChoice::Inside(_) => Some(
                "The key lies inside the store's folder: it finds out bit rot, but protects nothing when the whole \
                 folder is stolen. Give a tablet a passphrase (MUSUBI_PASSPHRASE), or a key file elsewhere \
                 (--key-file).",
            ),
            KeyChoice::File(_) | KeyChoice::Passphrase(_) => None,
        }
    }
}

impl fmt::Debug for KeyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

fn read_passphrase(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |why: String| {
        Failure::wrong_call(format!("reading the passphrase file {}: {why}", path.display()))
            .hint("it holds the passphrase on one line, in UTF-8")
    };
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > PASSPHRASE_FILE_BYTES_MAX {
        return Err(failed(format!("{size} bytes are too many")));
    }
    let mut text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?);
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn what_the_call_names_beats_the_environment() {
        let store = Path::new("data");
        let environment = secret("from the environment");
        let named = KeyWanted { key_file: Some(Path::new("n.key")), passphrase_file: None };
        let chosen = KeyChoice::resolve(store, named, Some(&environment)).unwrap();
        assert_eq!(chosen, KeyChoice::File("n.key".into()));
        let chosen = KeyChoice::resolve(store, KeyWanted::default(), Some(&environment)).unwrap();
        assert_eq!(chosen, KeyChoice::Passphrase(environment));
        let chosen = KeyChoice::resolve(store, KeyWanted::default(), None).unwrap();
        assert_eq!(chosen, KeyChoice::Inside("data/store.key".into()));
        assert!(chosen.advice().is_some());
    }

    #[test]
    fn a_passphrase_file_loses_its_line_end_and_never_shows() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("合言葉.txt");
        std::fs::write(&file, "ひらけ ごま\r\n").unwrap();
        let wanted = KeyWanted { key_file: None, passphrase_file: Some(&file) };
        let chosen = KeyChoice::resolve(Path::new("data"), wanted, None).unwrap();
        assert_eq!(chosen, KeyChoice::Passphrase(secret("ひらけ ごま")));
        assert!(!format!("{chosen:?}").contains("ごま"));
    }

    #[test]
    fn an_empty_passphrase_opens_nothing() {
        let failure =
            KeyChoice::resolve(Path::new("data"), KeyWanted::default(), Some(&secret(""))).unwrap_err();
        assert_eq!(failure.status, 2);
    }
}
