"""Each rule of the protocol, taken out: the history that it is for then goes wrong.

A row of the tables names a rule, the function that holds it, the words in that function to take out, and what stands
there instead. The history holds as the code is, and fails once the words are gone; so a rule that is lost is noticed,
and a row whose words have changed must be looked at again.
"""

from __future__ import annotations

import inspect
import re

import pytest

from incentives.domain.errors import GatewayError
from tests.unit import (
    histories_of_recovery,
    histories_of_sending,
    histories_of_the_activity,
    rules_of_recovery,
    rules_of_sending,
)
from tests.unit.rules import Rule

RULES = [*rules_of_sending.RULES, *rules_of_recovery.RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.says)
def test_without_the_rule_its_history_goes_wrong(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    rule.history()

    # Everybody who has imported the function has this one.
    monkeypatch.setattr(rule.where, "__code__", rule.taken_out())
    with pytest.raises((AssertionError, GatewayError, ValueError)):
        rule.history()


def test_every_history_is_some_rules() -> None:
    used = {rule.history for rule in RULES}
    told = {
        each
        for module in (histories_of_sending, histories_of_recovery, histories_of_the_activity)
        for each in vars(module).values()
        if inspect.isfunction(each) and each.__module__ == module.__name__ and not inspect.signature(each).parameters
    }

    assert told == used


def test_every_chapter_of_the_protocol_has_its_rules() -> None:
    chapters = {int(number) for rule in RULES for number in re.findall(r"^\d+|(?<=^\d, )\d+", rule.says)}

    assert chapters == set(range(1, 11))
