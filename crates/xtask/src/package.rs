//! Packs the release binary of each function into a zip file, as the template expects it. Prints
//! the sizes and the start times.
//!
//! # Layout
//!
//! * `pack.py`: writes a zip file whose bytes depend only on its content.
//! * `start`: measures the time until a function requests its first event.

mod start;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use local_stack::deploy::FUNCTIONS;
use local_stack::prerequisites;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The C library of `provided.al2023`.
const GLIBC: (u32, u32) = (2, 34);

/// The options of `cargo xtask package`.
#[derive(Args)]
pub(crate) struct Options {
    /// PEM file with the certificate authorities of RDS. For the Regions of the commercial
    /// partition it is https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem; other
    /// partitions have separate bundles
    #[arg(long, value_name = "FILE")]
    rds_ca: PathBuf,
    /// Build for another target, such as aarch64-unknown-linux-gnu. Its standard library and a
    /// linker must be installed
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

/// Builds and packs all functions.
pub(crate) fn run(checkout: &Path, options: &Options) -> Result<()> {
    let certificates = fs::read_to_string(&options.rds_ca)
        .map_err(|error| format!("{}: {error} (see `cargo xtask package --help`)", options.rds_ca.display()))?;
    if !certificates.contains("-----BEGIN CERTIFICATE-----") {
        return Err(format!("{} has no certificate in PEM format", options.rds_ca.display()).into());
    }
    crate::say("building the release binaries");
    let mut build = local_stack::cargo::command();
    // Builds the whole workspace, because a selection of packages would enable other features and
    // compile half of the dependencies again.
    build.current_dir(checkout).args(["build", "--release", "--workspace", "--bins"]);
    let mut binaries = checkout.join("target");
    if let Some(target) = &options.target {
        build.args(["--target", target]);
        binaries.push(target);
    }
    if !build.status()?.success() {
        return Err("the build of the functions failed".into());
    }
    binaries.push("release");
    let packages = checkout.join("target/lambda");
    fs::create_dir_all(&packages)?;
    let python = prerequisites::python(&crate::say)?;
    println!("| function | binary, MB | zip, MB | ready after, ms |\n|---|---|---|---|");
    for function in FUNCTIONS {
        let (binary, package) = (binaries.join(function), packages.join(format!("{function}.zip")));
        let code = fs::read(&binary)?;
        let required = newest_glibc(&code);
        if required > Some(GLIBC) {
            return Err(too_new(function, required.unwrap_or_default()).into());
        }
        let mut pack = Command::new(&python);
        pack.arg(checkout.join("crates/xtask/src/package/pack.py")).arg(&package).arg(&binary).arg(&options.rds_ca);
        if !pack.status()?.success() {
            return Err(format!("cannot write {}", package.display()).into());
        }
        let ready = match options.target {
            // A binary for another target may not run on this machine.
            Some(_) => "–".to_owned(),
            None => format!("{:.0}", start::milliseconds(&binary, &options.rds_ca)?),
        };
        let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
        let (code, zip) = (megabytes(code.len() as u64), megabytes(fs::metadata(&package)?.len()));
        println!("| `{function}` | {code} | {zip} | {ready} |");
    }
    println!("\n{}/*.zip", packages.display());
    Ok(())
}

fn too_new(function: &str, (major, minor): (u32, u32)) -> String {
    format!(
        "{function} needs glibc {major}.{minor}, but provided.al2023 has {}.{}: build on an older distribution, such as \
         Debian 12 or Amazon Linux 2023 itself",
        GLIBC.0, GLIBC.1
    )
}

/// Returns the newest version of glibc that a binary needs. The version table of the binary has
/// every version as text.
fn newest_glibc(binary: &[u8]) -> Option<(u32, u32)> {
    const PREFIX: &[u8] = b"GLIBC_";
    let starts = binary.windows(PREFIX.len()).enumerate().filter(|(_, window)| *window == PREFIX);
    let versions = starts.filter_map(|(at, _)| {
        let rest = &binary[at + PREFIX.len()..];
        let text = rest.split(|byte| !matches!(byte, b'0'..=b'9' | b'.')).next()?;
        let mut numbers = std::str::from_utf8(text).ok()?.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    versions.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_found_by_number() {
        let table = b"\0GLIBC_2.9\0libc.so.6\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_PRIVATE\0GLIBC_";
        assert_eq!(newest_glibc(table), Some((2, 34)));
        assert_eq!(newest_glibc(b"static"), None);
        assert!(newest_glibc(table) <= Some(GLIBC) && newest_glibc(b"GLIBC_2.38\0") > Some(GLIBC));
    }
}
