-- Every type that MySQL and MariaDB share, with its extreme values, and tables of every shape, engine and name.
SET NAMES utf8mb4, sql_mode = '', time_zone = '+00:00';

CREATE TABLE numbers (
    id int PRIMARY KEY, t tinyint, tu tinyint unsigned, flag boolean, s smallint, su smallint unsigned, m mediumint,
    mu mediumint unsigned, i int, iu int unsigned, b bigint, bu bigint unsigned, z int(9) unsigned zerofill,
    d9 decimal(9, 2), d18 decimal(18, 6), d38 decimal(38, 30), d65 decimal(65, 30), whole decimal(20), f float, r double, y year,
    one bit, nine bit(9), all_bits bit(64));
INSERT INTO numbers VALUES
    (1, -128, 0, true, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808, 0, 0, -9999999.99, -999999999999.999999,
     -99999999.999999999999999999999999999999, -99999999999999999999999999999999999.999999999999999999999999999999, -99999999999999999999,
     -3.402823e38, -1.7976931348623157e308, 1901, b'0', b'000000001', 0),
    (2, 127, 255, false, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807, 18446744073709551615, 42, 9999999.99,
     999999999999.999999, 99999999.999999999999999999999999999999, 99999999999999999999999999999999999.999999999999999999999999999999,
     99999999999999999999, 3.402823e38, 1.7976931348623157e308, 2155, b'1', b'111111111', 18446744073709551615),
    (3, 0, 1, NULL, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0.01, 0.000001, 0.000000000000000000000000000001, 0.1, 0, 0.1, 0.1, 0, b'1', b'100000000', 1),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 9223372036854775808, 1, 1, 1, 1, 1, 1, 16777217, 2.2250738585072014e-308, 1970, b'0', b'1', 9223372036854775808);

