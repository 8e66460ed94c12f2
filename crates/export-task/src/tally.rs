//! Compares results with the plan: which results are missing or duplicate, which tables are
//! skipped, and the totals of each table.

use std::collections::{BTreeMap, HashSet};

use crate::metadata::{TableStatus, Written};
use crate::plan::{CountResult, Counted, PartitionResult, PlanSummary, Results};
use crate::table::{Table, TableName};
use crate::warning::{SkipReason, SkippedTable};

/// The outcome of an export.
#[derive(Debug)]
pub struct Tally<'a> {
    /// Tables that are in the export.
    pub exported: Vec<Exported<'a>>,
    /// Tables that are not in the export: first those that the planner left out, then those that a
    /// worker could not export or whose counts differ.
    pub skipped: Vec<SkippedTable>,
    /// Exported tables whose rows the server couldn't count in time.
    pub uncounted: Vec<TableName>,
    /// Keys of all part files of exported tables.
    pub files: HashSet<&'a str>,
    /// Bytes read from the database.
    pub source_bytes: u64,
}

/// A table that is in the export.
#[derive(Debug)]
pub struct Exported<'a> {
    /// The table.
    pub table: &'a Table,
    /// Its batch indexes.
    pub batches: Vec<u32>,
    partitions: usize,
    bytes: u64,
    written: Written,
    started_at: i64,
    ended_at: i64,
}

impl Exported<'_> {
    /// Returns the table's entry in `export_tables_info`.
    pub fn status(&self) -> TableStatus<'_> {
        TableStatus::Exported {
            table: self.table,
            partitions: self.partitions,
            bytes: self.bytes,
            written: self.written,
            started_at: self.started_at,
            ended_at: self.ended_at,
        }
    }
}

/// Compares results with a plan. Every partition and every count must have exactly one result.
///
/// # Errors
/// A message that names the first table with a missing, duplicate or unplanned result.
pub fn tally<'a>(summary: &'a PlanSummary, results: &'a Results) -> Result<Tally<'a>, String> {
    let mut by_table: BTreeMap<u32, Vec<&PartitionResult>> = BTreeMap::new();
    for result in &results.partitions {
        by_table.entry(result.table).or_default().push(result);
    }
    let mut counts: BTreeMap<u32, Vec<&CountResult>> = BTreeMap::new();
    for count in &results.counts {
        counts.entry(count.table).or_default().push(count);
    }
    let mut tally = Tally {
        exported: Vec::new(),
        skipped: summary.skipped.clone(),
        uncounted: Vec::new(),
        files: HashSet::new(),
        source_bytes: 0,
    };
    for planned in &summary.tables {
        let table = &planned.table;
        let mut results = by_table.remove(&table.id).unwrap_or_default();
        results.sort_by_key(|r| (r.batch_index, r.partition_index));
        let expected =
            planned.batches.iter().flat_map(|(batch_index, count)| (0..*count).map(move |index| (*batch_index, index)));
        if !expected.eq(results.iter().map(|r| (r.batch_index, r.partition_index))) {
            return Err(format!("the partitions of {} do not have exactly one result each", table.target()));
        }
        let mut counts = counts.remove(&table.id).unwrap_or_default();
        counts.sort_by_key(|count| count.batch_index);
        if !planned.counted.iter().eq(counts.iter().map(|count| &count.batch_index)) {
            return Err(format!("the counted relations of {} do not have exactly one result each", table.target()));
        }
        if let Some(skip) = results.iter().find_map(|r| r.skip.clone()).or_else(|| compare(table, &results, &counts)) {
            tally.skipped.push(skip);
            continue;
        }
        if counts.iter().any(|count| count.counted == Counted::TooLong) {
            tally.uncounted.push(table.into());
        }
        let bytes = results.iter().map(|r| r.source_bytes).sum();
        tally.source_bytes += bytes;
        let mut written = Written::default();
        for file in results.iter().flat_map(|result| &result.files) {
            tally.files.insert(file.key.as_str());
            written.files += 1;
            written.rows += file.rows;
            written.bytes += file.bytes;
        }
        tally.exported.push(Exported {
            table,
            batches: planned.batches.iter().map(|(batch_index, _)| *batch_index).collect(),
            partitions: results.len(),
            bytes,
            written,
            started_at: results.iter().map(|r| r.started_at).min().unwrap_or_default(),
            ended_at: results.iter().map(|r| r.ended_at).max().unwrap_or_default(),
        });
    }
    match by_table.keys().chain(counts.keys()).next() {
        Some(table) => Err(format!("table {table} has results but is not in the plan")),
        None => Ok(tally),
    }
}

