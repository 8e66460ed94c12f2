//! The tables that the catalog finds, and those that it skips with the reason.

use std::collections::HashMap;

use cluster_source::Endpoint;
use cluster_source::postgres::{self, Source};
use export_task::options::Types;
use export_task::warning::SkipReason;

use crate::server::{Database, endpoint};

#[tokio::test]
async fn ordinary_and_partitioned_tables_and_nothing_else() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE SCHEMA s; CREATE TABLE s.b (n int); CREATE TABLE \"A\" (n int); CREATE TABLE s.\"odd.\"\"name\" (n int);
             CREATE VIEW v AS SELECT 1 n; CREATE MATERIALIZED VIEW m AS SELECT 1 n; CREATE SEQUENCE q;
             CREATE FOREIGN DATA WRAPPER w; CREATE SERVER w FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE f (n int) SERVER w;
             CREATE TABLE child (extra text) INHERITS (\"A\");
             CREATE TABLE p (k int, t text) PARTITION BY RANGE (k);
             CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
             CREATE TABLE p1 (t text, gone int, k int); ALTER TABLE p1 DROP gone;
             ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10);
             CREATE TABLE p3 PARTITION OF p DEFAULT PARTITION BY LIST (k);
             CREATE TABLE s.p0 PARTITION OF p3 DEFAULT;
             CREATE TABLE empty_root (k int) PARTITION BY HASH (k);
             INSERT INTO \"A\" VALUES (1); INSERT INTO child VALUES (2, 'x');
             INSERT INTO p SELECT n, 'v' || n FROM generate_series(0, 29) n;",
        )
        .await;
    let catalog = database.catalog().await;
    assert!(catalog.skipped.is_empty(), "{:?}", catalog.skipped);
    let names: Vec<_> = catalog.tables.iter().map(|t| format!("{}.{}", t.table.schema, t.table.name)).collect();
    assert_eq!(names, ["public.A", "public.child", "public.empty_root", "public.p", "s.b", "s.odd.\"name"]);

    let p = database.table("p").await;
    let leaves: Vec<_> = p.relations.iter().map(|r| (r.relation.name.as_str(), r.batch_index)).collect();
    assert_eq!(leaves, [("p0", 1), ("p1", 2), ("p2", 3)]);
    let mut rows = Vec::new();
    for batch in database.read("p").await.unwrap() {
        let keys = arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Int32Type>(batch.column(0));
        let texts = arrow_array::cast::AsArray::as_string::<i32>(batch.column(1));
        rows.extend(keys.values().iter().copied().zip(texts.iter().map(|t| t.unwrap().to_owned())));
    }
    rows.sort();
    assert_eq!(rows, (0..30).map(|n| (n, format!("v{n}"))).collect::<Vec<_>>());

    for (name, expected) in [("A", 1), ("child", 1), ("empty_root", 0), ("b", 0), ("odd.\"name", 0)] {
        let rows: usize = database.read(name).await.unwrap().iter().map(arrow_array::RecordBatch::num_rows).sum();
        assert_eq!(rows, expected, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_exported_is_skipped_with_a_reason() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE UNLOGGED TABLE unlogged (n int); CREATE TEMPORARY TABLE temporary (n int);
             CREATE TABLE \"a/b\" (n int); CREATE SCHEMA \"x/y\"; CREATE TABLE \"x/y\".t (n int);
             CREATE TABLE nothing (); CREATE TABLE dropped (n int); ALTER TABLE dropped DROP n;
             CREATE TABLE space (\"a b\" int); CREATE TABLE tab (ok int, E\"a\\tb\" int);
             CREATE TABLE fine (\"ä-b.c/d\" int, dropped int); ALTER TABLE fine DROP dropped;
             CREATE FOREIGN DATA WRAPPER w; CREATE SERVER w FOREIGN DATA WRAPPER w;
             CREATE TABLE p (n int) PARTITION BY RANGE (n);
             CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);
             CREATE FOREIGN TABLE p2 PARTITION OF p FOR VALUES FROM (9) TO (10) SERVER w;
             CREATE TABLE u (n int) PARTITION BY RANGE (n);
             CREATE UNLOGGED TABLE u1 PARTITION OF u DEFAULT;"
                .replace("E\"a\\tb\"", "\"a\tb\"")
                .as_str(),
        )
        .await;
    let catalog = database.catalog().await;
    let names: Vec<_> = catalog.tables.iter().map(|found| found.table.name.as_str()).collect();
    assert_eq!(names, ["fine"]);
    assert_eq!(catalog.tables[0].table.columns.len(), 1);
    let name = &database.name;
    let mut skipped: Vec<(String, SkipReason)> = catalog
        .skipped
        .iter()
        .map(|s| (s.table.to_string().strip_prefix(&format!("{name}.")).unwrap().to_owned(), s.reason))
        .map(|(target, reason)| (if target.starts_with("pg_temp_") { "pg_temp".to_owned() } else { target }, reason))
        .collect();
    skipped.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("pg_temp", SkipReason::TemporaryTable),
        ("public.a/b", SkipReason::UnsupportedTableName),
        ("public.dropped", SkipReason::NoColumns),
        ("public.nothing", SkipReason::NoColumns),
        ("public.p", SkipReason::ForeignPartition),
        ("public.space", SkipReason::UnsupportedColumnName),
        ("public.tab", SkipReason::UnsupportedColumnName),
        ("public.u", SkipReason::UnloggedTable),
        ("public.unlogged", SkipReason::UnloggedTable),
        ("x/y.t", SkipReason::UnsupportedTableName),
    ];
    assert_eq!(skipped, expected.map(|(target, reason)| (target.to_owned(), reason)));
    assert!(catalog.skipped.iter().all(|s| s.message.ends_with('.') && s.message.len() > 20));
}

