//! The failure messages of the user guide. Each test causes the real problem. Where the local cloud
//! accepts what S3 would refuse, a stand-in gives the response of S3.

use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use check_preconditions::destination;
use export_aws::ErrorKind;
use export_task::failure::Failure;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::aws::text;
use crate::harness::bench::Bench;
use crate::harness::cluster::{Cluster, run};
use crate::harness::events::Events;
use crate::harness::task::Task;
use crate::harness::wire::control;
use crate::harness::{Env, faulty, shared};

/// Starts a task with additional members. Asserts that it fails with `cause`, publishes that, and
/// leaves nothing.
fn assert_fails(env: &'static Env, cluster: &Cluster, id: &str, request: Value, cause: &str) {
    let events = Events::subscribe_to_end(env, id);
    let task = Task::execute(cluster, id, request);
    assert_eq!(task.wait_until_failed(), cause);
    assert_eq!(events.only_event_id(), "RDS-EVENT-0234");
    assert_eq!(task.leaves_nothing(), "FAILED");
}

#[test]
fn a_misconfigured_task_fails_with_the_message_of_the_user_guide() {
    let env = shared();
    let cluster = Cluster::create(env, "destinations", "CREATE TABLE t AS SELECT 1 AS a");
    // The role may use all buckets, because the local cloud checks permissions first. S3 checks the
    // bucket first.
    let everywhere = env.role("everywhere", &["s3:*"]);

    let nothing = format!("{}-that-is-not", cluster.arn);
    let source = "Failed to find or access the source DB cluster: destinations-that-is-not";
    assert_fails(env, &cluster, "no-cluster", json!({"SourceArn": nothing}), source);

    let bucket = "The S3 bucket no-such-bucket-anywhere isn't valid. Either it isn't located in the current AWS Region or it doesn't \
        exist. Review your S3 bucket name and retry the export.";
    let request = json!({"S3BucketName": "no-such-bucket-anywhere", "IamRoleArn": everywhere});
    assert_fails(env, &cluster, "no-bucket", request, bucket);

    let elsewhere = json!({"LocationConstraint": "eu-central-1"});
    env.aws(
        "s3@eu-central-1",
        "create_bucket",
        json!({"Bucket": "bucket-elsewhere", "CreateBucketConfiguration": elsewhere}),
    );
    let region = "The S3 bucket bucket-elsewhere isn't located in the current AWS Region. Review your S3 bucket name and retry the export.";
    assert_fails(
        env,
        &cluster,
        "elsewhere",
        json!({"S3BucketName": "bucket-elsewhere", "IamRoleArn": everywhere}),
        region,
    );

    let created = env.aws("kms", "create_key", json!({"Description": "disabled"}));
    let key = text(&created["KeyMetadata"], "KeyId").to_owned();
    env.aws("kms", "disable_key", json!({"KeyId": key}));
    let disabled = "KMS key check failed. Check the credentials on your KMS key and try again.";
    assert_fails(env, &cluster, "disabled-key", json!({"KmsKeyId": key}), disabled);

    let role = "arn:aws:iam::111122223333:role/nobody-made-it";
    let assumed = format!(
        "The RDS export failed to write the export task's metadata because it can't assume the IAM role {role}."
    );
    assert_fails(env, &cluster, "no-role", json!({"IamRoleArn": role}), &assumed);

    // This role may do everything except list.
    let arn = env.role("no-list", &["s3:GetBucketLocation", "s3:PutObject*", "s3:GetObject*", "s3:DeleteObject*"]);
    let bucket = env.var("EXPORT_BUCKET");
    let list = format!(
        "The IAM role {arn} isn't authorized to call s3:ListBucket on the S3 bucket {bucket}. Review your permissions and retry the export."
    );
    assert_fails(env, &cluster, "no-list", json!({"IamRoleArn": arn}), &list);
}

