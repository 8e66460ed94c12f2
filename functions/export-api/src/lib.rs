//! The export API: `StartExportTask`, `DescribeExportTasks` and `CancelExportTask`. AWS clients
//! send them over the RDS Query protocol (HTTP events). Direct invocations send plain JSON with the
//! members of the API in PascalCase.
//!
//! # Layout
//!
//! * [`actions`]: the three operations.
//! * [`http`]: HTTP events and answers.
//! * [`query`]: form parameters to operations, results to XML.

pub mod actions;
pub mod http;
pub mod query;

use export_aws::function::Function;
use export_aws::task_store::TaskStore;
use export_aws::{StepError, clients, config};
use export_task::error::ApiError;
use export_task::limits;
use serde_json::Value;

use actions::Operation;

/// The dependencies of the API.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Starts executions.
    pub step_functions: aws_sdk_sfn::Client,
    /// ARN of the workflow.
    pub state_machine_arn: String,
    /// Maximum number of tasks that run at once.
    pub limit: u32,
    /// Looks source clusters up.
    pub rds: aws_sdk_rds::Client,
    /// Checks role, bucket and key.
    pub check_preconditions: Function,
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
            step_functions: aws_sdk_sfn::Client::new(&aws),
            state_machine_arn: config::required(config::STATE_MACHINE_ARN)?,
            limit: config::number(config::MAX_CONCURRENT_TASKS, limits::CONCURRENT_TASKS)?,
            rds: aws_sdk_rds::Client::new(&aws),
            check_preconditions: Function::from_env(&aws, config::CHECK_PRECONDITIONS_FUNCTION)?,
        })
    }
}

/// Answers an HTTP event with an HTTP answer (never with an error), and a direct invocation with
/// the JSON result of the operation.
///
/// # Errors
/// For direct invocations, the API's errors under their codes.
pub async fn handle(deps: &Deps, event: Value) -> Result<Value, StepError> {
    if http::is_http(&event) {
        return Ok(http::answer(deps, &event).await);
    }
    let operation = Operation::from_json(event)?;
    Ok(serde_json::to_value(actions::perform(deps, operation).await?)?)
}

/// Returns code, message and HTTP status of an error. Errors of the API keep their message. Other
/// errors lose their details, which are not meant for callers.
fn api_code(error: &StepError) -> (&'static str, String, u16) {
    use std::error::Error;
    if let Some(api) = error.source().and_then(|s| s.downcast_ref::<ApiError>()) {
        return (api.code(), api.to_string(), api.http_status());
    }
    if error.kind.is_retryable() {
        return ("ServiceUnavailable", "The service is temporarily unavailable. Try again.".into(), 503);
    }
    ("InternalFailure", "An internal error has occurred. Please try your query again at a later time.".into(), 500)
}
