//! Databases, tables and partitions of a server: what an export is planned from.

use std::collections::HashSet;

use export_task::engine::Engine;
use export_task::export_only::ExportOnly;
use export_task::object_key;
use export_task::options::Types;
use export_task::plan::{Partition, PlanSummary, PlannedTable, Table};
use export_task::warning::SkippedTable;

use crate::error::{ErrorKind, SourceError};
use crate::source::{Catalog, FoundTable, Source};

/// The largest partition: what a worker reads well within one invocation.
const MAX_PARTITION_BYTES: u64 = 1 << 30;

/// Partitions grow with the cluster until there are about this many.
const PARTITIONS_WANTED: u64 = 4000;

/// What the server holds and how it is cut.
#[derive(Debug)]
pub struct Survey {
    /// The server's engine.
    pub engine: Engine,
    /// Tables to be exported; a table's id is its position.
    pub tables: Vec<Table>,
    /// Every partition of them, by table, batch and index.
    pub partitions: Vec<Partition>,
    /// Selected tables that can't be exported.
    pub skipped: Vec<SkippedTable>,
    /// Selected databases whose catalog can't be read.
    pub unreadable_databases: Vec<String>,
    /// Size of a partition.
    pub partition_bytes: u64,
    /// Connections the server can bear.
    pub connections: u32,
}

impl Survey {
    /// Reads the catalog of every selected database, one after the other.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn take(
        source: &Source,
        only: &ExportOnly,
        types: Types,
        target_bytes: u64,
    ) -> Result<Self, SourceError> {
        let mut first = source.connect(None).await?;
        // Half of what the server allows leaves room for its own and for reconnecting workers.
        let connections = first.max_connections().await? / 2;
        let databases = first.databases().await?;
        let mut found: Vec<FoundTable> = Vec::new();
        let (mut skipped, mut unreadable_databases) = (Vec::new(), Vec::new());
        for database in databases.iter().filter(|d| only.selects_database(d)) {
            match catalog(source, database, only, types).await {
                Ok(catalog) => {
                    found.extend(catalog.tables);
                    skipped.extend(catalog.skipped);
                }
                // A database the master user may not connect to is reported, not fatal; as is one with names that are no text.
                Err(e) if matches!(e.kind(), ErrorKind::AccessDenied | ErrorKind::Skip(_)) => {
                    unreadable_databases.push(database.clone());
                }
                Err(e) => return Err(e),
            }
        }
        number(&mut found);
        let bytes: u64 = found.iter().map(FoundTable::bytes).sum();
        let partition_bytes = (bytes / PARTITIONS_WANTED).clamp(target_bytes, MAX_PARTITION_BYTES.max(target_bytes));
        let mut partitions = Vec::new();
        let mut connection = first;
        let mut connected = None;
        for found in &found {
            let database = found.table().database.as_str();
            if connected != Some(database) {
                connection = source.connect(Some(database)).await?;
                connected = Some(database);
            }
            partitions.extend(connection.partitions(found, partition_bytes).await?);
        }
        let tables = found.into_iter().map(FoundTable::into_table).collect();
        Ok(Self {
            engine: source.engine(),
            tables,
            partitions,
            skipped,
            unreadable_databases,
            partition_bytes,
            connections,
        })
    }

    /// The entries of a partial export that name nothing, neither exported nor skipped.
    pub fn unmatched<'a>(&self, only: &'a ExportOnly) -> Vec<&'a str> {
        let exported = self.tables.iter().map(|t| [t.database.as_str(), &t.schema, &t.name]);
        // A skipped table's names hold no dots when a partial export can name it.
        let skipped = self.skipped.iter().filter_map(|s| s.target.split('.').collect::<Vec<_>>().try_into().ok());
        let unreadable = self.unreadable_databases.iter().map(|d| [d.as_str(), "", ""]);
        only.unmatched(self.engine, exported.chain(skipped).chain(unreadable))
    }

    /// What `finish-export` checks the results against.
    pub fn summary(&self) -> PlanSummary {
        let mut planned: Vec<PlannedTable> = self
            .tables
            .iter()
            .map(|table| PlannedTable { table: table.clone(), batches: Vec::new(), bytes: 0 })
            .collect();
        for partition in &self.partitions {
            let PlannedTable { batches, bytes, .. } = &mut planned[partition.table as usize];
            *bytes += partition.bytes;
            match batches.last_mut() {
                Some((batch, count)) if *batch == partition.batch => *count += 1,
                _ => batches.push((partition.batch, 1)),
            }
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

/// Numbers the tables and sets those apart whose directories would be the same.
fn number(found: &mut [FoundTable]) {
    let mut taken = HashSet::new();
    for (table, id) in found.iter_mut().map(FoundTable::table_mut).zip(0_u32..) {
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