/// Returns why a table must be left out, if its files don't hold as many rows as the server counts.
fn compare(table: &Table, results: &[&PartitionResult], counts: &[&CountResult]) -> Option<SkippedTable> {
    counts.iter().find_map(|count| {
        let rows = match &count.counted {
            Counted::Rows(rows) => *rows,
            Counted::TooLong => return None,
            Counted::Skip(skip) => return Some(skip.clone()),
        };
        let files =
            results.iter().filter(|result| result.batch_index == count.batch_index).flat_map(|result| &result.files);
        let written: u64 = files.map(|file| file.rows).sum();
        (written != rows).then(|| {
            let message = format!(
                "The database counts {rows} rows and the files contained {written}, so the files were removed. \
                 An index of the table may be damaged: rebuild its indexes and export it again."
            );
            SkippedTable::new(table, SkipReason::RowCountDiffers, message)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{PartFile, PlannedTable};

    fn summary() -> PlanSummary {
        let table = |id: u32| Table {
            id,
            database: "d".into(),
            schema: "s".into(),
            name: format!("t{id}"),
            directory_suffix: None,
            columns: vec![],
        };
        PlanSummary {
            tables: vec![
                PlannedTable { table: table(0), batches: vec![(1, 2)], counted: vec![1], bytes: 20 },
                PlannedTable { table: table(1), batches: vec![(1, 1), (2, 1)], counted: vec![], bytes: 20 },
            ],
            ..PlanSummary::default()
        }
    }

    fn result(table: u32, batch_index: u32, partition_index: u32) -> PartitionResult {
        PartitionResult {
            table,
            batch_index,
            partition_index,
            files: vec![PartFile { key: format!("{table}/{batch_index}/{partition_index}"), rows: 1, bytes: 1 }],
            skip: None,
            rows: 1,
            source_bytes: 10,
            started_at: 5,
            ended_at: 9,
        }
    }

    fn count(counted: Counted) -> CountResult {
        CountResult { table: 0, batch_index: 1, counted }
    }

    fn all() -> Results {
        Results {
            partitions: vec![result(1, 2, 0), result(0, 1, 1), result(0, 1, 0), result(1, 1, 0)],
            counts: vec![count(Counted::Rows(2))],
        }
    }

    #[test]
    fn counts_a_complete_export() {
        let (summary, results) = (summary(), all());
        let tally = tally(&summary, &results).unwrap();
        assert_eq!((tally.exported.len(), tally.files.len(), tally.source_bytes), (2, 4, 40));
    }

    #[test]
    fn refuses_missing_duplicate_and_unplanned_results() {
        let summary = summary();
        for change in [
            |r: &mut Results| drop(r.partitions.pop()),
            |r: &mut Results| r.partitions.push(result(0, 1, 0)),
            |r: &mut Results| r.partitions.push(result(7, 1, 0)),
            |r: &mut Results| r.partitions.push(result(0, 1, 2)),
            |r: &mut Results| drop(r.counts.pop()),
            |r: &mut Results| r.counts.push(count(Counted::Rows(2))),
            |r: &mut Results| r.counts[0].batch_index = 2,
            |r: &mut Results| r.counts[0].table = 1,
        ] {
            let mut results = all();
            change(&mut results);
            assert!(tally(&summary, &results).is_err());
        }
    }

    #[test]
    fn leaves_out_a_table_with_an_unreadable_partition() {
        let (summary, mut results) = (summary(), all());
        results.partitions[0].skip =
            Some(SkippedTable::new(&summary.tables[1].table, SkipReason::InvalidText, "m".into()));
        let tally = tally(&summary, &results).unwrap();
        assert_eq!((tally.exported.len(), tally.skipped.len(), tally.files.len()), (1, 1, 2));
    }

    #[test]
    fn leaves_out_a_table_whose_count_differs() {
        let summary = summary();
        let mut results = all();
        results.counts[0].counted = Counted::Rows(3);
        let differs = tally(&summary, &results).unwrap();
        assert_eq!((differs.exported.len(), differs.files.len()), (1, 2));
        assert_eq!(differs.skipped[0].reason, SkipReason::RowCountDiffers);
        assert!(differs.skipped[0].message.starts_with("The database counts 3 rows and the files contained 2,"));

        results.counts[0].counted = Counted::TooLong;
        let uncounted = tally(&summary, &results).unwrap();
        assert_eq!(
            (uncounted.exported.len(), uncounted.uncounted),
            (2, vec![TableName::from(&summary.tables[0].table)])
        );
    }
}
