//! Every value arrives as the server's `::text` prints it, or as the same number. Each test reads
//! two columns: one is decoded natively, and the other is a `text` column that the server filled
//! with `::text` under the exporting session's settings.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};

use crate::server::Database;

/// Reads `values` (a query of one column `v`) natively and compares with the server's `cast`.
async fn equal_to_server(type_name: &str, decode: &str, cast: &str, values: &str) -> usize {
    equal_in(&Database::create().await, type_name, decode, cast, values).await
}

/// Like [`equal_to_server`], in a database that has the type.
pub(crate) async fn equal_in(database: &Database, type_name: &str, decode: &str, cast: &str, values: &str) -> usize {
    // The session that fills the table has the settings of the exporting session.
    database
        .execute("SET TimeZone = 'UTC'; SET IntervalStyle = postgres; SET DateStyle = 'ISO, MDY'; SET search_path = ''")
        .await;
    database.execute("SET bytea_output = hex; SET extra_float_digits = 1; SET xmloption = content").await;
    database.execute(&format!("DROP TABLE IF EXISTS public.t; CREATE TABLE public.t (v {type_name}, s text)")).await;
    database.execute(&format!("INSERT INTO public.t (v) SELECT v::{type_name} FROM ({values}) x (v)")).await;
    database.execute("INSERT INTO public.t VALUES (NULL), (NULL)").await;
    database.execute(&format!("UPDATE public.t SET s = {cast}")).await;
    let found = database.table("t").await;
    assert_eq!(found.table.columns[0].decode, decode, "{type_name}");
    let mut rows = 0;
    let mut nulls = 0;
    for batch in database.read("t").await.unwrap() {
        let (native, server) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        for i in 0..batch.num_rows() {
            assert_eq!(native.is_null(i), server.is_null(i));
            assert_eq!(native.value(i), server.value(i));
        }
        rows += batch.num_rows();
        nulls += native.null_count();
    }
    assert_eq!(nulls, 2);
    rows
}

#[tokio::test]
async fn numeric() {
    let rows = equal_to_server(
        "numeric",
        "numeric",
        "v::text",
        "SELECT unnest(array['NaN', 'Infinity', '-Infinity', '0', '0.0', '0.0000', '0.00000', '-0', '1', '-1', '10', '9999', '10000', \
            '10001', '99999999', '100000000', '0.1', '0.01', '0.001', '0.0001', '0.00001', '-0.00001', '0.12345', '12345.6789', \
            '1e100', '-1e-100', '1.5e-200', '1e16000', '1e-16000', '-123456789012345678901234567890.123456789', \
            '10000.0001', '10000.00010', '100000000.00000001']::numeric[]) \
         UNION ALL SELECT round(((random() - 0.5) * power(10, (random() * 30)::int))::numeric, (random() * 20)::int) FROM generate_series(1, 4000) \
         UNION ALL SELECT round((random() * power(10, -(random() * 30)::int))::numeric, (random() * 40)::int) FROM generate_series(1, 4000) \
         UNION ALL SELECT power(10::numeric, n) + n FROM generate_series(0, 60) n \
         UNION ALL SELECT trunc(power(10::numeric, -n), n) * sign(random() - 0.5)::numeric FROM generate_series(1, 60) n \
         UNION ALL SELECT repeat('1234567890', n)::numeric FROM generate_series(1, 100) n",
    )
    .await;
    assert!(rows > 8000);
    // A declared scale pads with zeros, and a negative scale rounds.
    equal_to_server(
        "numeric(12,5)",
        "numeric",
        "v::text",
        "SELECT (random() - 0.5) * 1e6 FROM generate_series(1, 2000)",
    )
    .await;
    equal_to_server(
        "numeric(6,-2)",
        "numeric",
        "v::text",
        "SELECT (random() - 0.5) * 1e6 FROM generate_series(1, 500)",
    )
    .await;
}

#[tokio::test]
async fn date() {
    equal_to_server(
        "date",
        "date",
        "v::text",
        "SELECT unnest(array['infinity', '-infinity', '4713-01-01 BC', '0001-01-01 BC', '0001-12-31 BC', '0001-01-01', '0004-02-29', \
            '1582-10-15', '1900-02-28', '1900-03-01', '1999-12-31', '2000-01-01', '2000-02-29', '2000-03-01', '9999-12-31', \
            '10000-01-01', '5874897-12-31', '0044-03-15 BC', '0005-02-28 BC', '0005-03-01 BC']::date[]) \
         UNION ALL SELECT '4714-11-24 BC'::date + n FROM generate_series(0, 4000) n \
         UNION ALL SELECT date '0010-01-01 BC' + n FROM generate_series(0, 8000) n \
         UNION ALL SELECT date '1890-01-01' + n FROM generate_series(0, 60000) n \
         UNION ALL SELECT date '4714-11-24 BC' + (random() * 2147000000)::int FROM generate_series(1, 5000)",
    )
    .await;
}

