//! The whole test suite. CI runs this and nothing else.

use std::error::Error;
use std::time::Instant;

use local_stack::{Layout, lint};

/// Runs every check, the quick ones first, and stops at the first that fails.
pub fn run(layout: &Layout) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    cargo(layout, "formatting", &["fmt", "--all", "--check"])?;
    step("state machine and template");
    lint::run(layout, &crate::say)?;
    cargo(layout, "clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    // Before the tests, because those on the stack run these binaries.
    cargo(layout, "build", &["build", "--workspace", "--all-targets"])?;
    cargo(layout, "tests", &["test", "--workspace", "--all-targets"])?;
    println!("All checks and tests passed in {} s.", began.elapsed().as_secs());
    Ok(())
}

fn step(name: &str) {
    println!("── {name}");
}

fn cargo(layout: &Layout, name: &str, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    step(name);
    let status = local_stack::cargo::command().current_dir(&layout.checkout).args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed").into()) }
}
