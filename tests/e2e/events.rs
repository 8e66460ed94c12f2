//! The events of a task on the topic and the event bus, and what happens when they cannot be
//! published.

use std::time::Duration;

use export_task::plan::{Plan, PlanSummary, PlannedTable};
use export_task::table::Table;
use serde_json::{Value, json};

use crate::harness::aws::{list, text};
use crate::harness::bench::Bench;
use crate::harness::cluster::{Cluster, run};
use crate::harness::events::{Events, drain};
use crate::harness::overrides::VariableOverride;
use crate::harness::task::Task;
use crate::harness::{Env, faulty, function, shared, wait_for};

/// Creates a queue that receives the events about one cluster from the default event bus. Returns
/// its URL.
fn subscribe_to_bus(env: &Env, cluster: &Cluster) -> String {
    let name = format!("bus-{}", cluster.id);
    let queue = text(&env.aws("sqs", "create_queue", json!({"QueueName": name})), "QueueUrl").to_owned();
    let asked = json!({"QueueUrl": queue, "AttributeNames": ["QueueArn"]});
    let arn = env.aws("sqs", "get_queue_attributes", asked)["Attributes"]["QueueArn"].as_str().unwrap().to_owned();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": arn,
        "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}]});
    env.aws("sqs", "set_queue_attributes", json!({"QueueUrl": queue, "Attributes": {"Policy": policy.to_string()}}));
    let pattern = json!({"source": ["aurora-export"], "resources": [cluster.arn]}).to_string();
    env.aws("events", "put_rule", json!({"Name": name, "EventPattern": pattern}));
    env.aws("events", "put_targets", json!({"Rule": name, "Targets": [{"Id": "queue", "Arn": arn}]}));
    queue
}

#[test]
fn topic_and_bus_receive_the_progress_and_the_end_of_a_task() {
    let env = shared();
    let cluster = Cluster::create(
        env,
        "announced",
        "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g; CREATE UNLOGGED TABLE u (a int)",
    );
    let (events, queue) = (Events::subscribe_to_all(env, "announced"), subscribe_to_bus(env, &cluster));
    let task = Task::start(&cluster, "announced", json!({}));
    let last = task.wait_until_complete().last;
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    let messages = events.messages();
    for (start, count) in [
        ("Export task announced is at CLONING stage.", 1),
        ("Export task announced is at EXTRACTING stage.", 1),
        ("Export task announced: Table extraction failed for table shop.public.u due to UNLOGGED_TABLE: ", 1),
        ("Export task completed.", 1),
    ] {
        assert_eq!(messages.iter().filter(|m| m.starts_with(start)).count(), count, "{start}: {messages:?}");
    }
    assert_eq!(messages.len(), 4, "{messages:?}");

    let received = drain(env, &queue);
    let events_of_type = |kind: &str| received.iter().filter(|event| event["detail-type"] == kind).collect::<Vec<_>>();
    assert!(
        received.iter().all(|event| event["source"] == "aurora-export" && event["resources"] == json!([cluster.arn]))
    );
    let states = events_of_type("Export Task State Change");
    assert_eq!(states.len(), 2, "{received:#?}");
    let state =
        |status: &str| states.iter().find(|event| event["detail"]["Status"] == status).unwrap()["detail"].clone();
    assert_eq!(state("IN_PROGRESS")["ExportTaskIdentifier"], "announced");
    // The event has the members that DescribeExportTasks shows. Times are not compared, because
    // boto3 has parsed them.
    let (complete, described) = (state("COMPLETE"), last.as_object().unwrap());
    assert_eq!(complete.as_object().unwrap().keys().collect::<Vec<_>>(), described.keys().collect::<Vec<_>>());
    for (name, value) in described.iter().filter(|(name, _)| !name.ends_with("Time")) {
        assert_eq!(&complete[name], value, "{name}");
    }
    let rds = events_of_type("RDS DB Cluster Event");
    let mut ids: Vec<&str> = rds.iter().map(|event| text(&event["detail"], "EventID")).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["RDS-EVENT-0236", "RDS-EVENT-0489", "RDS-EVENT-0493", "RDS-EVENT-0493"]);
    for event in rds {
        let failure = event["detail"]["EventID"] == "RDS-EVENT-0489";
        assert_eq!(event["detail"]["EventCategories"], json!([if failure { "failure" } else { "notification" }]));
        assert_eq!(event["detail"]["SourceIdentifier"], "announced");
    }
}

