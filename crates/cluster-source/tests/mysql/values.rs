//! Each value arrives unchanged, as a number or as the server's text. Each test reads a column and
//! compares it with what the server prints.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, DecimalType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, PrimitiveArray, RecordBatch};
use arrow_schema::DataType;
use cluster_source::error::ErrorKind;
use export_task::options::Types;
use export_task::table::ParquetType;
use export_task::warning::SkipReason;

use crate::server::{Database, is_mysql};

/// Returns a value as text: numbers in digits, bytes in hexadecimal digits, instants as
/// microseconds.
fn text(batch: &RecordBatch, column: usize, row: usize) -> String {
    fn decimal<T: DecimalType>(array: &PrimitiveArray<T>, row: usize) -> String {
        array.value_as_string(row)
    }
    let array = batch.column(column);
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)).to_string(),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).to_string(),
        DataType::FixedSizeBinary(_) => hexadecimal(array.as_fixed_size_binary().value(row)),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Decimal32(..) => decimal(array.as_primitive::<Decimal32Type>(), row),
        DataType::Decimal64(..) => decimal(array.as_primitive::<Decimal64Type>(), row),
        DataType::Decimal128(..) => decimal(array.as_primitive::<Decimal128Type>(), row),
        DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
        DataType::Utf8 => hexadecimal(array.as_string::<i32>().value(row).as_bytes()),
        DataType::Binary => hexadecimal(array.as_binary::<i32>().value(row)),
        other => panic!("{other}"),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Returns the SQL expression for the text that [`text`] returns.
fn expression(parquet: ParquetType) -> &'static str {
    match parquet {
        ParquetType::String | ParquetType::Json => "HEX(CONVERT(CAST(v AS CHAR) USING utf8mb4))",
        ParquetType::Binary => "HEX(v)",
        ParquetType::TimestampMicros | ParquetType::LocalTimestampMicros => {
            "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', v)"
        }
        ParquetType::Date => "DATEDIFF(v, '1970-01-01')",
        ParquetType::Uuid => "REPLACE(UPPER(v), '-', '')",
        ParquetType::Float | ParquetType::Double => "CAST(v AS DOUBLE)",
        _ => "CAST(v AS CHAR)",
    }
}

/// Stores `values` in a column of `definition` and compares the values read with what the server
/// prints.
async fn assert_equal(definition: &str, parquet: ParquetType, values: &[&str]) {
    assert_equal_in(&Database::create(), definition, parquet, expression(parquet), values).await;
}

async fn assert_equal_in(
    database: &Database,
    definition: &str,
    parquet: ParquetType,
    expression: &str,
    values: &[&str],
) {
    assert_equal_with(database, Types::Aurora, definition, parquet, expression, values).await;
}

/// Does the same in an export with native Parquet types.
async fn assert_equal_natively(definition: &str, parquet: ParquetType, values: &[&str]) {
    assert_equal_with(&Database::create(), Types::Native, definition, parquet, expression(parquet), values).await;
}

async fn assert_equal_with(
    database: &Database,
    types: Types,
    definition: &str,
    parquet: ParquetType,
    expression: &str,
    values: &[&str],
) {
    let rows: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
    database.execute(&format!(
        "DROP TABLE IF EXISTS t; CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v {definition}); \
         INSERT INTO t (v) VALUES {}; INSERT INTO t (v) SELECT NULL",
        rows.join(", ")
    ));
    let found = database.table_with("t", types).await;
    assert_eq!(found.table.columns[1].parquet, parquet, "{definition}");
    let expected = database.execute(&format!("SELECT id, {expression} FROM t ORDER BY id"));
    assert_eq!(expected.len(), values.len() + 1);
    let mut at = 0;
    for batch in database.read_all(&found).await.unwrap() {
        for row in 0..batch.num_rows() {
            let value = text(&batch, 1, row);
            let [id, server] = expected[at].as_slice() else { panic!("{definition}: {:?}", expected[at]) };
            assert_eq!(&text(&batch, 0, row), id);
            if matches!(parquet, ParquetType::Float | ParquetType::Double) && server != "NULL" {
                // Both print as many digits as the number needs.
                assert_eq!(
                    value.parse::<f64>().unwrap().to_bits(),
                    server.parse::<f64>().unwrap().to_bits(),
                    "{server}"
                );
            } else {
                assert_eq!(&value, server, "{definition}: {:?}", values.get(at));
            }
            at += 1;
        }
    }
    assert_eq!(at, expected.len());
}

