//! Exports of Aurora MySQL. The clusters run on MariaDB and on MySQL.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use local_stack::servers::{MARIADB, NEWEST};
use serde_json::json;

use crate::harness::aws::{list, text};
use crate::harness::cluster::Cluster;
use crate::harness::shared;
use crate::harness::task::{Task, reasons, try_compare};
use crate::harness::wire::control;

/// The tables that are exported, as database and name. Most are those of `mysql.sql`.
const TABLES: [[&str; 2]; 27] = [
    ["shop", "numbers"],
    ["shop", "times"],
    ["shop", "calendar"],
    ["shop", "texts"],
    ["shop", "shapes"],
    ["shop", "digits"],
    ["shop", "skewed"],
    ["shop", "large_keys"],
    ["shop", "two_columns"],
    ["shop", "keyed_by_text"],
    ["shop", "keyed_by_bytes"],
    ["shop", "keyless"],
    ["shop", "parted"],
    ["shop", "in_isam"],
    ["shop", "in_csv"],
    ["shop", "in_archive"],
    ["shop", "made"],
    ["shop", "nothing"],
    ["shop", "Mixed Case ñ 表"],
    ["shop", "semi;colon'quote\""],
    ["shop", "dot.ted"],
    ["shop", "back`tick\\%"],
    ["second", "numbers"],
    ["Odd-db ä", "t"],
    ["shop", "own"],
    ["shop", "uneven"],
    ["shop", "floats"],
];

/// The tables that are left out, and the reasons.
const SKIPPED: [(&str, &str); 5] = [
    ("shop.shop.zero_dates", "INVALID_DATETIME"),
    ("shop.shop.in_memory", "MEMORY_TABLE"),
    ("shop.shop.in_nothing", "UNSUPPORTED_ENGINE"),
    ("shop.shop.sla/sh", "UNSUPPORTED_TABLE_NAME"),
    ("shop.shop.spaced", "UNSUPPORTED_COLUMN_NAME"),
];

#[test]
fn every_type_and_table_of_mariadb_is_exported_row_for_row() {
    MARIADB.ensure(&|message| eprintln!("{message}")).unwrap();
    let own = "CREATE TABLE own (id uuid PRIMARY KEY, a inet4, b inet6);
        INSERT INTO own VALUES ('123e4567-e89b-12d3-a456-426655440000', '10.0.0.1', '::1'), (uuid(), NULL, NULL);";
    export_every_type_and_table("mariadb", own);
}

#[test]
fn every_type_and_table_of_mysql_is_exported_row_for_row() {
    NEWEST.ensure(&|message| eprintln!("{message}")).unwrap();
    let own = "CREATE TABLE own (id int PRIMARY KEY, v vector(3)); INSERT INTO own VALUES (1, to_vector('[1, -2.5, 3e30]')), (2, NULL);";
    export_every_type_and_table("mysql", own);
}

