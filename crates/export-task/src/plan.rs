//! The plan of an export: the partitions of tables, the work units that partitions are packed into,
//! and the results of units. These documents are in the stack's work bucket as JSON.

use serde::{Deserialize, Serialize};

use crate::range::Range;
use crate::table::Table;
use crate::warning::SkippedTable;

/// One range of one relation. A worker reads it with one query and writes it as one or more part
/// files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Partition {
    /// [`Table::id`] of its table.
    pub table: u32,
    /// The relation to read: the table itself, or a leaf of a natively partitioned table.
    pub relation: Relation,
    /// Number of the relation's directory below the table's, from 1. Each leaf of a natively
    /// partitioned table has a directory of its own.
    pub batch_index: u32,
    /// Number of the partition among those with the same batch index, from 0.
    pub partition_index: u32,
    /// The rows to read.
    pub range: Range,
    /// Estimated size in the database, in bytes. It is for progress and balance only.
    pub bytes: u64,
}

/// A relation's qualified name, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Relation {
    /// Schema of the relation.
    pub schema: String,
    /// Name of the relation.
    pub name: String,
}

/// One item of the Distributed Map: where a unit's JSON is in the units object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnitRef {
    /// The planning attempt that wrote the unit.
    pub attempt: String,
    /// Number of the unit, from 0.
    pub unit: u32,
    /// Position of the first byte of the unit's JSON.
    pub offset: u64,
    /// Length of the unit's JSON in bytes.
    pub length: u64,
}

/// A relation whose rows the server counts. One statement counts the whole relation without using
/// its partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Count {
    /// [`Table::id`] of its table.
    pub table: u32,
    /// [`Partition::batch_index`] of the relation's partitions.
    pub batch_index: u32,
    /// The relation to count.
    pub relation: Relation,
    /// Estimated size in the database, in bytes. It is for balance only.
    pub bytes: u64,
}

/// The work of one child of the Distributed Map. It may take several invocations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct WorkUnit {
    /// Number of the unit, from 0.
    pub unit: u32,
    /// The tables of its partitions and counts.
    pub tables: Vec<Table>,
    /// The partitions to read, in this order.
    pub partitions: Vec<Partition>,
    /// The relations to count after the partitions, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<Count>,
}

impl WorkUnit {
    /// Returns the number of partitions and counts. [`Cursor::next`] is an index into partitions,
    /// then counts.
    pub fn len(&self) -> usize {
        self.partitions.len() + self.counts.len()
    }

    /// Returns whether the unit has neither partitions nor counts.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns the units of a planning attempt as JSON, one unit a line, and the position of each unit.
///
/// # Errors
/// Serialization can't fail for these types.
pub fn lines(attempt: &str, units: impl Iterator<Item = WorkUnit>) -> serde_json::Result<(Vec<u8>, Vec<UnitRef>)> {
    let (mut lines, mut items) = (Vec::new(), Vec::new());
    for unit in units {
        let offset = lines.len() as u64;
        serde_json::to_writer(&mut lines, &unit)?;
        let length = lines.len() as u64 - offset;
        items.push(UnitRef { attempt: attempt.to_owned(), unit: unit.unit, offset, length });
        lines.push(b'\n');
    }
    Ok((lines, items))
}

/// The output of `plan-export`, for the rest of the workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Plan {
    /// Key of the map's item list in the work bucket: a JSON array of [`UnitRef`].
    pub items_key: String,
    /// Prefix under which Step Functions writes the map's own results.
    pub results_prefix: String,
    /// Maximum number of children that run at the same time.
    pub max_concurrency: u32,
    /// Number of units.
    pub units: u32,
    /// Number of tables that will be exported.
    pub tables: u32,
    /// Estimated size in the database, in bytes.
    pub bytes: u64,
}

/// The part of a plan that `finish-export` compares results with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PlanSummary {
    /// The tables to export. A table's ID is its position.
    pub tables: Vec<PlannedTable>,
    /// The tables that the planner left out.
    pub skipped: Vec<SkippedTable>,
    /// Databases whose list of tables could not be read.
    pub unreadable_databases: Vec<String>,
}

/// A table to export, and the results it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PlannedTable {
    /// The table.
    pub table: Table,
    /// `(batch_index, number of partitions)` in ascending order of batch index.
    pub batches: Vec<(u32, u32)>,
    /// The batch indexes of relations that the server counts, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<u32>,
    /// Estimated size in the database, in bytes.
    pub bytes: u64,
}

impl PlannedTable {
    /// Returns the number of partitions.
    pub(crate) fn partitions(&self) -> u32 {
        self.batches.iter().map(|(_, partitions)| partitions).sum()
    }
}

/// The result of a [`Partition`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PartitionResult {
    /// [`Table::id`] of its table.
    pub table: u32,
    /// [`Partition::batch_index`].
    pub batch_index: u32,
    /// [`Partition::partition_index`].
    pub partition_index: u32,
    /// The part files, in order. There are none if the range has no rows and another partition
    /// writes a file for the schema.
    pub files: Vec<PartFile>,
    /// Why the whole table must be left out, if this partition can't be exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<SkippedTable>,
    /// Number of rows written.
    pub rows: u64,
    /// Bytes read from the database connection.
    pub source_bytes: u64,
    /// When reading began. Milliseconds since the epoch.
    pub started_at: i64,
    /// When the last file was complete. Milliseconds since the epoch.
    pub ended_at: i64,
}

/// A complete part file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PartFile {
    /// The whole object key.
    pub key: String,
    /// Number of rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// The result of a [`Count`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CountResult {
    /// [`Table::id`] of its table.
    pub table: u32,
    /// [`Count::batch_index`].
    pub batch_index: u32,
    /// The server's answer.
    pub counted: Counted,
}

/// A server's answer to the query that counts the rows of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counted {
    /// The number of rows.
    Rows(u64),
    /// Counting takes longer than an invocation may.
    TooLong,
    /// The server can't count the rows, so the table must be left out.
    Skip(SkippedTable),
}

/// What one invocation finished of a unit: first partitions, then counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Results {
    /// Results of partitions.
    pub partitions: Vec<PartitionResult>,
    /// Results of counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<CountResult>,
}

impl Results {
    /// Returns the number of results.
    pub fn len(&self) -> usize {
        self.partitions.len() + self.counts.len()
    }

    /// Returns whether there are no results.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Extend<Self> for Results {
    fn extend<I: IntoIterator<Item = Self>>(&mut self, more: I) {
        for Self { partitions, counts } in more {
            self.partitions.extend(partitions);
            self.counts.extend(counts);
        }
    }
}

/// Where the next invocation continues a unit. Everything before this position is finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cursor {
    /// Index of the next partition or count: into [`WorkUnit::partitions`], then into
    /// [`WorkUnit::counts`].
    pub next: u32,
}
