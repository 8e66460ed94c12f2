//! Exports with Parquet's own types: the types of columns, lists, and values that Parquet can't
//! express.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int32Type};
use arrow_array::{Array, RecordBatch};
use cluster_source::SourceError;
use cluster_source::error::ErrorKind;
use cluster_source::postgres::FoundTable;
use export_task::options::Types;
use export_task::warning::SkipReason;

use crate::server::{Database, read, whole};

async fn table(database: &Database, name: &str) -> FoundTable {
    let catalog = database.catalog_of(Types::Native).await;
    catalog.tables.into_iter().find(|found| found.table.name == name).unwrap()
}

/// Returns a table's rows, which must fit into one record batch.
async fn rows(database: &Database, name: &str) -> Result<RecordBatch, SourceError> {
    let found = table(database, name).await;
    let mut batches = read(&database.connect().await, &found, &whole(&found)[0]).await?;
    assert_eq!(batches.len(), 1);
    Ok(batches.remove(0))
}

#[tokio::test]
async fn columns_become_what_parquet_has_for_them() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN day AS date;
             CREATE DOMAIN days AS date[]; CREATE DOMAIN more_days AS days; CREATE DOMAIN amounts AS numeric(7,2)[];
             CREATE DOMAIN amount AS numeric(7,2); CREATE DOMAIN more_amount AS amount CHECK (value > 0);
             CREATE DOMAIN more_amounts AS more_amount[]; CREATE DOMAIN free AS numeric; CREATE DOMAIN feeling AS mood",
        )
        .await;
    for (definition, decode, exported) in [
        ("date", "date", "int32 (DATE)"),
        ("day", "date", "int32 (DATE)"),
        ("time(3)", "time", "int64 (TIME_MICRO)"),
        ("timestamptz", "timestamptz", "int64 (TIMESTAMP_MICRO)"),
        ("numeric(38,38)", "numeric", "fixed_len_byte_array(16) (DECIMAL(38,38))"),
        ("numeric(39,0)", "numeric", "binary (UTF8)"),
        ("numeric(5,-2)", "numeric", "binary (UTF8)"),
        ("numeric(4,6)", "numeric", "binary (UTF8)"),
        ("amount", "numeric", "int32 (DECIMAL(7,2))"),
        ("more_amount", "numeric", "int32 (DECIMAL(7,2))"),
        ("free", "numeric", "binary (UTF8)"),
        ("uuid", "uuid", "fixed_len_byte_array(16) (UUID)"),
        ("interval", "interval", "binary (UTF8)"),
        ("bool[]", "bool", "list<boolean>"),
        ("int2[]", "int2", "list<int32 (INT_16)>"),
        ("int4[3][4]", "int4", "list<int32>"),
        ("float4[]", "float4", "list<float>"),
        ("bytea[]", "bytea", "list<binary>"),
        ("varchar(5)[]", "text", "list<binary (UTF8)>"),
        ("json[]", "text", "list<binary (JSON)>"),
        ("jsonb[]", "jsonb", "list<binary (JSON)>"),
        ("timestamp[]", "timestamp", "list<int64 (TIMESTAMP_MICRO)>"),
        ("numeric(7,2)[]", "numeric", "list<int32 (DECIMAL(7,2))>"),
        ("numeric[]", "numeric", "list<binary (UTF8)>"),
        ("day[]", "date", "list<int32 (DATE)>"),
        ("days", "date", "list<int32 (DATE)>"),
        ("more_days", "date", "list<int32 (DATE)>"),
        ("days[]", "cast", "list<binary (UTF8)>"),
        ("amounts", "numeric", "list<int32 (DECIMAL(7,2))>"),
        ("amount[]", "numeric", "list<int32 (DECIMAL(7,2))>"),
        ("more_amounts", "numeric", "list<int32 (DECIMAL(7,2))>"),
        ("free[]", "numeric", "list<binary (UTF8)>"),
        ("mood[]", "text", "list<binary (UTF8)>"),
        ("feeling[]", "text", "list<binary (UTF8)>"),
        ("pair[]", "cast", "list<binary (UTF8)>"),
        ("int4range[]", "cast", "list<binary (UTF8)>"),
        ("money[]", "cast", "list<binary (UTF8)>"),
        ("inet[]", "inet", "list<binary (UTF8)>"),
        ("point", "cast", "binary (UTF8)"),
        ("int2vector", "cast", "binary (UTF8)"),
        ("oidvector", "cast", "binary (UTF8)"),
        ("oidvector[]", "cast", "list<binary (UTF8)>"),
    ] {
        database.execute(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (v {definition})")).await;
        let column = &table(&database, "t").await.table.columns[0];
        assert_eq!((column.decode.as_str(), &*column.exported_name()), (decode, exported), "{definition}");
    }
}