#[tokio::test]
async fn time() {
    let values = "SELECT unnest(array['00:00', '24:00', '23:59:59.999999', '00:00:00.000001', '12:34:56.7', '12:34:56.789', '01:02:03.100000']) \
         UNION ALL SELECT (time '00:00' + random() * interval '1 day')::text FROM generate_series(1, 5000) \
         UNION ALL SELECT (time '00:00' + (random() * 86399)::int * interval '1 s')::text FROM generate_series(1, 1000)";
    equal_to_server("time", "time", "v::text", values).await;
    equal_to_server("time(3)", "time", "v::text", values).await;
}

#[tokio::test]
async fn timetz() {
    equal_to_server(
        "timetz",
        "timetz",
        "v::text",
        "SELECT unnest(array['00:00+00', '24:00:00-15:59:59', '24:00+15:59:59', '01:02:03.4+05:30', '01:02:03.4-03:30', '12:00-00:00:01', \
            '12:00+00:00:01', '12:00-08', '12:00+14', '12:00+00:30', '12:00-00:30', '12:00+01:00:01']) \
         UNION ALL SELECT (time '00:00' + random() * interval '1 day')::text || to_char((random() * 20)::int - 10, 'SG00') \
            || CASE WHEN random() < 0.5 THEN to_char((random() * 59)::int, 'FM:00') ELSE '' END FROM generate_series(1, 4000)",
    )
    .await;
}

const TIMESTAMPS: &str = "SELECT unnest(array['infinity', '-infinity', '4713-01-01 00:00:00 BC', '4714-11-24 00:00:00 BC', '0001-12-31 23:59:59.999999 BC', \
        '0001-01-01', '1970-01-01', '1999-12-31 23:59:59.999999', '2000-01-01', '2000-01-01 00:00:00.000001', '9999-12-31 23:59:59.5', \
        '10000-01-01', '294276-12-31 23:59:59.999999', '2024-02-29 12:30:00.120', '0044-03-15 12:00:00.25 BC']::timestamp[]) \
     UNION ALL SELECT timestamp '4714-11-24 00:00:00 BC' + random() * 298989 * interval '365 days' FROM generate_series(1, 5000) \
     UNION ALL SELECT timestamp '1970-01-01' + random() * interval '80 years' FROM generate_series(1, 5000) \
     UNION ALL SELECT date_trunc('second', timestamp '1990-01-01' + random() * interval '40 years') FROM generate_series(1, 1000) \
     UNION ALL SELECT timestamp '0003-01-01 BC' + n * interval '7 hours' FROM generate_series(1, 5000) n";

#[tokio::test]
async fn timestamp() {
    equal_to_server("timestamp", "timestamp", "v::text", TIMESTAMPS).await;
    equal_to_server(
        "timestamp(2)",
        "timestamp",
        "v::text",
        "SELECT timestamp '2020-01-01' + random() * interval '1 day' FROM generate_series(1, 1000)",
    )
    .await;
}

#[tokio::test]
async fn timestamptz() {
    equal_to_server("timestamptz", "timestamptz", "v::text", TIMESTAMPS).await;
    equal_to_server(
        "timestamptz(0)",
        "timestamptz",
        "v::text",
        "SELECT timestamptz '2020-01-01 00:00+05:30' + random() * interval '1 day' FROM generate_series(1, 1000)",
    )
    .await;
}

