//! The export bucket is written only with the user's key and under the user's role.

use export_destination::{Destination, S3Destination};
use local_stack::deploy::FUNCTIONS;
use serde_json::json;

use crate::harness::aws::{list, text};
use crate::harness::bench::Bench;
use crate::harness::cluster::{Cluster, run};
use crate::harness::shared;
use crate::harness::task::Task;

#[path = "../../crates/export-destination/tests/destination/contract.rs"]
mod contract;

#[test]
fn the_local_s3_keeps_the_contract_of_a_destination() {
    let bench = Bench::new("destination-contract");
    let destination = Destination::S3(S3Destination {
        client: bench.s3_client(),
        bucket: bench.env.var("EXPORT_BUCKET").to_owned(),
        kms_key_id: bench.env.var("EXPORT_KMS_KEY_ID").to_owned(),
    });
    run(contract::check(&destination, "contract"));
}

#[test]
fn every_object_is_encrypted_with_the_tasks_key() {
    let env = shared();
    let cluster = Cluster::create(
        env,
        "keys",
        "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS h FROM generate_series(1, 60000) g; CREATE TABLE e (a int)",
    );
    // The key is not the default of anything, so only explicit use of it passes. Users often name
    // keys by alias.
    let created = env.aws("kms", "create_key", json!({"Description": "keys"}));
    let (key, id) = (text(&created["KeyMetadata"], "Arn").to_owned(), text(&created["KeyMetadata"], "KeyId"));
    env.aws("kms", "create_alias", json!({"AliasName": "alias/keys", "TargetKeyId": id}));
    let task = Task::start(&cluster, "keys", json!({"KmsKeyId": "alias/keys", "S3Prefix": "encrypted"}));
    task.wait_until_complete();
    let objects = task.objects();
    for ending in [".gz.parquet", "/_SUCCESS", "export_info_keys.json", "export_tables_info_keys_from_1_to_2.json"] {
        assert!(objects.iter().any(|object| object.ends_with(ending)), "{ending}: {objects:?}");
    }
    for object in &objects {
        let head = env.aws("s3", "head_object", json!({"Bucket": task.bucket, "Key": object}));
        assert_eq!(text(&head, "ServerSideEncryption"), "aws:kms", "{object}");
        assert_eq!(text(&head, "SSEKMSKeyId"), key, "{object}");
    }
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

#[test]
fn only_the_export_role_may_write_to_the_bucket() {
    let env = shared();
    let bucket = env.var("EXPORT_BUCKET");
    let resources = [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/any/thing")];
    let actions = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket", "s3:AbortMultipartUpload"];
    for function in FUNCTIONS {
        let name = crate::harness::function(function);
        let role = env.aws("lambda", "get_function_configuration", json!({"FunctionName": name}));
        let request =
            json!({"PolicySourceArn": text(&role, "Role"), "ActionNames": actions, "ResourceArns": resources});
        let answer = env.aws("iam", "simulate_principal_policy", request);
        let results = list(&answer, "EvaluationResults");
        assert!(!results.is_empty());
        for result in results {
            assert_ne!(text(result, "EvalDecision"), "allowed", "{function}: {result}");
        }
    }

    // The stack does not use its own permissions for a role that has none.
    let arn = env.role("powerless", &[]);
    let cluster = Cluster::create(env, "powerless", "CREATE TABLE t AS SELECT 1 AS a");
    let task = Task::start(&cluster, "powerless", json!({"IamRoleArn": arn}));
    let cause = task.wait_until_failed();
    assert_eq!(
        cause,
        format!(
            "The IAM role {arn} isn't authorized to call s3:GetBucketLocation on the S3 bucket {bucket}. Review your permissions and retry the export."
        )
    );
    assert_eq!(task.leaves_nothing(), "FAILED");
    assert_eq!(task.objects(), Vec::<String>::new());
    drop(task);

    // This role may do everything except write.
    let arn = env.role("read-only", &["s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject*", "s3:DeleteObject*"]);
    let task = Task::start(&cluster, "read-only", json!({"IamRoleArn": arn}));
    let (cause, last) = (task.wait_until_failed(), task.describe());
    let key = text(&last, "KmsKeyId");
    assert_eq!(
        cause,
        format!(
            "The RDS export failed to write the export task's metadata to the S3 bucket {bucket} using the IAM role {arn} with the KMS key {key}. Error code: AccessDenied"
        )
    );
    assert_eq!(task.leaves_nothing(), "FAILED");
    assert_eq!(task.objects(), Vec::<String>::new());
}
