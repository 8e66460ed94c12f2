//! All selected tables of a server, their partitions and their directories.

use std::collections::{BTreeSet, HashSet};

use cluster_source::source::{Catalog, FoundTable};
use cluster_source::{ErrorKind, Source, SourceError};
use export_task::engine::Engine;
use export_task::export_only::ExportOnly;
use export_task::object_key;
use export_task::options::{Options, Types, Verify};
use export_task::plan::{Count, Partition, PlanSummary, PlannedTable, WorkUnit};
use export_task::table::Table;
use export_task::warning::SkippedTable;

use crate::packing::{PIECES, pack, pack_counts, unit_bytes};

/// The tables of an export, cut into partitions and packed into work units.
#[derive(Debug)]
pub struct Survey {
    /// The server's engine.
    pub engine: Engine,
    /// Tables to export. The id of a table is its position.
    pub tables: Vec<Table>,
    /// The partitions of all tables, packed into work units, the largest unit first.
    pub units: Vec<Vec<Partition>>,
    /// The relations that the server counts as wholes, packed into work units. Empty if the options
    /// say that nothing is counted.
    pub counts: Vec<Vec<Count>>,
    /// Selected tables that can't be exported.
    pub skipped: Vec<SkippedTable>,
    /// Selected databases whose catalog can't be read.
    pub unreadable_databases: Vec<String>,
    /// The number of workers that may read at once.
    pub workers: u32,
}

impl Survey {
    /// Reads the catalog of every selected database, one after the other, and cuts tables into
    /// units of at least `smallest_unit` bytes for at most `most_workers` workers.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn take(
        source: &Source,
        only: &ExportOnly,
        options: &Options,
        smallest_unit: u64,
        most_workers: u32,
    ) -> Result<Self, SourceError> {
        let mut first = source.connect(None).await?;
        // Use half of the allowed connections. The rest is for the server's own connections and
        // for workers that reconnect before the server has closed their old connection.
        let workers = most_workers.min(first.max_connections().await? / 2).max(1);
        let databases = first.databases().await?;
        let mut found: Vec<FoundTable> = Vec::new();
        let (mut skipped, mut unreadable_databases) = (Vec::new(), Vec::new());
        for database in databases.iter().filter(|d| only.selects_database(d)) {
            match catalog(source, database, only, options.types).await {
                Ok(catalog) => {
                    found.extend(catalog.tables);
                    skipped.extend(catalog.skipped);
                }
                // Report the database and go on if the user may not connect to it, or if it has
                // names that are not valid text.
                Err(e) if matches!(e.kind(), ErrorKind::AccessDenied | ErrorKind::Skip(_)) => {
                    unreadable_databases.push(database.clone());
                }
                Err(e) => return Err(e),
            }
        }
        let bytes: u64 = found.iter().map(FoundTable::bytes).sum();
        let unit_bytes = unit_bytes(source.engine(), bytes, smallest_unit, workers);
        let (mut tables, mut pieces): (Vec<Table>, Vec<Partition>) = (Vec::new(), Vec::new());
        let mut connection = first;
        let mut connected = None;
        for found in found {
            let database = found.table().database.clone();
            if connected.as_ref() != Some(&database) {
                connection = source.connect(Some(&database)).await?;
                connected = Some(database);
            }
            match connection.partitions(&found, unit_bytes / PIECES).await {
                Ok(cut) => {
                    // A plan's document reaches its size limit long before this number.
                    let table = u32::try_from(tables.len()).unwrap_or(u32::MAX);
                    pieces.extend(cut.into_iter().map(|piece| Partition { table, ..piece }));
                    tables.push(found.into_table());
                }
                Err(error) => skipped.push(error.skips(found.table()).ok_or(error)?),
            }
        }
        number(&mut tables);
        let units = pack(pieces, unit_bytes, workers);
        let counts = match options.verify {
            Verify::Count => pack_counts(&units, unit_bytes),
            Verify::None => Vec::new(),
        };
        Ok(Self { engine: source.engine(), tables, units, counts, skipped, unreadable_databases, workers })
    }

    /// Returns the estimated size of all tables in bytes.
    pub fn bytes(&self) -> u64 {
        self.units.iter().flatten().map(|partition| partition.bytes).sum()
    }

    /// Returns the entries of a partial export that match no exported and no skipped table.
    pub fn unmatched<'a>(&self, only: &'a ExportOnly) -> Vec<&'a str> {
        let exported = self.tables.iter().map(|t| [t.database.as_str(), &t.schema, &t.name]);
        let skipped = self.skipped.iter().map(|s| [s.table.database.as_str(), &s.table.schema, &s.table.name]);
        // The tables of an unreadable database are unknown. The database is reported already, so an
        // entry that names a part of it is not an error.
        let unreadable = |name: &&str| {
            let database = name.split('.').next();
            self.unreadable_databases.iter().any(|unreadable| Some(unreadable.as_str()) == database)
        };
        let mut unmatched = only.unmatched(self.engine, exported.chain(skipped));
        unmatched.retain(|name| !unreadable(name));
        unmatched
    }

    /// Returns the work units. Counts come first, because a long statement should not begin last.
    /// The units are made one by one, because each repeats the description of its tables.
    pub fn work_units(&self) -> impl Iterator<Item = WorkUnit> {
        let counts = self.counts.iter().map(|counts| (&[][..], &counts[..]));
        let work = counts.chain(self.units.iter().map(|partitions| (&partitions[..], &[][..])));
        work.zip(0..).map(|((partitions, counts), unit)| {
            let read = partitions.iter().map(|partition| partition.table);
            let used: BTreeSet<u32> = read.chain(counts.iter().map(|count| count.table)).collect();
            let tables = used.iter().map(|id| self.tables[*id as usize].clone()).collect();
            WorkUnit { unit, tables, partitions: partitions.to_vec(), counts: counts.to_vec() }
        })
    }

    /// Returns the summary that `finish-export` compares the results with.
    pub fn summary(&self) -> PlanSummary {
        let mut planned: Vec<PlannedTable> = self
            .tables
            .iter()
            .map(|table| PlannedTable { table: table.clone(), batches: Vec::new(), counted: Vec::new(), bytes: 0 })
            .collect();
        for partition in self.units.iter().flatten() {
            let PlannedTable { batches, bytes, .. } = &mut planned[partition.table as usize];
            *bytes += partition.bytes;
            match batches.binary_search_by_key(&partition.batch_index, |(batch, _)| *batch) {
                Ok(at) => batches[at].1 += 1,
                Err(at) => batches.insert(at, (partition.batch_index, 1)),
            }
        }
        for count in self.counts.iter().flatten() {
            planned[count.table as usize].counted.push(count.batch_index);
        }
        PlanSummary {
            tables: planned,
            skipped: self.skipped.clone(),
            unreadable_databases: self.unreadable_databases.clone(),
        }
    }
}

