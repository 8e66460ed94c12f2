//! Record batches: their limits, their errors, and that rows are never silently missing.

use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use arrow_array::{Array, RecordBatch};
use cluster_source::BatchOptions;
use cluster_source::postgres::{self, Connection, FoundTable};
use cluster_source::{ErrorKind, SourceError};
use export_task::options::Types;
use export_task::warning::SkipReason;
use futures_util::{StreamExt, TryStreamExt};

use crate::server::{self, Database, whole};

async fn read_with(
    connection: &Connection,
    found: &FoundTable,
    options: BatchOptions,
) -> Result<Vec<RecordBatch>, SourceError> {
    postgres::read(connection, &found.table, &whole(found)[0], options).await?.try_collect().await
}

#[tokio::test]
async fn batches_end_at_either_limit() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t AS SELECT n, repeat('x', 1000) s FROM generate_series(1, 1000) n").await;
    let connection = database.connect().await;
    let found = database.table("t").await;
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>();

    let by_rows = BatchOptions { max_rows: 300, ..BatchOptions::default() };
    assert_eq!(rows(&read_with(&connection, &found, by_rows).await.unwrap()), [300, 300, 300, 100]);
    let by_bytes = BatchOptions { max_bytes: 100_000, ..BatchOptions::default() };
    let batches = read_with(&connection, &found, by_bytes).await.unwrap();
    assert_eq!(rows(&batches), [100; 10]);
    // Buffers hold little more than the values.
    assert!(batches.iter().all(|batch| batch.get_array_memory_size() < 200_000));
    let one_by_one = BatchOptions { max_bytes: 0, max_rows: 0, ..BatchOptions::default() };
    assert_eq!(read_with(&connection, &found, one_by_one).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn wide_rows_of_nulls_fill_batches_too() {
    let database = Database::create().await;
    let columns: Vec<String> = (0..1000).map(|n| format!("c{n} int8")).collect();
    database.execute(&format!("CREATE TABLE t ({})", columns.join(","))).await;
    database.execute("INSERT INTO t (c0) SELECT n FROM generate_series(1, 3000) n").await;
    let batches = database.read("t").await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3000);
    assert!(batches.iter().all(|batch| batch.num_rows() <= 1049));
}

#[test]
fn a_worker_may_move_between_threads() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    drop(send(async {
        let connection = server::source().connect("postgres").await?;
        let catalog = postgres::catalog(&connection, "postgres", Types::Aurora, |_, _| true).await?;
        for found in &catalog.tables {
            let slicing = postgres::Slicing::from_server_version(connection.server_version());
            for partition in postgres::partitions(&connection, found, slicing, 1 << 20).await? {
                let batches = postgres::read(&connection, &found.table, &partition, BatchOptions::default()).await?;
                batches.try_collect::<Vec<_>>().await?;
            }
        }
        Ok::<(), SourceError>(())
    }));
}

#[tokio::test]
async fn bytes_read_are_counted() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n").await;
    let connection = database.connect().await;
    let found = database.table("t").await;
    let mut batches =
        postgres::read(&connection, &found.table, &whole(&found)[0], BatchOptions::default()).await.unwrap();
    while batches.try_next().await.unwrap().is_some() {}
    // Header, then field count, length and value of each row, then the trailer.
    assert_eq!(batches.bytes_read(), 19 + 1000 * 10 + 2);
    assert!(batches.next().await.is_none());
}

#[tokio::test]
async fn large_values_arrive_whole() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t (s text, b bytea); ALTER TABLE t ALTER s SET STORAGE EXTERNAL").await;
    database.execute("INSERT INTO t VALUES (repeat('ä', 40000000), '\\x01'), ('small', '\\x02')").await;
    let batches = database.read("t").await.unwrap();
    assert_eq!(batches.len(), 2);
    let text = arrow_array::cast::AsArray::as_string::<i32>(batches[0].column(0));
    assert_eq!(text.value(0).len(), 80_000_000);
    assert!(text.value(0).chars().all(|c| c == 'ä'));
}

#[tokio::test]
async fn values_and_rows_over_the_limit_are_errors() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t AS SELECT repeat('x', 1000) a, repeat('y', 3000) big").await;
    let connection = database.connect().await;
    let found = database.table("t").await;
    let value = BatchOptions { max_value_bytes: Some(2999), ..BatchOptions::default() };
    let error = read_with(&connection, &found, value).await.unwrap_err();
    assert!(matches!(&error, SourceError::ValueTooLarge { column: Some(column) } if column == "big"), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let row = BatchOptions { max_row_bytes: Some(4000), ..BatchOptions::default() };
    let error = read_with(&connection, &found, row).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::RowTooLarge));
    let exact = BatchOptions { max_value_bytes: Some(3000), max_row_bytes: Some(4010), ..BatchOptions::default() };
    assert_eq!(read_with(&connection, &found, exact).await.unwrap().len(), 1);

    // The size of a bit string is that of its text.
    database.execute("CREATE TABLE bits AS SELECT repeat('1', 1000)::varbit v").await;
    let found = database.table("bits").await;
    let limit = |bytes| BatchOptions { max_value_bytes: Some(bytes), ..BatchOptions::default() };
    let error = read_with(&connection, &found, limit(999)).await.unwrap_err();
    assert!(matches!(error, SourceError::ValueTooLarge { .. }), "{error:?}");
    assert_eq!(read_with(&connection, &found, limit(1000)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn text_in_another_encoding_is_converted_or_reported() {
    let latin = Database::create_with("ENCODING latin1 LOCALE 'C' TEMPLATE template0").await;
    latin.execute("CREATE TABLE \"täble\" AS SELECT 'äöü'::text s").await;
    let batch = &latin.read("täble").await.unwrap()[0];
    assert_eq!(arrow_array::cast::AsArray::as_string::<i32>(batch.column(0)).value(0), "äöü");

    let ascii = Database::create_with("ENCODING sql_ascii LOCALE 'C' TEMPLATE template0").await;
    ascii.execute("CREATE TABLE t AS SELECT 'fine'::text s; CREATE TABLE bad AS SELECT convert_from('\\xe4f6', 'sql_ascii') s").await;
    assert_eq!(ascii.read("t").await.unwrap().len(), 1);
    let error = ascii.read("bad").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::InvalidText), "{error:?}");
}

