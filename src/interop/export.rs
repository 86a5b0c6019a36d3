//! Writing resources as FHIR files: NDJSON, or a Bundle of type `collection`.
//!
//! A resource's text is written as it is given. Files and folders appear under their name only when they are
//! whole: they are written beside it first, flushed to the disk, then renamed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::reference::is_type_name;
use crate::record::json;

/// Most files of a folder, one a resource type (FHIR R4 has 148).
const TYPES_MAX: usize = 512;

/// Why an export failed; what stood under the name before is still there.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The disk is full.
    #[error("exporting to {path}: the disk is full; free some space and export again")]
    DiskFull {
        /// What was to be written.
        path: String,
    },
    /// The file or folder cannot be written.
    #[error("exporting to {path}: {source}")]
    Write {
        /// What was to be written.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The folder holds something.
    #[error("exporting to {path}: the folder is not empty; name a new one")]
    NotEmpty {
        /// The folder.
        path: String,
    },
    /// What was given is not a resource.
    #[error("exporting: a text is not a FHIR resource")]
    NotResource,
    /// More resource types than FHIR has.
    #[error("exporting: more than {TYPES_MAX} resource types")]
    TooManyTypes,
    /// The resources could not be read.
    #[error("exporting: reading the resources: {0}")]
    Read(#[source] Box<dyn Error + Send + Sync>),
}

/// What an export has written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// Resources written.
    pub resources: u64,
    /// The same by resource type.
    pub by_type: BTreeMap<String, u64>,
    /// Bytes written.
    pub bytes: u64,
}

/// The form of an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportForm {
    /// One resource a line.
    Ndjson,
    /// A Bundle of type `collection`.
    Bundle,
}

/// Writes resources to a stream.
///
/// # Errors
/// [`ExportError`] when reading or writing fails, or a text is not a resource.
pub fn to_writer<E: Into<Box<dyn Error + Send + Sync>>>(
    resources: impl IntoIterator<Item = Result<String, E>>,
    form: ExportForm,
    out: &mut dyn Write,
) -> Result<ExportReport, ExportError> {
    write(resources, form, out, "the output")
}

/// Writes resources to a file, which is replaced when it exists.
///
/// # Errors
/// [`ExportError`] when reading or writing fails, or a text is not a resource.
pub fn to_file<E: Into<Box<dyn Error + Send + Sync>>>(
    resources: impl IntoIterator<Item = Result<String, E>>,
    form: ExportForm,
    path: &Path,
) -> Result<ExportReport, ExportError> {
    let shown = path.display().to_string();
    let failed = |error| failure(&shown, error);
    let file =
        tempfile::Builder::new().prefix(".musubi-export-").tempfile_in(folder_of(path)).map_err(failed)?;
    let mut out = BufWriter::new(file);
    let report = write(resources, form, &mut out, &shown)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    sync_folder(folder_of(path)).map_err(failed)?;
    Ok(report)
}

/// Writes resources to a new or empty folder: `Patient.ndjson` and so on, one file a resource type.
///
/// # Errors
/// [`ExportError`] when the folder holds something, reading or writing fails, or a text is not a resource.
pub fn to_folder<E: Into<Box<dyn Error + Send + Sync>>>(
    resources: impl IntoIterator<Item = Result<String, E>>,
    path: &Path,
) -> Result<ExportReport, ExportError> {
    let shown = path.display().to_string();
    let failed = |error| failure(&shown, error);
    let exists = match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            Some(_) => return Err(ExportError::NotEmpty { path: shown }),
            None => true,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(error)),
    };
    let folder =
        tempfile::Builder::new().prefix(".musubi-export-").tempdir_in(folder_of(path)).map_err(failed)?;
    let mut report = ExportReport::default();
    let mut files: BTreeMap<String, BufWriter<File>> = BTreeMap::new();
    for resource in resources {
        let resource = resource.map_err(|error| ExportError::Read(error.into()))?;
        let (resource_type, _) = type_and_id(&resource)?;
        if !files.contains_key(&resource_type) {
            if files.len() == TYPES_MAX {
                return Err(ExportError::TooManyTypes);
            }
            let file =
                File::create_new(folder.path().join(format!("{resource_type}.ndjson"))).map_err(failed)?;
            files.insert(resource_type.clone(), BufWriter::new(file));
        }
        let out = files.get_mut(&resource_type).expect("it was just added");
        out.write_all(resource.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(failed)?;
        count(&mut report, resource_type, resource.len() + 1);
    }
    for file in files.into_values() {
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
    }
    sync_folder(folder.path()).map_err(failed)?;
    if exists {
        fs::remove_dir(path).map_err(failed)?;
    }
    fs::rename(folder.path(), path).map_err(failed)?;
    // What it named has another name now: there is nothing left to remove.
    let _ = folder.keep();
    sync_folder(folder_of(path)).map_err(failed)?;
    Ok(report)
}

