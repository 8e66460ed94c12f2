//! Partitions cover every row exactly once, by blocks and by keys.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use cluster_source::postgres::{self, Slicing};
use export_task::range::Range;

use crate::server::{self, Database};

/// Reads `t` (a key `k` of type int8 and more) in partitions of about `target` bytes, checks that
/// they hold the table's rows, each once, and returns the number of rows of each partition.
async fn read_in_partitions(database: &Database, slicing: Slicing, target: u64) -> Vec<usize> {
    let connection = database.connect().await;
    let found = database.table("t").await;
    let partitions = postgres::partitions(&connection, &found, slicing, target).await.unwrap();
    let mut counts = Vec::new();
    let mut seen: BTreeMap<i64, u32> = BTreeMap::new();
    for (partition, index) in partitions.iter().zip(0..) {
        assert_eq!((partition.batch_index, partition.partition_index), (1, index));
        let mut rows = 0;
        for batch in server::read(&connection, &found, partition).await.unwrap() {
            rows += batch.num_rows();
            for key in batch.column(0).as_primitive::<Int64Type>().values() {
                *seen.entry(*key).or_default() += 1;
            }
        }
        counts.push(rows);
    }
    let all = database.admin.query("SELECT k FROM ONLY t ORDER BY k", &[]).await.unwrap();
    let expected: BTreeMap<i64, u32> = all.iter().map(|row| (row.get(0), 1)).collect();
    assert!(seen == expected, "{slicing:?}: {} rows read, {} expected", seen.len(), expected.len());
    counts
}

/// Reads the table by blocks and by keys, in large and in small partitions.
async fn covered_once(fill: &str) -> Vec<Vec<usize>> {
    let database = Database::create().await;
    database.execute("CREATE TABLE t (k int8 PRIMARY KEY, s text)").await;
    for statement in fill.split(';') {
        database.execute(statement).await;
    }
    let mut counts = Vec::new();
    for slicing in [Slicing::Blocks, Slicing::Keys] {
        for target in [u64::MAX, 64 * 1024, 8 * 1024] {
            counts.push(read_in_partitions(&database, slicing, target).await);
        }
    }
    counts
}

#[tokio::test]
async fn gaps_negative_keys_and_skew() {
    let counts = covered_once(
        "INSERT INTO t SELECT (n::numeric * n * n * sign(n))::int8 * CASE WHEN n % 2 = 0 THEN 1 ELSE -1 END, repeat('x', n % 100) \
         FROM generate_series(1, 20000) n; \
         INSERT INTO t SELECT n, NULL FROM generate_series(20000000000000, 20000000005000) n; ANALYZE t",
    )
    .await;
    assert!(counts.iter().any(|parts| parts.len() > 100));
    // With statistics, skewed keys are divided evenly.
    let by_key = &counts[4];
    assert!(by_key.len() > 10, "{by_key:?}");
    let (most, mean) = (by_key.iter().max().unwrap(), 25_001 / by_key.len());
    assert!(*most < 3 * mean, "{by_key:?}");
}

#[tokio::test]
async fn deleted_and_updated_rows() {
    covered_once(
        "INSERT INTO t SELECT n, repeat('x', 50) FROM generate_series(1, 10000) n; ANALYZE t; \
         DELETE FROM t WHERE k % 3 = 0 OR k < 2000; UPDATE t SET s = repeat('y', 90) WHERE k % 2 = 0; \
         VACUUM t; INSERT INTO t SELECT -n, 'again' FROM generate_series(1, 3000) n",
    )
    .await;
}

#[tokio::test]
async fn empty_emptied_and_single() {
    covered_once("").await;
    covered_once("INSERT INTO t SELECT n FROM generate_series(1, 5000) n; DELETE FROM t").await;
    covered_once("INSERT INTO t SELECT n FROM generate_series(1, 5000) n; DELETE FROM t WHERE k <> 777").await;
}

#[tokio::test]
async fn the_ends_of_the_key_s_type() {
    covered_once(
        "INSERT INTO t SELECT n, 'x' FROM generate_series(-3000, 3000) n; \
         INSERT INTO t VALUES (-9223372036854775808), (-9223372036854775807), (9223372036854775806), (9223372036854775807)",
    )
    .await;
}

#[tokio::test]
async fn a_table_grown_after_it_was_analyzed() {
    let counts = covered_once(
        "INSERT INTO t SELECT n, repeat('x', 40) FROM generate_series(1, 500) n; ANALYZE t; \
         INSERT INTO t SELECT n, repeat('x', 40) FROM generate_series(501, 50000) n",
    )
    .await;
    for parts in [&counts[1], &counts[4]] {
        let (most, mean) = (parts.iter().max().unwrap(), 50_000 / parts.len());
        assert!(parts.len() > 20 && *most < 2 * mean, "{parts:?}");
    }
}

