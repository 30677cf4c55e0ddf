"""What must hold of the workflows' definitions; rules as in `rules.py`, of each workflow.

They are read as data: no emulator and no linter refuses a dangling Next.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.template.rules import SECONDS_FOR_A_CALLER, SECONDS_FOR_NOBODY
from tests.template.transformed import ROOT, source

Definition = dict[str, Any]
FUNCTIONS_DIR = ROOT / "functions"


@dataclass(frozen=True)
class Workflow:
    """What differs from one workflow to the other.

    Attributes:
        worker: the function that does its tasks.
        file: its definition.
        seconds: least and most that the workflow itself may take.
        payload: what a task may be given, all of it ids, numbers and counters.
        fails: whether an end may be a failure on purpose.
    """

    worker: str
    file: Path
    seconds: tuple[int, int]
    payload: frozenset[str]
    fails: bool = False


RECOVERY = Workflow(
    worker="RecoverRequest",
    file=FUNCTIONS_DIR / "recover_request" / "recovery.asl.json",
    # A day of recovery, and what a mail and its stale signature need after it.
    seconds=(24 * 3600, 48 * 3600),
    payload=frozenset({"task", "requestId", "epoch"}),
    fails=True,
)
ORDERS = Workflow(
    worker="ProcessOrder",
    file=FUNCTIONS_DIR / "process_order" / "process_order.asl.json",
    # 100,000 rows at eight a second take four hours, at the slowest pace for days; then the last recovery has a day.
    seconds=(3 * 24 * 3600, 31 * 24 * 3600),
    payload=frozenset({"task", "orderId", "round", "done", "settled", "waited", "batch", "secondsLeft"}),
)
RECONCILIATION = Workflow(
    worker="ReconcileAccount",
    file=FUNCTIONS_DIR / "reconcile_account" / "reconcile_account.asl.json",
    # 500 pages at one a minute take eight hours, longer while recovery needs the page; then the watch starts another.
    seconds=(24 * 3600, 48 * 3600),
    payload=frozenset({"task", "account", "day", "round", "pages"}),
)
WORKFLOWS = (RECOVERY, ORDERS, RECONCILIATION)
Rule = Callable[[Definition, Workflow], Iterator[str]]
# Fields of Amazon's older query language, which a JSONata workflow does not know.
JSONPATH_FIELDS = {
    "InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "ItemsPath", "SecondsPath",
    "TimestampPath", "TimeoutSecondsPath", "HeartbeatSecondsPath", "Variable", "CausePath", "ErrorPath",
}  # fmt: skip
# And of the newer one, which a JSONPath state does not know.
JSONATA_FIELDS = {"Arguments", "Items", "Output"}
ENDS = {"Succeed", "Fail"}
# How Lambda says that every instance which the AWS account may have is at work.
NO_INSTANCE = ["Lambda.TooManyRequestsException"]
# How long a task waits for one at least: a standard workflow's, and a child's, which as an Express execution ends after
# five minutes, whatever it is doing.
STANDARD_SECONDS_MIN, CHILD_SECONDS_MIN, CHILD_SECONDS_MAX = 600, 60, 300


def definition(of: Workflow = RECOVERY) -> Definition:
    loaded: Definition = json.loads(of.file.read_text(encoding="utf-8"))
    return loaded


def states(level: Definition) -> dict[str, Definition]:
    """The states of a workflow itself, or of what a map does with an item."""
    found: dict[str, Definition] = level["States"]
    return found


def levels(workflow: Definition) -> Iterator[Definition]:
    """The workflow, and within it what its maps do with their items: transitions stay within a level."""
    yield workflow
    for state in states(workflow).values():
        if state["Type"] == "Map":
            yield from levels(state["ItemProcessor"])


def all_states(workflow: Definition) -> Iterator[tuple[str, Definition]]:
    """The states of all levels."""
    for level in levels(workflow):
        yield from states(level).items()


def of_each_level(rule: Callable[[Definition], Iterator[str]]) -> Rule:
    """A rule that holds for the states that lead to one another."""

    def holds(workflow: Definition, _of: Workflow) -> Iterator[str]:
        for level in levels(workflow):
            yield from rule(level)

    holds.__name__ = rule.__name__
    return holds


def successors(state: Definition) -> list[str]:
    """Where a state may lead."""
    following = [state["Next"]] if "Next" in state else []
    following += [choice["Next"] for choice in state.get("Choices", [])]
    return following + ([state["Default"]] if "Default" in state else [])


def _inside(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What is in it at any depth, with the name of the member that it is or is in."""
    yield name, node
    match node:
        case dict():
            for key, inner in node.items():
                yield from _inside(inner, key)
        case list():
            for inner in node:
                yield from _inside(inner)


def expressions(node: Any) -> Iterator[str]:
    """All JSONata expressions in it."""
    for _, each in _inside(node):
        if isinstance(each, str) and each.startswith("{%"):
            yield each.removeprefix("{%").removesuffix("%}").strip()


