"""Compares an export with the databases it was taken from, row for row, without tolerance.

Every table is read three times: from the database by psycopg, from the part files by pyarrow and by DuckDB. Booleans,
integers, floats and bytes are compared as such, bit for bit; everything else as the server's own text. Unless the tables are
named, every table of every database must be in the export or be named with a reason in its metadata, and the metadata must
say of every column what information_schema does.
"""

import argparse
import collections
import itertools
import json
import math
import pathlib
import re
import struct
import sys
import tempfile

import duckdb
import psycopg
import pyarrow.parquet
from psycopg import sql

PART = re.compile(r"part-\d{5}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-c\d{3}\.gz\.parquet")
# Physical and converted type of what isn't text.
NATIVE = {
    "bool": ("BOOLEAN", "NONE"),
    "int2": ("INT32", "INT_16"),
    "int4": ("INT32", "NONE"),
    "int8": ("INT64", "NONE"),
    "float4": ("FLOAT", "NONE"),
    "float8": ("DOUBLE", "NONE"),
    "bytea": ("BYTE_ARRAY", "NONE"),
}
TEXT = ("BYTE_ARRAY", "UTF8")
SETTINGS = """SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET extra_float_digits = 1;
    SET search_path = ''; SET bytea_output = 'hex'; SET xmloption = 'content'"""
COLUMNS = """
    WITH RECURSIVE bases (type, base) AS (
      SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
      UNION ALL
      SELECT t.oid, b.base FROM pg_type t JOIN bases b ON b.type = t.typbasetype WHERE t.typtype = 'd'
    )
    SELECT a.attname, t.typname, s.typname
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN bases b ON b.type = t.oid JOIN pg_type s ON s.oid = b.base
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> 'rdsadmin' ORDER BY 1"
TABLES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"""
DESCRIBED = """
    SELECT table_schema, table_name, column_name, data_type, coalesce(character_maximum_length, 0),
      coalesce(numeric_precision, 0), coalesce(datetime_precision, 0)
    FROM information_schema.columns ORDER BY table_schema, table_name, ordinal_position"""

problems = []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", required=True, help="connection string without a database name")
    parser.add_argument("--directory", type=pathlib.Path, required=True, help="the export: what is below <prefix>/<task>/")
    parser.add_argument("--tables", type=json.loads, help="[[database, schema, table], ...]: all there must be")
    args = parser.parse_args()

    skipped = {}
    if args.tables is None:
        args.tables, skipped = check_metadata(args.database, args.directory)
    wanted = {}
    # Names that are the same once they are paths are told apart by numbers, in their order.
    for d, s, t in sorted(args.tables):
        plain = f"{component(d)}/{component(f'{s}.{t}')}"
        numbered = (f"{plain}_{number}" for number in itertools.count(2))
        wanted[next(path for path in itertools.chain([plain], numbered) if path not in wanted)] = d, s, t
    found = {str(path.relative_to(args.directory)) for path in args.directory.glob("*/*") if path.is_dir()}
    for missing in wanted.keys() - found:
        problems.append(f"{missing} is not in the export")
    for foreign in found - wanted.keys():
        problems.append(f"{foreign} is in the export and should not be")
    total = 0
    for path, names in wanted.items():
        if path in found:
            total += compare(args.database, args.directory / path, *names)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(json.dumps({"tables": len(wanted), "rows": total, "skipped": skipped}))
    sys.exit(bool(problems))


def check_metadata(server, directory):
    """What metadata says of every table of the server's databases: those exported, and those skipped with the reason."""
    described = {}
    documents = {}
    for path in directory.glob("export_tables_info_*.json"):
        first, last = re.search(r"_from_(\d+)_to_(\d+)\.json$", path.name).groups()
        statuses = json.loads(path.read_text())["perTableStatus"]
        documents[int(first)] = int(last)
        if len(statuses) != int(last) - int(first) + 1:
            problems.append(f"{path.name} describes {len(statuses)} tables")
        for status in statuses:
            if described.setdefault(status["target"], status) is not status:
                problems.append(f"{status['target']} is described twice")
    if [1, *(last + 1 for _, last in sorted(documents.items()))] != [*sorted(documents), len(described) + 1]:
        problems.append(f"the metadata documents don't join: {sorted(documents.items())}")

    tables, skipped = [], {}
    with psycopg.connect(f"{server} dbname=postgres") as connection:
        databases = [name for name, in connection.execute(DATABASES)]
    for database in databases:
        with psycopg.connect(f"{server} dbname='{database}'") as connection:
            found = connection.execute(TABLES).fetchall()
            columns = collections.defaultdict(list)
            for schema, table, *column in connection.execute(DESCRIBED):
                columns[schema, table].append(column)
        for schema, table in found:
            target = f"{database}.{schema}.{table}"
            status = described.pop(target, None)
            if status is None:
                problems.append(f"{target} is neither exported nor skipped")
            elif "warningMessage" in status:
                skipped[target] = status["warningMessage"]
            else:
                tables.append([database, schema, table])
                mappings = [[m["columnName"], m["originalType"], m["originalCharMaxLength"], m["originalNumPrecision"],
                             m["originalDateTimePrecision"]] for m in status["schemaMetadata"]["originalTypeMappings"]]
                if mappings != columns[schema, table]:
                    problems.append(f"{target} is described as {mappings}, not {columns[schema, table]}")
    problems.extend(f"{target} is described and no table" for target in described)
    return tables, skipped