#[tokio::test]
async fn a_connection_lost_midway_is_an_error() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t AS SELECT repeat('x', 1000) s FROM generate_series(1, 200000)").await;
    let found = database.table("t").await;
    let connection = database.connect().await;
    let mut batches =
        postgres::read(&connection, &found.table, &whole(&found)[0], BatchOptions::default()).await.unwrap();
    batches.try_next().await.unwrap().unwrap();
    database
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aurora-export' AND datname = current_database()")
        .await;
    let error = batches.by_ref().try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(batches.next().await.is_none());
}

/// When the server plans a query, it evaluates the constant expressions of indexes. They may call
/// functions of the exporting user.
#[tokio::test]
async fn a_failing_function_of_the_exporting_user_leaves_its_table_out() {
    let database = Database::create().await;
    for (name, fails) in [
        ("own", "RAISE 'row %', 'confidential' USING DETAIL = 'confidential', HINT = 'confidential'"),
        ("unknown", "RAISE 'row %', 'confidential' USING ERRCODE = 'ZZ001'"),
        ("violation", "RAISE 'row %', 'confidential' USING ERRCODE = '23514'"),
        ("syntax", "EXECUTE 'SELECT confidential confidential confidential'"),
        // The function may be visible in its owner's search path. It is not in the session's.
        ("elsewhere", "PERFORM helper($1)"),
    ] {
        let function = |body: &str| {
            format!(
                "CREATE OR REPLACE FUNCTION f_{name}(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
                   $$ BEGIN {body}; RETURN 1; END $$"
            )
        };
        database.execute(&function("NULL")).await;
        database
            .execute(&format!("CREATE TABLE t_{name} AS SELECT 1 n; CREATE INDEX ON t_{name} ((n + f_{name}(1)))"))
            .await;
        database.execute(&function(fails)).await;
        let error = database.read(&format!("t_{name}")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::UnreadableValue), "{name}: {error:?}");
        assert!(!format!("{error:?}").contains("confidential"), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_damaged_block_is_reported() {
    let whole = Database::create().await;
    whole
        .execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 10000) n; CREATE TABLE other AS SELECT 1 n")
        .await;
    // The copy's blocks are only in its files yet, not in the server's buffers.
    let (template, version) = (&whole.name, whole.connect().await.server_version());
    let strategy = if version < 150_000 { "" } else { "STRATEGY file_copy" };
    whole.admin.batch_execute("CHECKPOINT").await.unwrap();
    drop(whole.admin);
    let copy = Database::create_with(&format!("TEMPLATE {template} {strategy}")).await;
    let path = "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('t')";
    let path: String = copy.admin.query_one(path, &[]).await.unwrap().get(0);
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(3 * 8192)).unwrap();
    file.write_all(&[0x55; 24]).unwrap();
    let error = copy.read("t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::DataCorrupted), "{error:?}");
    assert_eq!(copy.read("other").await.unwrap().len(), 1);
}

#[tokio::test]
async fn dropping_the_stream_and_connection_ends_the_query_at_once() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t AS SELECT repeat('x', 1000) s FROM generate_series(1, 200000)").await;
    let found = database.table("t").await;
    let before = server::peak_memory();
    {
        let connection = database.connect().await;
        let mut batches =
            postgres::read(&connection, &found.table, &whole(&found)[0], BatchOptions::default()).await.unwrap();
        batches.try_next().await.unwrap().unwrap();
        // Nothing reads the stream. The server must wait, and this process must not buffer the
        // rows.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(server::peak_memory() < before + (400 << 20));
    let deadline = Instant::now() + Duration::from_secs(10);
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aurora-export' AND datname = current_database()";
    while database.admin.query_one(busy, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(Instant::now() < deadline, "the server still works for a dropped connection");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_table_dropped_after_planning_is_an_error() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t (n int)").await;
    let found = database.table("t").await;
    database.execute("DROP TABLE t").await;
    let error = read_with(&database.connect().await, &found, BatchOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    let mut found = found;
    found.table.columns[0].decode = "unknown".to_owned();
    let error = read_with(&database.connect().await, &found, BatchOptions::default()).await.unwrap_err();
    assert!(matches!(error, SourceError::Plan(_)));
}

#[tokio::test]
async fn columns_without_any_value() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t AS SELECT NULL::int a, NULL::text b, NULL::bytea c, NULL::bool d, NULL::numeric e FROM generate_series(1, 9)").await;
    let batch = &database.read("t").await.unwrap()[0];
    assert!(batch.columns().iter().all(|column| column.null_count() == 9));
}
