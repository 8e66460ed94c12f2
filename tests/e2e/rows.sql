-- One table for each family of types, so that a reported difference names the family. Each has NULLs.
SET TimeZone = 'Asia/Kolkata';
CREATE TABLE numbers (id int PRIMARY KEY, a smallint, b integer, c bigint, d real, e double precision, f boolean, g numeric, h numeric(12,5), i money);
INSERT INTO numbers VALUES
  (1, -32768, -2147483648, -9223372036854775808, '-0', '-0', true, 'NaN', -0.00001, '-92233720368547758.08'),
  (2, 32767, 2147483647, 9223372036854775807, 'Infinity', '-Infinity', false, 'Infinity', 1234567.1, '12.3'),
  (3, 0, 0, 0, '1e-45', '5e-324', true, '-Infinity', 0, 0),
  (4, 1, 1, 1, 'NaN', 'NaN', false, '1e-1000', 1, 1),
  (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (6, 1, 1, 1, 0.1, 0.1, true, '-123456789012345678901234567890.1234567890123456789', 99999, 1),
  (7, 1, 1, 1, 3.4028235e38, 1.7976931348623157e308, true, '1e1000', 1, 1);
INSERT INTO numbers SELECT g, g % 32768, g, g * 1000000007::bigint, random(), random() * 1e10, g % 3 = 0,
  round((random() * 1e9)::numeric, g % 30), random() * 1e6, g FROM generate_series(10, 3000) g;

CREATE TABLE texts (a text, b varchar(9), c char(6), d name, e "char", f bytea, g uuid, h json, i jsonb, j xml);
INSERT INTO texts VALUES
  ('', '', '', '', '', '', '00000000-0000-0000-0000-000000000000', '{"b": 1,  "a": 2, "a": 3}', '{"b": 1,  "a": 2, "a": 3}', '<a>ü</a>'),
  (E'tab\tnewline\nreturn\rback\\slash "quotes" ''single'' comma, NULL \\N', 'äöü😀', 'ü', 'name', 'x', '\x00ff80', gen_random_uuid(), 'null', 'null', ''),
  ('NULL', 'abc  ', 'abc', 'n', 'ü', decode(repeat('00ff', 5000), 'hex'), gen_random_uuid(), '"\u0000"', '[1e400, 2.50, "\u00e9"]', 'text'),
  (repeat('long ', 20000), '123456789', '123456', repeat('n', 63), NULL, '\x', gen_random_uuid(), '[]', '{}', '<?xml version="1.0"?><b/>'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ́combining 한국어 עברית', 'a', 'a', 'a', 'a', '\x41', gen_random_uuid(), '1', '1', 'a');

CREATE TABLE times (a date, b time, c timetz, d timestamp, e timestamptz, f interval, g time(2), h timestamp(0));
INSERT INTO times VALUES
  ('infinity', '24:00', '24:00:00-15:59:59', 'infinity', '-infinity', '178956970 years 7 mons', '23:59:59.999', '1999-12-31 23:59:59.6'),
  ('-infinity', '00:00', '00:00+00', '-infinity', 'infinity', '-1 year -2 mons +3 days -04:05:06.789', '0:0', '2000-01-01'),
  ('4713-01-01 BC', '23:59:59.999999', '12:00+05:30', '4713-01-01 00:00 BC', '0044-03-15 12:00:00.25 BC', '-2147483648 days', '1:2:3.04', '0001-01-01 BC'),
  ('5874897-12-31', '00:00:00.000001', '12:00-00:00:01', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '100:00:00.000001', '1:1', '10000-01-01'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('2024-02-29', '12:34:56.7', '01:02:03.4-03:30', '2024-02-29 12:30:00.120', '2024-02-29 12:30:00.120+05:45', '1 mon -1 day', '12:00', '2024-02-29');
INSERT INTO times SELECT date '1890-01-01' + g * 17, time '00:00' + random() * interval '1 day', (time '00:00' + random() * interval '1 day')::timetz,
  timestamp '1970-01-01' + random() * interval '80 years', timestamptz '1960-01-01' + random() * interval '80 years',
  make_interval(months => g - 1000, days => 500 - g, secs => (random() - 0.5) * 1e6), time '00:00' + random() * interval '1 day', now()
  FROM generate_series(1, 2000) g;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy');
CREATE TYPE pair AS (a int, "b c" mood, d char(3));
CREATE DOMAIN code AS char(4);
CREATE DOMAIN code_of_codes AS code CHECK (value <> 'x');
CREATE DOMAIN amount AS numeric(10,2);
CREATE DOMAIN flag AS boolean;
CREATE DOMAIN raw AS bytea;
CREATE TABLE made (a mood, b pair, c code, d code_of_codes, e amount, f flag, g raw, h mood[], i pair[], j int[], k text[], l timestamptz[], m float4[]);
INSERT INTO made VALUES
  ('very happy', '(1,"very happy",x)', 'ab', 'cd', 1.5, true, '\x00ff', '{sad,"very happy"}', array['(1,sad,x)', NULL]::pair[], '[0:1]={1,2}',
    '{"a b","",NULL,"NULL","q\"\\"}', '{"2020-01-01 00:00:00+01",infinity}', '{0.1,NaN,-0}'),
  ('sad', '(,,)', '', '', 0, false, '\x', '{}', '{}', '{{1,NULL},{3,4}}', '{}', '{}', '{}'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE others (a int4range, b int8multirange, c tstzrange, d numrange, e bit(3), f varbit, g inet, h cidr, i macaddr, j macaddr8, k point, l line, m lseg,
  n box, o path, p polygon, q circle, r tsvector, s tsquery, t jsonpath, u pg_lsn, v oid, w regclass, x tid, y xid8);
INSERT INTO others VALUES
  ('[1,5)', '{[1,5),[7,9)}', '[2020-01-01,infinity)', '(,1.50]', '101', '', '10.0.0.1/8', '::/0', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '(1.1,-2)',
    '{1,2,3}', '[(1,2),(3,4)]', '(3,4),(1,2)', '[(1,2),(3,4)]', '((1,2),(3,4),(5,6))', '<(1,2),0.1>', 'a:1 b:2A,3', 'a & !b', '$.a[*] ? (@ > 1)',
    'FFFFFFFF/FFFFFFFF', 4294967295, 'pg_catalog.pg_class', '(0,1)', '18446744073709551615'),
  ('empty', '{}', 'empty', '(,)', '000', '1010', 'fe80::1/64', '10.0.0.0/8', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '(1e300,NaN)', '{-1,0,0.1}',
    '[(0,0),(0,0)]', '(0,0),(0,0)', '((1,2),(3,4))', '((0,0))', '<(0,0),0>', '', '', '$', '0/0', 0, 'public.numbers', '(4294967295,65535)', '0'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- Unusual names.
CREATE SCHEMA "Schéma";
CREATE TABLE "Schéma"."Mixed Case ñ 表" ("Id" int PRIMARY KEY, "naïve" text, "表" text, "a-b.c""d" int, "select" text);
INSERT INTO "Schéma"."Mixed Case ñ 表" SELECT g, 'n' || g, '表', g, 's' FROM generate_series(1, 50) g;
CREATE TABLE "semi;colon'quote""" (a int);
INSERT INTO "semi;colon'quote""" VALUES (1);
CREATE SCHEMA twin;
CREATE TABLE twin.numbers (id int, other text);
INSERT INTO twin.numbers VALUES (1, 'not the other');

-- Kinds of tables.
CREATE TABLE parted (id int, at date NOT NULL, v text) PARTITION BY RANGE (at);
CREATE TABLE parted_2024 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE parted_2025 PARTITION OF parted FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (id);
-- This partition has its columns in another order.
CREATE TABLE parted_2025_few (v text, at date NOT NULL, id int);
ALTER TABLE parted_2025 ATTACH PARTITION parted_2025_few FOR VALUES IN (1, 2, 3);
CREATE TABLE parted_2025_rest PARTITION OF parted_2025 DEFAULT;
CREATE TABLE parted_empty PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO parted SELECT g % 10, date '2024-01-01' + g % 700, md5(g::text) FROM generate_series(1, 20000) g;
CREATE TABLE parent (id int, v text);
CREATE TABLE child (extra int) INHERITS (parent);
INSERT INTO parent VALUES (1, 'parent');
INSERT INTO child VALUES (2, 'child', 3);
CREATE TABLE nothing (a int, b text);
-- Dropped, added and generated columns, and keys with gaps and negative values.
CREATE TABLE altered (a int, gone text, b int DEFAULT 7);
INSERT INTO altered (a) SELECT g FROM generate_series(1, 100) g;
ALTER TABLE altered DROP COLUMN gone, ADD COLUMN c text DEFAULT 'added', ADD COLUMN d int GENERATED ALWAYS AS (a * 2) STORED;
CREATE TABLE sparse (id bigint PRIMARY KEY, v text);
INSERT INTO sparse SELECT g * 92233720368547::bigint, repeat(md5(g::text), 8) FROM generate_series(-20000, 20000) g;
INSERT INTO sparse VALUES (-9223372036854775808, 'least'), (9223372036854775807, 'greatest');
-- Tables without a usable key, with moved rows and dead rows.
CREATE TABLE keyless (v text, w text);
INSERT INTO keyless SELECT md5((g % 5000)::text), repeat('w', g % 500) FROM generate_series(1, 30000) g;
UPDATE keyless SET w = w || 'x' WHERE v < '4';
DELETE FROM keyless WHERE v > 'e';
CREATE TABLE keyed_by_text (k text PRIMARY KEY, v text);
INSERT INTO keyed_by_text SELECT md5(g::text), repeat(md5(g::text), 4) FROM generate_series(1, 30000) g;

-- Tables that cannot be exported.
CREATE UNLOGGED TABLE unlogged (a int);
CREATE TABLE spaced ("a b" int);
CREATE TABLE "sla/sh" (a int);
CREATE TABLE columnless ();
CREATE TABLE hidden AS SELECT 1 AS a;
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
ALTER TABLE hidden FORCE ROW LEVEL SECURITY;
-- Planning a query of these tables calls a function of their owner. Nobody may call the first; the second fails.
CREATE FUNCTION locked(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
CREATE TABLE uncallable AS SELECT g AS id, point(g, g) AS v FROM generate_series(1, 10) g;
CREATE INDEX ON uncallable ((id + locked(1)));
REVOKE ALL ON FUNCTION locked(int) FROM PUBLIC, CURRENT_USER;
CREATE FUNCTION fragile(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
CREATE TABLE failing AS SELECT g AS id, point(g, g) AS v FROM generate_series(-100, 100) g;
CREATE INDEX ON failing ((id + fragile(0)));
CREATE OR REPLACE FUNCTION fragile(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1 / $1; END';
-- User-defined casts, which the export does not call. Nobody may call the first; the second fails.
CREATE TYPE sealed AS (n int);
CREATE FUNCTION print(sealed) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'x';
CREATE CAST (sealed AS text) WITH FUNCTION print(sealed);
REVOKE ALL ON FUNCTION print(sealed) FROM PUBLIC, CURRENT_USER;
CREATE TABLE cast_uncallable AS SELECT g AS id, ROW(g)::sealed AS v FROM generate_series(1, 10) g;
CREATE TYPE brittle AS (n int);
CREATE FUNCTION print(brittle) RETURNS text LANGUAGE sql IMMUTABLE RETURN (100 / ($1).n)::text;
CREATE CAST (brittle AS text) WITH FUNCTION print(brittle);
CREATE TABLE cast_failing AS SELECT g AS id, ROW(g)::brittle AS v FROM generate_series(-100, 100) g;
CREATE VIEW looked_at AS SELECT 1 AS a;
CREATE MATERIALIZED VIEW materialized AS SELECT 1 AS a;
