//! Record batches: their limits and errors. A stream never ends early without an error.

use std::time::Duration;

use arrow_array::cast::AsArray;
use cluster_source::error::ErrorKind;
use cluster_source::{BatchOptions, SourceError, mysql};
use export_task::warning::SkipReason;
use futures_util::{StreamExt, TryStreamExt};

use crate::server::{Database, read};

async fn sizes(database: &Database, options: BatchOptions) -> Result<Vec<usize>, SourceError> {
    let found = database.table("t").await;
    let mut connection = database.connect().await;
    let partitions = mysql::partitions(&mut connection, &found, u64::MAX).await?;
    let batches = mysql::read(&mut connection, &found.table, &partitions[0], options).await?;
    Ok(batches.try_collect::<Vec<_>>().await?.iter().map(arrow_array::RecordBatch::num_rows).collect())
}

#[tokio::test]
async fn batches_end_at_rows_and_bytes() {
    let database = Database::create();
    database.execute("CREATE TABLE t (a INT, b VARCHAR(1000))");
    assert!(sizes(&database, BatchOptions::default()).await.unwrap().is_empty());
    let rows: Vec<String> = (0..100).map(|n| format!("({n}, REPEAT('x', 1000))")).collect();
    database.execute(&format!("INSERT INTO t VALUES {}", rows.join(",")));
    let options = BatchOptions { max_rows: 30, ..BatchOptions::default() };
    assert_eq!(sizes(&database, options).await.unwrap(), [30, 30, 30, 10]);
    // A row takes 4 bytes for `a`, 1000 for `b`, and 4 for the end of `b`.
    let options = BatchOptions { max_bytes: 40_320, ..BatchOptions::default() };
    assert_eq!(sizes(&database, options).await.unwrap(), [40, 40, 20]);
    let whole = sizes(&database, BatchOptions { max_rows: 0, max_bytes: 0, ..BatchOptions::default() }).await.unwrap();
    assert_eq!(whole, [1; 100]);
}

#[tokio::test]
async fn too_large_values_and_rows_are_refused() {
    let database = Database::create();
    database.execute("CREATE TABLE t (a INT, b LONGTEXT); INSERT INTO t VALUES (1, REPEAT('x', 500))");
    let limit = |value, row| BatchOptions { max_value_bytes: value, max_row_bytes: row, ..BatchOptions::default() };
    assert_eq!(sizes(&database, limit(Some(500), Some(509))).await.unwrap(), [1]);
    let error = sizes(&database, limit(Some(499), None)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Unsupported, "b holds a value that is too large")
    );
    let error = sizes(&database, limit(None, Some(508))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::RowTooLarge));
}

#[tokio::test]
async fn bytes_read_are_counted() {
    let database = Database::create();
    database.execute("CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)");
    let found = database.table("t").await;
    let mut connection = database.connect().await;
    let partitions = mysql::partitions(&mut connection, &found, u64::MAX).await.unwrap();
    for _ in 0..2 {
        let mut batches =
            mysql::read(&mut connection, &found.table, &partitions[0], BatchOptions::default()).await.unwrap();
        while batches.try_next().await.unwrap().is_some() {}
        // Each row has a header, a row header, a NULL bitmap and the value. Then the end of the
        // result follows. All bytes came with the packets before the rows.
        assert_eq!(batches.bytes_read(), 3 * (4 + 1 + 1 + 4) + 11);
    }
}

#[tokio::test]
async fn a_value_of_hundreds_of_megabytes() {
    let database = Database::create();
    database.execute(
        "CREATE TABLE t (a INT, b LONGBLOB, c LONGBLOB); INSERT INTO t VALUES (1, REPEAT('x', 200000000), 'y')",
    );
    let batches = database.read("t").await.unwrap();
    let value = batches[0].column(1).as_binary::<i32>().value(0);
    assert_eq!(value.len(), 200_000_000);
    assert!(value.iter().all(|byte| *byte == b'x'));
    assert_eq!(batches[0].column(2).as_binary::<i32>().value(0), b"y");
}

#[tokio::test]
async fn a_lost_connection_is_an_error() {
    let database = Database::create();
    database.execute("CREATE TABLE t (a INT, b VARCHAR(1000)); INSERT INTO t VALUES (1, REPEAT('x', 1000))");
    for _ in 0..16 {
        database.execute("INSERT INTO t SELECT * FROM t");
    }
    let found = database.table("t").await;
    let mut connection = database.connect().await;
    let partitions = mysql::partitions(&mut connection, &found, u64::MAX).await.unwrap();
    let mut batches =
        mysql::read(&mut connection, &found.table, &partitions[0], BatchOptions::default()).await.unwrap();
    batches.next().await.unwrap().unwrap();
    let sessions = database.execute(&format!(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{}' AND INFO LIKE 'SELECT `a`%'",
        database.name
    ));
    database.execute(&format!("KILL {}", sessions[0][0]));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = loop {
        match batches.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("the stream ended as if every row had been read"),
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(batches.next().await.is_none());
}

/// Creates `t` with four hundred rows. The primary key can't be used to partition it, another index
/// can.
fn fill(database: &Database) {
    let rows: Vec<String> = (0..400).map(|n| format!("({n}, {n}, REPEAT('x', 500), {n})")).collect();
    database.execute(&format!(
        "DROP TABLE IF EXISTS t, other; \
         CREATE TABLE t (n INT NOT NULL, b INT, pad VARBINARY(1000), d DOUBLE PRIMARY KEY, UNIQUE KEY u (n)); \
         INSERT INTO t VALUES {}; ANALYZE TABLE t",
        rows.join(",")
    ));
}

#[tokio::test]
async fn a_table_that_changed_is_left_out() {
    let database = Database::create();
    for change in [
        "ALTER TABLE t MODIFY b BIGINT",
        "ALTER TABLE t MODIFY b INT UNSIGNED",
        "ALTER TABLE t MODIFY b VARCHAR(20)",
        "ALTER TABLE t DROP b",
        "ALTER TABLE t DROP KEY u",
        "ALTER TABLE t RENAME TO other",
        "DROP TABLE t",
        &format!("DROP DATABASE {}", database.name),
    ] {
        fill(&database);
        let found = database.table("t").await;
        let mut connection = database.connect().await;
        let partitions = mysql::partitions(&mut connection, &found, 20_000).await.unwrap();
        assert!(partitions.len() > 3);
        database.execute(change);
        let refused = mysql::read(&mut connection, &found.table, &partitions[1], BatchOptions::default()).await;
        let error = refused.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::TableChanged), "{change}: {error:?}");
    }
}

#[tokio::test]
async fn a_table_without_its_file_is_left_out() {
    let database = Database::create();
    fill(&database);
    let found = database.table("t").await;
    database.execute("ALTER TABLE t DISCARD TABLESPACE");
    let mut connection = database.connect().await;
    let refused = mysql::partitions(&mut connection, &found, 20_000).await;
    let corrupted = ErrorKind::Skip(SkipReason::DataCorrupted);
    assert_eq!(refused.unwrap_err().kind(), corrupted);
    let whole = mysql::partitions(&mut connection, &found, u64::MAX).await.unwrap();
    assert_eq!(read(&mut connection, &found, &whole[0]).await.unwrap_err().kind(), corrupted);
}
