"""The recovery workflow's definition, read as data: no emulator and no linter refuses a dangling Next."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.template.needs import FUNCTIONS
from tests.template.transformed import ROOT, source

Definition = dict[str, Any]
Rule = Callable[[Definition], Iterator[str]]
FILE = ROOT / "functions" / "recover_request" / "recovery.asl.json"
# Fields of Amazon's older query language, which a JSONata workflow does not know.
JSONPATH_FIELDS = {
    "InputPath",
    "OutputPath",
    "ResultPath",
    "ResultSelector",
    "Parameters",
    "ItemsPath",
    "SecondsPath",
    "TimestampPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "Variable",
    "CausePath",
    "ErrorPath",
}
ENDS = {"Succeed", "Fail"}
# What the workflow itself may take: a day of recovery, and what a mail and its stale signature need after it.
MACHINE_SECONDS = (24 * 3600, 48 * 3600)
# The function ends before its task does: an answer that nobody waits for any more would still have had its effect.
FUNCTION_SECONDS = 25


def definition() -> Definition:
    loaded: Definition = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


def states(workflow: Definition) -> dict[str, Definition]:
    found: dict[str, Definition] = workflow["States"]
    return found


def successors(state: Definition) -> list[str]:
    """Where a state may lead."""
    following = [state["Next"]] if "Next" in state else []
    following += [choice["Next"] for choice in state.get("Choices", [])]
    return following + ([state["Default"]] if "Default" in state else [])


def expressions(node: Any) -> Iterator[str]:
    """All JSONata expressions in it."""
    match node:
        case str() if node.startswith("{%"):
            yield node.removeprefix("{%").removesuffix("%}").strip()
        case dict():
            for inner in node.values():
                yield from expressions(inner)
        case list():
            for inner in node:
                yield from expressions(inner)


def fields(node: Any) -> Iterator[str]:
    """All names of members, at any depth."""
    match node:
        case dict():
            for name, inner in node.items():
                yield name
                yield from fields(inner)
        case list():
            for inner in node:
                yield from fields(inner)


def it_is_jsonata(workflow: Definition) -> Iterator[str]:
    """One query language, and nothing left of the other."""
    if workflow.get("QueryLanguage") != "JSONata":
        yield "not JSONata"
    for name, state in states(workflow).items():
        if "QueryLanguage" in state:
            yield f"{name} has a language of its own"
        # What is in a payload is the function's business.
        without = {key: value for key, value in state.items() if key != "Arguments"}
        for field in fields(without):
            if field in JSONPATH_FIELDS or field.endswith(".$"):
                yield f"{name} has {field}"
        for text in json.dumps(state).split('"'):
            if text.startswith(("$.", "$$.")) or (text.startswith("States.") and "(" in text):
                yield f"{name} has a path: {text}"


def every_next_exists(workflow: Definition) -> Iterator[str]:
    """No transition leads nowhere."""
    for name, state in states(workflow).items():
        for following in successors(state):
            if following not in states(workflow):
                yield f"{name} leads to {following}, which is not there"
    if workflow["StartAt"] not in states(workflow):
        yield "it starts nowhere"


def every_state_is_reachable(workflow: Definition) -> Iterator[str]:
    """From the start every state can be come to, and from every state an end."""
    reached: set[str] = set()
    waiting = [workflow["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name in states(workflow) and name not in reached:
            reached.add(name)
            waiting += successors(states(workflow)[name])
    for name in states(workflow).keys() - reached:
        yield f"{name} is never come to"
    ending = {name for name, state in states(workflow).items() if state["Type"] in ENDS or state.get("End") is True}
    while more := {n for n, s in states(workflow).items() if n not in ending and ending & set(successors(s))}:
        ending |= more
    for name in states(workflow).keys() - ending:
        yield f"{name} leads to no end"


def every_state_leads_on(workflow: Definition) -> Iterator[str]:
    """A state has one way on, an end has none, and a choice has a way for what nobody thought of."""
    for name, state in states(workflow).items():
        ways = ("Next" in state) + (state.get("End") is True)
        match state["Type"]:
            case "Choice":
                if "Default" not in state or ways or not state.get("Choices"):
                    yield f"{name} has no way on for some input"
            case "Succeed" | "Fail":
                if successors(state):
                    yield f"{name} is an end and leads on"
            case _ if ways != 1:
                yield f"{name} leads on {ways} ways"


def every_task_is_bounded(workflow: Definition) -> Iterator[str]:
    """A task has a time-out longer than its function's, and a bounded number of retries with growing waits."""
    tasks = {name: state for name, state in states(workflow).items() if state["Type"] == "Task"}
    if not tasks:
        yield "it does nothing"
    for name, state in tasks.items():
        if not FUNCTION_SECONDS < state.get("TimeoutSeconds", 0) <= 10 * FUNCTION_SECONDS:
            yield f"{name} may take {state.get('TimeoutSeconds')} s"
        if not state.get("Retry"):
            yield f"{name} is not retried"
        for retry in state.get("Retry", []):
            if not 0 < retry.get("MaxAttempts", 3) <= 10 or retry.get("BackoffRate", 2) <= 1:
                yield f"{name} is retried without bound"
        if state["Resource"] != "arn:aws:states:::lambda:invoke":
            yield f"{name} calls {state['Resource']}"
        if state.get("Arguments", {}).get("FunctionName") != "${RecoverRequestFunctionArn}":
            yield f"{name} calls another function than the published one"
    least, most = MACHINE_SECONDS
    if not least < workflow.get("TimeoutSeconds", 0) <= most:
        yield "the workflow itself has no bound, or one that a recovery runs into"


