"""Prints an export task as a line of JSON after each change, until the task has ended."""

import json
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def watch(task_id):
    rds = boto3.client("rds")
    before = None
    while True:
        task = rds.describe_export_tasks(ExportTaskIdentifier=task_id)["ExportTasks"][0]
        if task != before:
            print(json.dumps(task, default=str), flush=True)
        if task["Status"] in ("COMPLETE", "FAILED", "CANCELED"):
            return
        before = task
        time.sleep(0.25)


try:
    watch(sys.argv[1])
except (BotoCoreError, ClientError) as error:
    sys.exit(str(error))
