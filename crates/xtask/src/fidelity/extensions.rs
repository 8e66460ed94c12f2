//! Types of extensions that are not in the server's package: PostGIS, pgvector and some small
//! extensions from Debian.

use std::fs;
use std::path::Path;
use std::process::Command;

use local_stack::prerequisites;

use super::Result;
use super::cluster::{cache, output, tables};
use super::debian::Suite;
use super::postgres::Postgres;

const PACKAGES: [&str; 9] = ["postgis-3", "ip4r", "hll", "prefix", "semver", "unit", "numeral", "asn1oid", "pgmp"];
const TABLES: &str = include_str!("extensions.sql");
/// The Debian suite with the source of pgvector. Older suites do not have it.
const PGVECTOR_SUITE: &str = "trixie";
const VECTORS: &str = "
    CREATE TABLE vectors AS
    SELECT g AS id, ARRAY[g, g / 7.0, -g * 1e-30]::vector AS v, ARRAY[g % 100, 0.1]::halfvec AS h,
           ('{1:' || g || ',9:-0.5}/16')::sparsevec AS s, ARRAY['[1,2]'::vector, NULL] AS a, g::bit(16) AS b
    FROM generate_series(1, 2000) g;
    INSERT INTO vectors (id) VALUES (0)";
/// The minimum number of tables of `extensions.sql` together with the one above.
const MIN_TABLES: usize = 5;

pub(super) fn run(cluster: &Postgres) -> Result<()> {
    let major = cluster.major()?;
    install(&major)?;
    output(cluster.psql("postgres").args(["--set=ON_ERROR_STOP=1", "--output=/dev/null", "--command", TABLES]))?;
    load_pgvector(cluster, &major)?;
    cluster.grant_read()?;
    let compared = cluster.export_and_compare("extensions")?;
    if tables(&compared).count() < MIN_TABLES {
        return Err("the export has fewer tables than were created".into());
    }
    Ok(())
}

fn install(major: &str) -> Result<()> {
    let packages = PACKAGES.map(|name| format!("postgresql-{major}-{name}"));
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    let installed = || {
        let controls = Path::new("/usr/share/postgresql").join(major).join("extension");
        let there = |name: &&str| controls.join(name.replace("-3", "")).with_extension("control").exists();
        PACKAGES.iter().all(there).then_some(controls)
    };
    let found = prerequisites::found_or_installed("PostgreSQL extensions", &packages, installed, &crate::say);
    found.map(drop).map_err(Into::into)
}

/// Compiles pgvector and loads it without installing it, which works because its script has a
/// placeholder for the library.
fn load_pgvector(cluster: &Postgres, major: &str) -> Result<()> {
    let cache = cache(&cluster.cluster.layout.checkout);
    let source = Suite::open(&cache, PGVECTOR_SUITE)?.source("pgvector")?;
    let headers = Suite::open(&cache, &Suite::system_name()?)?.unpacked(&format!("postgresql-server-dev-{major}"))?;
    // The library is outside the checkout, because the server must be able to read it.
    let directory = cluster.cluster.layout.data_dir.join("pgvector");
    fs::create_dir_all(&directory)?;
    let whole = ["--no-same-owner", "--strip-components=1"];
    output(
        Command::new("tar").arg("--extract").arg("--file").arg(source).arg("--directory").arg(&directory).args(whole),
    )?;
    let library = directory.join("vector.so");
    let sources = fs::read_dir(directory.join("src"))?.flatten().map(|file| file.path());
    let mut compile = Command::new("cc");
    compile.args(["-O1", "-fPIC", "-shared", "-I"]).arg(headers.join(format!("usr/include/postgresql/{major}/server")));
    compile.args(sources.filter(|path| path.extension().is_some_and(|extension| extension == "c")));
    output(compile.arg("-o").arg(&library))?;
    let script = fs::read_to_string(directory.join("sql/vector.sql"))?;
    let script = script.replace("MODULE_PATHNAME", &library.to_string_lossy());
    // A psql command at the beginning stops the script unless CREATE EXTENSION runs it. That line
    // is removed.
    let script: String =
        script.lines().filter(|line| !line.starts_with('\\')).map(|line| format!("{line}\n")).collect();
    cluster.sql("postgres", &script)?;
    cluster.sql("postgres", VECTORS).map(drop)
}
