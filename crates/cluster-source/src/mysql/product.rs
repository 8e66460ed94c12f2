//! The server's product, and the SQL that differs between products.

use std::time::Duration;

/// The products and versions that need different SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// Version 5.7.
    MySql5,
    /// Version 8 or later.
    MySql8,
    MariaDb {
        /// An index can be marked as ignored since version 10.6.
        has_ignored_indexes: bool,
    },
}

impl Product {
    /// Returns the product whose version string is `version`, such as `8.0.39` or
    /// `5.5.5-10.11.6-MariaDB`. MariaDB writes `5.5.5-` in front for very old clients.
    pub(super) fn from_version(version: &str) -> Self {
        if version.contains("MariaDB") {
            let mut numbers = version.strip_prefix("5.5.5-").unwrap_or(version).split(['.', '-']);
            let mut number = || numbers.next().and_then(|number| number.parse::<u32>().ok()).unwrap_or_default();
            return Self::MariaDb { has_ignored_indexes: (number(), number()) >= (10, 6) };
        }
        if version.starts_with("5.") { Self::MySql5 } else { Self::MySql8 }
    }

    fn is_maria_db(self) -> bool {
        matches!(self, Self::MariaDb { .. })
    }

    /// Returns the statement that limits how long statements may take. Zero is no limit.
    pub(super) fn limit_execution(self, limit: Duration) -> String {
        match self {
            Self::MariaDb { .. } => format!("SET SESSION max_statement_time = {:.3}", limit.as_secs_f64()),
            Self::MySql5 | Self::MySql8 => format!("SET SESSION max_execution_time = {}", limit.as_millis()),
        }
    }

    /// Returns whether a backup lock (`LOCK INSTANCE FOR BACKUP`) can keep others from altering
    /// tables.
    pub(super) fn has_backup_lock(self) -> bool {
        self == Self::MySql8
    }

    /// Returns whether the server caches the sizes of tables in `information_schema`.
    pub(super) fn caches_table_sizes(self) -> bool {
        self == Self::MySql8
    }

    /// Returns a condition on `information_schema.STATISTICS` that excludes the indexes that no
    /// statement may name.
    pub(super) fn usable_indexes(self) -> &'static str {
        match self {
            Self::MySql8 => "AND IS_VISIBLE = 'YES'",
            Self::MariaDb { has_ignored_indexes: true } => "AND IGNORED = 'NO'",
            Self::MariaDb { has_ignored_indexes: false } | Self::MySql5 => "",
        }
    }

    /// Returns the query for the files that hold tables. `name` is `database/table`, without the
    /// suffix that distinguishes the files of a table's partitions.
    pub(super) fn tablespaces(self) -> &'static str {
        match self {
            Self::MySql8 => {
                "SELECT SUBSTRING_INDEX(NAME, '#p#', 1) name, FILE_SIZE bytes FROM information_schema.INNODB_TABLESPACES"
            }
            // These servers list the encoded names of the files.
            Self::MySql5 | Self::MariaDb { .. } => {
                "SELECT CONCAT(CONVERT(SUBSTRING_INDEX(file, '/', 1) USING filename), '/', \
                 CONVERT(SUBSTRING_INDEX(SUBSTRING_INDEX(file, '/', -1), '#', 1) USING filename)) name, bytes \
                 FROM (SELECT CAST(NAME AS BINARY) file, FILE_SIZE bytes FROM information_schema.INNODB_SYS_TABLESPACES) t"
            }
        }
    }

    /// Returns the keywords that ask for a statement's plan as a table.
    pub(super) fn explain(self) -> &'static str {
        if self.is_maria_db() { "EXPLAIN" } else { "EXPLAIN FORMAT=TRADITIONAL" }
    }

    /// Returns the position, from zero, of the column of a plan that holds the estimated rows.
    pub(super) fn explained_rows(self) -> usize {
        if self.is_maria_db() { 8 } else { 9 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_identify_products() {
        for (version, product) in [
            ("5.7.44-log", Product::MySql5),
            ("8.0.39", Product::MySql8),
            ("9.7.4", Product::MySql8),
            ("5.5.5-10.5.23-MariaDB", Product::MariaDb { has_ignored_indexes: false }),
            ("10.6.0-MariaDB", Product::MariaDb { has_ignored_indexes: true }),
            ("5.5.5-10.11.6-MariaDB-0+deb12u1", Product::MariaDb { has_ignored_indexes: true }),
            ("11.4.2-MariaDB-log", Product::MariaDb { has_ignored_indexes: true }),
        ] {
            assert_eq!(Product::from_version(version), product, "{version}");
        }
    }
}