#[tokio::test]
async fn integers() {
    for (definition, parquet, values) in [
        ("TINYINT", ParquetType::Int32, &["-128", "127", "0", "-1"][..]),
        ("BOOLEAN", ParquetType::Int32, &["TRUE", "FALSE", "100"]),
        ("TINYINT UNSIGNED", ParquetType::Int16, &["0", "128", "255"]),
        ("SMALLINT", ParquetType::Int32, &["-32768", "32767", "-1"]),
        ("SMALLINT UNSIGNED", ParquetType::Int32, &["0", "32768", "65535"]),
        ("MEDIUMINT", ParquetType::Int32, &["-8388608", "8388607", "-1"]),
        ("MEDIUMINT UNSIGNED", ParquetType::Int64, &["0", "8388608", "16777215"]),
        ("INT", ParquetType::Int32, &["-2147483648", "2147483647", "-1"]),
        ("INT UNSIGNED", ParquetType::Int64, &["0", "2147483648", "4294967295"]),
        ("BIGINT", ParquetType::Int64, &["-9223372036854775808", "9223372036854775807", "-1"]),
        (
            "BIGINT UNSIGNED",
            ParquetType::Decimal { precision: 20, scale: 0 },
            &["0", "9223372036854775808", "18446744073709551615"],
        ),
    ] {
        assert_equal(definition, parquet, values).await;
    }
    // Leading zeros are a hint for printing a number, not part of it.
    let database = Database::create();
    assert_equal_in(&database, "INT(7) ZEROFILL", ParquetType::Int64, "v + 0", &["5", "4294967295"]).await;
    assert_equal_in(&database, "YEAR", ParquetType::Int32, "v + 0", &["0", "1901", "2155", "70"]).await;
}

#[tokio::test]
async fn decimals() {
    let digits = |n: usize| "9".repeat(n);
    for (precision, scale) in
        [(1, 0), (4, 4), (9, 2), (10, 0), (18, 18), (19, 0), (20, 5), (28, 10), (38, 0), (38, 30), (38, 19)]
    {
        let most = format!("{}.{}", digits(precision - scale), digits(scale));
        let values = ["0", "-0.5", "0.04", "0.0001", "-1", &most, &format!("-{most}"), "12345678.87654321"];
        let parquet = ParquetType::Decimal { precision: precision as u8, scale: scale as u8 };
        assert_equal(&format!("DECIMAL({precision},{scale})"), parquet, &values).await;
    }
    for (precision, scale) in [(39, 0), (65, 30), (65, 0)] {
        let most = format!("{}.{}", digits(precision - scale), digits(scale));
        let values = ["0", "-0.5", &most, &format!("-{most}"), "1e20"];
        assert_equal(&format!("DECIMAL({precision},{scale})"), ParquetType::String, &values).await;
    }
    let unsigned = ParquetType::Decimal { precision: 12, scale: 2 };
    assert_equal_in(
        &Database::create(),
        "DECIMAL(12,2) UNSIGNED ZEROFILL",
        unsigned,
        "TRIM(LEADING '0' FROM v)",
        &["1.5"],
    )
    .await;
}

#[tokio::test]
async fn floating_point() {
    let values = [
        "0",
        "-0e0",
        "0.1",
        "-1.5",
        "3.4028234663852886e38",
        "1.17549435e-38",
        "1e-45",
        "16777217",
        "123456789",
        "1e-7",
        "3.14159265358979",
    ];
    assert_equal("FLOAT", ParquetType::Double, &values).await;
    assert_equal("FLOAT(10,3)", ParquetType::Double, &values[2..4]).await;
    let values = [
        "0",
        "-0e0",
        "0.1",
        "1.7976931348623157e308",
        "-2.2250738585072014e-308",
        "4.9e-324",
        "9007199254740993",
        "1e23",
        "123456.789",
    ];
    assert_equal("DOUBLE", ParquetType::Double, &values).await;
}

