//! The test harness: the stack, clients for it, clusters, export tasks and faults.
//!
//! The first test that needs the stack starts it. It ends with this process, even when the process
//! is killed. Tests share the stack and run at the same time, so each test has its own clusters,
//! tasks and queues.

pub(crate) mod aws;
pub(crate) mod bench;
pub(crate) mod cluster;
pub(crate) mod events;
pub(crate) mod fault;
pub(crate) mod leftovers;
pub(crate) mod overrides;
pub(crate) mod task;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use local_stack::{Layout, Stack};
use serde_json::{Value, json};

use aws::Bridge;

/// The number of tasks that may run at the same time. The account's limit is five; one slot is
/// reserved for tasks that must be refused.
const CONCURRENT_TASKS: usize = 4;

/// A running stack and the means to use it.
pub(crate) struct Env {
    layout: Layout,
    variables: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    bridge: Mutex<Bridge>,
    running: Mutex<usize>,
    ended: Condvar,
    exclusive: Mutex<()>,
    // Locked until this process ends. Another run of the tests in this checkout waits for it.
    _owner: File,
}

/// Returns the stack that most tests share. They must not change its functions.
pub(crate) fn shared() -> &'static Env {
    static ENV: OnceLock<Env> = OnceLock::new();
    // Partitions are small, so that small tables have many of them.
    ENV.get_or_init(|| Env::start("e2e", 1))
}

/// Returns the stack of the tests that replace or reconfigure functions, and a lock: one such test
/// runs at a time.
pub(crate) fn faulty() -> (&'static Env, MutexGuard<'static, ()>) {
    static ENV: OnceLock<Env> = OnceLock::new();
    // Partitions are large enough for multipart uploads.
    let env = ENV.get_or_init(|| Env::start("e2e-faults", 64));
    (env, lock(&env.exclusive))
}

impl Env {
    fn start(name: &str, partition_mb: u32) -> Self {
        let layout = Layout::private(&Layout::here().checkout, name);
        fs::create_dir_all(&layout.state_dir).unwrap();
        let owner = File::create(layout.state_dir.join("owner")).unwrap();
        owner.lock().unwrap();
        // An interrupted run may have left its stack, with changed functions.
        Stack::down(&layout).unwrap();
        let stack = Stack::up_for_this_process(&layout, &|message| eprintln!("{name}: {message}"))
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

    /// Changes environment variables of a function. Returns the variables from before.
    fn set_variables(&self, function: &str, values: &Value) -> Value {
        let configuration = self.aws("lambda", "get_function_configuration", json!({"FunctionName": function}));
        let before = configuration["Environment"]["Variables"].clone();
        let mut after = before.clone();
        after.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        self.replace_variables(function, &after);
        before
    }

    fn replace_variables(&self, function: &str, variables: &Value) {
        let environment = json!({"FunctionName": function, "Environment": {"Variables": variables}});
        self.aws("lambda", "update_function_configuration", environment);
    }

    /// Returns a variable of the stack's environment file.
    pub(crate) fn var(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("the environment has no {name}"))
    }

    /// Returns an output of the deployed template.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("the template has no output {name}"))
    }

    /// Returns the directory with the clusters' data directories.
    pub(crate) fn data_dir(&self) -> &std::path::Path {
        &self.layout.data_dir
    }

    /// Returns a path for files of a test. It is removed with the stack.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        let path = self.layout.state_dir.join("tmp").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// Returns a command that runs `aurora-export` against the stack.
    pub(crate) fn aurora_export(&self) -> Command {
        let mut command = Command::new(self.layout.binaries().join("aurora-export"));
        command.env_clear().envs(&self.variables);
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.variables).env("HOME", self.scratch("home")).stdin(Stdio::null());
        command
    }

    /// Runs the AWS CLI in a shell that has sourced the environment file and has no other
    /// configuration. Returns the standard output as JSON, or the standard error if the command
    /// fails.
    pub(crate) fn try_cli(&self, arguments: &[&str]) -> Result<Value, String> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", ". \"$0\" && exec aws \"$@\" --output json"]).arg(self.layout.env_file()).args(arguments);
        shell.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.scratch("home"));
        let done = shell.stdin(Stdio::null()).output().unwrap();
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        Ok(serde_json::from_slice(&done.stdout).unwrap_or(Value::Null))
    }

    /// Calls [`try_cli`](Self::try_cli) and panics if the command fails.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Value {
        self.try_cli(arguments).unwrap_or_else(|error| panic!("aws {}: {error}", arguments.join(" ")))
    }

    /// Runs a Python program of `tests/python`. Returns the standard output as JSON, or the
    /// standard error if the program fails.
    pub(crate) fn python(&self, script: &str, arguments: &[&str]) -> Result<Value, String> {
        let path = self.layout.checkout.join("tests/python").join(script);
        let done = self.command("python").arg(path).args(arguments).output().unwrap();
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        Ok(serde_json::from_slice(&done.stdout).unwrap_or(Value::Null))
    }

    /// Waits until another task may start, and counts it.
    fn take_slot(&self) {
        let running = lock(&self.running);
        let mut running =
            self.ended.wait_while(running, |n| *n >= CONCURRENT_TASKS).unwrap_or_else(PoisonError::into_inner);
        *running += 1;
    }

    fn give_slot(&self) {
        *lock(&self.running) -= 1;
        self.ended.notify_one();
    }
}

/// Returns the deployed name of a function.
pub(crate) fn function(name: &str) -> String {
    format!("aurora-export-{name}")
}

/// Locks a mutex, also after a failed test has poisoned it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Polls until `poll` returns a value. Panics after `timeout`.
pub(crate) fn wait_for<T>(description: &str, timeout: Duration, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {} s for {description}", timeout.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}
