//! The data key at rest: wrapped by a key file or a passphrase, in `keys.toml`.
//!
//! ```toml
//! version = 1
//! key_id = "0123456789abcdef"      # 8 bytes of the tagged hash of the data key
//! method = "passphrase"            # or "key-file"
//! wrapped = "…"                    # nonce (24) ‖ XChaCha20-Poly1305 of the 32 bytes (32 + 16), hexadecimal
//! [argon2]                         # with method "passphrase" only
//! memory_kib = 65536
//! passes = 3
//! lanes = 1
//! salt = "…"                       # 16 random bytes, hexadecimal
//! ```
//!
//! The wrapping key is the tagged hash of the key file's 32 bytes, or argon2id (RFC 9106) of the passphrase in
//! NFKC. Everything else in the file is associated data, so a changed field is a key that does not open.
//! Losing both the file and what opens it loses the store: copies of both belong to different places.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::error::StoreError;
use super::files;
use super::sealing::{DataKey, fill_random};
use crate::base::hash_tagged;
use crate::base::id::{hex, unhex};

/// The name of the file of wrapped keys in a store's directory.
pub const KEYS_FILE: &str = "keys.toml";
/// The version of the file that this program writes and reads.
pub const KEYS_VERSION: u64 = 1;
/// Most memory that a `keys.toml` may ask of argon2, in KiB (1 GiB): a forged file cannot exhaust a tablet.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 1 << 20;
/// Most passes that a `keys.toml` may ask of argon2.
pub const ARGON2_PASSES_MAX: u32 = 64;
/// Most lanes that a `keys.toml` may ask of argon2.
pub const ARGON2_LANES_MAX: u32 = 16;
/// Largest `keys.toml` that is read, in bytes.
pub const KEYS_FILE_BYTES_MAX: u64 = 16 << 10;

/// What opens the data key.
#[derive(Clone)]
pub enum KeySource {
    /// A file of 32 random bytes; made at creation when it is not there.
    File(PathBuf),
    /// A passphrase, typed by a person.
    Passphrase(Zeroizing<String>),
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeySource::File(path) => write!(f, "KeySource::File({})", path.display()),
            KeySource::Passphrase(_) => f.write_str("KeySource::Passphrase(…)"),
        }
    }
}

/// What a guess at the passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Parallel lanes.
    pub lanes: u32,
}

impl Default for Argon2Cost {
    /// 64 MiB and 3 passes: the second recommendation of RFC 9106, with one lane for small processors.
    fn default() -> Self {
        Self { memory_kib: 64 << 10, passes: 3, lanes: 1 }
    }
}

/// Makes a data key and its `keys.toml`, and the key file when there is none yet. A `keys.toml` that a broken
/// creation left behind is used again.
///
/// # Errors
/// [`StoreError::KeysFile`], [`StoreError::WrongKey`] (for what was left behind), [`StoreError::File`].
pub fn create(dir: &Path, source: &KeySource, cost: Argon2Cost) -> Result<DataKey, StoreError> {
    if let KeySource::File(path) = source
        && !path.exists()
    {
        create_key_file(path)?;
    }
    if dir.join(KEYS_FILE).exists() {
        return unlock(dir, source);
    }
    let key = DataKey::generate()?;
    write(dir, &key, source, cost)?;
    Ok(key)
}

/// Opens the data key of a store.
///
/// # Errors
/// [`StoreError::KeysFile`] when a file is missing or not what it should be; [`StoreError::WrongKey`] when the
/// key file or passphrase does not fit.
pub fn unlock(dir: &Path, source: &KeySource) -> Result<DataKey, StoreError> {
    let path = dir.join(KEYS_FILE);
    let file = KeysFile::read(&path)?;
    let wrong = || StoreError::WrongKey {
        path: path.clone(),
        method: file.method.name(),
        key_id: file.key_id.clone(),
    };
    let wrapping = match (source, file.method) {
        (KeySource::File(key_file), Method::KeyFile) => key_file_key(key_file)?,
        (KeySource::Passphrase(passphrase), Method::Passphrase) => {
            let argon2 =
                file.argon2.as_ref().ok_or_else(|| broken(&path, "the table [argon2] is missing"))?;
            argon2.derive(passphrase).map_err(|why| broken(&path, &why))?
        }
        (KeySource::Passphrase(_), Method::KeyFile) => {
            return Err(broken(&path, "this store is opened by a key file, not by a passphrase"));
        }
        (KeySource::File(_), Method::Passphrase) => {
            return Err(broken(&path, "this store is opened by a passphrase, not by a key file"));
        }
    };
    let wrapped: [u8; 72] =
        unhex(&file.wrapped).map_err(|error| broken(&path, &format!("field `wrapped`: {error}")))?;
    let nonce = XNonce::try_from(&wrapped[..24]).expect("a nonce has 24 bytes");
    let plain = XChaCha20Poly1305::new(&(*wrapping).into())
        .decrypt(&nonce, Payload { msg: &wrapped[24..], aad: &file.associated() })
        .map(Zeroizing::new)
        .map_err(|_| wrong())?;
    let bytes: [u8; 32] = plain.as_slice().try_into().map_err(|_| wrong())?;
    let key = DataKey::from_bytes(Zeroizing::new(bytes));
    if key.id().to_string() == file.key_id { Ok(key) } else { Err(wrong()) }
}