/// Writes resources in a form; `shown` names the output in errors.
fn write<E: Into<Box<dyn Error + Send + Sync>>>(
    resources: impl IntoIterator<Item = Result<String, E>>,
    form: ExportForm,
    out: &mut dyn Write,
    shown: &str,
) -> Result<ExportReport, ExportError> {
    let mut report = ExportReport::default();
    let mut put = |report: &mut ExportReport, text: &str| {
        report.bytes += text.len() as u64;
        out.write_all(text.as_bytes()).map_err(|error| failure(shown, error))
    };
    if form == ExportForm::Bundle {
        put(&mut report, r#"{"resourceType":"Bundle","type":"collection""#)?;
    }
    for resource in resources {
        let resource = resource.map_err(|error| ExportError::Read(error.into()))?;
        let (resource_type, id) = type_and_id(&resource)?;
        match form {
            ExportForm::Ndjson => {
                put(&mut report, &resource)?;
                put(&mut report, "\n")?;
            }
            ExportForm::Bundle => {
                let between = if report.resources == 0 { ",\"entry\":[\n{" } else { "},\n{" };
                put(&mut report, between)?;
                if let Some(id) = id.filter(|id| is_uuid(id)) {
                    put(&mut report, &format!(r#""fullUrl":"urn:uuid:{id}","#))?;
                }
                put(&mut report, "\"resource\":")?;
                put(&mut report, &resource)?;
            }
        }
        count(&mut report, resource_type, 0);
    }
    if form == ExportForm::Bundle {
        let end = if report.resources == 0 { "}\n" } else { "}\n]}\n" };
        put(&mut report, end)?;
    }
    out.flush().map_err(|error| failure(shown, error))?;
    Ok(report)
}

fn count(report: &mut ExportReport, resource_type: String, bytes: usize) {
    report.resources += 1;
    report.bytes += bytes as u64;
    *report.by_type.entry(resource_type).or_default() += 1;
}

/// Reads the type, which must be a plain name since it names a file, and the id of a resource.
fn type_and_id(resource: &str) -> Result<(String, Option<String>), ExportError> {
    let read = json::top_strings(resource, ["resourceType", "id"]);
    let [resource_type, id] = read.map_err(|_| ExportError::NotResource)?;
    let resource_type = resource_type.filter(|name| is_type_name(name)).ok_or(ExportError::NotResource)?;
    if resource.contains('\n') { Err(ExportError::NotResource) } else { Ok((resource_type, id)) }
}

/// Says whether an id is a UUID in lower case, which references in documents name as `urn:uuid:…`.
fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

fn failure(path: &str, source: io::Error) -> ExportError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ExportError::DiskFull { path },
        _ => ExportError::Write { path, source },
    }
}

/// Returns the folder in which a path stands.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Makes the names in a folder durable, where the system can do that.
fn sync_folder(path: impl AsRef<Path>) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct SmallDisk(usize);

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.len() > self.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn resources() -> Vec<Result<String, io::Error>> {
        vec![
            Ok(r#"{"id":"0f1e2d3c-0000-4000-8000-0123456789ab","resourceType":"Patient"}"#.to_owned()),
            Ok(r#"{"id":"o","resourceType":"Observation","valueQuantity":{"value":1.50}}"#.to_owned()),
        ]
    }

    #[test]
    fn a_bundle_is_json_and_keeps_every_digit() {
        let mut out = Vec::new();
        let report = to_writer(resources(), ExportForm::Bundle, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let bundle: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(bundle["entry"].as_array().unwrap().len(), 2);
        assert_eq!(bundle["entry"][0]["fullUrl"], "urn:uuid:0f1e2d3c-0000-4000-8000-0123456789ab");
        assert!(text.contains("1.50"));
        assert_eq!((report.resources, report.bytes), (2, text.len() as u64));

        let mut out = Vec::new();
        to_writer(Vec::<Result<String, io::Error>>::new(), ExportForm::Bundle, &mut out).unwrap();
        assert_eq!(out, b"{\"resourceType\":\"Bundle\",\"type\":\"collection\"}\n");
    }

    #[test]
    fn a_full_disk_is_named_so() {
        let error = to_writer(resources(), ExportForm::Ndjson, &mut SmallDisk(100)).unwrap_err();
        assert!(matches!(error, ExportError::DiskFull { .. }), "{error}");
    }

    #[test]
    fn a_failed_export_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("記録 1.json");
        fs::write(&path, "old").unwrap();
        let broken = vec![Ok(resources().remove(0).unwrap()), Err(io::Error::other("lost"))];
        assert!(matches!(to_file(broken, ExportForm::Bundle, &path), Err(ExportError::Read(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        to_file(resources(), ExportForm::Ndjson, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_folder_appears_whole_and_is_never_mixed_with_an_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let report = to_folder(resources(), &path).unwrap();
        let patients = fs::read_to_string(path.join("Patient.ndjson")).unwrap();
        assert_eq!(patients.trim_end(), resources()[0].as_ref().unwrap());
        assert_eq!(report.by_type["Observation"], 1);
        assert!(matches!(to_folder(resources(), &path), Err(ExportError::NotEmpty { .. })));
        let bad = vec![Ok::<_, io::Error>(r#"{"resourceType":"../../x"}"#.to_owned())];
        assert!(matches!(to_folder(bad, &folder.path().join("other")), Err(ExportError::NotResource)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