def component(name):
    return re.sub(r'[\\`" /\x00-\x1f\x7f-\x9f]', "_", name)


def compare(database, directory, name, schema, table):
    with psycopg.connect(f"{database} dbname='{name}'") as connection:
        columns, expected = rows_of_database(connection, schema, table)
    files = part_files(directory)
    what = f"{name}.{schema}.{table}"
    for file in files:
        check_schema(f"{what}: {file.name}", pyarrow.parquet.ParquetFile(file), columns)
    keys = [key_of(kind) for _, kind in columns]
    expected = multiset(expected, keys)
    by_arrow = (row for file in files for batch in pyarrow.parquet.ParquetFile(file).iter_batches()
                for row in zip(*(column.to_pylist() for column in batch.columns)))
    difference(f"{what} by pyarrow", expected, multiset(by_arrow, keys), files)
    with tempfile.TemporaryDirectory() as plain:
        # DuckDB reads patterns and key=value pairs from paths, which the names of tables may look like.
        links = [pathlib.Path(plain, f"{number}.parquet") for number in range(len(files))]
        for link, file in zip(links, files):
            link.symlink_to(file.resolve())
        by_duckdb = duckdb.connect().execute("SELECT * FROM read_parquet($1)", [[str(link) for link in links]]).fetchall()
    difference(f"{what} by DuckDB", expected, multiset(by_duckdb, keys), files)
    return sum(expected.values())


def rows_of_database(connection, schema, table):
    connection.execute(SETTINGS)
    oid, kind = connection.execute(
        "SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s", [schema, table]).fetchone()
    columns, selected = [], []
    for name, type_name, base in connection.execute(COLUMNS, [oid]):
        column = sql.Identifier(name)
        columns.append((name, type_name if type_name in NATIVE else "text"))
        if type_name in NATIVE:
            selected.append(column)
        elif base == "inet":
            # With the mask.
            selected.append(sql.SQL("{}::text").format(column))
        else:
            # What the type's output function prints: a cast may print something else.
            selected.append(sql.SQL("CASE WHEN num_nulls({0}) = 0 THEN format('%s', {0}) END").format(column))
    # What is inherited by a table is exported with the table it is in; partitions belong to their root.
    only = sql.SQL("ONLY" if kind == "r" else "")
    query = sql.SQL("SELECT {} FROM {} {}").format(sql.SQL(", ").join(selected), only, sql.Identifier(schema, table))
    return columns, connection.execute(query).fetchall()


def part_files(directory):
    files = []
    for batch in sorted(directory.iterdir()):
        success = batch / "_SUCCESS"
        if not success.is_file() or success.stat().st_size != 0:
            problems.append(f"{batch} has no empty _SUCCESS")
        parts = sorted(path for path in batch.iterdir() if path != success)
        problems.extend(f"{path} is not named like a part file" for path in parts if not PART.fullmatch(path.name))
        files.extend(parts)
    if not files:
        problems.append(f"{directory} holds no part file")
    return files


def check_schema(what, file, columns):
    schema, metadata = file.schema, file.metadata
    if " spark_schema {" not in str(schema):
        problems.append(f"{what}: the root is not spark_schema: {schema}")
    if schema.names != [name for name, _ in columns]:
        problems.append(f"{what}: columns are {schema.names}, not {[name for name, _ in columns]}")
        return
    for index, (name, kind) in enumerate(columns):
        column = schema.column(index)
        if (column.max_definition_level, column.max_repetition_level) != (1, 0):
            problems.append(f"{what}: {name} is not OPTIONAL")
        actual, wanted = (column.physical_type, column.converted_type), NATIVE.get(kind, TEXT)
        if actual != wanted:
            problems.append(f"{what}: {name} is {actual}, not {wanted}")
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            if metadata.row_group(group).column(index).compression != "GZIP":
                problems.append(f"{what}: column {index} of row group {group} is not GZIP")


def key_of(kind):
    """What a value is compared by: floats by their bits, so that -0.0 is not 0.0 and NaN is NaN."""
    if kind in ("float4", "float8"):
        width = "<f" if kind == "float4" else "<d"
        return lambda value: value if value is None else "NaN" if math.isnan(value) else struct.pack(width, value)
    if kind == "bytea":
        return lambda value: value if value is None else bytes(value)
    # Python has 1 == True == 1.0.
    wanted = {"bool": bool, "text": str}.get(kind, int)
    return lambda value: value if value is None or type(value) is wanted else ("not a", kind, value)


def multiset(rows, keys):
    return collections.Counter(tuple(key(value) for key, value in zip(keys, row, strict=True)) for row in rows)


def difference(what, expected, actual, files):
    missing, foreign = expected - actual, actual - expected
    if missing or foreign:
        problems.append(f"{what}: {missing.total()} of {expected.total()} rows are missing, {foreign.total()} are foreign"
                        f" ({len(files)} files)")
        problems.extend(f"  missing {row}" for row in list(missing)[:5])
        problems.extend(f"  foreign {row}" for row in list(foreign)[:5])


if __name__ == "__main__":
    main()