#[tokio::test]
async fn tables_the_user_cannot_read_in_full_are_skipped() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE ROLE reader LOGIN PASSWORD 'x'; CREATE SCHEMA hidden;
             CREATE TABLE granted (n int); CREATE TABLE refused (n int); CREATE TABLE partly (a int, b int);
             CREATE TABLE by_column (a int, b int); CREATE TABLE hidden.t (n int); CREATE TABLE policy (n int);
             CREATE TABLE p (n int) PARTITION BY RANGE (n); CREATE TABLE p1 PARTITION OF p DEFAULT;
             GRANT SELECT ON granted, hidden.t, policy, p TO reader;
             GRANT SELECT (a) ON partly TO reader; GRANT SELECT (a, b) ON by_column TO reader;
             ALTER TABLE policy ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON policy USING (true);
             INSERT INTO by_column SELECT n, n FROM generate_series(1, 50000) n",
        )
        .await;
    let reader = Endpoint { user: "reader".to_owned(), password: "x".to_owned(), ..endpoint() };
    let connection = Source::new(reader, None).connect(&database.name).await.unwrap();
    let catalog = postgres::catalog(&connection, &database.name, Types::Aurora, |_, _| true).await.unwrap();
    let names: Vec<_> = catalog.tables.iter().map(|found| found.table.name.as_str()).collect();
    assert_eq!(names, ["by_column", "granted"]);
    let skipped: HashMap<_, _> = catalog.skipped.iter().map(|s| (s.table.to_string(), s)).collect();
    assert_eq!(skipped.len(), 5, "{skipped:?}");
    for name in ["public.refused", "public.partly", "hidden.t", "public.policy", "public.p"] {
        let skip = skipped[format!("{}.{name}", database.name).as_str()];
        assert_eq!(skip.reason, SkipReason::PermissionsDoNotExist);
        assert_eq!(skip.message.contains("Row-level"), name == "public.policy");
    }
    // Privileges on columns do not include ctid, so such a table is read as one partition.
    let by_column = &catalog.tables[0];
    let partitions = postgres::partitions(&connection, by_column, postgres::Slicing::Blocks, 8192).await.unwrap();
    let [partition] = &partitions[..] else { panic!("{partitions:?}") };
    let batches = crate::server::read(&connection, by_column, partition).await.unwrap();
    assert_eq!(batches.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>(), 50_000);
    drop(connection);
    database.execute("DROP OWNED BY reader; DROP ROLE reader").await;
}

