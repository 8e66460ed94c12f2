"""The tools, and their commands to export one table of one server. @OUT@ stands for the output directory."""

import sys
from dataclasses import dataclass

from tables import TABLES

OURS = {
    "native": "aurora-export, Parquet's types",
    "aurora": "aurora-export, AWS's types",
    "zstd": "aurora-export, Parquet's types, zstd",
}
DUCKDB, SPARK = "DuckDB", "Spark JDBC, 2 partitions"
RAW = "COPY BINARY to nowhere, 1 stream"
ENCODING = "encoding alone, from memory, 1 thread"


@dataclass
class Tool:
    name: str
    command: list
    # Without an export there is nothing to compare.
    exports: bool = True


def tools(server, table):
    """Returns the tools for an engine in the order in which they run."""
    yield Tool(OURS["native"], ours(server, table, "--types", "native"))
    yield Tool(OURS["aurora"], ours(server, table))
    yield Tool(OURS["zstd"], ours(server, table, "--types", "native", "--compression", "zstd"))
    yield from postgres(server, table) if server.engine == "postgres" else mysql(server, table)


def ours(server, table, *more):
    scheme, part = ("postgres", "bench.public.") if server.engine == "postgres" else ("mysql", "bench.")
    # All tools log in as the superuser that created the server.
    return [server.binary, "local", "--source", f"{scheme}://{server.login}", "--out", "@OUT@", "--name", "x",
            "--allow-superuser", "--only", part + table, *more]


def postgres(server, table):
    address = f"postgres://{server.login}"
    yield Tool(DUCKDB, python(DUCKDB_CODE, kind="postgres", source=address, query=f"FROM db.public.{table}"))
    if table == "wide":
        # By default DuckDB converts a numeric without precision to a double.
        columns = ", ".join("free::text AS free" if name == "free" else name for name in TABLES[table].columns)
        query = f"FROM postgres_query('db', 'SELECT {columns} FROM {table}')"
        yield Tool("DuckDB, numeric as text by its query", python(DUCKDB_CODE, kind="postgres", source=address, query=query))
    yield Tool("connectorx, 2 partitions, and pyarrow",
               python(CONNECTORX, source=address, table=table, key=TABLES[table].key[0]))
    # For types that ADBC does not know, it returns the bytes of the server.
    columns = ", ".join(f"{name}::text AS {name}" if kind in ("address", "json") else name
                        for name, kind in TABLES[table].columns.items())
    yield Tool("ADBC and pyarrow", python(ADBC, source=address, query=f"SELECT {columns} FROM {table}"))
    exact = ["--numeric-handling", "string"] if table == "wide" else []
    yield Tool("pg2parquet", [
        server.pg2parquet, "export", "--host", "127.0.0.1", "--port", str(server.port), "--user", "bench", "--password", "none", "--dbname", "bench",
        "--table", table, "--output-file", "@OUT@/part.parquet", "--compression", "gzip", *exact])
    yield spark(server, table, f"jdbc:postgresql://127.0.0.1:{server.port}/bench", "org.postgresql.Driver")
    for streams in (1, 2):
        yield Tool(f"COPY BINARY to nowhere, {streams} stream{'s'[:streams - 1]}", raw(server, table, streams), exports=False)


def mysql(server, table):
    source = f"host=127.0.0.1 port={server.port} user=bench database=bench"
    yield Tool(DUCKDB, python(DUCKDB_CODE, kind="mysql", source=source, query=f"FROM db.bench.{table}"))
    # Spark uses MySQL's quotes only if the URL names MySQL. MariaDB's driver accepts such a URL if
    # an option allows it.
    address = f"jdbc:mysql://127.0.0.1:{server.port}/bench?permitMysqlScheme=true"
    yield spark(server, table, address, "org.mariadb.jdbc.Driver")
    client = " ".join(server.client)
    yield Tool("the client's --quick to nowhere", ["sh", "-c", f"{client} --quick -e 'SELECT * FROM {table}' > /dev/null"], exports=False)


def python(code, **known):
    """Returns the command of a tool that is written in Python, with its parameters."""
    return [sys.executable, "-c", f"KNOWN = {known!r}\nOUT = '@OUT@'\n{code}"]


def spark(server, table, address, driver):
    key = TABLES[table].key[0]
    return Tool(SPARK, python(SPARK_CODE, jars=server.jars, address=address, driver=driver, table=table, key=key,
                              most=server.most[key]))


def raw(server, table, streams):
    """Returns the command of a COPY BINARY whose output is discarded. No client that reads all rows can be faster."""
    ends = [server.blocks * n // streams for n in range(streams)] + [1 << 31]
    copies = [
        f"COPY (SELECT * FROM {table} WHERE ctid >= '({low},0)' AND ctid < '({high},0)') TO STDOUT (FORMAT binary)"
        for low, high in zip(ends, ends[1:])
    ]
    client = " ".join(server.client)
    return ["sh", "-c", " & ".join(f'{client} -c "{copy}" > /dev/null' for copy in copies) + " & wait"]


DUCKDB_CODE = """
import duckdb, glob, importlib.util
c = duckdb.connect(config={"allow_unsigned_extensions": "true"})
root = importlib.util.find_spec(f"duckdb_extension_{KNOWN['kind']}_scanner").submodule_search_locations[0]
c.load_extension(glob.glob(root + "/**/*.duckdb_extension", recursive=True)[0])
c.sql(f"ATTACH '{KNOWN['source']}' AS db (TYPE {KNOWN['kind']}, READ_ONLY)")
c.sql(f"COPY ({KNOWN['query']}) TO '{OUT}/part.parquet' (FORMAT parquet, CODEC 'gzip')")
"""

CONNECTORX = """
import connectorx, pyarrow.parquet
query = f"SELECT * FROM {KNOWN['table']}"
t = connectorx.read_sql(KNOWN["source"], query, partition_on=KNOWN["key"], partition_num=2, return_type="arrow")
pyarrow.parquet.write_table(t, OUT + "/part.parquet", compression="gzip", compression_level=6)
"""

ADBC = """
import adbc_driver_postgresql.dbapi as adbc, pyarrow.parquet
with adbc.connect(KNOWN["source"]) as connection, connection.cursor() as cursor:
    cursor.execute(KNOWN["query"])
    batches = cursor.fetch_record_batch()
    with pyarrow.parquet.ParquetWriter(OUT + "/part.parquet", batches.schema, compression="gzip", compression_level=6) as writer:
        for batch in batches:
            writer.write_batch(batch)
"""

SPARK_CODE = """
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[2]").config("spark.jars", KNOWN["jars"]).config("spark.ui.enabled", "false")
builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
rows = builder.getOrCreate().read.jdbc(
    KNOWN["address"], KNOWN["table"], column=KNOWN["key"], lowerBound=1, upperBound=KNOWN["most"], numPartitions=2,
    properties={"user": "bench", "driver": KNOWN["driver"], "fetchsize": "10000"})
rows.write.mode("overwrite").option("compression", "gzip").parquet(OUT)
"""