#[tokio::test]
async fn bits_and_bytes() {
    let database = Database::create();
    assert_equal_in(&database, "BIT(1)", ParquetType::Binary, "LPAD(HEX(v), 2, '0')", &["b'0'", "b'1'"]).await;
    assert_equal_in(&database, "BIT(9)", ParquetType::Binary, "LPAD(HEX(v), 4, '0')", &["b'1'", "b'100000000'"]).await;
    assert_equal_in(
        &database,
        "BIT(64)",
        ParquetType::Binary,
        "LPAD(HEX(v), 16, '0')",
        &["0", "1", "18446744073709551615", "b'1000000000000000000000000000000000000000'"],
    )
    .await;
    assert_equal("BINARY(4)", ParquetType::Binary, &["''", "'ab'", "X'00FF00FF'"]).await;
    assert_equal("VARBINARY(300)", ParquetType::Binary, &["''", "'ab '", "REPEAT(X'00', 251)", "X'FE'"]).await;
    for blob in ["TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"] {
        assert_equal(blob, ParquetType::Binary, &["''", "X'00'", "REPEAT(X'FFFE', 100)"]).await;
    }
    assert_equal(
        "LONGBLOB",
        ParquetType::Binary,
        &["REPEAT('x', 70000)", "REPEAT('x', 16777200)", "REPEAT('x', 17000000)"],
    )
    .await;
    assert_equal("VARCHAR(20) CHARACTER SET binary", ParquetType::Binary, &["X'FF00'"]).await;
}

#[tokio::test]
async fn texts() {
    let values = ["''", "'a'", "'ab  '", "'it''s'", "'ünïcode ✓ 😀'", "'tab\\tnewline\\n'", "CHAR(0 USING utf8mb4)"];
    for definition in ["CHAR(30)", "VARCHAR(40)", "TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT"] {
        assert_equal(definition, ParquetType::String, &values).await;
    }
    assert_equal("LONGTEXT", ParquetType::String, &["REPEAT('é', 8500000)"]).await;
    assert_equal("VARCHAR(20) CHARACTER SET latin1", ParquetType::String, &["'äöü'", "'€'", "X'81'"]).await;
    assert_equal("VARCHAR(20) CHARACTER SET utf16", ParquetType::String, &["'äöü'", "'😀'"]).await;
    assert_equal("VARCHAR(20) CHARACTER SET sjis", ParquetType::String, &["'日本語'"]).await;
    assert_equal("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", ParquetType::String, &["'äöü '"]).await;
    assert_equal(
        "ENUM('a', 'b,c', 'it''s', 'ü', 'unsigned')",
        ParquetType::String,
        &["'a'", "'b,c'", "3", "'ü'", "'x'"],
    )
    .await;
    assert_equal("SET('a', 'b', 'ü unsigned')", ParquetType::String, &["''", "'a,b'", "'ü unsigned'", "7"]).await;
}

#[tokio::test]
async fn dates_and_times() {
    let dates = [
        "'2020-02-29'",
        "'0000-00-00'",
        "'2020-00-00'",
        "'2020-01-00'",
        "'1000-01-01'",
        "'9999-12-31'",
        "'0001-01-01'",
    ];
    assert_equal("DATE", ParquetType::String, &dates).await;
    let times =
        ["'00:00:00'", "'838:59:59'", "'-838:59:59'", "'-00:00:01'", "'23:59:59.5'", "'100:00:00'", "'9:08:07.000001'"];
    for digits in 0..=6 {
        assert_equal(&format!("TIME({digits})"), ParquetType::String, &times).await;
        let values = ["'1970-01-01 00:00:01'", "'2038-01-19 03:14:06.999999'", "'2001-02-03 04:05:06.123456'"];
        assert_equal(&format!("TIMESTAMP({digits}) NULL"), ParquetType::TimestampMicros, &values).await;
        let values =
            ["'1000-01-01 00:00:00'", "'9998-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.5'", "'1900-03-01'"];
        assert_equal(&format!("DATETIME({digits})"), ParquetType::TimestampMicros, &values).await;
    }
}

#[tokio::test]
async fn a_datetime_outside_the_calendar_leaves_the_table_out() {
    for value in ["0000-00-00 00:00:00", "2020-00-00 00:00:00", "2020-01-00 01:02:03"] {
        let database = Database::create();
        database.execute(&format!("CREATE TABLE t (v DATETIME); INSERT INTO t VALUES ('2020-01-01'), ('{value}')"));
        let error = database.read("t").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::InvalidDatetime));
        assert_eq!(error.to_string(), "column v holds a zero or impossible date");
    }
}

