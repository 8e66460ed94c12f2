//! The result of a comparison, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use indicatif::HumanCount;
use serde::Serialize;

use super::contents::Column;

/// The result for an export.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Whether nothing differs.
    pub equal: bool,
    /// Whether the export was compared with a database.
    pub with_database: bool,
    pub tables: Vec<Table>,
    /// Tables that the export left out, with the reasons it gives.
    pub skipped: BTreeMap<String, String>,
    /// Differences that belong to no table.
    pub differences: Vec<String>,
}

/// The result for a table.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    pub target: String,
    /// Number of rows in the files.
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    pub differences: Vec<Difference>,
    /// Columns with too many distinct values to count them.
    pub not_counted: Vec<String>,
}

/// A difference of a table or of one column.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub what: String,
}

impl Difference {
    /// Returns a difference of one column.
    pub(super) fn from_column(column: &Column, what: &str) -> Self {
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
            writeln!(f, "DIFFERS {}", escape(difference))?;
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
        write!(f, "{word} {}: {} rows, {} files", escape(&self.target), HumanCount(self.rows), self.files)?;
        for Difference { column, what } in &self.differences {
            match column {
                Some(column) => write!(f, "; column {}: {}", escape(column), escape(what))?,
                None => write!(f, "; {}", escape(what))?,
            }
        }
        if !self.not_counted.is_empty() {
            let columns: Vec<String> = self.not_counted.iter().map(|column| escape(column)).collect();
            write!(f, " (too many distinct values to count: {})", columns.join(", "))?;
        }
        Ok(())
    }
}

/// Escapes control characters, which could move the cursor or begin a line.
fn escape(name: &str) -> String {
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
