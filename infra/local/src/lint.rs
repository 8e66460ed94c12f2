//! Checks the template and the workflow definition.

use std::fs;
use std::process::Command;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::venv::lock;
use crate::{prerequisites, process, venv};

/// Runs every check without AWS and prints what was checked.
///
/// # Errors
///
/// Returns the findings as an error. Fails also if a linter cannot be installed.
pub fn run(layout: &Layout, progress: &dyn Fn(&str)) -> Result<()> {
    let venv = venv::ensure(layout, &prerequisites::python(progress)?, progress)?;
    let target = layout.checkout.join("target/local/lint");
    let checked = process::run(
        Command::new(venv.join("bin/python")).arg(layout.checkout.join("infra/lint/lint.py")).arg(&target),
    )?;
    print!("{checked}");
    let checked = validate_definition(layout, progress)?;
    print!("{checked}");
    Ok(())
}

/// Checks the workflow with asl-validator. It finds transitions to missing states and unreachable
/// states, which cfn-lint does not find.
fn validate_definition(layout: &Layout, progress: &dyn Fn(&str)) -> Result<String> {
    let npm = prerequisites::npm(progress)?;
    let target = layout.checkout.join("target/local/lint");
    let _lock = lock(&target.join("lock"))?;
    let (wanted, installed) = (layout.checkout.join("infra/lint/package.json"), target.join("package.json"));
    let text = fs::read(&wanted).map_err(Error::file(&wanted))?;
    let program = target.join("node_modules/.bin/asl-validator");
    if !program.exists() || fs::read(&installed).ok().as_ref() != Some(&text) {
        progress("installing asl-validator (once)");
        fs::write(&installed, text).map_err(Error::file(&installed))?;
        process::run(Command::new(npm).args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&target))?;
    }
    let definition = layout.checkout.join("statemachine/export-cluster.asl.json");
    process::run(Command::new(program).arg("--json-path").arg(definition))
}
