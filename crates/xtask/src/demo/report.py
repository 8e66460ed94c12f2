"""Reads exported files. The section `tables` lists and checks all tables; `rows` shows the first rows of two tables."""

import datetime
import json
import pathlib
import sys

import duckdb

section, directory = sys.argv[1], pathlib.Path(sys.argv[2])
parameters = json.load(sys.stdin)

LAYOUT = "  {:<34}{:>12}{:>8}{:>14}{:>10}"


def bold(text):
    return f"\x1b[1m{text}\x1b[0m" if parameters["colours"] else text


def parquet(table):
    database, rest = table.split(".", 1)
    return f"{directory}/{database}/{rest}/*/*.parquet"


def name(schema, table):
    """Returns the full name of a table. In MySQL a schema is a database."""
    return f"{schema if parameters['engine'] == 'aurora-mysql' else 'shop'}.{schema}.{table}"


def scalar(sql):
    return duckdb.sql(sql).fetchall()[0][0]


def tables(statuses):
    """Returns every exported table with the rows, sizes and times of its files."""
    for table in sorted((s for s in statuses if s.get("status") == "COMPLETE"), key=lambda s: s["target"]):
        files = list(directory.glob("/".join([*table["target"].split(".", 1), "*", "*.parquet"])))
        rows = scalar(f"SELECT sum(num_rows) FROM parquet_file_metadata('{parquet(table['target'])}')")
        times = table["tableStatistics"]
        yield (table["target"], int(rows), len(files), sum(f.stat().st_size for f in files),
               moment(times["extractionStartTime"]), moment(times["extractionEndTime"]))


def moment(text):
    """Parses a time in the format of AWS's own files, which has a precision of a second."""
    return datetime.datetime.strptime(text, "%b %d, %Y %I:%M:%S %p")


def line(name, rows, files, size, start, end):
    return LAYOUT.format(name, f"{rows:,}", files, f"{size:,}", (end - start).seconds or "< 1")


def show_tables():
    infos = [json.loads(p.read_text()) for p in directory.glob("export_tables_info_*.json")]
    statuses = [status for info in infos for status in info["perTableStatus"]]
    found = list(tables(statuses))
    print(bold(LAYOUT.format("table", "rows", "files", "bytes", "seconds")))
    for table in found:
        print(line(*table))
    total = [sum(t[i] for t in found) for i in (1, 2, 3)]
    print(bold(line(f"{len(found)} tables", *total, min(t[4] for t in found), max(t[5] for t in found))))
    print()
    return check({t[0]: t[1] for t in found}, {s["target"] for s in statuses if "status" not in s})


def check(rows, left_out):
    """Prints and returns whether the export is complete and shows one point in time."""
    counts = {table: n for table, n in parameters["counts"].items() if table not in left_out}
    wrong = [f"{t} has {rows.get(t)} rows instead of {n}" for t, n in counts.items() if rows.get(t) != n]
    accounts, transfers = parquet(name("bank", "accounts")), parquet(name("bank", "transfers"))
    orders, items = parquet(name("sales", "orders")), parquet(name("sales", "order_items"))
    balance = scalar(f"SELECT sum(balance::decimal(18, 2)) FROM '{accounts}'")
    astray = scalar(f"""
        WITH moved AS (SELECT payer AS id, -amount::decimal(18, 2) AS amount FROM '{transfers}'
                       UNION ALL SELECT payee, amount::decimal(18, 2) FROM '{transfers}')
        SELECT count(*) FROM '{accounts}' LEFT JOIN (SELECT id, sum(amount) AS amount FROM moved GROUP BY id) USING (id)
        WHERE balance::decimal(18, 2) <> 1000 + coalesce(amount, 0)""")
    torn = scalar(f"""
        SELECT count(*) FROM '{orders}' AS o
        FULL JOIN (SELECT order_id, sum(quantity * unit_price::decimal(18, 2)) AS total FROM '{items}' GROUP BY 1) AS i
          ON o.id = i.order_id WHERE o.total::decimal(18, 2) IS DISTINCT FROM i.total""")
    results = [
        (not wrong, f"{len(counts)} tables without new rows have exactly as many rows as in the database", "; ".join(wrong)),
        (balance == 10_000_000, f"the exported balances sum to {balance:,}", "expected 10,000,000.00"),
        (astray == 0, f"each balance matches the account's exported transfers ({rows[name('bank', 'transfers')]:,} in all)",
         f"{astray} accounts do not match"),
        (torn == 0, f"each of {rows[name('sales', 'orders')]:,} exported orders is complete with all its items",
         f"{torn} are not"),
    ]
    for good, text, problem in results:
        print(f"  {'✓' if good else '✗'} {text}{'' if good else ': ' + problem}")
    return all(good for good, _, _ in results)


def show_rows():
    for table, columns, order in (
        (name("sales", "orders"), "id, status, total, placed_at, shipping", "id"),
        (name("sales", "customers"), "id, name, country, newsletter, interests, last_ip, round(score, 2) AS score", "id"),
    ):
        print(f"  {bold(table)}")
        duckdb.sql(f"SELECT {columns} FROM '{parquet(table)}' ORDER BY {order} LIMIT 4").show(max_width=98)
    return True


good = {"tables": show_tables, "rows": show_rows}[section]()
sys.exit(0 if good else 1)
