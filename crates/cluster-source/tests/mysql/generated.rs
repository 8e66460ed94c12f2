//! Generated tables of MySQL and MariaDB.

use std::collections::HashMap;
use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use cluster_source::mysql::{self, Connection, FoundTable};
use export_task::options::Types;
use export_task::plan::Partition;

use crate::ranges::{Random, Report, TOGETHER, seeds};
use crate::server::{Database, is_mysql, read};

const COLLATIONS: &[&str] = &[
    "utf8mb4_general_ci",
    "utf8mb4_bin",
    "utf8mb4_unicode_ci",
    "utf8mb4_unicode_520_ci",
    "utf8mb4_german2_ci",
    "utf8mb4_spanish2_ci",
    "utf8mb4_czech_ci",
    "utf8mb4_hungarian_ci",
    "utf8mb4_swedish_ci",
    "latin1_swedish_ci",
    "latin1_german2_ci",
    "latin1_general_cs",
    "latin1_bin",
    "ascii_general_ci",
    "utf16_unicode_ci",
    "utf32_general_ci",
    "ucs2_bin",
    "cp1250_czech_cs",
    "latin2_czech_cs",
    "sjis_japanese_ci",
    "gbk_chinese_ci",
    "big5_bin",
    "utf8mb3_general_ci",
];

const MYSQL_COLLATIONS: &[&str] = &[
    "utf8mb4_0900_ai_ci",
    "utf8mb4_0900_as_ci",
    "utf8mb4_0900_as_cs",
    "utf8mb4_0900_bin",
    "utf8mb4_ja_0900_as_cs",
    "utf8mb4_ja_0900_as_cs_ks",
    "utf8mb4_da_0900_ai_ci",
    "utf8mb4_de_pb_0900_as_cs",
    "utf8mb4_es_trad_0900_ai_ci",
    "utf8mb4_hu_0900_as_cs",
    "utf8mb4_zh_0900_as_cs",
    "gb18030_unicode_520_ci",
];

const MARIADB_COLLATIONS: &[&str] = &[
    "utf8mb4_nopad_bin",
    "utf8mb4_general_nopad_ci",
    "utf8mb4_unicode_nopad_ci",
    "utf8mb4_unicode_520_nopad_ci",
    "latin1_swedish_nopad_ci",
    "latin1_nopad_bin",
    "uca1400_ai_ci",
    "uca1400_as_cs",
    "uca1400_danish_nopad_as_cs",
];

