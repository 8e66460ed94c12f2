//! Types of extensions that the server's own package has not: PostGIS, pgvector and some small ones of Debian's.

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
/// The suite of Debian's that pgvector's source is taken from; those of servers before it have none.
const PGVECTOR_SUITE: &str = "trixie";
const VECTORS: &str = "
    CREATE TABLE vectors AS
    SELECT g AS id, ARRAY[g, g / 7.0, -g * 1e-30]::vector AS v, ARRAY[g % 100, 0.1]::halfvec AS h,
           ('{1:' || g || ',9:-0.5}/16')::sparsevec AS s, ARRAY['[1,2]'::vector, NULL] AS a, g::bit(16) AS b
    FROM generate_series(1, 2000) g;
    INSERT INTO vectors (id) VALUES (0)";
/// Tables of `extensions.sql` and the one above.
const LEAST_TABLES: usize = 5;

pub fn run(cluster: &Postgres) -> Result<()> {
    let major = cluster.major()?;
    install(&major)?;
    output(cluster.psql("postgres").args(["--set=ON_ERROR_STOP=1", "--output=/dev/null", "--command", TABLES]))?;
    vectors(cluster, &major)?;
    cluster.readable()?;
    let compared = cluster.export_and_compare("extensions")?;
    if tables(&compared).count() < LEAST_TABLES {
        return Err("fewer tables than were made".into());
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

/// pgvector, compiled here and loaded without installing it: its script names the library by a placeholder.
fn vectors(cluster: &Postgres, major: &str) -> Result<()> {
    let cache = cache(&cluster.cluster.layout.checkout);
    let source = Suite::open(&cache, PGVECTOR_SUITE)?.source("pgvector")?;
    let headers = Suite::open(&cache, &Suite::of_system()?)?.unpacked(&format!("postgresql-server-dev-{major}"))?;
    // The server must be able to read the library: not in the checkout.
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
    // The line before the first statement ends scripts that are not run by CREATE EXTENSION.
    let script: String =
        script.lines().filter(|line| !line.starts_with('\\')).map(|line| format!("{line}\n")).collect();
    cluster.sql("postgres", &script)?;
    cluster.sql("postgres", VECTORS).map(drop)
}
