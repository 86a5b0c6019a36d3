//! The house rules that a compiler does not keep: layers, crate fences, purity, file length, doc comments.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Layers of the modules, as `docs/architecture.md` draws them. A module imports lower layers only, and itself.
const LAYERS: &[(&str, u8)] = &[
    ("base", 0),
    ("identity", 1),
    ("record", 1),
    ("chart", 2),
    ("lane", 2),
    ("sync", 3),
    ("backup", 4),
    ("bundle", 4),
    ("interop", 4),
    ("store", 4),
    ("transport", 4),
    ("replica", 5),
    ("drill", 6),
    ("bench", 7),
    ("cli", 8),
];
/// Who may name a crate.
const FENCES: &[(&str, &[&str])] = &[
    ("automerge", &["chart"]),
    ("redb", &["store/redb"]),
    ("quinn", &["transport"]),
    ("rustls", &["transport"]),
    ("aws_sdk_s3", &["backup/s3"]),
    ("aws_smithy_http_client", &["backup/s3"]),
    ("clap", &["cli", "main.rs"]),
    ("anyhow", &["cli", "main.rs"]),
    ("indicatif", &["cli"]),
    ("comfy_table", &["cli"]),
    ("mimalloc", &["main.rs"]),
    ("nix", &["bench", "cli/memory.rs"]),
    ("fast_qr", &["bundle/qr.rs"]),
    ("rqrr", &["bundle/qr.rs"]),
];
/// What pure code does not touch: files, network, clock, randomness, runtime.
const IMPURE: &[&str] = &[
    "tokio::",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "SystemTime",
    "Instant",
    "getrandom",
    "thread_rng",
    "OsRng",
];
const PURE: &[&str] = &["base", "identity", "record", "chart", "lane", "sync", "backup/plan.rs", "bundle"];
const SOURCE_LINES_MAX: usize = 500;
const TEST_LINES_MAX: usize = 700;
const ROOT: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "rustfmt.toml",
    "clippy.toml",
    "src",
    "replicas",
    "scenarios",
    "tests",
    "docs",
    "target",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join(folder)];
    while let Some(next) = folders.pop() {
        for item in fs::read_dir(&next).unwrap() {
            let path: PathBuf = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root().join(folder)).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found.into_iter().collect()
}

/// The lines of production code: without comments, and without the unit tests at the bottom.
fn production(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim() == "mod tests {" {
            break;
        }
        if !line.trim_start().starts_with("//") {
            lines.push((number + 1, line));
        }
    }
    lines
}

fn is_test_file(name: &str) -> bool {
    let leaf = name.rsplit('/').next().unwrap();
    name.split('/').any(|part| part == "tests")
        || leaf.starts_with("tests")
        || leaf.ends_with("_tests.rs")
        || leaf == "fixtures.rs"
}

fn layer_of(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(place, _)| {
        let before = line[..place].chars().next_back();
        let after = &line[place + name.len()..];
        // `crate::store::redb::` is our own module, `::redb::` is not.
        let path =
            line[..place].strip_suffix("::").is_some_and(|before| before.ends_with(char::is_alphanumeric));
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"')
            && !path
            && after.starts_with("::")
    })
}

fn assert_none(kind: &str, problems: Vec<String>) {
    assert!(problems.is_empty(), "{kind}:\n  {}", problems.join("\n  "));
}

#[test]
fn modules_import_lower_layers_only() {
    let mut problems = Vec::new();
    for (name, text) in rust_files("src") {
        let module = name.split(['/', '.']).next().unwrap();
        let Some(layer) = layer_of(module) else { continue };
        for (number, line) in production(&text) {
            for (other, other_layer) in LAYERS {
                let imports = line.contains(&format!("crate::{other}::"));
                if imports && *other != module && *other_layer >= layer && !is_test_file(&name) {
                    problems.push(format!(
                        "src/{name}:{number}: {module} (L{layer}) imports {other} (L{other_layer})"
                    ));
                }
            }
        }
    }
    assert_none("imports that do not go down", problems);
}

