//! Finding the files of an import: named files as they are, folders recursively in sorted order.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::report::Problem;

/// Most files of one import.
const FILES_MAX: usize = 1_000_000;
/// Most folders inside each other.
const FOLDER_DEPTH_MAX: usize = 64;
/// Endings of the names of files that a folder is searched for.
const ENDINGS: [&str; 3] = [".json", ".ndjson", ".jsonl"];

/// The files of an import.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The files, in the order in which they are read.
    pub paths: Vec<PathBuf>,
    /// The sum of their sizes.
    pub bytes: u64,
    /// How many files of folders have other names.
    pub ignored: u64,
    /// What could not be found or listed.
    pub problems: Vec<Problem>,
}

impl Files {
    /// Lists the files of `paths`.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut files = Self::default();
        for path in paths {
            match fs::metadata(path) {
                Ok(meta) if meta.is_dir() => files.folder(path, 0),
                Ok(meta) if meta.is_file() => files.file(path.clone(), meta.len()),
                Ok(_) => files.problem(path, "neither a file nor a folder".to_owned()),
                Err(error) => files.failed(path, &error),
            }
        }
        files
    }

    /// Adds the files of a folder and of the folders in it. Links to folders are not followed: they may form a
    /// circle.
    fn folder(&mut self, path: &Path, depth: usize) {
        if depth > FOLDER_DEPTH_MAX {
            return self.problem(path, format!("more than {FOLDER_DEPTH_MAX} folders inside each other"));
        }
        let mut paths: Vec<PathBuf> = match fs::read_dir(path).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()
        }) {
            Ok(paths) => paths,
            Err(error) => return self.failed(path, &error),
        };
        paths.sort();
        for path in paths {
            let meta = match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_symlink() => fs::metadata(&path).map(|meta| (meta, true)),
                other => other.map(|meta| (meta, false)),
            };
            match meta {
                Ok((meta, false)) if meta.is_dir() => self.folder(&path, depth + 1),
                Ok((meta, _)) if meta.is_file() && is_wanted(&path) => self.file(path, meta.len()),
                Ok(_) => self.ignored += 1,
                Err(error) => self.failed(&path, &error),
            }
        }
    }

    fn file(&mut self, path: PathBuf, bytes: u64) {
        if self.paths.len() == FILES_MAX {
            return self.problem(&path, format!("an import has at most {FILES_MAX} files"));
        }
        self.bytes += bytes;
        self.paths.push(path);
    }

    fn failed(&mut self, path: &Path, error: &io::Error) {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
            io::ErrorKind::PermissionDenied => "no permission to read it".to_owned(),
            _ => format!("cannot be read: {error}"),
        };
        self.problem(path, reason);
    }

    fn problem(&mut self, path: &Path, reason: String) {
        self.problems.push(Problem { file: path.display().to_string(), line: None, reason });
    }
}

/// Says whether a file of a folder is to be read, by its name.
fn is_wanted(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    !name.starts_with('.') && ENDINGS.iter().any(|ending| plain.ends_with(ending))
}
