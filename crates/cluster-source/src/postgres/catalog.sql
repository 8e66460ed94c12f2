-- Returns one row per table with its columns and the relations that hold its rows, as JSON. A
-- natively partitioned table is one row, and its leaves are its relations. Sizes are those of the
-- files, so they are never stale. Privilege and size functions return NULL for a relation of a live
-- database that was dropped meanwhile, hence each coalesce.
--
-- Object ids and counts are cast to types that JSON prints as numbers, without loss.
WITH RECURSIVE
namespaces AS (
  SELECT oid, nspname::text AS name
  FROM pg_namespace
  WHERE nspname <> 'information_schema' AND (nspname !~ '^pg_' OR nspname ~ '^pg_temp_')
),
roots AS (
  SELECT c.oid, n.name AS schema_name, c.relname::text AS table_name, c.relkind
  FROM pg_class c JOIN namespaces n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
),
tree (root, oid) AS (
  SELECT oid, oid FROM roots WHERE relkind = 'p'
  UNION ALL
  SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
),
members (root, oid) AS (
  SELECT oid, oid FROM roots WHERE relkind = 'r'
  UNION ALL
  SELECT t.root, t.oid FROM tree t JOIN pg_class c ON c.oid = t.oid WHERE c.relkind <> 'p'
),
-- A partitioned table without leaves is its own relation: reading it returns no rows.
all_members (root, oid) AS (
  SELECT root, oid FROM members
  UNION ALL
  SELECT oid, oid FROM roots WHERE relkind = 'p' AND oid NOT IN (SELECT root FROM members)
),
relations AS (
  SELECT m.root, c.oid::int8 AS oid, c.relname::text AS name, n.nspname::text AS schema_name,
    c.relkind::text AS kind, c.relpersistence::text AS persistence,
    coalesce(has_table_privilege(c.oid, 'SELECT'), false) AND coalesce(a.amname = 'heap', true) AS ctid,
    coalesce(has_schema_privilege(c.relnamespace, 'USAGE') AND (
      has_table_privilege(c.oid, 'SELECT')
      OR NOT EXISTS (
        SELECT FROM pg_attribute p
        WHERE p.attrelid = c.oid AND p.attnum > 0 AND NOT p.attisdropped
          AND NOT has_column_privilege(c.oid, p.attnum, 'SELECT'))
    ), false) AS readable,
    coalesce(row_security_active(c.oid), false) AS row_security,
    -- Version 11 has no column attgenerated.
    EXISTS (
      SELECT FROM pg_attribute g
      WHERE g.attrelid = c.oid AND g.atthasdef AND to_jsonb(g) ->> 'attgenerated' <> '') AS generated,
    coalesce(pg_relation_size(c.oid), 0) AS heap_bytes,
    CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE coalesce(pg_relation_size(c.reltoastrelid), 0) END AS toast_bytes,
    c.relpages AS analyzed_blocks, c.reltuples::float8 AS analyzed_rows, row_to_json(key) AS key
  FROM all_members m JOIN pg_class c ON c.oid = m.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam
    LEFT JOIN LATERAL (
     -- The first column of an index that the server can use for `>=` and `<` in the column's own
     -- type and collation.
     SELECT k.attname::text AS "column", t.typname::text AS type_name,
       x.indisunique AND x.indnkeyatts = 1 AND t.typname IN ('int2', 'int4', 'int8') AS unique_integer
     FROM pg_index x JOIN pg_attribute k ON k.attrelid = x.indrelid AND k.attnum = x.indkey[0]
       JOIN pg_type t ON t.oid = k.atttypid AND t.typnamespace = 'pg_catalog'::regnamespace
       JOIN pg_opclass o ON o.oid = x.indclass[0] AND o.opcdefault
       JOIN pg_am b ON b.oid = o.opcmethod AND b.amname = 'btree'
     WHERE x.indrelid = c.oid AND x.indisvalid AND x.indpred IS NULL AND k.attnotnull
       AND x.indcollation[0] = k.attcollation
       -- Bounds of an array key would be arrays, which no aggregate of older versions returns.
       AND t.typcategory <> 'A'
       -- Since version 18 a NOT NULL constraint may be unchecked for the existing rows.
       AND NOT EXISTS (
         SELECT FROM pg_constraint o
         WHERE o.conrelid = k.attrelid AND o.contype = 'n' AND NOT o.convalidated AND k.attnum = ANY (o.conkey))
     ORDER BY unique_integer DESC, x.indisprimary DESC, x.indisunique DESC, x.indexrelid
     LIMIT 1
    ) key ON true
),
relation_lists AS (
  SELECT root, json_agg(relations ORDER BY name, schema_name) AS relations
  FROM relations
  GROUP BY root
),
-- A domain may be over a domain. Values are sent as the last base type, with the modifier declared
-- there.
bases (domain, base, typmod) AS (
  SELECT oid, typbasetype, typtypmod FROM pg_type WHERE typtype = 'd'
  UNION ALL
  SELECT b.domain, t.typbasetype, t.typtypmod FROM bases b JOIN pg_type t ON t.oid = b.base WHERE t.typtype = 'd'
),
columns AS (
  SELECT a.attrelid, a.attnum, a.attname::text AS name,
    t.typtype = 'd' AS is_domain,
    -- For an array, the next columns describe the element type.
    e.oid IS NOT NULL AS is_array,
    coalesce(es.oid, e.oid, s.oid, t.oid)::int8 AS sent_as,
    coalesce(es.typtype, e.typtype, s.typtype, t.typtype) = 'e' AS is_enum,
    -- The next three are information_schema.columns.data_type, and the type and modifier that
    -- determine its length and precision.
    CASE
      WHEN d.typelem <> 0 AND d.typlen = -1 THEN 'ARRAY'
      WHEN d.typnamespace = 'pg_catalog'::regnamespace THEN format_type(d.oid, NULL)
      ELSE 'USER-DEFINED'
    END AS original_type,
    d.oid::int8 AS type_oid,
    CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS typmod,
    CASE WHEN es.oid IS NOT NULL THEN eb.typmod WHEN s.oid IS NOT NULL THEN b.typmod ELSE a.atttypmod END AS sent_typmod
  FROM pg_attribute a
    JOIN roots r ON r.oid = a.attrelid
    JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_type d ON d.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    LEFT JOIN (bases b JOIN pg_type s ON s.oid = b.base AND s.typtype <> 'd') ON b.domain = t.oid
    -- Other types with elements, such as int2vector, are not array types.
    LEFT JOIN pg_type e ON e.oid = coalesce(s.typelem, t.typelem) AND e.typarray = coalesce(s.oid, t.oid)
    LEFT JOIN (bases eb JOIN pg_type es ON es.oid = eb.base AND es.typtype <> 'd') ON eb.domain = e.oid
  WHERE a.attnum > 0 AND NOT a.attisdropped
),
column_lists AS (
  SELECT attrelid, json_agg(columns ORDER BY attnum) AS columns
  FROM columns
  GROUP BY attrelid
)
SELECT r.schema_name, r.table_name, coalesce(c.columns, '[]')::text AS columns,
  coalesce(l.relations, '[]')::text AS relations
FROM roots r
  LEFT JOIN column_lists c ON c.attrelid = r.oid
  LEFT JOIN relation_lists l ON l.root = r.oid
ORDER BY r.schema_name COLLATE "C", r.table_name COLLATE "C"
