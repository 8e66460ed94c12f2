"""Writes the results of compare.py as Markdown: report.py DIRECTORY VERSIONS."""

import json
import pathlib
import statistics
import sys

import tools

# Prices in us-east-1. Lambda: dollars per GB-second (of 1024 MB), from AWS's price list of 2025,
# and the memory for one vCPU, from the developer guide. Then requests of S3 Standard, and state
# transitions of Standard workflows.
LAMBDA = {"x86": 0.0000166667, "arm64": 0.0000133334}
VCPU_MB = 1769
S3_PUT, TRANSITION = 0.005 / 1000, 0.025 / 1000
AWS_EXPORT = 0.010
# The size of an upload part, and the number of states in the child workflow of a work unit.
PART_BYTES, UNIT_STATES = 8 << 20, 3
ORDER = [("postgres", "lineitem"), ("postgres", "wide"), ("mariadb", "lineitem"), ("mysql", "lineitem")]


def main():
    directory, versions = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
    files = [directory / f"{engine}-{table}.json" for engine, table in ORDER]
    results = [json.loads(file.read_text()) for file in files if file.exists()]
    if not results:
        sys.exit("nothing was measured yet")
    machine = results[0]["machine"]
    print(f"On {machine['cpu']}, {machine['cores']} processors for server and client together, {machine['memory'] / 2**30:.0f} GiB "
          f"of memory, Linux {machine['kernel']}. {', '.join(f'{name} {version}' for name, version in versions.items())}.")
    print("\n### Required ratios\n\nMedians of the ratios within each round.\n")
    print("| | required | measured | |\n|---|---|---|---|")
    for row in requirements(results):
        print("| " + " | ".join(row) + " |")
    for result in results:
        table(result)
    cost(results)