#[tokio::test]
async fn interval() {
    equal_to_server(
        "interval",
        "interval",
        "v::text",
        "SELECT unnest(array['0', '1 year', '-1 year', '1 mon', '-1 mon', '2 mons', '1 day', '-1 day', '1 sec', '-1 sec', '-0.000001 sec', \
            '1 year -1 mon', '-1 year 1 mon', '1 mon -1 day', '-1 mon 1 day', '-1 day 1 hour', '1 day -1 hour', '-1 mon 1 hour', '1 year 2 mons 3 days 04:05:06.7', \
            '-1 year -2 mons +3 days -04:05:06.789', '100:00:00', '-100:00:00.5', '178000000 years', '-178000000 years', \
            '2147483647 days', '-2147483648 days', '2147483647 hours', '-2147483648 hours', '13 mons', '-13 mons', '178956970 years 7 mons 2147483647 days 2562047788:00:54.775807', '23 mons 31 days 25:59:59.000001']::interval[]) \
         UNION ALL SELECT make_interval(years => y, months => m, days => d, secs => s) \
            FROM unnest(array[-2, -1, 0, 1, 2]) y, unnest(array[-11, -1, 0, 1, 11]) m, unnest(array[-3, -1, 0, 1, 40]) d, \
                 unnest(array[-90061.5, -59.999999, -1, 0, 0.000001, 1, 3600, 360000]::float8[]) s \
         UNION ALL SELECT make_interval(months => ((random() - 0.5) * 4e9)::int8::int4, days => ((random() - 0.5) * 4e9)::int8::int4, secs => (random() - 0.5) * 1e9) \
            FROM generate_series(1, 3000)",
    )
    .await;
}

#[tokio::test]
async fn uuid_and_jsonb_and_text_like_types() {
    equal_to_server("uuid", "uuid", "v::text", "SELECT gen_random_uuid() FROM generate_series(1, 2000) UNION ALL SELECT '00000000-0000-0000-0000-000000000000'").await;
    let json = "SELECT unnest(array['{\"b\": [1, 2.50, null], \"a\": {\"x\": \"ü\\u0000\"}}', 'null', '\"\"', '[]', ' {\"a\":1,   \"a\":2}', '1e400']::text[])";
    equal_to_server("json", "text", "v::text", json).await;
    equal_to_server("jsonb", "jsonb", "v::text", &json.replace("\\u0000", "\\u00e9")).await;
    equal_to_server(
        "text",
        "text",
        "v::text",
        "SELECT unnest(array['', ' ', 'ä€😀', E'a\\tb\\nc\\\\', repeat('x', 100000)])",
    )
    .await;
    equal_to_server("varchar(9)", "text", "v::text", "SELECT unnest(array['', 'abc  ', 'äöü😀'])").await;
    equal_to_server("name", "text", "v::text", "SELECT unnest(array['', 'abc', repeat('x', 63)])").await;
    // The server sends the value padded. `::text` would strip the padding.
    equal_to_server("char(6)", "text", "rpad(v::text, 6)", "SELECT unnest(array['', 'abc', 'ü', '123456'])").await;
}

#[tokio::test]
async fn network_addresses() {
    let rows = equal_to_server(
        "inet",
        "inet",
        "v::text",
        "SELECT unnest(array['0.0.0.0', '255.255.255.255', '10.0.0.1/8', '10.0.0.1/0', '1.2.3.4/32', '::', '::/0', '::1', '::2/127', \
            '1::', '::1:0', '::1.2.3.4', '::0.1.2.3', '::ffff:1.2.3.4/100', '::ffff:0:0', '::fffe:1.2.3.4', '::ffff:0:1.2.3.4', '0:0:0:0:1::', \
            '1:0:0:2:0:0:0:3', '1:0:0:2:0:0:3:4', '1:0:2:0:3:0:4:0', '0:1::', '1:2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:0', \
            'fe80::1/64', 'ff:f:0ff0:1000::abcd', '1:2:3:4:5:6:0:0', '0:0:3:4:5:6:7:8', '0:0:0:0:5:0:0:0']::inet[]) \
         UNION ALL SELECT set_masklen('0.0.0.0'::inet + (random() * 4294967295)::int8, (random() * 32)::int) FROM generate_series(1, 3000) \
         UNION ALL SELECT set_masklen(string_agg(CASE WHEN random() < p THEN '0' ELSE to_hex((random() * 65535)::int >> (random() * 16)::int) END, ':')::inet, \
            (random() * 128)::int) FROM unnest(array[0.1, 0.5, 0.8]) p, generate_series(1, 3000) n, generate_series(1, 8) GROUP BY p, n",
    )
    .await;
    assert!(rows > 12_000);
    equal_to_server(
        "cidr",
        "inet",
        "v::text",
        "SELECT unnest(array['10/8', '10.1', '0.0.0.0/0', '192.168.0.0/16', '1.2.3.4/32', '::/0', '::/96', '::ffff:0:0/96', '2001:db8::/32', '::1/128']) \
         UNION ALL SELECT network(set_masklen('0.0.0.0'::inet + (random() * 4294967295)::int8, (random() * 32)::int))::text FROM generate_series(1, 1000) \
         UNION ALL SELECT network(set_masklen('1234:5678:9abc:def0:1234:5678:9abc:def0'::inet, n))::text FROM generate_series(0, 128) n",
    )
    .await;
    let hardware = |bytes: usize| {
        format!(
            "SELECT repeat('00', {bytes}) UNION ALL SELECT repeat('ff', {bytes}) UNION ALL SELECT left('0123456789abcdef', {bytes} * 2) \
             UNION ALL SELECT right(md5(n::text), {bytes} * 2) FROM generate_series(1, 2000) n"
        )
    };
    equal_to_server("macaddr", "macaddr", "v::text", &hardware(6)).await;
    equal_to_server("macaddr8", "macaddr", "v::text", &hardware(8)).await;
}

