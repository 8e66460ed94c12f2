//! The checks of `StartExportTask`: the role exists and can be assumed, the bucket exists, and the
//! key can be used. They write nothing and grant nothing. Other problems with role, bucket and key
//! fail the task later, with a message of the guide.

use aws_sdk_iam::operation::get_role::GetRoleError;
use aws_sdk_s3::error::ProvideErrorMetadata;
use export_aws::{ErrorKind, StepError, error, export_role};
use export_task::error::ApiError;
use export_task::task::TaskRef;

use crate::{Deps, key};

/// Checks role, bucket and key.
///
/// # Errors
/// `IamRoleNotFound`, `IamRoleMissingPermissions`, `InvalidS3BucketFault`,
/// `KMSKeyNotAccessibleFault`, `ServiceUnavailable`.
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
        // A role without this permission fails the task later, with a message that names the
        // permission.
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

/// Checks that the role exists, because STS does not tell a missing role from one that refuses.
/// Roles of other accounts, and roles outside of the stack's `ExportRoleArns`, can't be looked up
/// and are left to STS.
async fn role_exists(deps: &Deps, task: &TaskRef) -> Result<(), StepError> {
    let role = &task.iam_role_arn;
    let missing = || StepError::from(ApiError::IamRoleNotFound(format!("The IAM role {role} doesn't exist.")));
    if role.split(':').nth(4) != Some(task.source_arn.account.as_str()) {
        return Ok(());
    }
    let name = role.rsplit('/').next().unwrap_or_default();
    // IAM refuses requests with a name that no role can have.
    if name.is_empty() || name.len() > 64 {
        return Err(missing());
    }
    match deps.iam.get_role().role_name(name).send().await {
        // Names are unique without their path. So the ARN may differ although the name is the same.
        Ok(answer) if answer.role().is_some_and(|found| found.arn() != role) => Err(missing()),
        Ok(_) => Ok(()),
        Err(e) if e.as_service_error().is_some_and(GetRoleError::is_no_such_entity_exception) => Err(missing()),
        Err(e) if error::is_transient(&e) => Err(StepError::aws("the export role can't be looked up", e)),
        Err(_) => Ok(()),
    }
}
