//! Extraction that takes far longer than the timeout of one invocation.

use serde_json::{Value, json};

use crate::harness::aws::{list, text};
use crate::harness::cluster::Cluster;
use crate::harness::faulty;
use crate::harness::overrides::TimeoutOverride;
use crate::harness::task::Task;

/// The timeout of an invocation in seconds. It is no longer than the time a worker reserves before
/// its deadline, so each invocation reads one partition and returns a cursor.
const TIMEOUT: u64 = 20;

/// A table of 100 small relations, so that a work unit has dozens of partitions.
const LONG: &str = "CREATE TABLE long (id int, part int, payload text) PARTITION BY LIST (part);
    DO $$ BEGIN FOR p IN 1..100 LOOP EXECUTE format('CREATE TABLE long_%s PARTITION OF long FOR VALUES IN (%s)', p, p); END LOOP; END $$;
    INSERT INTO long SELECT g, 1 + g % 100, md5(g::text) FROM generate_series(1, 120000) g";

#[test]
fn a_table_that_takes_longer_than_an_invocation_is_exported_by_many() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(env, "continued", LONG);
    let _short = TimeoutOverride::apply(env, "extract-tables", TIMEOUT);
    let task = Task::start(&cluster, "continued", json!({}));
    task.wait_until_complete();
    assert_eq!(task.compare_with(&cluster, &[["shop", "public", "long"]]), 120_000);
    assert_eq!(task.objects().iter().filter(|object| object.ends_with(".parquet")).count(), 100);

    // Each invocation writes one result object. Its name has the work unit and the cursor where the
    // invocation began.
    let results = json!({"Bucket": env.output("WorkBucketName"), "Prefix": "continued/results/"});
    let results = env.aws("s3", "list_objects_v2", results);
    let results = list(&results, "Contents");
    let units = results.iter().filter(|object| object["Key"].as_str().unwrap().ends_with("-00000000.json")).count();
    assert!(units > 0 && units <= 4, "{units} units");
    assert_eq!(results.len(), 100);
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");

    // The clone is a db.r6g.large with two vCPUs. Two workers run for each vCPU.
    let execution = task.record().unwrap()["ExecutionArn"]["S"].clone();
    let history = env.aws("stepfunctions", "get_execution_history", json!({"executionArn": execution}));
    let planned = list(&history, "events").iter().map(|event| &event["stateExitedEventDetails"]);
    let planned = planned.filter(|state| state["name"] == "PlanExport").map(|state| text(state, "output")).next();
    let state: Value = serde_json::from_str(planned.unwrap()).unwrap();
    assert_eq!(
        (&state["plan"]["MaxConcurrency"], &state["clone"]["Result"]["InstanceClass"]),
        (&json!(4), &json!("db.r6g.large"))
    );
}
