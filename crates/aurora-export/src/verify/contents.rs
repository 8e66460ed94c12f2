//! Reads the metadata of an export and checks whether its files match the metadata.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::export::Export;

use crate::error::CommandError;

/// The contents of an export by its metadata and its list of files.
#[derive(Default)]
pub(super) struct Contents {
    pub export_only: Vec<String>,
    pub warning_message: String,
    pub tables: Vec<Table>,
    /// Tables that the export left out, with the reasons.
    pub skipped: BTreeMap<String, String>,
    /// Differences that belong to no table.
    pub differences: Vec<String>,
}

/// One table of an export.
pub(super) struct Table {
    /// `database.schema.table`.
    pub target: String,
    /// The number of earlier tables with the same target. Table `c` in schema `a.b` and table `b.c`
    /// in schema `a` have the same one.
    pub namesakes: usize,
    pub columns: Vec<Column>,
    /// The part files with their sizes.
    pub files: Vec<(String, u64)>,
    /// The number of rows in the metadata. AWS's metadata does not have it.
    pub rows: Option<u64>,
    /// Differences between the files and the metadata.
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
    /// Reads the metadata and assigns each file to its table.
    pub(super) async fn read(export: &Export) -> Result<Self, CommandError> {
        let mut files = export.files().await?;
        let infos: Vec<String> = files.keys().filter(|path| is_export_info(path)).cloned().collect();
        // The directory may contain the directory of another task.
        for other in infos.iter().filter_map(|path| path.rsplit_once('/')) {
            let other = format!("{}/", other.0);
            files.retain(|path, _| !path.starts_with(&other));
        }
        let [info] = infos.iter().filter(|path| !path.contains('/')).collect::<Vec<_>>()[..] else {
            return Err(CommandError::new(
                "this is not the directory of an export: it must hold exactly one export_info_<task>.json",
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
            contents.differences.push(format!("{info} belongs to another task"));
        }
        let tables = contents.documents(export, &task, &mut files).await?;
        contents.assign(tables, files);
        Ok(contents)
    }

    /// Reads the documents that describe tables. They must number the tables without gaps.
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
                    .push(format!("{path} doesn't describe the tables in its name, or an earlier document is missing"));
            }
            tables.extend(per_table_status);
        }
        Ok(tables)
    }

    /// Assigns each file to its table.
    fn assign(&mut self, tables: Vec<TableInfo>, mut files: BTreeMap<String, u64>) {
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
    /// Moves the table's files from those of the export to the table.
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

    /// Compares the numbers of files and bytes with the metadata.
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
            self.differences.push("incomplete partitions".to_owned());
        }
        if self.columns.is_empty() {
            self.differences.push("the metadata describes no columns".to_owned());
        }
    }

    /// Returns the total size of the files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, size)| size).sum()
    }
}

/// Returns the directories of tables by their possible targets, for metadata without paths. A table
/// whose name has characters that a path can't hold is not found this way.
fn directories(files: &BTreeMap<String, u64>) -> BTreeMap<String, String> {
    let directory = |path: &String| {
        let (database, rest) = path.split_once('/')?;
        let (table, _) = rest.split_once('/')?;
        Some((format!("{database}.{table}"), format!("{database}/{table}")))
    };
    files.keys().filter_map(directory).collect()
}

fn is_export_info(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.starts_with("export_info_") && name.ends_with(".json")
}

async fn document<T: DeserializeOwned>(export: &Export, path: &str) -> Result<T, CommandError> {
    let bytes = export.bytes(path).await?;
    serde_json::from_slice(&bytes).map_err(|e| CommandError::caused(format!("{path} is not a metadata document"), e))
}
