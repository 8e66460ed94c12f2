//! What the machine must have: Python and PostgreSQL's server programs; Node.js for one linter.
//!
//! As root on Debian and its like, what is missing is installed. Otherwise the error says what to install.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::process::run;

/// The oldest PostgreSQL the local clusters run on; the planner needs `ctid` ranges.
const POSTGRES: u32 = 14;

/// The Python interpreter.
///
/// # Errors
///
/// When there is none and it cannot be installed.
pub fn python(progress: &dyn Fn(&str)) -> Result<PathBuf> {
    // Debian splits venv from the interpreter, so having the one does not mean having the other.
    let works = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))";
    let find = || on_path("python3").filter(|python| run(Command::new(python).args(["-c", works])).is_ok());
    found_or_installed("Python 3.9 or newer with venv", &["python3", "python3-venv"], find, progress)
}

/// The directory of PostgreSQL's server programs.
///
/// # Errors
///
/// When there is none and it cannot be installed.
pub fn postgres(progress: &dyn Fn(&str)) -> Result<PathBuf> {
    let _no_cluster = find_postgres().is_none().then(NoCluster::ask);
    found_or_installed("PostgreSQL 14 or newer, server programs", &["postgresql"], find_postgres, progress)
}

/// npm.
///
/// # Errors
///
/// When there is none and it cannot be installed.
pub fn npm(progress: &dyn Fn(&str)) -> Result<PathBuf> {
    let find = || on_path("node").and_then(|_| on_path("npm"));
    found_or_installed("Node.js with npm", &["nodejs", "npm"], find, progress)
}

/// The keys Debian signs its suites with.
pub(crate) fn debian_keyring() -> Result<PathBuf> {
    let find = || Some(PathBuf::from("/usr/share/keyrings/debian-archive-keyring.gpg")).filter(|keys| keys.is_file());
    found_or_installed("The keyring of Debian's archive", &["debian-archive-keyring"], find, &|_| ())
}

/// A program on the search path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|candidate| candidate.is_file())
}

/// The newest server programs: where Debian puts them, else on the search path.
fn find_postgres() -> Option<PathBuf> {
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let packaged = packaged.map(|version| version.path().join("bin"));
    let other = on_path("postgres").and_then(|program| program.canonicalize().ok()?.parent().map(Path::to_owned));
    let complete =
        |bin: &PathBuf| ["postgres", "initdb", "pg_basebackup"].iter().all(|program| bin.join(program).is_file());
    let versioned = packaged.chain(other).filter(complete).filter_map(|bin| Some((version(&bin)?, bin)));
    versioned.filter(|(version, _)| *version >= POSTGRES).max().map(|(_, bin)| bin)
}

/// `postgres (PostgreSQL) 15.8 (Debian …)` → 15
fn version(bin: &Path) -> Option<u32> {
    let text = run(Command::new(bin.join("postgres")).arg("--version")).ok()?;
    text.split_whitespace().nth(2)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What `find` finds, after packages were installed if it finds nothing.
///
/// # Errors
///
/// When it finds nothing and the packages cannot be installed.
pub fn found_or_installed(
    what: &'static str,
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
    find().ok_or_else(|| Error::Missing { what, install: format!("sudo apt-get install {}", packages.join(" ")) })
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// While it lives, installing PostgreSQL on Debian creates no cluster, so no server of the distribution's starts on port 5432.
struct NoCluster {
    before: Option<Vec<u8>>,
}

impl NoCluster {
    const FILE: &str = "/etc/postgresql-common/createcluster.conf";

    fn ask() -> Self {
        let before = fs::read(Self::FILE).ok();
        if is_root() && on_path("apt-get").is_some() {
            let directory = Path::new(Self::FILE).parent().unwrap_or(Path::new("/"));
            // If it cannot be asked, the worst is a server nobody needs.
            let _ = fs::create_dir_all(directory).and_then(|()| fs::write(Self::FILE, "create_main_cluster = false\n"));
        }
        Self { before }
    }
}

impl Drop for NoCluster {
    fn drop(&mut self) {
        // Only put back what was there: without it, a later upgrade of the package brings its own.
        let _ = match &self.before {
            Some(content) => fs::write(Self::FILE, content),
            None => Ok(()),
        };
    }
}

/// The search path with a directory in front.
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
    fn what_is_missing_and_cannot_be_installed_is_named() {
        let error = found_or_installed("A thing", &[], || None, &|_| ()).map_err(|error| error.to_string());
        // Installing no package at all succeeds or is not tried, so only the missing thing is left to say.
        assert!(error.is_err_and(|text| text.contains("A thing is needed") || text.contains("apt-get")));
    }
}
