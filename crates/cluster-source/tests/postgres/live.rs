//! Exports of a live server while other sessions write to its tables, alter them and truncate them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use cluster_source::live::Live;
use cluster_source::postgres::{self, Source};
use cluster_source::{BatchOptions, Endpoint, SourceError};
use export_task::export_only::ExportOnly;
use export_task::options::Types;
use futures_util::TryStreamExt;

use crate::server::{Database, admin, endpoint, pin, whole};

/// Returns the number of rows of each table in a pinned database.
async fn rows(live: &Live, database: &Database) -> BTreeMap<String, usize> {
    let mut connection = live.source().connect(Some(&database.name)).await.unwrap();
    let cluster_source::Connection::Postgres(postgres) = &connection else { unreachable!() };
    let found = postgres::catalog(postgres, &database.name, Types::Aurora, |_, _| true).await.unwrap().tables;
    let mut rows = BTreeMap::new();
    for found in found {
        let mut count = 0;
        for partition in whole(&found) {
            let read = connection.read(&found.table, &partition, BatchOptions::default()).await.unwrap();
            let batches: Vec<RecordBatch> = read.try_collect().await.unwrap();
            count += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        }
        rows.insert(found.table.name, count);
    }
    rows
}

fn expected(tables: &[(&str, usize)]) -> BTreeMap<String, usize> {
    tables.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
}

/// Pins a database while another connection has an open transaction with `changes`.
async fn pin_amid(database: &Database, changes: &str) -> Live {
    let other = admin(&database.name).await;
    other.batch_execute(&format!("BEGIN; {changes}")).await.unwrap();
    let end = async {
        wait_for_a_waiter(database).await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let databases = [database];
    let (live, ()) = tokio::join!(pin(&databases), end);
    live.unwrap()
}

/// Returns when a session waits for a lock.
async fn wait_for_a_waiter(database: &Database) {
    let waits = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE NOT l.granted AND d.datname = current_database())";
    let deadline = Instant::now() + Duration::from_secs(20);
    while !database.admin.query_one(waits, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(Instant::now() < deadline, "no session waits for a lock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A snapshot taken before such a transaction ends sees neither its rows nor the rows before it.
#[tokio::test]
async fn tables_being_rewritten_or_truncated_are_whole() {
    for changes in [
        "ALTER TABLE t ALTER n TYPE bigint",
        "TRUNCATE t; INSERT INTO t SELECT generate_series(1, 1000)",
        "CREATE TABLE new AS SELECT generate_series(1, 1000) n; DROP TABLE t; ALTER TABLE new RENAME TO t",
    ] {
        let database = Database::create().await;
        database.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) n; CREATE TABLE a (n int)").await;
        let live = pin_amid(&database, changes).await;
        assert_eq!(rows(&live, &database).await, expected(&[("a", 0), ("t", 1000)]), "{changes}");
    }
}

#[tokio::test]
async fn a_table_dropped_before_it_is_locked_is_no_error() {
    let database = Database::create().await;
    database
        .execute("CREATE TABLE a AS SELECT 1 n; CREATE SCHEMA s; CREATE TABLE s.b (n int); CREATE TABLE c (n int)")
        .await;
    let live = pin_amid(&database, "DROP SCHEMA s CASCADE").await;
    assert_eq!(rows(&live, &database).await, expected(&[("a", 1), ("c", 0)]));
    database.execute("SET lock_timeout = '50ms'").await;
    for table in ["a", "c"] {
        database.admin.batch_execute(&format!("TRUNCATE {table}")).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_table_created_before_the_snapshot_is_locked_too() {
    let database = Database::create().await;
    database.execute("CREATE TABLE a AS SELECT 1 n").await;
    let live = pin_amid(&database, "LOCK TABLE a; CREATE TABLE b AS SELECT generate_series(1, 10) n").await;
    database.execute("SET lock_timeout = '50ms'").await;
    let error = database.admin.batch_execute("TRUNCATE b").await.unwrap_err();
    assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE));
    assert_eq!(rows(&live, &database).await, expected(&[("a", 1), ("b", 10)]));
}

#[tokio::test]
async fn tables_created_without_end_are_an_error() {
    let database = Database::create().await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut creators = Vec::new();
    // Several sessions create tables, so that a busy machine does not stop all of them for a whole
    // round of snapshots.
    for creator in 0..4 {
        let (client, end) = (admin(&database.name).await, Arc::clone(&ended));
        creators.push(tokio::spawn(async move {
            for number in 0.. {
                if end.load(Ordering::Relaxed) {
                    break;
                }
                client.batch_execute(&format!("CREATE TABLE t{creator}_{number} (n int)")).await.unwrap();
            }
        }));
    }
    let pinned = pin(&[&database]).await;
    ended.store(true, Ordering::Relaxed);
    for creator in creators {
        creator.await.unwrap();
    }
    assert!(matches!(pinned, Err(SourceError::TablesKeepChanging)), "{:?}", pinned.err());
}

#[tokio::test]
async fn pinned_tables_are_neither_rewritten_nor_altered() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE TABLE t AS SELECT generate_series(1, 10) n; CREATE TABLE \"odd \"\"name\" (n int);
             CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE o (n int) USING other;
             CREATE TABLE p (n int) PARTITION BY RANGE (n); CREATE TABLE p1 PARTITION OF p DEFAULT",
        )
        .await;
    let live = pin(&[&database]).await.unwrap();
    database.execute("SET lock_timeout = '50ms'; INSERT INTO t VALUES (11); CREATE TABLE later (n int)").await;
    for change in [
        "VACUUM FULL t",
        "TRUNCATE t",
        "TRUNCATE o",
        "ALTER TABLE t ALTER n TYPE int8",
        "VACUUM FULL p1",
        "DROP TABLE \"odd \"\"name\"",
    ] {
        let error = database.admin.batch_execute(change).await.unwrap_err();
        assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE), "{change}");
    }
    // Every connection sees the rows of the pinned moment, the second time as well.
    for _ in 0..2 {
        assert_eq!(rows(&live, &database).await, expected(&[("o", 0), ("odd \"name", 0), ("p", 0), ("t", 10)]));
    }
    live.check().await.unwrap();
    drop(live);
    database.execute("SET lock_timeout = '10s'").await;
    database.execute("VACUUM FULL t").await;
}

