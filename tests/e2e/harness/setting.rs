//! Functions with another environment.

use serde_json::Value;

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