#[tokio::test]
async fn rows_added_after_planning_are_in_the_last_partition() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t (k int8 PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5000)").await;
    let connection = database.connect().await;
    let found = database.table("t").await;
    for (slicing, more) in [(Slicing::Blocks, 20_000), (Slicing::Keys, 40_000)] {
        let partitions = postgres::partitions(&connection, &found, slicing, 30_000).await.unwrap();
        assert!(partitions.len() > 3);
        let fill = format!("INSERT INTO t SELECT generate_series((SELECT max(k) + 1 FROM t), {more})");
        database.execute(&fill).await;
        let mut rows = 0;
        for partition in &partitions {
            let batches = server::read(&connection, &found, partition).await.unwrap();
            rows += batches.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>();
        }
        assert_eq!(rows, more);
    }
}

#[tokio::test]
async fn every_integer_type_is_a_key_and_leaves_are_cut_each() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE TABLE t (k int8 NOT NULL, a int2, b int4) PARTITION BY RANGE (k);
             CREATE TABLE t1 PARTITION OF t (a NOT NULL, UNIQUE (a)) FOR VALUES FROM (0) TO (20000);
             CREATE TABLE t2 PARTITION OF t (b NOT NULL, PRIMARY KEY (b)) FOR VALUES FROM (20000) TO (50000);
             CREATE TABLE t3 PARTITION OF t DEFAULT;
             INSERT INTO t SELECT n, CASE WHEN n < 20000 THEN n - 10000 END, -n FROM generate_series(0, 69999) n",
        )
        .await;
    let connection = database.connect().await;
    let found = database.table("t").await;
    for slicing in [Slicing::Blocks, Slicing::Keys] {
        let partitions = postgres::partitions(&connection, &found, slicing, 100_000).await.unwrap();
        let cut = |batch| partitions.iter().filter(|p| p.batch_index == batch).count();
        assert!(cut(1) > 3 && cut(2) > 3);
        // Without a key, one sequential reader reads the table.
        assert_eq!(cut(3) > 3, slicing == Slicing::Blocks);
        let mut keys = Vec::new();
        for partition in &partitions {
            for batch in server::read(&connection, &found, partition).await.unwrap() {
                keys.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
            }
        }
        keys.sort_unstable();
        assert!(keys.iter().copied().eq(0..70_000));
    }
}