CREATE TABLE times (id int PRIMARY KEY, d date, t time, t6 time(6), dt datetime, dt6 datetime(6), ts timestamp NULL, ts6 timestamp(6) NULL);
INSERT INTO times VALUES
    (1, '1000-01-01', '-838:59:59', '-838:59:59.000000', '1000-01-01 00:00:00', '0001-01-01 00:00:00.000001', '1970-01-01 00:00:01', '1970-01-01 00:00:01.000001'),
    (2, '9999-12-31', '838:59:59', '838:59:59.000000', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07', '2038-01-19 03:14:07.999999'),
    (3, '2024-02-29', '-00:00:01', '-00:00:00.000001', '1969-12-31 23:59:59', '1969-12-31 23:59:59.999999', '2024-03-31 01:30:00', '2024-10-27 01:30:00.5'),
    (4, '0000-00-00', '00:00:00', '12:34:56.7', NULL, NULL, NULL, NULL),
    (5, '2024-00-00', NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE calendar (id int PRIMARY KEY, d date, dt datetime, dt6 datetime(6), ts timestamp NULL, ts6 timestamp(6) NULL, t time(6));
INSERT INTO calendar VALUES
    (-1, '0001-01-01', '0001-01-01 00:00:00', '0001-01-01 00:00:00.000001', '1970-01-01 00:00:01', '1970-01-01 00:00:01.000001', '-838:59:59.000000'),
    (-2, '9999-12-31', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07', '2038-01-19 03:14:07.999999', '24:00:00'),
    (-3, '1969-12-31', '1969-12-31 23:59:59', '1969-12-31 23:59:59.999999', '2024-03-31 01:30:00', '2024-10-27 01:30:00.5', '838:59:59'),
    (-4, NULL, NULL, NULL, NULL, NULL, NULL);
-- A zero date is not a valid time: the task leaves the table out and reports it.
CREATE TABLE zero_dates (id int PRIMARY KEY, at datetime);
INSERT INTO zero_dates VALUES (1, '2024-01-01'), (2, '0000-00-00 00:00:00');

CREATE TABLE texts (
    id int PRIMARY KEY, c char(10), v varchar(300), latin varchar(50) CHARACTER SET latin1, wide varchar(50) CHARACTER SET utf16,
    old text CHARACTER SET utf8mb3, tt tinytext, mt mediumtext, lt longtext, e enum('a', 'it''s', 'ü', ''), s set('x', 'y', 'zä'), j json,
    bin binary(4), vb varbinary(300), tb tinyblob, bl blob, mb mediumblob, lb longblob);
INSERT INTO texts VALUES
    (1, 'padded  ', 'tab\t new\n line \\ "quote" \0 zero', 'café', '表😀', 'é表', '', 'm', 'l', 'it''s', 'x,zä', '{"b": [1, 2.50, null], "a": "ü😀"}',
     x'00ff', x'00010203fffe', x'', x'80', x'c3a4', x'00'),
    (2, '', '', '', '', '', 'NULL', '', '', 'ü', '', '[]', '', '', 'a', 'b', 'c', 'd'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, 'ä', repeat('😀', 300), repeat('ÿ', 50), 'a', 'b', repeat('x', 255), repeat('y', 70000), repeat('zä', 200000), 'a', 'x,y,zä', '"a"',
     'ab', repeat('b', 300), repeat('c', 255), repeat('d', 65535), repeat('e', 70000), repeat('f', 300000));

CREATE TABLE shapes (
    id int PRIMARY KEY, g geometry, p point, l linestring, a polygon, mp multipoint, ml multilinestring, ma multipolygon, gc geometrycollection);
INSERT INTO shapes VALUES
    (1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('POINT(-1.5 1e300)'), ST_GeomFromText('LINESTRING(0 0, 1 1, 2 0)'),
     ST_GeomFromText('POLYGON((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))'), ST_GeomFromText('MULTIPOINT((0 0), (1 1))'),
     ST_GeomFromText('MULTILINESTRING((0 0, 1 1), (2 2, 3 3))'), ST_GeomFromText('MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))'),
     ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))')),
    (2, ST_GeomFromText('POINT(1 2)', 4326), NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE digits (n int);
INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
CREATE VIEW many AS SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS n FROM digits a, digits b, digits c, digits d;

INSERT INTO calendar SELECT n, '1000-01-01' + INTERVAL n * 319 DAY, '1000-01-01' + INTERVAL n * 27562917 SECOND,
    '1000-01-01 00:00:00.000000' + INTERVAL n * 27562917123457 MICROSECOND, '1970-01-02' + INTERVAL n * 200003 SECOND,
    '1970-01-02 00:00:00.000000' + INTERVAL n * 200003000457 MICROSECOND, SEC_TO_TIME(n * 601 - 3000000.000001) FROM many;

-- Keys with gaps and skew, negative keys, keys above the signed range; keys of several columns, of text, of bytes; no key.
CREATE TABLE skewed (id bigint PRIMARY KEY, filler varchar(400));
INSERT INTO skewed SELECT CASE WHEN n < 9000 THEN n - 5000 ELSE 1000000007 * n END, repeat('s', 200 + n % 200) FROM many;
CREATE TABLE large_keys (id bigint unsigned PRIMARY KEY, filler varchar(400));
INSERT INTO large_keys SELECT 18446744073709551615 - n * 3, repeat('u', 300) FROM many;
CREATE TABLE two_columns (a int, b varchar(20), filler varchar(400), PRIMARY KEY (a, b));
INSERT INTO two_columns SELECT n % 7, concat('b', n), repeat('t', 300) FROM many;
CREATE TABLE keyed_by_text (code varchar(40) COLLATE utf8mb4_general_ci PRIMARY KEY, filler varchar(400));
INSERT INTO keyed_by_text SELECT concat(char(65 + n % 26), 'ä', left(sha2(n, 256), 32)), repeat('k', 300) FROM many;
CREATE TABLE keyed_by_bytes (id binary(16) NOT NULL, filler varchar(400), UNIQUE KEY (id));
INSERT INTO keyed_by_bytes SELECT unhex(left(sha2(n, 256), 32)), repeat('y', 300) FROM many;
CREATE TABLE keyless (n int, filler varchar(400));
INSERT INTO keyless SELECT n % 100, repeat('l', 300) FROM many;
CREATE TABLE parted (id int NOT NULL, region char(2) NOT NULL, filler varchar(400), PRIMARY KEY (id, region))
    PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (1000), PARTITION p1 VALUES LESS THAN (5000), PARTITION p2 VALUES LESS THAN MAXVALUE);
INSERT INTO parted SELECT n, 'DE', repeat('p', 300) FROM many;

CREATE TABLE in_isam (id int, t text) ENGINE = MyISAM;
INSERT INTO in_isam SELECT n, left(sha2(n, 256), 32) FROM many LIMIT 500;
CREATE TABLE in_csv (id int NOT NULL, t varchar(40) NOT NULL) ENGINE = CSV;
INSERT INTO in_csv SELECT n, concat(left(sha2(n, 256), 32), ',"') FROM many LIMIT 500;
CREATE TABLE in_archive (id int, t text) ENGINE = ARCHIVE;
INSERT INTO in_archive SELECT n, left(sha2(n, 256), 32) FROM many LIMIT 500;
CREATE TABLE in_memory (id int) ENGINE = MEMORY;
INSERT INTO in_memory VALUES (1), (2);
CREATE TABLE in_nothing (id int) ENGINE = BLACKHOLE;

CREATE TABLE made (id int AUTO_INCREMENT PRIMARY KEY, v int, twice int AS (v * 2), kept varchar(20) AS (concat(v, '!')) STORED, hidden int DEFAULT 7 INVISIBLE);
INSERT INTO made (v) VALUES (1), (NULL), (-5);
CREATE TABLE nothing (id int, t text);

CREATE TABLE `Mixed Case ñ 表` (`From` int, `Ünï$` text);
INSERT INTO `Mixed Case ñ 表` VALUES (1, 'a');
CREATE TABLE `semi;colon'quote"` (a int);
INSERT INTO `semi;colon'quote"` VALUES (1);
CREATE TABLE `dot.ted` (`dot.ted` int);
INSERT INTO `dot.ted` VALUES (1);
CREATE TABLE `back``tick\%` (a int);
INSERT INTO `back``tick\%` VALUES (2);
CREATE TABLE `sla/sh` (a int);
CREATE TABLE spaced (`a b` int);

CREATE DATABASE second;
CREATE TABLE second.numbers AS SELECT n AS id FROM many LIMIT 10;
CREATE DATABASE `Odd-db ä`;
CREATE TABLE `Odd-db ä`.t (a int PRIMARY KEY);
INSERT INTO `Odd-db ä`.t VALUES (1), (2);

-- The server knows the sizes of the tables only some seconds after the inserts.
ANALYZE TABLE skewed, large_keys, two_columns, keyed_by_text, keyed_by_bytes;
