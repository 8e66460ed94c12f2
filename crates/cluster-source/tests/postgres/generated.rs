//! Generated tables of PostgreSQL.

use std::collections::HashMap;
use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use cluster_source::postgres::{self, Connection, FoundTable, Slicing};
use export_task::plan::Partition;

use crate::ranges::{Random, Report, TOGETHER, seeds};
use crate::server::{Database, read};

/// A column of a key.
struct KeyColumn {
    definition: String,
    is_text: bool,
    /// The values that rows choose from.
    values: Vec<String>,
}

fn column(random: &mut Random, rows: u64) -> KeyColumn {
    let kind = random.within(0, 12);
    let size = random.within(1, 7);
    let pool = if random.chance(30) { random.within(1, 9) } else { rows };
    let bits = random.pick(&["15 int2", "31 int4", "63 int8", "63 int8"]);
    let (bits, integer) = bits.split_once(' ').unwrap();
    let definition = match kind {
        0..=3 => integer.to_owned(),
        4 => format!("numeric({},{})", size * 3 + 20, size),
        5 => random.pick(&["date", "timestamp", "timestamptz", "time", "interval"]).to_owned(),
        6 => random.pick(&["uuid", "bytea"]).to_owned(),
        7 => random.pick(&["float8", "bool", "oid", "int4[]"]).to_owned(),
        _ => {
            let collation = random.pick(&["\"C\"", "\"POSIX\"", "\"default\"", "\"und-x-icu\"", "alike"]);
            let name = random.pick(&["text", "varchar(12)", "char(7)", "\"char\""]);
            if name == "\"char\"" { name.to_owned() } else { format!("{name} COLLATE {collation}") }
        }
    };
    let bits: u64 = bits.parse().unwrap();
    let mut value = || match (kind, definition.as_str()) {
        (0..=3, _) => format!("{}{}", if random.chance(40) { "-" } else { "" }, random.number(bits)),
        (4, _) => {
            format!("{}{}.{:02}", if random.chance(40) { "-" } else { "" }, random.number(40), random.within(0, 100))
        }
        (_, "time") => format!("time '00:00' + {} * interval '1 microsecond'", random.number(35)),
        (_, "interval") => format!("{} * interval '1 hour'", random.number(20)),
        (5, kind) => {
            let infinite = random.chance(2);
            if infinite {
                format!("'infinity'::{kind}")
            } else {
                format!("'2001-01-01'::timestamp + {} * interval '1 minute'", random.number(24))
            }
        }
        (_, "uuid") => format!("'00000000-0000-{:04x}-0000-{:012x}'", random.number(16), random.number(40)),
        (_, "bytea") => format!("'\\x{:04x}'", random.number(16)),
        (_, "bool") => random.pick(&["true", "false"]).to_owned(),
        (_, "int4[]") => format!("'{{{},{}}}'", random.number(8), random.number(8)),
        (_, "oid") => random.number(32).to_string(),
        (_, "float8") => random.pick(&["'NaN'", "'Infinity'", "-0.0", "1e300", "-5.25", "0.1"]).to_owned(),
        (_, "\"char\"") => format!("'{}'", random.pick(&["a", "B", "z", "0", " "])),
        _ => format!("'{}'", random.text(size).replace('\'', "''")),
    };
    let values = (0..pool).map(|_| value()).collect();
    KeyColumn { is_text: kind > 7 && definition != "\"char\"", definition, values }
}

/// A table, and the statements that run before and after it is planned.
struct Made {
    seed: u64,
    random: Random,
    create: String,
    before: Vec<String>,
    later: String,
}

fn inserts(random: &mut Random, name: &str, columns: &[KeyColumn], ids: std::ops::Range<u64>, filler: u64) -> String {
    let skewed = random.chance(30);
    let mut sql = format!("INSERT INTO {name} VALUES ");
    for (nth, id) in ids.enumerate() {
        sql += if nth == 0 { "(" } else { ",(" };
        for column in columns {
            let nth = if skewed && random.chance(70) { 0 } else { random.within(0, column.values.len() as u64) };
            let _ = write!(sql, "{},", column.values[nth as usize]);
        }
        let _ = write!(sql, "{id},repeat('x',{filler}))");
    }
    sql + " ON CONFLICT DO NOTHING"
}

