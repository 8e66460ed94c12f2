//! Types that the server converts to text: those of its catalog, of users and of extensions. Also
//! domains that need no conversion.

use arrow_array::Array;
use arrow_array::cast::AsArray;

use crate::server::Database;
use crate::text::equal_in;

#[tokio::test]
async fn types_of_the_catalog() {
    let database = Database::create().await;
    database
        .execute("CREATE FUNCTION public.\"F\"(int) RETURNS int LANGUAGE sql RETURN 1; CREATE ROLE \"Some One\"")
        .await;
    for (type_name, values) in [
        ("money", "unnest(array['1234.5', '-0.01', '92233720368547758.07'])"),
        ("oid", "unnest(array['0', '1', '4294967295'])"),
        ("regclass", "unnest(array['pg_catalog.pg_class', 'public.t'])"),
        ("regtype", "unnest(array['int4', 'text[]'])"),
        ("\"char\"", "unnest(array['a', '', 'ü'])"),
        ("regproc", "unnest(array['pg_catalog.now', '-'])"),
        ("regprocedure", "unnest(array['public.\"F\"(int)', 'pg_catalog.abs(float8)', '0'])"),
        ("regoper", "unnest(array['pg_catalog.||/', '0'])"),
        ("regoperator", "unnest(array['pg_catalog.+(int4,int4)', 'pg_catalog.-(none,int8)'])"),
        ("regnamespace", "unnest(array['pg_catalog', 'public'])"),
        ("regrole", "unnest(array['\"Some One\"', '0'])"),
        ("regconfig", "unnest(array['pg_catalog.english'])"),
        ("regdictionary", "unnest(array['pg_catalog.simple'])"),
        ("regcollation", "unnest(array['pg_catalog.\"C\"', '0'])"),
        ("oidvector", "unnest(array['', '1 2 4294967295'])"),
        ("int2vector", "unnest(array['', '-1 2'])"),
        ("aclitem", "unnest(array['=r/postgres', '\"Some One\"=arw*/postgres'])"),
        ("refcursor", "unnest(array['', 'c'])"),
        ("xid", "unnest(array['0', '4294967295'])"),
        ("xid8", "unnest(array['0', '18446744073709551615'])"),
        ("cid", "unnest(array['0', '7'])"),
        ("tid", "unnest(array['(0,1)', '(4294967295,65535)'])"),
        ("pg_lsn", "unnest(array['0/0', 'FFFFFFFF/FFFFFFFF'])"),
        ("point", "unnest(array['(1.1,-2)', '(1e300,NaN)'])"),
        ("line", "unnest(array['{1,2,3}'])"),
        ("lseg", "unnest(array['[(1,2),(3,4)]'])"),
        ("box", "unnest(array['(3,4),(1,2)'])"),
        ("path", "unnest(array['[(1,2),(3,4)]', '((1,2),(3,4))'])"),
        ("polygon", "unnest(array['((1,2),(3,4),(5,6))'])"),
        ("circle", "unnest(array['<(1,2),0.1>'])"),
        ("tsvector", "unnest(array['a:1 b:2A,3', ''])"),
        ("tsquery", "unnest(array['a & !b', ''])"),
        ("jsonpath", "unnest(array['$.a[*] ? (@ > 1)'])"),
        ("xml", "unnest(array['<a>ü</a>', 'text', ''])"),
        ("int4[]", "unnest(array['{}', '{1,NULL,-3}', '[0:1]={1,2}', '{{1,2},{3,4}}'])"),
        ("text[]", "unnest(array['{}', '{\"a b\",\"\",NULL,\"NULL\",\"q\\\"\\\\\"}'])"),
        ("timestamptz[]", "unnest(array['{\"2020-01-01 00:00:00+01\",infinity}'])"),
        ("char(4)[]", "unnest(array['{a,bb}'])"),
        ("int4range", "unnest(array['[1,5)', 'empty', '(,)'])"),
        ("int8multirange", "unnest(array['{[1,5),[7,9)}', '{}'])"),
        ("tstzrange", "unnest(array['[2020-01-01,infinity)'])"),
        ("txid_snapshot", "unnest(array['10:20:10,14,15'])"),
        ("pg_snapshot", "unnest(array['10:20:10,14,15'])"),
        ("nummultirange", "unnest(array['{(,1.50],[2,NaN)}', '{}'])"),
        ("tsmultirange", "unnest(array['{[-infinity,2020-01-01],(2021-01-01 BC,)}'])"),
        ("datemultirange[]", "unnest(array['{\"{[2020-01-01,2020-02-01)}\",NULL}'])"),
        ("int4[]", "unnest(array['[-2:-1][0:1]={{1,NULL},{NULL,4}}', '{{{{{{7}}}}}}', '[5:5]={NULL}'])"),
        ("text[]", "unnest(array['[0:0][3:4]={{NULL,\"null\"}}', '{\"{}\",\",\",\"  \",ü}'])"),
        ("numeric(6,2)[]", "unnest(array['{1,NaN,NULL}'])"),
        ("interval[]", "unnest(array['{1 year -1 day,00:00:01}'])"),
        ("bytea[]", "unnest(array['{\"\\\\x00ff\",NULL}'])"),
        ("inet[]", "unnest(array['{10.0.0.1,::1/64}'])"),
        ("bit(3)[]", "unnest(array['{101,000}'])"),
        ("jsonb[]", "unnest(array['{\"{\\\"a\\\": 1}\",null,\"null\"}'])"),
        ("uuid[]", "unnest(array['{00000000-0000-0000-0000-000000000001}'])"),
        ("float8[]", "unnest(array['{1e300,0.1,NaN,-0,5e-324}'])"),
        ("\"char\"[]", "unnest(array['{a,NULL}'])"),
        ("box[]", "unnest(array['{(3,4),(1,2);NULL}'])"),
        ("oid[]", "unnest(array['{4294967295}'])"),
    ] {
        equal_in(&database, type_name, "cast", "v::text", &format!("SELECT {values}")).await;
    }
}

