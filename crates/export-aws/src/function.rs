//! Calls of one function by another.

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::config;
use crate::error::StepError;

/// A Lambda function of the stack.
#[derive(Clone, Debug)]
pub struct Function {
    lambda: Client,
    name: String,
}

/// The error that a function answered with.
#[derive(Debug, Default, Deserialize, thiserror::Error)]
#[error("{error_type}: {error_message}")]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionError {
    /// The stable name of the error. Empty if Lambda did not report one.
    pub error_type: String,
    /// The message.
    pub error_message: String,
}

impl Function {
    /// Returns the function of this name or ARN.
    pub fn new(aws: &SdkConfig, name: String) -> Self {
        Self { lambda: Client::new(aws), name }
    }

    /// Returns the function whose name is in the environment variable `variable`.
    ///
    /// # Errors
    /// `InternalFailure` naming the variable if it is not set.
    pub fn from_env(aws: &SdkConfig, variable: &'static str) -> Result<Self, StepError> {
        Ok(Self::new(aws, config::required(variable)?))
    }

    /// Calls the function and waits for its answer. The inner error is the function's own.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn invoke<Out: DeserializeOwned>(
        &self,
        input: &impl Serialize,
    ) -> Result<Result<Out, FunctionError>, StepError> {
        let payload = Blob::new(serde_json::to_vec(input)?);
        let answer = self
            .lambda
            .invoke()
            .function_name(&self.name)
            .payload(payload)
            .send()
            .await
            .map_err(|e| StepError::aws(&format!("the function {} can't be called", self.name), e))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if answer.function_error.is_some() {
            return Ok(Err(serde_json::from_slice(&payload).unwrap_or_default()));
        }
        Ok(Ok(serde_json::from_slice(&payload)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Answer, Replay};
    use serde_json::{Value, json};

    use super::*;
    use crate::ErrorKind;

    async fn invoke(answer: Answer) -> (Result<Result<Value, FunctionError>, StepError>, Replay) {
        let replay = Replay::new(move |_| answer.clone());
        let function = Function::new(&replay.config(), "callee".into());
        (function.invoke(&json!({"Task": "t"})).await, replay)
    }

    #[tokio::test]
    async fn the_input_is_sent_and_the_output_is_returned() {
        let (output, replay) = invoke(json!({"Status": "deleted"}).into()).await;
        assert_eq!(output.unwrap().unwrap(), json!({"Status": "deleted"}));
        let calls = replay.calls("POST /2015-03-31/functions/callee/invocations");
        assert_eq!(calls[0].json(), json!({"Task": "t"}));
    }

    #[tokio::test]
    async fn an_error_of_the_function_is_not_an_error_of_the_call() {
        for (body, error_type, error_message) in [
            (r#"{"errorType": "PreconditionFailed", "errorMessage": "m"}"#, "PreconditionFailed", "m"),
            // Lambda reports a function that it killed without a type.
            (r#"{"errorMessage": "Task timed out"}"#, "", "Task timed out"),
            ("", "", ""),
        ] {
            let error = invoke(Answer::FunctionError(body.into())).await.0.unwrap().unwrap_err();
            assert_eq!((error.error_type.as_str(), error.error_message.as_str()), (error_type, error_message));
        }
    }

    #[tokio::test]
    async fn a_failed_call_says_which_function_was_called() {
        for (status, code, kind) in [
            (429, "TooManyRequestsException", ErrorKind::ServiceUnavailable),
            (403, "AccessDeniedException", ErrorKind::InternalFailure),
        ] {
            let error = invoke(Answer::Error(status, code)).await.0.unwrap_err();
            assert_eq!(error.kind, kind);
            assert!(error.to_string().starts_with("the function callee can't be called"), "{error}");
        }
    }
}