fn export_every_type_and_table(server: &str, own: &str) {
    let cluster = Cluster::create_mysql(shared(), server, json!({"EngineVersion": server}));
    cluster.mysql("shop", include_str!("mysql.sql"));
    // The number of rows in one statement varies, because one row is much larger than the others.
    let uneven = "CREATE TABLE uneven (id int PRIMARY KEY, t longtext); INSERT INTO uneven SELECT n, 'x' FROM many;
        UPDATE uneven SET t = repeat('ä', 2000000) WHERE id = 5000;";
    cluster.mysql("shop", &format!("{own}\n{uneven}\n{}", floats_sql()));
    let task = Task::start(&cluster, server, json!({}));
    let watched = task.wait_until_complete();
    assert!(task.compare_with(&cluster, &with_schema(&TABLES)) > 70_000);
    the_comparison_notices_a_difference(&cluster, &task);

    assert_eq!(watched.skipped(), reasons(&SKIPPED));
    let info = task.document(&format!("export_tables_info_{server}_from_1_to_{}.json", TABLES.len() + SKIPPED.len()));
    // A database is also its schema.
    let targets: BTreeSet<&str> = list(&info, "perTableStatus").iter().map(|table| text(table, "target")).collect();
    assert!(targets.contains("second.second.numbers") && targets.contains("shop.shop.dot.ted"), "{targets:#?}");
    let objects = task.objects();
    let files = |table: &str| {
        let parts = objects.iter().filter(|key| key.contains(&format!("/shop.{table}/")) && key.ends_with(".parquet"));
        parts.count()
    };
    // Several workers read a large table.
    for table in ["skewed", "large_keys", "two_columns", "keyed_by_text", "keyed_by_bytes"] {
        assert!(files(table) > 1, "{table}: {objects:#?}");
    }
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    drop(task);
    memory_tables_are_exported_from_the_server_itself(&cluster);

    // A zero date can be exported as text, but not as a native DATE.
    let native = format!("{server}-native");
    let task = Task::execute(&cluster, &native, json!({"Options": {"Types": "native"}}));
    let watched = task.wait_until_complete();
    let dated: Vec<[&str; 2]> = TABLES.into_iter().filter(|table| *table != ["shop", "times"]).collect();
    assert!(task.compare_with(&cluster, &with_schema(&dated)) > 70_000);
    assert_eq!(watched.skipped(), reasons(&[&SKIPPED[..], &[("shop.shop.times", "INVALID_DATETIME")]].concat()));
    drop(task);

    let only = format!("{server}-only");
    let task = Task::start(&cluster, &only, json!({"ExportOnly": ["second", "shop.numbers", "shop.in_csv"]}));
    task.wait_until_complete();
    assert_eq!(
        task.compare_with(&cluster, &with_schema(&[["second", "numbers"], ["shop", "numbers"], ["shop", "in_csv"]])),
        515
    );
    drop(task);
    let wrong = format!("{server}-wrong");
    let refused = Task::start(&cluster, &wrong, json!({"ExportOnly": ["second", "shop.shop.numbers", "third"]}));
    let cause = refused.wait_until_failed();
    assert!(cause.contains("shop.shop.numbers") && cause.contains("third"), "{cause}");
}

/// Adds the schema to each table, which is the database.
fn with_schema<'a>(tables: &[[&'a str; 2]]) -> Vec<[&'a str; 3]> {
    tables.iter().map(|[database, table]| [*database, *database, *table]).collect()
}

/// Returns statements that create a table of numbers of every size and length, so that every
/// notation of the server occurs.
fn floats_sql() -> String {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut rows = vec!["('-0', '-0')".to_owned(), "('5e-324', '1e-45')".to_owned(), "(NULL, NULL)".to_owned()];
    for bound in [1e-150_f64, 1.0, 1e15, 1e16, 1e17, f64::MIN_POSITIVE, f64::MAX, 1_750_961_231_887_471.2] {
        rows.extend(
            [bound.next_down(), bound, -bound.next_up().min(f64::MAX)].map(|n| format!("('{n:e}', '{:e}')", n % 1e30)),
        );
    }
    while rows.len() < 30_000 {
        let (bits, digits) = (next(), next() % 10_000_000_000_000_000_000);
        let any = f64::from_bits(bits);
        // Halves and quarters of large numbers lie exactly between two decimals.
        let near = (digits >> (bits % 20)) as f64 / [1.0, 2.0, 4.0, 8.0, 100.0, 1e9][(bits % 6) as usize];
        let single = f32::from_bits(bits as u32);
        let single = if single.is_finite() { single } else { 0.1 };
        rows.extend([any, near].iter().filter(|n| n.is_finite()).map(|n| format!("('{n:e}', '{single:e}')")));
    }
    let inserts = rows.chunks(1000).map(|rows| format!("INSERT INTO floats VALUES {};", rows.join(",")));
    format!("CREATE TABLE floats (d double, f float); {}", inserts.collect::<String>())
}

/// A change in the database that the comparison with the export must report.
struct Change {
    apply: &'static str,
    undo: &'static str,
    /// A part of the report.
    reported: &'static str,
}

