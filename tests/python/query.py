"""Answers a DuckDB query about the part files in a directory, which is the working directory, as JSON."""

import json
import os
import sys

import duckdb

os.chdir(sys.argv[1])
print(json.dumps(duckdb.sql(sys.argv[2]).fetchall(), default=str))
