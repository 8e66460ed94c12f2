//! The database that PostgreSQL's own regression tests create. It has hundreds of tables of every
//! kind.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Result;
use super::cluster::{cache, output, tables};
use super::debian::Suite;
use super::postgres::Postgres;

const DATABASE: &str = "regression";
/// The tests of every version create more tables than this. Fewer tables mean that loading them has
/// failed.
const MIN_TABLES: usize = 300;
/// The settings that PostgreSQL's own test driver makes for the database.
const SETTINGS: [&str; 6] = [
    "lc_messages TO 'C'",
    "lc_monetary TO 'C'",
    "lc_numeric TO 'C'",
    "lc_time TO 'C'",
    "bytea_output TO 'hex'",
    "timezone_abbreviations TO 'Default'",
];
const ENVIRONMENT: [(&str, &str); 4] = [
    ("PGTZ", "America/Los_Angeles"),
    ("PGDATESTYLE", "Postgres, MDY"),
    ("PGOPTIONS", "-c intervalstyle=postgres_verbose"),
    ("PG_DLSUFFIX", ".so"),
];

pub(super) fn run(cluster: &Postgres) -> Result<()> {
    // The tests are outside the checkout, because the server must be able to read them.
    let directory = cluster.cluster.layout.data_dir.join("regression-tests");
    unpack(cluster, &directory)?;
    crate::say("running PostgreSQL's regression tests");
    load(cluster, &directory)?;
    cluster.grant_read()?;
    let compared = cluster.export_and_compare("regression")?;
    if tables(&compared).count() < MIN_TABLES {
        return Err("the regression tests created too few tables".into());
    }
    Ok(())
}

/// Copies the tests, and the C functions that they need, to a directory.
fn unpack(cluster: &Postgres, directory: &Path) -> Result<()> {
    let major = cluster.major()?;
    // The newest server comes from another suite than the system.
    let own = cluster.programs.starts_with("/usr/lib/postgresql");
    let suite = if own { Suite::system_name()? } else { "sid".to_owned() };
    let suite = Suite::open(&cache(&cluster.cluster.layout.checkout), &suite)?;
    let source = suite.source(&format!("postgresql-{major}"))?;
    let headers = suite.unpacked(&format!("postgresql-server-dev-{major}"))?;
    fs::create_dir_all(directory)?;
    let tests = ["--no-same-owner", "--strip-components=4", "--wildcards", "*/src/test/regress"];
    output(
        Command::new("tar").arg("--extract").arg("--file").arg(source).arg("--directory").arg(directory).args(tests),
    )?;
    let writable = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o777));
    for name in ["results", "testtablespace", "lib"] {
        fs::create_dir_all(directory.join(name))?;
        writable(&directory.join(name))?;
    }
    // The tests expect their own functions and those of two server modules in one directory.
    let library = directory.join("lib/regress.so");
    let include = headers.join(format!("usr/include/postgresql/{major}/server"));
    let mut compile = Command::new("cc");
    compile.args(["-fPIC", "-shared", "-I"]).arg(include).arg("-I").arg(directory);
    output(compile.arg(directory.join("regress.c")).arg("-o").arg(library))?;
    let modules = cluster.programs.parent().unwrap_or(Path::new("/")).join("lib");
    for name in ["autoinc.so", "refint.so"] {
        fs::copy(modules.join(name), directory.join("lib").join(name))?;
    }
    Ok(())
}

/// Runs the tests in order. Many statements fail on purpose.
fn load(cluster: &Postgres, directory: &Path) -> Result<()> {
    cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE} TEMPLATE template0"))?;
    for setting in SETTINGS {
        cluster.sql("postgres", &format!("ALTER DATABASE {DATABASE} SET {setting}"))?;
    }
    let schedule = fs::read_to_string(directory.join("parallel_schedule"))?;
    for test in schedule.lines().filter_map(|line| line.strip_prefix("test:")).flat_map(str::split_whitespace) {
        let input = File::open(directory.join(format!("sql/{test}.sql")))?;
        let mut psql = cluster.psql(DATABASE);
        psql.envs(ENVIRONMENT).env("PG_ABS_SRCDIR", directory).env("PG_ABS_BUILDDIR", directory);
        psql.env("PG_LIBDIR", directory.join("lib")).current_dir(directory).stdin(input);
        psql.stdout(File::create(directory.join("results").join(test))?).stderr(Stdio::null());
        // psql fails here only if it loses the connection.
        if !psql.status()?.success() {
            return Err(format!("the regression test {test} did not finish").into());
        }
    }
    Ok(())
}
