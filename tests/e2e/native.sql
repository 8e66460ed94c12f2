-- Every type that has a native type of Parquet, as scalars and in arrays, with its extreme values and many others.
SET TimeZone = 'Asia/Kolkata';
SELECT setseed(0.5);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy');
CREATE TYPE pair AS (a int, "b c" mood);
CREATE DOMAIN flag AS boolean;
CREATE DOMAIN day AS date;
CREATE DOMAIN amount AS numeric(10,2);
CREATE DOMAIN days AS date[];
CREATE DOMAIN amounts AS numeric(10,2)[];
CREATE DOMAIN instant AS timestamptz;

CREATE TABLE scalars (id int PRIMARY KEY, a bool, b int2, c int4, d int8, e float4, f float8, g bytea, h text, i varchar(9), j char(6), k name,
  l date, m time, n timestamp, o timestamptz, p numeric(7,2), q numeric(18,6), r numeric(38,10), s numeric, t uuid, u json, v jsonb, w mood, x flag, y day,
  z amount, aa instant, ab interval, ac timetz, ad inet, ae varbit, af pair, ag int4range, ah money, ai numeric(4,6), aj numeric(5,-2));
INSERT INTO scalars VALUES
  (1, true, -32768, -2147483648, -9223372036854775808, '-0', '-0', '\x', '', '', '', '', '4713-01-01 BC', '00:00', '4713-01-01 00:00 BC',
    '4713-01-01 00:00+00 BC', -99999.99, -999999999999.999999, -9999999999999999999999999999.9999999999, 'NaN', '00000000-0000-0000-0000-000000000000',
    '{"b": 1,  "a": 2, "a": 3}', '{"b": 1,  "a": 2, "a": 3}', 'sad', true, '0044-03-15 BC', -99999999.99, '0001-01-01 00:00+00 BC', '178956970 years 7 mons',
    '24:00:00-15:59:59', '::1/64', '101', '(1,"very happy")', '[1,5)', 12.3, 0.009999, 1234567),
  (2, false, 32767, 2147483647, 9223372036854775807, 'Infinity', '-Infinity', '\x00ff80', E'tab\tnewline\nNULL \\N 😀', 'äöü😀', 'ü', 'name', '5874897-12-31',
    '23:59:59.999999', '294246-12-31 23:59:59.999999', '294246-12-31 23:59:59.999999+00', 99999.99, 999999999999.999999,
    9999999999999999999999999999.9999999999, '1e1000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '"\u0000"', '[1e400, 2.50, "\u00e9"]', 'very happy', false,
    '9999-12-31', 99999999.99, '1969-12-31 23:59:59.999999+00', '-1 mon +1 day', '00:00+00', '10.0.0.1', '', '(,)', 'empty', -1, -0.000001, -100),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, true, 0, 0, 0, 'NaN', 'NaN', '\x41', repeat('long ', 20000), 'abc  ', 'abc', 'n', '1970-01-01', '00:00:00.000001', '1970-01-01', '1970-01-01 00:00+00',
    -0.01, 0, 0, 0, gen_random_uuid(), 'null', 'null', 'ok', NULL, '1969-12-31', 0, '1970-01-01 00:00+00', '0', '12:00+05:30', '10.0.0.0/8', '1', NULL,
    '(,)', 0, 0, 0),
  (5, true, 1, 1, 1, '1e-45', '5e-324', '\x00', 'x', 'x', 'x', 'x', '2024-02-29', '12:34:56.7', '1969-12-31 23:59:59.999999', '2024-10-27 01:30:00.5+02',
    0.01, 0.000001, 0.0000000001, '1e-1000', gen_random_uuid(), '[]', '{}', 'ok', NULL, '2000-01-01', 0.01, '2000-01-01 00:00+00', '0', '0:0+00', '1.2.3.4',
    '0', NULL, NULL, 1, 0.000001, 9999900);
INSERT INTO scalars SELECT g, r < 0.5, (r * 65535)::int - 32768, (r * 4e9)::int8 - 2000000000, ((r - 0.5) * 1.8e19)::numeric::int8, (r - 0.5) * 1e9, (r - 0.5) * 1e300,
    decode(md5(g::text), 'hex'), md5(g::text), left(md5(g::text), g % 10), left(md5(g::text), g % 7), md5(g::text),
    date '1970-01-01' + ((r - 0.5) * 1e6)::int, time '00:00' + r * interval '1 day', timestamp '1970-01-01' + (r - 0.5) * interval '9000 years',
    timestamptz '1970-01-01' + (r - 0.5) * interval '9000 years', (r - 0.5) * 199998, ((r - 0.5) * 1e12)::numeric, ((r - 0.5) * 1e28)::numeric,
    ((r - 0.5) * 1e9)::numeric, md5(g::text)::uuid, json_build_object('n', r), jsonb_build_array(r, g), (enum_range(NULL::mood))[1 + g % 3], r < 0.2,
    date '2000-01-01' + g, (r - 0.5) * 1e7, timestamptz '2000-01-01' + r * interval '50 years', r * interval '1000 days', '12:00+00', '10.0.0.1', '1',
    row(g::int, 'ok'::mood)::pair, int4range(g, g + 5), (r * 100)::numeric::money, r / 1000, r * 9999900
  FROM (SELECT g, random() AS r FROM generate_series(10, 4000) g) x;
