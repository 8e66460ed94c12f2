//! A directory in a bucket belongs to one export, which changes only its own files there.

use export_aws::ErrorKind;
use export_aws::export_role;
use export_aws::work_bucket::WorkBucket;
use export_task::task::TaskRef;
use serde_json::{Value, json};

use crate::harness::aws::{list, text};
use crate::harness::bench::Bench;
use crate::harness::cluster::{Cluster, run};
use crate::harness::shared;
use crate::harness::task::Task;

/// Three work units, so that the table is read in parts and counted.
const TABLE: &str =
    "CREATE TABLE t AS SELECT g AS id, repeat(md5(g::text), 8) AS filler FROM generate_series(1, 80000) g";

#[test]
fn one_of_two_stacks_owns_a_shared_directory_and_the_other_names_the_owner() {
    // Each stack has its own task store, so both admit the task.
    let stacks = [Bench::new("ownership-1"), Bench::new("ownership-2")];
    run(async {
        let admitted = [
            stacks[0].admit("owned", "owners", "of-stack-1", 5).await.unwrap(),
            stacks[1].admit("owned", "owners", "of-stack-2", 5).await.unwrap(),
        ];
        let check = async |nth: usize| {
            let (stack, task) = (&stacks[nth], &admitted[nth]);
            let record = stack.store.get("owned").await.unwrap();
            check_preconditions::destination::check(&stack.store, stack.s3_client(), task, &record).await
        };
        let (first, second) = tokio::join!(check(0), check(1));
        let (winner, loser, error) = match (first, second) {
            (Ok(_), Err(error)) => (0, 1, error),
            (Err(error), Ok(_)) => (1, 0, error),
            both => panic!("{both:?}"),
        };
        assert_eq!(error.kind, ErrorKind::PreconditionFailed);
        let owner = format!("the export of arn:execution:of-stack-{} below owned/", winner + 1);
        assert!(error.to_string().contains(&owner), "{error}");

        // The end of the loser does not change the directory, and the winner may try again.
        let cause = json!({"errorType": error.kind.name(), "errorMessage": error.to_string()}).to_string();
        let ended = stacks[loser].fail(&admitted[loser], error.kind.name(), &cause).await.unwrap();
        assert_eq!((ended.status, ended.cause), ("FAILED", error.to_string()));
        check(winner).await.unwrap();
        let key = json!({"Bucket": stacks[0].env.var("EXPORT_BUCKET"), "Key": "owned/export_info_owned.json"});
        let info: Value = serde_json::from_str(text(&stacks[0].env.aws("s3", "get_object", key), "Body")).unwrap();
        assert_eq!(info["status"], "STARTING");

        for (bench, task) in stacks.iter().zip(&admitted) {
            bench.fail(task, "States.Aborted", "{}").await.unwrap();
            bench.delete_clone(task).await;
        }
    });
}

#[test]
fn an_export_below_another_is_left_alone() {
    let env = shared();
    let cluster = Cluster::create(env, "nested", TABLE);
    let outer = Task::start(&cluster, "outer", json!({}));
    outer.wait_until_complete();
    let inner = Task::start(&cluster, "inner", json!({"S3Prefix": "outer"}));
    inner.wait_until_complete();
    let inner_objects = inner.objects();

    // The outer export is finished a second time. It now has a file and an upload that a killed
    // worker could have left.
    let bench = Bench::new("ownership-nested");
    let reference = task_ref(&outer);
    let objects = outer.objects();
    let own = objects.iter().find(|key| key.ends_with(".parquet") && !key.contains("/inner/")).unwrap();
    let stale = own.replace("part-0000", "part-0009");
    let stranger = "outer/shop/public.t/1/part-00099-somebody-c000.gz.parquet";
    for key in [&stale, stranger] {
        env.aws("s3", "put_object", json!({"Bucket": outer.bucket, "Key": key, "Body": "x"}));
    }
    let upload = |key: &str| env.aws("s3", "create_multipart_upload", json!({"Bucket": outer.bucket, "Key": key}));
    upload(&stale);
    let inner_part = inner_objects.iter().find(|key| key.ends_with(".parquet")).unwrap();
    upload(inner_part);
    run(async {
        let work = WorkBucket::new(bench.s3_client(), env.output("WorkBucketName").to_owned(), &outer.id);
        finish_export::complete::close(&work, &export_role::destination(bench.s3_client(), &reference), &reference)
            .await
            .unwrap();
    });
    let left = outer.objects();
    assert!(!left.contains(&stale), "{left:?}");
    assert!(left.contains(&stranger.to_owned()) && inner_objects.iter().all(|key| left.contains(key)), "{left:?}");
    let uploads = env.aws("s3", "list_multipart_uploads", json!({"Bucket": outer.bucket, "Prefix": "outer/"}));
    let uploads = list(&uploads, "Uploads");
    let keys: Vec<&str> = uploads.iter().map(|upload| text(upload, "Key")).collect();
    assert_eq!(keys, [inner_part]);
    for upload in uploads {
        let request = json!({"Bucket": outer.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]});
        env.aws("s3", "abort_multipart_upload", request);
    }
    env.aws("s3", "delete_object", json!({"Bucket": outer.bucket, "Key": stranger}));
    assert_eq!(outer.leaves_nothing(), "SUCCEEDED");
    assert_eq!(inner.leaves_nothing(), "SUCCEEDED");
}

