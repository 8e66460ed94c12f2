//! The functions' handlers, called in this process: with repeated calls, for canceled tasks, and
//! for missing resources. Each test has its own task table, so no limit or lock affects another
//! test.

use std::time::{Duration, SystemTime};

use export_aws::ErrorKind;
use export_aws::function::Function;
use export_aws::task_store::Ending;
use export_task::filter::Describe;
use export_task::request::StartExportTask;
use export_task::task::{CloneEndpoint, ExportTask, Status};
use export_task::warning::Warnings;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::bench::{Bench, code};
use crate::harness::cluster::{Cluster, run};

#[test]
fn validate_request_admits_once_and_only_what_the_limits_allow() {
    let bench = Bench::new("handlers-validate");
    run(async {
        let first = bench.admit("a", "one", "1", 5).await.unwrap();
        assert_eq!(bench.admit("a", "one", "1", 5).await.unwrap(), first);
        assert_eq!(code(bench.admit("a", "two", "2", 5).await), "ExportTaskAlreadyExists");
        assert_eq!(code(bench.admit("b", "one", "3", 5).await), "InvalidExportSourceState");
        assert_eq!(code(bench.admit("b-", "two", "4", 5).await), "InvalidParameterValue");

        // One of four slots is taken. Exactly three more tasks are admitted, and no task twice.
        let names: Vec<String> = (0..20).map(|n| format!("race-{n}")).collect();
        let raced = join_all(names.iter().map(|name| bench.admit(name, name, name, 4))).await;
        assert_eq!(raced.iter().filter(|r| r.is_ok()).count(), 3, "{raced:?}");
        let refused = raced.into_iter().filter_map(Result::err).map(|e| e.kind.name());
        assert!(refused.into_iter().all(|name| name == "ExportTaskLimitReachedFault"));

        let same = join_all((0..20).map(|n| bench.admit("same", "three", if n % 2 == 0 { "x" } else { "y" }, 9))).await;
        assert_eq!(same.iter().filter(|r| r.is_ok()).count(), 10, "{same:?}");
    });
}

#[test]
fn a_task_that_ends_frees_its_cluster_and_its_slot() {
    let bench = Bench::new("handlers-end");
    run(async {
        let task = bench.admit("ends", "one", "1", 1).await.unwrap();
        assert_eq!(code(bench.admit("next", "two", "2", 1).await), "ExportTaskLimitReachedFault");
        let cause = json!({"errorType": "PreconditionFailed", "errorMessage": "KMS key check failed."}).to_string();
        let ended = bench.fail(&task, "PreconditionFailed", &cause).await.unwrap();
        assert_eq!(
            (ended.status, ended.error.as_str(), ended.cause.as_str()),
            ("FAILED", "PreconditionFailed", "KMS key check failed.")
        );
        assert_eq!(bench.fail(&task, "Other", "{}").await.unwrap(), ended);
        assert_eq!(bench.store.get("ends").await.unwrap().failure_cause.as_deref(), Some("KMS key check failed."));
        let next = bench.admit("next", "one", "2", 1).await.unwrap();

        // Users see the message of the user guide instead of an internal message.
        let unknown = bench.fail(&next, "Runtime.ExitError", "{\"errorMessage\": \"secret\"}").await.unwrap();
        assert_eq!(
            (unknown.error.as_str(), unknown.cause.as_str()),
            ("InternalFailure", "An unknown internal error occurred.")
        );
    });
}

#[test]
fn a_failure_noted_by_a_worker_explains_only_failures_of_workers() {
    let bench = Bench::new("handlers-noted");
    run(async {
        let first = bench.admit("first", "one", "1", 5).await.unwrap();
        let second = bench.admit("second", "two", "2", 5).await.unwrap();
        for id in ["first", "second"] {
            bench.store.note_failure(id, "SourceThrottled", "The database is busy.").await.unwrap();
        }
        let failed = bench.fail(&first, "States.ExceedToleratedFailureThreshold", "{}").await.unwrap();
        assert_eq!((failed.error.as_str(), failed.cause.as_str()), ("SourceThrottled", "The database is busy."));
        let denied = json!({"errorType": "DestinationDenied", "errorMessage": "The role is gone."}).to_string();
        let failed = bench.fail(&second, "DestinationDenied", &denied).await.unwrap();
        assert_eq!((failed.error.as_str(), failed.cause.as_str()), ("DestinationDenied", "The role is gone."));
        // A worker that still runs after the end of its task no longer changes the cause.
        bench.store.note_failure("second", "SourceUnavailable", "The clone is gone.").await.unwrap();
        assert_eq!(bench.store.get("second").await.unwrap().failure_cause.as_deref(), Some("The role is gone."));
    });
}

