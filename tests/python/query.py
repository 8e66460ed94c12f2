"""Runs a DuckDB query with a directory of part files as the working directory. Prints the rows as JSON."""

import json
import os
import sys

import duckdb

os.chdir(sys.argv[1])
print(json.dumps(duckdb.sql(sys.argv[2]).fetchall(), default=str))
