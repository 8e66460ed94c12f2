"""Compares an export of Aurora MySQL, in AWS's types or in Parquet's own, with the server it was taken from, row for row,
without tolerance.

Every table is read three times: from the server by its ordinary client, as the server's own text in hexadecimal digits, and
from the part files by pyarrow and by DuckDB. Unless the tables are named, every table of every database must be in the export
or be named with a reason in its metadata.
"""

import argparse
import collections
import datetime
import decimal
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import uuid

import duckdb
import pyarrow.parquet

from compare import component, difference, part_files, problems

# What the types become: physical and converted type, and how the server is asked for a value and its answer understood.
BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry", "point", "linestring", "polygon",
         "multipoint", "multilinestring", "multipolygon", "geomcollection", "geometrycollection", "vector"}
SIGNED = {"tinyint": ("INT32", "NONE"), "smallint": ("INT32", "NONE"), "mediumint": ("INT32", "NONE"),
          "int": ("INT32", "NONE"), "bigint": ("INT64", "NONE")}
UNSIGNED = {"tinyint": ("INT32", "INT_16"), "smallint": ("INT32", "NONE"), "mediumint": ("INT64", "NONE"),
            "int": ("INT64", "NONE"), "bigint": ("FIXED_LEN_BYTE_ARRAY", "DECIMAL")}
# Of Parquet's own.
NATIVE_SIGNED = SIGNED | {"tinyint": ("INT32", "INT_8"), "smallint": ("INT32", "INT_16")}
NATIVE_UNSIGNED = {"tinyint": ("INT32", "UINT_8"), "smallint": ("INT32", "UINT_16"), "mediumint": ("INT32", "UINT_32"),
                   "int": ("INT32", "UINT_32"), "bigint": ("INT64", "UINT_64")}
TEXT = "HEX(CONVERT(CAST({} AS CHAR) USING utf8mb4))"
# The text of a FLOAT has six digits, that of the same number as a DOUBLE has all, if they fit into 22 characters. So the sign
# goes apart, and what is small is multiplied by a power of two, which changes nothing but the exponent.
EXACT = ("IF({0} IS NULL, NULL, CONCAT(IF({0} < 0, '-', '+'), IF(ABS({0}) < 1, 's', ' '),"
         " ABS(CAST({0} AS DOUBLE)) * IF(ABS({0}) < 1, POW(2, 900), 1)))")
EPOCH = datetime.datetime(1970, 1, 1)
LOCAL = "TIMESTAMP_MICROS of no zone"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--client", type=json.loads, required=True, help="the client with its arguments")
    parser.add_argument("--password", required=True)
    parser.add_argument("--directory", type=pathlib.Path, required=True, help="the export: what is below <prefix>/<task>/")
    parser.add_argument("--tables", type=json.loads, help="[[database, table], ...]: all there must be")
    parser.add_argument("--types", choices=["aurora", "native"], required=True)
    args = parser.parse_args()

    os.environ["MYSQL_PWD"] = args.password
    skipped = {}
    if args.tables is None:
        args.tables, skipped = check_metadata(args.client, args.directory)
    wanted = {f"{component(d)}/{component(f'{d}.{t}')}": (d, t) for d, t in args.tables}
    found = {str(path.relative_to(args.directory)) for path in args.directory.glob("*/*") if path.is_dir()}
    problems.extend(f"{missing} is not in the export" for missing in wanted.keys() - found)
    problems.extend(f"{foreign} is in the export and should not be" for foreign in found - wanted.keys())
    kind_of = native_kind if args.types == "native" else kind
    columns = columns_of(args.client)
    rows = {}
    for path in sorted(wanted.keys() & found):
        table = wanted[path]
        rows[".".join(table)] = compare(args.client, kind_of, args.directory / path, *table, columns[table])
    for problem in problems:
        print(problem, file=sys.stderr)
    print(json.dumps({"tables": len(wanted), "rows": sum(rows.values()), "rows_of": rows, "skipped": skipped}))
    sys.exit(bool(problems))


