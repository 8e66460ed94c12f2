//! Functions that fail once.

use std::fs;
use std::path::PathBuf;

use local_stack::Layout;
use serde_json::json;

use super::{Env, function};

/// How a function fails.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Answers its first invocation with an error of no known name.
    Throw,
    /// Answers its first invocation with the error of a login that the clone refuses.
    Refuse,
    /// Is killed as soon as it has uploaded a part.
    Kill,
}

/// A function that fails once, until this is dropped.
pub struct Fault {
    env: &'static Env,
    function: &'static str,
    marker: PathBuf,
}

impl Fault {
    /// Puts the fault in place.
    pub fn inject(env: &'static Env, name: &'static str, kind: Kind) -> Self {
        let fault = match kind {
            Kind::Throw => "throw",
            Kind::Refuse => "refuse",
            Kind::Kill => "kill",
        };
        let marker = env.scratch(&format!("{name}.{fault}"));
        let _ = fs::remove_file(&marker);
        let wrapped = Self { env, function: name, marker };
        let described = json!({"fault": fault, "marker": wrapped.marker}).to_string();
        let archive = env.scratch(&format!("{name}.zip"));
        let (archive, original) = (archive.to_str().unwrap(), deployed(&env.layout, name));
        env.python("pack.py", &[archive, original.to_str().unwrap(), &described]).unwrap();
        wrapped.deploy(archive.as_ref());
        wrapped
    }

    /// Whether it has happened.
    pub fn happened(&self) -> bool {
        fs::read_to_string(&self.marker).is_ok_and(|said| !said.is_empty())
    }

    fn deploy(&self, archive: &std::path::Path) {
        let code = json!({"FunctionName": function(self.function), "ZipFile": {"$file": archive}});
        self.env.aws("lambda", "update_function_code", code);
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        self.deploy(&deployed(&self.env.layout, self.function));
    }
}

/// What the stack itself deployed.
fn deployed(layout: &Layout, function: &str) -> PathBuf {
    layout.state_dir.join("stack/target/lambda").join(format!("{function}.zip"))
}
