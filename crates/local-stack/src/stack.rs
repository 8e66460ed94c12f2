//! Starts, finds and stops a stack.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::mem;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::venv::lock;
use crate::{deploy, ministack, prerequisites, process, rds, venv};

/// The maximum time to start a stack after everything is installed and built.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// The time for the supervisor to stop after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// When a stack ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// When it is stopped explicitly.
    Explicit,
    /// When the process that started it ends.
    WithThisProcess,
}

/// A running stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stack {
    /// The process id of the supervisor, which hosts the stack.
    pub(crate) supervisor: u32,
    /// The port of the local cloud.
    pub(crate) port: u16,
    /// Identifies the deployed files.
    pub(crate) fingerprint: String,
    /// The environment variables of clients, without the search path.
    pub(crate) variables: BTreeMap<String, String>,
    /// Outputs of `infra/template.yaml`.
    pub(crate) outputs: BTreeMap<String, String>,
}

impl Stack {
    /// Returns the running stack of a layout, or starts one. A stack whose binaries or templates
    /// are out of date is replaced by a new, empty one.
    ///
    /// # Errors
    ///
    /// Returns an error if a missing program cannot be installed, the build fails, or the stack
    /// does not start.
    pub fn up(layout: &Layout, progress: &dyn Fn(&str)) -> Result<Self> {
        Self::up_until(layout, End::Explicit, progress)
    }

    /// Does the same as [`up`](Self::up), but a stack that this starts ends with this process, even
    /// if the process is killed. Tests use it, because they have no place for a final cleanup.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`up`](Self::up).
    pub fn up_for_this_process(layout: &Layout, progress: &dyn Fn(&str)) -> Result<Self> {
        Self::up_until(layout, End::WithThisProcess, progress)
    }

    fn up_until(layout: &Layout, end: End, progress: &dyn Fn(&str)) -> Result<Self> {
        let _lock = lock(&layout.state_dir.join("lock"))?;
        // These checks come first, so that nobody learns about a missing program after ten minutes
        // of building.
        let python = prerequisites::python(progress)?;
        prerequisites::postgres(progress)?;
        deploy::build(layout, progress)?;
        let fingerprint = deploy::fingerprint(layout)?;
        if let Some(stack) = Self::running(layout).filter(|stack| stack.fingerprint == fingerprint) {
            return Ok(stack);
        }
        stop(layout)?;
        venv::ensure(layout, &python, progress)?;
        progress("starting the local stack");
        start(layout, end)
    }

    /// Returns the stack of a layout if it runs and answers.
    #[must_use]
    pub fn running(layout: &Layout) -> Option<Self> {
        let stack: Self = serde_json::from_slice(&fs::read(layout.state_file()).ok()?).ok()?;
        (process::stack_processes(layout).contains(&stack.supervisor) && ministack::healthy(stack.port))
            .then_some(stack)
    }

    /// Stops the stack of a layout, if there is one, and removes its data. No process, port or data
    /// directory remains, even after a crash of the stack.
    ///
    /// # Errors
    ///
    /// Returns an error if a process does not end or data cannot be removed.
    pub fn down(layout: &Layout) -> Result<()> {
        if !layout.state_dir.exists() {
            return stop(layout);
        }
        let _lock = lock(&layout.state_dir.join("lock"))?;
        stop(layout)
    }

    /// Returns the environment variables for clients of the stack. The search path finds the
    /// stack's own `aws` first.
    #[must_use]
    pub fn env(&self, layout: &Layout) -> BTreeMap<String, String> {
        let mut env = self.variables.clone();
        env.insert("PATH".to_owned(), prerequisites::path_with(&layout.venv().join("bin")));
        env
    }

