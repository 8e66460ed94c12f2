//! Deployed functions that fail once.

use std::fs;
use std::path::PathBuf;

use local_stack::Layout;
use serde_json::json;

use super::{Env, function};

/// How a function fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// The first invocation fails with an error name that nothing knows.
    Throw,
    /// The first invocation fails as if the clone had refused the login.
    Refuse,
    /// The process is killed as soon as it has uploaded a part.
    Kill,
}

/// A deployed function that fails once. Dropping this deploys the original function again.
pub(crate) struct Fault {
    env: &'static Env,
    function: &'static str,
    marker: PathBuf,
}

impl Fault {
    /// Deploys a copy of the function that has the fault.
    pub(crate) fn inject(env: &'static Env, name: &'static str, kind: Kind) -> Self {
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

    /// Returns whether the function has failed.
    pub(crate) fn happened(&self) -> bool {
        fs::read_to_string(&self.marker).is_ok_and(|content| !content.is_empty())
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

/// Returns the archive that the stack deployed at its start.
fn deployed(layout: &Layout, function: &str) -> PathBuf {
    layout.state_dir.join("stack/target/lambda").join(format!("{function}.zip"))
}
