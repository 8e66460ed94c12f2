//! Database servers on this machine: what every engine needs to run one. Each engine has a module with a type for the
//! installed programs, which can make, copy and change a server at a place; `server` is one of any engine.

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

/// Why a database server can't be run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The programs of the engine are not installed.
    #[error("no server for {0} on this machine; `cargo xtask servers` fetches what is missing")]
    NotInstalled(&'static str),
    /// There is no such version of the engine.
    #[error("Cannot find version {version} for {engine}: this machine has {found}; `cargo xtask servers` fetches more")]
    NoVersion {
        /// The engine.
        engine: &'static str,
        /// What was asked for.
        version: String,
        /// What there is.
        found: String,
    },
    /// Servers refuse to run as root and their own user is missing.
    #[error("database servers refuse to run as root and there is no user {0:?} to run them as")]
    NoUser(&'static str),
    /// The data directory is too deep for the server's socket.
    #[error("{0} is too long for a socket path; choose a shorter data directory")]
    PathTooLong(PathBuf),
    /// A file can't be used.
    #[error("cannot use {path}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program of the engine failed.
    #[error("{program} failed: {output}")]
    Program {
        /// The program.
        program: String,
        /// What it wrote to its standard error, or why it could not be started.
        output: String,
    },
    /// The server's certificate can't be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Every port of the range is taken.
    #[error("no free port for a database server")]
    NoPort,
}

/// The operating system's user that servers run as: the current one, or another when that is root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunAs(Option<(&'static str, u32, u32)>);

impl RunAs {
    /// The current user, or the one that PostgreSQL's package makes.
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

    /// Starts a program as this user that goes on when this process ends.
    pub(crate) fn start(self, program: &Path, args: &[&str]) -> Result<Child, EngineError> {
        let mut command = Command::new(program);
        // Its own group, so that a terminal's Ctrl-C does not reach it.
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

    /// Runs a program to its end as this user, with `input` on its standard input, and gives back what it printed.
    pub(crate) async fn run(
        self,
        program: &Path,
        args: &[impl AsRef<OsStr>],
        input: &str,
    ) -> Result<String, EngineError> {
        let failed = |output: String| EngineError::Program { program: program.display().to_string(), output };
        let mut child = self.command(program, args).spawn().map_err(|error| failed(error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends without reading says why on its standard error.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A program to be run as this user, with its input and its outputs as pipes.
    pub(crate) fn command(self, program: &Path, args: &[impl AsRef<OsStr>]) -> tokio::process::Command {
        let mut command = match self.0 {
            None => Command::new(program),
            Some((name, ..)) => {
                let mut command = Command::new("runuser");
                command.args(["-u", name, "--"]).arg(program);
                command
            }
        };
        // A bare environment: a `PGPORT` of the person's own must not reach the program. The current directory may be
        // closed to that user.
        command.args(args).env_clear().env("LC_ALL", "C").current_dir("/");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.into()
    }

    /// Makes a directory only this user can enter.
    pub(crate) fn private_dir(self, dir: &Path) -> Result<(), EngineError> {
        fs::DirBuilder::new().mode(0o700).create(dir).and_then(|()| self.own(dir)).map_err(file(dir))
    }

    /// Writes a file only this user can read.
    pub(crate) fn private_file(self, path: &Path, text: &str) -> Result<(), EngineError> {
        super::tls::write_private(path, text).and_then(|()| self.own(path)).map_err(file(path))
    }

    /// Gives a file to this user.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        match self.0 {
            None => Ok(()),
            Some((_, uid, gid)) => chown(path, Some(uid), Some(gid)),
        }
    }
}

/// One number that `id` prints.
fn id(args: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(args).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A port nobody listens on, other than those in `taken`. The range lies below the ports the system hands to outgoing
/// connections, so that none of those is in the way when the server starts a moment later.
pub(crate) fn free_port(taken: &[u16]) -> Result<u16, EngineError> {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    // Stacks of several checkouts start their search at different places.
    let start = (uuid::Uuid::new_v4().as_u128() % u128::from(COUNT)) as u16;
    (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|port| !taken.contains(port) && std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or(EngineError::NoPort)
}

/// Stops the server of a cluster directory at once, whoever started it.
pub(crate) fn stop(dir: &Path) {
    // PostgreSQL gives its shared memory back when it is told to end. MySQL has nothing to give back but time.
    stop_by(&postgres::pid_file(dir), &["-QUIT", "-KILL"]);
    stop_by(&mysql::pid_file(dir), &["-KILL"]);
}

fn stop_by(pid_file: &Path, signals: &[&str]) {
    let pid = fs::read_to_string(pid_file).ok().and_then(|text| text.lines().next()?.trim().parse::<u32>().ok());
    let Some(pid) = pid else { return };
    for signal in signals {
        let start = Instant::now();
        // The number may belong to another process by now; a server's current directory is its data directory.
        while runs_in(pid, pid_file.parent()) && start.elapsed() < Duration::from_secs(5) {
            // A process that has just ended is what the caller wants.
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

/// Whether a process has this current directory.
fn runs_in(pid: u32, dir: Option<&Path>) -> bool {
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).ok();
    cwd.is_some() && cwd == dir.and_then(|dir| dir.canonicalize().ok())
}

/// What a new server starts with.
pub(crate) struct Master<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
    /// A database to create, owned by the master user.
    pub(crate) database: Option<&'a str>,
}

/// The first number of a version.
fn major(version: &str) -> Option<u32> {
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// None of the versions that were found is the one asked for.
fn no_version(engine: &'static str, version: Option<&str>, found: &[String]) -> EngineError {
    match version {
        Some(version) if !found.is_empty() => {
            EngineError::NoVersion { engine, version: version.to_owned(), found: found.join(", ") }
        }
        _ => EngineError::NotInstalled(engine),
    }
}

/// Names the file an error is about.
pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> EngineError {
    let path = path.to_owned();
    |source| EngineError::File { path, source }
}
