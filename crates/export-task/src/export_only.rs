//! The `ExportOnly` grammar: `database`, `database.schema`, `database.schema.table` for PostgreSQL; `database`,
//! `database.table` for MySQL (API reference, StartExportTask).

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::limits;

/// What a task exports: everything, or the union of the listed parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExportOnly(Vec<String>);

impl ExportOnly {
    /// Checks the list's size and each entry's shape and characters (guide, Limitations: partial export is refused for
    /// names outside letters, digits, `$` and `_`). Whether the names exist is the planner's question.
    ///
    /// # Errors
    /// `InvalidExportOnly`.
    pub fn parse(entries: &[String]) -> Result<Self, ApiError> {
        let size: usize = entries.iter().map(|e| e.len() + 1).sum();
        if size > limits::EXPORT_ONLY_BYTES {
            return Err(ApiError::InvalidExportOnly(format!(
                "The ExportOnly list is {size} bytes long. It can't be longer than {} bytes.",
                limits::EXPORT_ONLY_BYTES
            )));
        }
        for entry in entries {
            let parts: Vec<&str> = entry.split('.').collect();
            let legal =
                |p: &&str| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || c == '$' || c == '_');
            if parts.len() > 3 || !parts.iter().all(legal) {
                return Err(ApiError::InvalidExportOnly(format!(
                    "The ExportOnly value {entry:?} isn't valid. Use database, database.schema or database.schema.table; \
                     names in a partial export can contain only letters, digits, dollar signs and underscores."
                )));
            }
        }
        let mut unique: Vec<String> = Vec::with_capacity(entries.len());
        for entry in entries {
            if !unique.contains(entry) {
                unique.push(entry.clone());
            }
        }
        Ok(Self(unique))
    }

    /// The entries, as given.
    pub fn entries(&self) -> &[String] {
        &self.0
    }

    /// Whether the whole cluster is exported.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether anything in `database` is selected.
    pub fn selects_database(&self, database: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|e| e.split('.').next() == Some(database))
    }

    /// Whether the table is selected.
    pub fn selects_table(&self, database: &str, schema: &str, table: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|e| matches(e, &[database, schema, table]))
    }

    /// The entries that select none of `tables` (`[database, schema, table]`): names that don't exist.
    pub fn unmatched<'a>(&'a self, tables: &[[&str; 3]]) -> Vec<&'a str> {
        self.0.iter().filter(|e| !tables.iter().any(|t| matches(e, t))).map(String::as_str).collect()
    }
}

fn matches(entry: &str, name: &[&str; 3]) -> bool {
    entry.split('.').zip(name).all(|(wanted, actual)| wanted == *actual)
}
