//! Downloads Debian packages into a directory with separate package lists. This does not affect the
//! system's package manager.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;
use super::cluster::output;

const LISTS: &str = "\
    deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian SUITE main
    deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian SUITE main
";

/// The packages of one suite, such as `bookworm`.
pub(crate) struct Suite {
    directory: PathBuf,
}

impl Suite {
    /// Opens a suite. Downloads its package lists unless that has been done.
    pub(crate) fn open(cache: &Path, suite: &str) -> Result<Self> {
        let suite = Self { directory: cache.join(suite) };
        let updated = suite.directory.join("updated");
        if !updated.exists() {
            for directory in ["fetched", "lists/partial", "cache/archives/partial"] {
                fs::create_dir_all(suite.directory.join(directory))?;
            }
            let name = suite.directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            fs::write(suite.directory.join("sources.list"), LISTS.replace("SUITE", &name).replace("    deb", "deb"))?;
            crate::say(&format!("downloading the package lists of Debian {name}"));
            suite.apt(&["update"])?;
            fs::write(updated, "")?;
        }
        Ok(suite)
    }

    /// Returns the name of the suite of this system.
    pub(crate) fn system_name() -> Result<String> {
        let release = fs::read_to_string("/etc/os-release")?;
        let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
        Ok(name.ok_or("this needs a Debian system: /etc/os-release has no VERSION_CODENAME")?.trim_matches('"').into())
    }

    /// Returns the original archive of a source package. Downloads it if necessary.
    pub(crate) fn source(&self, package: &str) -> Result<PathBuf> {
        let downloaded =
            || self.downloaded(|name| name.starts_with(&format!("{package}_")) && name.contains(".orig.tar."));
        if downloaded()?.is_none() {
            crate::say(&format!("downloading the source of {package}"));
            self.apt(&["source", "--download-only", "--tar-only", package])?;
        }
        downloaded()?.ok_or_else(|| format!("the source of {package} has no archive").into())
    }

    /// Returns the directory of an unpacked binary package. Downloads the package if necessary.
    pub(crate) fn unpacked(&self, package: &str) -> Result<PathBuf> {
        let directory = self.directory.join("fetched").join(package);
        if !directory.exists() {
            crate::say(&format!("downloading {package}"));
            self.apt(&["download", package])?;
            let archive = self.downloaded(|name| name.starts_with(&format!("{package}_")) && name.ends_with(".deb"))?;
            let archive = archive.ok_or_else(|| format!("cannot download {package}"))?;
            output(Command::new("dpkg-deb").arg("--extract").args([&archive, &directory]))?;
        }
        Ok(directory)
    }

    fn downloaded(&self, wanted: impl Fn(&str) -> bool) -> Result<Option<PathBuf>> {
        let files = fs::read_dir(self.directory.join("fetched"))?.flatten();
        Ok(files
            .map(|file| file.path())
            .find(|path| path.file_name().is_some_and(|name| wanted(&name.to_string_lossy()))))
    }

    fn apt(&self, arguments: &[&str]) -> Result<()> {
        let option = |name: &str, path: &str| format!("-o{name}={}", self.directory.join(path).display());
        let mut apt = Command::new("apt-get");
        apt.current_dir(self.directory.join("fetched"));
        apt.arg(option("Dir::Etc::SourceList", "sources.list")).arg("-oDir::Etc::SourceParts=-");
        apt.arg(option("Dir::State::Lists", "lists")).arg(option("Dir::Cache", "cache"));
        output(apt.args(["-qq", "-oAPT::Sandbox::User=root"]).args(arguments)).map(drop)
    }
}