#[test]
fn every_module_has_a_layer() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let unplaced: Vec<_> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|module| layer_of(module).is_none())
        .map(str::to_owned)
        .collect();
    assert_none("modules without a layer", unplaced);
}

#[test]
fn crates_stay_behind_their_fences() {
    let mut problems = Vec::new();
    for (name, text) in rust_files("src") {
        for (krate, allowed) in FENCES {
            if allowed.iter().any(|place| name.starts_with(place)) {
                continue;
            }
            for (number, line) in production(&text) {
                if names_crate(line, krate) {
                    problems
                        .push(format!("src/{name}:{number}: names {krate}, which belongs to {allowed:?}"));
                }
            }
        }
    }
    assert_none("crates outside their fences", problems);
}

#[test]
fn pure_layers_stay_pure() {
    let mut problems = Vec::new();
    for (name, text) in rust_files("src") {
        if !PURE.iter().any(|place| name.starts_with(place)) || is_test_file(&name) {
            continue;
        }
        for (number, line) in production(&text) {
            // What stands between quotation marks names nothing.
            let code: String = line.split('"').step_by(2).collect();
            for word in IMPURE {
                if code.contains(word) {
                    problems.push(format!("src/{name}:{number}: {word} in a pure layer"));
                }
            }
        }
    }
    assert_none("impurities", problems);
}

#[test]
fn files_are_one_idea_long() {
    let mut problems = Vec::new();
    for (folder, files) in [("src", rust_files("src")), ("tests", rust_files("tests"))] {
        for (name, text) in files {
            let most =
                if folder == "tests" || is_test_file(&name) { TEST_LINES_MAX } else { SOURCE_LINES_MAX };
            let lines = text.lines().count();
            if lines > most {
                problems.push(format!("{folder}/{name}: {lines} lines, more than {most}"));
            }
        }
    }
    assert_none("files too long", problems);
}

#[test]
fn every_public_item_has_a_doc_comment() {
    let mut problems = Vec::new();
    for (name, text) in rust_files("src").into_iter().filter(|(name, _)| !is_test_file(name)) {
        let mut documented = false;
        let mut attribute_open = false;
        for line in text.lines() {
            let code = line.trim();
            if code == "mod tests {" {
                break;
            }
            if code.starts_with("///")
                || code.starts_with("//!")
                || code.starts_with("#[doc")
                || code == "$(#[$doc])*"
            {
                documented = true;
            } else if code.starts_with("#[") || attribute_open {
                attribute_open = !code.ends_with(']');
            } else {
                let public = code.strip_prefix("pub ").is_some_and(|item| {
                    let is_module = item.starts_with("mod ") && item.ends_with(';');
                    !(item.starts_with("use ") || is_module)
                });
                if public && !documented {
                    problems.push(format!("src/{name}: {code}"));
                }
                documented = false;
            }
        }
    }
    assert_none("public items without a doc comment", problems);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = rust_files("src").into_iter().filter(|(_, text)| !text.starts_with("//!"));
    assert_none("files without a first doc line", silent.map(|(name, _)| format!("src/{name}")).collect());
}

#[test]
fn no_unsafe_and_nothing_left_undone() {
    let mut problems = Vec::new();
    for (name, text) in rust_files("src") {
        for (number, line) in text.lines().enumerate() {
            for word in
                ["unsafe ", "todo!(", "unimplemented!(", "#[ignore", "allow(dead_code", "TODO", "FIXME"]
            {
                if line.contains(word) && !line.trim_start().starts_with("//") {
                    problems.push(format!("src/{name}:{}: {word}", number + 1));
                }
            }
        }
    }
    assert_none("forbidden words", problems);
}

#[test]
fn the_root_stays_small() {
    let strangers = fs::read_dir(root())
        .unwrap()
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.') && !ROOT.contains(&name.as_str()))
        .collect();
    assert_none("strangers in the root", strangers);
}
