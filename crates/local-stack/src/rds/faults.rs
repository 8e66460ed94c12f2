//! Faults that tests inject: the next calls of an action return an error of the test's choice.

use serde::Deserialize;

use super::error::ApiError;

/// One fault. It is the JSON body of `POST /_control/faults`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// The action, for example `RestoreDBClusterToPointInTime`.
    action: String,
    /// The number of calls that fail.
    #[serde(default = "once")]
    times: u32,
    /// The error code, for example `Throttling`.
    code: String,
    #[serde(default = "bad_request")]
    status: u16,
    #[serde(default)]
    message: String,
}

fn once() -> u32 {
    1
}

fn bad_request() -> u16 {
    400
}

/// The active faults.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault. It takes effect after the earlier faults of the same action.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Removes all faults.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the error for this call of `action`, if it must fail, and counts the call.
    pub(crate) fn take(&mut self, action: &str) -> Option<ApiError> {
        let at = self.0.iter().position(|fault| fault.action == action && fault.times > 0)?;
        let fault = &mut self.0[at];
        fault.times -= 1;
        let error = ApiError { status: fault.status, ..ApiError::new(&fault.code, fault.message.clone()) };
        self.0.retain(|fault| fault.times > 0);
        Some(error)
    }
}