    /// Returns the outputs of the deployed template: `StateMachineArn`, `TaskTableName`, …
    #[must_use]
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// Writes the environment file and then the state file. The existence of the state file means
    /// that the stack is ready.
    pub(crate) fn save(&self, layout: &Layout) -> Result<()> {
        let mut script = String::from("# Source this file to use the local stack.\n");
        // These would select another account.
        script.push_str("unset AWS_PROFILE AWS_SESSION_TOKEN\n");
        for (name, value) in &self.variables {
            script.push_str(&format!("export {name}='{}'\n", value.replace('\'', r"'\''")));
        }
        script.push_str(&format!("export PATH='{}':\"$PATH\"\n", layout.venv().join("bin").display()));
        fs::write(layout.env_file(), script).map_err(Error::file(layout.env_file()))?;
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| Error::Document { document: "the state of the stack", source })?;
        // The rename is atomic, so nobody reads an incomplete file.
        let (new, path) = (layout.state_file().with_extension("new"), layout.state_file());
        fs::write(&new, text).map_err(Error::file(&new))?;
        fs::rename(&new, &path).map_err(Error::file(&path))
    }
}

/// Starts the supervisor and waits until it has started everything.
fn start(layout: &Layout, end: End) -> Result<Stack> {
    let log = layout.log("supervisor");
    if let Some(directory) = log.parent() {
        fs::create_dir_all(directory).map_err(Error::file(directory))?;
    }
    let output = File::create(&log).map_err(Error::file(&log))?;
    let errors = output.try_clone().map_err(Error::file(&log))?;
    let program = layout.binaries().join("xtask");
    let mut command = Command::new(&program);
    command.arg("stack-server").args([&layout.checkout, &layout.state_dir, &layout.data_dir]);
    // In a separate process group it survives a Ctrl-C in the terminal and the end of the terminal.
    command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
    if end == End::WithThisProcess {
        command.arg("--ends-with-stdin").stdin(Stdio::piped());
    }
    process::mark(&mut command, layout);
    let mut child = command.spawn().map_err(|source| Error::Run { program: program.display().to_string(), source })?;
    let pid = child.id();
    // This end of the pipe stays open until the kernel closes it at the end of this process.
    mem::forget(child.stdin.take());
    // The thread reaps the child process when it ends.
    let ended = thread::spawn(move || child.wait());

    process::wait_until(START_TIMEOUT, || layout.state_file().exists() || ended.is_finished());
    if let Some(stack) = Stack::running(layout) {
        return Ok(stack);
    }
    let ended = ended.is_finished();
    process::terminate(pid, STOP_TIMEOUT);
    stop(layout)?;
    let output = fs::read_to_string(&log).unwrap_or_default();
    match ended {
        true => Err(Error::NotStarted { reason: process::tail(&output), log }),
        false => Err(Error::NotReady { service: "the local stack", seconds: START_TIMEOUT.as_secs(), log }),
    }
}

/// Stops all processes of a layout and removes its data except the logs.
fn stop(layout: &Layout) -> Result<()> {
    let known = fs::read(layout.state_file()).ok().and_then(|text| serde_json::from_slice::<Stack>(&text).ok());
    if let Some(stack) = known.filter(|stack| process::stack_processes(layout).contains(&stack.supervisor)) {
        process::terminate(stack.supervisor, STOP_TIMEOUT);
    }
    // After an orderly stop, the following steps find nothing to do.
    rds::sweep(&layout.data_dir).map_err(|error| Error::Rds(error.into()))?;
    process::sweep(layout)?;
    remove(layout)
}

/// Removes the files of a stack that has ended, except its logs.
pub(crate) fn remove(layout: &Layout) -> Result<()> {
    for directory in [&layout.data_dir, &layout.state_dir.join("tmp"), &layout.state_dir.join("stack")] {
        ignore_missing(directory, fs::remove_dir_all(directory))?;
    }
    for file in [layout.env_file(), layout.state_file()] {
        ignore_missing(&file, fs::remove_file(&file))?;
    }
    Ok(())
}

/// Treats a file that does not exist as removed.
fn ignore_missing(path: &Path, removed: std::io::Result<()>) -> Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file(path)(error)),
        _ => Ok(()),
    }
}
