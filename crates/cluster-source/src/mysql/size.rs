//! How large tables are: by the server's statistics, or by its files where those say that the statistics are old.

use std::collections::HashMap;

use super::connect::Connection;
use super::sql::literal;
use crate::error::SourceError;

/// Statistics are old when the files hold more than twice what they know of, and this: files grow before they fill.
const SLACK: u64 = 16 << 20;

/// What statistics say of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Statistics {
    pub rows: u64,
    /// Bytes of the rows, which are those of the primary key.
    pub data: u64,
    /// Bytes of the other indexes.
    pub indexes: u64,
    /// Bytes of files that hold nothing. Not a statistic: looked up when asked for.
    pub free: u64,
}

/// A table's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub rows: u64,
    pub bytes: u64,
    /// Whether nothing the server says of rows can be believed, for the table has grown since it counted.
    pub outgrown: bool,
}

impl Statistics {
    /// The size of a table whose files are of `files` bytes, if that is known.
    pub fn size(self, files: Option<u64>) -> Size {
        let known = self.data + self.indexes;
        let used = files.unwrap_or_default().saturating_sub(self.free);
        if used <= 2 * known + SLACK {
            return Size { rows: self.rows, bytes: self.data, outgrown: false };
        }
        // As much more of everything. Some servers count rows as they come; too many harm nothing.
        let grown = used as f64 / known.max(1) as f64;
        let times = |number: u64| (number.max(1) as f64 * grown) as u64;
        Size { rows: times(self.rows), bytes: times(self.data), outgrown: true }
    }
}

/// Bytes of the files of a database's tables, by table. Nothing where the user lacks the `PROCESS` privilege, or the server has
/// no such list.
pub(super) async fn files(connection: &mut Connection, database: &str) -> Result<HashMap<String, u64>, SourceError> {
    let prefix = literal(&format!("{database}/"));
    let sql = connection.tablespaces();
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
        let believed = Size { rows: 1000, bytes: 64 << 20, outgrown: false };
        assert_eq!(known.size(None), believed);
        assert_eq!(known.size(Some(170 << 20)), believed);
        assert_eq!(Statistics { free: 800 << 20, ..known }.size(Some(900 << 20)), believed);
        assert_eq!(known.size(Some(800 << 20)), Size { rows: 10_000, bytes: 640 << 20, outgrown: true });
        let nothing = Statistics::default().size(Some(1 << 30));
        assert!(nothing.outgrown && nothing.rows >= 1 << 30 && nothing.bytes >= 1 << 30, "{nothing:?}");
        assert_eq!(Statistics::default().size(Some(1 << 20)), Size { rows: 0, bytes: 0, outgrown: false });
    }
}
