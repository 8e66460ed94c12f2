"""Writes the table lineitem of TPC-H as tab-separated text, which servers can load: load.py FILE SCALE."""

import glob
import importlib.util
import sys

import duckdb

connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
root = importlib.util.find_spec("duckdb_extension_tpch").submodule_search_locations[0]
connection.load_extension(glob.glob(root + "/**/*.duckdb_extension", recursive=True)[0])
connection.sql(f"CALL dbgen(sf = {float(sys.argv[2])})")
connection.sql(rf"COPY lineitem TO '{sys.argv[1]}' (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '')")
