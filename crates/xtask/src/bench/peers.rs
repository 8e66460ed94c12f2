//! Installs the tools for the comparison into `target/bench`. A tool that is already installed is
//! kept. If a tool cannot be installed, the comparison omits it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use local_stack::prerequisites;

use super::{Result, run_to_end};
use crate::fidelity::debian::Suite;

/// The Python packages of tools. The first text is the beginning of a tool's name.
const PYTHON: [(&str, &[&str]); 4] = [
    ("DuckDB", &["duckdb-extension-postgres-scanner==1.5.5", "duckdb-extension-mysql-scanner==1.5.5"]),
    ("connectorx", &["connectorx==0.4.6"]),
    ("ADBC", &["adbc-driver-postgresql==1.13.0"]),
    (SPARK, &["pyspark==4.3.0"]),
];

const SPARK: &str = "Spark";
const PG2PARQUET: &str = "pg2parquet";

/// The Debian packages with the JDBC drivers for Spark, and the paths of the drivers in them.
const DRIVERS: [(&str, &str); 2] = [
    ("libpostgresql-jdbc-java", "usr/share/java/postgresql.jar"),
    ("libmariadb-java", "usr/share/java/mariadb-java-client.jar"),
];

/// The installed tools.
pub(super) struct Peers {
    pub python: PathBuf,
    pub pg2parquet: PathBuf,
    /// The JDBC drivers, separated by commas.
    pub jars: String,
    /// The tools that cannot be installed, and the reasons.
    pub missing: BTreeMap<&'static str, String>,
}

impl Peers {
    /// Installs the tools that are missing.
    pub(super) fn install(checkout: &Path, scratch: &Path, requirements: &Path) -> Result<Self> {
        let venv = scratch.join("venv");
        if !venv.join("bin/pip").exists() {
            run_to_end(Command::new(prerequisites::python(&crate::say)?).args(["-m", "venv"]).arg(&venv))?;
        }
        let pip = |arguments: &[&str]| {
            run_to_end(
                Command::new(venv.join("bin/pip"))
                    .args(["install", "--quiet", "--disable-pip-version-check"])
                    .args(arguments),
            )
        };
        pip(&["--requirement", &requirements.to_string_lossy()])?;
        let mut missing = BTreeMap::new();
        let mut note = |name, tried: Result<()>| {
            if let Err(error) = tried {
                crate::say(&format!("without {name}: {error}"));
                missing.insert(name, error.to_string().lines().next_back().unwrap_or_default().to_owned());
            }
        };
        for (name, packages) in PYTHON {
            crate::say(&format!("installing {name}"));
            note(name, pip(packages));
        }
        note(SPARK, run_to_end(Command::new("java").arg("-version")));
        let drivers = drivers(checkout);
        let jars = drivers.as_deref().unwrap_or_default().to_owned();
        note(SPARK, drivers.map(drop));
        let tools = scratch.join("tools");
        let pg2parquet = tools.join("bin").join(PG2PARQUET);
        if !pg2parquet.exists() {
            crate::say("compiling pg2parquet (once)");
            let mut install = local_stack::cargo::command();
            note(
                PG2PARQUET,
                run_to_end(install.args(["install", PG2PARQUET, "--locked", "--quiet", "--root"]).arg(&tools)),
            );
        }
        Ok(Self { python: venv.join("bin/python"), pg2parquet, jars, missing })
    }

    /// Returns the versions of the installed tools, by their names in the report.
    pub(super) fn versions(&self) -> Result<BTreeMap<String, String>> {
        let names = "['duckdb', 'connectorx', 'adbc-driver-postgresql', 'pyspark', 'pyarrow']";
        let script = format!(
            "import importlib.metadata as m, json\n\
             installed = {{d.metadata['Name']: d.version for d in m.distributions()}}\n\
             print(json.dumps({{n: installed[n] for n in {names} if n in installed}}))"
        );
        let printed = Command::new(&self.python).args(["-c", &script]).output()?.stdout;
        let mut versions: BTreeMap<String, String> = serde_json::from_slice(&printed)?;
        if self.pg2parquet.exists() {
            let printed = Command::new(&self.pg2parquet).arg("--version").output()?.stdout;
            let version = String::from_utf8_lossy(&printed).split_whitespace().nth(1).unwrap_or_default().to_owned();
            versions.insert(PG2PARQUET.to_owned(), version);
        }
        Ok(versions)
    }
}

fn drivers(checkout: &Path) -> Result<String> {
    let suite = Suite::open(&crate::fidelity::cache(checkout), &Suite::system_name()?)?;
    let jars =
        DRIVERS.map(|(package, jar)| Ok(suite.unpacked(package)?.join(jar).canonicalize()?.display().to_string()));
    Ok(jars.into_iter().collect::<Result<Vec<_>>>()?.join(","))
}
