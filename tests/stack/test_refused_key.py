"""A key that Amazon refuses, on the local cloud: 503, a paused order; and once it is mended, the same keys and rows."""

import csv
import io
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from local import keys
from local.signing import Response, send
from tests.stack.cloud import Cloud
from tests.stack.orders import ORDER, PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.stack

#: Who repeats an order at the same time.
REPEATS: Final = 10
ROWS: Final = 12


@dataclass(frozen=True)
class Broken:
    """An account of its own, whose key Amazon refuses until it is mended."""

    cloud: Cloud
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def account(self) -> str:
        return f"broken-{self.mark[:8]}"

    @property
    def partner(self) -> str:
        return f"B{self.mark[:4]}"

    @property
    def good(self) -> keys.AccountKeys:
        return keys.AccountKeys(self.partner, "US", f"{self.mark[:8]}GOOD", f"dummy-good-{self.mark}")

    def put(self, key: keys.AccountKeys) -> None:
        secret_id = self.cloud.outputs.accountSecretId.removesuffix(f"/{self.cloud.outputs.accountName}")
        keys.put(self.cloud.client("secretsmanager"), f"{secret_id}/{self.account}", key, datetime.now(UTC))

    def mend(self) -> None:
        self.put(self.good)

    def order(self, key: str) -> Response:
        return self.cloud.call("POST", "/gift-cards", {**ORDER, "account": self.account}, key=key)

    def cards(self) -> list[dict[str, Any]]:
        return [card for card in self.cloud.sandbox.report()["cards"] if card["requestId"].startswith(self.partner)]

    def records(self) -> list[dict[str, Any]]:
        return [
            item
            for item in self.cloud.items(self.cloud.ledger)
            if item.get("account") == self.account and "status" in item
        ]


def wrong_secret(broken: Broken) -> None:
    """Half of the secret key was pasted: no signature matches. Amazon's own error page calls that an F200."""
    broken.cloud.sandbox.post("options", {"wrongSignature": "GeneralError"})
    broken.put(replace(broken.good, secret_access_key=broken.good.secret_access_key[:-1]))


def unknown_key(broken: Broken) -> None:
    """The key was deactivated in the portal."""
    broken.put(replace(broken.good, access_key_id=f"{broken.mark[:8]}GONE"))


#: How the key is refused, and with it in which form Amazon says so.
FORMS: Final[Mapping[str, Callable[[Broken], None]]] = {
    "a signature told as F200": wrong_secret,
    "an unknown key": unknown_key,
}