fn make(seed: u64) -> Made {
    let mut random = Random::new(seed);
    let name = format!("t{seed}");
    let rows = random.within(50, 401);
    let columns: Vec<KeyColumn> = (0..random.within(1, 4)).map(|_| column(&mut random, rows)).collect();
    let filler = [60, 150, 300, 300, 1500][random.within(0, 5) as usize];
    let mut create = format!("CREATE TABLE {name} (");
    for (nth, column) in columns.iter().enumerate() {
        let _ = write!(create, "k{nth} {}{}, ", column.definition, if random.chance(10) { "" } else { " NOT NULL" });
    }
    create += "row_id int8 NOT NULL, pad text)";
    let leaves = match random.within(0, 12) {
        0 => {
            create += " PARTITION BY HASH (row_id)";
            (0..3)
                .map(|n| {
                    format!("CREATE TABLE {name}_{n} PARTITION OF {name} FOR VALUES WITH (MODULUS 3, REMAINDER {n})")
                })
                .collect()
        }
        1 => {
            create += " PARTITION BY RANGE (row_id)";
            vec![
                format!("CREATE TABLE {name}_0 PARTITION OF {name} FOR VALUES FROM (0) TO (90)"),
                format!("CREATE TABLE {name}_1 PARTITION OF {name} DEFAULT"),
            ]
        }
        2 => {
            create += " PARTITION BY LIST ((row_id % 2))";
            vec![
                format!("CREATE TABLE {name}_0 PARTITION OF {name} FOR VALUES IN (0)"),
                format!("CREATE TABLE {name}_1 PARTITION OF {name} FOR VALUES IN (1)"),
            ]
        }
        _ => Vec::new(),
    };
    let parts: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(nth, column)| match random.within(0, 14) {
            0 => format!("k{nth} DESC"),
            1 if column.is_text => format!("left(k{nth}, 1)"),
            _ => format!("k{nth}"),
        })
        .collect();
    let parts = parts.join(", ");
    let plain =
        !parts.contains([' ', '(']) || columns.len() > 1 && !parts.contains("DESC") && !parts.contains(['(', '_']);
    let index = match random.within(0, 10) {
        0..=2 if plain && leaves.is_empty() => format!("ALTER TABLE {name} ADD UNIQUE ({parts}, row_id)"),
        3 if leaves.is_empty() => format!("CREATE UNIQUE INDEX ON {name} ({parts}, row_id) WHERE row_id > 100"),
        0..=6 => format!("CREATE INDEX ON {name} ({parts})"),
        7 => format!("CREATE INDEX ON {name} USING hash (k0)"),
        8 if leaves.is_empty() => format!("ALTER TABLE {name} ADD PRIMARY KEY (row_id)"),
        _ => format!("CREATE INDEX ON {name} (row_id DESC)"),
    };
    let mut before = vec![create.clone()];
    before.extend(leaves);
    before.push(index);
    create = before.join("; ");
    before.push(inserts(&mut random, &name, &columns, 0..rows, filler));
    match random.within(0, 4) {
        0 => {}
        1 => before.push(format!("DELETE FROM {name} WHERE row_id % 3 = 0; ANALYZE {name}")),
        _ => before.push(format!("ANALYZE {name}")),
    }
    let later = match random.within(0, 4) {
        0 => inserts(&mut random, &name, &columns, rows..rows + 70, filler),
        1 => format!("DELETE FROM {name} WHERE row_id % 3 = {}", random.within(0, 3)),
        2 => format!("UPDATE {name} SET pad = pad || 'y' WHERE row_id % 2 = 0"),
        _ => "SELECT 0".to_owned(),
    };
    Made { seed, random, create, before, later }
}

/// Returns the row ids in the partitions.
async fn ids(connection: &Connection, found: &FoundTable, partitions: &[Partition]) -> Result<Vec<i64>, String> {
    let mut ids = Vec::new();
    for partition in partitions {
        for batch in read(connection, found, partition).await.map_err(|error| format!("{error:?}"))? {
            ids.extend(batch.column_by_name("row_id").unwrap().as_primitive::<Int64Type>().values());
        }
    }
    Ok(ids)
}

#[tokio::test]
async fn generated_tables() {
    let database = Database::create().await;
    database
        .execute("CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        .await;
    let connection = database.connect().await;
    let mut report = Report::default();
    for seeds in seeds().chunks(TOGETHER as usize) {
        let made: Vec<Made> = seeds.iter().map(|seed| make(*seed)).collect();
        for statement in made.iter().flat_map(|made| &made.before) {
            database.execute(statement).await;
        }
        let catalog = database.catalog().await;
        let mut found: HashMap<String, FoundTable> =
            catalog.tables.into_iter().map(|found| (found.table.name.clone(), found)).collect();
        let mut cut = Vec::new();
        for Made { seed, mut random, create, later, .. } in made {
            let mut found = found.remove(&format!("t{seed}")).unwrap();
            found.table.columns.retain(|column| column.name == "row_id" || column.name == "pad");
            let target = [8 << 10, 16 << 10, 40 << 10][random.within(0, 3) as usize];
            for slicing in [Slicing::Blocks, Slicing::Keys] {
                let pieces = postgres::partitions(&connection, &found, slicing, target).await;
                let pieces = pieces.map(|pieces| random.packed(pieces)).map_err(|error| format!("{error:?}"));
                cut.push((seed, format!("{slicing:?}: {create}"), found.clone(), pieces, slicing == Slicing::Blocks));
            }
            database.execute(&later).await;
        }
        for (seed, create, found, pieces, blocks) in cut {
            let rows = database.admin.query(&format!("SELECT row_id FROM t{seed}"), &[]).await.unwrap();
            let there: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
            let bytes: u64 = found.relations.iter().map(|relation| relation.bytes).sum();
            let cuttable = blocks && bytes > 80 << 10;
            let count = pieces.as_ref().map_or(0, Vec::len);
            let read = match &pieces {
                Ok(pieces) => ids(&connection, &found, pieces).await,
                Err(error) => Err(error.clone()),
            };
            report.add(seed, &create, cuttable, count, read, &there);
        }
        let names: Vec<String> = seeds.iter().map(|seed| format!("t{seed}")).collect();
        database.execute(&format!("DROP TABLE {}", names.join(", "))).await;
    }
    // Half of the tables are divided by keys, which not all tables have, and many have only a few
    // blocks.
    report.check(15);
}
