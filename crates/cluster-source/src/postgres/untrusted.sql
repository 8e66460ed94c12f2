-- The relations of which a query can't be planned, or their computed columns read, without calling a function that an
-- ordinary user wrote, each with one such function and its owner. The server folds the constant calls in the expressions
-- of indexes and extended statistics whenever it plans a query of the table, as the user who asks. What only newer
-- versions have is read through JSON.
WITH RECURSIVE
roots (relation, classid, objid, expression) AS (
  SELECT indrelid, 'pg_class'::regclass, indexrelid, concat(indexprs::text, indpred::text)
  FROM pg_index
  WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
  UNION ALL
  SELECT stxrelid, 'pg_statistic_ext'::regclass, s.oid, to_jsonb(s) ->> 'stxexprs'
  FROM pg_statistic_ext s
  UNION ALL
  SELECT d.adrelid, 'pg_attrdef'::regclass, d.oid, d.adbin::text
  FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  WHERE to_jsonb(a) ->> 'attgenerated' = 'v'
),
-- Everything they depend on, at any remove. A domain's constraints depend on the domain, not the other way.
code (relation, classid, objid) AS (
  SELECT relation, classid::oid, objid FROM roots
  UNION
  SELECT c.relation, n.classid, n.objid
  FROM code c CROSS JOIN LATERAL (
    SELECT d.refclassid, d.refobjid
    FROM pg_depend d
    WHERE d.classid = c.classid AND d.objid = c.objid AND d.refclassid <> 'pg_class'::regclass
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid
    FROM pg_constraint k
    WHERE c.classid = 'pg_type'::regclass AND k.contypid = c.objid
  ) n (classid, objid)
),
calls (relation, function) AS (
  SELECT c.relation, c.objid
  FROM code c JOIN pg_proc p ON c.classid = 'pg_proc'::regclass AND p.oid = c.objid
    JOIN pg_language l ON l.oid = p.prolang
    JOIN pg_roles r ON r.oid = p.proowner
  -- Only superusers can make functions in C or of the server itself.
  WHERE l.lanname NOT IN ('internal', 'c') AND NOT r.rolsuper AND r.rolname <> current_user
  UNION ALL
  -- It is immutable, and folds the expressions in the key of the table whose number it is given. Nothing depends on a
  -- number.
  SELECT r.relation, p.oid
  FROM roots r JOIN pg_proc p ON p.oid = 'pg_catalog.satisfies_hash_partition'::regproc
  WHERE r.expression LIKE '%:funcid ' || p.oid || ' %'
)
SELECT DISTINCT ON (c.relation) c.relation::int8, c.function::regprocedure::text, r.rolname::text
FROM calls c JOIN pg_proc p ON p.oid = c.function JOIN pg_roles r ON r.oid = p.proowner
ORDER BY c.relation, c.function