def check_metadata(client, directory):
    """The tables of the server's databases that must be in the export, and those its metadata gives a reason for."""
    described = {}
    for path in directory.glob("export_tables_info_*.json"):
        for status in json.loads(path.read_text())["perTableStatus"]:
            if described.setdefault(status["target"], status) is not status:
                problems.append(f"{status['target']} is described twice")
    found = ask(client, "SELECT HEX(TABLE_SCHEMA), HEX(TABLE_NAME) FROM information_schema.TABLES"
                " WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"
                " AND TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys');")
    tables, skipped = [], {}
    for database, table in ([name.decode() for name in row] for row in found):
        status = described.pop(f"{database}.{database}.{table}", None)
        if status is None:
            problems.append(f"{database}.{table} is neither exported nor skipped")
        elif "warningMessage" in status:
            skipped[f"{database}.{table}"] = status["warningMessage"]
        else:
            tables.append([database, table])
    problems.extend(f"{target} is described and no table" for target in described)
    return tables, skipped


def ask(client, sql):
    """Every value in hexadecimal digits, so that none can be taken for another, or for NULL."""
    settings = "SET NAMES utf8mb4; SET time_zone = '+00:00'; SET sql_mode = '';"
    client = [*client, "--quick", "--skip-column-names", "--max-allowed-packet=1G"]
    done = subprocess.run(client, input=settings + sql, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{sql}: {done.stderr}")
    unhex = lambda value: None if value == "NULL" else bytes.fromhex(value)
    return [[unhex(value) for value in line.split("\t")] for line in done.stdout.splitlines()]


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def duckdb_name(name):
    return '"' + name.replace('"', '""') + '"'


def columns_of(client):
    """Of every table of every database."""
    described = ask(client, "SELECT " + ", ".join(
        f"HEX(CONVERT(CAST({c} AS CHAR) USING utf8mb4))" for c in ("TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE",
                                                                  "COLUMN_TYPE", "COALESCE(NUMERIC_PRECISION, 0)"))
        + " FROM information_schema.COLUMNS ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION;")
    columns = collections.defaultdict(list)
    for database, table, *column in ([value.decode() for value in row] for row in described):
        columns[database, table].append(tuple(column))
    return columns


def kind(data_type, column_type, precision):
    """(types in the file, what the server is asked for, what its answer means)"""
    text = lambda value: value.decode()
    number = lambda value: int(value)
    if data_type in SIGNED:
        unsigned = "unsigned" in column_type.partition(" ")[2]
        meaning = decimal.Decimal if unsigned and data_type == "bigint" else int
        return (UNSIGNED if unsigned else SIGNED)[data_type], TEXT, lambda value: meaning(value.decode())
    if data_type == "decimal" and int(precision) <= 38:
        physical = "INT32" if int(precision) <= 9 else "INT64" if int(precision) <= 18 else "FIXED_LEN_BYTE_ARRAY"
        return (physical, "DECIMAL"), TEXT, lambda value: decimal.Decimal(value.decode())
    if data_type in ("float", "double"):
        return ("DOUBLE", "NONE"), TEXT.format(EXACT), exact
    if data_type == "year":
        return ("INT32", "NONE"), TEXT, number
    if data_type in ("datetime", "timestamp"):
        return ("INT64", "TIMESTAMP_MICROS"), TEXT.format("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {})"), number
    if data_type == "bit":
        digits = (int(precision) + 7) // 8 * 2
        return ("BYTE_ARRAY", "NONE"), f"LPAD(HEX({{}}), {digits}, '0')", bytes
    if data_type in BYTES:
        return ("BYTE_ARRAY", "NONE"), "HEX({})", bytes
    return ("BYTE_ARRAY", "UTF8"), TEXT, text


def native_kind(data_type, column_type, precision):
    """As kind, in types of Parquet's own."""
    awss, sql, meaning = kind(data_type, column_type, precision)
    text = lambda value: value.decode()
    number = lambda value: int(value)
    if data_type in SIGNED:
        return (NATIVE_UNSIGNED if "unsigned" in column_type.partition(" ")[2] else NATIVE_SIGNED)[data_type], sql, number
    if data_type == "date":
        return ("INT32", "DATE"), TEXT.format("DATEDIFF({}, '1970-01-01')"), number
    if data_type == "uuid":
        return ("FIXED_LEN_BYTE_ARRAY", "UUID"), TEXT, text
    own = {"float": ("FLOAT", "NONE"), "datetime": ("INT64", LOCAL), "json": ("BYTE_ARRAY", "JSON")}
    return own.get(data_type, awss), sql, meaning


def annotation(column):
    """What says what a column's values mean. UUID and times of no zone have no older name."""
    logical = str(column.logical_type)
    if logical == "UUID":
        return logical
    return LOCAL if logical.startswith("Timestamp(isAdjustedToUTC=false") else column.converted_type


def exact(value):
    sign, scaled, number = value[:1], value[1:2] == b"s", float(value[2:])
    number = number * 2.0**-900 if scaled else number
    return struct.pack("<d", -number if sign == b"-" else number)


def comparable(value):
    """A value as Python's readers give it, in the form of the server's."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, datetime.datetime):
        return (value.replace(tzinfo=None) - EPOCH) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return (value - EPOCH.date()).days
    if isinstance(value, uuid.UUID):
        return str(value)
    return bytes(value) if isinstance(value, bytearray) else value


def compare(client, kind_of, directory, database, table, columns):
    what = f"{database}.{table}"
    kinds = [kind_of(*column[1:]) for column in columns]
    names = [column[0] for column in columns]
    files = part_files(directory)
    for file in files:
        schema = pyarrow.parquet.ParquetFile(file).schema
        actual = [(c.name, (c.physical_type, annotation(c))) for c in map(schema.column, range(len(schema.names)))]
        wanted = [(name, types) for name, (types, _, _) in zip(names, kinds)]
        if actual != wanted:
            problems.append(f"{what}: {file.name}: columns are {actual}, not {wanted}")
    asked = ", ".join(sql.format(quoted(name)) for name, (_, sql, _) in zip(names, kinds))
    rows = ask(client, f"SELECT {asked} FROM {quoted(database)}.{quoted(table)};")
    expected = collections.Counter(
        tuple(None if value is None else meaning(value) for value, (_, _, meaning) in zip(row, kinds, strict=True))
        for row in rows)
    by_arrow = (row for file in files for batch in pyarrow.parquet.ParquetFile(file).iter_batches()
                for row in zip(*(column.to_pylist() for column in batch.columns)))
    multiset = lambda rows: collections.Counter(tuple(map(comparable, row)) for row in rows)
    difference(f"{what} by pyarrow", expected, multiset(by_arrow), files)
    with tempfile.TemporaryDirectory() as plain:
        # DuckDB reads patterns from paths, which the names of tables may look like.
        links = [pathlib.Path(plain, f"{number}.parquet") for number in range(len(files))]
        for link, file in zip(links, files):
            link.symlink_to(file.resolve())
        # Its instants of the first and the last years are none that Python knows.
        asked = ", ".join(f"epoch_us({duckdb_name(name)})" if types[1] in ("TIMESTAMP_MICROS", LOCAL) else duckdb_name(name)
                          for name, (types, _, _) in zip(names, kinds))
        by_duckdb = duckdb.execute(f"SELECT {asked} FROM read_parquet($1)", [[str(link) for link in links]])
        by_duckdb = by_duckdb.fetchall()
    difference(f"{what} by DuckDB", expected, multiset(by_duckdb), files)
    return sum(expected.values())


if __name__ == "__main__":
    main()