/// Elements are read like a column of their type.
#[tokio::test]
async fn lists_hold_the_elements_of_arrays() {
    let database = Database::create().await;
    database.execute("CREATE TYPE mood AS ENUM ('sad', 'very happy'); CREATE TYPE pair AS (a int, b mood)").await;
    for (element, values) in [
        ("bool", "true, NULL, false"),
        ("int2", "-32768, NULL, 32767"),
        ("int4", "-2147483648, NULL, 2147483647"),
        ("int8", "-9223372036854775808, NULL, 9223372036854775807"),
        ("float4", "'-0', '0.1', NULL, '-Infinity'"),
        ("float8", "'-0', '0.1', NULL, '5e-324'"),
        ("text", "'', NULL, 'NULL', E'a\\tü😀', repeat('long', 10000)"),
        ("char(4)", "'', NULL, 'ü'"),
        ("bytea", "'', NULL, '\\x00ff'"),
        ("date", "'0044-03-15 BC', NULL, '5874897-12-31'"),
        ("time", "'00:00', NULL, '23:59:59.999999'"),
        ("timestamp", "'4713-01-01 BC', NULL, '294246-12-31 23:59:59.999999'"),
        ("timestamptz", "'4713-01-02 BC', NULL, '294246-12-31'"),
        ("numeric(7,2)", "-99999.99, NULL, 0.01"),
        ("numeric(18,6)", "-999999999999.999999, NULL, 0"),
        ("numeric(38,10)", "-9999999999999999999999999999.9999999999, NULL, 1"),
        ("numeric", "'NaN', NULL, 1e-10, 12.50"),
        ("uuid", "'00112233-4455-6677-8899-aabbccddeeff', NULL, 'ffffffff-0000-0000-0000-000000000000'"),
        ("json", "'{\"a\":  1}', NULL, 'null'"),
        ("jsonb", "'{\"b\":  1, \"a\": [2.50]}', NULL, 'null'"),
        ("interval", "'1 mon -1 day', NULL"),
        ("timetz", "'12:00+05:30', NULL, '24:00-15:59:59'"),
        ("inet", "'10.0.0.1', NULL, '::1/64'"),
        ("varbit", "'', NULL, '10101'"),
        ("mood", "'sad', NULL, 'very happy'"),
        ("pair", "'(1,\"very happy\")', NULL, '(,)'"),
        ("int4range", "'[1,5)', NULL, 'empty'"),
        ("point", "'(1,2)', NULL"),
    ] {
        let array = format!("array[{values}]::{element}[]");
        database
            .execute(&format!(
                "DROP TABLE IF EXISTS lists, elements; CREATE TABLE elements (v {element});
                 INSERT INTO elements SELECT unnest({array}) FROM generate_series(1, 3);
                 CREATE TABLE lists (v {element}[]); INSERT INTO lists VALUES ({array}), (NULL), ({array}), ('{{}}'), ({array})"
            ))
            .await;
        let (lists, elements) = (rows(&database, "lists").await.unwrap(), rows(&database, "elements").await.unwrap());
        let lists = lists.column(0).as_list::<i32>();
        let offsets: Vec<usize> = lists.offsets().iter().map(|end| *end as usize).collect();
        let count = offsets[1];
        assert_eq!(offsets, [0, count, count, count * 2, count * 2, count * 3], "{element}");
        assert_eq!((0..5).map(|row| lists.is_null(row)).collect::<Vec<_>>(), [false, true, false, false, false]);
        assert_eq!(lists.values(), elements.column(0), "{element}");
        assert_eq!(elements.num_rows(), count * 3);
    }
}

