"""What must hold for the stack as a whole to be deployed, replaced and deleted; rules as in `rules.py`.

No tool here refuses what breaks these: the emulator and the linter take names of any length and delete what is guarded.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.template.rules import Rule, Template, role_grants
from tests.template.transformed import ROOT, of_type, resolve

# Whoever needs a longer name for a stack is told so by CloudFormation, in the middle of a deployment.
STACK_NAME = "s" * 60
# How long a name may be that this template gives. Sources: the quotas in each service's guide; of the API's name its
# reference says nothing, so that the least of the long ones is taken.
CHARACTERS_MAX = {
    ("AWS::ApiGateway::RestApi", "Name"): 255,
    ("AWS::CloudWatch::Alarm", "AlarmName"): 255,
    ("AWS::CloudWatch::Dashboard", "DashboardName"): 255,
    ("AWS::DynamoDB::Table", "TableName"): 255,
    ("AWS::Events::EventBus", "Name"): 256,
    ("AWS::IAM::Role", "RoleName"): 64,
    ("AWS::KMS::Alias", "AliasName"): 256,
    ("AWS::Lambda::Function", "FunctionName"): 64,
    ("AWS::Logs::LogGroup", "LogGroupName"): 512,
    ("AWS::S3::Bucket", "BucketName"): 63,
    ("AWS::SNS::Topic", "TopicName"): 256,
    ("AWS::SQS::Queue", "QueueName"): 80,
    ("AWS::Scheduler::Schedule", "Name"): 64,
    ("AWS::StepFunctions::StateMachine", "StateMachineName"): 80,
}
# CloudFormation's names fit any stack. Only what something outside addresses, what the resource demands, or what is
# needed before it exists has a name of ours.
NAMED_BY_US = {
    "AWS::ApiGateway::RestApi",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Events::EventBus",
    "AWS::KMS::Alias",
    "AWS::Logs::LogGroup",
    "AWS::StepFunctions::StateMachine",
}
ENVIRONMENTS = ("local", "dev", "prod")
RUNBOOK = ROOT / "docs" / "operate.md"


def names(template: Template) -> Iterator[tuple[str, str, str, Any]]:
    """Every name that the template gives: resource, type, property, and the name in a stack of a long name."""
    for resource, each in template["Resources"].items():
        for key, value in each.get("Properties", {}).items():
            if (each["Type"], key) in CHARACTERS_MAX or (
                key.endswith("Name") and "AWS::StackName" in json.dumps(value)
            ):
                text = json.dumps(value).replace("${AWS::StackName}", STACK_NAME)
                text = text.replace(json.dumps({"Ref": "AWS::StackName"}), json.dumps(STACK_NAME))
                yield resource, each["Type"], key, resolve(template, json.loads(text))


def names_fit_a_long_stack(template: Template) -> Iterator[str]:
    """In a stack whose name has 60 characters every name is within its service's limit."""
    for resource, kind, key, name in names(template):
        most = CHARACTERS_MAX.get((kind, key))
        if most is None:
            yield f"{resource}: how long may {key} be?"
        elif not isinstance(name, str) or len(name) > most:
            yield f"{resource}: {key} has more than {most} characters: {name}"
        if STACK_NAME not in str(name):
            yield f"{resource}: two stacks of one account cannot both have {name}"


def names_are_cloudformations(template: Template) -> Iterator[str]:
    """CloudFormation names whatever nothing needs by name: functions, schedules, roles, tables, buckets, topics ..."""
    for resource, kind, key, _ in names(template):
        # The backlog's dead letters have to know the backlog before it exists.
        if kind not in NAMED_BY_US and resource != "BacklogQueue":
            yield f"{resource} has a {key} of ours"


def what_is_guarded_is_retained(template: Template) -> Iterator[str]:
    """What is guarded against deletion is never deleted by CloudFormation, not even when a first deployment fails."""
    for name, each in template["Resources"].items():
        guard = each.get("Properties", {}).get("DeletionProtectionEnabled", False)
        guarded = any(resolve(template, guard, Environment=environment) for environment in ENVIRONMENTS)
        policies = (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy"))
        if guarded and policies != ("Retain", "Retain"):
            yield f"{name} is guarded and deleted: {policies}"
        if name == "PacerTable" and (guarded or "Retain" in str(policies)):
            yield f"{name} is not worth keeping"


def what_outlives_the_stack_is_told(template: Template) -> Iterator[str]:
    """What stays behind a deleted stack is what operators are told; what is to stay survives a replacement, too."""
    section = RUNBOOK.read_text(encoding="utf-8").partition("\n## Deleting a deployment\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    kept = set()
    for name, each in template["Resources"].items():
        is_kept = each.get("DeletionPolicy", "Delete").startswith("Retain")
        if is_kept:
            kept.add(name)
        if is_kept is not (each.get("UpdateReplacePolicy") == "Retain"):
            yield f"{name} is kept when it is deleted, but not when it is replaced, or the other way round"
        if not is_kept and each["Type"] == "AWS::S3::Bucket":
            yield f"{name} is deleted with the stack, which fails while there is anything in it"
    if kept != told:
        yield f"kept and not told, or the other way round: {sorted(kept ^ told)}"


def layers_go_with_their_stack(template: Template) -> Iterator[str]:
    """No version of a layer is left behind: a function has a copy of its own."""
    for name, layer in of_type(template, "AWS::Lambda::LayerVersion").items():
        if layer.get("DeletionPolicy", "Delete") != "Delete":
            yield f"{name} stays for ever"


def loops_are_meant(template: Template) -> Iterator[str]:
    """Who puts messages into the queue that calls it may go on doing so; any other loop is ended by Lambda."""
    refills = set()
    for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values():
        function = mapping["Properties"]["FunctionName"]["Ref"]
        role = template["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]
        grants = role_grants(template, template["Resources"][role])
        if "sqs:SendMessage" in grants.get(json.dumps(mapping["Properties"]["EventSourceArn"]), set()):
            refills.add(function)
    allowed = {
        name
        for name, function in of_type(template, "AWS::Lambda::Function").items()
        if function["Properties"].get("RecursiveLoop") == "Allow"
    }
    if allowed != refills or not refills:
        yield f"stopped after sixteen rounds, or running without end: {sorted(allowed ^ refills)}"


RULES: tuple[Rule, ...] = (
    names_fit_a_long_stack,
    names_are_cloudformations,
    what_is_guarded_is_retained,
    what_outlives_the_stack_is_told,
    layers_go_with_their_stack,
    loops_are_meant,
)
