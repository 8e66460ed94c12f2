"""The tables that are exported, and the comparison of files with their values.

Tools may use different types for the same value. Therefore each column is first converted to a common form: numbers stay
numbers, times become microseconds, bytes become hexadecimal digits. For each column, the sum of a hash of key and value over
all rows must equal that of the text that the server's command line client printed. Lost digits, a changed NULL, or the bytes
of an address instead of the address are errors.
"""

import glob
import os
from dataclasses import dataclass

import duckdb


@dataclass
class Table:
    key: list
    columns: dict


TABLES = {
    "lineitem": Table(
        ["l_orderkey", "l_linenumber"],
        {
            "l_orderkey": "int", "l_partkey": "int", "l_suppkey": "int", "l_linenumber": "int",
            "l_quantity": "cents", "l_extendedprice": "cents", "l_discount": "cents", "l_tax": "cents",
            "l_returnflag": "text", "l_linestatus": "text",
            "l_shipdate": "date", "l_commitdate": "date", "l_receiptdate": "date",
            "l_shipinstruct": "text", "l_shipmode": "text", "l_comment": "text",
        },
    ),
    "wide": Table(
        ["id"],
        {
            "id": "int", "session": "uuid", "at": "timestamp", "free": "number", "amount": "cents", "document": "json",
            "signature": "bytes", "numbers": "array", "address": "address", "flag": "bool", "note": "text", "score": "float",
        },
    ),
}


def form(kind, name, type_):
    """Returns the expression that converts a column of a DuckDB type to the common form of its kind."""
    column = f'"{name}"'
    # A tool may have written text as bytes.
    text = f"decode({column})" if type_ == "BLOB" else f"{column}::VARCHAR"
    if kind in ("int", "cents", "date", "bool", "float"):
        to = {"int": "BIGINT", "cents": "DECIMAL(18,2)", "date": "DATE", "bool": "BOOLEAN", "float": "DOUBLE"}[kind]
        return f"TRY_CAST({column} AS {to})"
    if kind == "number":
        return f"CASE WHEN contains({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
    if kind == "timestamp":
        if type_.startswith("TIMESTAMP"):
            return f"epoch_us({column})"
        return rf"epoch_us(TRY_CAST(regexp_replace({text}, '(\+00(:00)?|Z| UTC)$', '') AS TIMESTAMP))"
    if kind == "uuid":
        return f"lower(hex({column}))" if type_ == "BLOB" else f"lower(replace({text}, '-', ''))"
    if kind == "bytes":
        return f"lower(hex({column}))" if type_ == "BLOB" else rf"lower(regexp_replace({text}, '^\\x', ''))"
    if kind == "array":
        return f"array_to_string({column}, ',')" if type_.endswith("[]") else f"translate({text}, '{{}}[] ', '')"
    if kind == "address":
        return f"regexp_replace({text}, '/32$', '')"
    if kind == "json":
        parts = ", ".join(f"json_extract({text}, '$.{part}')" for part in ("n", "tag", "list"))
        return f"CASE WHEN json_valid({text}) THEN concat_ws(' ', {parts}) END"
    return text


def sums(table, relation):
    """Returns the number of rows of a relation and the sum of hashes of each column.

    A column that cannot be read has the sum None. A column that does not exist has no sum.
    """
    table, connection = TABLES[table], duckdb.connect()
    types = {row[0]: row[1] for row in connection.sql(f"DESCRIBE FROM {relation}").fetchall()}
    rows = connection.sql(f"SELECT count(*) FROM {relation}").fetchone()[0]
    keys = ", ".join(form("int", name, types.get(name)) for name in table.key)
    hashed = {name: f"sum(hash({keys}, {form(kind, name, types[name])})::HUGEINT)"
              for name, kind in table.columns.items() if name in types}
    try:
        found = connection.sql(f"SELECT {', '.join(hashed.values())} FROM {relation}").fetchone()
        return rows, dict(zip(hashed, found))
    except duckdb.Error:
        return rows, {name: alone(connection, expression, relation) for name, expression in hashed.items()}


def alone(connection, expression, relation):
    try:
        return connection.sql(f"SELECT {expression} FROM {relation}").fetchone()[0]
    except duckdb.Error:
        return None


def reference(table, file, delimiter):
    """Returns the sums over the output of a server's command line client: CSV with commas, or plain text with tabs."""
    names = list(TABLES[table].columns)
    quote = '"' if delimiter == "," else ""
    relation = (f"read_csv('{file}', header = false, nullstr = '\\N', auto_detect = false, "
                f"delim = '{delimiter}', quote = '{quote}', escape = '{quote}', columns = {dict.fromkeys(names, 'VARCHAR')!r})")
    return sums(table, relation)


def written(directory):
    """Returns the Parquet files below a directory."""
    return glob.glob(directory + "/**/*.parquet", recursive=True)


def compared(table, directory, reference):
    """Returns the size of the files in a directory, and the columns whose values differ from those of the server.

    Instead of the columns it returns None if the number of rows differs.
    """
    files = written(directory)
    if not files:
        return 0, None
    rows, found = sums(table, f"read_parquet({files!r})")
    size = sum(map(os.path.getsize, files))
    return size, None if rows != reference[0] else [name for name, sum_ in reference[1].items() if found.get(name) != sum_]
