//! Exports the same tables with this project and with every peer that can be installed, on one server and in one run, checks
//! that all outputs hold the same rows, and writes what it saw into `docs/benchmarks.md`.

mod server;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use local_stack::prerequisites;

use server::Server;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where the tables go in the document.
const BEGIN: &str = "<!-- written by cargo xtask bench -->";
const END: &str = "<!-- end of what cargo xtask bench writes -->";

/// What lineitem has none of.
const WIDE: &str = "
    CREATE TABLE wide AS
    SELECT g AS id, md5(g::text)::uuid AS session, timestamptz '2020-01-01' + g * interval '1.5 seconds' AS at,
           (g % 1000003)::numeric(20,4) / 7 AS free, ((g % 100000)::numeric / 100)::numeric(12,2) AS amount,
           jsonb_build_object('n', g, 'tag', md5((g / 50)::text), 'list', jsonb_build_array(g % 7, 'x')) AS document,
           decode(md5((g * 3)::text), 'hex') AS signature, ARRAY[g % 10, g % 20, g % 30]::int[] AS numbers,
           ('10.' || g % 256 || '.' || g / 256 % 256 || '.1')::inet AS address, g % 3 = 0 AS flag,
           CASE WHEN g % 5 > 0 THEN repeat(md5((g * 7)::text), 1 + (g % 3)::int) END AS note, g * 0.1::float8 AS score
    FROM generate_series(1, :rows::bigint) g";

/// Runs all, at TPC-H's scale factor `scale`.
pub fn run(checkout: &Path, scale: f64, rounds: u32) -> Result<()> {
    let scratch = checkout.join("target/bench");
    fs::create_dir_all(&scratch)?;
    crate::say("building the release binary");
    let mut build = local_stack::cargo::command();
    done(build.args(["build", "--release", "--package", "aurora-export", "--target-dir"]).arg(&scratch))?;
    crate::say("installing what it is compared with");
    let venv = scratch.join("venv");
    let sources = checkout.join("crates/xtask/src/bench");
    done(Command::new(prerequisites::python(&crate::say)?).args(["-m", "venv"]).arg(&venv))?;
    let mut install = Command::new(venv.join("bin/pip"));
    done(install.args(["install", "--quiet", "--requirement"]).arg(sources.join("requirements.txt")))?;
    let server = Server::start()?;
    crate::say("generating tables");
    let mut load = Command::new(venv.join("bin/python"));
    done(load.arg(sources.join("load.py")).args([server.address(), scale.to_string()]))?;
    let rows = (scale * 2_000_000.0) as u64;
    server.execute(&WIDE.replace(":rows", &rows.to_string()))?;
    server.execute("VACUUM (FREEZE, ANALYZE)")?;
    let mut report = String::new();
    for table in ["lineitem", "wide"] {
        crate::say(&format!("exporting {table}"));
        let mut compare = Command::new(venv.join("bin/python"));
        let output = compare
            .arg(sources.join("compare.py"))
            .arg("--binary")
            .arg(scratch.join("release/aurora-export"))
            .args(["--source", &server.address(), "--table", table, "--rounds", &rounds.to_string(), "--scratch"])
            .arg(&scratch)
            .stderr(std::process::Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("comparing exports of {table} failed").into());
        }
        report.push_str(&format!("\n{}\n", String::from_utf8_lossy(&output.stdout).trim()));
    }
    println!("{report}");
    write(&checkout.join("docs/benchmarks.md"), &report)
}

fn write(document: &Path, report: &str) -> Result<()> {
    let text = fs::read_to_string(document)?;
    let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else {
        return Err(format!("{} doesn't say where the tables go", document.display()).into());
    };
    let text = format!("{}{BEGIN}\n{report}\n{}", &text[..begin], &text[end..]);
    Ok(fs::write(document, text)?)
}

/// Runs a command to its end.
fn done(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr).trim()).into())
}