#[test]
fn a_table_is_left_out_if_its_row_count_differs_from_the_database() {
    let env = shared();
    let cluster = Cluster::create(env, "counted", TABLE);
    let task = Task::start(&cluster, "counted", json!({}));
    task.wait_until_complete();
    let work_bucket = env.output("WorkBucketName");
    let results = |task: &str| {
        let request = json!({"Bucket": work_bucket, "Prefix": format!("{task}/results/")});
        let listed = env.aws("s3", "list_objects_v2", request);
        let keys = list(&listed, "Contents").iter().map(|object| text(object, "Key").to_owned());
        let read = |key: String| {
            let object = env.aws("s3", "get_object", json!({"Bucket": work_bucket, "Key": key}));
            (key, serde_json::from_str::<Value>(text(&object, "Body")).unwrap())
        };
        keys.map(read).collect::<Vec<_>>()
    };
    let counts = |(_, result): &(String, Value)| result.get("Counts").cloned();
    let counted: Vec<Value> = results("counted").iter().filter_map(counts).collect();
    assert_eq!(counted, [json!([{"Table": 0, "BatchIndex": 1, "Counted": {"Rows": 80_000}}])]);
    let tables = task.document("export_tables_info_counted_from_1_to_1.json");
    assert_eq!(tables["perTableStatus"][0]["tableStatistics"]["exportedRows"], 80_000);

    // A changed result pretends that the database has one row more.
    let (key, mut result) = results("counted").into_iter().find(|result| counts(result).is_some()).unwrap();
    result["Counts"][0]["Counted"] = json!({"Rows": 80_001});
    env.aws("s3", "put_object", json!({"Bucket": work_bucket, "Key": key, "Body": result.to_string()}));
    let bench = Bench::new("ownership-counted");
    let reference = task_ref(&task);
    let closed = run(async {
        let work = WorkBucket::new(bench.s3_client(), work_bucket.to_owned(), &task.id);
        finish_export::complete::close(&work, &export_role::destination(bench.s3_client(), &reference), &reference)
            .await
            .unwrap()
    });
    let warning: Value = serde_json::from_str(&closed.warnings.to_message().unwrap()).unwrap();
    let left_out = &warning["skippedTables"][0];
    assert_eq!((&left_out["target"], &left_out["reason"]), (&json!("shop.public.t"), &json!("ROW_COUNT_DIFFERS")));
    let message = text(left_out, "message");
    assert!(message.contains("80001 rows and the files contained 80000"), "{message}");
    assert_eq!(task.objects().iter().filter(|key| key.ends_with(".parquet")).count(), 0);
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    drop(task);

    let task = Task::execute(&cluster, "uncounted", json!({"Options": {"Verify": "none"}}));
    task.wait_until_complete();
    assert_eq!(results("uncounted").iter().filter_map(counts).count(), 0);
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

/// Returns the task as the states of the workflow pass it on.
fn task_ref(task: &Task) -> TaskRef {
    let execution = task.record().unwrap()["ExecutionArn"]["S"].clone();
    let described = task.env.aws("stepfunctions", "describe_execution", json!({"executionArn": execution}));
    let request: Value = serde_json::from_str(text(&described, "input")).unwrap();
    let request = export_task::request::StartExportTask::from_json(request).unwrap().validate().unwrap();
    let mut record = export_task::task::ExportTask::new(request, execution.as_str().unwrap().to_owned(), 0);
    record.request.kms_key_id = text(&task.describe(), "KmsKeyId").to_owned();
    let reference = TaskRef::from(&record);
    assert_eq!(reference.path().listing_prefix(), task.path);
    reference
}
