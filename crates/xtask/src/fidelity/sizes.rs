//! Values and rows just below and above the real limits.

use super::Result;
use super::cluster::rows;
use super::postgres::Postgres;

/// Values just below 500 MB.
const FITS: &str = "
    CREATE TABLE fits (id int, t text, b bytea);
    INSERT INTO fits VALUES (1, left(repeat(md5('t'), 15625000), 499999999), NULL);
    INSERT INTO fits VALUES (2, NULL, decode(left(repeat(md5('b'), 31250000), 999999998), 'hex'));
    INSERT INTO fits VALUES (3, 'small', '')";
/// A row with five values of 450 MB. One statement could not insert all of them.
const ROW: &str = "
    CREATE TABLE row_above (id int, a text, b text, c text, d text, e text);
    INSERT INTO row_above (id, a) VALUES (1, repeat('a', 450000000));
    UPDATE row_above SET b = repeat('b', 450000000);
    UPDATE row_above SET c = repeat('c', 450000000);
    UPDATE row_above SET d = repeat('d', 450000000);
    UPDATE row_above SET e = repeat('e', 450000000)";
/// Small keys with values so large that a record batch exceeds 32 MiB.
const KEYED: &str = "
    CREATE TABLE keyed (id int PRIMARY KEY, t text);
    INSERT INTO keyed SELECT g, repeat(md5(g::text), 375000) FROM generate_series(1, 10) g;
    INSERT INTO keyed SELECT g, repeat(md5(g::text), 1250000) FROM generate_series(200, 205) g";
const VALUE: &str = "CREATE TABLE value_above AS SELECT 1 AS id, repeat('x', 500000000) AS the_large_one";

pub(super) fn run(cluster: &Postgres) -> Result<()> {
    for (description, statements) in
        [("values of 500 MB", FITS), ("large values beside keys", KEYED), ("a row above 2 GB", ROW)]
    {
        crate::say(&format!("creating {description}"));
        for statement in statements.split(';') {
            cluster.sql("postgres", statement)?;
        }
    }
    cluster.grant_read()?;
    let compared = cluster.export_and_compare("sizes")?;
    let skipped = compared["skipped"]["postgres.public.row_above"].as_str().unwrap_or_default();
    if rows(&compared, |target| target.ends_with(".fits")) != 3 || !skipped.starts_with("ROW_TOO_LARGE") {
        return Err(format!("the limits were not applied: {compared}").into());
    }
    cluster.sql("postgres", VALUE)?;
    let ended = cluster.cluster.export("too-large")?;
    let cause = ended["FailureCause"].as_str().unwrap_or_default();
    println!("a value of 500 MB: {}, {cause}", ended["Status"].as_str().unwrap_or_default());
    let reported = ended["Status"] == "FAILED" && cause.contains("value_above") && cause.contains("the_large_one");
    if reported { Ok(()) } else { Err("the failure does not name the value that is too large".into()) }
}
