//! Where a stack keeps what.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// The directories of one stack. Stacks with different layouts run side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The project: templates, definitions, lint.
    pub checkout: PathBuf,
    /// State of the stack: environment file, logs, deployed copy.
    pub state_dir: PathBuf,
    /// Data of the database servers. Not inside the checkout, because those run as a user who may not see it.
    pub data_dir: PathBuf,
}

impl Layout {
    /// The checkout this was built from, and the stack that `cargo xtask up` starts.
    #[must_use]
    pub fn here() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::of(manifest.ancestors().nth(2).unwrap_or(manifest))
    }

    /// The stack that `cargo xtask up` starts for a checkout.
    #[must_use]
    pub fn of(checkout: &Path) -> Self {
        Self {
            checkout: checkout.to_owned(),
            state_dir: checkout.join("target/local"),
            data_dir: PathBuf::from(format!("/var/tmp/aurora-export-{}", short_hash(checkout))),
        }
    }

    /// A stack beside it, for a test: same checkout, nothing else in common.
    #[must_use]
    pub fn private(checkout: &Path, name: &str) -> Self {
        Self {
            checkout: checkout.to_owned(),
            state_dir: checkout.join("target/local/stacks").join(name),
            data_dir: PathBuf::from(format!("/var/tmp/aurora-export-{}-{name}", short_hash(checkout))),
        }
    }

    /// The Python environment. One for all stacks of the checkout.
    #[must_use]
    pub fn venv(&self) -> PathBuf {
        self.checkout.join("target/local/venv")
    }

    /// Where the built functions and `xtask` are: beside the running program, or above it when that is a test.
    #[must_use]
    pub fn binaries(&self) -> PathBuf {
        let running = std::env::current_exe().ok();
        let beside = running.as_deref().and_then(Path::parent);
        match beside {
            Some(deps) if deps.file_name() == Some(OsStr::new("deps")) => deps.parent().unwrap_or(deps).to_owned(),
            Some(directory) => directory.to_owned(),
            None => self.checkout.join("target/debug"),
        }
    }

    /// The shell file that lets `aws` and others talk to the stack.
    #[must_use]
    pub fn env_file(&self) -> PathBuf {
        self.state_dir.join("env")
    }

    /// What is known about the running stack.
    pub(crate) fn state_file(&self) -> PathBuf {
        self.state_dir.join("stack.json")
    }

    /// Where the processes write what they have to say.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.state_dir.join("logs").join(format!("{name}.log"))
    }
}

/// Eight digits that tell checkouts, and other things with long names, apart.
pub(crate) fn short_hash(name: impl AsRef<OsStr>) -> String {
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_ref().as_encoded_bytes());
    hash.simple().to_string()[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_of_a_checkout_share_the_environment_and_nothing_else() {
        let checkout = Path::new("/home/someone/project");
        let (main, private) = (Layout::of(checkout), Layout::private(checkout, "faults"));
        assert_eq!(main.venv(), private.venv());
        assert_ne!(main.state_dir, private.state_dir);
        assert_ne!(main.data_dir, private.data_dir);
        assert!(!main.data_dir.starts_with(checkout));
    }

    #[test]
    fn a_test_finds_the_binaries_above_itself() {
        assert!(!Layout::here().binaries().ends_with("deps"));
    }
}