#[tokio::test]
async fn columns_are_described_as_the_information_schema_does() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE DOMAIN d AS varchar(7); CREATE DOMAIN dd AS d; CREATE DOMAIN da AS int[]; CREATE TYPE e AS ENUM ('x');
             CREATE DOMAIN de AS e; CREATE DOMAIN dn AS numeric(9,3); CREATE TYPE c AS (a int);
             CREATE TABLE t (a1 int2, a2 int4, a3 int8 GENERATED ALWAYS AS IDENTITY, a4 float4, a5 float8, a6 numeric, a7 numeric(12,2), a8 numeric(5,-3),
               b1 text, b2 varchar, b3 varchar(20), b4 char, b5 char(9), b6 name, b7 \"char\", b8 bpchar,
               c1 date, c2 time, c3 time(2), c4 timetz(0), c5 timestamp, c6 timestamp(3), c7 timestamptz, c8 timestamptz(0),
               c9 interval, c10 interval(3), c11 interval day to second(2), c12 interval year to month, c13 interval second,
               d1 bool, d2 bytea, d3 uuid, d4 json, d5 jsonb, d6 xml, d7 bit, d8 bit(5), d9 varbit, d10 varbit(6), d11 money, d12 oid, d13 oidvector, d14 int2vector,
               e1 int[], e2 varchar(5)[], e3 e, e4 e[], e5 d, e6 dd, e7 da, e8 de, e9 dn, e10 c, e11 int4range, e12 numeric(4,2)[], e13 point,
               g int GENERATED ALWAYS AS (a2 * 2) STORED)",
        )
        .await;
    let rows = database
        .admin
        .query(
            "SELECT column_name::text, data_type::text, coalesce(character_maximum_length, 0)::int4,
               coalesce(numeric_precision, 0)::int4, coalesce(datetime_precision, 0)::int4
             FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position",
            &[],
        )
        .await
        .unwrap();
    let expected: Vec<(String, String, i32, i32, i32)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4))).collect();
    let found = database.table("t").await;
    let actual: Vec<_> = found
        .table
        .columns
        .into_iter()
        .map(|c| (c.name, c.original_type, c.char_max_length, c.num_precision, c.datetime_precision))
        .collect();
    assert_eq!(actual, expected);
}

#[tokio::test]
async fn only_what_is_selected_is_found_or_reported() {
    let database = Database::create().await;
    database.execute("CREATE TABLE a (n int); CREATE TABLE b (n int); CREATE UNLOGGED TABLE c (n int)").await;
    let connection = database.connect().await;
    let selects = |schema: &str, table: &str| schema == "public" && table == "b";
    let catalog = postgres::catalog(&connection, &database.name, Types::Aurora, selects).await.unwrap();
    assert_eq!((catalog.tables.len(), catalog.skipped.len()), (1, 0));
}

#[tokio::test]
async fn sizes_and_keys_are_those_of_now() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE TABLE t (u int2 UNIQUE NOT NULL, k int8 PRIMARY KEY, big text);
             ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
             CREATE TABLE text_key (a int UNIQUE, b varchar(9) PRIMARY KEY, c int NOT NULL, d int NOT NULL, UNIQUE (c, d));
             CREATE TABLE no_key (a int UNIQUE, b text NOT NULL, c int NOT NULL, d tid NOT NULL, e text COLLATE \"C\" NOT NULL);
             CREATE INDEX ON no_key (b text_pattern_ops); CREATE INDEX ON no_key USING hash (c); CREATE INDEX ON no_key (e COLLATE \"POSIX\");
             CREATE UNIQUE INDEX ON no_key (c) WHERE c > 0; CREATE UNIQUE INDEX ON no_key ((c + 1));
             ANALYZE t; INSERT INTO t SELECT n, n, repeat('x', 10000) FROM generate_series(1, 100) n",
        )
        .await;
    let found = database.table("t").await;
    let relation = &found.relations[0];
    assert_eq!(relation.key.as_ref().map(|key| (key.column.as_str(), key.type_name.as_str())), Some(("k", "int8")));
    assert_eq!((relation.blocks, relation.ctid), (1, true));
    assert!((1_000_000..2_000_000).contains(&relation.bytes), "{}", relation.bytes);
    let text = database.table("text_key").await.relations[0].key.clone();
    assert_eq!(text.map(|key| (key.column, key.type_name)), Some(("b".to_owned(), "varchar".to_owned())));
    assert_eq!(database.table("no_key").await.relations[0].key, None);
}