@pytest.fixture(params=FORMS)
def broken(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[Broken]:
    before = cloud.sandbox.get("options")["wrongSignature"]
    made = Broken(cloud)
    cloud.sandbox.post(
        "accounts",
        {
            "partnerId": made.partner,
            "accessKeyId": made.good.access_key_id,
            "secretAccessKey": made.good.secret_access_key,
            "currencies": ["USD"],
        },
    )
    FORMS[request.param](made)
    yield made
    cloud.sandbox.post("options", {"wrongSignature": before})


def test_the_same_key_issues_one_card_once_the_accounts_key_is_mended(broken: Broken) -> None:
    key = f"order-{broken.mark}"
    # given an order that is refused for its account's key, as often as it is repeated meanwhile
    for _ in range(2):
        refused = broken.order(key)
        assert refused.status == 503, refused.text
        assert (refused.body["errorType"], refused.body["retryable"]) == ("AccountKeyRefused", True)
        assert "Nothing was charged" in refused.body["detail"]
        assert "same Idempotency-Key" in refused.body["detail"]
        assert int(refused.headers["retry-after"]) > 0
    assert broken.cards() == []
    first = refused.body["requestId"]

    # when the key is mended, and many repeat the order at once
    broken.mend()
    with ThreadPoolExecutor(REPEATS) as pool:
        responses = list(pool.map(broken.order, [key] * REPEATS))

    # then there is one card, for whoever asks under whatever id
    assert {response.status for response in responses} <= {200, 201, 202}, [response.text for response in responses]
    wait_until(lambda: broken.order(key).status == 200, "it is issued")
    (card,) = broken.cards()
    repeat = broken.order(key)
    assert (repeat.status, repeat.body["gcClaimCode"]) == (200, card["claimCode"])
    assert broken.cloud.call("GET", f"/gift-cards/{first}").body["requestId"] == card["requestId"]
    assert sorted(record["status"] for record in broken.records()) == ["REFUSED", "REFUSED", "SUCCEEDED"]


@pytest.mark.parametrize("broken", ["a signature told as F200"], indirect=True)
def test_it_is_one_card_also_if_functions_die_while_the_order_is_repeated(broken: Broken) -> None:
    key, cloud = f"order-{broken.mark}", broken.cloud
    function = cloud.outputs.functionNames["CreateGiftCard"]
    # given an order that was refused for its account's key, which is mended
    assert broken.order(key).status == 503
    broken.mend()

    # when many repeat it, while the functions that issue it are killed wherever they are
    killed = 0
    with ThreadPoolExecutor(REPEATS) as pool:
        repeats = [pool.submit(broken.order, key) for _ in range(3 * REPEATS)]
        while not all(repeat.done() for repeat in repeats):
            for process in cloud.lambda_processes(function)[:2]:
                process.kill()
                killed += 1
            time.sleep(0.1)

    # then none is told that it failed, and there is one card
    assert killed > 0
    assert {repeat.result().status for repeat in repeats} <= {200, 201, 202, 500, 502, 503, 504}
    wait_until(lambda: broken.order(key).status == 200, "it is issued")
    (card,) = broken.cards()
    assert broken.order(key).body["gcClaimCode"] == card["claimCode"]
    assert [record["status"] for record in broken.records()].count("SUCCEEDED") == 1


@pytest.mark.parametrize("broken", ["a signature told as F200"], indirect=True)
def test_the_same_rows_are_issued_once_the_accounts_key_is_mended(broken: Broken) -> None:
    cloud = broken.cloud
    made = cloud.call("POST", "/orders", {"format": "csv", "account": broken.account}, key=f"bulk-{broken.mark}")
    assert made.status == 201, made.text
    route, upload = f"/orders/{made.body['orderId']}", made.body["upload"]
    lines = ["key,amount,currency,reference", *(f"row-{n},{1 + n}.50,USD," for n in range(ROWS)), ""]
    put = send(
        upload["method"], upload["url"], caller=None, region="", body="\n".join(lines).encode(),
        headers=upload["headers"],
    )  # fmt: skip
    assert put.status == 200
    # given an order that is paused at its first row, and again if it is resumed too early
    assert cloud.call("POST", f"{route}/start").status == 202
    paused = wait_for(cloud, route, "PAUSED")
    assert paused["counts"] == {**dict.fromkeys(paused["counts"], 0), "waiting": ROWS}
    assert "access key" in paused["pauseReason"]
    assert cloud.call("POST", f"{route}/resume").status == 202
    wait_for(cloud, route, "PAUSED")
    assert broken.cards() == []

    # when the key is mended, and the order resumed by many at once
    broken.mend()
    with ThreadPoolExecutor(REPEATS) as pool:
        told = list(pool.map(lambda _: resume(cloud, route), range(REPEATS)))

    # then every row is issued once, and the order says so
    assert {response.status for response in told} <= {200, 202, 409}, [response.text for response in told]
    finished = wait_for(cloud, route, "FINISHED")
    assert finished["counts"] == {**dict.fromkeys(finished["counts"], 0), "issued": ROWS}
    rows = list(csv.DictReader(io.StringIO(send("GET", finished["result"]["url"], caller=None, region="").text)))
    assert {(row["outcome"], row["errorType"]) for row in rows} == {("issued", "")}
    charged = {card["requestId"]: card["gcId"] for card in broken.cards()}
    assert {row["requestId"]: row["gcId"] for row in rows} == charged
    assert len(charged) == ROWS
    assert broken.mark not in json.dumps([cloud.notices(), cloud.events()])


def resume(cloud: Cloud, route: str) -> Response:
    """Ask until it is answered: of many who ask at once, some are told to repeat the call."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (response := cloud.call("POST", f"{route}/resume")).status == 503:
        assert response.body["retryable"]
        assert time.monotonic() < end, response.text
        time.sleep(0.3)
    return response


def wait_for(cloud: Cloud, route: str, status: str) -> dict[str, Any]:
    """Read an order until it has come to a state; return it as it then is."""
    end = time.monotonic() + 2 * PATIENCE_SECONDS
    while (order := cloud.call("GET", route).body)["status"] != status:
        assert time.monotonic() < end, f"waited in vain for {status}: {order}"
        time.sleep(0.3)
    return dict(order)
