//! Failures switched on by tests: the next calls of an action are answered with an error of the test's choice.

use serde::Deserialize;

use super::error::ApiError;

/// One switch, the JSON body of `POST /_control/faults`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// The action, `RestoreDBClusterToPointInTime`.
    action: String,
    /// How many calls fail.
    #[serde(default = "once")]
    times: u32,
    /// The error code, `Throttling`.
    code: String,
    /// The HTTP status.
    #[serde(default = "bad_request")]
    status: u16,
    /// The message.
    #[serde(default)]
    message: String,
}

fn once() -> u32 {
    1
}

fn bad_request() -> u16 {
    400
}

/// The switches that are on.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Switches a fault on, after those already on for the same action.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Switches all faults off.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The error this call of `action` must be answered with.
    pub(crate) fn take(&mut self, action: &str) -> Option<ApiError> {
        let at = self.0.iter().position(|fault| fault.action == action && fault.times > 0)?;
        let fault = &mut self.0[at];
        fault.times -= 1;
        let error = ApiError { status: fault.status, ..ApiError::new(&fault.code, fault.message.clone()) };
        self.0.retain(|fault| fault.times > 0);
        Some(error)
    }
}
