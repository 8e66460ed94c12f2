//! Functions with another environment, or less time.

use serde_json::{Value, json};

use super::{Env, function};

/// Other values of a function's variables, until this is dropped.
pub struct Setting {
    env: &'static Env,
    function: String,
    before: Value,
}

impl Setting {
    /// Puts the values in place.
    pub fn of(env: &'static Env, name: &str, values: &Value) -> Self {
        let function = function(name);
        let before = env.set_variables(&function, values);
        Self { env, function, before }
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        self.env.replace_variables(&self.function, &self.before);
    }
}

/// Another time a function's invocations may take, until this is dropped.
pub struct Timeout {
    env: &'static Env,
    function: String,
    before: Value,
}

impl Timeout {
    /// Seconds.
    pub fn of(env: &'static Env, name: &str, seconds: u64) -> Self {
        let function = function(name);
        let known = env.aws("lambda", "get_function_configuration", json!({"FunctionName": function}));
        let timeout = Self { env, function, before: known["Timeout"].clone() };
        timeout.set(&json!(seconds));
        timeout
    }

    fn set(&self, seconds: &Value) {
        let change = json!({"FunctionName": self.function, "Timeout": seconds});
        self.env.aws("lambda", "update_function_configuration", change);
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        self.set(&self.before);
    }
}
