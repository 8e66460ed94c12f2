//! An unprivileged user attaches code wherever the server might run it for the exporting user. None
//! of it may run.

use std::collections::BTreeMap;

use cluster_source::Endpoint;
use cluster_source::postgres::{self, Connection, Slicing, Source};
use export_task::options::Types;
use export_task::warning::SkipReason;

use crate::server::{Database, endpoint, read, source};

/// Every function leaves a trace that no rollback removes: it advances a sequence, after it has
/// made the transaction writable. It also returns the content of the secret table.
const CODE: &str = "
    CREATE SCHEMA x;
    CREATE SEQUENCE x.trace; GRANT ALL ON x.trace TO public; GRANT USAGE ON SCHEMA x TO public;
    CREATE FUNCTION x.volatile_code(name text) RETURNS text LANGUAGE plpgsql AS $$
      DECLARE found text;
      BEGIN
        IF current_user <> 'mallory' THEN
          BEGIN PERFORM set_config('transaction_read_only', 'off', true);
          EXCEPTION WHEN OTHERS THEN NULL; END;
          BEGIN PERFORM nextval('x.trace'); EXCEPTION WHEN OTHERS THEN NULL; END;
          PERFORM pg_advisory_lock(4711);
          SELECT v INTO found FROM secret.t;
          RAISE 'ran % as %: %', name, current_user, found;
        END IF;
        RETURN '1';
      END $$;
    CREATE FUNCTION x.code(name text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN x.volatile_code(name); END $$;
    CREATE FUNCTION x.inlined(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT x.code(name) $$;
    CREATE FUNCTION x.atomic(name text) RETURNS text LANGUAGE sql IMMUTABLE RETURN x.code(name);
    CREATE FUNCTION x.is(text, text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN x.code('operator') = $2; END $$;
    CREATE OPERATOR x.=== (FUNCTION = x.is, LEFTARG = text, RIGHTARG = text);

    CREATE TYPE x.pair AS (a text, b text);
    CREATE TYPE x.mood AS ENUM ('sad', 'happy');
    CREATE FUNCTION x.pair_text(x.pair) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT x.code('composite') $$;
    CREATE FUNCTION x.pair_bool(x.pair) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT x.code('composite') = '1' $$;
    CREATE FUNCTION x.mood_text(x.mood) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT x.code('enum') $$;
    CREATE FUNCTION x.pairs_text(x.pair[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT x.code('array') $$;
    CREATE FUNCTION x.pairs_texts(x.pair[]) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$ SELECT array[x.code('array')] $$;
    CREATE CAST (x.pair AS text) WITH FUNCTION x.pair_text(x.pair) AS IMPLICIT;
    CREATE CAST (x.pair AS bool) WITH FUNCTION x.pair_bool(x.pair) AS IMPLICIT;
    CREATE CAST (x.mood AS text) WITH FUNCTION x.mood_text(x.mood) AS IMPLICIT;
    CREATE CAST (x.pair[] AS text) WITH FUNCTION x.pairs_text(x.pair[]) AS IMPLICIT;
    CREATE CAST (x.pair[] AS text[]) WITH FUNCTION x.pairs_texts(x.pair[]) AS IMPLICIT;
    CREATE DOMAIN x.checked AS text CHECK (x.code('domain') = '1' OR value IS NULL);
    CREATE DOMAIN x.checked_pair AS x.pair CHECK (x.code('domain') = '1');
    CREATE DOMAIN x.number AS int CHECK (x.code('domain') = '1');
    CREATE TYPE x.span AS RANGE (subtype = x.checked);
    CREATE FUNCTION x.span_text(x.span) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT x.code('range') $$;
    CREATE CAST (x.span AS text) WITH FUNCTION x.span_text(x.span) AS IMPLICIT;
";

/// Tables whose columns need no conversion. Planning a query of each calls a function. All have a
/// row `1, 'one'`.
const PLANNED: &[(&str, &str)] = &[
    ("constant", "CREATE INDEX ON x.constant ((v || x.code('constant')))"),
    ("inlined", "CREATE INDEX ON x.inlined ((v || x.inlined('inlined')))"),
    ("atomic", "CREATE INDEX ON x.atomic ((v || x.atomic('atomic')))"),
    ("operator", "CREATE INDEX ON x.operator ((v = 'a' AND 'a' OPERATOR(x.===) 'b'))"),
    ("predicate", "CREATE INDEX ON x.predicate (n) WHERE x.code('predicate') = '1'"),
    ("coerced", "CREATE INDEX ON x.coerced (((x.code('coerced'))::x.checked))"),
    ("statistics", "CREATE STATISTICS x.s ON n, (v || x.code('statistics')) FROM x.statistics; ANALYZE x.statistics"),
    // The table is named by its object id, which creates no dependency.
    (
        "hash",
        "CREATE TABLE x.hashed (n int) PARTITION BY HASH ((x.code('hash')::int + n));
         DO $$ BEGIN
           EXECUTE format('CREATE INDEX ON x.hash ((satisfies_hash_partition(%s::oid, 4, 0, 7)))', 'x.hashed'::regclass::oid);
         END $$",
    ),
];

/// Tables where code is attached to other objects.
const ATTACHED: &str = "
    CREATE TABLE x.values (n int PRIMARY KEY, v text, a x.pair, b x.mood, c x.checked, d x.checked_pair, e x.number, f x.span, g x.pair[],
      h x.checked[], i x.mood[], j text GENERATED ALWAYS AS (v || x.code('generated')) STORED, k text DEFAULT x.code('default'),
      CHECK (x.code('check') = '1'));
    INSERT INTO x.values (n, v, a, b, c, d, e, f, g, h, i)
      VALUES (1, 'one', ('p', 'q'), 'sad', 'c', ('p', 'q'), 7, '[a,b)', array[('p', 'q')::x.pair, NULL], '{c}', '{sad}');
    CREATE FUNCTION x.triggered() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM x.code('trigger'); RETURN new; END $$;
    CREATE TRIGGER t BEFORE INSERT OR UPDATE ON x.values FOR EACH ROW EXECUTE FUNCTION x.triggered();
    CREATE RULE r AS ON UPDATE TO x.values DO ALSO SELECT x.code('rule');
    CREATE TABLE x.policy (n int, v text); INSERT INTO x.policy VALUES (1, 'one');
    ALTER TABLE x.policy ENABLE ROW LEVEL SECURITY;
    CREATE POLICY p ON x.policy USING (x.code('policy') = '1');
    CREATE TABLE x.leaves (n int, v text) PARTITION BY LIST ((x.code('key') || v));
    CREATE TABLE x.leaf PARTITION OF x.leaves FOR VALUES IN ('1one');
    INSERT INTO x.leaves VALUES (1, 'one');
    CREATE TABLE x.no_leaves (n int, v text) PARTITION BY LIST ((x.code('key') || v));
    CREATE STATISTICS x.s2 ON n, (v || x.code('statistics')) FROM x.no_leaves;
    -- A query must be planned of these.
    CREATE TABLE x.computed (n int, v x.pair); INSERT INTO x.computed VALUES (1, ('p', 'q'));
    CREATE INDEX ON x.computed ((n::text || x.code('computed')));
    CREATE TABLE x.stored (n int, v text GENERATED ALWAYS AS ('one' || n) STORED); INSERT INTO x.stored VALUES (1);
    CREATE INDEX ON x.stored (n) WHERE x.inlined('stored') = '1';
";

/// Exports a database. Returns for each table its values, or why it is left out.
async fn export(connection: &Connection, database: &str, types: Types) -> BTreeMap<String, Result<String, String>> {
    let catalog = postgres::catalog(connection, database, types, |schema, _| schema == "x").await.unwrap();
    let mut all = BTreeMap::new();
    for skipped in catalog.skipped {
        let unsafe_or_hidden = [SkipReason::UntrustedCode, SkipReason::PermissionsDoNotExist];
        assert!(unsafe_or_hidden.contains(&skipped.reason), "{skipped:?}");
        all.insert(skipped.table.name, Err(skipped.message));
    }
    for found in catalog.tables {
        let mut values = String::new();
        for slicing in [Slicing::Blocks, Slicing::Keys] {
            values.clear();
            for partition in postgres::partitions(connection, &found, slicing, 1).await.unwrap() {
                for batch in read(connection, &found, &partition).await.unwrap() {
                    for column in batch.columns() {
                        values.push_str(&format!("{column:?}\n"));
                    }
                }
            }
        }
        all.insert(found.table.name, Ok(values));
    }
    all
}

#[tokio::test]
async fn nothing_that_an_ordinary_user_wrote_runs() {
    let database = Database::create().await;
    let name = &database.name;
    database
        .execute(&format!(
            "CREATE ROLE mallory LOGIN PASSWORD 'x'; CREATE ROLE exporter LOGIN PASSWORD 'x'; GRANT pg_read_all_data TO exporter;
             CREATE SCHEMA secret; CREATE TABLE secret.t AS SELECT 'confidential' v; GRANT CREATE ON DATABASE {name} TO mallory;
             SET ROLE mallory; {CODE}"
        ))
        .await;
    for (table, code) in PLANNED {
        let sql = format!(
            "CREATE TABLE x.{table} (n int NOT NULL, v text, UNIQUE (n));
             INSERT INTO x.{table} SELECT n, 'one' FROM generate_series(1, 2000) n; {code}"
        );
        database.execute(&sql).await;
    }
    database.execute(ATTACHED).await;
    // Functions of the exporting user or of a superuser may run.
    database
        .execute(
            "RESET ROLE; CREATE SCHEMA y; GRANT ALL ON SCHEMA y TO exporter; SET ROLE exporter;
             CREATE FUNCTION y.own(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1; END $$; RESET ROLE;
             CREATE FUNCTION y.trusted(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1; END $$;
             CREATE TABLE x.fine (n int, v x.pair); INSERT INTO x.fine SELECT n, ROW('one', 'two')::x.pair FROM generate_series(1, 2000) n;
             CREATE INDEX ON x.fine ((n || y.trusted('a'))); ALTER TABLE x.fine OWNER TO exporter;
             CREATE INDEX ON x.fine ((n || y.own('a'))) WHERE n > 0",
        )
        .await;
    let exporter = Endpoint { user: "exporter".to_owned(), password: "x".to_owned(), ..endpoint() };
    for (source, is_superuser) in [(Source::new(exporter, None), false), (source(), true)] {
        for types in [Types::Aurora, Types::Native] {
            let connection = source.connect(name).await.unwrap();
            let all = export(&connection, name, types).await;
            assert!(!format!("{all:?}").contains("confidential"), "{all:?}");
            for (table, _) in PLANNED {
                assert!(all[*table].as_ref().unwrap().contains("one"), "{table}: {all:?}");
            }
            assert!(all["leaves"].as_ref().unwrap().contains("one"), "{all:?}");
            assert!(all["values"].as_ref().unwrap().contains("(p,q)"), "{all:?}");
            assert!(all["policy"].is_ok() == is_superuser, "{all:?}");
            for table in ["computed", "stored", "no_leaves"] {
                let message = all[table].as_ref().unwrap_err();
                assert!(message.contains("x.") && message.contains("mallory"), "{message}");
            }
            // For a superuser the exporter is an ordinary user.
            assert!(all["fine"].is_ok() != is_superuser, "{all:?}");
            let ran =
                "SELECT (SELECT is_called FROM x.trace), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')";
            let ran = database.admin.query_one(ran, &[]).await.unwrap();
            assert_eq!(
                (ran.get::<_, bool>(0), ran.get::<_, i64>(1)),
                (false, 0),
                "{types:?}, superuser: {is_superuser}"
            );
        }
    }
    // The test is effective: planning a query of such a table runs the function.
    let error = database.admin.batch_execute("SELECT * FROM x.constant").await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("confidential"), "{error:?}");
    database
        .execute("DROP OWNED BY mallory CASCADE; DROP OWNED BY exporter; DROP ROLE mallory; DROP ROLE exporter")
        .await;
}