async fn catalog(source: &Source, database: &str, only: &ExportOnly, types: Types) -> Result<Catalog, SourceError> {
    let mut connection = source.connect(Some(database)).await?;
    let engine = source.engine();
    connection.catalog(database, types, |schema, table| only.selects_table(engine, database, schema, table)).await
}

/// Numbers the tables, and gives a suffix to those whose directories would be the same.
fn number(tables: &mut [Table]) {
    let mut taken = HashSet::new();
    for (table, id) in tables.iter_mut().zip(0_u32..) {
        table.id = id;
        let mut path = object_key::table_path(table);
        let mut next = 2_u32;
        while !taken.insert(path) {
            table.directory_suffix = Some(next.to_string());
            next += 1;
            path = object_key::table_path(table);
        }
    }
}

#[cfg(test)]
mod tests {
    use export_task::plan::Relation;
    use export_task::range::Range;

    use super::*;

    fn survey(units: Vec<Vec<Partition>>) -> Survey {
        let table = |id| Table {
            id,
            database: "d".to_owned(),
            schema: "s".to_owned(),
            name: format!("t{id}"),
            directory_suffix: None,
            columns: Vec::new(),
        };
        Survey {
            engine: Engine::Postgresql,
            tables: (0..3).map(table).collect(),
            counts: pack_counts(&units, 100),
            units,
            skipped: Vec::new(),
            unreadable_databases: vec!["closed".to_owned()],
            workers: 2,
        }
    }

    fn partition(table: u32, batch_index: u32, partition_index: u32, bytes: u64) -> Partition {
        let relation = Relation { schema: "s".to_owned(), name: format!("t{table}_{batch_index}") };
        Partition { table, relation, batch_index, partition_index, range: Range::All, bytes }
    }

    #[test]
    fn parts_of_an_unreadable_database_are_not_an_error() {
        let names = ["closed", "closed.s", "closed.s.t", "closed2.s.t", "d.s.t1", "d.s.t9"].map(str::to_owned);
        let only = ExportOnly::from(names.to_vec());
        assert_eq!(survey(Vec::new()).unmatched(&only), ["closed2.s.t", "d.s.t9"]);
    }

    #[test]
    fn each_relation_that_is_cut_is_counted_once_as_a_whole() {
        let units = vec![
            vec![partition(0, 1, 0, 300), partition(1, 1, 0, 10)],
            vec![partition(0, 1, 1, 400), partition(2, 1, 0, 8), partition(2, 2, 0, 8)],
            vec![partition(2, 2, 1, 8), partition(2, 2, 2, 88)],
        ];
        let survey = survey(units);
        let counted: Vec<_> =
            survey.counts.iter().flatten().map(|count| (count.relation.name.as_str(), count.bytes)).collect();
        assert_eq!(counted, [("t0_1", 700), ("t2_2", 104)]);
        let summary = survey.summary();
        let planned: Vec<_> = summary.tables.iter().map(|planned| planned.counted.as_slice()).collect();
        assert_eq!(planned, [&[1][..], &[], &[2]]);

        // Each unit describes its own tables. Each partition and each count is in one unit.
        let work: Vec<WorkUnit> = survey.work_units().collect();
        let described = |unit: &WorkUnit| {
            let tables: Vec<u32> = unit.tables.iter().map(|table| table.id).collect();
            (unit.unit, tables, unit.partitions.len(), unit.counts.len())
        };
        let described: Vec<_> = work.iter().map(described).collect();
        let expected = [(0, vec![0, 2], 0, 2), (1, vec![0, 1], 2, 0), (2, vec![0, 2], 3, 0), (3, vec![2], 2, 0)];
        assert_eq!(described, expected);
    }
}
