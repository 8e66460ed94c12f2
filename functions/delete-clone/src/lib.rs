//! Last step, called again until it answers `deleted`: the clone's instance, the clone (RDS deletes its secret with it) and
//! the key's grant. Also the janitor: invoked by an event or a schedule it looks after every task whose execution is no
//! longer running, ends the task if nobody else did, tells the world, and cleans up after it.
//!
//! # Layout
//!
//! * [`handle`]: both ways in.
//! * [`cleanup`]: one task's clone and grant.
//! * [`janitor`]: the sweep over all tasks.

pub mod cleanup;
pub mod janitor;

use export_aws::publish::Publisher;
use export_aws::task_store::TaskStore;
use export_aws::{StepError, clients, config, now_millis};
use export_task::task::{TaskRef, wait_seconds};
use serde::Serialize;
use serde_json::Value;

/// What the step needs.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Deletes clones.
    pub rds: aws_sdk_rds::Client,
    /// Revokes grants.
    pub kms: aws_sdk_kms::Client,
    /// Tells whether an execution is running.
    pub step_functions: aws_sdk_sfn::Client,
    /// For tasks whose execution died before it could tell.
    pub publisher: Publisher,
    /// Calls `finish-export` for tasks whose execution died before it could.
    pub lambda: aws_sdk_lambda::Client,
    /// Name or ARN of `finish-export`.
    pub finish_function: String,
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
            kms: aws_sdk_kms::Client::new(&aws),
            step_functions: aws_sdk_sfn::Client::new(&aws),
            publisher: Publisher::from_env(&aws)?,
            lambda: aws_sdk_lambda::Client::new(&aws),
            finish_function: config::required(config::FINISH_EXPORT_FUNCTION)?,
        })
    }
}

/// The step's output.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// `deleting`, `deleted`, or `swept` for the janitor.
    pub status: &'static str,
    /// Seconds after which to look again.
    pub wait: u64,
}

/// Cleans up after the task in `{"Task": …}`, or sweeps for any other event.
///
/// # Errors
/// `ServiceUnavailable`, `InternalFailure`.
pub async fn handle(deps: &Deps, mut event: Value) -> Result<Output, StepError> {
    let Some(task) = event.get_mut("Task").map(Value::take) else {
        janitor::sweep(deps).await?;
        return Ok(Output { status: "swept", wait: 0 });
    };
    let task: TaskRef = serde_json::from_value(task)?;
    let record = deps.store.get(&task.export_task_identifier).await?;
    let deleted = cleanup::step(deps, &record).await?;
    let wait = wait_seconds(record.task_end_time, now_millis());
    Ok(Output { status: if deleted { "deleted" } else { "deleting" }, wait })
}
