//! Running cargo: its progress is shown while there is something to build, and nothing is said otherwise.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// How variables begin that describe the running package.
const OF_A_PACKAGE: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_NAME", "CARGO_CRATE_NAME"];

/// What cargo says when there is something to see. Its last words, `Finished …`, are not among them.
const WORTH_SHOWING: [&str; 7] = ["Compiling", "Download", "Updating", "Installing", "Blocking", "warning", "error"];

/// Cargo, the one this runs under if any, so that the toolchain is the same.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    // What `cargo run` tells this program about itself is not for another cargo: build scripts that look at it (ring's)
    // would run again, and all that depends on them be compiled again, each time.
    for (name, _) in std::env::vars_os() {
        if OF_A_PACKAGE.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a build. What cargo has to say goes to standard error.
///
/// # Errors
///
/// When it does not compile.
pub(crate) fn build(command: &mut Command) -> Result<()> {
    let program = || "cargo build".to_owned();
    if io::stderr().is_terminal() {
        // It sees a pipe, and has to be told that there is a terminal behind it.
        command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80");
        if std::env::var_os("NO_COLOR").is_none() {
            command.env("CARGO_TERM_COLOR", "always");
        }
    }
    let run = |source| Error::Run { program: program(), source };
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(run)?;
    let kept = child.stderr.take().map(pass_on).unwrap_or_default();
    if child.wait().map_err(run)?.success() {
        return Ok(());
    }
    let output = if kept.is_empty() { "see above".to_owned() } else { String::from_utf8_lossy(&kept).into_owned() };
    Err(Error::Failed { program: program(), output })
}

/// Passes on what a program says from when it says something worth showing. Returns what was not passed on.
fn pass_on(mut from: impl Read) -> Vec<u8> {
    let (mut kept, mut showing, mut buffer) = (Vec::new(), false, [0; 4096]);
    // Its end by an error is the program's end too, which is looked at.
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        showing = showing || worth_showing(&kept);
        if showing {
            // A reader who went away is no reason to stop building.
            let _ = io::stderr().write_all(&kept);
            kept.clear();
        }
    }
    kept
}

fn worth_showing(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    WORTH_SHOWING.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_with_nothing_to_do_is_quiet() {
        let finished = b"\r\x1b[K    Finished `dev` profile [unoptimized + debuginfo] target(s) in 0.41s\n";
        assert_eq!(pass_on(&finished[..]), finished);
        assert_eq!(pass_on(&b"   Compiling a v0.1.0\n    Finished `dev` profile\n"[..]), b"");
    }
}
