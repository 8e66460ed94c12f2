//! What the planner decides: the partitions tables are read in, the work units those are packed into, and what each unit
//! reports back. These documents travel through the stack's work bucket as JSON.

use serde::{Deserialize, Serialize};

use crate::range::Range;
use crate::table::Table;

/// One range of one relation: what one reader reads in one go and writes as one or more part files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Partition {
    /// The [`Table::id`] it belongs to.
    pub table: u32,
    /// The relation the rows are read from: the table itself, or one leaf of a natively partitioned table.
    pub relation: Relation,
    /// Directory number below the table, from 1: one per leaf of a natively partitioned table, else 1.
    pub batch: u32,
    /// Part number within the batch, from 0.
    pub index: u32,
    /// Which rows.
    pub range: Range,
    /// Estimated size in the database, in bytes. Progress and balance only; never what is read.
    pub bytes: u64,
}

/// A relation's qualified name, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Relation {
    /// Schema.
    pub schema: String,
    /// Relation name.
    pub name: String,
}

/// One item of the Distributed Map: where the unit's document lies in the plan's units object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnitRef {
    /// The attempt at planning that wrote the unit.
    pub attempt: String,
    /// Number of the unit, from 0.
    pub unit: u32,
    /// First byte of the unit's JSON in the units object.
    pub offset: u64,
    /// Length of the unit's JSON in bytes.
    pub length: u64,
}

/// A relation whose rows the server counts in one statement that knows nothing of the partitions it is cut into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Count {
    /// The [`Table::id`] it belongs to.
    pub table: u32,
    /// [`Partition::batch`] of the relation's partitions.
    pub batch: u32,
    /// The relation.
    pub relation: Relation,
    /// Estimated size of the relation in the database, in bytes. Balance only.
    pub bytes: u64,
}

/// A work unit: what one child of the Distributed Map does, perhaps over several invocations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct WorkUnit {
    /// Number of the unit, from 0.
    pub unit: u32,
    /// The tables its partitions and counts belong to.
    pub tables: Vec<Table>,
    /// The partitions, in the order they are done.
    pub partitions: Vec<Partition>,
    /// The relations that are counted after them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<Count>,
}

impl WorkUnit {
    /// How much there is to do: a cursor counts partitions, then counts.
    pub fn len(&self) -> usize {
        self.partitions.len() + self.counts.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The units of an attempt at planning as JSON, one a line, and where each of them is.
///
/// # Errors
/// None that a unit could cause.
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

/// What the plan step hands to the rest of the workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Plan {
    /// Key of the map's item list in the work bucket: a JSON array of [`UnitRef`].
    pub items_key: String,
    /// Prefix under which Step Functions may write the map's own results.
    pub results_prefix: String,
    /// How many children may run at once.
    pub max_concurrency: u32,
    /// Number of units.
    pub units: u32,
    /// Number of tables that will be exported.
    pub tables: u32,
    /// Estimated bytes in the database.
    pub bytes: u64,
}

/// The summary of a plan that `finish-export` checks results against: one object in the work bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PlanSummary {
    /// Every table to be exported, by id.
    pub tables: Vec<PlannedTable>,
    /// What was left out and why.
    pub skipped: Vec<crate::warning::SkippedTable>,
    /// Databases whose table list could not be read.
    pub unreadable_databases: Vec<String>,
}

/// A planned table with what must come back for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PlannedTable {
    /// The table.
    pub table: Table,
    /// `(batch, number of partitions)` in ascending order of batch.
    pub batches: Vec<(u32, u32)>,
    /// The batches whose rows the server counts, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<u32>,
    /// Estimated size in the database, in bytes.
    pub bytes: u64,
}

/// Where the result of a partition is kept and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PartitionResult {
    /// [`Table::id`].
    pub table: u32,
    /// [`Partition::batch`].
    pub batch: u32,
    /// [`Partition::index`].
    pub index: u32,
    /// Files written, in order. Empty when the range held no rows and another partition holds the schema.
    pub files: Vec<PartFile>,
    /// Why the whole table must be left out, when this partition found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<crate::warning::SkippedTable>,
    /// Rows written.
    pub rows: u64,
    /// Bytes read from the database connection.
    pub source_bytes: u64,
    /// Milliseconds since the epoch.
    pub started_at: i64,
    /// Milliseconds since the epoch.
    pub ended_at: i64,
}

/// One finished part file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PartFile {
    /// Full object key.
    pub key: String,
    /// Rows in it.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// What came of a [`Count`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CountResult {
    /// [`Table::id`].
    pub table: u32,
    /// [`Count::batch`].
    pub batch: u32,
    /// What the server answered.
    pub counted: Counted,
}

/// What a server answers that is asked for a relation's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counted {
    /// That many.
    Rows(u64),
    /// The server takes longer than an invocation may.
    TooLong,
    /// The server can't count them, so the table must be left out.
    Skip(crate::warning::SkippedTable),
}

/// What one invocation on a unit finished: first partitions, then counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Results {
    /// Of partitions.
    pub partitions: Vec<PartitionResult>,
    /// Of counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<CountResult>,
}

impl Results {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.partitions.len() + self.counts.len()
    }

    /// Whether there are none.
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

/// Where a unit goes on after an invocation ran out of time: what is before it is finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cursor {
    /// Index into [`WorkUnit::partitions`], then [`WorkUnit::counts`], of what is next.
    pub next: u32,
}
