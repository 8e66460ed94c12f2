//! The errors of the local stack.

use std::path::PathBuf;

use thiserror::Error;

/// A `Result` whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of starting, stopping or checking a stack.
#[derive(Debug, Error)]
pub enum Error {
    /// A program is missing and could not be installed.
    #[error("{program} is missing. Install it with: {install}")]
    Missing {
        /// The missing program.
        program: &'static str,
        /// The command that installs it.
        install: String,
    },
    /// A program ran and failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// The program, with its task if that matters.
        program: String,
        /// The end of its output.
        output: String,
    },
    /// A program did not start.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file or directory cannot be read, written or removed.
    #[error("cannot use {}", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A JSON document is invalid.
    #[error("{document} is not valid")]
    Document {
        /// The document.
        document: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The operating system refused a resource.
    #[error("the system refused {resource}")]
    System {
        /// The resource, such as a free port.
        resource: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A service did not become ready in time.
    #[error("{service} was not ready after {seconds} s; see {}", log.display())]
    NotReady {
        /// The service.
        service: &'static str,
        /// The timeout.
        seconds: u64,
        /// Its log file.
        log: PathBuf,
    },
    /// The process that runs the stack ended instead of becoming ready.
    #[error("the stack did not start: {reason}\nSee {}", log.display())]
    NotStarted {
        /// The end of its log.
        reason: String,
        /// The log file.
        log: PathBuf,
    },
    /// Processes of the stack still run after SIGKILL.
    #[error("cannot end the processes {0:?}")]
    StillRunning(Vec<u32>),
    /// The RDS control plane could not be started or stopped.
    #[error("the RDS control plane failed")]
    Rds(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Returns a function for `map_err` that adds the path to an I/O error.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// Returns the message, followed by the messages of all causes.
    #[must_use]
    pub fn full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }
}
