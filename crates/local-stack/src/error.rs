//! What can go wrong with a stack.

use std::path::PathBuf;

use thiserror::Error;

/// A `Result` whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a stack could not be started, stopped or checked.
#[derive(Debug, Error)]
pub enum Error {
    /// A program this machine lacks and that could not be installed.
    #[error("{what} is needed and was not found. Install it with: {install}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The command that installs it.
        install: String,
    },
    /// A program that ran and failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// The program and what it was to do.
        program: String,
        /// The end of what it printed.
        output: String,
    },
    /// A program that did not start.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file or directory that cannot be read, written or removed.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A document that is not what it should be.
    #[error("{what} is not what was expected")]
    Document {
        /// Which document.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No free port, no signal handler.
    #[error("the system refused {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something that did not become ready in time.
    #[error("{what} was not ready after {seconds} s; see {}", log.display())]
    NotReady {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
        /// Where it says more.
        log: PathBuf,
    },
    /// The process that runs the stack ended instead of becoming ready.
    #[error("the stack did not start: {reason}\nMore in {}", log.display())]
    NotStarted {
        /// The last it said.
        reason: String,
        /// Where it says more.
        log: PathBuf,
    },
    /// Processes that survived being killed.
    #[error("processes that do not end: {0:?}")]
    Immortal(Vec<u32>),
    /// The RDS control plane did not start.
    #[error("the RDS control plane did not start")]
    Rds(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// For `map_err` on a file operation.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// The message with those of its causes.
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
