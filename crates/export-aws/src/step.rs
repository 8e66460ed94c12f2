//! Runs a Lambda: its logs, its dependencies, its handler.

use std::time::SystemTime;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::{ErrorKind, StepError};

/// Runs a Lambda. Switches JSON logs on, builds the dependencies once and calls `handler` for every
/// event.
///
/// An error is logged with all its causes and returned under its stable name. An event that does
/// not have the shape of `In` is refused as `InvalidParameterValue`.
///
/// # Errors
/// An error of `deps`, or an unreachable runtime API.
pub async fn run<Deps, In, Out>(
    deps: impl AsyncFnOnce() -> Result<Deps, StepError>,
    handler: impl AsyncFn(&Deps, In) -> Result<Out, StepError>,
) -> Result<(), lambda_runtime::Error>
where
    In: DeserializeOwned,
    Out: Serialize,
{
    run_with_deadline(deps, async |deps: &Deps, input: In, _| handler(deps, input).await).await
}

/// Runs a Lambda as [`run`] does. Its handler also gets the time at which Lambda ends the
/// invocation.
///
/// # Errors
/// An error of `deps`, or an unreachable runtime API.
pub async fn run_with_deadline<Deps, In, Out>(
    deps: impl AsyncFnOnce() -> Result<Deps, StepError>,
    handler: impl AsyncFn(&Deps, In, SystemTime) -> Result<Out, StepError>,
) -> Result<(), lambda_runtime::Error>
where
    In: DeserializeOwned,
    Out: Serialize,
{
    lambda_runtime::tracing::init_default_subscriber();
    let (deps, handler) = (&deps().await?, &handler);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let LambdaEvent { payload, context } = event;
        let result = match serde_json::from_value(payload) {
            // Boxed: the futures of the SDK clients nest too deeply for the compiler's type length
            // limit.
            Ok(input) => Box::pin(handler(deps, input, context.deadline())).await,
            Err(error) => {
                let message = format!("The event can't be understood: {error}");
                Err(StepError::caused(ErrorKind::Api("InvalidParameterValue"), message, error))
            }
        };
        result.map_err(|error| {
            let (request_id, error_type) = (&context.request_id, error.kind.name());
            tracing::error!(request_id, error_type, error = error.chain(), "step failed");
            Diagnostic::from(error)
        })
    }))
    .await
}
