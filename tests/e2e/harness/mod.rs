//! What the tests stand on: a stack of their own, the ways into it, clusters, exports and faults.
//!
//! The stack is started by the first test that needs it and ends with this process, however that ends. Tests share it and
//! run side by side, so each has its own clusters, tasks and queues.

pub mod aws;
pub mod bench;
pub mod cluster;
pub mod events;
pub mod fault;
pub mod leftovers;
pub mod overrides;
pub mod task;
pub mod wire;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use local_stack::{Layout, Stack};
use serde_json::{Value, json};

use aws::Bridge;

/// Tasks the tests run at once: the account's limit is five, and one is for those that must be refused.
const TASKS_AT_ONCE: usize = 4;

/// A running stack with everything needed to use it.
pub struct Env {
    layout: Layout,
    variables: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    bridge: Mutex<Bridge>,
    running: Mutex<usize>,
    ended: Condvar,
    exclusive: Mutex<()>,
    // Held until this process ends: another run of the tests in this checkout waits for it.
    _owner: File,
}

/// The stack of all tests that leave it as it is.
pub fn shared() -> &'static Env {
    static ENV: OnceLock<Env> = OnceLock::new();
    // Small partitions, so that small tables have many.
    ENV.get_or_init(|| Env::start("e2e", 1))
}

/// The stack of the tests that put faulty functions in place; one of them at a time.
pub fn faulty() -> (&'static Env, MutexGuard<'static, ()>) {
    static ENV: OnceLock<Env> = OnceLock::new();
    // Partitions large enough for multipart uploads.
    let env = ENV.get_or_init(|| Env::start("e2e-faults", 64));
    (env, lock(&env.exclusive))
}

impl Env {
    fn start(name: &str, partition_mb: u32) -> Self {
        let layout = Layout::private(&Layout::here().checkout, name);
        fs::create_dir_all(&layout.state_dir).unwrap();
        let owner = File::create(layout.state_dir.join("owner")).unwrap();
        owner.lock().unwrap();
        // One that an interrupted run left, whatever was deployed to it since.
        Stack::down(&layout).unwrap();
        let stack = Stack::up_for_this_process(&layout, &|what| eprintln!("{name}: {what}"))
            .unwrap_or_else(|e| panic!("{}", e.full()));
        let variables = stack.env(&layout);
        let bridge = Bridge::start(&layout, &variables);
        let env = Self {
            variables,
            outputs: stack.outputs().clone(),
            bridge: Mutex::new(bridge),
            running: Mutex::new(0),
            ended: Condvar::new(),
            exclusive: Mutex::new(()),
            _owner: owner,
            layout,
        };
        env.set_variables(&function("plan-export"), &json!({"TARGET_PARTITION_MB": partition_mb.to_string()}));
        env
    }

    /// Gives variables of a function's environment other values; the environment as it was.
    fn set_variables(&self, function: &str, values: &Value) -> Value {
        let known = self.aws("lambda", "get_function_configuration", json!({"FunctionName": function}));
        let before = known["Environment"]["Variables"].clone();
        let mut after = before.clone();
        after.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        self.replace_variables(function, &after);
        before
    }

    fn replace_variables(&self, function: &str, variables: &Value) {
        let environment = json!({"FunctionName": function, "Environment": {"Variables": variables}});
        self.aws("lambda", "update_function_configuration", environment);
    }

    /// A variable of the environment file.
    pub fn var(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("the environment has no {name}"))
    }

    /// An output of the deployed template.
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("the template has no output {name}"))
    }

    /// The clusters' data directory.
    pub fn data_dir(&self) -> &std::path::Path {
        &self.layout.data_dir
    }

    /// A path for files of a test. Goes with the stack.
    pub fn scratch(&self, name: &str) -> PathBuf {
        let path = self.layout.state_dir.join("tmp").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// The command line, for the stack.
    pub fn aurora_export(&self) -> Command {
        let mut command = Command::new(self.layout.binaries().join("aurora-export"));
        command.env_clear().envs(&self.variables);
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.variables).env("HOME", self.scratch("home")).stdin(Stdio::null());
        command
    }

    /// The AWS CLI, in a shell that only sourced the environment file; its output as JSON, or what it said on its error output.
    pub fn try_cli(&self, arguments: &[&str]) -> Result<Value, String> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", ". \"$0\" && exec aws \"$@\" --output json"]).arg(self.layout.env_file()).args(arguments);
        shell.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.scratch("home"));
        let done = shell.stdin(Stdio::null()).output().unwrap();
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        Ok(serde_json::from_slice(&done.stdout).unwrap_or(Value::Null))
    }

    /// As [`try_cli`](Self::try_cli), for calls that must succeed.
    pub fn cli(&self, arguments: &[&str]) -> Value {
        self.try_cli(arguments).unwrap_or_else(|error| panic!("aws {}: {error}", arguments.join(" ")))
    }

    /// A Python program beside the tests: what it printed, as JSON, or what it said on its error output.
    pub fn python(&self, script: &str, arguments: &[&str]) -> Result<Value, String> {
        let path = self.layout.checkout.join("tests/python").join(script);
        let done = self.command("python").arg(path).args(arguments).output().unwrap();
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        Ok(serde_json::from_slice(&done.stdout).unwrap_or(Value::Null))
    }

    /// Waits until another task may run.
    fn take_slot(&self) {
        let running = lock(&self.running);
        let mut running =
            self.ended.wait_while(running, |n| *n >= TASKS_AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        *running += 1;
    }

    fn give_slot(&self) {
        *lock(&self.running) -= 1;
        self.ended.notify_one();
    }
}

/// A function's name.
pub fn function(name: &str) -> String {
    format!("aurora-export-{name}")
}

/// A lock that a failed test does not keep.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Polls until there is an answer.
pub fn wait_for<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {} s", patience.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}
