"""Checks that readers of an export find rows by their keys when they skip row groups by statistics.

For each table whose first column is an integer or text, DuckDB and DataFusion look up some existing and some missing values,
and the smallest and the largest value. The results are compared with those of pyarrow, which reads everything. In addition,
pyarrow and DuckDB read all values of every file, and must return the same values.
"""

import argparse
import json
import pathlib
import random
import sys
import tempfile

import datafusion
import duckdb
import pyarrow
import pyarrow.compute
import pyarrow.parquet

LOOKUPS = 12
# Keys that are missing from most tables. The values next to existing keys are looked up too.
ABSENT = {"integer": [-7_777_777, 2_000_000_001], "text": ["", "~~~", "\N{GREEK SMALL LETTER OMEGA}", "0"]}
# The values of larger files are not compared, because they would be in memory twice.
MAX_COMPARED_BYTES = 256 << 20

problems = []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path, help="a copy of the export, that is of <prefix>/<task>/")
    directory = parser.parse_args().directory
    tables = [path for path in sorted(directory.glob("*/*")) if path.is_dir()]
    looked_up = 0
    for table in tables:
        with tempfile.TemporaryDirectory() as links:
            # Readers interpret patterns and key=value pairs in paths. Links avoid that for unusual
            # table names.
            files = []
            for number, file in enumerate(sorted(table.glob("*/part-*.parquet"))):
                files.append(str(pathlib.Path(links, f"{number}.parquet")))
                pathlib.Path(files[-1]).symlink_to(file.resolve())
            looked_up += look_up(str(table.relative_to(directory)), links, files)
            for file in files:
                read_twice(f"{table.relative_to(directory)}/{file}", file)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(json.dumps({"tables": len(tables), "lookedUp": looked_up}))
    sys.exit(bool(problems))


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def look_up(table, directory, files):
    """Looks up keys of a table. Returns whether its first column can be looked up."""
    schema = pyarrow.parquet.read_schema(files[0])
    name, kind = schema.names[0], schema.field(0).type
    if pyarrow.types.is_integer(kind):
        kind = "integer"
        if not all(map(has_bounds, files)):
            problems.append(f"{table}: row groups have no bounds of their keys")
    elif pyarrow.types.is_string(kind):
        kind = "text"
    else:
        return False
    columns = (pyarrow.parquet.ParquetFile(file).read([name]).column(0) for file in files)
    column = pyarrow.chunked_array([chunk for column in columns for chunk in column.chunks], type=schema.field(0).type)
    counts = {row["values"]: row["counts"] for row in column.value_counts().to_pylist() if row["values"] is not None}
    # Very long texts are not realistic keys.
    short = sorted(value for value in counts if kind == "integer" or len(value) < 1000)
    existing = random.Random(table).sample(short, min(LOOKUPS, len(short))) + short[:1] + short[-1:]
    adjacent = [value + ("\x01" if kind == "text" else 1) for value in existing if kind == "text" or abs(value) < 2**62]
    first, last = (min(counts), max(counts)) if counts else (None, None)

    ducks = duckdb.connect()
    ducks.execute(f"CREATE VIEW t AS SELECT {quoted(name)} AS k FROM read_parquet({files!r})")
    context = datafusion.SessionContext(datafusion.SessionConfig().with_parquet_pruning(True)
                                        .set("datafusion.execution.parquet.pushdown_filters", "true"))
    context.register_parquet("files", directory, parquet_pruning=True)
    context.sql(f"CREATE VIEW t AS SELECT {quoted(name)} AS k FROM files").collect()
    by_datafusion = lambda sql: [tuple(row.values()) for row in context.sql(sql).to_pylist()]
    by_duckdb = lambda sql: ducks.execute(sql).fetchall()
    for reader, ask in (("DuckDB", by_duckdb), ("DataFusion", by_datafusion)):
        if ask("SELECT min(k), max(k), count(*) FROM t") != [(first, last, len(column))]:
            problems.append(f"{table}: {reader} finds other bounds or another number of rows")
        for value in [*existing, *adjacent, *ABSENT[kind]]:
            literal = str(value) if kind == "integer" else "'" + value.replace("'", "''") + "'"
            (found,), = ask(f"SELECT count(*) FROM t WHERE k = {literal}")
            if found != counts.get(value, 0):
                problems.append(f"{table}: {reader} finds {found} rows of a key that {counts.get(value, 0)} rows have")
    return True


def has_bounds(file):
    """Returns whether every row group has bounds, so that readers can skip it."""
    metadata = pyarrow.parquet.read_metadata(file)
    statistics = (metadata.row_group(number).column(0).statistics for number in range(metadata.num_row_groups))
    return all(s is not None and (s.has_min_max or s.num_values == 0) for s in statistics)


def read_twice(name, file):
    """Compares the values that pyarrow and DuckDB read from a file."""
    metadata = pyarrow.parquet.read_metadata(file)
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if size > MAX_COMPARED_BYTES:
        return
    by_arrow = pyarrow.parquet.ParquetFile(file).read()
    by_duckdb = duckdb.connect().read_parquet(file).to_arrow_table()
    if by_arrow.num_columns != by_duckdb.num_columns:
        problems.append(f"{name}: pyarrow and DuckDB read different columns")
        return
    for column_name, one, other in zip(by_arrow.column_names, by_arrow.columns, by_duckdb.columns):
        one, other = (comparable(column.combine_chunks()) for column in (one, other))
        if one != other:
            problems.append(f"{name}: pyarrow and DuckDB read different values of {column_name}")


def comparable(array):
    """Converts values to types that both readers share: integers for dates, times and the bits of floats."""
    if isinstance(array, pyarrow.ChunkedArray):
        array = pyarrow.concat_arrays(array.chunks) if array.num_chunks else pyarrow.array([], array.type)
    if isinstance(array, pyarrow.ExtensionArray):
        array = array.storage
    kind = array.type
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
        return [pyarrow.compute.list_value_length(array).cast(pyarrow.int64()), comparable(array.flatten())]
    if pyarrow.types.is_float32(kind):
        return array.view(pyarrow.int32())
    if pyarrow.types.is_float64(kind):
        return array.view(pyarrow.int64())
    if pyarrow.types.is_date32(kind):
        return array.view(pyarrow.int32())
    if pyarrow.types.is_time64(kind) or pyarrow.types.is_timestamp(kind):
        return array.view(pyarrow.int64())
    if pyarrow.types.is_decimal(kind):
        return array.cast(pyarrow.string())
    if pyarrow.types.is_string(kind) or pyarrow.types.is_binary(kind) or pyarrow.types.is_fixed_size_binary(kind):
        return array.cast(pyarrow.large_binary())
    if pyarrow.types.is_large_string(kind) or pyarrow.types.is_large_binary(kind):
        return array.cast(pyarrow.large_binary())
    return array


if __name__ == "__main__":
    main()
