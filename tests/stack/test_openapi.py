"""The deployed API held against docs/openapi.json by schemathesis: it makes up the requests and judges the responses.

Requests are signed as any caller signs them. What is made up is bounded and the same in every run.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from requests_aws4auth import AWS4Auth
from schemathesis.checks import CheckContext, load_all_checks
from schemathesis.core.failures import Failure
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.openapi.contract import closed, committed, operations
from tests.stack.cloud import Cloud
from tests.stack.orders import ORDER, Placed

pytestmark = [pytest.mark.stack, pytest.mark.slow]

#: Requests made up for each operation, as documented and otherwise: together they keep within the time of this file.
GOOD_REQUESTS = 8
BAD_REQUESTS = 6

#: What these do well takes an open or escalated request, an order that waits for a second person, or all the time that
#: a function has; it is tested by itself.
ONLY_REFUSED = {
    *("startRecovery", "getCaseFile", "deactivateGiftCard", "voidAmazonBalanceLoad"),
    *("pauseOrder", "resumeOrder", "approveOrder", "rejectOrder"),
}

Json = dict[str, Any]


def no_fault(_context: CheckContext, response: Any, case: Any) -> None:
    """No 5xx, but for an account without keys, and for Amazon's activity being asked too often: both say so."""
    if response.status_code < 500:
        return
    problem = response.json()
    errors = [each["field"] for each in problem.get("errors", [])]
    if response.status_code == 503 and problem["errorType"] == "AccountUnusable" and errors == ["account"]:
        return
    if response.status_code == 503 and case.operation.path == "/activity" and "retry-after" in response.headers:
        return
    raise Failure(operation=case.operation.label, title="A fault", message=response.content.decode())


def signature_taken(_context: CheckContext, response: Any, case: Any) -> None:
    """A request that the gateway does not let in proves nothing."""
    if response.status_code == 403 and response.json().get("type") in {None, "about:blank"}:
        raise Failure(operation=case.operation.label, title="Not let in", message=response.content.decode())


