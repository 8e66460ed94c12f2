//! Closing an export: which files must be there, which are removed, and which documents appear.

use bytes::Bytes;
use export_destination::closing::{CloseError, close};
use export_destination::{Destination, DestinationError};
use export_task::object_key::TaskPath;
use export_task::options::Compression;
use export_task::plan::{PartFile, PartitionResult, PlanSummary, PlannedTable, Results};
use export_task::table::Table;
use export_task::tally::tally;
use tempfile::TempDir;

use crate::fake_s3::FakeS3;

/// An export of `tables` tables of one partition each, whose part files are written.
struct Export {
    path: TaskPath,
    summary: PlanSummary,
    results: Results,
}

impl Export {
    async fn write(destination: &Destination, tables: u32) -> Self {
        let path = TaskPath::new("", "task");
        let (mut summary, mut results) = (PlanSummary::default(), Results::default());
        for id in 0..tables {
            let table = table(id);
            let key = path.part(&table, 1, 0, 0, Compression::Gzip);
            destination.put(&key, Bytes::new()).await.unwrap();
            results.partitions.push(PartitionResult {
                table: id,
                batch_index: 1,
                partition_index: 0,
                files: vec![PartFile { key, rows: 0, bytes: 0 }],
                skip: None,
                rows: 0,
                source_bytes: 0,
                started_at: 0,
                ended_at: 0,
            });
            summary.tables.push(PlannedTable { table, batches: vec![(1, 1)], counted: vec![], bytes: 0 });
        }
        Self { path, summary, results }
    }

    async fn close(&self, destination: &Destination) -> Result<(), CloseError> {
        close(destination, &self.path, &self.summary, &tally(&self.summary, &self.results).unwrap()).await
    }

    fn part(&self, table: &Table, file: u32) -> String {
        self.path.part(table, 1, 0, file, Compression::Gzip)
    }
}

fn table(id: u32) -> Table {
    let (database, schema) = ("shop".to_owned(), "public".to_owned());
    Table { id, database, schema, name: format!("t{id}"), directory_suffix: None, columns: vec![] }
}

fn directory() -> (TempDir, Destination) {
    let directory = tempfile::tempdir().unwrap();
    let destination = Destination::Directory(directory.path().to_owned());
    (directory, destination)
}

#[tokio::test]
async fn a_missing_part_file_is_an_error() {
    let (_directory, destination) = directory();
    let export = Export::write(&destination, 2).await;
    let missing = export.part(&table(1), 0);
    destination.remove(&missing).await.unwrap();
    let error = export.close(&destination).await.unwrap_err();
    assert!(matches!(&error, CloseError::MissingPart(key) if *key == missing), "{error}");
    assert!(!destination.list("task/").await.unwrap().iter().any(|key| key.ends_with("_SUCCESS")));
}

#[tokio::test]
async fn only_stale_files_of_the_export_are_removed() {
    let (_directory, destination) = directory();
    let export = Export::write(&destination, 1).await;
    let named = export.part(&table(0), 0);
    // An attempt whose result does not count wrote a second file.
    let stale = export.part(&table(0), 1);
    // Another export writes a table of another name and a table below its own directory.
    let others = [
        export.part(&table(7), 0),
        TaskPath::new("task", "inner").part(&table(0), 1, 0, 0, Compression::Gzip),
        "task/notes.txt".to_owned(),
    ];
    for key in others.iter().chain([&stale]) {
        destination.put(key, Bytes::new()).await.unwrap();
    }
    export.close(&destination).await.unwrap();

    let mut expected: Vec<String> = others.into();
    expected.extend([
        named,
        export.path.success(&table(0), 1),
        "task/export_tables_info_task_from_1_to_1.json".to_owned(),
    ]);
    expected.sort();
    let mut keys = destination.list("task/").await.unwrap();
    keys.sort();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_role_that_may_not_list_uploads_closes_an_export() {
    let s3 = FakeS3::start().await;
    let export = Export::write(&s3.destination(), 1).await;
    s3.fail(|call| (call.operation == "ListMultipartUploads").then_some((403, "AccessDenied")));
    export.close(&s3.destination()).await.unwrap();
    assert!(s3.lock().objects.contains_key("task/export_tables_info_task_from_1_to_1.json"));

    s3.fail(|call| (call.operation == "ListMultipartUploads").then_some((503, "SlowDown")));
    let error = export.close(&s3.destination()).await.unwrap_err();
    assert!(matches!(error, CloseError::Destination(DestinationError::Throttled(_))), "{error}");
}

#[tokio::test]
async fn a_document_describes_up_to_a_thousand_tables() {
    let (_directory, destination) = directory();
    let export = Export::write(&destination, 1_001).await;
    export.close(&destination).await.unwrap();
    let keys = destination.list("task/").await.unwrap();
    for document in ["from_1_to_1000", "from_1001_to_1001"] {
        assert!(keys.contains(&format!("task/export_tables_info_task_{document}.json")), "{document}");
    }
    assert_eq!(keys.iter().filter(|key| key.ends_with("/_SUCCESS")).count(), 1_001);
}
