//! S3 with the permissions of the user's export role. Everything in the user's bucket is read and
//! written through this client.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use export_destination::{Destination, S3Destination};
use export_task::task::TaskRef;
use serde_json::json;

use crate::clients;
use crate::error::StepError;

/// Assumes the task's export role, with a session policy that allows the objects of the task's
/// directory only, and listing the bucket. The session lasts an hour, the maximum for a role that
/// assumes another role. That is longer than any invocation.
///
/// # Errors
/// The error of STS, unchanged, because each caller reports it differently.
pub async fn assume(
    config: &SdkConfig,
    task: &TaskRef,
) -> Result<aws_sdk_s3::Client, Box<SdkError<AssumeRoleError, HttpResponse>>> {
    let sts = aws_sdk_sts::Client::new(config);
    // A session name has at most 64 characters, and the prefix takes 14 of them.
    let session: String = task.export_task_identifier.chars().take(50).collect();
    let answer = sts
        .assume_role()
        .role_arn(&task.iam_role_arn)
        .role_session_name(format!("aurora-export-{session}"))
        .policy(session_policy(task))
        .duration_seconds(3600)
        .send()
        .await
        .map_err(Box::new)?;
    let c = answer.credentials();
    let credentials = Credentials::new(
        c.map(|c| c.access_key_id()).unwrap_or_default(),
        c.map(|c| c.secret_access_key()).unwrap_or_default(),
        c.map(|c| c.session_token().to_owned()),
        None,
        "export role",
    );
    Ok(aws_sdk_s3::Client::from_conf(clients::s3_config(config).credentials_provider(credentials).build()))
}

/// Assumes the role as [`assume`] does, for the steps after the preconditions, where a refusal is
/// no longer a failed precondition.
///
/// # Errors
/// `ServiceUnavailable` or `DestinationDenied`.
pub async fn assume_again(config: &SdkConfig, task: &TaskRef) -> Result<aws_sdk_s3::Client, StepError> {
    assume(config, task).await.map_err(|error| {
        if crate::error::is_transient(&error) {
            return StepError::aws("the export role can't be assumed", *error);
        }
        let message = format!("The export can't assume the IAM role {} any more.", task.iam_role_arn);
        StepError::caused(crate::ErrorKind::DestinationDenied, message, error)
    })
}

/// Returns the session's policy: the export permissions that AWS documents, on this task's objects
/// only, and the use of keys through S3 only.
fn session_policy(task: &TaskRef) -> String {
    let partition = &task.source_arn.partition;
    let bucket = format!("arn:{partition}:s3:::{}", task.s3_bucket);
    // Prefixes may hold characters with a meaning in policies. Bucket names can't.
    let path = task.path();
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:PutObject*", "s3:GetObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                "Resource": format!("{bucket}/{}/*", escape_wildcards(path.base())),
            },
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"],
                "Resource": bucket,
            },
            {
                "Effect": "Allow",
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com*"}},
            },
        ],
    })
    .to_string()
}

/// Escapes policy wildcards. Non-ASCII characters become `*`: STS accepts Latin-1 only, and the
/// escaped form would exceed the size limit of a policy.
fn escape_wildcards(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '*' | '?' | '$' => out.extend(["${", c.encode_utf8(&mut [0; 4]), "}"]),
            c if c.is_ascii() => out.push(c),
            _ if out.ends_with('*') => {}
            _ => out.push('*'),
        }
    }
    out
}

/// Returns the bucket of `task` as the destination of its export, through the client of [`assume`].
pub fn destination(s3: aws_sdk_s3::Client, task: &TaskRef) -> Destination {
    Destination::S3(S3Destination { client: s3, bucket: task.s3_bucket.clone(), kms_key_id: task.kms_key_id.clone() })
}
