//! Keys in the user's bucket: `[prefix/]<task>/<database>/<schema>.<table>/<batch>/part-NNNNN-<uuid>-cNNN.gz.parquet`
//! (guide, File naming convention). Every key is built here and nowhere else.

use uuid::Uuid;

use crate::limits;
use crate::options::Compression;
use crate::table::Table;

/// Everything below one task's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPath {
    base: String,
    task: String,
}

impl TaskPath {
    /// The directory of `task` below `prefix` (as the request gave it, perhaps empty or with slashes at its ends).
    pub fn new(prefix: &str, task: &str) -> Self {
        let prefix = path_safe(prefix.trim_matches('/'));
        let base = if prefix.is_empty() { task.to_owned() } else { format!("{prefix}/{task}") };
        Self { base, task: task.to_owned() }
    }

    /// `[prefix/]<task>`, the `exportedFilesPath` of `export_info`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `[prefix/]<task>/`, for listing.
    pub fn listing_prefix(&self) -> String {
        format!("{}/", self.base)
    }

    /// Key of `export_info_<task>.json`.
    pub fn export_info(&self) -> String {
        format!("{}/export_info_{}.json", self.base, self.task)
    }

    /// Key of the metadata document of tables `from` to `to`, counted from 1.
    pub fn export_tables_info(&self, from: usize, to: usize) -> String {
        format!("{}/export_tables_info_{}_from_{from}_to_{to}.json", self.base, self.task)
    }

    /// `<batch>/` directory of a table, with a slash at its end.
    pub fn batch(&self, table: &Table, batch: u32) -> String {
        format!("{}/{}/{}/{batch}/", self.base, component(&table.database), table_directory(table))
    }

    /// Key of the marker that a batch is complete.
    pub fn success(&self, table: &Table, batch: u32) -> String {
        format!("{}_SUCCESS", self.batch(table, batch))
    }

    /// Key of file `file` of partition `index`. The UUID is a function of task and table, so a retry writes the same keys
    /// again, and readers that tell writes apart by it see one write.
    pub fn part(&self, table: &Table, batch: u32, index: u32, file: u32, compression: Compression) -> String {
        let name = format!("{}\0{}\0{}\0{}", self.base, table.database, table.schema, table.name);
        let uuid = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
        let extension = compression.extension();
        format!("{}part-{index:05}-{uuid}-c{file:03}.{extension}.parquet", self.batch(table, batch))
    }
}

/// `<schema>.<table>`, made distinct by the planner when two tables would share it after replacement.
fn table_directory(table: &Table) -> String {
    let mut name = component(&format!("{}.{}", table.schema, table.name));
    if let Some(suffix) = &table.directory_suffix {
        name.push('_');
        name.push_str(suffix);
    }
    name
}

/// What of a table's path decides whether it collides with another's.
pub fn table_path(table: &Table) -> String {
    format!("{}/{}", component(&table.database), table_directory(table))
}

/// Beyond what the guide replaces: S3 takes control characters, but its listings can't spell them in XML, so that most clients
/// would not find the object again.
fn path_safe(s: &str) -> String {
    s.replace(|c: char| limits::PATH_REPLACED.contains(&c) || c.is_control(), "_")
}

/// One path component made of a database name: it must not add a level or climb out of its directory.
fn component(s: &str) -> String {
    let s = path_safe(s).replace('/', "_");
    if s == "." || s == ".." { s.replace('.', "_") } else { s }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: &str, name: &str) -> Table {
        Table {
            id: 0,
            database: "shop".into(),
            schema: schema.into(),
            name: name.into(),
            directory_suffix: None,
            columns: vec![],
        }
    }

    #[test]
    fn keys_have_the_documented_shape() {
        let path = TaskPath::new("/a b/", "t1");
        assert_eq!(path.export_info(), "a_b/t1/export_info_t1.json");
        assert_eq!(path.export_tables_info(1, 9), "a_b/t1/export_tables_info_t1_from_1_to_9.json");
        assert_eq!(path.success(&table("public", "o"), 1), "a_b/t1/shop/public.o/1/_SUCCESS");
        let key = TaskPath::new("", "t1").part(&table("public", "my `\"\\t"), 2, 3, 1, Compression::Gzip);
        assert!(key.starts_with("t1/shop/public.my____t/2/part-00003-"), "{key}");
        assert!(key.ends_with("-c001.gz.parquet"), "{key}");
    }

    #[test]
    fn names_stay_what_they_are_but_for_what_a_key_cannot_hold() {
        let path = TaskPath::new("", "t1");
        let success = |schema, name| path.success(&table(schema, name), 1);
        assert_eq!(success("a.b", "c%+*?#&'=<😀>..."), "t1/shop/a.b.c%+*?#&'=<😀>.../1/_SUCCESS");
        assert_eq!(success("\n", "a\r\n\u{1}\u{7f}\u{85}b"), "t1/shop/_.a_____b/1/_SUCCESS");
        let outside = Table { database: "..".into(), ..table("a", "b") };
        assert_eq!(path.success(&outside, 1), "t1/__/a.b/1/_SUCCESS");
    }

    #[test]
    fn keys_are_a_function_of_their_parts() {
        let part = |name| TaskPath::new("p", "t1").part(&table("a", name), 1, 0, 0, Compression::Zstd);
        assert!(part("b").ends_with("-c000.zstd.parquet"));
        assert_eq!(part("b"), part("b"));
        assert_ne!(part("b"), part("c"));
    }
}