#[tokio::test]
async fn keys_that_are_no_integer_and_no_keys() {
    let database = Database::create().await;
    database
        .execute("CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        .await;
    for key in ["a, b", "u", "s", "a, s", "f", "c, k", "m", "e", "z", ""] {
        let add = if key.is_empty() { String::new() } else { format!("ALTER TABLE t ADD PRIMARY KEY ({key});") };
        database
            .execute(&format!(
                "DROP TABLE IF EXISTS t; CREATE TABLE t (k int8, a int, b int, u uuid, s text, f numeric, c char(4), m timestamptz, e bytea, z text COLLATE any_case);
                 {add}
                 INSERT INTO t SELECT n, n / 100, n % 100, md5(n::text)::uuid, CASE n % 3 WHEN 0 THEN '''' WHEN 1 THEN '\\' ELSE 'Ä' END || n, n / 7.0, n % 900,
                   timestamptz '2000-01-01 BC' + n * interval '1 day 1.000001 s', decode(md5(n::text), 'hex'), 'k' || n FROM generate_series(0, 19999) n;
                 ANALYZE t; DELETE FROM t WHERE k BETWEEN 3000 AND 9000"
            ))
            .await;
        assert!(read_in_partitions(&database, Slicing::Blocks, 64 * 1024).await.len() > 10);
        let parts = read_in_partitions(&database, Slicing::Keys, 64 * 1024).await;
        if key.is_empty() {
            // Without blocks nothing divides the table, so there is one reader.
            assert_eq!(parts, [13_999]);
        } else {
            assert!(parts.len() > 10 && *parts.iter().max().unwrap() < 3 * 13_999 / parts.len(), "{key}: {parts:?}");
        }
    }
}

/// A table of another access method may have no blocks, so a key divides it, if it has one.
#[tokio::test]
async fn a_table_of_another_access_method() {
    let database = Database::create().await;
    database.execute("CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler").await;
    for (key, least) in [("PRIMARY KEY", 10), ("", 1)] {
        database
            .execute(&format!(
                "DROP TABLE IF EXISTS t; CREATE TABLE t (k int8 {key}, s text) USING other;
                 INSERT INTO t SELECT n * n - 1000, repeat('x', 50) FROM generate_series(0, 9999) n"
            ))
            .await;
        assert!(!database.table("t").await.relations[0].ctid);
        let parts = read_in_partitions(&database, Slicing::Blocks, 16 * 1024).await;
        assert!(parts.len() >= least && (parts.len() == 1) == key.is_empty(), "{parts:?}");
    }
}

#[tokio::test]
async fn block_ranges_scan_only_their_blocks_and_large_values_count() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE TABLE t (k int8, s text); ALTER TABLE t ALTER s SET STORAGE EXTERNAL;
             INSERT INTO t SELECT n, repeat('x', 5000) FROM generate_series(1, 1000) n;
             CREATE INDEX ON t (k)",
        )
        .await;
    let connection = database.connect().await;
    let found = database.table("t").await;
    let partitions = postgres::partitions(&connection, &found, Slicing::Blocks, 1_000_000).await.unwrap();
    assert!(partitions.len() > 3, "{partitions:?}");
    assert!(partitions.iter().all(|p| (500_000..=1_100_000).contains(&p.bytes)), "{partitions:?}");
    for partition in &partitions {
        let Range::Blocks { from, to } = partition.range else { panic!("{partition:?}") };
        let upper = to.map(|to| format!(" AND ctid < '({to},0)'::tid")).unwrap_or_default();
        let explain = format!("EXPLAIN SELECT * FROM ONLY t WHERE ctid >= '({from},0)'::tid{upper}");
        let plan: String = database.admin.query(&explain, &[]).await.unwrap()[0].get(0);
        assert!(plan.starts_with("Tid Range Scan"), "{plan}");
    }
}

#[tokio::test]
async fn rows_are_counted_unless_it_takes_too_long() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t AS SELECT n AS k FROM generate_series(1, 500000) n").await;
    let (connection, relation) = (database.connect().await, &database.table("t").await.relations[0].relation);
    assert_eq!(postgres::count(&connection, relation, Some(Duration::from_millis(1))).await.unwrap(), None);
    assert_eq!(postgres::count(&connection, relation, Some(Duration::from_secs(60))).await.unwrap(), Some(500_000));
    assert_eq!(postgres::count(&connection, relation, None).await.unwrap(), Some(500_000));
}

/// Bounds of an array key would be arrays, which no aggregate of older versions returns.
#[tokio::test]
async fn an_array_is_no_key() {
    let database = Database::create().await;
    let fill = "INSERT INTO t SELECT n, array[n, 1], n::text FROM generate_series(1, 5000) n";
    database.execute(&format!("CREATE TABLE t (k int8, a int[] PRIMARY KEY, s text); {fill}")).await;
    assert_eq!(database.table("t").await.relations[0].key, None);
    assert_eq!(read_in_partitions(&database, Slicing::Keys, 64 * 1024).await, [5000]);
    database
        .execute(&format!("DROP TABLE t; CREATE TABLE t (k int8, a int[] PRIMARY KEY, s text UNIQUE NOT NULL); {fill}"))
        .await;
    assert_eq!(database.table("t").await.relations[0].key.as_ref().map(|key| key.column.as_str()), Some("s"));
    assert!(read_in_partitions(&database, Slicing::Keys, 64 * 1024).await.len() > 3);
}

/// Sorting a sample of the keys needs temporary space. Reading the rows does not.
#[tokio::test]
async fn a_table_whose_sample_cannot_be_sorted_is_read_in_one() {
    // PostgreSQL 18 sorts 120,000 texts in the 4 MB that the reader's session has. The sample must
    // have more.
    let database = Database::create().await;
    let name = &database.name;
    database
        .execute(&format!(
            "CREATE TABLE t (k int8, s text PRIMARY KEY);
             INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 250000) n;
             ALTER DATABASE {name} SET temp_file_limit = 0"
        ))
        .await;
    assert_eq!(read_in_partitions(&database, Slicing::Keys, 64 * 1024).await, [250_000]);
    // In a transaction, the statements after the failed sort still work.
    let live = server::pin(&[&database]).await.unwrap();
    let cluster_source::Connection::Postgres(pinned) = live.source().connect(Some(name)).await.unwrap() else {
        panic!()
    };
    let found = database.table("t").await;
    let partitions = postgres::partitions(&pinned, &found, Slicing::Keys, 64 * 1024).await.unwrap();
    assert_eq!(partitions.iter().map(|partition| &partition.range).collect::<Vec<_>>(), [&Range::Unplanned]);
    assert!(!server::read(&pinned, &found, &partitions[0]).await.unwrap().is_empty());
    database.execute(&format!("ALTER DATABASE {name} RESET temp_file_limit")).await;
    assert!(read_in_partitions(&database, Slicing::Keys, 64 * 1024).await.len() > 10);
}

#[test]
fn old_servers_are_cut_by_key() {
    assert_eq!(Slicing::from_server_version(139_999), Slicing::Keys);
    assert_eq!(Slicing::from_server_version(140_000), Slicing::Blocks);
}
