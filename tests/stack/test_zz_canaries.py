"""After all that a cloud's tests did: no claim code, card number, customer or secret key at rest.

Runs last, by its name. Where tests are shared out to several processes there are two clouds (tests/conftest.py), each
of which is looked at after its own tests; one process has one cloud.
"""

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from local.settings import RefusedError
from tests.stack.books import Books, midday, new_books
from tests.stack.cloud import Cloud
from tests.stack.orders import ORDER, Placed, wait_until
from tests.stack.places import put_marks, read_places

pytestmark = pytest.mark.stack

CLOUDS = ("first cloud", "second cloud")

#: Shorter ids, and numbers of one or two digits over and over, were made up at random; they are found in anything.
LENGTH_MIN = 15
DIFFERENT_MIN = 3

#: What most of them are part of. Places say the same over and over: each such text is looked through once.
WORD = re.compile(r"[a-z0-9._+/=-]{12,}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Once for each cloud."""
    clouds = CLOUDS if hasattr(metafunc.config, "workerinput") else CLOUDS[:1]
    metafunc.parametrize("left_behind", clouds, indirect=True, scope="module")


@dataclass(frozen=True)
class Place:
    """What one place holds, in small letters.

    Attributes:
        words: each word of it once.
    """

    text: str
    words: str

    def holds(self, canary: str) -> bool:
        """Whether it is anywhere in it, in any case of letters."""
        small = canary.lower()
        return small in (self.words if WORD.fullmatch(small) else self.text)


@pytest.fixture(scope="module")
def left_behind(cloud: Cloud) -> dict[str, Place]:
    """What every place holds after a card, an activation and a load that went well, and answers that did not.

    And after the books of that day were judged, and statements uploaded: one with claim codes, and one as it must be.
    """
    # Among them codes that came in a response that lacked or garbled everything else.
    garbled = [Placed(cloud) for _ in range(4)]
    for variant, each in enumerate(garbled):
        each.fault("garbledCode", variant=variant, calls={"first": 1})
    with ThreadPoolExecutor(len(garbled)) as pool:
        list(pool.map(Placed.place, garbled))
    number = f"6{uuid.uuid4().int % 10**18:018d}"
    cloud.sandbox.post("cards", {"cardNumber": number, "denomination": None})
    key = uuid.uuid4().hex
    with new_books(cloud) as books:
        order = {**ORDER, "account": books.account}
        issued = cloud.call("POST", "/gift-cards", order, key=f"{key}-card")
        assert issued.status == 201, issued.text
        activated = cloud.call("POST", "/activations", {**order, "cardNumber": number}, key=f"{key}-activation")
        assert activated.status == 201, activated.text
        customer = {"id": f"amzn1.account.{key}", "type": "2"}
        loaded = cloud.call("POST", "/balance-loads", {**order, "customerAccount": customer}, key=f"{key}-load")
        assert loaded.status == 201, loaded.text
        cloud.set_wait_scale(0.1)
        _keep_books(books, issued.body["requestId"])
        cloud.set_wait_scale(1)
    mark = f"canary-{key}"
    marks = put_marks(cloud, mark)
    told = [response.body["requestId"] for response in (activated, loaded)]
    # Streams, queues and workflows take their time.
    wait_until(lambda: all(each in json.dumps(cloud.events()) for each in told), "the ends are told on the bus")
    wait_until(lambda: marks["events"][0] in json.dumps(cloud.events()), "the mark is on the bus")
    wait_until(lambda: marks["notices"][0] in json.dumps(cloud.notices()), "the mark is told")
    found = {name: as_place(text) for name, text in read_places(cloud).items()}
    # Every place is really read, in the way that canaries are looked for: what was put there is found there.
    assert {name: [each for each in wanted if not found[name].holds(each)] for name, wanted in marks.items()} == {
        name: [] for name in marks
    }
    return found


def _keep_books(books: Books, request_id: str) -> None:
    """Judge today by the page, which shows card numbers; and yesterday by a statement, after one with claim codes."""
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    books.balance(midday(yesterday), Decimal("1000.00"))
    assert books.judged(today)["charges"]["count"] == 3
    (code,) = (each["claimCode"] for each in books.cloud.sandbox.report()["cards"] if each["requestId"] == request_id)
    head = "requestId,activityTime,type,status,amount,currencyCode"
    row = f"{books.own.partner}PORTAL,{yesterday}T12:00:00Z,GCCreation,Success,25.00,USD"
    with pytest.raises(RefusedError, match="Claim Code is not a column"):
        books.upload(yesterday, f"{head},Claim Code\n{row},{code}\n".encode())
    books.upload(yesterday, f"{head}\n{row}\n".encode())
    assert books.ended(yesterday)["source"] == "statement"


def as_place(text: str) -> Place:
    return Place(text, "\n".join({*WORD.findall(text)}))


def places_of(canaries: set[str], left_behind: dict[str, Place], *, but: str = "") -> dict[str, list[str]]:
    assert canaries
    found = {
        name: [canary for canary in sorted(canaries) if place.holds(canary)]
        for name, place in left_behind.items()
        if name != but
    }
    return {name: each for name, each in found.items() if each}


def test_no_claim_code_at_rest(cloud: Cloud, left_behind: dict[str, Place]) -> None:
    codes = {card["claimCode"] for card in cloud.sandbox.report()["cards"]}
    assert places_of(codes | {code.replace("-", "") for code in codes}, left_behind) == {}


def test_no_card_number_and_no_customer_at_rest(cloud: Cloud, left_behind: dict[str, Place]) -> None:
    report = cloud.sandbox.report()
    numbers = {each["cardNumber"] for each in report["activations"]}
    customers = {each["customer"]["id"] for each in report["loads"]}
    canaries = {each for each in numbers | customers if len(each) >= LENGTH_MIN and len({*each}) >= DIFFERENT_MIN}
    assert places_of(canaries, left_behind) == {}
    # nor grouped
    plain = {name: re.sub(r"(?<=[0-9])[ -](?=[0-9]{4})", "", place.text) for name, place in left_behind.items()}
    assert places_of(numbers & canaries, {name: as_place(text) for name, text in plain.items()}) == {}
    # but masked and encrypted
    items = cloud.items(cloud.ledger)
    assert [number for number in numbers if "*" * 15 + number[-4:] not in left_behind["tables"].text] == []
    assert len([item for item in items if "sealed" in item]) >= len(numbers)


def test_no_secret_key_at_rest_but_in_secrets_manager(cloud: Cloud, left_behind: dict[str, Place]) -> None:
    canaries = set(_secret_keys(cloud))
    assert json.loads(_current(cloud))["secretAccessKey"] in canaries
    # The emulator's files are its Secrets Manager's, too.
    assert places_of(canaries, left_behind, but="files") == {}
    callers = {cloud.developer.secret_access_key, cloud.invoker.secret_access_key}
    assert places_of(callers, left_behind, but="files") == {}


def _secret_keys(cloud: Cloud) -> Any:
    """Of all accounts, all versions that are left: those in use, on trial, and before."""
    secrets = cloud.client("secretsmanager")
    for page in secrets.get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            versions = secrets.list_secret_version_ids(SecretId=secret["ARN"], IncludeDeprecated=True)["Versions"]
            for version in versions:
                value = secrets.get_secret_value(SecretId=secret["ARN"], VersionId=version["VersionId"])
                try:
                    yield json.loads(value.get("SecretString") or "{}")["secretAccessKey"]
                except (ValueError, LookupError, TypeError):
                    # Tests put secrets that are none.
                    continue


def _current(cloud: Cloud) -> str:
    text: str = cloud.client("secretsmanager").get_secret_value(SecretId=cloud.outputs.accountSecretId)["SecretString"]
    return text
