//! Keys in the user's bucket: `[prefix/]<task>/<database>/<schema>.<table>/<batch>/part-NNNNN-<uuid>-cNNN.gz.parquet`
//! (guide, File naming convention). Every key is built here and nowhere else.

use std::collections::HashMap;

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

    /// `<database>/<schema>.<table>`, the table's directory below [`Self::base`]. Names that are too long for a file system or an
    /// object key are cut off; what sets them apart then is a hash of the whole.
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

    /// `<batch>/` directory of a table, with a slash at its end.
    pub fn batch(&self, table: &Table, batch: u32) -> String {
        format!("{}/{}/{batch}/", self.base, self.table(table))
    }

    /// Key of the marker that a batch is complete.
    pub fn success(&self, table: &Table, batch: u32) -> String {
        format!("{}_SUCCESS", self.batch(table, batch))
    }

    /// Key of file `file` of partition `index`. The UUID is a function of task and table, so a retry writes the same keys
    /// again, and readers that tell writes apart by it see one write.
    pub fn part(&self, table: &Table, batch: u32, index: u32, file: u32, compression: Compression) -> String {
        let (uuid, extension) = (self.uuid(table), compression.extension());
        format!("{}part-{index:05}-{uuid}-c{file:03}.{extension}.parquet", self.batch(table, batch))
    }

    fn uuid(&self, table: &Table) -> Uuid {
        let name = format!("{}\0{}\0{}\0{}", self.base, table.database, table.schema, table.name);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
    }
}

/// What a key has beside prefix, task, database and table: slashes, the longest number of a batch, the longest name of a file.
const BESIDE_NAMES_BYTES: usize = "//".len() + "/4294967295/part-4294967295--c4294967295.snappy.parquet".len() + 36;

/// A name of at most `most` bytes that begins as `name` does and ends as no other name's.
fn cut(mut name: String, most: usize, whole: &str) -> String {
    if name.len() > most {
        let hash = format!("-{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, whole.as_bytes()).simple());
        name.truncate(name.floor_char_boundary(most.saturating_sub(hash.len())));
        name.push_str(&hash);
    }
    name
}

/// The part files that one export can have written: those of its own tables, in their own directories, under their own names. A
/// directory may hold other exports', whose tasks' prefix it is.
#[derive(Clone, Debug)]
pub struct Parts {
    /// By directory, with a slash at its end: what a file's name begins with, behind the number of its partition.
    directories: HashMap<String, Uuid>,
}

impl Parts {
    /// Those of batches of tables below `path`.
    pub fn new<'a>(path: &TaskPath, batches: impl Iterator<Item = (&'a Table, u32)>) -> Self {
        Self { directories: batches.map(|(table, batch)| (path.batch(table, batch), path.uuid(table))).collect() }
    }

    /// Whether a key is one of them.
    pub fn contains(&self, key: &str) -> bool {
        let found = key.rfind('/').map(|slash| key.split_at(slash + 1));
        found.is_some_and(|(directory, name)| {
            self.directories.get(directory).is_some_and(|uuid| is_part(name, uuid).is_some())
        })
    }
}

/// Something if a file's name is that of a part of the table with that UUID.
fn is_part(name: &str, uuid: &Uuid) -> Option<()> {
    let (index, rest) = name.strip_prefix("part-")?.split_once('-')?;
    let (file, extension) = rest.strip_prefix(&uuid.to_string())?.strip_prefix("-c")?.split_once('.')?;
    let compression = extension.strip_suffix(".parquet")?;
    let known = [Compression::Gzip, Compression::Zstd, Compression::Snappy].map(Compression::extension);
    (index.parse::<u32>().is_ok() && file.parse::<u32>().is_ok() && known.contains(&compression)).then_some(())
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

/// A table's whole path, which decides whether it collides with another's.
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

    #[test]
    fn keys_fit_whatever_is_named() {
        let longest = "\u{FFFD}".repeat(64);
        let prefix = "p".repeat(512);
        let path = TaskPath::new(&prefix, &"t".repeat(60));
        let long = |name: &str| Table { database: longest.clone(), ..table(&longest, name) };
        let key = path.part(&long(&longest), u32::MAX, u32::MAX, u32::MAX, Compression::Snappy);
        assert!(key.len() <= limits::KEY_BYTES, "{}", key.len());
        assert!(key.split('/').all(|name| name.len() <= 512 && (name.len() <= 255 || name == prefix)), "{key}");
        // Tables whose names begin alike stay apart, and so do their databases.
        let others = [long(&format!("{}a", &longest[3..])), long(&format!("{}b", &longest[3..]))];
        assert_ne!(path.table(&others[0]), path.table(&others[1]));
        let elsewhere = Table { database: format!("{}a", &longest[3..]), ..long(&longest) };
        assert_ne!(path.table(&elsewhere), path.table(&long(&longest)));
        // Without a prefix only what is longer than a file's name is cut.
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