const CHANGES: [Change; 14] = [
    Change {
        apply: "UPDATE texts SET v = NULL WHERE id = 2",
        undo: "UPDATE texts SET v = '' WHERE id = 2",
        reported: "NULLs",
    },
    // In this change and the next, the column's collation treats the two values as equal.
    Change {
        apply: "UPDATE texts SET v = ' ' WHERE id = 2",
        undo: "UPDATE texts SET v = '' WHERE id = 2",
        reported: "minimum",
    },
    Change {
        apply: "UPDATE texts SET tt = 'null' WHERE id = 2",
        undo: "UPDATE texts SET tt = 'NULL' WHERE id = 2",
        reported: "hash",
    },
    Change {
        apply: "UPDATE texts SET tb = 'a\\0' WHERE id = 2",
        undo: "UPDATE texts SET tb = 'a' WHERE id = 2",
        reported: "hash",
    },
    Change {
        apply: "UPDATE numbers SET r = -r WHERE id = 5",
        undo: "UPDATE numbers SET r = -r WHERE id = 5",
        reported: "hash",
    },
    Change {
        apply: "UPDATE numbers SET f = 0.10000001 WHERE id = 3",
        undo: "UPDATE numbers SET f = 0.1 WHERE id = 3",
        reported: "hash",
    },
    Change {
        apply: "UPDATE numbers SET d65 = 1.1 WHERE id = 5",
        undo: "UPDATE numbers SET d65 = 1 WHERE id = 5",
        reported: "hash",
    },
    Change {
        apply: "UPDATE numbers SET d38 = 1.1 WHERE id = 5",
        undo: "UPDATE numbers SET d38 = 1 WHERE id = 5",
        reported: "sum",
    },
    Change {
        apply: "UPDATE numbers SET nine = b'10' WHERE id = 5",
        undo: "UPDATE numbers SET nine = b'1' WHERE id = 5",
        reported: "hash",
    },
    Change {
        apply: "UPDATE calendar SET dt6 = dt6 + INTERVAL 1 MICROSECOND WHERE id = 5",
        undo: "UPDATE calendar SET dt6 = dt6 - INTERVAL 1 MICROSECOND WHERE id = 5",
        reported: "hash",
    },
    Change {
        apply: "UPDATE shapes SET p = ST_GeomFromText('POINT(1 1)') WHERE id = 2",
        undo: "UPDATE shapes SET p = NULL WHERE id = 2",
        reported: "NULLs",
    },
    Change {
        apply: "INSERT INTO digits VALUES (9)",
        undo: "DELETE FROM digits WHERE n = 9; INSERT INTO digits VALUES (9)",
        reported: "rows",
    },
    Change {
        apply: "ALTER TABLE in_isam RENAME COLUMN t TO u",
        undo: "ALTER TABLE in_isam RENAME COLUMN u TO t",
        reported: "no such column",
    },
    Change { apply: "CREATE TABLE late (a int)", undo: "DROP TABLE late", reported: "shop.shop.late" },
];

fn the_comparison_notices_a_difference(cluster: &Cluster, task: &Task) {
    let directory = task.env.scratch(&task.id);
    for Change { apply, undo, reported } in CHANGES {
        cluster.mysql("shop", &format!("SET NAMES utf8mb4; {apply}"));
        let differences = try_compare(cluster, &directory, &with_schema(&TABLES)).expect_err(apply);
        assert!(differences.contains(reported), "{apply}: {differences}");
        cluster.mysql("shop", undo);
    }
    assert_eq!(try_compare(cluster, &directory, &with_schema(&TABLES)).err(), None);
}

/// A clone is a server that has just started, so its MEMORY tables are empty. `aurora-export local`
/// reads the cluster itself.
fn memory_tables_are_exported_from_the_server_itself(cluster: &Cluster) {
    let out = cluster.env.scratch(&format!("{}-memory", cluster.id));
    let mut command = cluster.env.aurora_export();
    command.args(["local", "--source", &cluster.url(), "--only", "shop.in_memory", "--name", "memory", "--out"]);
    let output = command.arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let query = "SELECT list(id ORDER BY id) FROM 'memory/shop/shop.in_memory/*/*.parquet'";
    let found = cluster.env.python("query.py", &[out.to_str().unwrap(), query]).unwrap();
    assert_eq!(found, json!([[[1, 2]]]));
}

