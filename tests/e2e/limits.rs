//! Values and rows that exceed limits, which are lower here than on AWS, and exports of parts of a
//! cluster.

use serde_json::{Value, json};

use crate::harness::aws::{list, text};
use crate::harness::cluster::Cluster;
use crate::harness::events::Events;
use crate::harness::overrides::VariableOverride;
use crate::harness::task::Task;
use crate::harness::{faulty, shared};

#[test]
fn a_value_that_is_too_large_fails_the_export_and_names_its_column() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(
        env,
        "large-value",
        "CREATE TABLE fine AS SELECT repeat('x', 1999) AS a;
         CREATE TABLE wide AS SELECT g AS id, repeat('x', CASE g WHEN 700 THEN 2000 ELSE 5 END) AS the_large_one FROM generate_series(1, 1000) g",
    );
    let _lowered = VariableOverride::apply(env, "extract-tables", &json!({"MAX_VALUE_BYTES": "2000"}));
    let events = Events::subscribe_to_end(env, "large-value");
    let task = Task::start(&cluster, "large-value", json!({}));
    let cause = task.wait_until_failed();
    assert!(cause.contains("shop.public.wide") && cause.contains("the_large_one"), "{cause}");
    assert_eq!(events.only_event_id(), "RDS-EVENT-0234");
    assert_eq!(task.leaves_nothing(), "FAILED");
    drop(task);

    let task = Task::start(&cluster, "no-large-value", json!({"ExportOnly": ["shop.public.fine"]}));
    task.wait_until_complete();
    assert_eq!(task.compare_with(&cluster, &[["shop", "public", "fine"]]), 1);
}

#[test]
fn a_row_that_is_too_large_leaves_out_its_table_and_removes_its_files() {
    let (env, _exclusive) = faulty();
    // The worker writes other partitions, and other rows of the same partition, before it reaches
    // the row.
    let cluster = Cluster::create(
        env,
        "large-row",
        "CREATE TABLE fine AS SELECT g AS id, repeat('x', 900) AS a, repeat('y', 900) AS b FROM generate_series(1, 50) g;
         CREATE TABLE parted (id int, a text, b text) PARTITION BY RANGE (id);
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);
         CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (1000) TO (50000);
         CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM (50000) TO (60000);
         INSERT INTO parted SELECT g, 'a', 'b' FROM generate_series(1, 59999) g;
         UPDATE parted SET a = repeat('a', 1100), b = repeat('b', 1100) WHERE id = 49999",
    );
    let _lowered = VariableOverride::apply(env, "extract-tables", &json!({"MAX_ROW_BYTES": "2000"}));
    let events = Events::subscribe_to_end(env, "large-row");
    let task = Task::start(&cluster, "large-row", json!({}));
    let last = task.wait_until_complete().last;
    let warning: Value = serde_json::from_str(text(&last, "WarningMessage")).unwrap();
    let [skipped] = list(&warning, "skippedTables") else { panic!("{warning}") };
    assert_eq!((text(skipped, "target"), text(skipped, "reason")), ("shop.public.parted", "ROW_TOO_LARGE"));
    let info = task.document("export_tables_info_large-row_from_1_to_2.json");
    let status = list(&info, "perTableStatus").iter().find(|status| status["target"] == "shop.public.parted").unwrap();
    assert!(text(status, "warningMessage").contains("ROW_TOO_LARGE"), "{status}");
    assert!(status.get("tableStatistics").is_none(), "{status}");
    let left: Vec<String> = task.objects().into_iter().filter(|key| key.contains("parted")).collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(task.compare_with(&cluster, &[["shop", "public", "fine"]]), 50);
    assert_eq!(events.only_event_id(), "RDS-EVENT-0236");
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

#[test]
fn a_partial_export_is_the_union_of_what_it_names() {
    let env = shared();
    let cluster = Cluster::create(
        env,
        "parts",
        "CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE \"T\" AS SELECT 2 AS a; CREATE TABLE tt AS SELECT 3 AS a;
         CREATE TABLE \"t$_1\" AS SELECT 4 AS a; CREATE UNLOGGED TABLE unlogged (a int); CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 5 AS a;
         CREATE TABLE s.u AS SELECT 6 AS a; CREATE SCHEMA \"S\"; CREATE TABLE \"S\".t AS SELECT 7 AS a; CREATE SCHEMA empty",
    );
    cluster.sql("shop", "CREATE DATABASE other");
    cluster.sql("other", "CREATE TABLE t AS SELECT 8 AS a; CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 9 AS a");
    cluster.sql("shop", "CREATE DATABASE \"Shop\"");
    cluster.sql("Shop", "CREATE TABLE t AS SELECT 10 AS a");
    for (id, only, tables) in [
        (
            "mixed",
            json!(["shop.public.t", "shop.s", "other"]),
            vec!["shop.public.t", "shop.s.t", "shop.s.u", "other.public.t", "other.s.t"],
        ),
        (
            "overlapping",
            json!(["shop.s", "shop.s.t", "shop.s", "other.s.t", "other"]),
            vec!["shop.s.t", "shop.s.u", "other.public.t", "other.s.t"],
        ),
        ("cases", json!(["shop.public.T", "shop.S", "Shop"]), vec!["shop.public.T", "shop.S.t", "Shop.public.t"]),
        ("characters", json!(["shop.public.t$_1"]), vec!["shop.public.t$_1"]),
    ] {
        let task = Task::start(&cluster, id, json!({"ExportOnly": only}));
        let last = task.wait_until_complete().last;
        assert!(last.get("WarningMessage").is_none(), "{last}");
        let tables: Vec<[&str; 3]> =
            tables.iter().map(|name| name.split('.').collect::<Vec<_>>().try_into().unwrap()).collect();
        assert_eq!(task.compare_with(&cluster, &tables), tables.len() as u64, "{id}");
    }
    // ExportOnly may name a table that is skipped, because the table exists.
    let task = Task::start(&cluster, "skipped", json!({"ExportOnly": ["shop.public.unlogged", "shop.public.tt"]}));
    assert!(text(&task.wait_until_complete().last, "WarningMessage").contains("UNLOGGED_TABLE"));
    drop(task);

    let wrong = ["shop.public.nothing", "Other", "shop.Public", "shop.empty", "shop.t"];
    let only = [&wrong[..], &["shop.public.t"]].concat();
    let task = Task::start(&cluster, "names-nothing-here", json!({"ExportOnly": only}));
    let cause = task.wait_until_failed();
    assert!(cause.contains(&wrong.join(", ")), "{cause}");
    assert_eq!(task.leaves_nothing(), "FAILED");
    drop(task);

    let mut long: Vec<String> = (0..3939).map(|n| format!("shop.public.{}{n:04}", "x".repeat(35))).collect();
    for entries in [
        json!(["shop.public.a.b"]),
        json!(["shop.public.a b"]),
        json!(["shop..t"]),
        json!([""]),
        json!(["shop.*"]),
        json!(["shöp"]),
        json!(long),
    ] {
        let refused = Task::try_start(&cluster, "refused", json!({"ExportOnly": entries}));
        let error = refused.err().unwrap();
        assert_eq!(error.code, "InvalidExportOnly", "{error}");
    }
    // This is the largest list that is allowed.
    long.truncate(3938);
    let task = Task::start(&cluster, "long", json!({"ExportOnly": long}));
    let cause = task.wait_until_failed();
    assert!(cause.contains("x0000, ") && cause.ends_with(" and 3918 more."), "{cause}");
}
