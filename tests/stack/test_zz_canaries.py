"""After everything else has run: no claim code and no secret key anywhere at rest. Runs last, by its name."""

import json
from typing import Any

import pytest

from tests.stack.cloud import Cloud
from tests.stack.orders import Placed

pytestmark = pytest.mark.stack


def test_no_claim_code_and_no_key_at_rest(cloud: Cloud) -> None:
    # given cards, among them one whose code came in an answer that lacked or garbled everything else
    for variant in range(4):
        order = Placed(cloud)
        order.fault("garbledCode", variant=variant, calls={"first": 1})
        order.place()
    codes = {card["claimCode"] for card in cloud.sandbox.report()["cards"]}
    assert codes
    secret = json.loads(
        cloud.client("secretsmanager").get_secret_value(SecretId=cloud.outputs.accountSecretId)["SecretString"]
    )
    canaries = codes | {code.replace("-", "") for code in codes} | {secret["secretAccessKey"]}
    # when every table, log and metric of this run is read
    places: dict[str, Any] = {
        "ledger": cloud.items(cloud.ledger),
        "pacer": cloud.items(cloud.pacer),
        "logs": cloud.logs(),
        "metrics": cloud.client("cloudwatch").list_metrics()["Metrics"],
    }
    assert len(places["ledger"]) > len(codes)
    assert any("CreateGiftCard" in line for line in places["logs"])
    # then none of them holds any
    for name, content in places.items():
        text = json.dumps(content, default=str)
        assert [canary for canary in canaries if canary in text] == [], name
