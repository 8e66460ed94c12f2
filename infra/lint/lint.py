"""Checks the template and the workflow definition as they will be deployed, offline.

cfn-lint opens neither a `DefinitionUri` nor a SAM definition, so the template is transformed and the definition, with its
substitutions made, is put inline before cfn-lint sees it. Then the rules of this project that no linter knows.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

INFRA = pathlib.Path(__file__).resolve().parent.parent
MACHINE = "ExportCluster"

# Statements that may say `Resource: '*'`, and why.
UNNAMEABLE = {
    ("ExportClusterRole", "Logs"): "log delivery has no resource",
    ("TracingPolicy", "Traces"): "X-Ray has no resource",
    ("NetworkPolicy", "NetworkInterfaces"): "the interface does not exist yet, and describing has no resource",
}
# Findings of cfn-lint that are not ours, and why.
IGNORED = {
    "W1030": "empty SubnetIds are only used when VpcId is set, and a template rule refuses that combination",
}


def main():
    target = pathlib.Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    source = yaml_parse((INFRA / "template.yaml").read_text())
    definition = (INFRA / source["Resources"][MACHINE]["Properties"]["DefinitionUri"]).resolve()
    machine = json.loads(definition.read_text())
    template = transformed(source)

    problems = substitutions(source, definition.read_text())
    problems += functions(template)
    problems += wildcards(template)
    problems += retries(machine)

    properties = template["Resources"][MACHINE]["Properties"]
    properties.pop("DefinitionS3Location", None)
    names = properties.pop("DefinitionSubstitutions")
    properties["Definition"] = without_known_gaps(json.loads(
        re.sub(r"\$\{(\w+)\}", lambda m: "work-bucket" if m[1] == "WorkBucket" else f"arn:aws:lambda:us-east-1:111122223333:function:{m[1]}",
               definition.read_text())))
    inlined = target / "template.transformed.json"
    inlined.write_text(json.dumps(template, indent=2))
    problems += cfn_lint(inlined)
    problems += cfn_lint(INFRA / "template.yaml")
    for more in ("local/user-resources.yaml", "events/schedule.yaml", "events/rule.yaml"):
        problems += cfn_lint(INFRA / more)

    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise SystemExit(1)
    lambdas = sum(r["Type"] == "AWS::Lambda::Function" for r in template["Resources"].values())
    print(f"template: {len(template['Resources'])} resources, {lambdas} functions each with log group, tracing and a role of its own; "
          f"{len(names)} substitutions; `Resource: '*'` only in {len(UNNAMEABLE)} statements that cannot name one; cfn-lint: nothing")


def transformed(source):
    """The plain CloudFormation template. Managed policies are named by ARN, so none has to be looked up."""
    source = json.loads(json.dumps(source))
    for resource in source["Resources"].values():
        properties = resource.get("Properties", {})
        for name in ("CodeUri", "DefinitionUri"):
            if name in properties:
                properties[name] = {"Bucket": "artifacts", "Key": pathlib.Path(properties[name]).name}
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # the transform asks for one, and calls nobody
    policies = type("NoPolicies", (), {"load": lambda self: {}})()
    return transform(source, {}, policies)


def without_known_gaps(machine):
    """The definition without what cfn-lint's schema wrongly refuses: a Succeed state may have an OutputPath."""
    for states in (machine["States"], machine["States"]["ExtractTables"]["ItemProcessor"]["States"]):
        for state in states.values():
            if state["Type"] == "Succeed":
                state.pop("OutputPath", None)
    return machine


def substitutions(source, definition):
    used = set(re.findall(r"\$\{([^}]+)\}", definition))
    given = set(source["Resources"][MACHINE]["Properties"]["DefinitionSubstitutions"])
    return ([f"{MACHINE}: ${{{name}}} has no substitution" for name in sorted(used - given)]
            + [f"{MACHINE}: substitution {name} is not used" for name in sorted(given - used)])


def functions(template):
    resources = template["Resources"]
    problems, roles = [], {}
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        properties = resource["Properties"]
        group = properties.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        if "RetentionInDays" not in resources.get(group, {}).get("Properties", {}):
            problems.append(f"{name}: no log group with a retention of its own")
        if properties.get("LoggingConfig", {}).get("LogFormat") != "JSON":
            problems.append(f"{name}: logs are not JSON")
        if properties.get("TracingConfig", {}).get("Mode") != "Active":
            problems.append(f"{name}: no tracing")
        role = properties["Role"].get("Fn::GetAtt", [None])[0]
        if role is None or roles.setdefault(role, name) != name:
            problems.append(f"{name}: shares its role with {roles.get(role)}")
    built = {p.parent.name for p in (INFRA.parent / "functions").glob("*/Cargo.toml")}
    deployed = {str(r["Properties"]["Code"]["S3Key"]).removesuffix(".zip") for r in resources.values() if r["Type"] == "AWS::Lambda::Function"}
    return problems + [f"functions/{name}: built or deployed, not both" for name in sorted(built ^ deployed)]


def wildcards(template):
    problems = []
    for name, resource in template["Resources"].items():
        if resource["Type"] not in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
            continue
        properties = resource["Properties"]
        documents = [properties.get("PolicyDocument", {})] + [p["PolicyDocument"] for p in properties.get("Policies", [])]
        for statement in (s for d in documents for s in d.get("Statement", [])):
            where = f"{name}.{statement.get('Sid')}"
            listed = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            if "*" in listed and (name, statement.get("Sid")) not in UNNAMEABLE:
                problems.append(f"{where}: Resource '*'")
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            problems += [f"{where}: {a} names no action" for a in actions if "*" in a]
    return problems


def retries(machine):
    """Every task has a timeout, ends its retriers with States.ALL, and is caught unless it runs inside the map. What S3 or RDS does to
    others' steps is retried."""
    problems = []
    extract = machine["States"]["ExtractTables"]
    children = extract["ItemProcessor"]["States"]
    retried = {error for retrier in extract["Retry"] for error in retrier["ErrorEquals"]}
    for error in ("States.ItemReaderFailed", "States.ResultWriterFailed"):
        if error not in retried:
            problems.append(f"ExtractTables: {error} is not retried")
    for name, state in (("PlanExport", machine["States"]["PlanExport"]), ("Extract", children["Extract"])):
        first = next(r for r in state["Retry"] if "SourceAccessDenied" in r["ErrorEquals"] or r["ErrorEquals"] == ["States.ALL"])
        if not first["MaxAttempts"]:
            problems.append(f"{name}: a password that was changed is not read again")
    for states, caught in ((machine["States"], True), (children, False)):
        for name, state in states.items():
            if state["Type"] != "Task":
                continue
            if "TimeoutSeconds" not in state:
                problems.append(f"{name}: no TimeoutSeconds")
            retriers = state.get("Retry", [])
            if not retriers or retriers[-1]["ErrorEquals"] != ["States.ALL"] or not any(r.get("MaxAttempts") == 0 for r in retriers):
                problems.append(f"{name}: a retrier for the final errors and one for all others are missing")
            if caught and "Catch" not in state:
                problems.append(f"{name}: errors are not caught")
    return problems


def cfn_lint(path):
    with tempfile.TemporaryDirectory() as nothing:  # so that no configuration of the user's is picked up
        command = [str(pathlib.Path(sys.executable).parent / "cfn-lint"), "--format", "parseable", "--regions", "us-east-1",
                   "--ignore-checks", *IGNORED, "--", str(path)]
        done = subprocess.run(command, cwd=nothing, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


if __name__ == "__main__":
    main()
