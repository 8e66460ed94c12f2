//! Exports of Aurora PostgreSQL with Parquet's native types. `mysql` tests those of Aurora MySQL.

use std::path::Path;

use serde_json::json;

use crate::harness::cluster::Cluster;
use crate::harness::shared;
use crate::harness::task::{Task, compare, reasons};

const TABLES: [&str; 4] = ["scalars", "lists", "long_lists", "vectors"];

#[test]
fn every_value_of_postgresql_is_exported_in_a_native_type() {
    let cluster = Cluster::create(shared(), "native", include_str!("native.sql"));
    let task = Task::execute(&cluster, "native", json!({"Options": {"Types": "native"}}));
    let watched = task.wait_until_complete();
    // The first comparison reads the export from S3, the second a local copy.
    let export = format!("s3://{}/{}", task.bucket, task.path);
    let tables = TABLES.map(|name| ["shop", "public", name]);
    assert!(compare(&cluster, Path::new(&export), &tables) > 50_000);
    assert!(task.compare_with(&cluster, &tables) > 50_000);
    let unrepresentable = ["matrix", "shifted", "endless", "midnight", "nan"].map(|name| format!("shop.public.{name}"));
    let skipped = unrepresentable.each_ref().map(|target| (target.as_str(), "UNREPRESENTABLE_VALUE"));
    assert_eq!(watched.skipped(), reasons(&skipped));

    let info = task.document("export_tables_info_native_from_1_to_9.json").to_string();
    for name in ["list<int32 (DATE)>", "list<binary (JSON)>", "list<int32 (DECIMAL(7,2))>", "list<binary (UTF8)>"] {
        assert!(info.contains(&format!(r#""expectedExportedType":"{name}""#)), "{info}");
    }
}
