//! S3 as the user's export role: everything in the user's bucket is read and written through this client and no other.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use export_destination::{Destination, S3Destination};
use export_task::object_key::TaskPath;
use export_task::task::TaskRef;
use serde_json::json;

use crate::clients;
use crate::error::StepError;

/// Assumes the task's export role, with a session policy cut to the task's directory of the task's bucket. The session lasts
/// an hour (the most a role may give another), longer than any invocation.
///
/// # Errors
/// The STS error, for the caller to tell apart.
pub async fn assume(
    config: &SdkConfig,
    task: &TaskRef,
) -> Result<aws_sdk_s3::Client, Box<SdkError<AssumeRoleError, HttpResponse>>> {
    let sts = aws_sdk_sts::Client::new(config);
    // 50 of the 64 characters a session name may have; the rest says who we are.
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

/// As [`assume`], for steps after the preconditions: by then a refusal is no longer the metadata check's to report.
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

/// What the session may do: AWS's documented export permissions, on this task's objects only, with this bucket's key.
fn session_policy(task: &TaskRef) -> String {
    let partition = &task.source_arn.partition;
    let bucket = format!("arn:{partition}:s3:::{}", task.s3_bucket);
    // Bucket names hold no characters that mean anything in a policy; prefixes may.
    let path = TaskPath::new(&task.s3_prefix, &task.export_task_identifier);
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:PutObject*", "s3:GetObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                "Resource": format!("{bucket}/{}/*", literal(path.base())),
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

/// A text that means itself in a policy's resource; but what isn't ASCII is anything: STS takes no characters beyond Latin-1, and no
/// policy long enough to hold all of them escaped.
fn literal(text: &str) -> String {
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
