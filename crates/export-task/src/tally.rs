//! Results against the plan: what is missing, what is double, what was skipped on the way, and what each table came to.

use std::collections::{BTreeMap, HashSet};

use crate::metadata::{TableStatus, Written};
use crate::plan::{PartitionResult, PlanSummary};
use crate::table::Table;
use crate::warning::SkippedTable;

/// What a plan's tables came to.
#[derive(Debug)]
pub struct Tally<'a> {
    /// Tables that are in the export.
    pub exported: Vec<Exported<'a>>,
    /// Tables that are not: those the planner left out, then those a worker found impossible.
    pub skipped: Vec<SkippedTable>,
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
    /// Its batches.
    pub batches: Vec<u32>,
    partitions: usize,
    bytes: u64,
    written: Written,
    started_at: i64,
    ended_at: i64,
}

impl Exported<'_> {
    /// The table's line in `export_tables_info`.
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

/// Compares. The error names the first partition whose number of results is not one.
pub fn tally<'a>(summary: &'a PlanSummary, results: &'a [PartitionResult]) -> Result<Tally<'a>, String> {
    let mut by_table: BTreeMap<u32, Vec<&PartitionResult>> = BTreeMap::new();
    for result in results {
        by_table.entry(result.table).or_default().push(result);
    }
    let mut tally =
        Tally { exported: Vec::new(), skipped: summary.skipped.clone(), files: HashSet::new(), source_bytes: 0 };
    for planned in &summary.tables {
        let table = &planned.table;
        let mut results = by_table.remove(&table.id).unwrap_or_default();
        results.sort_by_key(|r| (r.batch, r.index));
        let wanted = planned.batches.iter().flat_map(|(batch, count)| (0..*count).map(move |index| (*batch, index)));
        if !wanted.eq(results.iter().map(|r| (r.batch, r.index))) {
            return Err(format!("the results of {} are not one for each of its partitions", table.target()));
        }
        if let Some(skip) = results.iter().find_map(|r| r.skip.clone()) {
            tally.skipped.push(skip);
            continue;
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
            batches: planned.batches.iter().map(|(batch, _)| *batch).collect(),
            partitions: results.len(),
            bytes,
            written,
            started_at: results.iter().map(|r| r.started_at).min().unwrap_or_default(),
            ended_at: results.iter().map(|r| r.ended_at).max().unwrap_or_default(),
        });
    }
    match by_table.keys().next() {
        Some(table) => Err(format!("there are results for table {table}, which was not planned")),
        None => Ok(tally),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{PartFile, PlannedTable};
    use crate::warning::SkipReason;

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
                PlannedTable { table: table(0), batches: vec![(1, 2)], bytes: 20 },
                PlannedTable { table: table(1), batches: vec![(1, 1), (2, 1)], bytes: 20 },
            ],
            ..PlanSummary::default()
        }
    }

    fn result(table: u32, batch: u32, index: u32) -> PartitionResult {
        PartitionResult {
            table,
            batch,
            index,
            files: vec![PartFile { key: format!("{table}/{batch}/{index}"), rows: 1, bytes: 1 }],
            skip: None,
            rows: 1,
            source_bytes: 10,
            started_at: 5,
            ended_at: 9,
        }
    }

    fn all() -> Vec<PartitionResult> {
        vec![result(1, 2, 0), result(0, 1, 1), result(0, 1, 0), result(1, 1, 0)]
    }

    #[test]
    fn counts_a_complete_export() {
        let (summary, results) = (summary(), all());
        let tally = tally(&summary, &results).unwrap();
        assert_eq!((tally.exported.len(), tally.files.len(), tally.source_bytes), (2, 4, 40));
    }

    #[test]
    fn refuses_missing_double_and_foreign_results() {
        let summary = summary();
        for change in [
            |r: &mut Vec<PartitionResult>| drop(r.pop()),
            |r: &mut Vec<PartitionResult>| r.push(result(0, 1, 0)),
            |r: &mut Vec<PartitionResult>| r.push(result(7, 1, 0)),
            |r: &mut Vec<PartitionResult>| r.push(result(0, 1, 2)),
        ] {
            let mut results = all();
            change(&mut results);
            assert!(tally(&summary, &results).is_err());
        }
    }

    #[test]
    fn leaves_a_table_out_that_one_partition_could_not_read() {
        let (summary, mut results) = (summary(), all());
        results[0].skip =
            Some(SkippedTable { target: "d.s.t1".into(), reason: SkipReason::InvalidText, message: "m".into() });
        let tally = tally(&summary, &results).unwrap();
        assert_eq!((tally.exported.len(), tally.skipped.len(), tally.files.len()), (1, 1, 2));
    }
}