#[test]
fn a_page_of_tasks_fits_into_the_response_of_a_function() {
    let bench = Bench::new("handlers-long");
    run(async {
        let tables: Vec<String> = (0..6_000).map(|n| format!("database.schema.table_{n:05}")).collect();
        for n in 0..12 {
            let mut request = bench.request(&format!("long-{n:02}"), &format!("cluster-{n:02}"));
            request["ExportOnly"] = json!(tables);
            let request = StartExportTask::from_json(request).unwrap().validate().unwrap();
            bench.store.admit(&ExportTask::new(request, format!("arn:execution:{n}"), 0), 40).await.unwrap();
        }
        let mut query = Describe { max_records: 100, ..Describe::default() };
        let mut pages = Vec::new();
        loop {
            let (tasks, marker) = bench.store.describe(&query).await.unwrap();
            assert!(tasks.iter().map(ExportTask::text_bytes).sum::<usize>() < 3_000_000);
            pages.push(tasks.len());
            query.after = marker;
            if query.after.is_none() {
                break;
            }
        }
        assert!(pages.len() > 1 && pages.iter().sum::<usize>() == 12, "{pages:?}");
    });
}

#[test]
fn every_handler_returns_export_canceled_for_a_canceled_task() {
    let bench = Bench::new("handlers-cancel");
    run(async {
        let task = bench.admit("canceled", "one", "1", 5).await.unwrap();
        assert_eq!(bench.store.cancel("canceled").await.unwrap().status, Status::Canceling);
        assert_eq!(code(bench.store.cancel("canceled").await), "InvalidExportTaskStateFault");
        assert_eq!(code(bench.store.cancel("nobody").await), "ExportTaskNotFound");

        let (store, aws) = (bench.store.clone(), bench.aws.clone());
        let secrets = aws_sdk_secretsmanager::Client::new(&aws);
        let work_bucket = bench.work_bucket();
        let clone = CloneEndpoint {
            status: "available".into(),
            host: None,
            database: None,
            port: None,
            engine: String::new(),
            instance_class: None,
            secret_arn: None,
        };

        let deps = bench.preconditions();
        let checked =
            check_preconditions::handle(&deps, check_preconditions::Input { task: task.clone(), probe: false }).await;
        assert_eq!(code(checked), "ExportCanceled");

        let deps = bench.cloning(Duration::from_secs(60));
        let cloned = clone_cluster::handle(&deps, clone_cluster::Input { task: task.clone() }).await;
        assert_eq!(code(cloned), "ExportCanceled");

        let deps = plan_export::Deps {
            store: store.clone(),
            secrets: secrets.clone(),
            work_bucket: work_bucket.clone(),
            target_bytes: 1 << 20,
            max_workers: 4,
        };
        let planned = plan_export::handle(&deps, plan_export::Input { task: task.clone(), clone: clone.clone() }).await;
        assert_eq!(code(planned), "ExportCanceled");

        let options = cluster_source::BatchOptions::default();
        let deps = extract_tables::Deps { store: store.clone(), secrets, work_bucket, aws, options, threads: 2 };
        let unit =
            json!({"Task": task, "Clone": clone, "Unit": {"Attempt": "first", "Unit": 0, "Offset": 0, "Length": 1}});
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let extracted = extract_tables::handle(&deps, serde_json::from_value(unit).unwrap(), deadline).await;
        assert_eq!(code(extracted), "ExportCanceled");
        assert_eq!(store.get("canceled").await.unwrap().failure_code, None);

        let ended = bench.fail(&task, "ExportCanceled", "{}").await.unwrap();
        assert_eq!((ended.status, ended.error.as_str()), ("CANCELED", ""));
    });
}