def no_fault_is_hidden(workflow: Definition) -> Iterator[str]:
    """Nothing is caught: a fault ends the execution as failed, which its alarm tells."""
    for name, state in states(workflow).items():
        if "Catch" in state:
            yield f"{name} hides faults"
    if not any(state["Type"] == "Fail" for state in states(workflow).values()):
        yield "an escalation does not end as failed"


def every_variable_is_assigned_first(workflow: Definition) -> Iterator[str]:
    """On every way to a state, each `$variable` that it reads has been assigned: a lost one is silently nothing."""
    own = {name: set(state.get("Assign", {})) for name, state in states(workflow).items()}
    everything = set().union(*own.values())
    # What is surely assigned on entering: over all ways there, the least of what they have assigned.
    entering = dict.fromkeys(states(workflow), everything)
    entering[workflow["StartAt"]] = set()
    changed = True
    while changed:
        changed = False
        for name, state in states(workflow).items():
            for following in successors(state):
                if following in entering and entering[following] - (entering[name] | own[name]):
                    entering[following] = entering[following] & (entering[name] | own[name])
                    changed = True
    for name, state in states(workflow).items():
        for expression in expressions(state):
            read = set(re.findall(r"\$([A-Za-z_]\w*)(?!\w*\s*\()", re.sub(r"'[^']*'|\"[^\"]*\"", "", expression)))
            # Those that an expression itself binds.
            bound = set(re.findall(r"\$([A-Za-z_]\w*)\s*:=", expression))
            for variable in read - bound - {"states"} - entering[name]:
                yield f"{name} reads ${variable}, which nothing has assigned"


def substitutions_are_the_template_s(workflow: Definition) -> Iterator[str]:
    """What the definition leaves open, the template fills in, and nothing else."""
    given = source()["Resources"]["RecoverRequestStateMachine"]["Properties"]["DefinitionSubstitutions"]
    open_ends = set(re.findall(r"\$\{(\w+)\}", json.dumps(workflow)))
    if open_ends != set(given):
        yield f"left open: {open_ends}, filled in: {set(given)}"


def data_carries_no_secrets(workflow: Definition) -> Iterator[str]:
    """Ids and counters go to a task and come from it: its payload names members one by one, never the whole input."""
    for name, state in states(workflow).items():
        if state["Type"] == "Task":
            payload = state["Arguments"].get("Payload")
            if not isinstance(payload, dict) or set(payload) - {"task", "requestId", "epoch"}:
                yield f"{name} is given more than ids: {payload}"


