//! What `StartExportTask` tells at once: the role exists and can be assumed, the bucket exists, the key can be used. Nothing is
//! written and nothing granted. What more there is to be right about them only a task finds out, and fails with a message of
//! the guide.

use aws_sdk_iam::operation::get_role::GetRoleError;
use aws_sdk_s3::error::ProvideErrorMetadata;
use export_aws::{ErrorKind, StepError, error, export_role};
use export_task::error::ApiError;
use export_task::task::TaskRef;

use crate::{Deps, key};

/// Looks at role, bucket and key.
///
/// # Errors
/// `IamRoleNotFound`, `IamRoleMissingPermissions`, `InvalidS3BucketFault`, `KMSKeyNotAccessibleFault`, `ServiceUnavailable`.
pub async fn check(deps: &Deps, task: &TaskRef) -> Result<(), StepError> {
    role_exists(deps, task).await?;
    let role = &task.iam_role_arn;
    let s3 = match export_role::assume(&deps.aws, task).await {
        Ok(s3) => s3,
        Err(e) if error::is_transient(&e) => return Err(StepError::aws("the export role can't be assumed", *e)),
        Err(_) => {
            return Err(ApiError::IamRoleMissingPermissions(format!(
                "The principal export.rds.amazonaws.com isn't allowed to assume the IAM role {role}. Its trust policy must also \
                 name the roles of this stack."
            ))
            .into());
        }
    };
    match s3.get_bucket_location().bucket(&task.s3_bucket).send().await {
        Err(e) if e.code() == Some("NoSuchBucket") => {
            return Err(ApiError::InvalidS3Bucket(format!("The S3 bucket {} doesn't exist.", task.s3_bucket)).into());
        }
        Err(e) if error::is_transient(&e) => return Err(StepError::aws("the bucket can't be looked up", e)),
        // A role without this permission fails the task, which names the permission.
        _ => {}
    }
    key::check(&deps.kms, &task.kms_key_id).await.map(drop).map_err(|error| match error.kind {
        ErrorKind::PreconditionFailed => ApiError::KmsKeyNotAccessible(format!(
            "The specified KMS key [{}] does not exist, is not enabled or you do not have permissions to access it.",
            task.kms_key_id
        ))
        .into(),
        _ => error,
    })
}

/// STS doesn't say whether a role it refuses exists. A role of another account can't be looked up, nor one outside of what the
/// stack was deployed for: those are STS's to refuse.
async fn role_exists(deps: &Deps, task: &TaskRef) -> Result<(), StepError> {
    let role = &task.iam_role_arn;
    let missing = || StepError::from(ApiError::IamRoleNotFound(format!("The IAM role {role} doesn't exist.")));
    if role.split(':').nth(4) != Some(task.source_arn.account.as_str()) {
        return Ok(());
    }
    let name = role.rsplit('/').next().unwrap_or_default();
    // IAM refuses to look for a name no role can have.
    if name.is_empty() || name.len() > 64 {
        return Err(missing());
    }
    match deps.iam.get_role().role_name(name).send().await {
        // The name is unique whatever the path, so the ARN may still be another.
        Ok(answer) if answer.role().is_some_and(|found| found.arn() != role) => Err(missing()),
        Ok(_) => Ok(()),
        Err(e) if e.as_service_error().is_some_and(GetRoleError::is_no_such_entity_exception) => Err(missing()),
        Err(e) if error::is_transient(&e) => Err(StepError::aws("the export role can't be looked up", e)),
        Err(_) => Ok(()),
    }
}
