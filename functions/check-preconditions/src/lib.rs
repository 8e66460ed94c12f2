//! Second step: everything that must be right before a clone is worth making. The cluster can be cloned, the key can be used,
//! the role can be assumed, the bucket is here, and, the proof of it all, the first metadata object is written as the role
//! with the key. What is wrong is told in the guide's words ("Failure messages for Amazon S3 export tasks").
//!
//! # Layout
//!
//! * [`source`]: the cluster.
//! * [`destination`]: role, bucket and metadata object.
//! * [`key`]: the KMS key and its grant.
//! * [`probe`]: the part of it that `StartExportTask` asks for before it admits a task.

pub mod destination;
pub mod key;
pub mod probe;
pub mod source;

use aws_config::SdkConfig;
use export_aws::task_store::TaskStore;
use export_aws::{StepError, clients, config};
use export_task::task::TaskRef;
use serde::Deserialize;

/// What the step needs.
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
    /// For assuming the export role.
    pub aws: SdkConfig,
}

impl Deps {
    /// Reads the environment and makes the clients.
    ///
    /// # Errors
    /// `InternalFailure` naming a variable.
    pub async fn from_env() -> Result<Self, StepError> {
        let aws = clients::config().await;
        Ok(Self {
            store: TaskStore::new(aws_sdk_dynamodb::Client::new(&aws), config::required(config::TASK_TABLE)?),
            rds: aws_sdk_rds::Client::new(&aws),
            iam: aws_sdk_iam::Client::new(&aws),
            kms: aws_sdk_kms::Client::new(&aws),
            aws,
        })
    }
}

/// The step's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
    /// Only look at role, bucket and key: the task is not admitted yet.
    #[serde(default)]
    pub probe: bool,
}

/// Checks everything and returns the task with the key's ARN.
///
/// # Errors
/// `PreconditionFailed` with a message of the guide, `ExportCanceled`, `ServiceUnavailable`; for a probe the API's codes.
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
    // A role that doesn't trust this account gets no grant.
    let s3 = destination::assume(&deps.aws, &task).await?;
    // Known before there is a grant: whoever cleans up after this call finds the grant by the key.
    deps.store.set_key(&id, &key, None).await?;
    let grant = key::grant(&deps.kms, &key, &task).await?;
    deps.store.set_key(&id, &key, Some(&grant)).await?;
    task.kms_key_id = key;
    let record = deps.store.get(&id).await?;
    deps.store.unless_canceled(&id, destination::check(&deps.store, s3, &task, &record)).await?;
    Ok(task)
}