/// A column of a generated key.
struct KeyColumn {
    definition: String,
    is_text: bool,
    is_integer: bool,
    /// Each row has one of these values.
    values: Vec<String>,
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn column(random: &mut Random, rows: u64) -> KeyColumn {
    let kind = random.within(0, 12);
    let size = random.within(1, 7);
    let pool = if random.chance(30) { random.within(1, 9) } else { rows };
    let unsigned = random.chance(30);
    let bits = [7, 15, 23, 31, 63][random.within(0, 5) as usize];
    let collations = [COLLATIONS, if is_mysql() { MYSQL_COLLATIONS } else { MARIADB_COLLATIONS }].concat();
    let fixed = random.chance(40);
    let definition = match kind {
        0..=2 => {
            let name = match bits {
                7 => "TINYINT",
                15 => "SMALLINT",
                23 => "MEDIUMINT",
                31 => "INT",
                _ => "BIGINT",
            };
            format!("{name}{}", if unsigned { " UNSIGNED" } else { "" })
        }
        3 => format!("DECIMAL({}, {})", size * 3, size),
        4 => "DATE".to_owned(),
        5 => format!("DATETIME({})", size - 1),
        6 => format!("{}({})", if fixed { "BINARY" } else { "VARBINARY" }, size * 2),
        7 if random.chance(50) => "ENUM('x','b','a','ß','Z')".to_owned(),
        7 => "DOUBLE".to_owned(),
        _ => {
            let collation = random.pick(&collations);
            let charset =
                if collation.starts_with("uca1400") { "utf8mb4" } else { collation.split('_').next().unwrap() };
            let name = if fixed { "CHAR" } else { "VARCHAR" };
            format!("{name}({size}) CHARACTER SET {charset} COLLATE {collation}")
        }
    };
    let mut value = || match kind {
        0..=2 => {
            let (number, negative) = (random.number(bits + u64::from(unsigned)), !unsigned && random.chance(40));
            format!("{}{number}", if negative { "-" } else { "" })
        }
        3 => format!("{}{}.{:02}", if random.chance(40) { "-" } else { "" }, random.number(20), random.within(0, 100)),
        4 | 5 => {
            let (year, month, day) = (random.within(1999, 2003), random.within(0, 13), random.within(0, 32));
            let rare = random.chance(3);
            let date = if rare { "0000-00-00".to_owned() } else { format!("{year}-{month:02}-{day:02}") };
            let second = random.number(16);
            let time = format!(
                " {:02}:{:02}:{:02}.{:06}",
                second / 3600 % 24,
                second / 60 % 60,
                second % 60,
                random.number(19)
            );
            format!("'{date}{}'", if kind == 4 { "" } else { &time })
        }
        6 => {
            let bytes: Vec<u8> = (0..random.within(0, size * 2 + 1)).map(|_| random.number(8) as u8).collect();
            format!("X'{}'", hexadecimal(&bytes))
        }
        7 if definition == "DOUBLE" => format!("{}e{}", random.number(30), random.within(0, 9)),
        7 => random.within(1, 6).to_string(),
        _ => format!("_utf8mb4 X'{}'", hexadecimal(random.text(size).as_bytes())),
    };
    let values = (0..pool).map(|_| value()).collect();
    KeyColumn { is_text: kind > 7, is_integer: kind < 3, definition, values }
}

/// A generated table, with the statements that fill it before the server counts its rows and change
/// it later.
struct GeneratedTable {
    seed: u64,
    random: Random,
    create: String,
    fill: String,
    later: String,
}

fn inserts(random: &mut Random, name: &str, columns: &[KeyColumn], ids: std::ops::Range<u64>, filler: u64) -> String {
    let skewed = random.chance(30);
    let mut sql = format!("INSERT IGNORE INTO {name} VALUES ");
    for (nth, id) in ids.enumerate() {
        sql += if nth == 0 { "(" } else { ",(" };
        for column in columns {
            let all = column.values.len() as u64;
            let nth = if skewed && random.chance(70) { 0 } else { random.within(0, all) };
            let _ = write!(sql, "{},", column.values[nth as usize]);
        }
        let _ = write!(sql, "{id},REPEAT('x',{filler}))");
    }
    sql
}

fn make(seed: u64) -> GeneratedTable {
    let mut random = Random::new(seed);
    let name = format!("t{seed}");
    let rows = random.within(50, 401);
    let columns: Vec<KeyColumn> = (0..random.within(1, 4)).map(|_| column(&mut random, rows)).collect();
    let filler = [0, 0, 60, 300, 2000][random.within(0, 5) as usize];
    let mut parts: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(nth, column)| {
            let part = if column.is_text && random.chance(8) { "(1)" } else { "" };
            let order = if random.chance(8) { " DESC" } else { "" };
            format!("k{nth}{part}{order}")
        })
        .collect();
    if random.chance(60) {
        parts.push("row_id".to_owned());
    }
    let mut create = format!("CREATE TABLE {name} (");
    for (nth, column) in columns.iter().enumerate() {
        // Only the first column must be NOT NULL.
        let nullable = nth > 0 && random.chance(10);
        let _ = write!(create, "k{nth} {}{}, ", column.definition, if nullable { "" } else { " NOT NULL" });
    }
    create += "row_id BIGINT NOT NULL, pad VARBINARY(3000)";
    let kind = random.within(0, 100);
    let parts = parts.join(", ");
    let is_nullable = create.split(", ").any(|c| c.starts_with('k') && !c.contains("NOT NULL"));
    match kind {
        0..=59 if !is_nullable => create += &format!(", PRIMARY KEY ({parts})"),
        0..=74 => create += &format!(", UNIQUE KEY u ({parts})"),
        75..=79 if is_mysql() => create += &format!(", UNIQUE KEY u ({parts}, (row_id + 1))"),
        75..=79 => create += &format!(", UNIQUE KEY u ({parts}) IGNORED, PRIMARY KEY (row_id)"),
        80..=84 if is_mysql() => create += &format!(", UNIQUE KEY u ({parts}) INVISIBLE, PRIMARY KEY (row_id)"),
        80..=91 => create += &format!(", UNIQUE KEY u ({parts}), KEY (row_id)"),
        92..=95 => create += &format!(", KEY ({parts})"),
        _ => {}
    }
    create.push(')');
    // Each unique key must include the column that the table is partitioned by.
    if kind < 75 && random.chance(25) && !parts.contains('(') {
        create += match random.within(0, 4) {
            0 if columns[0].is_integer => " PARTITION BY HASH (k0) PARTITIONS 3",
            1 if columns[0].is_integer => {
                " PARTITION BY RANGE (k0) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)"
            }
            2 if columns[0].is_integer && columns[0].definition.ends_with("UNSIGNED") => {
                " PARTITION BY LIST (MOD(k0, 3)) (PARTITION a VALUES IN (0, 1), PARTITION b VALUES IN (2))"
            }
            2 if columns[0].is_integer => {
                " PARTITION BY LIST (MOD(k0, 3)) (PARTITION a VALUES IN (0, 1, -1), PARTITION b VALUES IN (2, -2))"
            }
            _ => " PARTITION BY KEY (k0) PARTITIONS 4",
        };
    }
    let fill = inserts(&mut random, &name, &columns, 0..rows, filler);
    let later = match random.within(0, 4) {
        0 => inserts(&mut random, &name, &columns, rows..rows + 70, filler),
        1 => format!("DELETE FROM {name} WHERE row_id % 3 = {}", random.within(0, 3)),
        2 => {
            let more = inserts(&mut random, &name, &columns, rows..rows + 50, filler);
            format!("DELETE FROM {name} WHERE row_id % 4 > 0; {more}")
        }
        _ => "DO 0".to_owned(),
    };
    GeneratedTable { seed, random, create, fill, later }
}