#[tokio::test]
async fn a_table_of_which_only_columns_may_be_read_is_locked() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE ROLE columns_only LOGIN PASSWORD 'x'; CREATE TABLE t AS SELECT 1 n, 2 m;
             GRANT SELECT (n, m) ON t TO columns_only",
        )
        .await;
    let endpoint = Endpoint { user: "columns_only".to_owned(), password: "x".to_owned(), ..endpoint() };
    let source = cluster_source::Source::Postgres(Source::new(endpoint, None));
    let live = Live::pin(source, &ExportOnly::from(vec![database.name.clone()]), 1).await.unwrap();
    let locks = "SELECT array_agg(mode) FROM pg_locks WHERE relation = 't'::regclass AND granted";
    let locks: Vec<String> = database.admin.query_one(locks, &[]).await.unwrap().get(0);
    assert_eq!(locks, ["AccessShareLock"]);
    database.execute("SET lock_timeout = '50ms'").await;
    database.admin.batch_execute("ALTER TABLE t ALTER n TYPE int8").await.unwrap_err();
    live.check().await.unwrap();
    drop(live);
    database.execute("SET lock_timeout = '10s'; DROP OWNED BY columns_only; DROP ROLE columns_only").await;
}

/// Returns the highest number in a pinned database.
async fn last(live: &Live, database: &Database) -> i64 {
    let connection = live.source().connect(Some(&database.name)).await.unwrap();
    let cluster_source::Connection::Postgres(connection) = connection else { unreachable!() };
    let found = database.table("t").await;
    let batches = crate::server::read(&connection, &found, &whole(&found)[0]).await.unwrap();
    let numbers = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
    numbers.max().unwrap()
}

/// One writer writes to both databases alternately. So the highest numbers show how far apart the
/// two moments are.
#[tokio::test]
async fn databases_are_seen_at_nearly_the_same_moment() {
    let (first, second) = (Database::create().await, Database::create().await);
    for database in [&first, &second] {
        database.execute("CREATE TABLE t AS SELECT 0::int8 n; CREATE TABLE slow (n int)").await;
    }
    let (one, two, slow) = (admin(&first.name).await, admin(&second.name).await, admin(&second.name).await);
    // Locking the tables of the second database takes a second.
    slow.batch_execute("BEGIN; LOCK TABLE slow").await.unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    let writer = tokio::spawn(async move {
        for number in 1.. {
            if end.load(Ordering::Relaxed) {
                return number;
            }
            for client in [&one, &two] {
                client.batch_execute(&format!("INSERT INTO t VALUES ({number})")).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!()
    });
    let release = async {
        wait_for_a_waiter(&second).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        slow.batch_execute("COMMIT").await.unwrap();
    };
    let databases = [&first, &second];
    let (live, ()) = tokio::join!(pin(&databases), release);
    let live = live.unwrap();
    ended.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    let apart = last(&live, &first).await.abs_diff(last(&live, &second).await);
    assert!(written > 60 && apart < 30, "{apart} of {written} apart");
}

#[tokio::test]
async fn a_pin_whose_transaction_has_ended_is_noticed() {
    for end in ["pg_terminate_backend(pid)", "pg_cancel_backend(pid)"] {
        let database = Database::create().await;
        database.execute("CREATE TABLE t (n int)").await;
        let live = pin(&[&database]).await.unwrap();
        live.check().await.unwrap();
        database
            .execute(&format!(
                "SELECT {end} FROM pg_stat_activity
                 WHERE application_name = 'aurora-export' AND datname = current_database() AND state = 'idle in transaction'"
            ))
            .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let checked = live.check().await;
        // An idle transaction can't be canceled: it continues.
        assert_eq!(checked.is_err(), end.contains("terminate"), "{checked:?}");
    }
}
