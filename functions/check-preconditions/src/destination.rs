//! Checks role and bucket by using them: assumes the role, reads the bucket's Region, and writes
//! the first metadata object with the task's key.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use bytes::Bytes;
use export_aws::export_role;
use export_aws::task_store::TaskStore;
use export_aws::{ErrorKind, StepError, error, now_millis};
use export_destination::{Claim, Destination, DestinationError};
use export_task::failure::Failure;
use export_task::metadata;
use export_task::task::{ExportTask, TaskRef};

/// Attempts to write while a new grant may not have reached every KMS host, and the time between
/// them. KMS says that this takes seconds in general, and sometimes minutes.
const GRANT_ATTEMPTS: u32 = 45;
const GRANT_WAIT: Duration = Duration::from_secs(2);

/// Attempts to write when S3's refusal does not name the key.
const ATTEMPTS: u32 = 4;

/// Assumes the export role.
///
/// # Errors
/// `PreconditionFailed`, `ServiceUnavailable`.
pub async fn assume(aws: &SdkConfig, task: &TaskRef) -> Result<Client, StepError> {
    match export_role::assume(aws, task).await {
        Ok(s3) => Ok(s3),
        Err(e) if error::is_transient(&e) => Err(StepError::aws("the export role can't be assumed", *e)),
        Err(e) => {
            tracing::warn!(role = task.iam_role_arn, error = %aws_sdk_s3::error::DisplayErrorContext(&e), "AssumeRole was refused");
            Err(StepError::precondition(&Failure::AssumeRole(task.iam_role_arn.clone())))
        }
    }
}

/// Checks the bucket, claims the task's directory, and writes the first object.
///
/// # Errors
/// `PreconditionFailed`, `ServiceUnavailable`.
pub async fn check(store: &TaskStore, s3: Client, task: &TaskRef, record: &ExportTask) -> Result<(), StepError> {
    region(&s3, task).await?;
    let destination = export_role::destination(s3, task);
    let listed = destination.list(&task.path().listing_prefix()).await;
    if let Ok(keys) = &listed {
        nothing_else(keys, task)?;
    }
    // Report a missing `s3:ListBucket` only after the write succeeded: a role that cannot write is
    // the more important failure.
    claim(&destination, task, record).await?;
    if listed.is_ok() {
        store.set_directory_at(&task.export_task_identifier, now_millis()).await?;
    }
    listed.map(drop).map_err(|error| match error {
        DestinationError::Denied(_) => StepError::precondition(&Failure::NotAuthorized {
            role: task.iam_role_arn.clone(),
            action: "s3:ListBucket".into(),
            bucket: task.s3_bucket.clone(),
        }),
        error => error.into(),
    })
}

/// Checks that the task's directory is empty except for the first object, whose owner [`claim`]
/// checks. The end of a task removes part files that its results do not name, so it must never own
/// a directory that another export wrote.
fn nothing_else(keys: &[String], task: &TaskRef) -> Result<(), StepError> {
    let own = task.path().export_info();
    if keys.iter().all(|key| *key == own) {
        return Ok(());
    }
    Err(taken(task, "objects"))
}

fn taken(task: &TaskRef, content: &str) -> StepError {
    let message = format!(
        "The S3 bucket {} already holds {content} below {}. Use another task identifier or another prefix.",
        task.s3_bucket,
        task.path().listing_prefix()
    );
    StepError::new(ErrorKind::PreconditionFailed, message)
}

async fn region(s3: &Client, task: &TaskRef) -> Result<(), StepError> {
    let bucket = task.s3_bucket.clone();
    match s3.get_bucket_location().bucket(&bucket).send().await {
        Ok(answer) => {
            // S3 answers with no location for us-east-1 and with EU for old buckets in eu-west-1.
            let region = match answer.location_constraint().map(|l| l.as_str()) {
                None | Some("") => "us-east-1",
                Some("EU") => "eu-west-1",
                Some(region) => region,
            };
            if region == task.source_arn.region {
                return Ok(());
            }
            Err(StepError::precondition(&Failure::BucketRegion(bucket)))
        }
        Err(e) if error::is_transient(&e) => Err(StepError::aws("the bucket can't be looked up", e)),
        Err(e) => Err(StepError::precondition(&match e.code() {
            Some("NoSuchBucket") => Failure::BucketInvalid(bucket),
            // S3 gives these answers to a request that is sent to another Region than the bucket's.
            Some("PermanentRedirect" | "AuthorizationHeaderMalformed") => Failure::BucketRegion(bucket),
            Some("AccessDenied") => Failure::NotAuthorized {
                role: task.iam_role_arn.clone(),
                action: "s3:GetBucketLocation".into(),
                bucket,
            },
            _ => Failure::S3Credentials,
        })),
    }
}

/// Writes the first metadata object, unless another export has written it: two stacks may use the
/// same bucket, prefix and identifier.
async fn claim(destination: &Destination, task: &TaskRef, record: &ExportTask) -> Result<(), StepError> {
    let key = task.path().export_info();
    let body = Bytes::from(metadata::export_info(record)?);
    let mut attempt = 1;
    loop {
        let error = match destination.claim(&key, body.clone(), &record.execution_arn).await {
            Ok(Claim::Own) => return Ok(()),
            Ok(Claim::Taken(Some(execution))) => return Err(taken(task, &format!("the export of {execution}"))),
            Ok(Claim::Taken(None)) => return Err(taken(task, "another export")),
            Err(error) => error,
        };
        if matches!(error, DestinationError::Throttled(_)) {
            return Err(error.into());
        }
        let code = error.code().map(str::to_owned);
        let attempts = if error.to_string().contains("kms:") { GRANT_ATTEMPTS } else { ATTEMPTS };
        if code.as_deref() == Some("AccessDenied") && attempt < attempts {
            attempt += 1;
            tokio::time::sleep(GRANT_WAIT).await;
            continue;
        }
        return Err(StepError::precondition(&match code {
            Some(code) => Failure::Metadata {
                bucket: task.s3_bucket.clone(),
                role: task.iam_role_arn.clone(),
                key: task.kms_key_id.clone(),
                code,
            },
            None => Failure::MetadataInternal(task.s3_bucket.clone()),
        }));
    }
}
