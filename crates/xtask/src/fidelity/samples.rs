//! Sample databases of MySQL from Debian packages. The sources of percona-toolkit have sakila, and
//! hundreds of tables for their tests. MariaDB's test suite has world, DBT-3 (TPC-H), and tables
//! for its tests of types. MySQL's own suite is similar, but its package has 340 MB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use local_stack::{Layout, Stack};

use super::Result;
use super::cluster::{cache, output, rows};
use super::debian::Suite;
use super::mysql::Mysql;

/// A Debian suite whose packages have these databases.
const SUITE: &str = "bookworm";

/// Tables that must exist after loading.
const KNOWN: [(&str, &[&str]); 3] = [
    (
        "sakila",
        &[
            "actor",
            "address",
            "category",
            "city",
            "country",
            "customer",
            "film",
            "film_actor",
            "film_category",
            "film_text",
            "inventory",
            "language",
            "payment",
            "rental",
            "staff",
            "store",
        ],
    ),
    ("world", &["City", "Country", "CountryLanguage"]),
    ("dbt3", &["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]),
];

pub(super) fn run(layout: &Layout, stack: &Stack) -> Result<()> {
    let samples = Samples::unpack(layout)?;
    for server in ["mariadb", "mysql"] {
        let id = format!("samples-{server}");
        let cluster = Mysql::create(layout, stack, &id, server)?;
        samples.load(&cluster)?;
        let compared = cluster.export_and_compare(&id)?;
        for (database, tables) in KNOWN {
            let rows = |table: &&str| rows(&compared, |target| target == format!("{database}.{database}.{table}"));
            if let Some(missing) = tables.iter().find(|table| rows(table) == 0) {
                return Err(format!("{database}.{missing} was not loaded").into());
            }
            println!("  {database}: {} tables, {} rows", tables.len(), tables.iter().map(rows).sum::<u64>());
        }
    }
    Ok(())
}

/// The directories with the scripts.
struct Samples {
    percona: PathBuf,
    mariadb: PathBuf,
}

impl Samples {
    fn unpack(layout: &Layout) -> Result<Self> {
        let suite = Suite::open(&cache(&layout.checkout), SUITE)?;
        let source = suite.source("percona-toolkit")?;
        let percona = layout.state_dir.join("tmp/percona-toolkit");
        fs::create_dir_all(&percona)?;
        let whole = ["--no-same-owner", "--strip-components=1"];
        output(
            Command::new("tar").arg("--extract").arg("--file").arg(source).arg("--directory").arg(&percona).args(whole),
        )?;
        let mariadb = suite.unpacked("mariadb-test-data")?.join("usr/share/mysql/mysql-test");
        Ok(Self { percona, mariadb })
    }

    fn load(&self, cluster: &Mysql) -> Result<()> {
        let tests = files(&self.mariadb.join("main"), &|name| {
            name.ends_with(".test") && (name.starts_with("type_") || name.starts_with("gis"))
        })?;
        crate::say(&format!("running MariaDB's {} tests of types", tests.len()));
        for test in tests {
            let name = test.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            cluster.load(&name, statements(&String::from_utf8_lossy(&fs::read(test)?)).as_bytes())?;
        }
        let dumps = files(&self.percona.join("t"), &|name| name.ends_with(".sql"))?;
        crate::say(&format!("loading the {} dumps of percona-toolkit's tests", dumps.len()));
        for (number, dump) in dumps.iter().enumerate() {
            let dump = fs::read(dump)?;
            if !has_system_tables(&dump) {
                cluster.load(&format!("percona_{number}"), &dump)?;
            }
        }
        // These databases come last, because some of the dumps create their own tables in sakila.
        crate::say("loading sakila, world and dbt3");
        let include = self.mariadb.join("include");
        let read = |files: [PathBuf; 2]| Ok::<_, std::io::Error>([fs::read(&files[0])?, fs::read(&files[1])?].concat());
        let sakila = self.percona.join("sandbox/sakila-db");
        cluster.load("sakila", b"DROP DATABASE sakila")?;
        cluster.load("samples", &read([sakila.join("sakila-schema.sql"), sakila.join("sakila-data.sql")])?)?;
        cluster.load("world", &read([include.join("world_schema.inc"), include.join("world.inc")])?)?;
        cluster.load("dbt3", &fs::read(include.join("dbt3_s001.inc"))?)
    }
}

/// Returns whether a dump has system tables of an old server, which would replace those of this
/// server.
fn has_system_tables(dump: &[u8]) -> bool {
    let dump = String::from_utf8_lossy(dump).to_lowercase();
    ["use mysql", "use `mysql`", "`mysql`.", " mysql."].iter().any(|name| dump.contains(name))
}

/// Returns the SQL statements of a test, without the commands of the test driver. Tables that the
/// test would drop are renamed instead.
fn statements(test: &str) -> String {
    let mut sql = String::new();
    let mut number = 0;
    for line in test.lines() {
        let lower = line.to_ascii_lowercase();
        let starts = |with: &[&str]| with.iter().any(|with| lower.starts_with(with));
        let dropped = ["drop table if exists ", "drop table "].iter().find_map(|drop| lower.strip_prefix(drop));
        if let Some(dropped) = dropped {
            for name in line[line.len() - dropped.len()..].trim_end().trim_end_matches(';').split(',') {
                number += 1;
                sql.push_str(&format!("RENAME TABLE {name} TO `kept {number}`;\n"));
            }
        } else if !starts(&["--", "#", "drop database", "drop schema"]) {
            sql.push_str(line);
            sql.push('\n');
        }
    }
    sql
}

/// Returns the files below a directory whose names are wanted, sorted by path.
fn files(directory: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, wanted)?);
        } else if wanted(&entry.file_name().to_string_lossy()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