/// RDS limits the copy-on-write clones of a cluster to fifteen. It silently makes the next one a
/// full copy.
#[test]
fn a_sixteenth_clone_is_a_full_copy_and_an_event_announces_the_delay() {
    let env = shared();
    let cluster = Cluster::create(env, "prolific", "CREATE TABLE t AS SELECT 1 AS a");
    let clones: Vec<String> = (0..15).map(|n| format!("prolific-{n}")).collect();
    for clone in &clones {
        let request = json!({"DBClusterIdentifier": clone, "SourceDBClusterIdentifier": "prolific", "RestoreType": "copy-on-write",
            "UseLatestRestorableTime": true});
        env.aws("rds", "restore_db_cluster_to_point_in_time", request);
    }
    let events = Events::subscribe_to_all(env, "prolific");
    let task = Task::start(&cluster, "prolific", json!({}));
    task.wait_until_complete();
    let messages = events.messages();
    let copying = "Export task prolific is at COPYING stage. The DB cluster prolific has reached its limit of clones, so it is copied \
        instead of cloned. Please expect a delay in export completion.";
    assert!(messages.contains(&copying.to_owned()), "{messages:?}");
    assert_eq!(task.compare_with(&cluster, &[["shop", "public", "t"]]), 1);
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    for clone in &clones {
        wait_for("the deletion of a clone", Duration::from_secs(60), || {
            let request = json!({"DBClusterIdentifier": clone, "SkipFinalSnapshot": true});
            match env.try_aws("rds", "delete_db_cluster", request) {
                // RDS may still be creating the clone.
                Err(error) if error.code == "InvalidDBClusterStateFault" => None,
                _ => Some(()),
            }
        });
    }
}

#[test]
fn an_end_that_cannot_be_published_keeps_no_clone_and_is_published_later() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(env, "unpublished", "CREATE TABLE t AS SELECT 1 AS a");
    let events = Events::subscribe_to_end(env, "unpublished");
    let missing_topic = json!({"TOPIC_ARN": format!("{}-that-is-not", env.var("EXPORT_TOPIC_ARN"))});
    let setting = VariableOverride::apply(env, "publish-event", &missing_topic);
    let task = Task::start(&cluster, "unpublished", json!({}));
    task.wait_until_complete();
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    assert!(task.record().unwrap().get("PublishedAt").is_none());

    // The workflow's event fails, and Lambda sends it to the dead-letter queue. The local cloud
    // ignores the queue that the template configures, so the test configures it again.
    let queue = json!({"QueueUrl": env.output("EventDeadLettersUrl"), "AttributeNames": ["QueueArn"]});
    let queue = env.aws("sqs", "get_queue_attributes", queue)["Attributes"]["QueueArn"].clone();
    let dead_letters = json!({"FunctionName": function("publish-event"), "DeadLetterConfig": {"TargetArn": queue}});
    env.aws("lambda", "update_function_configuration", dead_letters);
    let payload = json!({"Task": task_document(&task)}).to_string();
    let request = json!({"FunctionName": function("publish-event"), "InvocationType": "Event", "Payload": payload});
    env.aws("lambda", "invoke", request);
    let dead = drain(env, env.output("EventDeadLettersUrl"));
    assert!(
        dead.iter().any(|event| event.to_string().contains("\"ExportTaskIdentifier\":\"unpublished\"")),
        "{dead:#?}"
    );

    // Once the topic exists again, the janitor publishes the end.
    drop(setting);
    wait_for("the janitor's work", Duration::from_secs(60), || {
        env.aws("lambda", "invoke", json!({"FunctionName": function("janitor"), "Payload": "{}"}));
        task.record().unwrap().get("PublishedAt").map(drop)
    });
    assert_eq!(events.only_event_id(), "RDS-EVENT-0236");
    assert_eq!(open_item(&task), None);
}