#[tokio::test]
async fn types_of_users() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE SCHEMA other;
             CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'very happy');
             CREATE TYPE other.pair AS (a int, b public.mood, c char(3));
             CREATE DOMAIN public.code AS char(4);
             CREATE DOMAIN public.code2 AS public.code CHECK (value <> 'x');
             CREATE DOMAIN public.amount AS numeric(10,2);
             CREATE DOMAIN public.small AS int2;
             CREATE DOMAIN public.flag AS bool;
             CREATE DOMAIN public.raw AS bytea;
             CREATE DOMAIN public.feeling AS public.mood;
             CREATE DOMAIN public.list AS int[];
             CREATE TABLE public.t (a public.mood, b other.pair, c public.code, d public.code2, e public.amount, f public.small,
               g public.flag, h public.raw, i public.feeling, j public.list, k public.mood[]);
             INSERT INTO public.t VALUES ('very happy', '(1,sad,x)', 'ab', 'ab', 1.5, 7, true, '\\x00ff', 'ok', '{1,2}', '{sad,\"very happy\"}')",
        )
        .await;
    let found = database.table("t").await;
    let decodes: Vec<&str> = found.table.columns.iter().map(|column| column.decode.as_str()).collect();
    assert_eq!(decodes, ["text", "cast", "text", "text", "numeric", "cast", "cast", "cast", "text", "cast", "cast"]);
    let batch = &database.read("t").await.unwrap()[0];
    let row: Vec<&str> = batch.columns().iter().map(|column| column.as_string::<i32>().value(0)).collect();
    assert_eq!(
        row,
        [
            "very happy",
            "(1,sad,\"x  \")",
            "ab  ",
            "ab  ",
            "1.50",
            "7",
            "t",
            "\\x00ff",
            "ok",
            "{1,2}",
            "{sad,\"very happy\"}"
        ]
    );
}

