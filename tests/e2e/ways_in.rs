//! The examples in `infra/events`. Only the names in them are replaced.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::aws::text;
use crate::harness::cluster::Cluster;
use crate::harness::task::Task;
use crate::harness::{Env, function, shared, wait_for};

const TABLE: &str = "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 10) g";
const T: [&str; 3] = ["shop", "public", "t"];

/// Reads a file of `infra/events`.
fn example(name: &str) -> String {
    std::fs::read_to_string(local_stack::Layout::here().checkout.join("infra/events").join(name)).unwrap()
}

/// Returns the document of `start-export-task.json` for a cluster.
fn start_document(cluster: &Cluster, id: &str) -> Value {
    let mut document: Value = serde_json::from_str(&example("start-export-task.json")).unwrap();
    // The names belong to somebody's account. The members must be those of a request.
    for (name, value) in cluster.request(id).as_object().unwrap() {
        assert!(document.get(name).is_some(), "{name}");
        document[name] = value.clone();
    }
    document["ExportOnly"] = json!(["shop.public.t"]);
    document
}

/// Waits for a free slot for a task that a template is about to start.
fn reserve_task(cluster: &Cluster, prefix: &str) -> Task {
    let mut request = cluster.request("any");
    request["S3Prefix"] = json!(prefix);
    Task::from_request(cluster.env, &request)
}