/// Wraps the data key anew: another passphrase, another key file, or the other kind. Values stay as they are.
///
/// # Errors
/// As [`unlock`] and [`create`]; then the old `keys.toml` still stands.
pub fn rewrap(dir: &Path, old: &KeySource, new: &KeySource, cost: Argon2Cost) -> Result<(), StoreError> {
    let key = unlock(dir, old)?;
    if let KeySource::File(path) = new
        && !path.exists()
    {
        create_key_file(path)?;
    }
    write(dir, &key, new, cost)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Method {
    KeyFile,
    Passphrase,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::KeyFile => "key file",
            Method::Passphrase => "passphrase",
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    version: u64,
    key_id: String,
    method: Method,
    wrapped: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    argon2: Option<Argon2Table>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Argon2Table {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
}

impl KeysFile {
    fn read(path: &Path) -> Result<Self, StoreError> {
        let size = std::fs::metadata(path).map(|metadata| metadata.len());
        match size {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(broken(
                    path,
                    "not found; without it the store beside it cannot be read: put the file back",
                ));
            }
            Err(source) => return Err(StoreError::File { attempt: "reading", path: path.into(), source }),
            Ok(size) if size > KEYS_FILE_BYTES_MAX => {
                return Err(broken(path, "too large to be a keys.toml"));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(path).map_err(|source| StoreError::File {
            attempt: "reading",
            path: path.into(),
            source,
        })?;
        // The version comes first: a newer file may have fields that this program does not know.
        #[derive(Deserialize)]
        struct VersionOnly {
            version: u64,
        }
        let parse_error = |error: toml::de::Error| broken(path, error.message());
        let VersionOnly { version } = toml::from_str(&text).map_err(parse_error)?;
        if version != KEYS_VERSION {
            return Err(StoreError::Version { path: path.into(), found: version, known: KEYS_VERSION });
        }
        toml::from_str(&text).map_err(parse_error)
    }

    fn associated(&self) -> Vec<u8> {
        let argon2 = match &self.argon2 {
            Some(table) => format!("{}/{}/{}/{}", table.memory_kib, table.passes, table.lanes, table.salt),
            None => String::new(),
        };
        format!("musubi.keys.v{}/{}/{}/{argon2}", self.version, self.key_id, self.method.name()).into_bytes()
    }
}

impl Argon2Table {
    fn new(cost: Argon2Cost) -> Result<Self, StoreError> {
        let mut salt = [0; 16];
        fill_random(&mut salt)?;
        let Argon2Cost { memory_kib, passes, lanes } = cost;
        Ok(Self { memory_kib, passes, lanes, salt: hex(&salt) })
    }

    fn derive(&self, passphrase: &str) -> Result<Zeroizing<[u8; 32]>, String> {
        if self.memory_kib > ARGON2_MEMORY_KIB_MAX
            || self.passes > ARGON2_PASSES_MAX
            || self.lanes > ARGON2_LANES_MAX
        {
            return Err("[argon2] asks for more than this program allows".to_owned());
        }
        let salt: [u8; 16] = unhex(&self.salt).map_err(|error| format!("field `salt`: {error}"))?;
        let params = argon2::Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|error| format!("[argon2]: {error}"))?;
        let normal: Zeroizing<String> = Zeroizing::new(passphrase.nfkc().collect());
        let mut key = Zeroizing::new([0; 32]);
        argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password_into(normal.as_bytes(), &salt, key.as_mut_slice())
            .map_err(|error| format!("argon2: {error}"))?;
        Ok(key)
    }
}

fn write(dir: &Path, key: &DataKey, source: &KeySource, cost: Argon2Cost) -> Result<(), StoreError> {
    let path = dir.join(KEYS_FILE);
    let (method, argon2, wrapping) = match source {
        KeySource::File(key_file) => (Method::KeyFile, None, key_file_key(key_file)?),
        KeySource::Passphrase(passphrase) if passphrase.is_empty() => {
            return Err(broken(&path, "an empty passphrase protects nothing: give one, or use a key file"));
        }
        KeySource::Passphrase(passphrase) => {
            let table = Argon2Table::new(cost)?;
            let wrapping = table.derive(passphrase).map_err(|why| broken(&path, &why))?;
            (Method::Passphrase, Some(table), wrapping)
        }
    };
    let mut file = KeysFile {
        version: KEYS_VERSION,
        key_id: key.id().to_string(),
        method,
        wrapped: String::new(),
        argon2,
    };
    let mut wrapped = vec![0; 24];
    fill_random(&mut wrapped)?;
    let nonce = XNonce::try_from(wrapped.as_slice()).expect("a nonce has 24 bytes");
    let sealed = XChaCha20Poly1305::new(&(*wrapping).into())
        .encrypt(&nonce, Payload { msg: key.bytes(), aad: &file.associated() })
        .expect("32 bytes are below the cipher's limit");
    wrapped.extend_from_slice(&sealed);
    file.wrapped = hex(&wrapped);
    let text = toml::to_string(&file).expect("a flat struct of texts and numbers is TOML");
    files::write_durably(&path, text.as_bytes())
}

fn create_key_file(path: &Path) -> Result<(), StoreError> {
    let mut key = Zeroizing::new([0; 32]);
    fill_random(key.as_mut_slice())?;
    let failed = |source| StoreError::File { attempt: "creating the key file", path: path.into(), source };
    let temporary = files::temporary_name(path);
    let mut file = files::private_options().truncate(true).open(&temporary).map_err(failed)?;
    file.write_all(key.as_slice()).and_then(|()| file.sync_all()).map_err(failed)?;
    drop(file);
    files::rename_durably(&temporary, path)
}

fn key_file_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let size = std::fs::metadata(path)
        .map_err(|error| broken(path, &format!("the key file: {error}; put it back or give its path")))?
        .len();
    if size != 32 {
        return Err(broken(path, "not a key file: a key file has 32 bytes"));
    }
    let bytes = std::fs::read(path).map(Zeroizing::new).map_err(|source| StoreError::File {
        attempt: "reading the key file",
        path: path.into(),
        source,
    })?;
    Ok(Zeroizing::new(hash_tagged("musubi.store.key-file.v1", &[&bytes]).0))
}

fn broken(path: &Path, why: &str) -> StoreError {
    StoreError::KeysFile { path: path.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Argon2Cost = Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 };

    fn passphrase(text: &str) -> KeySource {
        KeySource::Passphrase(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn a_passphrase_opens_what_it_closed_and_no_other_does() {
        let dir = tempfile::tempdir().unwrap();
        let key = create(dir.path(), &passphrase("はなび 2026"), CHEAP).unwrap();
        assert_eq!(unlock(dir.path(), &passphrase("はなび 2026")).unwrap().id(), key.id());
        // The same letters from another keyboard: NFKC makes them one.
        let decomposed: String = "はなび 2026".nfd().collect();
        assert_eq!(unlock(dir.path(), &passphrase(&decomposed)).unwrap().id(), key.id());
        let wrong = unlock(dir.path(), &passphrase("hanabi")).unwrap_err();
        assert!(matches!(wrong, StoreError::WrongKey { .. }));
        assert!(wrong.to_string().contains("passphrase does not open"), "{wrong}");
        assert!(create(tempfile::tempdir().unwrap().path(), &passphrase(""), CHEAP).is_err());
    }

    #[test]
    fn a_key_file_is_made_once_private_and_opens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.key");
        let source = KeySource::File(path.clone());
        let key = create(dir.path(), &source, CHEAP).unwrap();
        assert_eq!(unlock(dir.path(), &source).unwrap().id(), key.id());
        assert_eq!(create(dir.path(), &source, CHEAP).unwrap().id(), key.id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, [7; 32]).unwrap();
        assert!(matches!(unlock(dir.path(), &source), Err(StoreError::WrongKey { .. })));
        std::fs::write(&path, [7; 31]).unwrap();
        assert!(matches!(unlock(dir.path(), &source), Err(StoreError::KeysFile { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(unlock(dir.path(), &source).unwrap_err().to_string().contains("put it back"));
        assert!(unlock(dir.path(), &passphrase("x")).unwrap_err().to_string().contains("key file"));
    }

    #[test]
    fn wrapping_anew_keeps_the_data_key() {
        let dir = tempfile::tempdir().unwrap();
        let key = create(dir.path(), &passphrase("old"), CHEAP).unwrap();
        rewrap(dir.path(), &passphrase("old"), &passphrase("new"), CHEAP).unwrap();
        assert!(unlock(dir.path(), &passphrase("old")).is_err());
        assert_eq!(unlock(dir.path(), &passphrase("new")).unwrap().id(), key.id());
    }

    #[test]
    fn a_changed_or_foreign_file_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), &passphrase("p"), CHEAP).unwrap();
        let path = dir.path().join(KEYS_FILE);
        let good = std::fs::read_to_string(&path).unwrap();
        let check = |text: &str, says: &str| {
            std::fs::write(&path, text).unwrap();
            let error = unlock(dir.path(), &passphrase("p")).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(KEYS_FILE), "{error}");
        };
        check(&good.replace("version = 1", "version = 2\nnews = 1"), "version 2 is not known");
        check(&format!("extra = 1\n{good}"), "unknown field");
        check(&good.replace("passes = 1", "passes = 2"), "does not open");
        check(&good.replace("memory_kib = 64", "memory_kib = 4000000000"), "more than this program allows");
        check(&good.replace("memory_kib = 64", "memory_kib = 0"), "[argon2]");
        check("", "version");
        check("\u{1}garbage", "keys.toml");
        std::fs::remove_file(&path).unwrap();
        assert!(unlock(dir.path(), &passphrase("p")).unwrap_err().to_string().contains("not found"));
    }
}
