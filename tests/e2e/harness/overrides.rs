//! Temporary changes to the configuration of a deployed function.

use serde_json::{Value, json};

use super::{Env, function};

/// Changed environment variables of a function. Dropping this restores the old ones.
pub(crate) struct VariableOverride {
    env: &'static Env,
    function: String,
    before: Value,
}

impl VariableOverride {
    pub(crate) fn apply(env: &'static Env, name: &str, values: &Value) -> Self {
        let function = function(name);
        let before = env.set_variables(&function, values);
        Self { env, function, before }
    }
}

impl Drop for VariableOverride {
    fn drop(&mut self) {
        self.env.replace_variables(&self.function, &self.before);
    }
}

/// A changed timeout of a function. Dropping this restores the old one.
pub(crate) struct TimeoutOverride {
    env: &'static Env,
    function: String,
    before: Value,
}

impl TimeoutOverride {
    pub(crate) fn apply(env: &'static Env, name: &str, seconds: u64) -> Self {
        let function = function(name);
        let configuration = env.aws("lambda", "get_function_configuration", json!({"FunctionName": function}));
        let timeout = Self { env, function, before: configuration["Timeout"].clone() };
        timeout.set(&json!(seconds));
        timeout
    }

    fn set(&self, seconds: &Value) {
        let change = json!({"FunctionName": self.function, "Timeout": seconds});
        self.env.aws("lambda", "update_function_configuration", change);
    }
}

impl Drop for TimeoutOverride {
    fn drop(&mut self) {
        self.set(&self.before);
    }
}
