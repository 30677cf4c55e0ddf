"""The stack as a whole keeps every rule, and each rule notices when it is broken; samconfig.toml and the docs agree."""

import itertools
import re
import tomllib
from typing import Any

import pytest

from tests.template import rules_stack as rules
from tests.template.mutations import Mutation, Template, drop, of_resource, put, resource, statements
from tests.template.rules import Rule
from tests.template.transformed import ROOT, source, transform, transform_variant


@pytest.fixture(scope="module")
def transformed() -> Template:
    return transform(source())


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_template_keeps(rule: Rule, transformed: Template) -> None:
    assert list(rule(transformed)) == []


def _named(ending: str) -> dict[str, str]:
    return {"Fn::Sub": "${AWS::StackName}-" + ending}


def _named_schedule(template: Template) -> None:
    schedule = resource(template, "SweepRequestsFunction")["Events"]["EveryMinute"]["Properties"]
    del schedule["OmitName"]
    schedule["Name"] = _named("sweep")


def _new_name(template: Template) -> None:
    template["Resources"]["Archive"] = {
        "Type": "AWS::Backup::BackupVault",
        "Properties": {"BackupVaultName": _named("archive")},
    }


def _guarded(name: str) -> Mutation:
    return put(name, "DeletionProtectionEnabled", value={"Fn::If": ["IsProd", True, False]})


def _no_longer_refilled(template: Template) -> None:
    (backlog,) = [each for each in statements(template, "IssueQueuedRole") if each.get("Sid") == "Backlog"]
    backlog["Action"].remove("sqs:SendMessage")


BROKEN: dict[str, tuple[Rule, Mutation]] = {
    "a long function": (rules.names_fit_a_long_stack, put("GetOrderFunction", "FunctionName", value=_named("order"))),
    "a long queue": (
        rules.names_fit_a_long_stack,
        put("BacklogDeadLetters", "QueueName", value=_named("backlog-dead-letters")),
    ),
    "a long workflow": (
        rules.names_fit_a_long_stack,
        put("ProcessOrderStateMachine", "Name", value=_named("process-bulk-orders-x")),
    ),
    "a long role": (rules.names_fit_a_long_stack, put("SweepScheduleRole", "RoleName", value=_named("sweep"))),
    "a long schedule": (rules.names_fit_a_long_stack, _named_schedule),
    "a long bucket": (rules.names_fit_a_long_stack, put("OrdersBucket", "BucketName", value=_named("orders"))),
    "a name of a kind unheard of": (rules.names_fit_a_long_stack, _new_name),
    "one name for all stacks": (rules.names_fit_a_long_stack, put("EventBus", "Name", value="incentives")),
    "a topic of ours": (rules.names_are_cloudformations, put("OperatorsTopic", "TopicName", value=_named("op"))),
    "a pacer guarded": (rules.what_is_guarded_is_retained, _guarded("PacerTable")),
    "a pacer kept": (rules.what_is_guarded_is_retained, of_resource("PacerTable", "UpdateReplacePolicy", "Retain")),
    "a ledger deleted where it is guarded": (
        rules.what_is_guarded_is_retained,
        of_resource("LedgerTable", "DeletionPolicy", "RetainExceptOnCreate"),
    ),
    "a ledger replaced": (
        rules.what_is_guarded_is_retained,
        of_resource("LedgerTable", "UpdateReplacePolicy", "Delete"),
    ),
    "orders deleted": (rules.what_outlives_the_stack_is_told, of_resource("OrdersTable", "DeletionPolicy", "Delete")),
    "files replaced": (
        rules.what_outlives_the_stack_is_told,
        of_resource("OrdersBucket", "UpdateReplacePolicy", "Delete"),
    ),
    "a bucket deleted": (
        rules.what_outlives_the_stack_is_told,
        of_resource("FailedEventsBucket", "DeletionPolicy", "Delete"),
    ),
    "a vault deleted": (rules.what_outlives_the_stack_is_told, of_resource("CardVaultKey", "DeletionPolicy", "Delete")),
    "a log kept": (
        rules.what_outlives_the_stack_is_told,
        of_resource("CreateGiftCardLogGroup", "DeletionPolicy", "Retain"),
    ),
    "a layer kept": (rules.layers_go_with_their_stack, drop("IncentivesLayer", "RetentionPolicy")),
    "a worker stopped": (rules.loops_are_meant, drop("IssueQueuedFunction", "RecursiveLoop")),
    "any loop": (rules.loops_are_meant, put("CreateGiftCardFunction", "RecursiveLoop", value="Allow")),
    "a loop that is none": (rules.loops_are_meant, _no_longer_refilled),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rule_is_noticed(name: str) -> None:
    # given the template with one rule broken
    rule, break_it = BROKEN[name]
    template = source()
    break_it(template)
    # when it is transformed and looked at
    broken = list(rule(transform_variant(template)))
    # then the rule says so
    assert broken


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _ in BROKEN.values()} == set(rules.RULES)


# ---- what samconfig.toml, README and docs say of stacks ------------------------------------------


def _environments() -> dict[str, dict[str, Any]]:
    return tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8")) | {"version": {}}


def _stack_and_parameters() -> dict[str, tuple[str, dict[str, str]]]:
    """Of each environment that is deployed into AWS: its stack's name and what it is deployed with."""
    defaults = {name: str(each.get("Default", "")) for name, each in source()["Parameters"].items()}
    found = {}
    for name, commands in _environments().items():
        if name not in {"version", "local"}:
            pairs = commands["deploy"]["parameters"].get("parameter_overrides", "").split()
            given = dict(pair.split("=", 1) for pair in pairs)
            found[name] = (commands["global"]["parameters"]["stack_name"], defaults | given)
    return found


def test_no_two_stacks_read_each_others_keys() -> None:
    for one, other in itertools.combinations(_stack_and_parameters().items(), 2):
        (name, (stack, given)), (name_2, (stack_2, given_2)) = one, other
        if stack == stack_2:
            # Then a deployment without --config-env must not turn it into something else.
            assert given == given_2, f"{name} and {name_2} are one stack with two sets of parameters"
        else:
            assert given["AccountSecretPrefix"] != given_2["AccountSecretPrefix"], f"{name} and {name_2} share keys"


def test_stacks_have_the_same_names_everywhere() -> None:
    stacks = {stack for stack, _ in _stack_and_parameters().values()}
    named = {
        (file.name, name)
        for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
        for name in re.findall(r"(?:STACK=|--stack |--stack-name )([\w-]+)", file.read_text(encoding="utf-8"))
    }
    assert {name for _, name in named} & stacks
    # `name` stands for whatever a stack is called, `ID` for the id of a deleted one.
    assert {(file, name) for file, name in named if name not in stacks | {"name", "ID"}} == set()
