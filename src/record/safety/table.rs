//! The rules as data: a CSV table of pairs that must not, or hardly, meet.
//!
//! Columns, in this order, with a header row, UTF-8: `rule_id, kind, a_yj_prefix, a_name_ja, a_name_en, b_yj_prefix,
//! b_name_ja, b_name_en, severity, reason_ja, reason_en`. `kind` is `drug-drug`, `drug-allergy` (a is what the patient is
//! allergic to; its prefix is empty for foods, which are known by name) or `duplicate-class`; `severity` is
//! `contraindicated` or `caution`. A rule matches when the two codes begin with the prefixes, in either order; for
//! `drug-allergy` a is the allergy. English columns may be empty. One wrong row, and nothing is loaded.
//!
//! The table in this tree (`data/demonstration.csv`, CC0) is a **demonstration, NOT for clinical use**: composed from
//! general pharmacology knowledge, not checked by a pharmacist, not complete. A site must load its licensed one.

use std::collections::BTreeMap;

use super::alert::{AlertKind, Severity, Words};
use super::resolve::INGREDIENT_CHARS;

/// The demonstration table, NOT for clinical use.
const DEMONSTRATION: &[u8] = include_bytes!("data/demonstration.csv");
/// Largest table that is read, in bytes (the national interaction databases have some 10 MB).
pub const TABLE_BYTES_MAX: usize = 64 << 20;
/// Most rows of a table.
pub const ROWS_MAX: usize = 500_000;
/// Longest field of a table, in bytes.
pub const FIELD_BYTES_MAX: usize = 4_096;
/// Shortest and longest prefix: a therapeutic class, and a whole YJ code.
const PREFIX_CHARS: std::ops::RangeInclusive<usize> = 3..=12;
/// The columns.
pub const COLUMNS: [&str; 11] = [
    "rule_id",
    "kind",
    "a_yj_prefix",
    "a_name_ja",
    "a_name_en",
    "b_yj_prefix",
    "b_name_ja",
    "b_name_en",
    "severity",
    "reason_ja",
    "reason_en",
];

/// One side of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The beginning of the YJ codes that it means; empty for a food.
    pub prefix: String,
    /// What it is called.
    pub name: Words,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The row's own name, such as `DD-012.3`.
    pub id: String,
    /// Which check it belongs to.
    pub kind: AlertKind,
    /// One side; of `drug-allergy` the allergy.
    pub a: Party,
    /// The other side.
    pub b: Party,
    /// How much harm is possible.
    pub severity: Severity,
    /// Why.
    pub reason: Words,
}

/// All rules, found by the prefixes of either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    rules: Vec<Rule>,
    by_prefix: BTreeMap<String, Vec<usize>>,
}