#[tokio::test]
async fn json_and_geometry() {
    let values = [r#"'{"b": 1, "a": [1.0, 2, "ü", null]}'"#, "'[]'", "'\"text\"'", "'12345678901234567890'", "'null'"];
    assert_equal_in(&Database::create(), "JSON", ParquetType::String, "HEX(CONVERT(v USING utf8mb4))", &values).await;
    for (definition, value) in [
        ("GEOMETRY", "ST_GeomFromText('POINT(1 2)', 4326)"),
        ("POINT", "ST_GeomFromText('POINT(-1.5 2.25)')"),
        ("LINESTRING", "ST_GeomFromText('LINESTRING(0 0, 1 1, 2 3)')"),
        ("POLYGON", "ST_GeomFromText('POLYGON((0 0, 4 0, 4 4, 0 0))')"),
        ("MULTIPOINT", "ST_GeomFromText('MULTIPOINT(1 1, 2 2)')"),
        ("MULTILINESTRING", "ST_GeomFromText('MULTILINESTRING((0 0, 1 1), (2 2, 3 3))')"),
        ("MULTIPOLYGON", "ST_GeomFromText('MULTIPOLYGON(((0 0, 4 0, 4 4, 0 0)))')"),
        ("GEOMETRYCOLLECTION", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))')"),
    ] {
        assert_equal(definition, ParquetType::Binary, &[value]).await;
    }
}

#[tokio::test]
async fn types_of_a_single_product() {
    if is_mysql() {
        assert_equal("VECTOR(3)", ParquetType::Binary, &["STRING_TO_VECTOR('[1, -2.5, 3e10]')"]).await;
    } else {
        assert_equal("UUID", ParquetType::String, &["'123e4567-e89b-12d3-a456-426655440000'"]).await;
        assert_equal("INET4", ParquetType::String, &["'10.0.0.1'", "'0.0.0.0'"]).await;
        assert_equal("INET6", ParquetType::String, &["'2001:db8::ff00:42:8329'", "'::ffff:10.0.0.1'"]).await;
    }
}