#[test]
fn an_export_is_one_point_in_time_while_others_write() {
    MARIADB.ensure(&|message| eprintln!("{message}")).unwrap();
    let cluster = Cluster::create_mysql(shared(), "busy-mysql", json!({"EngineMode": "parallelquery"}));
    cluster.mysql(
        "shop",
        "CREATE TABLE accounts (id int PRIMARY KEY, balance decimal(12, 2) NOT NULL);
         CREATE TABLE transfers (id int AUTO_INCREMENT PRIMARY KEY, payer int, payee int);
         INSERT INTO accounts VALUES (1, 1000), (2, 1000), (3, 1000);",
    );
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let moves = (0..300).map(|n| {
                    let (payer, payee) = (n % 3 + 1, (n + 1) % 3 + 1);
                    format!(
                        "START TRANSACTION; UPDATE accounts SET balance = balance - 1 WHERE id = {payer};
                         UPDATE accounts SET balance = balance + 1 WHERE id = {payee};
                         INSERT INTO transfers (payer, payee) VALUES ({payer}, {payee}); COMMIT;"
                    )
                });
                cluster.mysql("shop", &moves.collect::<String>());
            }
        });
        thread::sleep(Duration::from_millis(500));
        let task = Task::start(&cluster, "busy-mysql", json!({}));
        task.wait_until_complete();
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        let query = "WITH moved AS (SELECT payer AS id, -1 AS n FROM 'shop/shop.transfers/*/*.parquet'
            UNION ALL SELECT payee, 1 FROM 'shop/shop.transfers/*/*.parquet')
            SELECT (SELECT sum(balance)::int FROM 'shop/shop.accounts/*/*.parquet'), (SELECT count(*) FROM moved) > 0,
            (SELECT count(*) FROM 'shop/shop.accounts/*/*.parquet' a WHERE balance <> 1000 + coalesce((SELECT sum(n) FROM moved WHERE moved.id = a.id), 0))";
        let found = task.env.python("query.py", &[task.download().to_str().unwrap(), query]).unwrap();
        assert_eq!(found, json!([[3000, true, 0]]));
        assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    });
}

#[test]
fn lower_case_names_are_exported_as_the_server_stores_them() {
    let env = shared();
    MARIADB.ensure(&|message| eprintln!("{message}")).unwrap();
    let group = json!({"DBClusterParameterGroupName": "folded", "DBParameterGroupFamily": "aurora-mysql8.0", "Description": "x"});
    env.aws("rds", "create_db_cluster_parameter_group", group);
    let folded =
        json!({"ParameterName": "lower_case_table_names", "ParameterValue": "1", "ApplyMethod": "pending-reboot"});
    let change = json!({"DBClusterParameterGroupName": "folded", "Parameters": [folded]});
    env.aws("rds", "modify_db_cluster_parameter_group", change);
    let cluster = Cluster::create_mysql(env, "folded", json!({"DBClusterParameterGroupName": "folded"}));
    cluster.mysql("shop", "CREATE TABLE Orders (ID int PRIMARY KEY); INSERT INTO ORDERS VALUES (1), (2)");
    let task = Task::start(&cluster, "folded", json!({"ExportOnly": ["shop.orders"]}));
    task.wait_until_complete();
    assert_eq!(task.compare_with(&cluster, &[["shop", "shop", "orders"]]), 2);
}

#[test]
fn clusters_of_unsupported_engine_modes_are_refused() {
    let env = shared();
    MARIADB.ensure(&|message| eprintln!("{message}")).unwrap();
    let cluster = Cluster::create_mysql(env, "modes", json!({"EngineMode": "global"}));
    for (mode, words) in [
        ("serverless", "Aurora Serverless v1 DB clusters don't support exports to S3."),
        ("multimaster", "Multimaster DB clusters don't support exports to S3."),
    ] {
        control(env, "clusters/modes", &json!({"EngineMode": mode}));
        let task = Task::start(&cluster, &format!("mode-{mode}"), json!({}));
        let cause = task.wait_until_failed();
        assert!(cause.contains(words), "{cause}");
    }
    control(env, "clusters/modes", &json!({"EngineMode": "global"}));
    Task::start(&cluster, "mode-global", json!({})).wait_until_complete();
}
