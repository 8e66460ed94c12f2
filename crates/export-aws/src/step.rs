//! Start-up and run loop of a Lambda.

use std::future::Future;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::{ErrorKind, StepError};

/// Runs a Lambda: JSON logs, then `handler` for every event. An error is logged with its whole chain and answered under its
/// stable name; an event that isn't what the step expects is answered as `InvalidParameterValue`.
///
/// # Errors
/// When the runtime API can't be reached.
pub async fn run<In, Out, F, Fut>(handler: F) -> Result<(), lambda_runtime::Error>
where
    In: DeserializeOwned,
    Out: Serialize,
    F: Fn(In, lambda_runtime::Context) -> Fut,
    Fut: Future<Output = Result<Out, StepError>>,
{
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let context = event.context;
        let request_id = context.request_id.clone();
        let input: Result<In, _> = serde_json::from_value(event.payload);
        // Boxed, because the futures of the SDK clients nest deeper than the compiler likes.
        let result = input.map(|input| Box::pin(handler(input, context)));
        async move {
            let result = match result {
                Ok(future) => future.await,
                Err(error) => {
                    let message = format!("The event can't be understood: {error}");
                    Err(StepError::caused(ErrorKind::Api("InvalidParameterValue"), message, error))
                }
            };
            result.map_err(|error| {
                tracing::error!(request_id, error_type = error.kind.name(), error = error.chain(), "step failed");
                Diagnostic::from(error)
            })
        }
    }))
    .await
}

/// Switches JSON logs on. Called first in every `main`.
pub fn init_logs() {
    lambda_runtime::tracing::init_default_subscriber();
}
