//! The directories and files of a stack.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// The directories of one stack. Stacks with different layouts can run at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The checkout of this project, with templates, definitions and lint.
    pub checkout: PathBuf,
    /// The directory for the stack's state: environment file, logs, deployed copy.
    pub state_dir: PathBuf,
    /// The directory for the data of the database servers. It is outside the checkout, because the
    /// servers may run as a user who cannot read the checkout.
    pub data_dir: PathBuf,
}

impl Layout {
    /// Returns the layout of the stack that `cargo xtask up` starts, for the checkout that this
    /// program was built from.
    #[must_use]
    pub fn here() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::from_checkout(manifest.ancestors().nth(2).unwrap_or(manifest))
    }

    /// Returns the layout of the stack that `cargo xtask up` starts for a checkout.
    #[must_use]
    pub fn from_checkout(checkout: &Path) -> Self {
        Self {
            checkout: checkout.to_owned(),
            state_dir: checkout.join("target/local"),
            data_dir: PathBuf::from(format!("/var/tmp/aurora-export-{}", short_hash(checkout))),
        }
    }

    /// Returns the layout of a separate stack, for a test. It shares only the checkout and the
    /// Python environment.
    #[must_use]
    pub fn private(checkout: &Path, name: &str) -> Self {
        Self {
            checkout: checkout.to_owned(),
            state_dir: checkout.join("target/local/stacks").join(name),
            data_dir: PathBuf::from(format!("/var/tmp/aurora-export-{}-{name}", short_hash(checkout))),
        }
    }

    /// Returns the Python environment, which all stacks of the checkout share.
    #[must_use]
    pub fn venv(&self) -> PathBuf {
        self.checkout.join("target/local/venv")
    }

    /// Returns the directory of the built functions and `xtask`. It is the directory of the running
    /// program or, for a test, its parent.
    #[must_use]
    pub fn binaries(&self) -> PathBuf {
        let running = std::env::current_exe().ok();
        match running.as_deref().and_then(Path::parent) {
            Some(deps) if deps.file_name() == Some(OsStr::new("deps")) => deps.parent().unwrap_or(deps).to_owned(),
            Some(directory) => directory.to_owned(),
            None => self.checkout.join("target/debug"),
        }
    }

    /// Returns the shell file with the environment variables for clients of the stack.
    #[must_use]
    pub fn env_file(&self) -> PathBuf {
        self.state_dir.join("env")
    }

    /// Returns the file that describes the running stack.
    pub(crate) fn state_file(&self) -> PathBuf {
        self.state_dir.join("stack.json")
    }

    /// Returns the log file of a process.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.state_dir.join("logs").join(format!("{name}.log"))
    }
}

/// Returns eight hexadecimal digits that identify a long name, such as the path of a checkout.
pub(crate) fn short_hash(name: impl AsRef<OsStr>) -> String {
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_ref().as_encoded_bytes());
    hash.simple().to_string()[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_of_a_checkout_share_only_the_python_environment() {
        let checkout = Path::new("/home/someone/project");
        let (main, private) = (Layout::from_checkout(checkout), Layout::private(checkout, "faults"));
        assert_eq!(main.venv(), private.venv());
        assert_ne!(main.state_dir, private.state_dir);
        assert_ne!(main.data_dir, private.data_dir);
        assert!(!main.data_dir.starts_with(checkout));
    }

    #[test]
    fn a_test_finds_the_binaries_in_the_parent_of_its_directory() {
        assert!(!Layout::here().binaries().ends_with("deps"));
    }
}