/// Waits until the task whose identifier begins with `prefix` is complete, and checks its export.
fn wait_until_complete(cluster: &Cluster, mut task: Task, prefix: &str) {
    let request = json!({"SourceArn": cluster.arn});
    let id = wait_for("a task", Duration::from_secs(60), || {
        let tasks = cluster.env.aws("rds", "describe_export_tasks", request.clone());
        let found = tasks["ExportTasks"].as_array().unwrap().iter().map(|t| text(t, "ExportTaskIdentifier").to_owned());
        found.into_iter().find(|id| id.starts_with(prefix))
    });
    task.path = task.path.replace("any/", &format!("{id}/"));
    task.id = id;
    task.wait_until_complete();
    assert_eq!(task.compare_with(cluster, &[T]), 10);
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

/// Deploys a template of `infra/events`.
fn deploy(cluster: &Cluster, name: &str, template: &str, more: &[(&str, &str)]) {
    let env: &Env = cluster.env;
    let request = cluster.request("any");
    let mut parameters =
        vec![json!({"ParameterKey": "StateMachineArn", "ParameterValue": env.var("STATE_MACHINE_ARN")})];
    for name in ["SourceArn", "S3BucketName", "IamRoleArn", "KmsKeyId"] {
        parameters.push(json!({"ParameterKey": name, "ParameterValue": request[name]}));
    }
    parameters.extend(more.iter().map(|(name, value)| json!({"ParameterKey": name, "ParameterValue": value})));
    let stack = json!({"StackName": name, "TemplateBody": template, "Parameters": parameters, "Capabilities": ["CAPABILITY_IAM"]});
    env.aws("cloudformation", "create_stack", stack);
    wait_for("the stack", Duration::from_secs(30), || {
        let stacks = env.aws("cloudformation", "describe_stacks", json!({"StackName": name}));
        let status = text(&stacks["Stacks"][0], "StackStatus").to_owned();
        assert!(!status.contains("FAILED") && !status.contains("ROLLBACK"), "{stacks}");
        (status == "CREATE_COMPLETE").then_some(())
    });
}

#[test]
fn a_schedule_starts_an_export() {
    let cluster = Cluster::create(shared(), "scheduled", TABLE);
    let template = example("schedule.yaml");
    assert!(template.contains("nightly-<aws.scheduler.execution-id>"));
    // The local cloud does not replace this placeholder, so the test does.
    let template = template.replace("<aws.scheduler.execution-id>", "d32c5kddcf5bb8c3");
    let task = reserve_task(&cluster, "nightly");
    deploy(&cluster, "nightly-export", &template, &[("Schedule", "at(2026-01-01T00:00:00)")]);
    wait_until_complete(&cluster, task, "nightly-d32c5kddcf5bb8c3");
}

#[test]
fn a_rule_starts_an_export() {
    let env = shared();
    let cluster = Cluster::create(env, "ruled", TABLE);
    deploy(&cluster, "export-when-loaded", &example("rule.yaml"), &[]);
    let task = reserve_task(&cluster, "loads");
    let event = json!({"Source": "com.example.warehouse", "DetailType": "Load Finished", "Detail": "{}"});
    env.aws("events", "put_events", json!({"Entries": [event]}));
    wait_until_complete(&cluster, task, "load-");
}

#[test]
fn invocations_and_executions_accept_the_api_documents_and_return_its_error_codes() {
    let env = shared();
    let cluster = Cluster::create(env, "invoked", TABLE);
    let invoke = |payload: &Value| {
        let request = json!({"FunctionName": function("export-api"), "Payload": payload.to_string()});
        let answer = env.aws("lambda", "invoke", request);
        let payload: Value = serde_json::from_str(text(&answer, "Payload")).unwrap();
        (answer.get("FunctionError").is_some(), payload)
    };
    let request = start_document(&cluster, "invoked");
    let task = Task::from_request(env, &request);
    let (failed, started) = invoke(&request);
    assert!(!failed, "{started}");
    assert_eq!(text(&started, "Status"), "STARTING");
    let describe = serde_json::from_str(&example("describe-export-tasks.json")).unwrap();
    let (failed, page) = invoke(&describe);
    assert!(!failed && page["ExportTasks"].to_string().contains("\"invoked\""), "{page}");
    task.wait_until_complete();
    let mut cancel: Value = serde_json::from_str(&example("cancel-export-task.json")).unwrap();
    cancel["ExportTaskIdentifier"] = json!("invoked");
    for (payload, code) in [
        (cancel, "InvalidExportTaskStateFault"),
        (request.clone(), "ExportTaskAlreadyExists"),
        (json!({"ExportTaskIdentifier": "x"}), "MissingParameter"),
        (json!({"ExportTaskIdentifer": "x"}), "InvalidParameterValue"),
        (json!({"Action": "DeleteDBCluster"}), "InvalidAction"),
    ] {
        let (failed, error) = invoke(&payload);
        assert!(failed, "{error}");
        assert_eq!(text(&error, "errorType"), code, "{error}");
    }
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    drop(task);

    // An execution with an invalid or repeated request fails with the API's error code.
    let machine = env.var("STATE_MACHINE_ARN");
    for (input, code) in [
        (request.clone(), "ExportTaskAlreadyExists"),
        (json!({"ExportTaskIdentifier": "of-nothing"}), "MissingParameter"),
        (json!({"ExportTaskIdentifier": "of--nothing"}), "MissingParameter"),
        (json!({"Unknown": 1}), "InvalidParameterValue"),
    ] {
        let start = json!({"stateMachineArn": machine, "input": input.to_string()});
        let started = env.aws("stepfunctions", "start_execution", start);
        let ended = wait_for("the refusal", Duration::from_secs(60), || {
            let now = env.aws("stepfunctions", "describe_execution", json!({"executionArn": started["executionArn"]}));
            (text(&now, "status") != "RUNNING").then_some(now)
        });
        assert_eq!((text(&ended, "status"), text(&ended, "error")), ("FAILED", code), "{ended}");
    }

    // Another workflow waits for the export. If the export fails, the local cloud passes on its
    // error and cause. AWS passes on the whole execution.
    let example = example("nested-workflow.asl.json");
    let name = "arn:aws:states:us-east-1:111122223333:stateMachine:aurora-export";
    let definition = example.replace(name, env.var("STATE_MACHINE_ARN"));
    assert_ne!(definition, example);
    let role = env.role("nested", &["states:*", "events:*"]);
    let machine = env.aws(
        "stepfunctions",
        "create_state_machine",
        json!({"name": "nested", "definition": definition, "roleArn": role}),
    );
    let nest = |input: &Value| {
        let request = json!({"stateMachineArn": machine["stateMachineArn"], "input": input.to_string()});
        let started = env.aws("stepfunctions", "start_execution", request);
        wait_for("the workflow", Duration::from_secs(90), || {
            let now = env.aws("stepfunctions", "describe_execution", json!({"executionArn": started["executionArn"]}));
            (text(&now, "status") != "RUNNING").then_some(now)
        })
    };
    let refused = nest(&request);
    assert_eq!((text(&refused, "status"), text(&refused, "error")), ("FAILED", "ExportTaskAlreadyExists"), "{refused}");
    let nested = start_document(&cluster, "nested");
    let task = Task::from_request(env, &nested);
    let done = nest(&nested);
    assert_eq!(text(&done, "status"), "SUCCEEDED", "{done}");
    assert_eq!(text(&task.describe(), "Status"), "COMPLETE");
    drop(task);
    let mut wrong = start_document(&cluster, "nested-wrong");
    wrong["ExportOnly"] = json!(["shop.public.nothing"]);
    let task = Task::from_request(env, &wrong);
    let failed = nest(&wrong);
    assert_eq!((text(&failed, "status"), text(&failed, "error")), ("FAILED", "InvalidExportOnly"), "{failed}");
    assert_eq!(text(&failed, "cause"), task.wait_until_failed());
}
