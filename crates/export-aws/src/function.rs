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
    pub fn new(lambda: Client, name: String) -> Self {
        Self { lambda, name }
    }

    /// Returns the function whose name is in the environment variable `variable`.
    ///
    /// # Errors
    /// `InternalFailure` naming the variable if it is not set.
    pub fn from_env(aws: &SdkConfig, variable: &'static str) -> Result<Self, StepError> {
        Ok(Self::new(Client::new(aws), config::required(variable)?))
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
