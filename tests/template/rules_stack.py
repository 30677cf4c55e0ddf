"""What must hold for the stack as a whole to be deployed, replaced and deleted; rules as in `rules.py`.

No tool here refuses what breaks these: the emulator and the linter take names of any length and delete what is guarded.
"""

import json
import re
from collections.abc import Iterator

from tests.template.rights import statements
from tests.template.rules import Template
from tests.template.transformed import ROOT, of_type, resolve

# Whoever needs a longer name for a stack is told so by CloudFormation, in the middle of a deployment.
STACK_NAME = "s" * 60
# How long a name may be that this template gives. Sources: the quotas in each service's guide; of the API's name its
# reference says nothing, so that the least of the long ones is taken. CloudFormation's names fit any stack: only what
# something outside addresses, what the resource demands, or what is needed before it exists has a name of ours.
CHARACTERS_MAX = {
    "AWS::ApiGateway::RestApi": 255, "AWS::CloudWatch::Alarm": 255, "AWS::CloudWatch::Dashboard": 255,
    "AWS::Events::EventBus": 256, "AWS::KMS::Alias": 256, "AWS::Logs::LogGroup": 512, "AWS::SQS::Queue": 80,
    "AWS::StepFunctions::StateMachine": 80,
}  # fmt: skip
# Properties that end so and name nothing of their own; a layer's versions have numbers, and may have one name.
NO_NAMES = {"StageName", "DisplayName", "MetricName", "LayerName"}
ENVIRONMENTS = ("local", "dev", "prod")
RUNBOOK = ROOT / "docs" / "operate.md"


def names_fit_a_long_stack(template: Template) -> Iterator[str]:
    """Only some kinds have names of ours, which in a stack of a long name are within the service's limit."""
    for resource, each in template["Resources"].items():
        for key, value in each.get("Properties", {}).items():
            text = json.dumps(value)
            # What only refers to another resource is that one's name.
            if not key.endswith("Name") or key in NO_NAMES or ("Ref" in text and "AWS::StackName" not in text):
                continue
            text = text.replace("${AWS::StackName}", STACK_NAME)
            text = text.replace(json.dumps({"Ref": "AWS::StackName"}), json.dumps(STACK_NAME))
            name = str(resolve(template, json.loads(text)))
            most = CHARACTERS_MAX.get(each["Type"], 0)
            # The backlog's dead letters have to know the backlog before it exists.
            if len(name) > most or (each["Type"] == "AWS::SQS::Queue" and resource != "BacklogQueue"):
                yield f"{resource}: {key} is of ours, or has more than {most} characters: {name}"
            if STACK_NAME not in name:
                yield f"{resource}: two stacks of one account cannot both have {name}"


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
        for each in statements(template, template["Resources"][role]):
            if each["Resource"] == mapping["Properties"]["EventSourceArn"] and "sqs:SendMessage" in each["Action"]:
                refills.add(function)
    allowed = {
        name
        for name, function in of_type(template, "AWS::Lambda::Function").items()
        if function["Properties"].get("RecursiveLoop") == "Allow"
    }
    if allowed != refills or not refills:
        yield f"stopped after sixteen rounds, or running without end: {sorted(allowed ^ refills)}"