/// Returns the task as the states of the workflow pass it on.
fn task_document(task: &Task) -> Value {
    let record = task.record().unwrap();
    let text = |name: &str| record[name]["S"].as_str().unwrap().to_owned();
    json!({"ExportTaskIdentifier": task.id, "SourceArn": task.cluster_arn, "S3Bucket": task.bucket, "S3Prefix": "",
        "IamRoleArn": text("IamRoleArn"), "KmsKeyId": text("KmsKeyArn"), "CloneIdentifier": text("CloneIdentifier")})
}

/// Returns the task's `OPEN` item, which exists until its end is published and its clone is
/// deleted.
fn open_item(task: &Task) -> Option<Value> {
    let key = json!({"Kind": {"S": "OPEN"}, "Id": {"S": task.id}});
    let table = task.env.output("TaskTableName");
    task.env
        .aws("dynamodb", "get_item", json!({"TableName": table, "Key": key, "ConsistentRead": true}))
        .get("Item")
        .cloned()
}

#[test]
fn alarms_watch_the_dead_letter_queues() {
    let env = shared();
    let alarms = env.aws("cloudwatch", "describe_alarms", json!({"AlarmNamePrefix": "aurora-export-"}));
    let mut watched: Vec<&str> =
        list(&alarms, "MetricAlarms").iter().map(|alarm| text(&list(alarm, "Dimensions")[0], "Value")).collect();
    watched.sort_unstable();
    assert_eq!(watched, ["aurora-export-event-dead-letters", "aurora-export-janitor-dead-letters"]);
}

#[test]
fn the_progress_of_long_extractions_is_published() {
    let bench = Bench::new("events-progress");
    run(async {
        let task = bench.admit("progress", "one", "1", 5).await.unwrap();
        let deps = bench.publishing();
        let table = Table {
            id: 0,
            database: "shop".into(),
            schema: "public".into(),
            name: "t".into(),
            directory_suffix: None,
            columns: vec![],
        };
        let summary = PlanSummary {
            tables: vec![PlannedTable { table, batches: vec![(1, 1)], counted: vec![], bytes: 1 }],
            ..PlanSummary::default()
        };
        let work = deps.work_bucket.for_task("progress");
        let plan = |attempt: &str| Plan {
            items_key: work.items_key(attempt),
            results_prefix: work.map_results_prefix(),
            max_concurrency: 1,
            units: 0,
            tables: 1,
            bytes: 1,
        };
        let put = async |attempt| work.put_plan(attempt, plan(attempt), &summary, std::iter::empty()).await.unwrap();
        assert_eq!(put("first").await, plan("first"));
        // The first plan stays, because workers may already use it.
        assert_eq!(put("late").await, plan("first"));
        assert!(publish_event::progress::publish(&deps, 0).await.unwrap().is_empty());
        bench.store.begin_extraction("progress", 1, 0).await.unwrap();
        // The workflow itself announces the start of extraction.
        assert!(publish_event::progress::publish(&deps, 60_000).await.unwrap().is_empty());
        assert_eq!(publish_event::progress::publish(&deps, 900_000).await.unwrap(), ["RDS-EVENT-0493"]);
        bench.fail(&task, "InternalFailure", "{}").await.unwrap();
        assert!(publish_event::progress::publish(&deps, 900_000).await.unwrap().is_empty());
    });
}

#[test]
fn two_concurrent_publishers_publish_once() {
    let bench = Bench::new("events-once");
    let events = Events::subscribe_to_end(bench.env, "once");
    run(async {
        let task = bench.admit("once", "one", "1", 5).await.unwrap();
        bench.fail(&task, "InternalFailure", "{}").await.unwrap();
        let (publisher, record) = (bench.publisher(), bench.store.get("once").await.unwrap());
        let publish = || publisher.publish_end(&bench.store, &record);
        let (one, other) = futures_util::future::join(publish(), publish()).await;
        // One publishes; the other learns that a publisher is already at work.
        assert_ne!(one.unwrap(), other.unwrap());
    });
    assert_eq!(events.only_event_id(), "RDS-EVENT-0234");
}
