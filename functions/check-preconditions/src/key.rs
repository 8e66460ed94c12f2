//! The KMS key: checks that it can be used and grants its use to the export role. AWS's exporter
//! uses a grant too. For this reason the export roles in AWS's documentation have S3 permissions
//! only.

use aws_sdk_kms::types::{GrantOperation, KeyState, KeyUsageType};
use export_aws::{StepError, error};
use export_task::failure::Failure;
use export_task::task::TaskRef;

/// Checks that the key can be used and returns its ARN.
///
/// # Errors
/// `PreconditionFailed`, `ServiceUnavailable`.
pub async fn check(kms: &aws_sdk_kms::Client, key: &str) -> Result<String, StepError> {
    let refused = || StepError::precondition(&Failure::KmsKey);
    let answer = match kms.describe_key().key_id(key).send().await {
        Ok(answer) => answer,
        Err(e) if error::is_transient(&e) => return Err(StepError::aws("the KMS key can't be looked up", e)),
        Err(e) => {
            tracing::warn!(key, error = %aws_sdk_kms::error::DisplayErrorContext(&e), "DescribeKey was refused");
            return Err(refused());
        }
    };
    let metadata = answer.key_metadata().ok_or_else(refused)?;
    let usable = metadata.key_state() == Some(&KeyState::Enabled)
        && metadata.key_usage().is_none_or(|usage| *usage == KeyUsageType::EncryptDecrypt);
    match metadata.arn() {
        Some(arn) if usable => Ok(arn.to_owned()),
        _ => Err(refused()),
    }
}

/// Grants the use of the key to the export role for the duration of the task and returns the ID of
/// the grant. The name of the grant is unique to this execution. So a repeated call returns the
/// same grant, and a task of another stack gets a different one.
///
/// # Errors
/// `PreconditionFailed`, `ServiceUnavailable`.
pub async fn grant(kms: &aws_sdk_kms::Client, key: &str, task: &TaskRef) -> Result<String, StepError> {
    let operations = [
        GrantOperation::GenerateDataKey,
        GrantOperation::Decrypt,
        GrantOperation::Encrypt,
        GrantOperation::DescribeKey,
    ];
    let answer = kms
        .create_grant()
        .key_id(key)
        .grantee_principal(&task.iam_role_arn)
        .set_operations(Some(operations.to_vec()))
        .name(&task.clone_identifier)
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer.grant_id().unwrap_or_default().to_owned()),
        Err(e) if error::is_transient(&e) => Err(StepError::aws("the use of the KMS key can't be granted", e)),
        Err(e) => {
            tracing::warn!(key, error = %aws_sdk_kms::error::DisplayErrorContext(&e), "CreateGrant was refused");
            Err(StepError::precondition(&Failure::KmsKey))
        }
    }
}
