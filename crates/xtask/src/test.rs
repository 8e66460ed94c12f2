//! Runs the whole test suite. `.ci/run` runs only this.

use std::error::Error;
use std::time::Instant;

use local_stack::{Layout, lint};

/// Runs every check, the quick ones first. Stops at the first failure.
pub(crate) fn run(layout: &Layout) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    cargo(layout, "formatting", &["fmt", "--all", "--check"])?;
    heading("lint");
    lint::run(layout, &crate::say)?;
    cargo(layout, "clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    // The tests of the stack run these binaries, so they are built first.
    cargo(layout, "build", &["build", "--workspace", "--all-targets"])?;
    cargo(layout, "tests", &["test", "--workspace", "--all-targets"])?;
    // `--all-targets` leaves out the examples in the documentation.
    cargo(layout, "documentation examples", &["test", "--workspace", "--doc", "--quiet"])?;
    println!("All checks and tests passed in {} s.", began.elapsed().as_secs());
    Ok(())
}

fn heading(name: &str) {
    println!("── {name}");
}

fn cargo(layout: &Layout, name: &str, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    heading(name);
    let status = local_stack::cargo::command().current_dir(&layout.checkout).args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed").into()) }
}
