//! Runs cargo. Shows its progress while there is something to build, and nothing otherwise.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// The prefixes of the variables with which `cargo run` describes the running package.
const PACKAGE_VARIABLES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_NAME", "CARGO_CRATE_NAME"];

/// Words in cargo's output that mean that there is something to show. Its last line, `Finished …`,
/// has none of them.
const WORDS_TO_SHOW: [&str; 7] = ["Compiling", "Download", "Updating", "Installing", "Blocking", "warning", "error"];

/// Returns a command for cargo. If this program runs under cargo, it is the same cargo, so the
/// toolchain is the same.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    // Another cargo must not see the variables of `cargo run`. Build scripts that read them
    // (ring's) would run again, and everything that depends on them would be compiled again, each
    // time.
    for (name, _) in std::env::vars_os() {
        if PACKAGE_VARIABLES.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a build. The output of cargo goes to standard error.
///
/// # Errors
///
/// Returns an error if the build fails.
pub(crate) fn build(command: &mut Command) -> Result<()> {
    let program = || "cargo build".to_owned();
    if io::stderr().is_terminal() {
        // cargo writes to a pipe, so it does not notice the terminal by itself.
        command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80");
        if std::env::var_os("NO_COLOR").is_none() {
            command.env("CARGO_TERM_COLOR", "always");
        }
    }
    let run = |source| Error::Run { program: program(), source };
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(run)?;
    let kept = child.stderr.take().map(forward).unwrap_or_default();
    if child.wait().map_err(run)?.success() {
        return Ok(());
    }
    let output = if kept.is_empty() { "see above".to_owned() } else { String::from_utf8_lossy(&kept).into_owned() };
    Err(Error::Failed { program: program(), output })
}

/// Copies a program's output to standard error, as soon as it has something to show. Returns the
/// output that was not copied.
fn forward(mut from: impl Read) -> Vec<u8> {
    let (mut kept, mut showing, mut buffer) = (Vec::new(), false, [0; 4096]);
    // A read error also means that the program has ended. The caller checks how it ended.
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        showing = showing || worth_showing(&kept);
        if showing {
            // The build goes on even if nobody reads its output.
            let _ = io::stderr().write_all(&kept);
            kept.clear();
        }
    }
    kept
}

fn worth_showing(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    WORDS_TO_SHOW.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_with_nothing_to_do_is_quiet() {
        let finished = b"\r\x1b[K    Finished `dev` profile [unoptimized + debuginfo] target(s) in 0.41s\n";
        assert_eq!(forward(&finished[..]), finished);
        assert_eq!(forward(&b"   Compiling a v0.1.0\n    Finished `dev` profile\n"[..]), b"");
    }
}