#[test]
fn a_missing_cluster_is_reported_with_the_message_of_the_user_guide() {
    let bench = Bench::new("handlers-missing");
    run(async {
        let task = bench.admit("missing", "no-such-cluster", "1", 5).await.unwrap();
        let message = "Failed to find or access the source DB cluster: no-such-cluster";
        let deps = bench.preconditions();
        let error = check_preconditions::handle(&deps, check_preconditions::Input { task: task.clone(), probe: false })
            .await
            .unwrap_err();
        assert_eq!((error.kind, error.to_string().as_str()), (ErrorKind::PreconditionFailed, message));

        let deps = bench.cloning(Duration::ZERO);
        let error = clone_cluster::handle(&deps, clone_cluster::Input { task }).await.unwrap_err();
        assert_eq!((error.kind, error.to_string().as_str()), (ErrorKind::CloneFailed, message));
    });
}

#[test]
fn the_end_is_published_once_and_a_clone_that_was_never_created_counts_as_deleted() {
    let bench = Bench::new("handlers-publish");
    run(async {
        let task = bench.admit("published", "one", "1", 5).await.unwrap();
        let deps = bench.publishing();
        let publish = || {
            publish_event::handle(
                &deps,
                publish_event::Input { task: Some(task.clone()), milestone: publish_event::Milestone::End },
            )
        };
        assert_eq!(code(publish().await), "InternalFailure");
        bench.fail(&task, "InternalFailure", "{}").await.unwrap();
        assert_eq!(publish().await.unwrap().event_ids, ["RDS-EVENT-0234"]);
        let at = bench.store.get("published").await.unwrap().published_at;
        assert_eq!(publish().await.unwrap().event_ids, ["RDS-EVENT-0234"]);
        assert_eq!(bench.store.get("published").await.unwrap().published_at, at);

        bench.delete_clone(&task).await;
        assert!(bench.store.get("published").await.unwrap().cleaned_up_at.is_some());
    });
}

#[test]
fn a_clone_may_have_the_serverless_instance_class() {
    let bench = Bench::new("handlers-scaling");
    let _cluster = Cluster::create(bench.env, "scaling", "CREATE TABLE t AS SELECT 1 AS a");
    run(async {
        let task = bench.admit("scaling", "scaling", "1", 5).await.unwrap();
        let hold = Duration::from_secs(60);
        let deps = clone_cluster::Deps { instance_class: "db.serverless".into(), ..bench.cloning(hold) };
        let clone = clone_cluster::handle(&deps, clone_cluster::Input { task: task.clone() }).await.unwrap();
        assert_eq!((clone.status.as_str(), clone.instance_class.as_deref()), ("available", Some("db.serverless")));
        // The export connects to the cluster's own database first, because not every server has one
        // called postgres.
        assert_eq!(clone.database.as_deref(), Some("shop"));
        bench.fail(&task, "States.Aborted", "{}").await.unwrap();
        bench.delete_clone(&task).await;
    });
}

#[test]
fn export_api_answers_http_with_documents_and_invocations_with_errors() {
    let bench = Bench::new("handlers-api");
    let deps = export_api::Deps {
        store: bench.store.clone(),
        step_functions: aws_sdk_sfn::Client::new(&bench.aws),
        // This state machine does not exist, so an admission must be withdrawn.
        state_machine_arn: format!("arn:aws:states:{}:111122223333:stateMachine:none", bench.env.var("AWS_REGION")),
        limit: 5,
        rds: bench.rds(),
        check_preconditions: Function::new(&bench.aws, crate::harness::function("check-preconditions")),
    };
    run(async {
        let body = "Action=DescribeExportTasks&ExportTaskIdentifier=nobody";
        let event = json!({"version": "2.0", "requestContext": {}, "body": body, "isBase64Encoded": false});
        let answer = export_api::handle(&deps, event).await.unwrap();
        assert_eq!(answer["statusCode"], 404);
        assert!(answer["body"].as_str().unwrap().contains("<Code>ExportTaskNotFound</Code>"), "{answer}");

        let cancel = json!({"Action": "CancelExportTask", "ExportTaskIdentifier": "nobody"});
        assert_eq!(code(export_api::handle(&deps, cancel).await), "ExportTaskNotFound");
        let start = bench.request("t", "no-such-cluster");
        assert_eq!(code(export_api::handle(&deps, start).await), "DBClusterNotFoundFault");

        let page = export_api::handle(&deps, json!({"Action": "DescribeExportTasks"})).await.unwrap();
        assert_eq!(page, json!({"ExportTasks": []}));
    });
}