#[tokio::test]
async fn native_types() {
    for (definition, parquet, values) in [
        ("TINYINT", ParquetType::Int8, &["-128", "127", "0"][..]),
        ("BOOLEAN", ParquetType::Int8, &["TRUE", "FALSE", "100"]),
        ("TINYINT UNSIGNED", ParquetType::UInt8, &["0", "128", "255"]),
        ("SMALLINT", ParquetType::Int16, &["-32768", "32767"]),
        ("SMALLINT UNSIGNED", ParquetType::UInt16, &["0", "32768", "65535"]),
        ("MEDIUMINT", ParquetType::Int32, &["-8388608", "8388607"]),
        ("MEDIUMINT UNSIGNED", ParquetType::UInt32, &["0", "16777215"]),
        ("INT", ParquetType::Int32, &["-2147483648", "2147483647"]),
        ("INT UNSIGNED", ParquetType::UInt32, &["0", "2147483648", "4294967295"]),
        ("BIGINT", ParquetType::Int64, &["-9223372036854775808", "9223372036854775807"]),
        ("BIGINT UNSIGNED", ParquetType::UInt64, &["0", "9223372036854775808", "18446744073709551615"]),
        ("FLOAT", ParquetType::Float, &["-0e0", "0.1", "3.4028234663852886e38", "1e-45", "16777217"]),
        ("DOUBLE", ParquetType::Double, &["-0e0", "0.1", "4.9e-324"]),
        ("DECIMAL(12,2)", ParquetType::Decimal { precision: 12, scale: 2 }, &["-9999999999.99", "0.01"]),
        ("DECIMAL(65,30)", ParquetType::String, &["-0.000000000000000000000000000001", "1e30"]),
        ("DATE", ParquetType::Date, &["'0001-01-01'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'"]),
        ("TIME(6)", ParquetType::String, &["'-838:59:59'", "'23:59:59.999999'", "'24:00:00'"]),
        ("DATETIME(6)", ParquetType::LocalTimestampMicros, &["'1000-01-01'", "'9999-12-31 23:59:59.999999'"]),
        ("TIMESTAMP(6) NULL", ParquetType::TimestampMicros, &["'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999999'"]),
        ("VARCHAR(9)", ParquetType::String, &["''", "'ü'"]),
        ("ENUM('a', 'ü')", ParquetType::String, &["'ü'"]),
        ("VARBINARY(9)", ParquetType::Binary, &["X'00FF'"]),
    ] {
        assert_equal_natively(definition, parquet, values).await;
    }
    let year = "v + 0";
    assert_equal_with(&Database::create(), Types::Native, "YEAR", ParquetType::Int32, year, &["0", "1901", "2155"])
        .await;
    if is_mysql() {
        let text = "HEX(CONVERT(v USING utf8mb4))";
        let values = [r#"'{"b": 1, "a": [1.0, 2, "ü", null]}'"#, "'null'"];
        assert_equal_with(&Database::create(), Types::Native, "JSON", ParquetType::Json, text, &values).await;
    } else {
        // MariaDB's JSON is a LONGTEXT.
        assert_equal_natively("JSON", ParquetType::String, &[r#"'{"b":  1}'"#]).await;
        let values = ["'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'", "UUID()"];
        assert_equal_natively("UUID", ParquetType::Uuid, &values).await;
        assert_equal_natively("INET6", ParquetType::String, &["'::ffff:10.0.0.1'"]).await;
    }
}

#[tokio::test]
async fn a_date_outside_the_calendar_leaves_the_table_out() {
    for value in ["0000-00-00", "2020-00-00", "2020-01-00"] {
        let database = Database::create();
        database.execute(&format!("CREATE TABLE t (v DATE); INSERT INTO t VALUES ('2020-01-01'), ('{value}')"));
        let found = database.table_with("t", Types::Native).await;
        let error = database.read_all(&found).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::InvalidDatetime));
        assert_eq!(error.to_string(), "column v holds a zero or impossible date");
    }
}

#[tokio::test]
async fn generated_and_invisible_columns() {
    let database = Database::create();
    database.execute(
        "CREATE TABLE t (a INT, b INT AS (a * 2) STORED, c VARCHAR(10) AS (CONCAT('x', a)) VIRTUAL, d INT INVISIBLE); \
         INSERT INTO t (a, d) VALUES (1, 7), (NULL, NULL)",
    );
    let batches = database.read("t").await.unwrap();
    let names: Vec<&str> = batches[0].schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let row = |row| (0..4).map(|column| text(&batches[0], column, row)).collect::<Vec<_>>();
    assert_eq!(row(0), ["1", "2", "7831", "7"]);
    assert_eq!(row(1), ["NULL", "NULL", "NULL", "NULL"]);
}

#[tokio::test]
async fn a_column_that_cannot_be_computed() {
    let database = Database::create();
    // The server reads no row when it adds a virtual column.
    database.execute(
        "CREATE TABLE numbers (a INT UNSIGNED, b INT UNSIGNED); INSERT INTO numbers VALUES (1, 2); \
         ALTER TABLE numbers ADD c BIGINT UNSIGNED AS (a - b) VIRTUAL",
    );
    let read = database.read("numbers").await;
    if is_mysql() {
        let error = read.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::UnreadableValue), "{error:?}");
    } else {
        // Each client of MariaDB reads zero.
        assert_eq!(text(&read.unwrap()[0], 2, 0), "0");
    }
}

#[tokio::test]
async fn every_position_of_the_null_bitmap() {
    let database = Database::create();
    let columns: Vec<String> = (0..20).map(|i| format!("c{i} {}", ["INT", "VARCHAR(5)", "DOUBLE"][i % 3])).collect();
    let rows: Vec<String> = (0..21)
        .map(|null| {
            let values: Vec<_> = (0..20).map(|i| if i == null { "NULL".to_owned() } else { i.to_string() }).collect();
            format!("({})", values.join(","))
        })
        .collect();
    database.execute(&format!("CREATE TABLE t ({}); INSERT INTO t VALUES {}", columns.join(","), rows.join(",")));
    let batches = database.read("t").await.unwrap();
    for row in 0..21 {
        for column in 0..20 {
            assert_eq!(batches[0].column(column).is_null(row), row == column, "{row} {column}");
        }
    }
}
