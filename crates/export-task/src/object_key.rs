//! Keys in the user's bucket (guide, File naming convention):
//! `[prefix/]<task>/<database>/<schema>.<table>/<batch_index>/<file>`, where `<file>` is
//! `part-<partition_index>-<uuid>-cNNN.gz.parquet`.
//! All of them are built in this module.

use std::collections::HashMap;

use uuid::Uuid;

use crate::limits;
use crate::options::Compression;
use crate::table::Table;

/// The directory of one task, below which all of its keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPath {
    base: String,
    task: String,
}

impl TaskPath {
    /// Returns the directory of `task` below `prefix`, the `S3Prefix` of the request. The prefix
    /// may be empty, and it may begin or end with slashes.
    pub fn new(prefix: &str, task: &str) -> Self {
        let prefix = path_safe(prefix.trim_matches('/'));
        let base = if prefix.is_empty() { task.to_owned() } else { format!("{prefix}/{task}") };
        Self { base, task: task.to_owned() }
    }

    /// Returns `[prefix/]<task>`, the `exportedFilesPath` of `export_info`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns `[prefix/]<task>/`, the prefix of every key of the task.
    pub fn listing_prefix(&self) -> String {
        format!("{}/", self.base)
    }

    /// Returns the key of `export_info_<task>.json`.
    pub fn export_info(&self) -> String {
        format!("{}/export_info_{}.json", self.base, self.task)
    }

    /// Returns the key of the metadata document about tables `from` to `to`. Tables count from 1.
    pub fn export_tables_info(&self, from: usize, to: usize) -> String {
        format!("{}/export_tables_info_{}_from_{from}_to_{to}.json", self.base, self.task)
    }

    /// Returns `<database>/<schema>.<table>`, the table's directory below [`Self::base`]. Names
    /// that are too long for a file system or an object key are cut off, and a hash of the whole
    /// name keeps them distinct.
    pub fn table(&self, table: &Table) -> String {
        let (database, directory) = (component(&table.database), table_directory(table));
        let room = limits::KEY_BYTES.saturating_sub(self.base.len() + BESIDE_NAMES_BYTES);
        let fits = |name: &str| name.len() <= limits::FILE_NAME_BYTES;
        if fits(&database) && fits(&directory) && database.len() + directory.len() <= room {
            return format!("{database}/{directory}");
        }
        let database = cut(database, (room / 2).min(limits::FILE_NAME_BYTES), &table.database);
        let room = room.saturating_sub(database.len()).min(limits::FILE_NAME_BYTES);
        format!("{database}/{}", cut(directory, room, &table.target()))
    }

    /// Returns the directory of a table's files with this batch index. It ends with a slash.
    fn batch_directory(&self, table: &Table, batch_index: u32) -> String {
        format!("{}/{}/{batch_index}/", self.base, self.table(table))
    }

    /// Returns the key of the marker that says that the directory of a `batch_index` is complete.
    pub fn success(&self, table: &Table, batch_index: u32) -> String {
        format!("{}_SUCCESS", self.batch_directory(table, batch_index))
    }

    /// Returns the key of a partition's file. The UUID is a function of task and table, so a retry
    /// writes the same keys again, and readers that distinguish writes by the UUID see one write.
    pub fn part(
        &self,
        table: &Table,
        batch_index: u32,
        partition_index: u32,
        file: u32,
        compression: Compression,
    ) -> String {
        let (directory, uuid, extension) =
            (self.batch_directory(table, batch_index), self.uuid(table), compression.extension());
        format!("{directory}part-{partition_index:05}-{uuid}-c{file:03}.{extension}.parquet")
    }

    fn uuid(&self, table: &Table) -> Uuid {
        let name = format!("{}\0{}\0{}\0{}", self.base, table.database, table.schema, table.name);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
    }
}

/// Bytes of a key beside prefix, task, database and table: slashes, the longest batch index and the
/// longest name of a file. A UUID has 36.
const BESIDE_NAMES_BYTES: usize = "//".len() + "/4294967295/part-4294967295--c4294967295.snappy.parquet".len() + 36;

/// Returns a name of at most `max_bytes`. A name that is cut off ends with a hash of `whole`, which
/// keeps it distinct.
fn cut(mut name: String, max_bytes: usize, whole: &str) -> String {
    if name.len() > max_bytes {
        let hash = format!("-{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, whole.as_bytes()).simple());
        name.truncate(name.floor_char_boundary(max_bytes.saturating_sub(hash.len())));
        name.push_str(&hash);
    }
    name
}

/// The keys that one export's part files can have. The export's directory may hold files of other
/// exports, because it may be the prefix of other tasks.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The directory of each `batch_index`, which ends with a slash, and the UUID in the names of
    /// its files.
    directories: HashMap<String, Uuid>,
}

