"""The workflows' definitions keep every rule, and each rule notices when it is broken."""

import copy
from collections.abc import Callable

import pytest

from tests.template import rules_workflow as rules
from tests.template.needs import FUNCTIONS
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


@pytest.mark.parametrize("of", WORKFLOWS, ids=lambda of: of.worker)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_definition_keeps(rule: Rule, of: Workflow) -> None:
    assert list(rule(definition(of), of)) == []


@pytest.mark.parametrize("of", WORKFLOWS, ids=lambda of: of.worker)
def test_definition_is_the_one_that_is_deployed(of: Workflow) -> None:
    properties = source()["Resources"][f"{of.worker}StateMachine"]["Properties"]
    assert ROOT / properties["DefinitionUri"] == of.file
    assert FUNCTIONS[of.worker].routes == ()


def _first(workflow: Definition, kind: str) -> Definition:
    return next(state for _, state in all_states(workflow) if state["Type"] == kind)


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


def _map(field: str, value: object) -> Callable[[Definition], None]:
    def break_it(workflow: Definition) -> None:
        _first(workflow, "Map")[field] = value

    return break_it


def _older_language(workflow: Definition) -> None:
    del _first(workflow, "Task")["QueryLanguage"]


def _newer_default(workflow: Definition) -> None:
    workflow["QueryLanguage"] = "JSONata"


def _inline(workflow: Definition) -> None:
    _first(workflow, "Map")["ItemProcessor"]["ProcessorConfig"] = {"Mode": "INLINE"}


def _unselected(workflow: Definition) -> None:
    del _first(workflow, "Map")["ItemSelector"]


def _dangling_child(workflow: Definition) -> None:
    _first(_first(workflow, "Map")["ItemProcessor"], "Task")["Next"] = workflow["StartAt"]


def _variable_of_the_parent(workflow: Definition) -> None:
    states(workflow)[workflow["StartAt"]]["Assign"] = {"outer": "{% $states.result.Payload.round %}"}
    _first(_first(workflow, "Map")["ItemProcessor"], "Task")["Arguments"]["Payload"]["round"] = "{% $outer %}"


def _fails_on_purpose(workflow: Definition) -> None:
    end = _first(workflow, "Succeed")
    end["Type"] = "Fail"


def _all_at_once(workflow: Definition) -> None:
    del _first(workflow, "Map")["MaxConcurrencyPath"]


def _around(workflow: Definition) -> None:
    states(workflow)["AfterWait"]["Choices"][0]["Next"] = "IssueBatches"


def _child_retry(**updates: int) -> Callable[[Definition], None]:
    def break_it(workflow: Definition) -> None:
        _first(_first(workflow, "Map")["ItemProcessor"], "Task")["Retry"][0].update(updates)

    return break_it


def _child_works(seconds: int) -> Callable[[Definition], None]:
    def break_it(workflow: Definition) -> None:
        _first(workflow, "Map")["ItemSelector"]["secondsLeft"] = seconds

    return break_it


def _impatient(workflow: Definition) -> None:
    _first(workflow, "Task")["Retry"][0]["MaxAttempts"] = 6


def _like_any_fault(workflow: Definition) -> None:
    del _first(workflow, "Task")["Retry"][0]


def _too_late(workflow: Definition) -> None:
    _first(workflow, "Task")["Retry"].reverse()


BROKEN_ORDERS: dict[str, tuple[Rule, Callable[[Definition], None]]] = {
    "JSONata in a map in JSONPath": (rules.it_is_jsonata, _map("MaxConcurrency", "{% 8 %}")),
    "a task in JSONPath": (rules.it_is_jsonata, _older_language),
    "a map in JSONPath in a workflow in JSONata": (rules.it_is_jsonata, _newer_default),
    "a way out of a child": (rules.every_next_exists, _dangling_child),
    "a variable of the parent": (rules.every_variable_is_assigned_first, _variable_of_the_parent),
    "all children at once": (rules.every_map_is_bounded, _all_at_once),
    "a way around their number": (rules.every_map_is_bounded, _around),
    "a child that waits for seconds": (rules.every_task_waits_for_an_instance, _child_retry(MaxAttempts=3)),
    "a child that waits past its end": (rules.every_task_waits_for_an_instance, _child_retry(MaxDelaySeconds=60)),
    "a child that works past its end": (rules.every_task_waits_for_an_instance, _child_works(200)),
    "one for all": (rules.every_map_is_bounded, _map("ToleratedFailurePercentage", 0)),
    "children in the history": (rules.every_map_is_bounded, _inline),
    "children given everything": (rules.every_map_is_bounded, _unselected),
    "a child given a file": (rules.data_carries_no_secrets, _map("ItemSelector", {"rows": "{% $states.input.rows %}"})),
    "an order that fails": (rules.no_fault_is_hidden, _fails_on_purpose),
}
BROKEN: dict[str, tuple[Rule, Callable[[Definition], None]]] = {
    "JSONPath": (rules.it_is_jsonata, _path),
    "a path in a value": (rules.it_is_jsonata, _path_in_a_value),
    "no language": (rules.it_is_jsonata, _other_language),
    "a dangling Next": (rules.every_next_exists, _dangling),
    "an island": (rules.every_state_is_reachable, _island),
    "a circle": (rules.every_state_is_reachable, _circle),
    "no Default": (rules.every_state_leads_on, _no_default),
    "two ways on": (rules.every_state_leads_on, _two_ways),
    "no time-out": (rules.every_task_is_bounded, _no_timeout),
    "no retry": (rules.every_task_is_bounded, _no_retry),
    "no end": (rules.every_task_is_bounded, _endless),
    "seconds for an instance": (rules.every_task_waits_for_an_instance, _impatient),
    "no time for an instance": (rules.every_task_waits_for_an_instance, _like_any_fault),
    "an instance after all else": (rules.every_task_waits_for_an_instance, _too_late),
    "a Catch": (rules.no_fault_is_hidden, _catch),
    "an unassigned variable": (rules.every_variable_is_assigned_first, _unassigned),
    "a variable assigned on one way only": (rules.every_variable_is_assigned_first, _assigned_on_one_way_only),
    "an open end": (rules.substitutions_are_the_template_s, _unfilled),
    "the whole input": (rules.data_carries_no_secrets, _all_input),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rule_is_noticed(name: str) -> None:
    rule, break_it = BROKEN[name]
    workflow = copy.deepcopy(definition())
    break_it(workflow)
    assert list(rule(workflow, RECOVERY))


@pytest.mark.parametrize("name", BROKEN_ORDERS)
def test_broken_rule_of_orders_is_noticed(name: str) -> None:
    rule, break_it = BROKEN_ORDERS[name]
    workflow = copy.deepcopy(definition(ORDERS))
    break_it(workflow)
    assert list(rule(workflow, ORDERS))


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _ in (BROKEN | BROKEN_ORDERS).values()} == set(RULES)