def fields(node: Any) -> set[str]:
    """All names of members, at any depth."""
    return {name for name, _ in _inside(node)}


def it_is_jsonata(workflow: Definition, _of: Workflow) -> Iterator[str]:
    """One query language, but for maps, and in no state anything of another one than its own.

    AWS knows a state in JSONata within a workflow in JSONPath, never the other way round.
    """
    default = workflow.get("QueryLanguage", "JSONPath")
    for name, state in all_states(workflow):
        language = state.get("QueryLanguage", default)
        if language != "JSONata" and (state["Type"] != "Map" or default == "JSONata"):
            yield f"{name} is in {language}"
        # What is in a payload is the function's business, and what is within a map has its own language.
        own = {key: value for key, value in state.items() if key not in {"Arguments", "ItemProcessor"}}
        if language == "JSONata":
            yield from (f"{name} has {field}" for field in fields(own) if field in JSONPATH_FIELDS)
            yield from (f"{name} has {field}" for field in fields(own) if field.endswith(".$"))
            for text in json.dumps({**own, "Arguments": state.get("Arguments")}).split('"'):
                if text.startswith(("$.", "$$.")) or (text.startswith("States.") and "(" in text):
                    yield f"{name} has a path: {text}"
        else:
            yield from (f"{name} has {field}" for field in fields(own) if field in JSONATA_FIELDS)
            yield from (f"{name} has an expression: {each}" for each in expressions(own))


@of_each_level
def every_state_leads_to_an_end(level: Definition) -> Iterator[str]:
    """Each transition leads to a state, each state is come to, has one way on and leads to an end.

    A choice has a way for what nobody thought of.
    """
    known = states(level)
    following = {name: {*successors(state)} for name, state in known.items()}
    for name in {level["StartAt"]}.union(*following.values()) - known.keys():
        yield f"{name} is not there"
    reached = {level["StartAt"]}
    ending = {name for name, state in known.items() if state["Type"] in ENDS or state.get("End") is True}
    for _ in known:
        reached = reached.union(*(following.get(name, set()) for name in reached))
        ending |= {name for name, ways in following.items() if ending & ways}
    for name, state in known.items():
        if name not in reached & ending:
            yield f"{name} is never come to, or leads to no end"
        ways = ("Next" in state) + (state.get("End") is True)
        if state["Type"] == "Choice" and ("Default" not in state or not state.get("Choices")):
            yield f"{name} has no way on for some input"
        if ways != (state["Type"] not in ENDS | {"Choice"}):
            yield f"{name} leads on {ways} ways"


def every_task_is_bounded(workflow: Definition, of: Workflow) -> Iterator[str]:
    """A task has a time-out longer than its function's, and a bounded number of retries with growing waits."""
    # The function ends before its task does: a response that nobody waits for any more would still have had its effect.
    seconds = SECONDS_FOR_NOBODY.get(of.worker, SECONDS_FOR_A_CALLER)
    tasks = {name: state for name, state in all_states(workflow) if state["Type"] == "Task"}
    if not tasks:
        yield "it does nothing"
    for name, state in tasks.items():
        if not seconds < state.get("TimeoutSeconds", 0) <= 10 * seconds:
            yield f"{name} may take {state.get('TimeoutSeconds')} s"
        if not state.get("Retry"):
            yield f"{name} is not retried"
        for retry in state.get("Retry", []):
            if not 0 < retry.get("MaxAttempts", 3) <= 20 or retry.get("BackoffRate", 2) <= 1:
                yield f"{name} is retried without bound"
        if state["Resource"] != "arn:aws:states:::lambda:invoke":
            yield f"{name} calls {state['Resource']}"
        if state.get("Arguments", {}).get("FunctionName") != f"${{{of.worker}FunctionArn}}":
            yield f"{name} calls another function than its own"
    least, most = of.seconds
    if not least < workflow.get("TimeoutSeconds", 0) <= most:
        yield "the workflow itself has no bound, or one that it runs into"


def waited(retry: Definition) -> float:
    """The seconds that all retries of an entry wait."""
    waits = [retry["IntervalSeconds"] * retry["BackoffRate"] ** number for number in range(retry["MaxAttempts"])]
    return float(sum(min(each, retry.get("MaxDelaySeconds", each)) for each in waits))


