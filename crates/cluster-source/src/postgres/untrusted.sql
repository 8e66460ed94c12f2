-- Returns the relations for which planning a query, or reading computed columns, calls a function
-- that an ordinary user wrote, each with one such function and its owner. Whenever the server plans
-- a query of a table, it evaluates the constant calls in the expressions of its indexes and
-- extended statistics, with the rights of the user who sent the query. Columns that only newer
-- versions have are read through JSON.
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
-- Everything that the roots depend on, directly or indirectly. A domain's constraints depend on the
-- domain, and the domain does not depend on them, so they are added here.
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
  -- Only superusers can create functions in the languages C and internal.
  WHERE l.lanname NOT IN ('internal', 'c') AND NOT r.rolsuper AND r.rolname <> current_user
  UNION ALL
  -- satisfies_hash_partition is immutable, and evaluates the expressions in the key of the table
  -- whose object id is its argument. A constant object id creates no entry in pg_depend.
  SELECT r.relation, p.oid
  FROM roots r JOIN pg_proc p ON p.oid = 'pg_catalog.satisfies_hash_partition'::regproc
  WHERE r.expression LIKE '%:funcid ' || p.oid || ' %'
)
SELECT DISTINCT ON (c.relation) c.relation, c.function::regprocedure::text, r.rolname::text
FROM calls c JOIN pg_proc p ON p.oid = c.function JOIN pg_roles r ON r.oid = p.proowner
ORDER BY c.relation, c.function
