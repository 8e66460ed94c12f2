"""Deploys infra/template.yaml and crates/local-stack/user-resources.yaml to the local cloud, as `sam deploy` does to AWS.

Packs the built binaries, copies the template with its relative paths, uploads the files that it names, and creates the
stacks from change sets. Prints the outputs of both stacks as one JSON object. The AWS CLI's `package` and `deploy` do the
same, but their pause between polls is longer than the whole deployment.
"""

import argparse
import json
import pathlib
import shutil
import stat
import sys
import time
import zipfile

import boto3
from samtranslator.yaml_helper import yaml_parse

ARTIFACTS = "aurora-export-artifacts"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkout", type=pathlib.Path, required=True)
    parser.add_argument("--binaries", type=pathlib.Path, required=True, help="directory of the built functions")
    parser.add_argument("--ca-file", type=pathlib.Path, required=True, help="certificate authority of the database servers")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="directory for the deployed copy")
    parser.add_argument("--stack-name", default="aurora-export")
    parser.add_argument("--map-concurrency", type=int, required=True)
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()

    lay_out(args)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=ARTIFACTS, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    template = uploaded(yaml_parse((args.out / "infra/template.yaml").read_text()), args.out / "infra", s3)
    # Clients use the local cloud without TLS. This policy would refuse them.
    del template["Resources"]["WorkBucketPolicy"]
    parameters = dict(p.split("=", 1) for p in args.parameter)
    stack = deploy(args.stack_name, template, parameters)
    user = deploy(
        f"{args.stack_name}-user",
        yaml_parse((args.checkout / "crates/local-stack/user-resources.yaml").read_text()),
        {name: stack[name] for name in
         ("ExportTopicArn", "CheckPreconditionsRoleArn", "ExtractTablesRoleArn", "FinishExportRoleArn")},
    )
    json.dump({"stack": stack, "user": user}, sys.stdout)


def lay_out(args):
    """Copies the deployed files into the directories that the template's relative paths expect."""
    shutil.rmtree(args.out, ignore_errors=True)
    for directory in ("infra", "statemachine", "target/lambda"):
        (args.out / directory).mkdir(parents=True)
    shutil.copy(args.checkout / "infra/template.yaml", args.out / "infra")
    for function in sorted(p.name for p in (args.checkout / "functions").iterdir() if (p / "Cargo.toml").exists()):
        pack(args.out / f"target/lambda/{function}.zip", args.binaries / function, args.ca_file)
    name = "statemachine/export-cluster.asl.json"
    machine = json.loads((args.checkout / name).read_text())
    # The local cloud does not support MaxConcurrencyPath and would start all children at the same
    # time.
    extract = machine["States"]["ExtractTables"]
    del extract["MaxConcurrencyPath"]
    extract["MaxConcurrency"] = args.map_concurrency
    (args.out / name).write_text(json.dumps(machine, indent=2))


def pack(archive, binary, ca_file):
    if not binary.exists():
        raise SystemExit(f"{binary} is not built")
    # The archives are not compressed, because they stay on this machine.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as out:
        for path, name, mode in ((binary, "bootstrap", 0o755), (ca_file, "rds-ca.pem", 0o644)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFREG | mode) << 16
            out.writestr(entry, path.read_bytes())


def uploaded(template, base, s3):
    """Uploads the files that the template names. Returns the template with the objects instead of the paths."""
    for resource in template["Resources"].values():
        for name in ("CodeUri", "DefinitionUri"):
            uri = resource.get("Properties", {}).get(name)
            if isinstance(uri, str):
                path = base / uri
                s3.put_object(Bucket=ARTIFACTS, Key=path.name, Body=path.read_bytes())
                resource["Properties"][name] = {"Bucket": ARTIFACTS, "Key": path.name}
    return template


def deploy(name, template, parameters):
    """Creates a stack from a change set. Returns its outputs."""
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_change_set(
        StackName=name,
        ChangeSetName="create",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )
    change_set = wait(lambda: cloudformation.describe_change_set(StackName=name, ChangeSetName="create"), "CREATE_COMPLETE")
    cloudformation.execute_change_set(StackName=name, ChangeSetName=change_set["ChangeSetName"])
    try:
        stack = wait(lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0], "CREATE_COMPLETE")
    except SystemExit as failure:
        reasons = [f"{e['LogicalResourceId']}: {e['ResourceStatusReason']}"
                   for e in cloudformation.describe_stack_events(StackName=name)["StackEvents"]
                   if e["ResourceStatus"] == "CREATE_FAILED" and e.get("ResourceStatusReason")]
        raise SystemExit("\n".join([str(failure), *reasons])) from None
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}


def wait(describe, wanted):
    deadline = time.monotonic() + 60
    while True:
        answer = describe()
        status = answer.get("StackStatus") or answer["Status"]
        if status == wanted:
            return answer
        if time.monotonic() > deadline or status.endswith(("FAILED", "ROLLBACK_COMPLETE")):
            raise SystemExit(f"{answer['StackName']}: {status} {answer.get('StatusReason') or answer.get('StackStatusReason') or ''}")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