impl Parts {
    /// Returns the keys of an export to `path` that has these tables and batch indexes.
    pub fn new<'a>(path: &TaskPath, batches: impl Iterator<Item = (&'a Table, u32)>) -> Self {
        Self {
            directories: batches.map(|(table, index)| (path.batch_directory(table, index), path.uuid(table))).collect(),
        }
    }

    /// Returns whether a part file of the export can have this key.
    pub fn contains(&self, key: &str) -> bool {
        let found = key.rfind('/').map(|slash| key.split_at(slash + 1));
        found.is_some_and(|(directory, name)| self.directories.get(directory).is_some_and(|uuid| is_part(name, uuid)))
    }
}

/// Returns whether a file's name is that of a part with this UUID.
fn is_part(name: &str, uuid: &Uuid) -> bool {
    let fields = || {
        let (partition_index, rest) = name.strip_prefix("part-")?.split_once('-')?;
        let (file, extension) = rest.strip_prefix(&uuid.to_string())?.strip_prefix("-c")?.split_once('.')?;
        Some((partition_index, file, extension.strip_suffix(".parquet")?))
    };
    let extensions = [Compression::Gzip, Compression::Zstd, Compression::Snappy].map(Compression::extension);
    fields().is_some_and(|(partition_index, file, extension)| {
        partition_index.parse::<u32>().is_ok() && file.parse::<u32>().is_ok() && extensions.contains(&extension)
    })
}

/// Returns `<schema>.<table>` with the suffix that the planner gives to tables that would share a
/// directory otherwise.
fn table_directory(table: &Table) -> String {
    let mut name = component(&format!("{}.{}", table.schema, table.name));
    if let Some(suffix) = &table.directory_suffix {
        name.push('_');
        name.push_str(suffix);
    }
    name
}

/// Returns a table's whole path. Two tables with the same path would write the same keys.
pub fn table_path(table: &Table) -> String {
    format!("{}/{}", component(&table.database), table_directory(table))
}

/// Replaces the characters that the guide names, and control characters. S3 accepts control
/// characters in keys, but the XML of its listings can't represent them, so most clients would not
/// find such an object.
fn path_safe(s: &str) -> String {
    s.replace(|c: char| limits::PATH_REPLACED.contains(&c) || c.is_control(), "_")
}

/// Returns a name as one component of a path. It can't add a level, and it can't lead to the parent
/// directory.
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
    fn only_characters_that_a_key_cannot_hold_are_replaced() {
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

    #[test]
    fn keys_fit_whatever_the_names() {
        let longest = "\u{FFFD}".repeat(64);
        let prefix = "p".repeat(512);
        let path = TaskPath::new(&prefix, &"t".repeat(60));
        let long = |name: &str| Table { database: longest.clone(), ..table(&longest, name) };
        let key = path.part(&long(&longest), u32::MAX, u32::MAX, u32::MAX, Compression::Snappy);
        assert!(key.len() <= limits::KEY_BYTES, "{}", key.len());
        assert!(key.split('/').all(|name| name.len() <= 512 && (name.len() <= 255 || name == prefix)), "{key}");
        // Tables whose names begin with the same characters have distinct paths, and so have
        // databases.
        let others = [long(&format!("{}a", &longest[3..])), long(&format!("{}b", &longest[3..]))];
        assert_ne!(path.table(&others[0]), path.table(&others[1]));
        let elsewhere = Table { database: format!("{}a", &longest[3..]), ..long(&longest) };
        assert_ne!(path.table(&elsewhere), path.table(&long(&longest)));
        // Without a prefix, only names that are too long for a file are cut off.
        let path = TaskPath::new("", "t1");
        assert_eq!(path.table(&table("s", &"n".repeat(253))), format!("shop/s.{}", "n".repeat(253)));
        assert_eq!(path.table(&table("s", &"n".repeat(254))).len(), "shop/".len() + 255);
    }

    #[test]
    fn an_export_knows_its_own_parts() {
        let (outer, inner) = (TaskPath::new("", "nightly"), TaskPath::new("nightly", "shop"));
        let (a, b) = (table("public", "a"), table("public", "b"));
        let parts = Parts::new(&outer, [(&a, 1), (&a, 2)].into_iter());
        let own = outer.part(&a, 2, 7, 0, Compression::Zstd);
        assert!(parts.contains(&own), "{own}");
        let others = [
            outer.part(&a, 3, 7, 0, Compression::Zstd),
            outer.part(&b, 1, 0, 0, Compression::Gzip),
            inner.part(&a, 1, 0, 0, Compression::Gzip),
            outer.success(&a, 1),
            outer.export_info(),
            own.replace(".zstd.", ".lz4."),
            own.replace("part-00007", "part-x"),
            own.replace("-c000", "-c000/../c"),
            own.replace(&outer.uuid(&a).to_string(), &outer.uuid(&b).to_string()),
        ];
        assert_eq!(others.iter().find(|key| parts.contains(key)), None);
    }
}