RULES: tuple[Rule, ...] = (
    it_is_jsonata,
    every_next_exists,
    every_state_is_reachable,
    every_state_leads_on,
    every_task_is_bounded,
    no_fault_is_hidden,
    every_variable_is_assigned_first,
    substitutions_are_the_template_s,
    data_carries_no_secrets,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_definition_keeps(rule: Rule) -> None:
    assert list(rule(definition())) == []


def test_definition_is_the_one_that_is_deployed() -> None:
    properties = source()["Resources"]["RecoverRequestStateMachine"]["Properties"]
    assert ROOT / properties["DefinitionUri"] == FILE
    assert FUNCTIONS["RecoverRequest"].route is None


def _first(workflow: Definition, kind: str) -> Definition:
    return next(state for state in states(workflow).values() if state["Type"] == kind)


def _dangling(workflow: Definition) -> None:
    _first(workflow, "Task")["Next"] = "Nowhere"


def _island(workflow: Definition) -> None:
    states(workflow)["Island"] = {"Type": "Succeed"}


def _circle(workflow: Definition) -> None:
    for state in states(workflow).values():
        if "Next" in state:
            state["Next"] = workflow["StartAt"]


def _no_default(workflow: Definition) -> None:
    del _first(workflow, "Choice")["Default"]


def _two_ways(workflow: Definition) -> None:
    _first(workflow, "Task")["End"] = True


def _no_timeout(workflow: Definition) -> None:
    del _first(workflow, "Task")["TimeoutSeconds"]


def _no_retry(workflow: Definition) -> None:
    del _first(workflow, "Task")["Retry"]


def _endless(workflow: Definition) -> None:
    del workflow["TimeoutSeconds"]


def _catch(workflow: Definition) -> None:
    end = next(name for name, state in states(workflow).items() if state["Type"] == "Succeed")
    _first(workflow, "Task")["Catch"] = [{"ErrorEquals": ["States.ALL"], "Next": end}]


def _path(workflow: Definition) -> None:
    _first(workflow, "Wait")["SecondsPath"] = "$.waitSeconds"


def _path_in_a_value(workflow: Definition) -> None:
    _first(workflow, "Task")["Output"] = "$.Payload"


def _other_language(workflow: Definition) -> None:
    del workflow["QueryLanguage"]


def _unassigned(workflow: Definition) -> None:
    _first(workflow, "Wait")["Seconds"] = "{% $pause + 1 %}"


def _assigned_on_one_way_only(workflow: Definition) -> None:
    workflow["StartAt"] = "Either"
    workflow["States"] = {
        "Either": {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "Assigns"}], "Default": "Reads"},
        "Assigns": {"Type": "Pass", "Assign": {"other": 1}, "Next": "Reads"},
        "Reads": {"Type": "Succeed", "Output": "{% $other %}"},
    }


def _unfilled(workflow: Definition) -> None:
    _first(workflow, "Task")["Arguments"]["Qualifier"] = "${Another}"


def _all_input(workflow: Definition) -> None:
    _first(workflow, "Task")["Arguments"]["Payload"] = "{% $states.input %}"


BROKEN: dict[str, tuple[Rule, Callable[[Definition], None]]] = {
    "JSONPath": (it_is_jsonata, _path),
    "a path in a value": (it_is_jsonata, _path_in_a_value),
    "no language": (it_is_jsonata, _other_language),
    "a dangling Next": (every_next_exists, _dangling),
    "an island": (every_state_is_reachable, _island),
    "a circle": (every_state_is_reachable, _circle),
    "no Default": (every_state_leads_on, _no_default),
    "two ways on": (every_state_leads_on, _two_ways),
    "no time-out": (every_task_is_bounded, _no_timeout),
    "no retry": (every_task_is_bounded, _no_retry),
    "no end": (every_task_is_bounded, _endless),
    "a Catch": (no_fault_is_hidden, _catch),
    "an unassigned variable": (every_variable_is_assigned_first, _unassigned),
    "a variable assigned on one way only": (every_variable_is_assigned_first, _assigned_on_one_way_only),
    "an open end": (substitutions_are_the_template_s, _unfilled),
    "the whole input": (data_carries_no_secrets, _all_input),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rule_is_noticed(name: str) -> None:
    rule, break_it = BROKEN[name]
    workflow = copy.deepcopy(definition())
    break_it(workflow)
    assert list(rule(workflow))


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _ in BROKEN.values()} == set(RULES)
