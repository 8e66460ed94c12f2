//! Starting, finding and stopping a stack.

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

/// How long a stack may take to start once all it needs is installed and built.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it may take to stop by itself.
const GRACE: Duration = Duration::from_secs(20);

/// When a stack ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// When it is told to.
    Told,
    /// With the process that started it.
    WithThisProcess,
}

/// A running stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stack {
    /// The process everything else belongs to.
    pub(crate) supervisor: u32,
    /// The port of the local cloud.
    pub(crate) port: u16,
    /// What was deployed.
    pub(crate) fingerprint: String,
    /// What clients need, without the search path.
    pub(crate) variables: BTreeMap<String, String>,
    /// Outputs of `infra/template.yaml`.
    pub(crate) outputs: BTreeMap<String, String>,
}

impl Stack {
    /// The running stack of a layout, started if there is none. One that runs what is no longer built or written is started anew, and forgets
    /// everything.
    ///
    /// # Errors
    ///
    /// When something is missing that cannot be installed, does not compile, or does not start.
    pub fn up(layout: &Layout, progress: &dyn Fn(&str)) -> Result<Self> {
        Self::up_until(layout, End::Told, progress)
    }

    /// As [`up`](Self::up), but a stack this starts ends with this process, however that ends: what a test needs, which has no last word.
    ///
    /// # Errors
    ///
    /// As [`up`](Self::up).
    pub fn up_for_this_process(layout: &Layout, progress: &dyn Fn(&str)) -> Result<Self> {
        Self::up_until(layout, End::WithThisProcess, progress)
    }

    fn up_until(layout: &Layout, end: End, progress: &dyn Fn(&str)) -> Result<Self> {
        let _lock = lock(&layout.state_dir.join("lock"))?;
        // First, so that nobody who has to install something hears of it after ten minutes of building.
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

    /// The stack of a layout if it runs and answers.
    #[must_use]
    pub fn running(layout: &Layout) -> Option<Self> {
        let stack: Self = serde_json::from_slice(&fs::read(layout.state_file()).ok()?).ok()?;
        (process::of_stack(layout).contains(&stack.supervisor) && ministack::healthy(stack.port)).then_some(stack)
    }

    /// Stops the stack of a layout, if any, and removes its data. No process, port or data directory remains, however the stack came to its end.
    ///
    /// # Errors
    ///
    /// When a process does not end, or data cannot be removed.
    pub fn down(layout: &Layout) -> Result<()> {
        if !layout.state_dir.exists() {
            return stop(layout);
        }
        let _lock = lock(&layout.state_dir.join("lock"))?;
        stop(layout)
    }

    /// The environment of programs that talk to the stack; the search path finds `aws` first.
    #[must_use]
    pub fn env(&self, layout: &Layout) -> BTreeMap<String, String> {
        let mut env = self.variables.clone();
        env.insert("PATH".to_owned(), prerequisites::path_with(&layout.venv().join("bin")));
        env
    }

    /// Outputs of the deployed template: `StateMachineArn`, `TaskTableName`, …
    #[must_use]
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// Writes what the supervisor has started: the environment file, then the state file, whose presence says that all is ready.
    pub(crate) fn save(&self, layout: &Layout) -> Result<()> {
        let mut script = String::from("# Source this to talk to the local stack.\n");
        // They would speak of another account.
        script.push_str("unset AWS_PROFILE AWS_SESSION_TOKEN\n");
        for (name, value) in &self.variables {
            script.push_str(&format!("export {name}='{}'\n", value.replace('\'', r"'\''")));
        }
        script.push_str(&format!("export PATH='{}':\"$PATH\"\n", layout.venv().join("bin").display()));
        fs::write(layout.env_file(), script).map_err(Error::file(layout.env_file()))?;
        let text =
            serde_json::to_vec_pretty(self).map_err(|source| Error::Document { what: "the stack's state", source })?;
        // Renamed into place, so that nobody reads half of it.
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
    // Its own group, so that it outlives the terminal and a Ctrl-C there.
    command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
    if end == End::WithThisProcess {
        command.arg("--ends-with-stdin").stdin(Stdio::piped());
    }
    process::mark(&mut command, layout);
    let mut child = command.spawn().map_err(|source| Error::Run { program: program.display().to_string(), source })?;
    let pid = child.id();
    // Kept open by nobody but the kernel, which closes it when this process ends.
    mem::forget(child.stdin.take());
    // Somebody must take note of its end while this process lives.
    let ended = thread::spawn(move || child.wait());

    process::wait_until(PATIENCE, || layout.state_file().exists() || ended.is_finished());
    if let Some(stack) = Stack::running(layout) {
        return Ok(stack);
    }
    let ended = ended.is_finished();
    process::terminate(pid, GRACE);
    stop(layout)?;
    let said = fs::read_to_string(&log).unwrap_or_default();
    match ended {
        true => Err(Error::NotStarted { reason: process::tail(&said), log }),
        false => Err(Error::NotReady { what: "the local stack", seconds: PATIENCE.as_secs(), log }),
    }
}

/// Stops everything of a layout and removes its data; logs stay.
fn stop(layout: &Layout) -> Result<()> {
    let known = fs::read(layout.state_file()).ok().and_then(|text| serde_json::from_slice::<Stack>(&text).ok());
    if let Some(stack) = known.filter(|stack| process::of_stack(layout).contains(&stack.supervisor)) {
        process::terminate(stack.supervisor, GRACE);
    }
    // What follows finds nothing to do after an orderly end.
    rds::sweep(&layout.data_dir).map_err(|error| Error::Rds(error.into()))?;
    process::sweep(layout)?;
    remove(layout)
}

/// Removes everything of a stack that has ended but its logs.
pub(crate) fn remove(layout: &Layout) -> Result<()> {
    for directory in [&layout.data_dir, &layout.state_dir.join("tmp"), &layout.state_dir.join("stack")] {
        gone(directory, fs::remove_dir_all(directory))?;
    }
    for file in [layout.env_file(), layout.state_file()] {
        gone(&file, fs::remove_file(&file))?;
    }
    Ok(())
}

/// Removing what was not there is fine.
fn gone(path: &Path, removed: std::io::Result<()>) -> Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file(path)(error)),
        _ => Ok(()),
    }
}
