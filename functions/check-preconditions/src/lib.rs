//! Second step. Checks the preconditions of an export before the costly clone is created: the
//! cluster can be cloned, the key can be used, the role can be assumed and the bucket is in this
//! Region. To prove all this, it writes the first metadata object with the role and the key. Its
//! errors have the messages of the guide ("Failure messages for Amazon S3 export tasks").
//!
//! # Layout
//!
//! * [`source`]: the cluster.
//! * [`destination`]: role, bucket and metadata object.
//! * [`key`]: the KMS key and its grant.
//! * [`probe`]: the checks that `StartExportTask` needs before it admits a task.

pub mod destination;
pub mod key;
pub mod probe;
pub mod source;

use aws_config::SdkConfig;
use export_aws::task_store::TaskStore;
use export_aws::{StepError, clients};
use export_task::task::TaskRef;
use serde::{Deserialize, Serialize};

/// The dependencies of the step.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Looks the cluster up.
    pub rds: aws_sdk_rds::Client,
    /// Looks the role up.
    pub iam: aws_sdk_iam::Client,
    /// Looks the key up and grants its use.
    pub kms: aws_sdk_kms::Client,
    /// Assumes the export role.
    pub aws: SdkConfig,
}

impl Deps {
    /// Reads the environment and creates the clients.
    ///
    /// # Errors
    /// `InternalFailure` naming a variable.
    pub async fn from_env() -> Result<Self, StepError> {
        let aws = clients::config().await;
        Ok(Self {
            store: TaskStore::from_env(&aws)?,
            rds: aws_sdk_rds::Client::new(&aws),
            iam: aws_sdk_iam::Client::new(&aws),
            kms: aws_sdk_kms::Client::new(&aws),
            aws,
        })
    }
}

/// The input of the step.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
    /// Check only role, bucket and key, because the task is not admitted yet.
    #[serde(default)]
    pub probe: bool,
}

/// Checks the preconditions and returns the task with the ARN of the key.
///
/// # Errors
/// `PreconditionFailed` with a message of the guide, `ExportCanceled`, `ServiceUnavailable`; for a
/// probe the API's codes.
pub async fn handle(deps: &Deps, input: Input) -> Result<TaskRef, StepError> {
    let mut task = input.task;
    if input.probe {
        probe::check(deps, &task).await?;
        return Ok(task);
    }
    let id = task.export_task_identifier.clone();
    deps.store.check_not_canceled(&id).await?;
    source::check(&deps.rds, &task).await?;
    let key = key::check(&deps.kms, &task.kms_key_id).await?;
    // Assume the role before the grant: a role that does not trust this account must not get one.
    let s3 = destination::assume(&deps.aws, &task).await?;
    // Record the key before the grant exists, so that the clean-up can find the grant by the key.
    deps.store.set_key(&id, &key, None).await?;
    let grant = key::grant(&deps.kms, &key, &task).await?;
    deps.store.set_key(&id, &key, Some(&grant)).await?;
    task.kms_key_id = key;
    let record = deps.store.get(&id).await?;
    deps.store.unless_canceled(&id, destination::check(&deps.store, s3, &task, &record)).await?;
    Ok(task)
}
