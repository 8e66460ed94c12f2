//! Sizes of tables. They come from the server's statistics, unless the files show that these are
//! stale.

use std::collections::HashMap;

use super::connect::Connection;
use super::sql::literal;
use crate::error::SourceError;

/// Statistics are stale if the files hold more than twice the bytes in the statistics plus this
/// many. Files grow before rows fill them.
const SLACK: u64 = 16 << 20;

/// The server's statistics of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Statistics {
    pub rows: u64,
    /// Bytes of the primary key's index, which contains the rows.
    pub data: u64,
    /// The bytes of the other indexes.
    pub indexes: u64,
    /// The unused bytes of the files. The server computes this number for each query, unlike the
    /// others.
    pub free: u64,
}

/// A table's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub rows: u64,
    pub bytes: u64,
    /// Whether the table has grown so much that the server's estimates of rows are wrong.
    pub has_stale_statistics: bool,
}

impl Statistics {
    /// Returns the size of a table. `files` is the size of its files in bytes, if it is known.
    pub(super) fn size(self, files: Option<u64>) -> Size {
        let known = self.data + self.indexes;
        let used = files.unwrap_or_default().saturating_sub(self.free);
        if used <= 2 * known + SLACK {
            return Size { rows: self.rows, bytes: self.data, has_stale_statistics: false };
        }
        // Assume that everything has grown alike. Some servers count new rows immediately,
        // so the result may be too high. That does no harm.
        let growth = used as f64 / known.max(1) as f64;
        let times = |number: u64| (number.max(1) as f64 * growth) as u64;
        Size { rows: times(self.rows), bytes: times(self.data), has_stale_statistics: true }
    }
}

/// Returns the size in bytes of the files of each table of a database. Returns an empty map if the
/// user lacks the `PROCESS` privilege or the server has no list of files.
pub(super) async fn files(connection: &mut Connection, database: &str) -> Result<HashMap<String, u64>, SourceError> {
    let prefix = literal(&format!("{database}/"));
    let sql = connection.product.tablespaces();
    let sql = format!(
        "SELECT SUBSTRING(name, CHAR_LENGTH({prefix}) + 1), SUM(bytes) FROM ({sql}) files \
         WHERE LEFT(name, CHAR_LENGTH({prefix})) = {prefix} GROUP BY name"
    );
    let mut files = HashMap::new();
    let read = connection
        .query(&sql, |row| {
            files.insert(row.name(0)?.to_owned(), row.number(1)?.unwrap_or_default());
            Ok(())
        })
        .await;
    match read {
        Err(SourceError::AccessDenied { .. } | SourceError::Query { .. } | SourceError::Changed { .. }) => {
            Ok(HashMap::new())
        }
        read => read.map(|()| files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_only_when_they_are_much_larger() {
        let known = Statistics { rows: 1000, data: 64 << 20, indexes: 16 << 20, free: 0 };
        let by_statistics = Size { rows: 1000, bytes: 64 << 20, has_stale_statistics: false };
        assert_eq!(known.size(None), by_statistics);
        assert_eq!(known.size(Some(170 << 20)), by_statistics);
        assert_eq!(Statistics { free: 800 << 20, ..known }.size(Some(900 << 20)), by_statistics);
        assert_eq!(known.size(Some(800 << 20)), Size { rows: 10_000, bytes: 640 << 20, has_stale_statistics: true });
        let nothing = Statistics::default().size(Some(1 << 30));
        assert!(nothing.has_stale_statistics && nothing.rows >= 1 << 30 && nothing.bytes >= 1 << 30, "{nothing:?}");
        assert_eq!(Statistics::default().size(Some(1 << 20)), Size { rows: 0, bytes: 0, has_stale_statistics: false });
    }
}
