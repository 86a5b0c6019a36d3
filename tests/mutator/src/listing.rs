//! The list of mistakes, as cargo-mutants prints it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// A place in a file: both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// What is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub struct Span {
    pub start: Place,
    pub end: Place,
}

/// How a mistake is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Genre {
    /// A function returns at once.
    FnValue,
    BinaryOperator,
    UnaryOperator,
    /// An arm is deleted.
    MatchArm,
    /// A guard becomes `true` or `false`.
    MatchArmGuard,
    /// A field is taken from the rest of a struct.
    StructField,
    /// A statement is not executed; not among those of cargo-mutants.
    Statement,
    /// Of `a && b` or `a || b` one is not asked; not among those of cargo-mutants.
    Operand,
}

/// One mistake; its number is its place in the list, from 1.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Mistake {
    pub file: PathBuf,
    pub function: Option<Function>,
    pub name: String,
    pub genre: Genre,
    pub span: Span,
    pub replacement: String,
}

/// The function in which a mistake is made.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Function {
    pub return_type: String,
}

impl Mistake {
    /// What its function returns, as `-> bool`.
    pub fn returns(&self) -> &str {
        self.function.as_ref().map_or("", |function| &function.return_type)
    }
}

/// Reads the list.
pub fn read(path: &Path) -> Result<Vec<Mistake>> {
    let text = fs::read(path).with_context(|| format!("reading the list of mistakes {}", path.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("reading {} as cargo-mutants' list", path.display()))
}
