//! Deploys the template to the local cloud.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::UNIX_EPOCH;
use std::{fs, thread};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::ministack::{CREDENTIALS, REGION};
use crate::{cargo, process};

/// The name of the CloudFormation stack, and the prefix of its functions' names.
pub const STACK: &str = "aurora-export";

/// The functions. Each is a crate and a binary of this name.
pub const FUNCTIONS: [&str; 10] = [
    "export-api",
    "validate-request",
    "check-preconditions",
    "clone-cluster",
    "plan-export",
    "extract-tables",
    "finish-export",
    "publish-event",
    "delete-clone",
    "janitor",
];

/// The minimum unit size of the local stack. It is smaller than on AWS, so that small databases
/// have several partitions.
const TARGET_PARTITION_MB: u32 = 8;

/// The outputs of the two CloudFormation stacks.
#[derive(Debug, Deserialize)]
pub(crate) struct Outputs {
    /// Outputs of `infra/template.yaml`.
    pub(crate) stack: BTreeMap<String, String>,
    /// Outputs of `crates/local-stack/user-resources.yaml`.
    pub(crate) user: BTreeMap<String, String>,
}

/// Packs the functions and deploys the template and the user's resources.
pub(crate) fn deploy(layout: &Layout, endpoint: &str, ca_file: &Path) -> Result<Outputs> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let mut command = Command::new(layout.venv().join("bin/python"));
    command.arg(layout.checkout.join("crates/local-stack/deploy.py"));
    command.arg("--checkout").arg(&layout.checkout);
    command.arg("--binaries").arg(layout.binaries());
    command.arg("--ca-file").arg(ca_file);
    command.arg("--out").arg(layout.state_dir.join("stack"));
    command.args(["--stack-name", STACK, "--map-concurrency", &cores.max(2).to_string()]);
    command.args(["--parameter", &format!("Architecture={architecture}")]);
    command.args(["--parameter", &format!("TargetPartitionMb={TARGET_PARTITION_MB}")]);
    // The databases are on this machine, so the functions need no VPC.
    command.args(["--parameter", "VpcId=", "--parameter", "SubnetIds="]);
    remove_aws_variables(&mut command);
    command.envs(client_environment(endpoint));
    let printed = process::run(&mut command)?;
    serde_json::from_str(&printed).map_err(|source| Error::Document { document: "the output of deploy.py", source })
}

/// Returns the environment variables of AWS clients of the local cloud.
pub(crate) fn client_environment(endpoint: &str) -> [(&'static str, String); 7] {
    [
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", CREDENTIALS.0.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", CREDENTIALS.1.to_owned()),
        // The user's own AWS configuration and proxy must not apply to the local cloud.
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("no_proxy", "127.0.0.1,localhost".to_owned()),
    ]
}

/// Removes the user's own AWS settings from a command's environment: profile, session, endpoints.
pub fn remove_aws_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
}

/// Builds the functions, and the program that hosts the stack.
///
/// # Errors
///
/// Returns an error if the build fails.
pub fn build(layout: &Layout, progress: &dyn Fn(&str)) -> Result<()> {
    progress("building");
    let mut command = cargo::command();
    // Builds the whole workspace, as `cargo xtask` itself and the tests are built. A selection of
    // packages would enable other features and compile half of the dependencies again.
    command.current_dir(&layout.checkout).args(["build", "--workspace", "--bins"]);
    // The binaries come from the directory of this program, so they need its profile.
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    cargo::build(&mut command)
}

/// Returns a text that changes when a deployed file changes. It shows whether a running stack is
/// out of date.
pub(crate) fn fingerprint(layout: &Layout) -> Result<String> {
    let binaries = layout.binaries();
    let sources =
        ["infra/template.yaml", "statemachine/export-cluster.asl.json", "crates/local-stack/user-resources.yaml"];
    let files = FUNCTIONS.iter().map(|name| binaries.join(name)).chain([binaries.join("xtask")]);
    let stamps = files.chain(sources.iter().map(|source| layout.checkout.join(source))).map(|path| {
        let metadata = fs::metadata(&path).map_err(Error::file(&path))?;
        let changed = metadata.modified().map_err(Error::file(&path))?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(format!("{}.{}", changed.as_nanos(), metadata.len()))
    });
    Ok(stamps.collect::<Result<Vec<_>>>()?.join(" "))
}