def table(result):
    rounds = len(result["runs"].get(tools.OURS["aurora"], []))
    gigabytes = result["bytes"] / 1e9
    print(f"\n### {result['server']}, {result['table']}\n")
    print(f"{result['rows']:,} rows, {gigabytes:.2f} GB in the server; scale {result['scale']:g}, {result['when'].replace('+00:00', ' UTC')}; "
          f"medians of {rounds} round{'s' if rounds > 1 else ''}, in which all ran that a requirement is about.\n")
    print("| | rounds | wall s | rows/s | CPU s | CPU s per GB | peak MB | MB written | wall, of DuckDB's | CPU, of DuckDB's | values |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, runs in result["runs"].items():
        wall, cpu = median(runs, "wall"), median(runs, "cpu")
        peak = "–" if runs[0]["peak"] is None else f"{median(runs, 'peak'):.0f}"
        found = result["found"].get(name)
        size = f"{found['bytes'] / 1e6:.1f}" if found else "–"
        to_duckdb = [ratio(result, name, tools.DUCKDB, metric) for metric in ("wall", "cpu")]
        of_duckdb = " | ".join("–" if r is None else f"{r:.2f}" for r in to_duckdb)
        print(f"| {name} | {len(runs)} | {wall:.1f} | {result['rows'] / wall:,.0f} | {cpu:.1f} | {cpu / gigabytes:.1f} | {peak} | {size} "
              f"| {of_duckdb} | {values(found)} |")
    for name, reason in result["failures"].items():
        print(f"\n{name}: not measured: {reason}")


def values(found):
    if not found:
        return "–"
    wrong = found["wrong"]
    return "rows missing" if wrong is None else f"not the server's: {', '.join(wrong)}" if wrong else "the server's"


def median(runs, metric):
    return statistics.median(run[metric] for run in runs)


def ratio(result, ours, other, metric):
    """Returns the median of the ratios in the rounds in which both ran."""
    by_round = [{run["round"]: run[metric] for run in result["runs"].get(name, [])} for name in (ours, other)]
    both = by_round[0].keys() & by_round[1].keys()
    return statistics.median(by_round[0][n] / by_round[1][n] for n in both) if both else None


def requirements(results):
    native, aurora = tools.OURS["native"], tools.OURS["aurora"]
    for result in results:
        where = f"{result['server']}, {result['table']}: "
        # A native export has typed columns, like the files of the other tools.
        ours, types = (native, "Parquet's types") if native in result["runs"] else (aurora, "AWS's types")
        if result["table"] == "wide":
            fastest = result["fastest"]
            measured = fastest and ratio(result, ours, fastest, "wall")
            yield line(f"{where}wall, {types}, of the fastest other tool that is exact ({fastest or 'none is'})", 0.5, measured)
        elif result["engine"] != "postgres":
            yield line(f"{where}wall, {types}, of DuckDB's", 0.40, ratio(result, ours, tools.DUCKDB, "wall"))
        else:
            yield line(f"{where}wall, {types}, of DuckDB's", 0.48, ratio(result, ours, tools.DUCKDB, "wall"))
            yield line(f"{where}wall, {types}, of one raw COPY's", 1.25, ratio(result, ours, tools.RAW, "wall"))
            yield line(f"{where}client CPU, {types}, of DuckDB's", 0.40, ratio(result, ours, tools.DUCKDB, "cpu"))
            sizes = [result["found"].get(name, {}).get("bytes") for name in (ours, tools.DUCKDB)]
            yield line(f"{where}bytes written, {types}, of DuckDB's", 1.03, sizes[0] / sizes[1] if all(sizes) else None)
            yield line(f"{where}wall, AWS's types, of DuckDB's", 0.65, ratio(result, aurora, tools.DUCKDB, "wall"))
            yield line(f"{where}wall, AWS's types, of Spark's", 0.25, ratio(result, aurora, tools.SPARK, "wall"))
            yield line(f"{where}Lambda's charge per GB, AWS's types, x86, of ${AWS_EXPORT:.3f}", 0.1,
                       lambda_charge(seconds_per_gb(result, aurora), "x86") / AWS_EXPORT)


def line(description, most, measured):
    if measured is None:
        return description, f"≤ {most:.2f}", "–", "not measured"
    return description, f"≤ {most:.2f}", f"{measured:.2f}", "reached" if measured <= most else "**missed**"


def seconds_per_gb(result, name):
    return median(result["runs"][name], "cpu") / (result["bytes"] / 1e9)


def lambda_charge(seconds, architecture):
    return seconds * VCPU_MB / 1024 * LAMBDA[architecture]


def cost(results):
    print("\n### What a GB costs\n")
    print(f"A GB is 10⁹ bytes of table in the server, of which AWS's exporter is charged ${AWS_EXPORT:.3f} in us-east-1. A worker with one vCPU "
          f"({VCPU_MB:,} MB) that never waits takes as many seconds as the export takes processor seconds here; waiting for the database or for S3 "
          f"comes on top, and so do TLS and checksums of uploads. GB-seconds = CPU s × {VCPU_MB}/1024; Lambda: × ${LAMBDA['x86']:.10f} (x86) or "
          f"× ${LAMBDA['arm64']:.10f} (arm64, if its vCPU is as fast). S3: a PUT for each {PART_BYTES >> 20} MiB written, ${S3_PUT * 1000:.3f} per "
          f"1,000. Step Functions: {UNIT_STATES} states for each unit of work, ${TRANSITION * 1000:.3f} per 1,000, at the template's default of 64 MB a unit, "
          "and in brackets at 512 MB. The clone's instance, which both exporters need or hide, is not in it.\n")
    print("| | CPU s | GB-seconds | Lambda, x86 | Lambda, arm64 | S3 requests | Step Functions | Lambda (x86), of AWS's charge |")
    print("|---|---|---|---|---|---|---|---|")
    for result in results:
        for name in (tools.OURS["native"], tools.OURS["aurora"]):
            if name not in result["runs"]:
                continue
            seconds, gigabytes = seconds_per_gb(result, name), result["bytes"] / 1e9
            puts = result["found"][name]["bytes"] / gigabytes / PART_BYTES * S3_PUT
            states = [1e9 / (megabytes << 20) * UNIT_STATES * TRANSITION for megabytes in (64, 512)]
            x86, arm64 = (lambda_charge(seconds, architecture) for architecture in LAMBDA)
            print(f"| {result['server']}, {result['table']}: {name} | {seconds:.1f} | {seconds * VCPU_MB / 1024:.1f} | ${x86:.5f} | ${arm64:.5f} "
                  f"| ${puts:.5f} | ${states[0]:.5f} (${states[1]:.5f}) | {x86 / AWS_EXPORT:.3f} |")


if __name__ == "__main__":
    main()
