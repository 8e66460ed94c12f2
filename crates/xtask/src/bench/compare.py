"""Exports one table with every tool that is installed, all in one run on one server, and writes what it saw as Markdown.

Each tool runs in a process of its own, whose time, processor time and largest resident size the system counts. The order
is the same in every round, so that whatever else the machine does meets all of them. Every output is read by DuckDB and
must hold the same rows: their number, and the sum of a hash of each row's text.
"""

import argparse
import glob
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--binary", required=True)
arguments.add_argument("--source", required=True, help="postgres://user:password@host:port/database")
arguments.add_argument("--table", default="lineitem")
arguments.add_argument("--rounds", type=int, default=3)
arguments.add_argument("--scratch", required=True)
arguments = arguments.parse_args()

TABLE, SCRATCH, SOURCE = arguments.table, arguments.scratch, arguments.source


def child(code):
    """A tool written in Python, with what it needs to know."""
    return [sys.executable, "-c", f"SOURCE, TABLE, OUT = {SOURCE!r}, {TABLE!r}, OUT_HERE\n{code}"]


DUCKDB = """
import duckdb, glob, importlib.util
c = duckdb.connect(config={"allow_unsigned_extensions": "true"})
root = importlib.util.find_spec("duckdb_extension_postgres_scanner").submodule_search_locations[0]
c.load_extension(glob.glob(root + "/**/*.duckdb_extension", recursive=True)[0])
c.sql(f"ATTACH '{SOURCE}' AS pg (TYPE postgres, READ_ONLY)")
c.sql(f"COPY (FROM pg.public.{TABLE}) TO '{OUT}/part.parquet' (FORMAT parquet, CODEC 'gzip')")
"""

CONNECTORX = """
import connectorx, pyarrow.parquet
key = {"lineitem": "l_orderkey", "wide": "id"}[TABLE]
t = connectorx.read_sql(SOURCE, f"SELECT * FROM {TABLE}", partition_on=key, partition_num=2, return_type="arrow")
pyarrow.parquet.write_table(t, OUT + "/part.parquet", compression="gzip")
"""

ADBC = """
import adbc_driver_postgresql.dbapi as adbc, pyarrow.parquet
with adbc.connect(SOURCE) as connection, connection.cursor() as cursor:
    cursor.execute(f"SELECT * FROM {TABLE}")
    batches = cursor.fetch_record_batch()
    with pyarrow.parquet.ParquetWriter(OUT + "/part.parquet", batches.schema, compression="gzip") as writer:
        for batch in batches:
            writer.write_batch(batch)
"""


def ours(*more):
    return [arguments.binary, "local", "--source", SOURCE, "--out", "OUT_HERE", "--name", "x",
            "--only", "bench.public." + TABLE, *more]


def raw(streams):
    """COPY BINARY to nowhere: what no client that reads all rows can be faster than."""
    blocks = int(psql(f"SELECT pg_relation_size('{TABLE}') / 8192"))
    ends = [blocks * n // streams for n in range(streams)] + [1 << 31]
    copies = [
        f"COPY (SELECT * FROM {TABLE} WHERE ctid >= '({low},0)' AND ctid < '({high},0)') TO STDOUT (FORMAT binary)"
        for low, high in zip(ends, ends[1:])
    ]
    pipes = " & ".join(f'psql -qc "{copy}" "{SOURCE}" > /dev/null' for copy in copies)
    return ["sh", "-c", pipes + " & wait"]


def psql(sql):
    return subprocess.run(["psql", "-qtAXc", sql, SOURCE], check=True, capture_output=True, text=True).stdout.strip()


def tools():
    yield "aurora-export, Parquet's types", ours("--types", "native")
    yield "aurora-export, AWS's types", ours()
    yield "aurora-export, Parquet's types, zstd", ours("--types", "native", "--compression", "zstd")
    installed = importlib.util.find_spec
    if installed("duckdb_extension_postgres_scanner"):
        yield "DuckDB", child(DUCKDB)
    if installed("connectorx"):
        yield "connectorx, 2 partitions, and pyarrow", child(CONNECTORX)
    if installed("adbc_driver_postgresql"):
        yield "ADBC and pyarrow", child(ADBC)
    if shutil.which("pg2parquet"):
        yield "pg2parquet", ["pg2parquet", "export", "--connection-string", SOURCE, "--table", TABLE,
                             "--output-file", "OUT_HERE/part.parquet", "--compression", "gzip"]
    yield "COPY BINARY to nowhere, 1 stream", raw(1)
    yield "COPY BINARY to nowhere, 2 streams", raw(2)


def run(command, out):
    """Wall seconds, processor seconds and peak KiB of a command, or what it complained of."""
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    command = [part.replace("OUT_HERE", repr(out) if part.startswith("SOURCE") else out) for part in command]
    began = time.monotonic()
    with open(SCRATCH + "/log", "w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        log.seek(0)
        if status != 0:
            return None, log.read().strip().splitlines()[-1][:200]
    return (wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss), None


def contents(out):
    """Bytes of the files, number of rows, and a hash of them that doesn't depend on their order."""
    import duckdb

    files = glob.glob(out + "/**/*.parquet", recursive=True)
    if not files:
        return None
    c = duckdb.connect()
    names = [row[0] for row in c.sql(f"DESCRIBE FROM read_parquet({files!r})").fetchall()]
    text = [f'"{name}"::VARCHAR' for name in names]
    row = c.sql(f"SELECT count(*), sum(hash({', '.join(text)})::HUGEINT) FROM read_parquet({files!r})").fetchone()
    return sum(map(os.path.getsize, files)), row[0], row[1]


results, failures, held = {}, {}, {}
for number in range(arguments.rounds):
    for name, command in tools():
        if name in failures:
            continue
        measured, failure = run(command, SCRATCH + "/out")
        if failure:
            failures[name] = failure
            continue
        results.setdefault(name, []).append(measured)
        if number == 0:
            held[name] = contents(SCRATCH + "/out")
        print(f"round {number + 1}: {name}: {measured[0]:.1f} s", file=sys.stderr)
shutil.rmtree(SCRATCH + "/out", ignore_errors=True)

rows = int(psql(f"SELECT count(*) FROM {TABLE}"))
gigabytes = int(psql(f"SELECT pg_relation_size('{TABLE}')")) / 1e9
reference = held.get("aurora-export, Parquet's types")
base = results.get("DuckDB")
print(f"| {TABLE}: {rows:,} rows, {gigabytes:.2f} GB | wall s | rows/s | CPU s per GB | peak MB | MB written | wall, of DuckDB's | CPU, of DuckDB's | rows |")
print("|---|---|---|---|---|---|---|---|---|")
for name, measured in results.items():
    wall, cpu, peak = (statistics.median(values) for values in zip(*measured))
    ratio = lambda n: f"{statistics.median(m[n] / b[n] for m, b in zip(measured, base)):.2f}" if base else "–"
    size, same = "–", "–"
    if held[name]:
        size = f"{held[name][0] / 1e6:.1f}"
        same = "the same" if held[name][1:] == reference[1:] else "as many" if held[name][1] == rows else "DIFFERENT"
    print(f"| {name} | {wall:.1f} | {rows / wall:,.0f} | {cpu / gigabytes:.1f} | {peak / 1000:.0f} | {size} | {ratio(0)} | {ratio(1)} | {same} |")
for name, failure in failures.items():
    print(f"\n{name} failed: {failure}")
if not reference or reference[1] != rows:
    sys.exit("the export does not hold the table's rows")
