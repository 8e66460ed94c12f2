//! What the Lambdas share on the AWS side: configuration from the environment, SDK clients over one TLS provider, the
//! task store, the work bucket, the assumed export role, and the one error type whose name the state machine matches.
//!
//! # Layout
//!
//! * [`clients`]: SDK configuration and clients.
//! * [`config`]: every environment variable, documented.
//! * [`error`]: [`StepError`], what a Lambda answers when it fails.
//! * [`export_role`]: S3 as the user's export role.
//! * [`publish`]: events, to the topic and the bus.
//! * [`step`]: start-up and the run loop of a Lambda.
//! * [`task_store`]: the DynamoDB table of tasks, locks and slots.
//! * [`work_bucket`]: plans and results between the steps.

pub mod clients;
pub mod config;
pub mod error;
pub mod export_role;
pub mod publish;
pub mod step;
pub mod task_store;
pub mod work_bucket;

pub use error::{ErrorKind, StepError};

/// Now, in milliseconds since the epoch.
pub fn now_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
