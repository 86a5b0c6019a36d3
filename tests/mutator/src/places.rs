//! Finds mistakes in the syntax tree of their file.

use std::collections::BTreeMap;
use std::ops::Range;

use proc_macro2::Span as Mark;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Arm, BinOp, Expr, ExprBinary, ExprStruct, ExprUnary, ImplItemFn, ItemFn, Pat, TraitItemFn};

use crate::listing::{Genre, Mistake, Place};

/// Another text in the place of a piece of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// The mistake's number.
    pub number: u32,
    /// Which bytes of the file.
    pub piece: Range<usize>,
    pub text: String,
}

/// What mistakes are made at one place. Ranges are bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An expression reads otherwise.
    Expression { whole: Range<usize>, others: Vec<Other> },
    /// A statement is not executed.
    Statement { whole: Range<usize>, number: u32 },
    /// A function returns at once; `begins` is behind its opening brace.
    Body { begins: usize, returns: Vec<(u32, String)> },
    /// An arm of a match is passed over, or its guard is not asked.
    Arm {
        pattern_ends: usize,
        guard: Option<Range<usize>>,
        deleted: Option<u32>,
        always: Option<u32>,
        never: Option<u32>,
    },
}

impl Change {
    /// Where it begins, and what encloses what: of two with one beginning the longer, then the one that encloses.
    pub fn order(&self) -> (usize, std::cmp::Reverse<usize>, u8) {
        match self {
            Self::Arm { guard: Some(guard), .. } => (guard.start, std::cmp::Reverse(guard.end), 0),
            Self::Arm { pattern_ends, .. } => (*pattern_ends, std::cmp::Reverse(*pattern_ends), 0),
            Self::Body { begins, .. } => (*begins, std::cmp::Reverse(*begins), 0),
            Self::Statement { whole, .. } => (whole.start, std::cmp::Reverse(whole.end), 0),
            Self::Expression { whole, .. } => (whole.start, std::cmp::Reverse(whole.end), 1),
        }
    }
}

/// Finds the mistakes of one file, given by number; returns the changes in their order, and the numbers of those that
/// no switch can make: those in constants and in macros.
pub fn find(source: &str, mistakes: &[(u32, &Mistake)]) -> syn::Result<(Vec<Change>, Vec<u32>)> {
    let mut wanted: BTreeMap<(Place, Place), Vec<(u32, &Mistake)>> = BTreeMap::new();
    for &(number, mistake) in mistakes {
        wanted.entry((mistake.span.start, mistake.span.end)).or_default().push((number, mistake));
    }
    let mut finder = Finder { wanted, changes: Vec::new(), refused: Vec::new() };
    finder.visit_file(&syn::parse_file(source)?);
    let Finder { wanted, mut changes, refused } = finder;
    changes.sort_by_key(Change::order);
    Ok((changes, wanted.into_values().flatten().map(|(number, _)| number).chain(refused).collect()))
}

struct Finder<'a> {
    /// Those not found yet.
    wanted: BTreeMap<(Place, Place), Vec<(u32, &'a Mistake)>>,
    changes: Vec<Change>,
    /// Those that cannot be switched although they were found.
    refused: Vec<u32>,
}

impl<'a> Finder<'a> {
    fn take(&mut self, mark: Mark, genre: Genre) -> Vec<(u32, &'a Mistake)> {
        let place = |at: proc_macro2::LineColumn| Place { line: at.line, column: at.column + 1 };
        let at = (place(mark.start()), place(mark.end()));
        let Some(there) = self.wanted.get_mut(&at) else { return Vec::new() };
        let (taken, left) =
            std::mem::take(there).into_iter().partition(|(_, mistake)| mistake.genre == genre);
        *there = left;
        taken
    }

    fn expression(&mut self, whole: Mark, pieces: &[(Mark, Genre)]) {
        let mut others = Vec::new();
        for (piece, genre) in pieces {
            others.extend(self.take(*piece, *genre).into_iter().map(|(number, mistake)| Other {
                number,
                piece: piece.byte_range(),
                text: mistake.replacement.clone(),
            }));
        }
        if !others.is_empty() {
            self.changes.push(Change::Expression { whole: whole.byte_range(), others });
        }
    }

    /// A function that returns at once is told by the span of its statements.
    fn body(&mut self, block: &syn::Block) {
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else { return };
        let Some(statements) = first.span().join(last.span()) else { return };
        let returns = self.take(statements, Genre::FnValue);
        if !returns.is_empty() {
            let begins = block.brace_token.span.open().byte_range().end;
            let returns = returns.into_iter().map(|(number, mistake)| (number, mistake.replacement.clone()));
            self.changes.push(Change::Body { begins, returns: returns.collect() });
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if function.sig.constness.is_none() {
            self.body(&function.block);
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if function.sig.constness.is_none() {
            self.body(&function.block);
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.body(block);
        }
        visit::visit_trait_item_fn(self, function);
    }

    // Nothing can be switched where the compiler computes.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        let chained = matches!(binary.op, BinOp::And(_)) && (binds(&binary.left) || binds(&binary.right));
        if !chained {
            let pieces = [(binary.op.span(), Genre::BinaryOperator), (binary.span(), Genre::Operand)];
            self.expression(binary.span(), &pieces);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        for statement in &block.stmts {
            for (number, _) in self.take(statement.span(), Genre::Statement) {
                self.changes.push(Change::Statement { whole: statement.span().byte_range(), number });
            }
        }
        visit::visit_block(self, block);
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        self.expression(unary.span(), &[(unary.op.span(), Genre::UnaryOperator)]);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_struct(&mut self, made: &'ast ExprStruct) {
        // A field is told with the comma behind it.
        let marks = made.fields.pairs().flat_map(|pair| {
            let field = pair.value().span();
            let comma = pair.punct().and_then(|comma| field.join(comma.span()));
            [Some(field), comma].into_iter().flatten()
        });
        let pieces: Vec<(Mark, Genre)> = marks.map(|mark| (mark, Genre::StructField)).collect();
        self.expression(made.span(), &pieces);
        visit::visit_expr_struct(self, made);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        let deleted = self.take(arm.span(), Genre::MatchArm);
        let guard = arm.guard.as_ref().map(|(_, guard)| guard);
        let asked = guard.map(|guard| self.take(guard.span(), Genre::MatchArmGuard)).unwrap_or_default();
        let becomes =
            |text: &str| asked.iter().find(|(_, it)| it.replacement == text).map(|(number, _)| *number);
        let (always, never) = (becomes("true"), becomes("false"));
        let deleted = deleted.first().map(|(number, _)| *number);
        // Without the arm that takes everything, the compiler would refuse the match; with a switch in it, too.
        let takes_all = guard.is_none()
            && match &arm.pat {
                Pat::Wild(_) => true,
                Pat::Ident(named) => named.subpat.is_none(),
                _ => false,
            };
        let (deleted, refused) = if takes_all { (None, deleted) } else { (deleted, None) };
        self.refused.extend(refused);
        if deleted.or(always).or(never).is_some() {
            let guard = guard.map(|guard| guard.span().byte_range());
            let pattern_ends = arm.pat.span().byte_range().end;
            self.changes.push(Change::Arm { pattern_ends, guard, deleted, always, never });
        }
        visit::visit_arm(self, arm);
    }
}

/// Says whether a condition binds names: `a && let Some(b) = c` is no expression of its own.
pub fn binds(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => binds(&binary.left) || binds(&binary.right),
        _ => false,
    }
}
