//! Database servers from Debian packages, without installing them. apt downloads the packages, and
//! they are unpacked into a directory that all checkouts share. This changes nothing in the system,
//! starts no service and needs no rights.
//!
//! The packages include all libraries that the programs need, even the C library, which may be
//! newer than the system's. The programs are therefore patched to use these libraries and their
//! loader. After that they run like any other program.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::layout::short_hash;
use crate::prerequisites::{debian_keyring, is_root, on_path};
use crate::process::run;
use crate::venv::lock;

/// MariaDB, from the sources of the system's own distribution.
pub const MARIADB: Servers = Servers {
    name: "mariadb",
    suite: None,
    packages: &["mariadb-server", "mariadb-backup"],
    programs: &["mariadbd", "mariadb-backup", "mariadb", "my_print_defaults"],
};

/// MySQL, which is not in Debian's releases, and the newest PostgreSQL.
pub const NEWEST: Servers = Servers {
    name: "newest",
    suite: Some("sid"),
    packages: &["mysql-server-core", "mysql-client-core", "postgresql"],
    programs: &["mysqld", "mysql", "postgres", "initdb", "pg_ctl", "pg_basebackup", "psql"],
};

/// The mirror for Debian suites that the system's own sources do not have.
const MIRROR: &str = "http://deb.debian.org/debian";

/// The file that marks a complete directory.
const STAMP: &str = "complete";

/// Packages that are unpacked together.
#[derive(Debug, Clone, Copy)]
pub struct Servers {
    name: &'static str,
    /// The Debian suite of the packages. `None` means the system's own sources.
    suite: Option<&'static str>,
    packages: &'static [&'static str],
    /// The programs that are used.
    programs: &'static [&'static str],
}

/// Returns the directory of downloads and tools that all checkouts share.
pub(crate) fn shared_directory() -> PathBuf {
    let home = || std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from).join(".cache");
    let cache = match is_root() {
        true => PathBuf::from("/var/cache"),
        false => std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from),
    };
    cache.join("aurora-export")
}

impl Servers {
    /// Returns the directory of the unpacked packages, which corresponds to `/`, if they have been
    /// downloaded.
    #[must_use]
    pub fn found(&self) -> Option<PathBuf> {
        Some(self.dir()).filter(|dir| dir.join(STAMP).exists())
    }

    /// Downloads and unpacks the packages unless that has been done. Returns their directory.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no apt, or if a package cannot be downloaded or used.
    pub fn ensure(&self, progress: &dyn Fn(&str)) -> Result<PathBuf> {
        let dir = self.dir();
        // Another process may be downloading the same packages.
        let _lock = lock(&dir.with_extension("lock"))?;
        if let Some(found) = self.found() {
            return Ok(found);
        }
        progress(&format!("downloading {} (once; about a minute)", self.packages.join(", ")));
        self.download_and_unpack(&dir)?;
        let stamp = dir.join(STAMP);
        fs::write(&stamp, "").map_err(Error::file(&stamp))?;
        Ok(dir)
    }

    /// Returns the directory for the packages. For root it is not in the home directory, because
    /// servers that root starts run as a user who must be able to read their programs.
    fn dir(&self) -> PathBuf {
        shared_directory().join(format!("{}-{}", self.name, short_hash(format!("{self:?}"))))
    }

