//! What the Lambdas share on the AWS side: configuration from the environment, SDK clients over one
//! TLS provider, the task store, the work bucket, the assumed export role, and the error type whose
//! name the state machine matches.
//!
//! # Layout
//!
//! * [`clients`]: SDK configuration and clients.
//! * [`config`]: every environment variable.
//! * [`error`]: [`StepError`], the error of every Lambda.
//! * [`export_role`]: S3 with the permissions of the user's export role.
//! * [`function`]: calls of one function by another.
//! * [`publish`]: events, on the topic and on the event bus.
//! * [`step`]: runs a Lambda.
//! * [`task_store`]: the DynamoDB table of tasks, locks and slots.
//! * [`work_bucket`]: plans and results, which travel between the steps.

pub mod clients;
pub mod config;
pub mod error;
pub mod export_role;
pub mod function;
pub mod publish;
pub mod step;
pub mod task_store;
pub mod work_bucket;

pub use error::{ErrorKind, StepError};

/// Returns the current time in milliseconds since the epoch.
pub fn now_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
