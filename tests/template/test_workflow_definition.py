"""The workflows' definitions keep every rule, and each rule notices when it is broken."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.template import rules_workflow as rules
from tests.template.rules_workflow import (
    ORDERS,
    RECOVERY,
    RULES,
    WORKFLOWS,
    Definition,
    Rule,
    Workflow,
    all_states,
    definition,
    states,
)
from tests.template.transformed import ROOT, source

Mutation = Callable[[Definition], None]
GONE = object()


@pytest.mark.parametrize("of", WORKFLOWS, ids=lambda of: of.worker)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_definition_keeps(rule: Rule, of: Workflow) -> None:
    assert list(rule(definition(of), of)) == []


@pytest.mark.parametrize("of", WORKFLOWS, ids=lambda of: of.worker)
def test_definition_is_the_one_that_is_deployed(of: Workflow) -> None:
    properties = source()["Resources"][f"{of.worker}StateMachine"]["Properties"]
    assert ROOT / properties["DefinitionUri"] == of.file


def _first(workflow: Definition, kind: str) -> Definition:
    """The first state of a kind; of `Map/Task` the first task of the first map."""
    if kind.startswith("Map/"):
        return _first(_first(workflow, "Map")["ItemProcessor"], kind.removeprefix("Map/"))
    return next(state for _, state in all_states(workflow) if state["Type"] == kind)


def put(kind: str, path: str, value: object = GONE) -> Mutation:
    """Set what is at a path in the first state of a kind, or in the workflow itself; or take it away."""

    def mutate(workflow: Definition) -> None:
        node: Any = _first(workflow, kind) if kind else workflow
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in steps:
            node = node[step]
        if value is GONE:
            del node[last]
        else:
            node[last] = value

    mutate.__name__ = f"{kind} {'without' if value is GONE else 'another'} {path}"
    return mutate


def _circle(workflow: Definition) -> None:
    for state in states(workflow).values():
        if "Next" in state:
            state["Next"] = workflow["StartAt"]


def _assigned_on_one_way_only(workflow: Definition) -> None:
    workflow["StartAt"] = "Either"
    workflow["States"] = {
        "Either": {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "Assigns"}], "Default": "Reads"},
        "Assigns": {"Type": "Pass", "Assign": {"other": 1}, "Next": "Reads"},
        "Reads": {"Type": "Succeed", "Output": "{% $other %}"},
    }


def _variable_of_the_parent(workflow: Definition) -> None:
    states(workflow)[workflow["StartAt"]]["Assign"] = {"outer": "{% $states.result.Payload.round %}"}
    put("Map/Task", "Arguments.Payload.round", "{% $outer %}")(workflow)


def _too_late(workflow: Definition) -> None:
    _first(workflow, "Task")["Retry"].reverse()


BROKEN: list[tuple[Workflow, Rule, list[Mutation]]] = [
    (
        RECOVERY,
        rules.it_is_jsonata,
        [put("Wait", "SecondsPath", "$.waitSeconds"), put("Task", "Output", "$.Payload"), put("", "QueryLanguage")],
    ),
    (
        ORDERS,
        rules.it_is_jsonata,
        [put("Map", "MaxConcurrency", "{% 8 %}"), put("Task", "QueryLanguage"), put("", "QueryLanguage", "JSONata")],
    ),
    (
        RECOVERY,
        rules.every_state_leads_to_an_end,
        [
            put("Task", "Next", "Nowhere"),
            put("", "States.Island", {"Type": "Succeed"}),
            _circle,
            put("Choice", "Default"),
            put("Task", "End", value=True),
        ],
    ),
    (ORDERS, rules.every_state_leads_to_an_end, [put("Map/Task", "Next", "Validate")]),
    (
        RECOVERY,
        rules.every_task_is_bounded,
        [put("Task", "TimeoutSeconds"), put("Task", "Retry"), put("", "TimeoutSeconds")],
    ),
    (
        RECOVERY,
        rules.every_task_waits_for_an_instance,
        [put("Task", "Retry.0.MaxAttempts", 6), put("Task", "Retry.0"), _too_late],
    ),
    (
        ORDERS,
        rules.every_task_waits_for_an_instance,
        [
            put("Map/Task", "Retry.0.MaxAttempts", 3),
            put("Map/Task", "Retry.0.MaxDelaySeconds", 60),
            put("Map", "ItemSelector.secondsLeft", 200),
        ],
    ),
    (
        ORDERS,
        rules.every_map_is_bounded,
        [
            put("Map", "MaxConcurrencyPath"),
            put("", "States.AfterWait.Choices.0.Next", "IssueBatches"),
            put("Map", "ToleratedFailurePercentage", 0),
            put("Map", "ItemProcessor.ProcessorConfig", {"Mode": "INLINE"}),
            put("Map", "ItemSelector"),
        ],
    ),
    (RECOVERY, rules.no_fault_is_hidden, [put("Task", "Catch", [{"ErrorEquals": ["States.ALL"], "Next": "Ended"}])]),
    (ORDERS, rules.no_fault_is_hidden, [put("Succeed", "Type", "Fail")]),
    (
        RECOVERY,
        rules.every_variable_is_assigned_first,
        [put("Wait", "Seconds", "{% $pause + 1 %}"), _assigned_on_one_way_only],
    ),
    (ORDERS, rules.every_variable_is_assigned_first, [_variable_of_the_parent]),
    (RECOVERY, rules.substitutions_are_the_template_s, [put("Task", "Arguments.Qualifier", "${Another}")]),
    (RECOVERY, rules.data_carries_no_secrets, [put("Task", "Arguments.Payload", "{% $states.input %}")]),
    (ORDERS, rules.data_carries_no_secrets, [put("Map", "ItemSelector", {"rows": "{% $states.input.rows %}"})]),
]
CASES = [(of, rule, mutation) for of, rule, mutations in BROKEN for mutation in mutations]


@pytest.mark.parametrize(
    ("of", "rule", "break_it"), CASES, ids=lambda each: getattr(each, "__name__", "") or each.worker
)
def test_broken_rule_is_noticed(of: Workflow, rule: Rule, break_it: Mutation) -> None:
    workflow = copy.deepcopy(definition(of))
    break_it(workflow)
    assert list(rule(workflow, of))


def test_every_rule_is_broken_once() -> None:
    assert {rule for _, rule, _ in BROKEN} == set(RULES)
