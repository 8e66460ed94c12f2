-- One table for each extension, with its types, arrays of them and domains over them.
CREATE EXTENSION postgis;
CREATE EXTENSION postgis_raster;
CREATE EXTENSION postgis_topology;
CREATE EXTENSION postgis_sfcgal;
CREATE EXTENSION ip4r;
CREATE EXTENSION hll;
CREATE EXTENSION prefix;
CREATE EXTENSION semver;
CREATE EXTENSION unit;
CREATE EXTENSION numeral;
CREATE EXTENSION asn1oid;
CREATE EXTENSION pgmp;
CREATE EXTENSION pg_rational;

CREATE DOMAIN spot AS geometry(Point, 4326);
CREATE TABLE places (
  id int PRIMARY KEY, any_shape geometry, point geometry(PointZM, 4326), earth geography, small_box box2d, large_box box3d,
  shapes geometry[], dumped geometry_dump, valued geomval, picture raster, spot spot, spots spot[]
);
INSERT INTO places (id, any_shape)
SELECT row_number() OVER (), ST_GeomFromEWKT(shape) FROM unnest(array[
  'POINT(0.1 -0.2)', 'SRID=4326;POINT Z (1 2 3)', 'POINT EMPTY', 'SRID=3857;POINT M (1e300 -1e-300 0)', 'LINESTRING(0 0, 1 1, 2 1)',
  'POLYGON((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))', 'MULTIPOINT((1 1), (2 2))', 'MULTILINESTRING((0 0, 1 1), (2 2, 3 3))',
  'MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))', 'GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1), GEOMETRYCOLLECTION EMPTY)',
  'CIRCULARSTRING(0 0, 1 1, 2 0)', 'COMPOUNDCURVE(CIRCULARSTRING(0 0, 1 1, 2 0), (2 0, 3 3))', 'CURVEPOLYGON(CIRCULARSTRING(0 0, 4 0, 4 4, 0 4, 0 0))',
  'MULTICURVE((0 0, 5 5), CIRCULARSTRING(4 0, 4 4, 8 4))', 'TRIANGLE((0 0, 1 0, 0 1, 0 0))', 'TIN(((0 0 0, 0 0 1, 0 1 0, 0 0 0)))',
  'POLYHEDRALSURFACE(((0 0 0, 0 0 1, 0 1 1, 0 1 0, 0 0 0)))']) AS shape;
INSERT INTO places
SELECT 100 + g, ST_Buffer(ST_MakePoint(g, -g), g), ST_SetSRID(ST_MakePoint(g, g / 7.0, -g, g * 1e9), 4326),
  ST_MakePoint(g % 180, g % 90)::geography, box2d(ST_MakeLine(ST_MakePoint(0, 0), ST_MakePoint(g, 0.1))), box3d(ST_MakePoint(g, g, g)),
  array[ST_MakePoint(g, g), NULL, 'POINT EMPTY'], ST_Dump(ST_MakePoint(g, 1)), ROW(ST_MakePoint(g, 2), g / 3.0)::geomval,
  ST_AddBand(ST_MakeEmptyRaster(3, 3, g, g, 0.5), '8BUI'::text, g % 256, 0), ST_SetSRID(ST_MakePoint(g, g), 4326),
  array[ST_SetSRID(ST_MakePoint(g, 1), 4326)]
FROM generate_series(1, 500) g;
SELECT topology.CreateTopology('city', 4326);
SELECT topology.AddNode('city', ST_SetSRID(ST_MakePoint(g, g), 4326)) FROM generate_series(1, 20) g;

CREATE TABLE networks AS
SELECT ip4(g * 1000) AS a, ip4r(ip4(g), ip4(g + 70)) AS b, ip6('2001:db8::'::ip6 + g) AS c, ip6r('2001:db8::/64') AS d,
  ipaddress('10.0.0.1') AS e, iprange(CASE g % 3 WHEN 0 THEN '10.0.0.0/9' WHEN 1 THEN '::1-::7' ELSE '-' END) AS f, array[ip4(g), NULL] AS h
FROM generate_series(0, 2000) g;
CREATE TABLE sketches AS SELECT g % 10 AS k, hll_add_agg(hll_hash_integer(g)) AS v FROM generate_series(1, 20000) g GROUP BY 1
  UNION ALL SELECT -1, hll_empty() UNION ALL SELECT -2, NULL;
CREATE TABLE named AS
SELECT prefix_range('0' || g) AS a, semver('1.' || g || '.0-rc.1+build') AS c,
  (g || ' km/h')::unit AS d, (g / 7.0 || ' GiB')::unit AS e, g::bigint::roman AS f, g::bigint::zahl AS i, g::bigint::numeral AS j, ('1.3.6.' || g)::asn1oid AS k,
  (repeat('9', g % 90 + 1))::mpz AS l, (g || '/7')::mpq AS m, (g || '/12')::rational AS n
FROM generate_series(1, 500) g;