def every_task_waits_for_an_instance(workflow: Definition, _of: Workflow) -> Iterator[str]:
    """A new AWS account has ten instances: a task that finds none waits for minutes, a child while it has time."""
    for level in levels(workflow):
        for name, state in states(level).items():
            if state["Type"] != "Task":
                continue
            # The first entry that fits counts, and the others fit everything.
            entry, *others = state.get("Retry") or [{}]
            if entry.get("ErrorEquals") != NO_INSTANCE or entry.get("JitterStrategy", "NONE") != "NONE":
                yield f"{name} has no time of its own for want of an instance"
                continue
            if level is workflow and waited(entry) < STANDARD_SECONDS_MIN:
                yield f"{name} gives up after {waited(entry)} s"
            if level is not workflow:
                if waited(entry) < CHILD_SECONDS_MIN:
                    yield f"{name} gives up after {waited(entry)} s"
                (parent,) = [each for _, each in all_states(workflow) if each.get("ItemProcessor") is level]
                # It works for so long at most, and begins nothing then; what it began last may fail and be repeated.
                works = parent["ItemSelector"]["secondsLeft"] + state["TimeoutSeconds"]
                if waited(entry) + works + sum(map(waited, others)) > CHILD_SECONDS_MAX:
                    yield f"{name} is cut short by the end of its execution"


def every_map_is_bounded(workflow: Definition, _of: Workflow) -> Iterator[str]:
    """A map's children are short-lived executions of their own, a few at a time, and one that fails ends no other."""
    for name, state in all_states(workflow):
        if state["Type"] != "Map":
            continue
        if state["ItemProcessor"].get("ProcessorConfig") != {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}:
            yield f"{name} fills the workflow's own history"
        # None at all mean as many as there are. What is read from the input, every way to the map has put there.
        path = str(state.get("MaxConcurrencyPath", "")).removeprefix("$.")
        before = [each for _, each in all_states(workflow) if name in successors(each)]
        told = [each["Output"].get(path) if each["Type"] == "Pass" else None for each in before]
        if set(told) != {"{% $number('${BulkConcurrency}') %}"}:
            yield f"{name} has any number of children at a time"
        if state.get("ToleratedFailurePercentage") != 100:
            yield f"{name} ends all children when one fails"
        if not {"Items", "ItemsPath"} & state.keys() or "ItemSelector" not in state:
            yield f"{name} gives its children whatever comes"


def no_fault_is_hidden(workflow: Definition, of: Workflow) -> Iterator[str]:
    """Nothing is caught: a fault ends the execution as failed, which its alarm tells."""
    for name, state in all_states(workflow):
        if "Catch" in state:
            yield f"{name} hides faults"
    if of.fails is not any(state["Type"] == "Fail" for _, state in all_states(workflow)):
        yield "an escalation does not end as failed, or something else does"


@of_each_level
def every_variable_is_assigned_first(level: Definition) -> Iterator[str]:
    """On every way to a state, each `$variable` that it reads has been assigned: a lost one is silently nothing.

    What a distributed map does with an item knows nothing of the variables around it.
    """
    own = {name: set(state.get("Assign", {})) for name, state in states(level).items()}
    everything = set().union(*own.values())
    # What is surely assigned on entering: over all ways there, the least of what they have assigned.
    entering = dict.fromkeys(states(level), everything)
    entering[level["StartAt"]] = set()
    changed = True
    while changed:
        changed = False
        for name, state in states(level).items():
            for following in successors(state):
                if following in entering and entering[following] - (entering[name] | own[name]):
                    entering[following] = entering[following] & (entering[name] | own[name])
                    changed = True
    for name, state in states(level).items():
        for expression in expressions({key: value for key, value in state.items() if key != "ItemProcessor"}):
            read = set(re.findall(r"\$([A-Za-z_]\w*)(?!\w*\s*\()", re.sub(r"'[^']*'|\"[^\"]*\"", "", expression)))
            # Those that an expression itself binds.
            bound = set(re.findall(r"\$([A-Za-z_]\w*)\s*:=", expression))
            for variable in read - bound - {"states"} - entering[name]:
                yield f"{name} reads ${variable}, which nothing has assigned"


def substitutions_are_the_template_s(workflow: Definition, of: Workflow) -> Iterator[str]:
    """What the definition leaves open, the template fills in, and nothing else."""
    given = source()["Resources"][f"{of.worker}StateMachine"]["Properties"]["DefinitionSubstitutions"]
    open_ends = set(re.findall(r"\$\{(\w+)\}", json.dumps(workflow)))
    if open_ends != set(given):
        yield f"left open: {open_ends}, filled in: {set(given)}"


def data_carries_no_secrets(workflow: Definition, of: Workflow) -> Iterator[str]:
    """Ids and counters go to a task and come from it: its payload names members one by one, never the whole input."""
    for name, state in all_states(workflow):
        given = state["Arguments"].get("Payload") if state["Type"] == "Task" else state.get("ItemSelector", {})
        if not isinstance(given, dict) or {member.removesuffix(".$") for member in given} - of.payload:
            yield f"{name} is given more than ids: {given}"


RULES: tuple[Rule, ...] = (
    it_is_jsonata, every_state_leads_to_an_end, every_task_is_bounded, every_task_waits_for_an_instance,
    every_map_is_bounded, no_fault_is_hidden, every_variable_is_assigned_first, substitutions_are_the_template_s,
    data_carries_no_secrets,
)  # fmt: skip