#[tokio::test]
async fn bits() {
    let random =
        "SELECT left((n * 2654435761)::bit(64)::text || (n * 40503)::bit(64)::text, n) FROM generate_series(0, 128) n";
    equal_to_server("varbit", "bit", "v::text", &format!("{random} UNION ALL SELECT repeat('10011', 100000)")).await;
    equal_to_server("varbit(9)", "bit", "v::text", "SELECT unnest(array['', '1', '101010101'])").await;
    equal_to_server("bit", "bit", "v::text", "SELECT unnest(array['0', '1'])").await;
    for n in [1, 7, 8, 9, 31, 32, 33, 64] {
        let values = format!("SELECT left(v || repeat('01', 64), {n}) FROM ({random}) x (v)");
        equal_to_server(&format!("bit({n})"), "bit", "v::text", &values).await;
    }
}

#[tokio::test]
async fn numbers_booleans_and_bytes_keep_their_bits() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE TABLE t (n int, a int2, b int4, c int8, d float4, e float8, f bool, g bytea);
             INSERT INTO t VALUES (1, -32768, -2147483648, -9223372036854775808, '-0', '-0', true, '\\x00ff80'),
               (2, 32767, 2147483647, 9223372036854775807, 'Infinity', '-Infinity', false, ''),
               (3, 0, 0, 0, '1e-45', '5e-324', NULL, NULL), (4, NULL, NULL, NULL, 'NaN', 'NaN', true, '\\x41'),
               (5, 1, 1, 1, NULL, NULL, false, '\\x')",
        )
        .await;
    let batches = database.read("t").await.unwrap();
    let [batch]: &[RecordBatch] = &batches else { panic!("{} batches", batches.len()) };
    assert!(batch.schema().fields().iter().all(|field| field.is_nullable()));
    let int2: Vec<_> = batch.column(1).as_primitive::<Int16Type>().iter().collect();
    assert_eq!(int2, [Some(i16::MIN), Some(i16::MAX), Some(0), None, Some(1)]);
    let int4: Vec<_> = batch.column(2).as_primitive::<Int32Type>().iter().collect();
    assert_eq!(int4, [Some(i32::MIN), Some(i32::MAX), Some(0), None, Some(1)]);
    let int8: Vec<_> = batch.column(3).as_primitive::<Int64Type>().iter().collect();
    assert_eq!(int8, [Some(i64::MIN), Some(i64::MAX), Some(0), None, Some(1)]);
    let float4: Vec<_> = batch.column(4).as_primitive::<Float32Type>().iter().map(|v| v.map(f32::to_bits)).collect();
    assert_eq!(float4, [Some((-0.0_f32).to_bits()), Some(f32::INFINITY.to_bits()), Some(1), Some(0x7FC0_0000), None]);
    let float8: Vec<_> = batch.column(5).as_primitive::<Float64Type>().iter().map(|v| v.map(f64::to_bits)).collect();
    assert_eq!(
        float8,
        [Some((-0.0_f64).to_bits()), Some(f64::NEG_INFINITY.to_bits()), Some(1), Some(0x7FF8_0000_0000_0000), None]
    );
    let bools: Vec<_> = batch.column(6).as_boolean().iter().collect();
    assert_eq!(bools, [Some(true), Some(false), None, Some(true), Some(false)]);
    let bytes: Vec<_> = batch.column(7).as_binary::<i32>().iter().collect();
    assert_eq!(bytes, [Some(&[0, 255, 128][..]), Some(&[]), None, Some(b"A"), Some(&[])]);
}
