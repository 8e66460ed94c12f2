//! Every row of Aurora PostgreSQL is exported, with every type, in every kind of table, as of one
//! point in time.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use local_stack::servers::NEWEST;
use serde_json::{Value, json};

use crate::harness::aws::{list, text};
use crate::harness::cluster::{Cluster, connect, run};
use crate::harness::shared;
use crate::harness::task::{Task, reasons, try_compare};
use crate::harness::wait_for;

/// A table name with special characters.
const ODD: &str = "semi;colon'quote\"";

#[test]
fn a_cluster_without_tables_is_a_complete_export() {
    let cluster = Cluster::create(shared(), "void", "SELECT 1");
    let task = Task::start(&cluster, "void", json!({}));
    task.wait_until_complete();
    assert_eq!(task.objects(), ["void/export_info_void.json"]);
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

#[test]
fn every_type_and_every_kind_of_table_is_exported_row_for_row() {
    export_every_type_and_every_kind_of_table("types", json!({}));
}

#[test]
fn every_type_and_every_kind_of_table_of_the_newest_postgresql_is_exported_row_for_row() {
    NEWEST.ensure(&|message| eprintln!("{message}")).unwrap();
    export_every_type_and_every_kind_of_table("newest-types", json!({"EngineVersion": "18"}));
}

fn export_every_type_and_every_kind_of_table(id: &str, version: Value) {
    let env = shared();
    let cluster = Cluster::create_with(env, id, version, include_str!("rows.sql"));
    cluster.sql("shop", "CREATE DATABASE \"Second Shop\"");
    cluster
        .sql("Second Shop", "CREATE TABLE numbers AS SELECT g AS id, 'second' AS what FROM generate_series(1, 10) g");
    let task = Task::start(&cluster, id, json!({}));
    let watched = task.wait_until_complete();

    let mut tables: Vec<[&str; 3]> = [
        "numbers",
        "texts",
        "times",
        "made",
        "others",
        ODD,
        "parted",
        "parent",
        "child",
        "nothing",
        "altered",
        "sparse",
        "keyless",
        "keyed_by_text",
        "cast_uncallable",
        "cast_failing",
    ]
    .map(|name| ["shop", "public", name])
    .into();
    tables.extend([
        ["shop", "Schéma", "Mixed Case ñ 表"],
        ["shop", "twin", "numbers"],
        ["Second Shop", "public", "numbers"],
    ]);
    assert!(task.compare_with(&cluster, &tables) > 100_000);
    let looked_up = env.python("lookup.py", &[env.scratch(id).to_str().unwrap()]).unwrap();
    assert!(looked_up["lookedUp"].as_u64().unwrap() >= 10, "{looked_up}");

    // The partitions of a partitioned table are batches in the directory of that table.
    let objects = task.objects();
    let batches = objects.iter().filter(|key| key.contains("/public.parted/") && key.ends_with("/_SUCCESS")).count();
    assert_eq!(batches, 4, "{objects:#?}");
    // A table without rows has one file, which has the schema.
    let empty = objects.iter().filter(|key| key.contains("/public.nothing/") && key.ends_with(".parquet")).count();
    assert_eq!(empty, 1);

    let skipped = [
        ("shop.public.unlogged", "UNLOGGED_TABLE"),
        ("shop.public.spaced", "UNSUPPORTED_COLUMN_NAME"),
        ("shop.public.sla/sh", "UNSUPPORTED_TABLE_NAME"),
        ("shop.public.columnless", "NO_COLUMNS"),
        ("shop.public.hidden", "PERMISSIONS_DO_NOT_EXIST"),
        ("shop.public.uncallable", "PERMISSIONS_DO_NOT_EXIST"),
        ("shop.public.failing", "UNREADABLE_VALUE"),
    ];
    assert_eq!(watched.skipped(), reasons(&skipped));
    let document = format!("export_tables_info_{id}_from_1_to_{}.json", tables.len() + skipped.len());
    let info = task.document(&document);
    let statuses = list(&info, "perTableStatus");
    for (target, reason) in skipped {
        let status = statuses.iter().find(|status| status["target"] == target).unwrap();
        assert!(text(status, "warningMessage").contains(reason), "{status}");
        assert!(status.get("tableStatistics").is_none(), "{status}");
    }
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

#[test]
fn every_table_name_and_shape_is_exported_to_its_own_directory() {
    let env = shared();
    let cluster = Cluster::create(env, "names", include_str!("names.sql"));
    let task = Task::start(&cluster, "names", json!({"S3Prefix": "odd names/100%"}));
    let last = task.wait_until_complete().last;
    assert!(last.get("WarningMessage").is_none(), "{last}");
    let names = run(async {
        let client = connect(cluster.port, "shop").await;
        let tables =
            "SELECT schemaname::text, tablename::text FROM pg_tables WHERE schemaname IN ('public', 'a', 'a.b')";
        client
            .query(tables, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| [row.get(0), row.get(1)])
            .collect::<Vec<[String; 2]>>()
    });
    assert_eq!(names.len(), 27);
    let tables: Vec<[&str; 3]> = names.iter().map(|[schema, name]| ["shop", schema, name]).collect();
    assert_eq!(task.compare_with(&cluster, &tables), 197);
    assert!(task.objects().iter().all(|key| key.starts_with("odd_names/100%/names/")));
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

#[test]
fn the_comparison_notices_the_smallest_difference() {
    let env = shared();
    let cluster = Cluster::create(
        env,
        "differences",
        "CREATE TABLE t (id int PRIMARY KEY, a double precision, b real, c text, d bytea, e boolean, f timestamptz);
         INSERT INTO t SELECT g, 0, 0.1, '', '', true, '2026-01-01 00:00:00.000001+00' FROM generate_series(1, 1000) g;
         CREATE TABLE twice AS SELECT 1 AS a FROM generate_series(1, 2)",
    );
    let task = Task::start(&cluster, "differences", json!({}));
    task.wait_until_complete();
    let tables = [["shop", "public", "t"], ["shop", "public", "twice"]];
    assert_eq!(task.compare_with(&cluster, &tables), 1002);
    let directory = env.scratch("differences");
    for (change, back) in [
        ("UPDATE t SET a = '-0' WHERE id = 7", "UPDATE t SET a = 0 WHERE id = 7"),
        ("UPDATE t SET b = 0.10000001 WHERE id = 7", "UPDATE t SET b = 0.1 WHERE id = 7"),
        ("UPDATE t SET c = NULL WHERE id = 7", "UPDATE t SET c = '' WHERE id = 7"),
        ("UPDATE t SET d = '\\x00' WHERE id = 7", "UPDATE t SET d = '' WHERE id = 7"),
        ("UPDATE t SET e = false WHERE id = 7", "UPDATE t SET e = true WHERE id = 7"),
        ("UPDATE t SET f = f + interval '1 us' WHERE id = 7", "UPDATE t SET f = f - interval '1 us' WHERE id = 7"),
        ("INSERT INTO twice VALUES (1)", "DELETE FROM twice; INSERT INTO twice VALUES (1), (1)"),
        ("DELETE FROM twice; INSERT INTO twice VALUES (1)", "INSERT INTO twice VALUES (1)"),
        ("ALTER TABLE t RENAME c TO g", "ALTER TABLE t RENAME g TO c"),
        ("ALTER TABLE twice ALTER a TYPE bigint", "ALTER TABLE twice ALTER a TYPE int"),
    ] {
        cluster.sql("shop", change);
        assert!(try_compare(&cluster, &directory, &tables).is_err(), "{change}");
        cluster.sql("shop", back);
    }
    assert!(try_compare(&cluster, &directory, &tables[..1]).is_err());
    assert_eq!(try_compare(&cluster, &directory, &tables).unwrap(), 1002);
}

const ACCOUNTS: i64 = 2000;
const BALANCE: i64 = 1000;

#[test]
fn an_export_is_one_point_in_time_of_a_busy_cluster() {
    let env = shared();
    let cluster = Cluster::create(
        env,
        "bank",
        &format!(
            "CREATE TABLE accounts AS SELECT g::int AS id, {BALANCE}::bigint AS balance, repeat(md5(g::text), 20) AS filler
               FROM generate_series(1, {ACCOUNTS}) g;
             ALTER TABLE accounts ADD PRIMARY KEY (id);
             CREATE TABLE transfers (id bigserial PRIMARY KEY, payer int NOT NULL, payee int NOT NULL, amount bigint NOT NULL, filler text);
             CREATE TABLE weight AS SELECT g AS id, repeat(md5(g::text), 8) AS filler FROM generate_series(1, 100000) g"
        ),
    );
    let (stop, committed, port) = (AtomicBool::new(false), AtomicI64::new(0), cluster.port);
    let (before, after, task) = thread::scope(|scope| {
        let busy = || {
            run(async {
                let client = connect(port, "shop").await;
                // One transaction changes two rows of one table and adds a row to another.
                let transfer = "DO $$ DECLARE a int := 1 + floor(random() * 2000); b int := 1 + a % 2000; n bigint := ceil(random() * 100); BEGIN
                    UPDATE accounts SET balance = balance - n WHERE id = a;
                    INSERT INTO transfers (payer, payee, amount, filler) VALUES (a, b, n, repeat('f', 200));
                    UPDATE accounts SET balance = balance + n WHERE id = b; END $$";
                while !stop.load(Ordering::Relaxed) {
                    match client.batch_execute(transfer).await {
                        Ok(()) => committed.fetch_add(1, Ordering::Relaxed),
                        // The two writers may deadlock.
                        Err(error) => panic_unless_deadlock(&error),
                    };
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        };
        scope.spawn(busy);
        scope.spawn(busy);
        // The writers must end even if an assertion below fails. Otherwise the scope would wait for
        // ever.
        let _end = SetOnDrop(&stop);
        wait_for("transfers", Duration::from_secs(20), || (committed.load(Ordering::Relaxed) > 100).then_some(()));
        let before = committed.load(Ordering::Relaxed);
        let task = Task::start(&cluster, "bank", json!({}));
        task.wait_until_complete();
        (before, committed.load(Ordering::Relaxed), task)
    });
    assert!(after - before >= 200, "only {} transfers during the export", after - before);

    let directory = task.download();
    let query = format!(
        "WITH accounts AS (FROM 'shop/public.accounts/*/*.parquet'), transfers AS (FROM 'shop/public.transfers/*/*.parquet')
         SELECT (SELECT count(*) FROM accounts)::int, (SELECT sum(balance) FROM accounts)::int, (SELECT count(*) FROM transfers)::int,
           (SELECT count(*) FROM accounts a WHERE balance <> {BALANCE}
              - (SELECT coalesce(sum(amount), 0) FROM transfers WHERE payer = a.id)
              + (SELECT coalesce(sum(amount), 0) FROM transfers WHERE payee = a.id))::int"
    );
    let answer = env.python("query.py", &[directory.to_str().unwrap(), &query]).unwrap();
    let [accounts, sum, transfers, wrong] = [0, 1, 2, 3].map(|i| answer[0][i].as_i64().unwrap());
    assert_eq!((accounts, sum, wrong), (ACCOUNTS, ACCOUNTS * BALANCE, 0));
    assert!((before..after).contains(&transfers), "{before} <= {transfers} < {after}");
}

fn panic_unless_deadlock(error: &tokio_postgres::Error) -> i64 {
    assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::T_R_DEADLOCK_DETECTED), "{error}");
    0
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