#[test]
fn pages_are_stable_and_an_admission_can_be_withdrawn() {
    let bench = Bench::new("handlers-pages");
    run(async {
        for n in 0..45 {
            let request = bench.request(&format!("task-{n:02}"), &format!("cluster-{n}"));
            let request = StartExportTask::from_json(request).unwrap().validate().unwrap();
            let task = ExportTask::new(request, format!("arn:execution:{n}"), 0);
            bench.store.admit(&task, 100).await.unwrap();
            if n % 5 == 0 {
                let ending = Ending {
                    status: Status::Failed,
                    at: 1,
                    extracted_bytes: None,
                    failure: None,
                    warnings: Warnings::default(),
                };
                bench.store.end(&task, &ending).await.unwrap();
            }
            if n == 44 {
                bench.store.withdraw(&task).await.unwrap();
                bench.store.admit(&task, 100).await.unwrap();
            }
        }
        let mut query = export_task::filter::Describe { max_records: 20, ..Default::default() };
        let mut seen = Vec::new();
        loop {
            let (tasks, last) = bench.store.describe(&query).await.unwrap();
            seen.extend(tasks.into_iter().map(|t| t.request.export_task_identifier));
            if last.is_none() {
                break;
            }
            query.after = last;
        }
        assert_eq!(seen, (0..45).map(|n| format!("task-{n:02}")).collect::<Vec<_>>());

        use export_task::filter::{Describe, FilterName};
        let failed = Describe {
            filters: vec![(FilterName::Status, vec!["failed".into()])],
            max_records: 20,
            ..Default::default()
        };
        assert_eq!(bench.store.describe(&failed).await.unwrap().0.len(), 9);
    });
}

#[test]
fn a_grant_created_after_a_stop_is_found_and_revoked() {
    let bench = Bench::new("handlers-grants");
    let region = bench.env.var("AWS_REGION");
    let created = bench.env.aws("kms", "create_key", json!({"Description": "grants"}));
    let key = created["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let grants = || {
        let answer = bench.env.aws("kms", "list_grants", json!({"KeyId": key}));
        answer["Grants"].as_array().unwrap().len()
    };
    run(async {
        let request = StartExportTask::from_json(bench.request("granted", "one")).unwrap().validate().unwrap();
        // Neither this execution nor its state machine exists any more.
        let execution = format!("arn:aws:states:{region}:111122223333:execution:none:granted");
        let task = bench.store.admit(&ExportTask::new(request, execution, 0), 5).await.unwrap();
        let reference = export_task::task::TaskRef::from(&task);
        let kms = aws_sdk_kms::Client::new(&bench.aws);
        bench.fail(&reference, "States.Aborted", "{}").await.unwrap();
        let record = bench.store.get("granted").await.unwrap();
        assert!(bench.publisher().publish_end(&bench.store, &record).await.unwrap());
        // The janitor calls delete-clone for the tasks that are unfinished.
        assert_eq!(bench.store.unfinished().await.unwrap().len(), 1);
        bench.delete_clone(&reference).await;
        assert!(bench.store.unfinished().await.unwrap().is_empty());

        // The function that was running creates a grant. It is killed before or just after it notes
        // the grant.
        for noted in [false, true] {
            bench.store.set_key("granted", &key, None).await.unwrap();
            let grant = check_preconditions::key::grant(&kms, &key, &reference).await.unwrap();
            if noted {
                bench.store.set_key("granted", &key, Some(&grant)).await.unwrap();
            }
            assert_eq!((grants(), bench.store.unfinished().await.unwrap().len()), (1, 1));
            bench.delete_clone(&reference).await;
            assert_eq!(grants(), 0);
            assert!(bench.store.unfinished().await.unwrap().is_empty());
        }
    });
}
