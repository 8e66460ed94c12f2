//! The grammar of `ExportOnly`: `database`, `database.schema`, `database.schema.table` for
//! PostgreSQL; `database`, `database.table` for MySQL (API reference, StartExportTask).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::{ApiError, truncate_for_message};
use crate::limits;

/// The parts of a cluster that a task exports: everything if the list is empty, else the union of
/// its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct ExportOnly {
    /// In the order of the request, without duplicates.
    entries: Vec<String>,
    entry_set: HashSet<String>,
    databases: HashSet<String>,
}

impl From<Vec<String>> for ExportOnly {
    fn from(mut entries: Vec<String>) -> Self {
        let mut entry_set = HashSet::new();
        entries.retain(|e| entry_set.insert(e.clone()));
        let databases = entries.iter().filter_map(|e| e.split('.').next()).map(str::to_owned).collect();
        Self { entries, entry_set, databases }
    }
}

impl From<ExportOnly> for Vec<String> {
    fn from(only: ExportOnly) -> Self {
        only.entries
    }
}

impl ExportOnly {
    /// Checks the size of the list, and the shape and characters of each entry (guide, Limitations:
    /// a partial export can't name anything with characters other than letters, digits, `$` and
    /// `_`). The planner checks whether the names exist.
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
                    "The ExportOnly value {:?} isn't valid. Use database, database.schema or database.schema.table; \
                     names in a partial export can contain only letters, digits, dollar signs and underscores.",
                    truncate_for_message(entry)
                )));
            }
        }
        Ok(entries.to_vec().into())
    }

    /// Returns the entries in the order of the request.
    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    /// Returns the databases that the entries name.
    pub fn databases(&self) -> Vec<String> {
        self.databases.iter().cloned().collect()
    }

    /// Returns whether anything in `database` is selected.
    pub fn selects_database(&self, database: &str) -> bool {
        self.entries.is_empty() || self.databases.contains(database)
    }

    /// Returns whether the table is selected by an entry that names it, its schema or its database.
    pub fn selects_table(&self, engine: Engine, database: &str, schema: &str, table: &str) -> bool {
        self.entries.is_empty()
            || names(engine, [database, schema, table]).iter().any(|name| self.entry_set.contains(name))
    }

    /// Returns the entries that select none of `tables` (`[database, schema, table]`): these names
    /// don't exist.
    pub fn unmatched<'a, 't>(&'a self, engine: Engine, tables: impl Iterator<Item = [&'t str; 3]>) -> Vec<&'a str> {
        let mut unmatched: HashSet<&str> = self.entry_set.iter().map(String::as_str).collect();
        for table in tables {
            for name in names(engine, table) {
                unmatched.remove(name.as_str());
            }
        }
        self.entries.iter().map(String::as_str).filter(|e| unmatched.contains(e)).collect()
    }
}

/// Returns the entries that would select a table. In MySQL a schema is a database, so no entry has
/// three parts.
fn names(engine: Engine, [database, schema, table]: [&str; 3]) -> Vec<String> {
    match engine {
        Engine::Postgresql => {
            vec![database.to_owned(), format!("{database}.{schema}"), format!("{database}.{schema}.{table}")]
        }
        Engine::Mysql => vec![database.to_owned(), format!("{database}.{table}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(entries: &[&str]) -> ExportOnly {
        ExportOnly::parse(&entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn selects_by_database_schema_and_table() {
        let mixed = only(&["a", "b.s", "c.s.t", "c.s.t"]);
        assert_eq!(mixed.entries().len(), 3);
        assert!(
            mixed.selects_table(Engine::Postgresql, "a", "x", "y")
                && mixed.selects_table(Engine::Postgresql, "b", "s", "y")
                && mixed.selects_table(Engine::Postgresql, "c", "s", "t")
        );
        assert!(
            !mixed.selects_table(Engine::Postgresql, "b", "x", "y")
                && !mixed.selects_table(Engine::Postgresql, "c", "s", "u")
                && !mixed.selects_table(Engine::Postgresql, "d", "s", "t")
        );
        assert!(mixed.selects_database("c") && !mixed.selects_database("d"));
        assert!(only(&[]).selects_table(Engine::Postgresql, "d", "s", "t"));
    }

    #[test]
    fn names_what_does_not_exist() {
        let mixed = only(&["a", "b.s", "c.s.t", "B"]);
        let tables = [["a", "x", "y"], ["b", "t", "u"], ["c", "s", "t"]];
        assert_eq!(mixed.unmatched(Engine::Postgresql, tables.into_iter()), ["b.s", "B"]);
    }

    #[test]
    fn a_mysql_table_is_named_by_its_database() {
        let mixed = only(&["a", "b.t", "c.c.t"]);
        let selects = |database, table| mixed.selects_table(Engine::Mysql, database, database, table);
        assert!(selects("a", "x") && selects("b", "t"));
        assert!(!selects("b", "u") && !selects("c", "t"));
        assert_eq!(mixed.unmatched(Engine::Mysql, [["a", "a", "x"], ["b", "b", "t"]].into_iter()), ["c.c.t"]);
    }
}
