"""Prints a line of JSON whenever an export task has changed, until it has ended."""

import json
import sys
import time

import boto3

rds = boto3.client("rds")
before = None
while True:
    task = rds.describe_export_tasks(ExportTaskIdentifier=sys.argv[1])["ExportTasks"][0]
    if task != before:
        print(json.dumps(task, default=str), flush=True)
    if task["Status"] in ("COMPLETE", "FAILED", "CANCELED"):
        break
    before = task
    time.sleep(0.25)
