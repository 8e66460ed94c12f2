//! Features of newer servers. On an older server a test ends early.

use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use cluster_source::ErrorKind;
use cluster_source::postgres::{self, Slicing};
use export_task::warning::SkipReason;

use crate::server::{self, Database};
use crate::text::equal_in;

#[tokio::test]
async fn intervals_without_end() {
    let database = Database::create().await;
    if database.connect().await.server_version() < 170_000 {
        return;
    }
    let values =
        "SELECT unnest(array['infinity', '-infinity', '178956970 years 7 mons 2147483646 days', '1 day']::interval[])";
    assert_eq!(equal_in(&database, "interval", "interval", "v::text", values).await, 6);
}

#[tokio::test]
async fn generated_columns_that_are_not_stored() {
    let database = Database::create().await;
    if database.connect().await.server_version() < 180_000 {
        return;
    }
    database
        .execute(
            "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2), c text GENERATED ALWAYS AS ('n' || a) VIRTUAL);
             INSERT INTO t VALUES (1), (NULL), (21)",
        )
        .await;
    let batch = &database.read("t").await.unwrap()[0];
    let doubles: Vec<_> = batch.column(1).as_primitive::<Int32Type>().iter().collect();
    assert_eq!(doubles, [Some(2), None, Some(42)]);
    let texts: Vec<_> = batch.column(2).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("n1"), None, Some("n21")]);
}

/// A key range excludes NULL, so a key must not hold NULL.
#[tokio::test]
async fn a_constraint_that_no_row_was_checked_for_makes_no_key() {
    let database = Database::create().await;
    if database.connect().await.server_version() < 180_000 {
        return;
    }
    database
        .execute(
            "CREATE TABLE t (k int UNIQUE); INSERT INTO t SELECT nullif(n, 7) FROM generate_series(1, 5000) n;
             ALTER TABLE t ADD CONSTRAINT unchecked NOT NULL k NOT VALID",
        )
        .await;
    let found = database.table("t").await;
    assert_eq!(found.relations[0].key, None);
    database.execute("DELETE FROM t WHERE k IS NULL; ALTER TABLE t VALIDATE CONSTRAINT unchecked").await;
    let found = database.table("t").await;
    assert_eq!(found.relations[0].key.as_ref().map(|key| key.column.as_str()), Some("k"));
    let connection = database.connect().await;
    assert!(postgres::partitions(&connection, &found, Slicing::Keys, 20_000).await.unwrap().len() > 3);
}

/// A database can set timeouts that end idle sessions and long transactions.
#[tokio::test]
async fn no_timeout_of_the_database_ends_a_session() {
    let database = Database::create().await;
    let name = &database.name;
    let version = database.connect().await.server_version();
    for (since, setting) in [(140_000, "idle_session_timeout"), (170_000, "transaction_timeout")] {
        if version >= since {
            database.execute(&format!("ALTER DATABASE {name} SET {setting} = 400")).await;
        }
    }
    database.execute("CREATE TABLE t AS SELECT 1 AS n").await;
    let found = database.table("t").await;
    let live = server::pin(&[&database]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    live.check().await.unwrap();
    let connection = database.connect().await;
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert_eq!(server::read(&connection, &found, &server::whole(&found)[0]).await.unwrap().len(), 1);
}

/// Computing a virtual column can fail when it is read.
#[tokio::test]
async fn a_column_that_fails_when_it_is_read_leaves_its_table_out() {
    let database = Database::create().await;
    if database.connect().await.server_version() < 180_000 {
        return;
    }
    database.execute("CREATE TABLE t (a int, b int GENERATED ALWAYS AS (1 / a)); INSERT INTO t VALUES (1), (0)").await;
    let error = database.read("t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::UnreadableValue), "{error:?}");
}
