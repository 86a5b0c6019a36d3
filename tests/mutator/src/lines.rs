//! Mistakes that cargo-mutants does not make: a line is deleted.
//!
//! A statement that stands for itself is not executed, and of two conditions one is not asked. (A deleted arm of a
//! match and a deleted field are among those of cargo-mutants.) What binds a name is not deleted: nothing would compile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use proc_macro2::Span as Mark;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ExprBinary, Stmt};

use crate::listing::{Genre, Mistake, Place, Span};
use crate::places::binds;

/// Puts the lines that can be deleted in the files of a list behind it. They are found once, before the copy has
/// switches, and kept in a file.
pub fn add(copy: &Path, kept: &Path, mistakes: &mut Vec<Mistake>) -> Result<()> {
    if let Ok(text) = fs::read(kept) {
        let found: Vec<Mistake> =
            serde_json::from_slice(&text).with_context(|| format!("reading {}", kept.display()))?;
        mistakes.extend(found);
        return Ok(());
    }
    let files: BTreeSet<PathBuf> = mistakes.iter().map(|mistake| mistake.file.clone()).collect();
    let mut all = Vec::new();
    for file in files {
        let path = copy.join(&file);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        all.extend(find(&file, &text).with_context(|| format!("reading the syntax of {}", path.display()))?);
    }
    fs::write(kept, serde_json::to_vec(&all)?).with_context(|| format!("writing {}", kept.display()))?;
    mistakes.extend(all);
    Ok(())
}

/// Finds the lines that can be deleted in a file; those of its tests are left.
pub fn find(file: &Path, source: &str) -> syn::Result<Vec<Mistake>> {
    let mut finder = Finder { file, source, leaving: BTreeSet::new(), found: Vec::new() };
    finder.visit_file(&syn::parse_file(source)?);
    Ok(finder.found)
}

struct Finder<'a> {
    file: &'a Path,
    source: &'a str,
    /// Where statements begin that must leave a block.
    leaving: BTreeSet<usize>,
    found: Vec<Mistake>,
}

impl Finder<'_> {
    fn push(&mut self, genre: Genre, mark: Mark, what: Mark, replacement: String) {
        let place = |at: proc_macro2::LineColumn| Place { line: at.line, column: at.column + 1 };
        let span = Span { start: place(mark.start()), end: place(mark.end()) };
        let deleted = self.source[what.byte_range()].lines().next().unwrap_or_default();
        let at = place(what.start());
        let name = format!("{}:{}:{}: delete {deleted}", self.file.display(), at.line, at.column);
        self.found.push(Mistake {
            file: self.file.to_owned(),
            function: None,
            name,
            genre,
            span,
            replacement,
        });
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if function.sig.constness.is_none() {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if function.sig.constness.is_none() {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}

    /// What a `let … else` ends with must leave: nothing compiles without.
    fn visit_local(&mut self, local: &'ast syn::Local) {
        if let Some((_, diverge)) = local.init.as_ref().and_then(|init| init.diverge.as_ref())
            && let Expr::Block(it) = &**diverge
        {
            self.leaving.extend(it.block.stmts.last().map(|last| last.span().byte_range().start));
        }
        visit::visit_local(self, local);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        for (place, statement) in block.stmts.iter().enumerate() {
            let is_last = place + 1 == block.stmts.len();
            if self.leaving.contains(&statement.span().byte_range().start) {
                continue;
            }
            let stands_alone = match statement {
                Stmt::Expr(_, Some(_)) => true,
                Stmt::Expr(Expr::If(it), None) => it.else_branch.is_none(),
                Stmt::Expr(Expr::ForLoop(_) | Expr::While(_), None) => true,
                Stmt::Expr(_, None) => !is_last,
                Stmt::Macro(it) => it.semi_token.is_some(),
                Stmt::Local(_) | Stmt::Item(_) => false,
            };
            if stands_alone {
                self.push(Genre::Statement, statement.span(), statement.span(), String::new());
            }
        }
        visit::visit_block(self, block);
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        let joins = matches!(binary.op, BinOp::And(_) | BinOp::Or(_));
        if joins && !binds(&binary.left) && !binds(&binary.right) {
            for (kept, deleted) in [(&binary.left, &binary.right), (&binary.right, &binary.left)] {
                let text = self.source[kept.span().byte_range()].to_owned();
                self.push(Genre::Operand, binary.span(), deleted.span(), text);
            }
        }
        visit::visit_expr_binary(self, binary);
    }
}
