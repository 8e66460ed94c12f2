//! The programs that the machine must have: Python, the server programs of PostgreSQL, and Node.js
//! for two linters.
//!
//! Root on Debian and similar systems installs missing programs. For other users the error says
//! what to install.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::process::run;

/// The oldest version of PostgreSQL for local clusters: the first that scans `ctid` ranges.
const MIN_POSTGRES: u32 = 14;

/// Returns the Python interpreter.
///
/// # Errors
///
/// Returns an error if there is none and it cannot be installed.
pub fn python(progress: &dyn Fn(&str)) -> Result<PathBuf> {
    // Debian packages venv separately from the interpreter, so venv may be missing.
    let works = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))";
    let find = || on_path("python3").filter(|python| run(Command::new(python).args(["-c", works])).is_ok());
    found_or_installed("Python 3.9 or newer with venv", &["python3", "python3-venv"], find, progress)
}

/// Returns the directory of the server programs of PostgreSQL.
///
/// # Errors
///
/// Returns an error if there is none and it cannot be installed.
pub fn postgres(progress: &dyn Fn(&str)) -> Result<PathBuf> {
    let _no_cluster = find_postgres().is_none().then(NoDefaultCluster::configure);
    found_or_installed("PostgreSQL 14 or newer, server programs", &["postgresql"], find_postgres, progress)
}

/// Returns npm.
///
/// # Errors
///
/// Returns an error if there is none and it cannot be installed.
pub fn npm(progress: &dyn Fn(&str)) -> Result<PathBuf> {
    let find = || on_path("node").and_then(|_| on_path("npm"));
    found_or_installed("Node.js with npm", &["nodejs", "npm"], find, progress)
}

/// Returns the keyring with which Debian signs its suites.
pub(crate) fn debian_keyring() -> Result<PathBuf> {
    let find = || Some(PathBuf::from("/usr/share/keyrings/debian-archive-keyring.gpg")).filter(|keys| keys.is_file());
    found_or_installed("the keyring of the Debian archive", &["debian-archive-keyring"], find, &|_| ())
}

/// Finds a program on the search path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|candidate| candidate.is_file())
}

/// Finds the newest server programs of PostgreSQL, in the directories of Debian's packages and on
/// the search path.
fn find_postgres() -> Option<PathBuf> {
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let packaged = packaged.map(|version| version.path().join("bin"));
    let other = on_path("postgres").and_then(|program| program.canonicalize().ok()?.parent().map(Path::to_owned));
    let complete =
        |bin: &PathBuf| ["postgres", "initdb", "pg_basebackup"].iter().all(|program| bin.join(program).is_file());
    let versioned = packaged.chain(other).filter(complete).filter_map(|bin| Some((version(&bin)?, bin)));
    versioned.filter(|(version, _)| *version >= MIN_POSTGRES).max().map(|(_, bin)| bin)
}

/// Returns the major version: 15 for `postgres (PostgreSQL) 15.8 (Debian …)`.
fn version(bin: &Path) -> Option<u32> {
    let text = run(Command::new(bin.join("postgres")).arg("--version")).ok()?;
    text.split_whitespace().nth(2)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Returns the result of `find`. If there is none, installs the packages first.
///
/// # Errors
///
/// Returns an error if nothing is found and the packages cannot be installed.
pub fn found_or_installed(
    program: &'static str,
    packages: &[&str],
    find: impl Fn() -> Option<PathBuf>,
    progress: &dyn Fn(&str),
) -> Result<PathBuf> {
    if let Some(found) = find() {
        return Ok(found);
    }
    if is_root() && on_path("apt-get").is_some() {
        progress(&format!("installing {}", packages.join(", ")));
        let apt =
            |arguments: &[&str]| run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"));
        apt(&["update", "--quiet"])?;
        apt(&[&["install", "--quiet", "--yes", "--no-install-recommends"], packages].concat())?;
    }
    find().ok_or_else(|| Error::Missing { program, install: format!("sudo apt-get install {}", packages.join(" ")) })
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Keeps Debian's PostgreSQL package from creating a cluster, until this is dropped. Such a cluster
/// would start a server on port 5432.
struct NoDefaultCluster {
    before: Option<Vec<u8>>,
}

impl NoDefaultCluster {
    const FILE: &str = "/etc/postgresql-common/createcluster.conf";

    fn configure() -> Self {
        let before = fs::read(Self::FILE).ok();
        if is_root() && on_path("apt-get").is_some() {
            let directory = Path::new(Self::FILE).parent().unwrap_or(Path::new("/"));
            // If this fails, the only consequence is an unused server.
            let _ = fs::create_dir_all(directory).and_then(|()| fs::write(Self::FILE, "create_main_cluster = false\n"));
        }
        Self { before }
    }
}

impl Drop for NoDefaultCluster {
    fn drop(&mut self) {
        // Restores only an earlier file. If there was none, a later upgrade of the package brings
        // its own.
        let _ = match &self.before {
            Some(content) => fs::write(Self::FILE, content),
            None => Ok(()),
        };
    }
}

/// Returns the search path with a directory in front.
pub(crate) fn path_with(directory: &Path) -> String {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(directory.to_owned()).chain(std::env::split_paths(OsStr::new(&old)));
    std::env::join_paths(all)
        .map_or_else(|_| directory.display().to_string(), |path| path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_and_cannot_be_installed_is_named() {
        let error = found_or_installed("a program", &[], || None, &|_| ()).map_err(|error| error.to_string());
        // Installing an empty list of packages succeeds or is not tried. The error can only name
        // the missing program.
        assert!(error.is_err_and(|text| text.contains("a program is missing") || text.contains("apt-get")));
    }
}
