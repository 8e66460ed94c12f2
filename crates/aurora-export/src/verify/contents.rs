//! What an export says of itself, and whether its files are those it tells of.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::export::Export;

use crate::error::CommandError;

/// What an export holds, as its metadata and its list of files have it.
#[derive(Default)]
pub(super) struct Contents {
    pub export_only: Vec<String>,
    pub warning_message: String,
    pub tables: Vec<Table>,
    /// Tables that were left out, with the reason.
    pub skipped: BTreeMap<String, String>,
    /// What is wrong with the export as a whole.
    pub differences: Vec<String>,
}

/// One table of an export.
pub(super) struct Table {
    /// `database.schema.table`.
    pub target: String,
    /// How many tables before have the same target: that of table `c` in schema `a.b` is that of `b.c` in `a`.
    pub namesakes: usize,
    pub columns: Vec<Column>,
    /// Its part files with their sizes.
    pub files: Vec<(String, u64)>,
    /// Rows by the metadata, which AWS's doesn't tell.
    pub rows: Option<u64>,
    /// What is wrong with its files.
    pub differences: Vec<String>,
}

/// `schemaMetadata.originalTypeMappings` of one column.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Column {
    pub column_name: String,
    pub original_type: String,
    pub expected_exported_type: String,
    pub original_char_max_length: i32,
    pub original_num_precision: i32,
    pub original_date_time_precision: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExportInfo {
    export_task_identifier: String,
    export_only: Option<Vec<String>>,
    status: String,
    warning_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TablesInfo {
    per_table_status: Vec<TableInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TableInfo {
    target: String,
    status: Option<String>,
    table_statistics: Option<Statistics>,
    schema_metadata: Option<SchemaMetadata>,
    warning_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaMetadata {
    original_type_mappings: Vec<Column>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    partitioning_info: Option<PartitioningInfo>,
    exported_rows: Option<u64>,
    exported_files: Option<u64>,
    exported_bytes: Option<u64>,
    exported_path: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartitioningInfo {
    number_of_partitions: u64,
    number_of_completed_partitions: u64,
}

impl Contents {
    /// Reads the metadata and gives each file to the table it belongs to.
    pub async fn read(export: &Export) -> Result<Self, CommandError> {
        let mut files = export.files().await?;
        let infos: Vec<String> = files.keys().filter(|path| is_export_info(path)).cloned().collect();
        // The directory of another task may lie in this one.
        for other in infos.iter().filter_map(|path| path.rsplit_once('/')) {
            let other = format!("{}/", other.0);
            files.retain(|path, _| !path.starts_with(&other));
        }
        let [info] = infos.iter().filter(|path| !path.contains('/')).collect::<Vec<_>>()[..] else {
            return Err(CommandError::new(
                "this is no export's directory: it holds no export_info_<task>.json, or several",
            ));
        };
        files.remove(info);
        let ExportInfo { export_task_identifier: task, export_only, status, warning_message } =
            document(export, info).await?;
        let mut contents = Self {
            export_only: export_only.unwrap_or_default(),
            warning_message: warning_message.unwrap_or_default(),
            ..Self::default()
        };
        if status != "COMPLETE" {
            contents.differences.push(format!("the export's status is {status}"));
        }
        if *info != format!("export_info_{task}.json") {
            contents.differences.push(format!("{info} is another task's"));
        }
        let tables = contents.documents(export, &task, &mut files).await?;
        contents.account(tables, files);
        Ok(contents)
    }

    /// The documents of tables, which number them without gaps.
    async fn documents(
        &mut self,
        export: &Export,
        task: &str,
        files: &mut BTreeMap<String, u64>,
    ) -> Result<Vec<TableInfo>, CommandError> {
        let start = format!("export_tables_info_{task}_from_");
        let range = |path: &str| {
            let (from, to) = path.strip_prefix(&start)?.strip_suffix(".json")?.split_once("_to_")?;
            Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?))
        };
        let mut documents: Vec<(usize, usize, String)> =
            files.keys().filter_map(|path| range(path).map(|(from, to)| (from, to, path.clone()))).collect();
        documents.sort();
        let mut tables = Vec::new();
        for (from, to, path) in documents {
            files.remove(&path);
            let TablesInfo { per_table_status } = document(export, &path).await?;
            if from != tables.len() + 1 || to + 1 != from + per_table_status.len() {
                self.differences
                    .push(format!("{path} doesn't describe the tables its name says, or one before is missing"));
            }
            tables.extend(per_table_status);
        }
        Ok(tables)
    }

    /// Gives each file to its table.
    fn account(&mut self, tables: Vec<TableInfo>, mut files: BTreeMap<String, u64>) {
        let directories = directories(&files);
        let mut namesakes: BTreeMap<String, usize> = BTreeMap::new();
        for table in tables {
            match (table.status.as_deref(), table.warning_message) {
                (None, Some(reason)) => {
                    self.skipped.insert(table.target, reason);
                    continue;
                }
                (Some("COMPLETE"), _) => {}
                _ => self.differences.push(format!("{} is not complete", table.target)),
            }
            let statistics = table.table_statistics.unwrap_or_default();
            let path = statistics.exported_path.clone().or_else(|| directories.get(&table.target).cloned());
            let mut found = Table {
                columns: table.schema_metadata.map(|schema| schema.original_type_mappings).unwrap_or_default(),
                files: Vec::new(),
                rows: statistics.exported_rows,
                differences: Vec::new(),
                namesakes: *namesakes.entry(table.target.clone()).and_modify(|before| *before += 1).or_default(),
                target: table.target,
            };
            if let Some(path) = path {
                found.take(&format!("{path}/"), &mut files);
            }
            found.check(&statistics);
            self.tables.push(found);
        }
        self.differences.extend(files.keys().map(|path| format!("{path} belongs to no table")));
    }
}

impl Table {
    /// Takes the table's files, in their directories, out of those of the export.
    fn take(&mut self, path: &str, files: &mut BTreeMap<String, u64>) {
        let below = files.range(path.to_owned()..).take_while(|(name, _)| name.starts_with(path));
        let below: Vec<(String, u64)> = below.map(|(name, size)| (name.clone(), *size)).collect();
        let mut batches: BTreeMap<String, bool> = BTreeMap::new();
        for (name, size) in below {
            let Some((batch, file)) = name[path.len()..].split_once('/') else { continue };
            if batch.parse::<u32>().is_err() {
                continue;
            }
            if file == "_SUCCESS" && size == 0 {
                *batches.entry(batch.to_owned()).or_default() = true;
            } else if file.starts_with("part-") && file.ends_with(".parquet") && !file.contains('/') {
                batches.entry(batch.to_owned()).or_default();
                self.files.push((name.clone(), size));
            } else {
                continue;
            }
            files.remove(&name);
        }
        let unmarked = batches.iter().filter(|(_, marked)| !**marked);
        self.differences.extend(unmarked.map(|(batch, _)| format!("_SUCCESS of directory {batch} is missing")));
    }

    /// Compares numbers of files and bytes with those the metadata tells.
    fn check(&mut self, statistics: &Statistics) {
        let (count, bytes) = (self.files.len() as u64, self.bytes());
        if count == 0 || statistics.exported_files.is_some_and(|files| files != count) {
            self.differences.push("number of files".to_owned());
        }
        if statistics.exported_bytes.is_some_and(|exported| exported != bytes) {
            self.differences.push("sizes of files".to_owned());
        }
        let partitions = statistics.partitioning_info.as_ref();
        if partitions.is_some_and(|p| p.number_of_partitions != p.number_of_completed_partitions) {
            self.differences.push("partitions that are not complete".to_owned());
        }
        if self.columns.is_empty() {
            self.differences.push("no columns are described".to_owned());
        }
    }

    /// The size of its files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, size)| size).sum()
    }
}

/// The directories of tables by what could be their targets, for metadata that doesn't tell them. A name with characters
/// that a path can't hold has none.
fn directories(files: &BTreeMap<String, u64>) -> BTreeMap<String, String> {
    let of_file = |path: &String| {
        let (database, rest) = path.split_once('/')?;
        let (table, _) = rest.split_once('/')?;
        Some((format!("{database}.{table}"), format!("{database}/{table}")))
    };
    files.keys().filter_map(of_file).collect()
}

fn is_export_info(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.starts_with("export_info_") && name.ends_with(".json")
}

async fn document<T: DeserializeOwned>(export: &Export, path: &str) -> Result<T, CommandError> {
    let bytes = export.bytes(path).await?;
    serde_json::from_slice(&bytes).map_err(|e| CommandError::caused(format!("{path} is no metadata document"), e))
}
