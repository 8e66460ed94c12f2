"""Generates TPC-H's lineitem in a PostgreSQL database: load.py ADDRESS SCALE."""

import glob
import importlib.util
import sys

import duckdb

connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
for name in ["tpch", "postgres_scanner"]:
    root = importlib.util.find_spec("duckdb_extension_" + name).submodule_search_locations[0]
    connection.load_extension(glob.glob(root + "/**/*.duckdb_extension", recursive=True)[0])
connection.sql(f"CALL dbgen(sf = {float(sys.argv[2])})")
connection.sql(f"ATTACH '{sys.argv[1]}' AS pg (TYPE postgres)")
connection.sql("CREATE TABLE pg.public.lineitem AS FROM lineitem")