#[test]
fn a_clone_that_rds_refuses_fails_the_task_with_the_message_of_the_user_guide() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(env, "unclonable", "CREATE TABLE t AS SELECT 1 AS a");
    let refuse = |code: &str, times: u32| {
        let fault = json!({"action": "RestoreDBClusterToPointInTime", "code": code, "status": 403, "times": times});
        control(env, "faults", &fault);
    };
    // The workflow tries again, because such an error may be temporary.
    refuse("InvalidDBClusterStateFault", 2);
    refuse("DBClusterQuotaExceededFault", 1);
    assert_fails(env, &cluster, "unclonable", json!({}), "Failed to find or access the source DB cluster: unclonable");
}

#[test]
fn only_an_available_cluster_of_a_supported_engine_mode_is_exported() {
    let bench = Bench::new("failures-source");
    let cluster = Cluster::create(bench.env, "kinds", "CREATE TABLE t AS SELECT 1 AS a");
    run(async {
        let (task, rds) = (bench.admit("kinds", "kinds", "1", 5).await.unwrap(), bench.rds());
        let refused = |mode: &str, kind: &str| {
            let why = format!("{kind} DB clusters don't support exports to S3.");
            format!("The DB cluster kinds can't be exported: its engine mode is {mode}. {why}")
        };
        let gone = "Failed to find or access the source DB cluster: kinds".to_owned();
        for (state, message) in [
            (json!({"EngineMode": "global"}), None),
            (json!({"EngineMode": "parallelquery"}), None),
            (json!({"EngineMode": "serverless"}), Some(refused("serverless", "Aurora Serverless v1"))),
            (json!({"EngineMode": "multimaster"}), Some(refused("multimaster", "Multimaster"))),
            (json!({"EngineMode": "provisioned", "Status": "stopped"}), Some(gone.clone())),
            (json!({"Status": "inaccessible-encryption-credentials"}), Some(gone)),
            (json!({"Status": "available"}), None),
        ] {
            control(bench.env, "clusters/kinds", &state);
            let checked = check_preconditions::source::check(&rds, &task).await;
            assert_eq!(
                checked.err().map(|e| (e.kind, e.to_string())),
                message.map(|m| (ErrorKind::PreconditionFailed, m)),
                "{state}"
            );
        }
    });
    drop(cluster);
}

#[test]
fn existing_objects_fail_the_task_and_stay() {
    let env = shared();
    let cluster = Cluster::create(env, "in-the-way", "CREATE TABLE t AS SELECT 1 AS a");
    // The objects of another export stay unchanged.
    let bucket = env.var("EXPORT_BUCKET");
    let (key, info) = ("taken/other/shop/public.t/1/part.gz.parquet", "taken/other/export_info_other.json");
    for key in [key, info] {
        env.aws("s3", "put_object", json!({"Bucket": bucket, "Key": key, "Body": "mine"}));
    }
    let taken = format!(
        "The S3 bucket {bucket} already holds objects below taken/other/. Use another task identifier or another prefix."
    );
    assert_fails(env, &cluster, "other", json!({"S3Prefix": "taken"}), &taken);
    for key in [key, info] {
        assert_eq!(env.aws("s3", "get_object", json!({"Bucket": bucket, "Key": key}))["Body"], "mine");
    }

    let task = Task::start(&cluster, "names-nothing", json!({"ExportOnly": ["shop.public.t", "shop.public.nowhere"]}));
    let cause = task.wait_until_failed();
    assert!(cause.contains("shop.public.nowhere") && !cause.contains("shop.public.t,"), "{cause}");
    assert_eq!(task.leaves_nothing(), "FAILED");
}

/// A stand-in for STS and S3 that succeeds for every request except one.
struct Aws {
    address: String,
    requests: Arc<Mutex<Vec<RequestKind>>>,
}

/// The requests that check-preconditions sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestKind {
    AssumeRole,
    GetBucketLocation,
    ListObjects,
    PutObject,
}

/// The error response to one kind of request.
#[derive(Clone, Copy, Debug)]
struct ErrorResponse {
    request: RequestKind,
    status: u16,
    /// `None` is a response without a document.
    code: Option<&'static str>,
}

impl ErrorResponse {
    fn document(self) -> String {
        self.code.map_or_else(String::new, |code| format!("<Error><Code>{code}</Code><Message>No.</Message></Error>"))
    }
}