/// Reads partitions and returns the ids of their rows.
async fn ids(connection: &mut Connection, found: &FoundTable, partitions: &[Partition]) -> Result<Vec<i64>, String> {
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
    let database = Database::create();
    let mut connection = database.connect().await;
    let mut report = Report::default();
    for seeds in seeds().chunks(TOGETHER as usize) {
        let made: Vec<GeneratedTable> = seeds.iter().map(|seed| make(*seed)).collect();
        let mut sql = "SET sql_mode = 'ALLOW_INVALID_DATES';\n".to_owned();
        for GeneratedTable { seed, create, fill, .. } in &made {
            let _ = write!(sql, "{create};\nBEGIN;\n{fill};\nCOMMIT;\nANALYZE TABLE t{seed};\n");
        }
        database.execute(&sql);
        let catalog = mysql::catalog(&mut connection, &database.name, Types::Aurora, |_, _| true).await.unwrap();
        let mut found: HashMap<String, FoundTable> =
            catalog.tables.into_iter().map(|found| (found.table.name.clone(), found)).collect();
        let mut cut = Vec::new();
        let mut sql = "SET sql_mode = 'ALLOW_INVALID_DATES';\n".to_owned();
        for GeneratedTable { seed, mut random, create, later, .. } in made {
            let mut found = found.remove(&format!("t{seed}")).unwrap();
            // Dates and times may be outside the calendar, so read the ids and the text columns
            // only.
            found.table.columns.retain(|column| column.name == "row_id" || column.decode == "text");
            found.has_stale_statistics = random.chance(10);
            let parts = random.within(2, 40);
            let pieces = mysql::partitions(&mut connection, &found, found.bytes.div_ceil(parts).max(1)).await;
            let pieces = pieces.map(|pieces| random.packed(pieces)).map_err(|error| format!("{error:?}"));
            let _ = write!(sql, "{later};\nSELECT {seed}, row_id FROM t{seed};\n");
            cut.push((seed, create, found, pieces));
        }
        let mut present: HashMap<u64, Vec<i64>> = HashMap::new();
        for row in database.execute(&sql) {
            if let [seed, id] = &row[..] {
                present.entry(seed.parse().unwrap()).or_default().push(id.parse().unwrap());
            }
        }
        let mut drop = String::new();
        for (seed, create, found, pieces) in cut {
            let cuttable = found.key.is_some() && found.rows > 1;
            let present = present.remove(&seed).unwrap_or_default();
            let count = pieces.as_ref().map_or(0, Vec::len);
            let read = match &pieces {
                Ok(pieces) => ids(&mut connection, &found, pieces).await,
                Err(error) => Err(error.clone()),
            };
            report.add(seed, &create, cuttable, count, read, &present);
            let _ = writeln!(drop, "DROP TABLE t{seed};");
        }
        database.execute(&drop);
    }
    report.check(50);
}