#[tokio::test]
async fn decimals_of_domains() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE DOMAIN amount AS numeric(7,2); CREATE DOMAIN amounts AS numeric(7,2)[];
             CREATE TABLE t (a numeric(7,2), b amount, c numeric(7,2)[], d amounts, e amount[]);
             INSERT INTO t VALUES (1.5, 1.5, '{1.5,NULL,-99999.99}', '{1.5,NULL,-99999.99}', '{1.5,NULL,-99999.99}')",
        )
        .await;
    let batch = rows(&database, "t").await.unwrap();
    assert_eq!(batch.column(0), batch.column(1));
    assert_eq!(batch.column(2), batch.column(3));
    assert_eq!(batch.column(2), batch.column(4));
    assert_eq!(batch.column(2).as_list::<i32>().values().len(), 3);
}

#[tokio::test]
async fn lists_without_a_value() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t (v int[]); INSERT INTO t VALUES (NULL), ('{}'), ('{NULL}'), ('{1,NULL,2}')").await;
    let batch = rows(&database, "t").await.unwrap();
    let lists = batch.column(0).as_list::<i32>();
    let lists: Vec<_> =
        lists.iter().map(|list| Some(list?.as_primitive::<Int32Type>().iter().collect::<Vec<_>>())).collect();
    assert_eq!(lists, [None, Some(vec![]), Some(vec![None]), Some(vec![Some(1), None, Some(2)])]);
}

#[tokio::test]
async fn a_value_that_parquet_cannot_express_leaves_the_table_out() {
    let database = Database::create().await;
    for (definition, fitting, other, exported) in [
        ("int[]", "{1}", "{{1}}", "list<int32>"),
        ("int[]", "{1}", "[0:0]={1}", "list<int32>"),
        ("text[]", "{}", "[2:3]={a,b}", "list<binary (UTF8)>"),
        ("point[]", "{}", "{{\"(1,2)\"}}", "list<binary (UTF8)>"),
        ("point[]", "{NULL}", "[0:0]={NULL}", "list<binary (UTF8)>"),
        ("date[]", "{1970-01-01}", "{1970-01-01,infinity}", "list<int32 (DATE)>"),
        ("time[]", "{00:00}", "{24:00}", "list<int64 (TIME_MICRO)>"),
        ("timestamptz[]", "{1970-01-01}", "{-infinity}", "list<int64 (TIMESTAMP_MICRO)>"),
        ("numeric(3,1)[]", "{99.9}", "{NaN}", "list<int32 (DECIMAL(3,1))>"),
        ("numeric(3,1)", "99.9", "NaN", "int32 (DECIMAL(3,1))"),
        ("timestamp", "1970-01-01", "infinity", "int64 (TIMESTAMP_MICRO)"),
        ("timestamp", "294247-01-10 04:00", "294247-01-10 04:01", "int64 (TIMESTAMP_MICRO)"),
    ] {
        database
            .execute(&format!(
                "DROP TABLE IF EXISTS t; CREATE TABLE t (v {definition}); INSERT INTO t VALUES ('{fitting}')"
            ))
            .await;
        rows(&database, "t").await.unwrap();
        database.execute(&format!("INSERT INTO t VALUES ('{other}')")).await;
        let error = rows(&database, "t").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::UnrepresentableValue), "{definition}");
        assert_eq!(error.to_string(), format!("column v holds a value that {exported} can't express"));
    }
}

#[tokio::test]
async fn dates_reach_from_end_to_end() {
    let database = Database::create().await;
    database.execute("CREATE TABLE t AS SELECT unnest(array['4713-01-01 BC', '5874897-12-31']::date[]) AS v").await;
    let batch = rows(&database, "t").await.unwrap();
    let days: Vec<_> = batch.column(0).as_primitive::<Date32Type>().values().to_vec();
    assert_eq!(days, [-2_440_550, 2_145_042_905]);
}