    fn download_and_unpack(&self, dir: &Path) -> Result<()> {
        if on_path("apt-get").is_none() {
            let program = "apt-get (Debian, Ubuntu)";
            return Err(Error::Missing { program, install: format!("the packages {}", self.packages.join(", ")) });
        }
        // An interrupted attempt may have left files.
        remove(dir)?;
        let apt = dir.join("apt");
        for part in ["state/lists/partial", "cache/archives/partial"] {
            let part = apt.join(part);
            fs::create_dir_all(&part).map_err(Error::file(&part))?;
        }
        for path in dir.ancestors().take(2) {
            fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(Error::file(path))?;
        }
        self.download(&apt)?;
        for package in list(&apt.join("cache/archives")) {
            if package.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(dir))?;
            }
        }
        self.patch_programs(dir)?;
        remove(&apt)
    }

    /// Downloads the packages with all dependencies. apt sees an empty status file, so it treats
    /// nothing as installed.
    fn download(&self, apt: &Path) -> Result<()> {
        let write = |name: &str, text: &str| {
            let path = apt.join(name);
            fs::write(&path, text).map_err(Error::file(&path))?;
            Ok::<_, Error>(path.display().to_string())
        };
        let mut options = vec![
            format!("Dir::State={}", apt.join("state").display()),
            format!("Dir::State::status={}", write("status", "")?),
            format!("Dir::Cache={}", apt.join("cache").display()),
            "APT::Install-Recommends=false".to_owned(),
            // This does not change the system's own state, so it needs no lock and no other user.
            "Debug::NoLocking=true".to_owned(),
            "APT::Sandbox::User=".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Retries=3".to_owned(),
        ];
        if let Some(suite) = self.suite {
            let keys = debian_keyring()?;
            let source = format!("deb [signed-by={}] {MIRROR} {suite} main\n", keys.display());
            options.push(format!("Dir::Etc::SourceList={}", write("sources.list", &source)?));
            // The system's other sources and preferences are for another suite.
            options
                .extend(["SourceParts", "Preferences", "PreferencesParts"].map(|part| format!("Dir::Etc::{part}=-")));
        }
        let apt_get = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.args(options.iter().map(|option| format!("--option={option}")));
            run(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
        };
        apt_get(&["update", "--quiet"])?;
        // The programs are patched with patchelf.
        apt_get(&[&["install", "--quiet", "--yes", "--download-only", "patchelf"], self.packages].concat()).map(drop)
    }

    /// Makes the programs use the loader and the libraries that were unpacked with them.
    fn patch_programs(&self, dir: &Path) -> Result<()> {
        let parts = [dir.to_owned(), dir.join("usr")];
        let libraries: Vec<PathBuf> =
            parts.iter().flat_map(|part| list(&part.join("lib"))).filter(|path| is_multiarch_directory(path)).collect();
        let loaders = parts.iter().flat_map(|part| [part.join("lib"), part.join("lib64")]).chain(libraries.clone());
        let loader = loaders.flat_map(|part| list(&part)).find(is_loader).ok_or_else(|| missing("ld-linux*.so"))?;
        let libraries: Vec<String> = libraries.iter().map(|part| part.display().to_string()).collect();
        let libraries = libraries.join(":");
        let postgres = list(&dir.join("usr/lib/postgresql")).into_iter().map(|version| version.join("bin"));
        // These directories come first, because the others have scripts of the same names that
        // choose a version.
        let places: Vec<PathBuf> =
            postgres.chain(parts.iter().flat_map(|part| [part.join("bin"), part.join("sbin")])).collect();
        for program in self.programs {
            let program = places
                .iter()
                .map(|place| place.join(program))
                .find(|path| path.is_file())
                .ok_or_else(|| missing(program))?;
            // patchelf itself needs the unpacked libraries, too.
            let mut patchelf = Command::new(&loader);
            patchelf.args(["--library-path", &libraries]).arg(dir.join("usr/bin/patchelf"));
            patchelf.arg("--set-interpreter").arg(&loader).args(["--force-rpath", "--set-rpath", &libraries]);
            run(patchelf.arg(program))?;
        }
        Ok(())
    }
}

/// Returns a command that runs MariaDB's client, for MySQL too, connected to a port of this
/// machine. Downloads the client if necessary.
///
/// # Errors
///
/// Returns the errors of [`Servers::ensure`].
pub fn mysql_client(port: u16, user: &str, password: &str, progress: &dyn Fn(&str)) -> Result<Command> {
    let root = MARIADB.ensure(progress)?;
    let mut command = Command::new(root.join("usr/bin/mariadb"));
    command.args(["--no-defaults", "--batch", "--host=127.0.0.1", "--default-character-set=utf8mb4"]);
    command.arg(format!("--port={port}")).arg(format!("--user={user}")).env("MYSQL_PWD", password);
    // The client loads its authentication plugins from here.
    for libraries in list(&root.join("usr/lib")).iter().filter(|path| is_multiarch_directory(path)) {
        command.arg(format!("--plugin-dir={}", libraries.join("libmariadb3/plugin").display()));
    }
    Ok(command)
}

fn missing(program: &str) -> Error {
    Error::Failed { program: "unpacking".to_owned(), output: format!("the packages have no {program}") }
}

fn is_loader(path: &PathBuf) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A symbolic link may point to the system's own loader.
    name.starts_with("ld-linux") && fs::symlink_metadata(path).is_ok_and(|file| file.is_file())
}

/// Returns whether this is a directory such as `…/lib/x86_64-linux-gnu`.
fn is_multiarch_directory(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-gnu"))
}

/// Returns the entries of a directory, or nothing if it does not exist.
fn list(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(dir)(error)),
        _ => Ok(()),
    }
}
