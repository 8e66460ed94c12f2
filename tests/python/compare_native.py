"""Compares an export of Aurora PostgreSQL in types of Parquet's own with the database it was taken from, value by value.

Every table is read three times: from the database by psycopg, from the part files by pyarrow and by DuckDB. Dates and times are
compared as the numbers they are stored as, floats bit for bit, all else as the server's own text; lists element by element.
"""

import argparse
import decimal
import json
import pathlib
import struct
import sys
import uuid

import duckdb
import psycopg
import pyarrow
import pyarrow.parquet
from psycopg import sql

from compare import SETTINGS, component, difference, multiset, part_files, problems

# A column's type below domains, an array's elements' and their modifier.
COLUMNS = """
    WITH RECURSIVE bases (type, base, typmod) AS (
      SELECT oid, oid, -1 FROM pg_type WHERE typtype <> 'd'
      UNION ALL
      SELECT t.oid, b.base, greatest(t.typtypmod, b.typmod) FROM pg_type t JOIN bases b ON b.type = t.typbasetype WHERE t.typtype = 'd'
    )
    SELECT a.attname, s.typname, e.typname, greatest(a.atttypmod, b.typmod, c.typmod)
    FROM pg_attribute a JOIN bases b ON b.type = a.atttypid JOIN pg_type s ON s.oid = b.base
      LEFT JOIN (pg_type x JOIN bases c ON c.type = x.oid JOIN pg_type e ON e.oid = c.base) ON x.typarray = s.oid
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
EPOCH = "(extract(epoch FROM {}) * 1000000)::int8::text"
TIMESTAMP = "Timestamp(isAdjustedToUTC={}, timeUnit=microseconds"
# Physical type, how the logical one begins, how the server is asked for a value, and how DuckDB is.
OWN = {
    "bool": ("BOOLEAN", "None", "{}::text", "{}"),
    "int2": ("INT32", "Int(bitWidth=16, isSigned=true)", "{}::text", "{}"),
    "int4": ("INT32", "None", "{}::text", "{}"),
    "int8": ("INT64", "None", "{}::text", "{}"),
    "float4": ("FLOAT", "None", "encode(float4send({}), 'hex')", "{}"),
    "float8": ("DOUBLE", "None", "encode(float8send({}), 'hex')", "{}"),
    "bytea": ("BYTE_ARRAY", "None", "encode({}, 'hex')", "{}"),
    "date": ("INT32", "Date", "({} - date '1970-01-01')::text", "({} - DATE '1970-01-01')"),
    "time": ("INT64", "Time(isAdjustedToUTC=false, timeUnit=microseconds)", EPOCH, "epoch_us({})"),
    "timestamp": ("INT64", TIMESTAMP.format("false"), EPOCH, "epoch_us({})"),
    "timestamptz": ("INT64", TIMESTAMP.format("true"), EPOCH, "epoch_us({})"),
    "uuid": ("FIXED_LEN_BYTE_ARRAY", "UUID", "{}::text", "{}"),
    "json": ("BYTE_ARRAY", "JSON", "{}::text", "{}"),
    "jsonb": ("BYTE_ARRAY", "JSON", "{}::text", "{}"),
    # With the mask.
    "inet": ("BYTE_ARRAY", "String", "{}::text", "{}"),
}
# What the type's output function prints: a cast may print something else.
TEXT = ("BYTE_ARRAY", "String", "CASE WHEN num_nulls({0}) = 0 THEN format('%s', {0}) END", "{}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", required=True, help="connection string")
    parser.add_argument("--directory", type=pathlib.Path, required=True, help="the export of the database")
    parser.add_argument("--tables", type=json.loads, required=True, help="[table, ...] of schema public: all there must be")
    args = parser.parse_args()

    found = {path.name for path in args.directory.iterdir()}
    wanted = {component(f"public.{table}"): table for table in args.tables}
    problems.extend(f"{name} is or isn't in the export" for name in found ^ wanted.keys())
    total = 0
    with psycopg.connect(args.database) as connection:
        connection.execute(SETTINGS)
        for name in wanted.keys() & found:
            total += compare(connection, args.directory / name, wanted[name])
    for problem in problems:
        print(problem, file=sys.stderr)
    print(json.dumps({"tables": len(wanted), "rows": total}))
    sys.exit(bool(problems))


def kind(base, element, typmod):
    of = element or base
    if of == "numeric" and typmod >= 4:
        precision, scale = (typmod - 4) >> 16, (((typmod - 4) & 0x7FF) ^ 0x400) - 0x400
        if 0 <= scale <= precision <= 38:
            physical = "INT32" if precision <= 9 else "INT64" if precision <= 18 else "FIXED_LEN_BYTE_ARRAY"
            return physical, f"Decimal(precision={precision}, scale={scale})", "{}::text", "{}"
    return OWN.get(of, TEXT)


def compare(connection, directory, table):
    oid = connection.execute("SELECT %s::regclass::oid", [f'public."{table}"']).fetchone()
    columns = [(name, element is not None, kind(base, element, typmod))
               for name, base, element, typmod in connection.execute(COLUMNS, oid)]
    files = part_files(directory)
    for file in files:
        check_schema(f"{table}: {file.name}", pyarrow.parquet.ParquetFile(file).schema, columns)

    def asked(name, is_list, kind):
        column = f'"{name}"'
        if not is_list:
            return kind[2].format(column)
        # In the list of columns, unnest leaves a composite whole.
        elements = f"array(SELECT {kind[2].format('e')} FROM (SELECT unnest({column}) AS e) x)"
        return f"CASE WHEN {column} IS NOT NULL THEN {elements} END"

    rows = connection.execute(f'SELECT {", ".join(asked(*column) for column in columns)} FROM public."{table}"').fetchall()
    expected = multiset(rows, [hashable] * len(columns))
    keys = [lambda value, kind=kind: canonical(value, kind) for _, _, kind in columns]
    by_arrow = (row for file in files for batch in pyarrow.parquet.ParquetFile(file).iter_batches()
                for row in zip(*(numbers(column).to_pylist() for column in batch.columns)))
    difference(f"{table} by pyarrow", expected, multiset(by_arrow, keys), files)

    def asked_of_duckdb(name, is_list, kind):
        column = f'"{name}"'
        return f"list_transform({column}, lambda e: {kind[3].format('e')})" if is_list else kind[3].format(column)

    selected = ", ".join(asked_of_duckdb(*column) for column in columns)
    query = duckdb.connect().execute(f"SELECT {selected} FROM read_parquet($1)", [[str(file) for file in files]])
    difference(f"{table} by DuckDB", expected, multiset(query.fetchall(), keys), files)
    return sum(expected.values())


def check_schema(what, schema, columns):
    if len(schema.names) != len(columns):
        problems.append(f"{what}: columns are {schema.names}")
        return
    for index, (name, is_list, (physical, logical, _, _)) in enumerate(columns):
        column = schema.column(index)
        path, levels = (f"{name}.list.element", (3, 1)) if is_list else (name, (1, 0))
        actual = column.path, (column.max_definition_level, column.max_repetition_level), column.physical_type
        if actual != (path, levels, physical) or not str(column.logical_type).startswith(logical):
            problems.append(f"{what}: {actual}, {column.logical_type}, not {(path, levels, physical)}, {logical}")


def numbers(column):
    """Dates and times as the numbers they are: Python's have fewer years."""
    def number(kind):
        if pyarrow.types.is_date(kind):
            return pyarrow.int32()
        if pyarrow.types.is_time(kind) or pyarrow.types.is_timestamp(kind):
            return pyarrow.int64()
        return kind

    if not pyarrow.types.is_list(column.type):
        return column.cast(number(column.type))
    return column.cast(pyarrow.list_(number(column.type.value_type)))


def hashable(value):
    return tuple(value) if isinstance(value, list) else value


def canonical(value, kind):
    """A value as a reader gives it, in the form the server is asked for."""
    physical, logical, _, _ = kind
    if value is None:
        return None
    if isinstance(value, list):
        return tuple(canonical(element, kind) for element in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        value = abs(value) if value != value else value
        return struct.pack(">f" if physical == "FLOAT" else ">d", value).hex()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray)):
        return str(uuid.UUID(bytes=bytes(value))) if logical == "UUID" else value.hex()
    return str(value)


if __name__ == "__main__":
    main()
