//! The Python environment: the local cloud, the AWS CLI, the linters.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::process::run;

/// Makes the environment unless it is there already, which is told by a copy of the requirements it was made from.
///
/// # Errors
///
/// When it cannot be made.
pub fn ensure(layout: &Layout, python: &Path, progress: &dyn Fn(&str)) -> Result<PathBuf> {
    let venv = layout.venv();
    let requirements = layout.checkout.join("crates/local-stack/requirements.txt");
    let wanted = fs::read_to_string(&requirements).map_err(Error::file(&requirements))?;
    let stamp = venv.join("requirements.installed");
    let _lock = lock(&venv.with_extension("lock"))?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return stand_in_for_aws(layout, &venv).map(|()| venv);
    }
    progress("making the Python environment (once; a minute or two)");
    run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv))?;
    let pip = venv.join("bin/pip");
    run(Command::new(pip)
        .args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&requirements))?;
    stand_in_for_aws(layout, &venv)?;
    fs::write(&stamp, wanted).map_err(Error::file(&stamp))?;
    Ok(venv)
}

/// Puts `aws.py`, which says why, where the package put its `aws`.
fn stand_in_for_aws(layout: &Layout, venv: &Path) -> Result<()> {
    let (source, target) = (layout.checkout.join("crates/local-stack/aws.py"), venv.join("bin/aws"));
    let script = fs::read_to_string(&source).map_err(Error::file(&source))?;
    let script = format!("#!{}\n{script}", venv.join("bin/python").display());
    if fs::read_to_string(&target).is_ok_and(|there| there == script) {
        return Ok(());
    }
    // The package's file is executable, and stays so.
    fs::write(&target, script).map_err(Error::file(&target))
}

/// Waits for a lock and holds it until dropped.
pub(crate) fn lock(path: &Path) -> Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(Error::file(directory))?;
    }
    let file = File::create(path).map_err(Error::file(path))?;
    file.lock().map_err(Error::file(path))?;
    Ok(file)
}
