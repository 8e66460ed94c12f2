//! Runs database servers on this machine. This module has what all engines share. Each engine has a
//! module with an `Installation`, the programs that create, copy and change a server. `server` has
//! a server of any engine.

mod mysql;
mod postgres;
mod server;

use std::ffi::OsStr;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use tokio::io::AsyncWriteExt;
use tokio::process::Child;

pub(crate) use server::{Place, Programs, Server, default_parameter_group, license};

use super::tls::TlsError;

/// An error of running a database server.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The programs of the engine are not installed.
    #[error("this machine has no server for {0}; `cargo xtask servers` downloads it")]
    NotInstalled(&'static str),
    /// The requested version of the engine is not available.
    #[error(
        "Cannot find version {version} for {engine}: this machine has {found}; `cargo xtask servers` downloads more"
    )]
    NoVersion {
        /// The engine.
        engine: &'static str,
        /// The requested version.
        version: String,
        /// The available versions.
        found: String,
    },
    /// Servers refuse to run as root, and the user for them does not exist.
    #[error("database servers refuse to run as root, and the user {0:?} does not exist")]
    NoUser(&'static str),
    /// The path of the data directory is too long for a socket in it.
    #[error("{0} is too long for a socket path; choose a shorter data directory")]
    PathTooLong(PathBuf),
    /// A file cannot be used.
    #[error("cannot use {path}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A program of the engine failed.
    #[error("{program} failed: {output}")]
    Program {
        /// The program.
        program: String,
        /// Its standard error, or the reason why it did not start.
        output: String,
    },
    /// The certificate of the server cannot be created.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Every port of the range is in use.
    #[error("no free port for a database server")]
    NoPort,
}

/// The system user that servers run as. `None` is the current user. Root uses another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunAs(Option<(&'static str, u32, u32)>);

impl RunAs {
    /// Returns the current user or, for root, the user that the PostgreSQL package creates.
    pub(crate) fn find() -> Result<Self, EngineError> {
        let name = "postgres";
        if id(&["-u"]) != Some(0) {
            return Ok(Self(None));
        }
        match (id(&["-u", name]), id(&["-g", name])) {
            (Some(uid), Some(gid)) => Ok(Self(Some((name, uid, gid)))),
            _ => Err(EngineError::NoUser(name)),
        }
    }

    /// Starts a program as this user. The program continues after the end of this process.
    pub(crate) fn start(self, program: &Path, args: &[&str]) -> Result<Child, EngineError> {
        let mut command = Command::new(program);
        // A separate process group keeps a Ctrl-C in the terminal away from the program.
        command.args(args).env_clear().env("LC_ALL", "C").current_dir("/").process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((_, uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        let failed = |error: io::Error| EngineError::Program {
            program: program.display().to_string(),
            output: error.to_string(),
        };
        tokio::process::Command::from(command).spawn().map_err(failed)
    }

    /// Runs a program as this user with `input` as its standard input. Returns its standard output.
    pub(crate) async fn run(
        self,
        program: &Path,
        args: &[impl AsRef<OsStr>],
        input: &str,
    ) -> Result<String, EngineError> {
        let failed = |output: String| EngineError::Program { program: program.display().to_string(), output };
        let mut child = self.command(program, args).spawn().map_err(|error| failed(error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // If the program ends without reading its input, its standard error has the reason.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns a command that runs a program as this user, with pipes for its standard streams.
    pub(crate) fn command(self, program: &Path, args: &[impl AsRef<OsStr>]) -> tokio::process::Command {
        let mut command = match self.0 {
            None => Command::new(program),
            Some((name, ..)) => {
                let mut command = Command::new("runuser");
                command.args(["-u", name, "--"]).arg(program);
                command
            }
        };
        // The environment is empty, because variables such as the user's `PGPORT` must not affect
        // the program. The other user may not have access to the current directory.
        command.args(args).env_clear().env("LC_ALL", "C").current_dir("/");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.into()
    }

    /// Creates a directory that only this user can enter.
    pub(crate) fn private_dir(self, dir: &Path) -> Result<(), EngineError> {
        fs::DirBuilder::new().mode(0o700).create(dir).and_then(|()| self.own(dir)).map_err(file(dir))
    }

    /// Writes a file that only this user can read.
    pub(crate) fn private_file(self, path: &Path, text: &str) -> Result<(), EngineError> {
        super::tls::write_private(path, text).and_then(|()| self.own(path)).map_err(file(path))
    }

    /// Makes this user the owner of a file.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        match self.0 {
            None => Ok(()),
            Some((_, uid, gid)) => chown(path, Some(uid), Some(gid)),
        }
    }
}

/// Returns a number that the `id` program prints.
fn id(args: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(args).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Returns a port that nobody listens on and that is not in `taken`. The range is below the ports
/// that the system uses for outgoing connections, so that such a connection does not take the port
/// before the server starts.
pub(crate) fn free_port(taken: &[u16]) -> Result<u16, EngineError> {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    // The search starts at a random port, so that stacks of several checkouts do not compete for
    // the same ports.
    let start = (uuid::Uuid::new_v4().as_u128() % u128::from(COUNT)) as u16;
    (0..COUNT)
        .map(|offset| FIRST + (start + offset) % COUNT)
        .find(|port| !taken.contains(port) && std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or(EngineError::NoPort)
}

/// Stops the server of a cluster directory immediately, even if another process has started it.
pub(crate) fn stop(dir: &Path) {
    // PostgreSQL releases its shared memory on SIGQUIT. MySQL has nothing to release, so it can be
    // killed.
    stop_by(&postgres::pid_file(dir), &["-QUIT", "-KILL"]);
    stop_by(&mysql::pid_file(dir), &["-KILL"]);
}

fn stop_by(pid_file: &Path, signals: &[&str]) {
    let pid = fs::read_to_string(pid_file).ok().and_then(|text| text.lines().next()?.trim().parse::<u32>().ok());
    let Some(pid) = pid else { return };
    for signal in signals {
        let start = Instant::now();
        // The system may have reused the process id. A server's current directory is its data
        // directory.
        while runs_in(pid, pid_file.parent()) && start.elapsed() < Duration::from_secs(5) {
            // An error means that the process has just ended, which is the goal.
            let _ = Command::new("kill").args([*signal, &pid.to_string()]).stderr(Stdio::null()).status();
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Stops the server of a cluster directory and removes the directory.
pub(crate) fn remove(dir: &Path) -> Result<(), EngineError> {
    stop(dir);
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(dir)(error)),
        _ => Ok(()),
    }
}

/// Returns whether a process has this current directory.
fn runs_in(pid: u32, dir: Option<&Path>) -> bool {
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).ok();
    cwd.is_some() && cwd == dir.and_then(|dir| dir.canonicalize().ok())
}

/// The master user and the database of a new server.
pub(crate) struct Master<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
    /// A database to create, owned by the master user.
    pub(crate) database: Option<&'a str>,
}

/// Returns the major version.
fn major(version: &str) -> Option<u32> {
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Returns the error for a version that is not among those found.
fn no_version(engine: &'static str, version: Option<&str>, found: &[String]) -> EngineError {
    match version {
        Some(version) if !found.is_empty() => {
            EngineError::NoVersion { engine, version: version.to_owned(), found: found.join(", ") }
        }
        _ => EngineError::NotInstalled(engine),
    }
}

/// Returns a function for `map_err` that adds the path to an I/O error.
pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> EngineError {
    let path = path.to_owned();
    |source| EngineError::File { path, source }
}
