"""A key that Amazon refuses, on the local cloud: 503; and once it is mended, one card under the same key."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import pytest

from local import keys
from local.signing import Response
from tests.stack.cloud import Cloud
from tests.stack.orders import ORDER, OwnAccount, wait_until

pytestmark = pytest.mark.stack

#: Who repeats an order at the same time.
REPEATS: Final = 10


class Broken(OwnAccount):
    """An account whose key Amazon refuses until it is mended."""

    @property
    def good(self) -> keys.AccountKeys:
        return self.key("GOOD")

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
    broken.put(replace(broken.good, access_key_id=f"{broken.mark[:8]}GONE"))


#: How the key is refused, and with it in which form Amazon says so.
FORMS: Final[Mapping[str, Callable[[Broken], None]]] = {
    "a signature told as F200": wrong_secret,
    "an unknown key": unknown_key,
}


@pytest.fixture(params=FORMS)
def broken(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[Broken]:
    made = Broken(cloud)
    with made.at_amazon(made.good):
        FORMS[request.param](made)
        yield made


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
