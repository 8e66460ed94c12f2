"""Calls AWS for the tests. Reads one JSON request a line and writes one JSON response a line, until the input ends.

A request has a service, an operation of boto3 and its parameters. `{"$file": path}` stands for the content of a file. The
operation `download` copies every object below a prefix into a directory.
"""

import json
import pathlib
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=120, s3={"addressing_style": "path"})
clients = {}


def client(service):
    """Returns a client. `s3` uses the Region of the environment, `s3@eu-central-1` another one."""
    if service not in clients:
        name, _, region = service.partition("@")
        clients[service] = boto3.client(name, config=CONFIG, region_name=region or None)
    return clients[service]


def call(request):
    if request["operation"] == "download":
        return download(**request["parameters"])
    operation = getattr(client(request["service"]), request["operation"])
    # Returns all pages, unless the request asks for one page.
    all_pages = not {"Marker", "MaxRecords"} & set(request["parameters"])
    if all_pages and operation.__name__ != "invoke" and client(request["service"]).can_paginate(request["operation"]):
        operation = client(request["service"]).get_paginator(request["operation"]).paginate
        return operation(**request["parameters"]).build_full_result()
    return operation(**request["parameters"])


def download(bucket, prefix, directory):
    directory = pathlib.Path(directory)
    for page in client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            path = directory / found["Key"].removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            client("s3").download_file(bucket, found["Key"], str(path))


def to_json(value):
    """Converts a value that the json module does not support."""
    if isinstance(value, StreamingBody):
        return value.read().decode()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, set):
        return sorted(value)
    return str(value)


def bytes_of_files(document):
    return pathlib.Path(document["$file"]).read_bytes() if set(document) == {"$file"} else document


for line in sys.stdin:
    try:
        result = {"ok": call(json.loads(line, object_hook=bytes_of_files))}
    except ClientError as error:
        result = {"error": {"code": error.response["Error"]["Code"], "message": error.response["Error"].get("Message", ""),
                            "class": type(error).__name__, "status": error.response["ResponseMetadata"]["HTTPStatusCode"]}}
    except Exception as error:
        result = {"error": {"code": type(error).__name__, "message": str(error)}}
    print(json.dumps(result, default=to_json), flush=True)