CHECKS = [
    no_fault,
    signature_taken,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass
class Api:
    """The deployed API, and what it answered.

    Attributes:
        seeds: real request ids, and an order's, by the first segment of their route.
        statuses: how often each status came, by operationId.
    """

    cloud: Cloud
    session: requests.Session
    seeds: Mapping[str, str]
    statuses: dict[str, Counter[int]] = field(default_factory=dict)

    def judge(self, document: Json, operation_id: str, mode: GenerationMode, examples: int) -> None:
        """Send made-up requests of one operation. Raises schemathesis' failures."""
        ((method, path),) = [(m, p) for m, p, each in operations(document) if each["operationId"] == operation_id]
        operation = schemathesis.openapi.from_dict(document)[path][method]
        # The key is this test's own: what is made up for headers may not even survive HTTP.
        keys = {"Idempotency-Key": f"made-up-{operation_id}"} if "Idempotency-Key" in str(operation.headers) else {}
        seen = self.statuses.setdefault(operation_id, Counter())
        # Amazon's activity may be asked once a minute, and another test, or a recovery, may have asked.
        self.cloud.rate_limiter.update_item(
            Key={"id": self.cloud.outputs.accountName}, UpdateExpression="REMOVE activityTat"
        )

        @settings(
            max_examples=examples,
            database=None,
            derandomize=True,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            # The emulator's policies match no line feed, and let it in as little as they should.
            assume("%0A" not in str(case.path_parameters))
            # A key of its own for each: repeats have tests of their own.
            case.headers = {name: f"{key}-{mode.value}-{sum(seen.values())}" for name, key in keys.items()}
            response = case.call(base_url=self.cloud.outputs.apiUrl, session=self.session, timeout=35)
            seen[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        send()


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Iterator[Api]:
    load_all_checks()
    limits = {"perSecond": 10, "fundsPerSecond": 1, "activityPerMinute": 1}
    # Our own pace is what protects Amazon; what Amazon does about it is tested elsewhere.
    cloud.sandbox.post("throttle", dict.fromkeys(limits))
    order = Placed(cloud)
    assert order.place().status == 201
    card = {**ORDER, "cardNumber": "6006490000000004321"}
    activated = cloud.call("POST", "/activations", card, key=order.key + "a")
    load = {**ORDER, "customerAccount": {"id": "amzn1.account.MADEUP", "type": "2"}}
    loaded = cloud.call("POST", "/balance-loads", load, key=order.key + "l")
    bulk = cloud.call("POST", "/orders", {"format": "csv"}, key=order.key + "b")
    seeds = {
        "gift-cards": order.request_id,
        "orders": bulk.body["orderId"],
        "activations": activated.body["requestId"],
        "balance-loads": loaded.body["requestId"],
        "requests": order.request_id,
    }
    with requests.Session() as session:
        session.trust_env = False
        invoker = cloud.invoker
        session.auth = AWS4Auth(invoker.access_key_id, invoker.secret_access_key, cloud.outputs.region, "execute-api")
        yield Api(cloud, session, seeds)
    cloud.sandbox.post("throttle", limits)


def narrowed(seeds: Mapping[str, str]) -> Json:
    """The document with requests that have a chance: known ids, the account's currency, amounts of a card."""
    document = closed(committed())
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Body"):
            _narrow_members(schema["properties"])
    document["components"]["schemas"]["CustomerAccount"]["properties"]["type"] = {"enum": ["1", "2"]}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            parameters = operation.get("parameters", [])
            parameters[:] = [_narrowed_parameter(each, path, operation, seeds) for each in parameters]
    return document


def _narrow_members(members: Json) -> None:
    if "account" in members:
        members["account"] = {"enum": ["default", None]}
    if "amount" in members and "currencyCode" in members:
        members["currencyCode"]["enum"] = ["USD"]
        members["amount"] = {
            "anyOf": [
                {"type": "string", "pattern": r"^[1-9][0-9]?\.[0-9]{2}$"},
                {"type": "integer", "minimum": 1, "maximum": 20},
            ]
        }


def _narrowed_parameter(parameter: Json, path: str, operation: Json, seeds: Mapping[str, str]) -> Json:
    match parameter:
        case {"$ref": "#/components/parameters/RequestId"}:
            own = [] if operation["operationId"] in ONLY_REFUSED else [seeds[path.split("/")[1]]]
            return _one_of("requestId", *own, seeds["gift-cards"], "Unknown1")
        case {"$ref": "#/components/parameters/OrderId"}:
            return _one_of("orderId", seeds["orders"], "A" * 26)
        case {"name": "account"}:
            return {**parameter, "schema": {"const": "default"}}
        case {"name": "from" | "to"}:
            return {**parameter, "schema": {"enum": ["2026-03-01", "2026-03-02"]}}
        case _:
            return parameter


def _one_of(name: str, *values: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"enum": [*dict.fromkeys(values)]}}


#: Those of the books take a day that was read or a month that is over: test_books.py calls each as it is deployed, and
#: tests/openapi sends made-up requests to the same functions.
OPERATIONS = [
    operation["operationId"]
    for _, path, operation in operations(committed())
    if not path.startswith(("/reconciliations", "/closes"))
]


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_documented_requests_are_answered_as_documented(api: Api, operation_id: str) -> None:
    api.judge(narrowed(api.seeds), operation_id, GenerationMode.POSITIVE, GOOD_REQUESTS)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_other_requests_are_refused_as_documented(api: Api, operation_id: str) -> None:
    api.judge(closed(committed()), operation_id, GenerationMode.NEGATIVE, BAD_REQUESTS)


def test_the_requests_reached_what_they_were_made_for(api: Api) -> None:
    # given what the tests above were answered
    if api.statuses.keys() < set(OPERATIONS):
        pytest.skip("needs the whole file")
    # then every operation has done something, and refused something
    for operation_id, seen in api.statuses.items():
        assert min(seen) < 300 or operation_id in ONLY_REFUSED, f"{operation_id}: {seen}"
        assert max(seen) >= 400, f"{operation_id}: {seen}"
