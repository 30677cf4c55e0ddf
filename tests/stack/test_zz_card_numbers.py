"""After everything else has run: no card number and no customer's id at rest, but masked. Runs last, by its name."""

import json
import re
from typing import Any

import pytest

from tests.stack.cloud import Cloud

pytestmark = pytest.mark.stack

#: Shorter ids, and numbers of one or two digits over and over, were made up at random; they are found in anything.
LENGTH_MIN = 15
DIFFERENT_MIN = 3


def test_no_card_number_and_no_customer_at_rest(cloud: Cloud) -> None:
    # given every card and customer of this run
    report = cloud.sandbox.report()
    numbers = {each["cardNumber"] for each in report["activations"]}
    customers = {each["customer"]["id"] for each in report["loads"]}
    canaries = {each for each in numbers | customers if len(each) >= LENGTH_MIN and len({*each}) >= DIFFERENT_MIN}
    if not numbers or not customers:
        pytest.skip("needs the tests of activations and loads")
    # when every table, log, metric, event, workflow and mail of this run is read
    places: dict[str, Any] = {
        "ledger": cloud.items(cloud.ledger),
        "pacer": cloud.items(cloud.pacer),
        "logs": cloud.logs(),
        "metrics": cloud.client("cloudwatch").list_metrics()["Metrics"],
        "events": cloud.events(),
        "workflows": [cloud.history(each["executionArn"]) for each in cloud.executions()[:20]],
        "mails": cloud.mails(),
        "notices": cloud.notices(),
    }
    assert any("ActivateGiftCard" in line for line in places["logs"])
    ledger = json.dumps(places["ledger"], default=str)
    # then the ledger has them masked and sealed
    for number in numbers:
        assert "*" * 15 + number[-4:] in ledger
    assert len([item for item in places["ledger"] if "sealed" in item]) >= len(numbers)
    # and no place has any in the clear, neither as it is nor grouped
    for name, content in places.items():
        text = json.dumps(content, default=str)
        assert [canary for canary in canaries if canary in text] == [], name
        digits = re.sub(r"(?<=[0-9])[ -](?=[0-9]{4})", "", text)
        assert [number for number in numbers & canaries if number in digits] == [], name
