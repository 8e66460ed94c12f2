"""Exports one table of one server with every tool, and writes the results to a file.

Each tool runs in a separate process. The order is the same in every round, so that other activity of the machine affects
all tools. In the first round all tools run, and their files are compared with the values of the server. In later rounds
only this project and the tools with required ratios run.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import measure
import tables
import tools

arguments = argparse.ArgumentParser()
arguments.add_argument("--engine", required=True, choices=["postgres", "mariadb", "mysql"])
arguments.add_argument("--port", required=True, type=int)
arguments.add_argument("--client", required=True, help="the engine's command line client, as JSON, connected to the database")
arguments.add_argument("--table", required=True, choices=list(tables.TABLES))
arguments.add_argument("--scale", required=True, type=float)
arguments.add_argument("--rounds", required=True, type=int)
arguments.add_argument("--binary", required=True)
arguments.add_argument("--encode", required=True)
arguments.add_argument("--pg2parquet", required=True)
arguments.add_argument("--jars", required=True, help="JDBC drivers")
arguments.add_argument("--missing", required=True, help="the tools that cannot be installed and the reasons, as JSON")
arguments.add_argument("--scratch", required=True, type=pathlib.Path)
arguments.add_argument("--results", required=True, type=pathlib.Path)


class Server(argparse.Namespace):
    """The arguments, and further properties of the server that the tools need."""

    def inspect(self):
        self.client = json.loads(self.client)
        self.login = f"bench@127.0.0.1:{self.port}/bench"
        self.rows = int(self.ask(f"SELECT count(*) FROM {self.table}"))
        key = tables.TABLES[self.table].key[0]
        self.most = {key: int(self.ask(f"SELECT max({key}) FROM {self.table}"))}
        if self.engine == "postgres":
            self.bytes = int(self.ask(f"SELECT pg_relation_size('{self.table}')"))
            self.blocks = self.bytes // 8192
            self.version = "PostgreSQL " + self.ask("SHOW server_version").split()[0]
        else:
            self.bytes = int(self.ask("SELECT data_length FROM information_schema.tables "
                                      f"WHERE table_schema = 'bench' AND table_name = '{self.table}'"))
            name = {"mariadb": "MariaDB", "mysql": "MySQL"}[self.engine]
            self.version = f"{name} " + self.ask("SELECT version()").split("-")[0]

    def ask(self, sql):
        command = [*self.client, "-c" if self.engine == "postgres" else "-e", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def reference(self):
        """Returns the sums over the output of the server's own client."""
        file = self.scratch / "reference"
        copy, delimiter = ["-c", rf"COPY {self.table} TO STDOUT (FORMAT csv, NULL '\N')"], ","
        if self.engine != "postgres":
            copy, delimiter = ["--quick", "-e", f"SELECT * FROM {self.table}"], r"\t"
        with open(file, "wb") as output:
            subprocess.run([*self.client, *copy], check=True, stdout=output)
        sums = tables.reference(self.table, file, delimiter)
        file.unlink()
        return sums


def main():
    server = arguments.parse_args(namespace=Server())
    server.inspect()
    missing = json.loads(server.missing)
    say(f"{server.version}, {server.table}: {server.rows:,} rows")
    reference = server.reference()
    out, kept = server.scratch / "out", server.scratch / "kept"
    runs, failures, found, chosen = {}, {}, {}, None
    for number in range(1, server.rounds + 1):
        for tool in tools.tools(server, server.table):
            reason = next((why for name, why in missing.items() if tool.name.startswith(name)), None)
            if reason:
                failures[tool.name] = reason
            if tool.name in failures or chosen and tool.name not in chosen:
                continue
            measured, failure = run(tool, out, server)
            if failure:
                failures[tool.name] = failure
                say(f"  {tool.name} failed: {failure}")
                continue
            runs.setdefault(tool.name, []).append({"round": number, **measured})
            if number == 1 and tool.exports:
                size, wrong = tables.compared(server.table, str(out), reference)
                found[tool.name] = {"bytes": size, "wrong": wrong}
            say(f"  round {number}: {tool.name}: {measured['wall']:.1f} s{verdict(found.get(tool.name)) if number == 1 else ''}")
            if tool.name == tools.OURS["native"] and server.table == "lineitem" and number == 1:
                shutil.rmtree(kept, ignore_errors=True)
                shutil.move(out, kept)
        if number == 1:
            if kept.exists() and server.engine == "postgres":
                try:
                    runs[tools.ENCODING] = [{"round": 1, **encoding(server, kept, out)}]
                except (OSError, subprocess.CalledProcessError) as error:
                    failures[tools.ENCODING] = str(error)
            chosen = required(server, runs, found)
    for directory in (out, kept):
        shutil.rmtree(directory, ignore_errors=True)
    server.results.write_text(json.dumps({
        "engine": server.engine, "server": server.version, "table": server.table, "scale": server.scale, "rows": server.rows,
        "bytes": server.bytes, "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
        "runs": runs, "found": found, "failures": failures, "fastest": fastest(runs, found), "machine": machine(),
    }, indent=1))
    ours = found.get(tools.OURS["aurora"])
    if ours is None or ours["wrong"] != []:
        sys.exit(f"the export of {server.table} does not have the values of the server: {ours or failures}")


def run(tool, out, server):
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    command = [part.replace("@OUT@", str(out)) for part in tool.command]
    try:
        # Spark must listen only on this machine, too.
        return measure.run(command, server.scratch / "log", {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"})
    except OSError as error:
        return None, str(error)


def encoding(server, rows, out):
    """Measures the writing of rows that are in memory. The program excludes the time of reading them."""
    shutil.rmtree(out, ignore_errors=True)
    files = sorted(tables.written(str(rows)))
    printed = subprocess.run([server.encode, str(out), *files], check=True, capture_output=True, text=True).stdout
    wall, cpu = map(float, printed.split())
    say(f"  {tools.ENCODING}: {wall:.1f} s")
    return {"wall": wall, "cpu": cpu, "peak": None}


def fastest(runs, found):
    """Returns the fastest other tool whose files have the values of the server."""
    exact = [name for name, result in found.items() if result["wrong"] == [] and name not in tools.OURS.values()]
    return min(exact, key=lambda name: statistics.median(run["wall"] for run in runs[name]), default=None)


def required(server, runs, found):
    """Returns the tools with required ratios."""
    if server.table == "wide":
        return {tools.OURS["native"], tools.OURS["aurora"], fastest(runs, found)}
    chosen = {tools.OURS["native"], tools.OURS["aurora"], tools.DUCKDB}
    return chosen | {tools.SPARK, tools.RAW} if server.engine == "postgres" else chosen


def verdict(result):
    if result is None:
        return ""
    wrong = result["wrong"]
    return ", ROWS MISSING" if wrong is None else f", not the server's values in {', '.join(wrong)}" if wrong else ", exact"


def machine():
    def line(file, name):
        with open(file) as lines:
            return next((text.partition(":")[2].strip() for text in lines if text.startswith(name)), "unknown")

    memory = int(line("/proc/meminfo", "MemTotal").split()[0]) * 1024
    return {"cpu": line("/proc/cpuinfo", "model name"), "cores": os.cpu_count(), "memory": memory, "kernel": os.uname().release}


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
