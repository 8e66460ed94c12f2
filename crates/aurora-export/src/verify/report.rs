//! What a comparison came to.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use indicatif::HumanCount;
use serde::Serialize;

use super::contents::Column;

/// Everything there is to say of an export.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Nothing differs.
    pub equal: bool,
    /// A database was compared with.
    pub with_database: bool,
    pub tables: Vec<Table>,
    /// Tables that the export left out, with its reason.
    pub skipped: BTreeMap<String, String>,
    /// What differs beside tables.
    pub differences: Vec<String>,
}

/// One table.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    pub target: String,
    /// In the files.
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    pub differences: Vec<Difference>,
    /// Columns with more different values than are counted.
    pub not_counted: Vec<String>,
}

/// What differs: of the table, or of one column.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub what: String,
}

impl Difference {
    /// A difference of one column.
    pub fn of_column(column: &Column, what: &str) -> Self {
        Self { column: Some(column.column_name.clone()), what: what.to_owned() }
    }
}

impl From<String> for Difference {
    fn from(what: String) -> Self {
        Self { column: None, what }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "{table}")?;
        }
        for difference in &self.differences {
            writeln!(f, "DIFFERS {}", shown(difference))?;
        }
        let differ = self.tables.iter().filter(|table| !table.differences.is_empty()).count();
        let sum = |number: fn(&Table) -> u64| HumanCount(self.tables.iter().map(number).sum());
        write!(
            f,
            "{} tables, {} rows, {} files, {} tables left out by the export",
            HumanCount(self.tables.len() as u64),
            sum(|table| table.rows),
            sum(|table| table.files),
            self.skipped.len(),
        )?;
        let with = if self.with_database { "the database" } else { "the metadata" };
        match (self.equal, differ) {
            (true, _) => write!(f, ": equal to {with}"),
            (false, 0) => write!(f, ": the export differs from {with}"),
            (false, differ) => write!(f, ": {differ} tables differ from {with}"),
        }
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = if self.differences.is_empty() { "ok" } else { "DIFFERS" };
        write!(f, "{word} {}: {} rows, {} files", shown(&self.target), HumanCount(self.rows), self.files)?;
        for Difference { column, what } in &self.differences {
            match column {
                Some(column) => write!(f, "; column {}: {}", shown(column), shown(what))?,
                None => write!(f, "; {}", shown(what))?,
            }
        }
        if !self.not_counted.is_empty() {
            let columns: Vec<String> = self.not_counted.iter().map(|column| shown(column)).collect();
            write!(f, " (too many distinct values to count: {})", columns.join(", "))?;
        }
        Ok(())
    }
}

/// A name without what could move the cursor or begin a line.
fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_a_line() {
        let difference =
            |column: Option<&str>, what: &str| Difference { column: column.map(str::to_owned), what: what.to_owned() };
        let mut table = Table {
            target: "d.s.a\nok b".to_owned(),
            rows: 1200,
            files: 2,
            bytes: 0,
            differences: Vec::new(),
            not_counted: vec!["id".to_owned()],
        };
        let right = "ok d.s.a\\u{a}ok b: 1,200 rows, 2 files (too many distinct values to count: id)";
        assert_eq!(table.to_string(), right);
        table.differences = vec![difference(None, "rows"), difference(Some("c"), "hash")];
        table.not_counted.clear();
        assert_eq!(table.to_string(), "DIFFERS d.s.a\\u{a}ok b: 1,200 rows, 2 files; rows; column c: hash");
    }
}