/// Why a table was not loaded; nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The table is too large.
    #[error("reading the rules table: more than {TABLE_BYTES_MAX} bytes or {ROWS_MAX} rows")]
    TooLarge,
    /// The table has no rows.
    #[error("reading the rules table: it has no rules")]
    Empty,
    /// The file is not CSV.
    #[error("reading the rules table, line {line}: {why}")]
    Csv {
        /// The line, from 1.
        line: u64,
        /// What the reader says.
        why: String,
    },
    /// A field is wrong.
    #[error("reading the rules table, line {line}, column {column}: {why}")]
    Field {
        /// The line, from 1.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl Table {
    /// Returns the demonstration table, NOT for clinical use.
    pub fn demonstration() -> Self {
        Self::parse(DEMONSTRATION).expect("the shipped table is read by a test")
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`TableError`] naming the line, the column and what is wrong; then nothing is loaded.
    pub fn parse(bytes: &[u8]) -> Result<Self, TableError> {
        if bytes.len() > TABLE_BYTES_MAX {
            return Err(TableError::TooLarge);
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
        let mut rules: Vec<Rule> = Vec::new();
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        for (number, record) in reader.records().enumerate() {
            let record = record.map_err(|error| TableError::Csv {
                line: error.position().map_or(0, csv::Position::line),
                why: error.to_string(),
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            let row = Row { line, record: &record };
            if number == 0 {
                row.header()?;
                continue;
            }
            if number > ROWS_MAX {
                return Err(TableError::TooLarge);
            }
            let rule = row.rule()?;
            if let Some(before) = lines.insert(rule.id.clone(), line) {
                return Err(row.wrong(0, format!("'{}' is in line {before} too", rule.id)));
            }
            rules.push(rule);
        }
        if rules.is_empty() {
            return Err(TableError::Empty);
        }
        let mut by_prefix: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for party in [&rule.a, &rule.b] {
                let found = by_prefix.entry(party.prefix.clone()).or_default();
                if found.last() != Some(&index) {
                    found.push(index);
                }
            }
        }
        Ok(Self { rules, by_prefix })
    }

    /// Returns all rules in the order of the table.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns the rules of which a side's prefix is a beginning of `code`.
    pub fn touching<'t>(&'t self, code: &'t str) -> impl Iterator<Item = &'t Rule> {
        let ends = PREFIX_CHARS.filter(|end| code.is_char_boundary(*end) && *end <= code.len());
        ends.filter_map(|end| self.by_prefix.get(&code[..end])).flatten().map(|index| &self.rules[*index])
    }

    /// Returns the rules about what has no code, such as foods.
    pub fn uncoded(&self) -> impl Iterator<Item = &Rule> {
        self.by_prefix.get("").into_iter().flatten().map(|index| &self.rules[*index])
    }
}

impl Party {
    /// Says whether a code is meant; an empty prefix means no code.
    pub fn means(&self, code: &str) -> bool {
        !self.prefix.is_empty() && code.starts_with(&self.prefix)
    }
}

struct Row<'r> {
    line: u64,
    record: &'r csv::StringRecord,
}

impl Row<'_> {
    fn wrong(&self, column: usize, why: impl Into<String>) -> TableError {
        TableError::Field { line: self.line, column: COLUMNS[column], why: why.into() }
    }

    fn header(&self) -> Result<(), TableError> {
        for (column, name) in COLUMNS.into_iter().enumerate() {
            match self.record.get(column).map(str::trim) {
                Some(there) if there == name => {}
                Some(there) => {
                    return Err(self.wrong(column, format!("the header says '{}' here", shown(there))));
                }
                None => return Err(self.wrong(column, "the header lacks it")),
            }
        }
        self.width()
    }

    fn width(&self) -> Result<(), TableError> {
        match self.record.len() {
            0..11 => Err(self.wrong(self.record.len(), "the row ends before it")),
            11 => Ok(()),
            many => Err(self.wrong(10, format!("{} fields follow it; is a comma unquoted?", many - 11))),
        }
    }

    fn field(&self, column: usize) -> Result<&str, TableError> {
        let field = self.record.get(column).unwrap_or_default().trim();
        match field.len() {
            0..=FIELD_BYTES_MAX => Ok(field),
            long => Err(self.wrong(column, format!("{long} bytes, more than {FIELD_BYTES_MAX}"))),
        }
    }

    fn filled(&self, column: usize) -> Result<&str, TableError> {
        match self.field(column)? {
            "" => Err(self.wrong(column, "it is empty")),
            field => Ok(field),
        }
    }

    fn words(&self, ja: usize) -> Result<Words, TableError> {
        let japanese = self.filled(ja)?;
        let english = self.field(ja + 1)?;
        Ok(Words::new(japanese, if english.is_empty() { japanese } else { english }))
    }

    fn party(&self, column: usize, may_be_food: bool) -> Result<Party, TableError> {
        let prefix = self.field(column)?;
        // The ingredient is in digits: a letter among them is a slip, and such a rule would never match.
        let (ingredient, product) = prefix.split_at_checked(INGREDIENT_CHARS).unwrap_or((prefix, ""));
        let good = PREFIX_CHARS.contains(&prefix.len())
            && ingredient.bytes().all(|b| b.is_ascii_digit())
            && product.bytes().all(|b| b.is_ascii_alphanumeric());
        if !(good || (prefix.is_empty() && may_be_food)) {
            let why = format!(
                "'{}' is not the beginning of a YJ code: 3 to 12 characters, the first {INGREDIENT_CHARS} of them digits",
                shown(prefix)
            );
            return Err(self.wrong(column, why));
        }
        Ok(Party { prefix: prefix.to_owned(), name: self.words(column + 1)? })
    }

    fn rule(&self) -> Result<Rule, TableError> {
        self.width()?;
        let kind = match self.filled(1)? {
            "drug-drug" => AlertKind::DrugDrug,
            "drug-allergy" => AlertKind::DrugAllergy,
            "duplicate-class" => AlertKind::DuplicateClass,
            other => {
                let why = format!("'{}' is not drug-drug, drug-allergy or duplicate-class", shown(other));
                return Err(self.wrong(1, why));
            }
        };
        let severity = match self.filled(8)? {
            "contraindicated" => Severity::Contraindicated,
            "caution" => Severity::Caution,
            other => {
                return Err(self.wrong(8, format!("'{}' is not contraindicated or caution", shown(other))));
            }
        };
        Ok(Rule {
            id: self.filled(0)?.to_owned(),
            kind,
            a: self.party(2, kind == AlertKind::DrugAllergy)?,
            b: self.party(5, false)?,
            severity,
            reason: self.words(9)?,
        })
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "rule_id,kind,a_yj_prefix,a_name_ja,a_name_en,b_yj_prefix,b_name_ja,b_name_en,severity,reason_ja,reason_en\n";
    const GOOD: &str = "R1,drug-drug,3332001,ワルファリン,warfarin,6290004,イトラコナゾール,itraconazole,caution,出血,bleeding\n";

    fn parse(rows: &str) -> Result<Table, TableError> {
        Table::parse(format!("{HEADER}{rows}").as_bytes())
    }

    #[test]
    fn the_demonstration_is_read_whole() {
        let table = Table::demonstration();
        assert_eq!(table.rules().len(), 705);
        let of = |kind| table.rules().iter().filter(|rule| rule.kind == kind).count();
        assert_eq!(of(AlertKind::DrugDrug), 532);
        assert_eq!(of(AlertKind::DrugAllergy), 106);
        assert_eq!(of(AlertKind::DuplicateClass), 67);
        assert_eq!(table.uncoded().count(), 12);
    }

    #[test]
    fn a_sites_own_table_is_read_with_a_byte_order_mark_and_without_english() {
        let text = format!("\u{feff}{HEADER}R1,drug-drug,3332001,甲,,6290004,乙,,caution,理由,\r\n");
        let table = Table::parse(text.as_bytes()).unwrap();
        assert_eq!(table.rules()[0].a.name.en, "甲");
        assert_eq!(table.touching("3332001F1024").count(), 1);
        assert_eq!(table.touching("3332002F1024").count(), 0);
        assert_eq!(table.touching("33").count(), 0);
    }

    #[test]
    fn a_wrong_row_names_line_and_column_and_loads_nothing() {
        let wrong = [
            ("R2,drug-food,1,a,a,2,b,b,caution,r,r\n", 3, "kind", "drug-food"),
            ("R2,drug-drug,33x!,a,a,6290004,b,b,caution,r,r\n", 3, "a_yj_prefix", "33x!"),
            ("R2,drug-drug,33O2001,a,a,6290004,b,b,caution,r,r\n", 3, "a_yj_prefix", "33O2001"),
            ("R2,drug-drug,,a,a,6290004,b,b,caution,r,r\n", 3, "a_yj_prefix", "beginning"),
            ("R2,drug-allergy,,a,a,,b,b,caution,r,r\n", 3, "b_yj_prefix", "beginning"),
            ("R2,drug-drug,3332001,,a,6290004,b,b,caution,r,r\n", 3, "a_name_ja", "empty"),
            ("R2,drug-drug,3332001,a,a,6290004,b,b,severe,r,r\n", 3, "severity", "severe"),
            ("R2,drug-drug,3332001,a,a,6290004,b,b,caution,,r\n", 3, "reason_ja", "empty"),
            ("R2,drug-drug,3332001,a,a,6290004,b,b,caution\n", 3, "reason_ja", "ends before"),
            ("R2,drug-drug,3332001,a,a,6290004,b,b,caution,r,r,x\n", 3, "reason_en", "unquoted"),
            ("R1,drug-drug,3332001,a,a,6290004,b,b,caution,r,r\n", 3, "rule_id", "line 2"),
        ];
        for (row, at, name, says) in wrong {
            let error = parse(&format!("{GOOD}{row}")).unwrap_err();
            let TableError::Field { line, column, why } = &error else { panic!("{error}") };
            assert_eq!((*line, *column), (at, name), "{row}");
            assert!(why.contains(says), "{error}");
        }
        assert_eq!(parse(""), Err(TableError::Empty));
        assert!(matches!(Table::parse(b"a,b\n"), Err(TableError::Field { line: 1, column: "rule_id", .. })));
        let latin = [HEADER.as_bytes(), b"R1,drug-drug,3332001,\xFF,a,6290004,b,b,caution,r,r\n"].concat();
        assert!(matches!(Table::parse(&latin), Err(TableError::Csv { .. })));
    }
}