impl Aws {
    async fn start(failing: ErrorResponse) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !is_complete(&request) {
                    let mut chunk = [0; 65536];
                    let n = stream.read(&mut chunk).await.unwrap();
                    request.extend_from_slice(&chunk[..n]);
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let kind = RequestKind::from_request(&request);
                log.lock().unwrap().push(kind);
                let (status, document) = match kind == failing.request {
                    true => (failing.status, failing.document()),
                    false => (200, kind.success_document().to_owned()),
                };
                let head =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", document.len());
                stream.write_all((head + &document).as_bytes()).await.unwrap();
            }
        });
        Self { address, requests }
    }

    fn config(&self, aws: &SdkConfig) -> SdkConfig {
        aws.to_builder().endpoint_url(format!("http://{}", self.address)).build()
    }
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .to_ascii_lowercase()
        .split_once("content-length: ")
        .map(|(_, rest)| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
    body.len() >= length.unwrap_or_default()
}

impl RequestKind {
    fn from_request(request: &str) -> Self {
        let line = request.lines().next().unwrap();
        match line {
            _ if line.contains("location") => Self::GetBucketLocation,
            _ if line.starts_with("PUT ") => Self::PutObject,
            _ if line.starts_with("GET ") => Self::ListObjects,
            _ => Self::AssumeRole,
        }
    }

    fn success_document(self) -> &'static str {
        match self {
            Self::GetBucketLocation => "<LocationConstraint>us-west-2</LocationConstraint>",
            Self::ListObjects => "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
            Self::AssumeRole => {
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>k</AccessKeyId>\
                 <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
            }
            Self::PutObject => "",
        }
    }
}

#[test]
fn the_failure_cause_has_the_error_code_of_s3() {
    let bench = Bench::new("failures");
    run(async {
        let task = bench.admit("failures", "any", "1", 5).await.unwrap();
        let record = bench.store.get("failures").await.unwrap();
        let metadata = |code: &str| {
            format!(
                "The RDS export failed to write the export task's metadata to the S3 bucket {} using the IAM role {} with the KMS \
                 key {}. Error code: {code}",
                task.s3_bucket, task.iam_role_arn, task.kms_key_id
            )
        };
        let internal = format!(
            "An unknown internal error occurred writing the export task's metadata to the S3 bucket {}.",
            task.s3_bucket
        );
        let credentials =
            "S3 credential check failed. Check the permissions on your S3 bucket and IAM policy.".to_owned();
        let elsewhere = Failure::BucketRegion(task.s3_bucket.clone()).to_string();
        let check = async |aws: &Aws| {
            let s3 = destination::assume(&aws.config(&bench.aws), &task).await?;
            destination::check(&bench.store, s3, &task, &record).await
        };
        let location = |status, code| ErrorResponse { request: RequestKind::GetBucketLocation, status, code };
        let put = |status, code| ErrorResponse { request: RequestKind::PutObject, status, code };
        for (response, message) in [
            (location(301, Some("PermanentRedirect")), elsewhere.clone()),
            (location(400, Some("AuthorizationHeaderMalformed")), elsewhere),
            (put(400, Some("KMS.DisabledException")), metadata("KMS.DisabledException")),
            (put(400, Some("KMS.KMSInvalidStateException")), metadata("KMS.KMSInvalidStateException")),
            (put(404, Some("NoSuchBucket")), metadata("NoSuchBucket")),
            (put(403, None), metadata("403 Forbidden")),
            (put(400, None), internal),
            (location(403, Some("InvalidAccessKeyId")), credentials),
        ] {
            let aws = Aws::start(response).await;
            let error = check(&aws).await.unwrap_err();
            assert_eq!((error.kind, error.to_string()), (ErrorKind::PreconditionFailed, message), "{response:?}");
            assert!(aws.requests.lock().unwrap().contains(&response.request));
        }
        // A temporary error is no failed precondition.
        let aws = Aws::start(put(503, Some("SlowDown"))).await;
        assert_eq!(check(&aws).await.unwrap_err().kind, ErrorKind::DestinationThrottled);
    });
}