/// Composites within arrays within composites, and domains over every kind of type.
#[tokio::test]
async fn types_made_of_types() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE SCHEMA \"S q\";
             CREATE TYPE public.inner_one AS (a int[], b text, c timestamptz, d bytea);
             CREATE TYPE \"S q\".\"Outer\" AS (i public.inner_one, l public.inner_one[], r int4range, m money);
             CREATE DOMAIN public.dinet AS inet; CREATE DOMAIN public.dmac AS macaddr8; CREATE DOMAIN public.dbit AS bit(5);
             CREATE DOMAIN public.dnum AS numeric(8,3); CREATE DOMAIN public.dts AS timestamptz(1); CREATE DOMAIN public.dint AS interval;
             CREATE DOMAIN public.djson AS jsonb; CREATE DOMAIN public.duuid AS uuid; CREATE DOMAIN public.dtext AS varchar(5) NOT NULL DEFAULT 'x';
             CREATE DOMAIN public.dint8 AS int8; CREATE DOMAIN public.dfloat AS float8; CREATE DOMAIN public.dreal AS float4;
             CREATE DOMAIN public.drange AS int8multirange; CREATE DOMAIN public.dinner AS public.inner_one;
             CREATE DOMAIN public.ddinner AS public.dinner; CREATE DOMAIN public.darray AS public.dinet[];
             CREATE TYPE public.span AS RANGE (subtype = text, collation = \"C\")",
        )
        .await;
    let inner = r#"row(array[1,NULL], 'a "b",\'||chr(10), timestamptz '2020-01-01 00:00+05:30', '\x00ff'::bytea)::public.inner_one"#;
    for (type_name, decode, values) in [
        (
            "public.inner_one",
            "cast",
            format!("SELECT {inner} UNION ALL SELECT row(NULL, '', 'infinity', '')::public.inner_one"),
        ),
        ("public.inner_one[]", "cast", format!("SELECT array[[{inner}, NULL]]")),
        ("\"S q\".\"Outer\"", "cast", format!("SELECT row({inner}, array[{inner}], '[1,5)', 1)::\"S q\".\"Outer\"")),
        ("\"S q\".\"Outer\"[]", "cast", format!("SELECT array[row({inner}, NULL, NULL, NULL)::\"S q\".\"Outer\"]")),
        ("public.dinet", "inet", "SELECT unnest(array['10.0.0.1', '::ffff:1.2.3.4/99'])".to_owned()),
        ("public.dmac", "macaddr", "SELECT '08:00:2b:01:02:03'".to_owned()),
        ("public.dbit", "bit", "SELECT '10101'".to_owned()),
        ("public.dnum", "numeric", "SELECT unnest(array['1', '-99999.9994', 'NaN'])".to_owned()),
        ("public.dts", "timestamptz", "SELECT unnest(array['2020-01-01 00:00:00.06+01', '-infinity'])".to_owned()),
        ("public.dint", "interval", "SELECT '-1 mon +1 day'".to_owned()),
        ("public.djson", "jsonb", "SELECT '{\"b\":1, \"a\":null}'".to_owned()),
        ("public.duuid", "uuid", "SELECT gen_random_uuid()".to_owned()),
        ("public.dint8", "cast", "SELECT unnest(array['-9223372036854775808', '7'])".to_owned()),
        ("public.dfloat", "cast", "SELECT unnest(array['-0', '1e-300', 'NaN', '0.1'])".to_owned()),
        ("public.dreal", "cast", "SELECT unnest(array['-0', '1e-30', 'Infinity', '0.1'])".to_owned()),
        ("public.drange", "cast", "SELECT '{[1,2),[4,)}'".to_owned()),
        ("public.dinner", "cast", format!("SELECT {inner}")),
        ("public.ddinner", "cast", format!("SELECT {inner}")),
        ("public.darray", "cast", "SELECT '[0:1]={10.0.0.1,::1/5}'".to_owned()),
        ("public.dinet[]", "cast", "SELECT '{10.0.0.1,NULL}'".to_owned()),
        ("public.span", "cast", "SELECT unnest(array['[a,\"b c\"]', '(,\"\")', 'empty'])".to_owned()),
        ("public.span_multirange", "cast", "SELECT '{[a,b),[c,)}'".to_owned()),
    ] {
        equal_in(&database, type_name, decode, "v::text", &values).await;
    }
}

