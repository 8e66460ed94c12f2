"""Reads exported files: a table of what there is and whether it is what must be, or the first rows of two tables."""

import datetime
import json
import pathlib
import sys

import duckdb

what, directory = sys.argv[1], pathlib.Path(sys.argv[2])
asked = json.load(sys.stdin)


def bold(text):
    return f"\x1b[1m{text}\x1b[0m" if asked["colours"] else text


def parquet(table):
    database, rest = table.split(".", 1)
    return f"{directory}/{database}/{rest}/*/*.parquet"


def scalar(sql):
    return duckdb.sql(sql).fetchone()[0]


def tables():
    """Every table of the metadata, with what its files hold."""
    infos = [json.loads(p.read_text()) for p in directory.glob("export_tables_info_*.json")]
    complete = [t for info in infos for t in info["perTableStatus"] if t.get("status") == "COMPLETE"]
    moment = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    for table in sorted(complete, key=lambda t: t["target"]):
        files = list(directory.glob("/".join([*table["target"].split(".", 1), "*", "*.parquet"])))
        rows = scalar(f"SELECT sum(num_rows) FROM parquet_file_metadata('{parquet(table['target'])}')")
        statistics = table["tableStatistics"]
        yield (table["target"], int(rows), len(files), sum(f.stat().st_size for f in files),
               moment(statistics["extractionStartTime"]), moment(statistics["extractionEndTime"]))


def show_tables():
    found = list(tables())
    layout = "  {:<34}{:>12}{:>8}{:>14}{:>10}"
    print(bold(layout.format("table", "rows", "files", "bytes", "seconds")))
    line = lambda name, rows, files, size, start, end: layout.format(
        name, f"{rows:,}", files, f"{size:,}", f"{(end - start).total_seconds():.1f}")
    for table in found:
        print(line(*table))
    total = [sum(t[i] for t in found) for i in (1, 2, 3)]
    print(bold(line(f"{len(found)} tables", *total, min(t[4] for t in found), max(t[5] for t in found))))
    print()
    return check({t[0]: t[1] for t in found})


def check(rows):
    """Whether the copy is complete and of one moment."""
    counts = asked["counts"]
    left_out = [t for t in counts if t not in rows]
    compared = {t: n for t, n in counts.items() if t in rows}
    wrong = [f"{t} has {rows[t]:,} rows instead of {n:,}" for t, n in compared.items() if rows[t] != n]
    accounts, transfers = parquet("shop.bank.accounts"), parquet("shop.bank.transfers")
    orders, items = parquet("shop.sales.orders"), parquet("shop.sales.order_items")
    balance = scalar(f"SELECT sum(balance::decimal(18, 2)) FROM '{accounts}'")
    astray = scalar(f"""
        WITH moved AS (SELECT payer AS id, -amount::decimal(18, 2) AS amount FROM '{transfers}'
                       UNION ALL SELECT payee, amount::decimal(18, 2) FROM '{transfers}')
        SELECT count(*) FROM '{accounts}' JOIN (SELECT id, sum(amount) AS amount FROM moved GROUP BY id) USING (id)
        WHERE balance::decimal(18, 2) <> 1000 + amount""")
    torn = scalar(f"""
        SELECT count(*) FROM '{orders}' AS o
        FULL JOIN (SELECT order_id, sum(quantity * unit_price::decimal(18, 2)) AS total FROM '{items}' GROUP BY 1) AS i
          ON o.id = i.order_id WHERE o.total::decimal(18, 2) IS DISTINCT FROM i.total""")
    results = [
        (not wrong, f"{len(compared)} tables nobody wrote to have exactly the rows of the database", "; ".join(wrong)),
        (balance == 10_000_000, f"the exported balances sum to {balance:,}", "but must sum to 10,000,000.00"),
        (astray == 0, f"each balance is what the account's {rows['shop.bank.transfers']:,} exported transfers make it",
         f"but not for {astray} accounts"),
        (torn == 0, f"each of {rows['shop.sales.orders']:,} exported orders is there with all its items",
         f"but not {torn} of them"),
    ]
    for good, text, but in results:
        print(f"  {'✓' if good else '✗'} {text}{'' if good else ': ' + but}")
    return all(good for good, _, _ in results)


def show_rows():
    for table, columns, order in (
        ("shop.sales.orders", "id, customer_id, status, total, placed_at, shipping", "id"),
        ("shop.sales.customers", "id, name, country, newsletter, interests, last_ip, round(score, 2) AS score", "id"),
    ):
        print(f"  {bold(table)}")
        duckdb.sql(f"SELECT {columns} FROM '{parquet(table)}' ORDER BY {order} LIMIT 4").show(max_width=98)
    return True


good = {"tables": show_tables, "rows": show_rows}[what]()
sys.exit(0 if good else 1)