UPDATE scalars SET c = NULL, l = NULL, n = NULL, p = NULL, t = NULL, v = NULL, i = NULL WHERE id > 10 AND id % 7 = 0;

CREATE TABLE lists (id int PRIMARY KEY, a bool[], b int2[], c int4[], d int8[], e float4[], f float8[], g bytea[], h text[], i varchar(9)[], j char(6)[], k name[],
  l date[], m time[], n timestamp[], o timestamptz[], p numeric(7,2)[], q numeric(18,6)[], r numeric(38,10)[], s numeric[], t uuid[], u json[], v jsonb[],
  w mood[], x flag[], y day[], z amount[], aa days, ab amounts, ac interval[], ad timetz[], ae inet[], af varbit[], ag pair[], ah int4range[], ai money[],
  aj point[], ak oid[], al int4multirange[], am "char"[], an xml[]);
INSERT INTO lists (id) VALUES (1);
INSERT INTO lists VALUES
  (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
  (3, '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}',
    '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}',
    '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}');
-- The values above, in lists of three with NULL between them.
INSERT INTO lists SELECT 3 + o.id, array[o.a, NULL, x.a], array[o.b, NULL, x.b], array[o.c, NULL, x.c], array[o.d, NULL, x.d], array[o.e, NULL, x.e],
    array[o.f, NULL, x.f], array[o.g, NULL, x.g], array[o.h, NULL, x.h], array[o.i, NULL, x.i], array[o.j, NULL, x.j], array[o.k, NULL, x.k], array[o.l, NULL, x.l],
    array[o.m, NULL, x.m], array[o.n, NULL, x.n], array[o.o, NULL, x.o], array[o.p, NULL, x.p], array[o.q, NULL, x.q], array[o.r, NULL, x.r],
    array[o.s, NULL, x.s], array[o.t, NULL, x.t], array[o.u, NULL, x.u], array[o.v, NULL, x.v], array[o.w, NULL, x.w], array[o.x, NULL, x.x],
    array[o.y, NULL, x.y], array[o.z, NULL, x.z], array[o.y, NULL, x.y], array[o.z, NULL, x.z], array[o.ab, NULL, x.ab], array[o.ac, NULL, x.ac],
    array[o.ad, NULL, x.ad], array[o.ae, NULL, x.ae], array[o.af, NULL, x.af], array[o.ag, NULL, x.ag], array[o.ah, NULL, x.ah],
    array[point(o.c, 1.5), NULL], array[o.id::oid, 4294967295], array[int4multirange(o.ag), NULL], array['x', NULL, 'y']::"char"[], array['<a>ü</a>'::xml, NULL]
  FROM scalars o JOIN scalars x ON x.id = 6 - o.id WHERE o.id <= 5;
-- Lists of varying length, with NULL among the elements.
INSERT INTO lists (id, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac)
  SELECT 10 + (hashint4(id) & 1023) AS list, array_agg(a), array_agg(b), array_agg(c), array_agg(d), array_agg(e), array_agg(f), array_agg(g), array_agg(h),
    array_agg(i), array_agg(j), array_agg(k), array_agg(l), array_agg(m), array_agg(n), array_agg(o), array_agg(p), array_agg(q), array_agg(r),
    array_agg(s), array_agg(t), array_agg(u), array_agg(v), array_agg(w), array_agg(x), array_agg(y), array_agg(z), array_agg(y::date),
    array_agg(z::numeric(10,2)), array_agg(ab)
  FROM scalars WHERE id >= 10 GROUP BY list;
-- Lists longer than a page, and more lists than fit into one.
CREATE TABLE long_lists (id int PRIMARY KEY, a int[], b text[], c uuid[]);
INSERT INTO long_lists SELECT g, array_agg(NULLIF(k % 1000, 7)), array_agg(md5((k + g)::text)), array_agg(md5((k * g)::text)::uuid)
  FROM (VALUES (1, 70000), (2, 1), (3, 30000), (4, 50000)) x (g, n), LATERAL generate_series(1, n) k GROUP BY g;
INSERT INTO long_lists SELECT g, array[g, g + 1], array[md5(g::text)], '{}' FROM generate_series(5, 45000) g;
-- These types are not arrays, although they consist of elements.
CREATE TABLE vectors (a int2vector, b oidvector);
INSERT INTO vectors VALUES ('1 2 3', '4 5'), ('', NULL);

-- Values that no list, date, time or decimal of Parquet can express.
CREATE TABLE "matrix" (id int, v int[]);
INSERT INTO "matrix" VALUES (1, '{1}'), (2, '{{1,2},{3,4}}');
CREATE TABLE shifted (id int, v text[]);
INSERT INTO shifted VALUES (1, '{a}'), (2, '[0:1]={a,b}');
CREATE TABLE endless (v timestamptz[]);
INSERT INTO endless VALUES ('{2020-01-01, infinity}');
CREATE TABLE midnight (v time[]);
INSERT INTO midnight VALUES ('{00:00, 24:00}');
CREATE TABLE nan (v numeric(5,2));
INSERT INTO nan VALUES (1), ('NaN');