/// Types of the server's contrib modules, in a schema that is in no search path.
#[tokio::test]
async fn types_of_extensions() {
    let database = Database::create().await;
    database.execute("CREATE SCHEMA x").await;
    for (extension, type_name, values) in [
        ("hstore", "x.hstore", r#"unnest(array['', 'a=>1, "b c"=>NULL, "q\""=>"=>"'])"#),
        ("citext", "x.citext", "unnest(array['', 'MiXed ä'])"),
        ("ltree", "x.ltree", "unnest(array['', 'Top.Science.Astronomy'])"),
        ("ltree", "x.lquery", "unnest(array['Top.*{0,2}.!pizza|pasta@*'])"),
        ("ltree", "x.ltxtquery", "unnest(array['Europe & Russia*@ & !Transportation'])"),
        ("cube", "x.cube", "unnest(array['(1,2),(3,4)', '()', '0.1'])"),
        ("isn", "x.isbn", "unnest(array['0-393-04002-X'])"),
        ("isn", "x.ean13", "unnest(array['9780393040029', '9790260000438'])"),
        ("seg", "x.seg", "unnest(array['1.5 .. 2.50', '~7', '5 (+-) 0.3'])"),
        ("intarray", "x.query_int", "unnest(array['1&(2|!3)'])"),
        ("lo", "x.lo", "unnest(array['1', '4294967295'])"),
    ] {
        database.execute(&format!("CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA x")).await;
        let values = format!("SELECT v::{type_name} FROM (SELECT {values}) y (v)");
        equal_in(&database, type_name, "cast", "v::text", &values).await;
        equal_in(
            &database,
            &format!("{type_name}[]"),
            "cast",
            "v::text",
            &format!("SELECT array[v, NULL] FROM ({values}) z"),
        )
        .await;
    }
}

/// A client that requests text gets the output of the types' output functions. Casts to text would
/// print other texts.
#[tokio::test]
async fn text_is_what_output_functions_print() {
    let database = Database::create().await;
    database
        .execute(
            "CREATE TYPE addr AS (street text, city text);
             CREATE FUNCTION city(addr) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT ($1).city $$;
             CREATE FUNCTION cities(addr[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'cities' $$;
             CREATE CAST (addr AS text) WITH FUNCTION city(addr); CREATE CAST (addr[] AS text) WITH FUNCTION cities(addr[]);
             CREATE DOMAIN flag AS bool; CREATE DOMAIN home AS addr; CREATE DOMAIN doc AS xml;
             CREATE TABLE t (a addr, b addr[], c home, d flag, e xml, f doc, g xml[], h flag[]);
             INSERT INTO t SELECT a, array[a, NULL, (NULL, NULL)::addr], a, true, x, x, array[x], array[true, NULL]
               FROM (VALUES (('Main St 1', 'Paris')::addr, '<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><b/>'::xml)) v (a, x);
             INSERT INTO t (a, c) VALUES ((NULL, NULL), (NULL, 'Rome'))",
        )
        .await;
    let messages = database.admin.simple_query("SELECT * FROM t").await.unwrap();
    let expected: Vec<Vec<Option<String>>> = messages
        .iter()
        .filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect())
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        expected[0][..4],
        ["(\"Main St 1\",Paris)", "{\"(\\\"Main St 1\\\",Paris)\",NULL,\"(,)\"}", "(\"Main St 1\",Paris)", "t"]
            .map(|text| Some(text.to_owned()))
    );
    let batch = &database.read("t").await.unwrap()[0];
    let row = |row: usize| -> Vec<Option<String>> {
        let values = batch.columns().iter().map(|column| column.as_string::<i32>());
        values.map(|column| (!column.is_null(row)).then(|| column.value(row).to_owned())).collect()
    };
    assert_eq!(batch.num_rows(), 2);
    assert_eq!([row(0), row(1)], expected[..]);
}
