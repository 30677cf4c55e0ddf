"""Whatever a queue, a stream, a workflow, a schedule or an operator hands over: nothing is sent that should not be.

Unlike the API's functions these may raise: the queue, the stream and the workflow then deliver again, and set aside
what never succeeds. What they may not do is send for a request or an order that is not the one meant, tell what is
secret, or be stopped for good by one bad record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incentives.bootstrap import container
from incentives.aws.keys.key_versions import SecretsManagerVersions
from incentives.aws.single_requests.record_items import encode_record
from incentives.domain.events import Event
from incentives.domain.single_requests.record import Status
from incentives.usecases.accounts.dependencies import WatchDependencies
from incentives.usecases.keys.dependencies import KeyDependencies
from tests.openapi.served import handler_of
from tests.support.books_world import kept
from tests.support.bulk import Bulk, bulk, rows_of
from tests.support.fakes import CODE, World, world
from tests.unit.builders import record
from tests.unit.queued import waiting
from tests.unit.watching import Company

fuzzed = settings(max_examples=80, deadline=None, derandomize=True, database=None)

SECRETS: Final = (CODE, "not-a-real-secret")
TEXTS: Final = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", "\x00", "\ud800", "UNKNOWN", "A" * 3000, "../x", "NaN", "[" * 3000, "default", "-1", "1e9"]),
)
VALUES: Final = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.just(10**30), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
#: What a function may raise of itself at an input that is none: by classes, whose words name no secret.
REFUSALS: Final = (ValueError, LookupError, TypeError, AttributeError, OverflowError, ArithmeticError)


class Bus:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def publish(self, events: Sequence[Event]) -> None:
        self.events += events


@dataclass
class Stage:
    """The functions that no route calls, with everything outside replaced by fakes."""

    world: World
    bulk: Bulk
    bus: Bus
    raised: list[str] = field(default_factory=list)

    def call(self, function: str, event: object) -> Any:
        budget = self.world.budget()
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: int(budget.seconds_left() * 1000))
        try:
            return handler_of(function)(event, context)  # type: ignore[arg-type]
        except REFUSALS as error:
            self.raised.append(str(error))
            return error

    def nothing_is_told(self) -> None:
        told = self.world.notifier
        # Lambda writes what is raised to the function's log.
        said = repr((self.world.telemetry.lines, self.raised, told.notices, told.mails, self.bus.events))
        assert not any(secret in said for secret in SECRETS)


class NoSecrets:
    """Secrets Manager without any secret; nobody may even ask for what can be no account's."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def describe_secret(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked["SecretId"])
        return {}


@contextmanager
def stage(of: World | None = None, company: Company | None = None) -> Iterator[Stage]:
    found = company.world if company else of or world()
    orders, bus = bulk(found), Bus()
    watch = (company or Company(world=found)).watch
    parts: dict[str, Any] = {
        "settings": SimpleNamespace(default_account="default", support_address=None),
        "telemetry": found.telemetry,
        "dependencies": found.dependencies,
        "order_dependencies": orders.dependencies,
        "bus": bus,
        "watch_dependencies": WatchDependencies(
            dependencies=found.dependencies, states=watch.states, bus=bus, limits=watch.limits
        ),
        "books_dependencies": kept(found).here,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in parts.items():
            patch.setitem(vars(container), name, value)
        yield Stage(found, orders, bus)


# ---- the backlog --------------------------------------------------------------------------------

MESSAGES: Final = st.one_of(
    TEXTS,
    VALUES.map(json.dumps),
    st.fixed_dictionaries({"requestId": VALUES}).map(json.dumps),
    st.fixed_dictionaries({"requestId": TEXTS, "account": VALUES}).map(json.dumps),
)


@fuzzed
@given(messages=st.lists(st.one_of(MESSAGES.map(lambda body: {"body": body}), VALUES), min_size=1, max_size=3))
def test_a_message_that_names_no_request_of_ours_sends_nothing(messages: list[Any]) -> None:
    # given a request in the backlog that no message names
    with stage(waiting()) as here:
        # when others come out, or what is no message
        here.call("issue_queued", {"Records": messages})
        # then it is not sent, and neither is anything else
        assert here.world.amazon.sent == []
        here.nothing_is_told()


def test_the_message_of_a_request_sends_it() -> None:
    with stage(waiting()) as here:
        (request_id,) = here.world.ledger.records
        here.call("issue_queued", {"Records": [{"body": json.dumps({"requestId": request_id})}]})
        assert here.world.amazon.names == ["CreateGiftCard"]
        here.nothing_is_told()


# ---- the ledger's stream ------------------------------------------------------------------------

IMAGE: Final = encode_record(record(Status.SUCCEEDED, in_flight=False, answered_at=record().created_at, wake_at=None))
ATTRIBUTES: Final = st.one_of(
    VALUES,
    st.sampled_from(["S", "N", "BOOL", "M", "L", "NULL"]).flatmap(
        lambda kind: st.one_of(VALUES, TEXTS).map(lambda value: {kind: value})
    ),
)


@st.composite
def stream_records(draw: st.DrawFn) -> Any:
    """A record of the stream: as it should be but for an attribute or two, or nothing like one."""
    if draw(st.integers(0, 4)) == 0:
        return {"dynamodb": draw(st.one_of(st.none(), st.dictionaries(TEXTS, VALUES, max_size=3)))}
    images = {
        name: {**IMAGE, **draw(st.dictionaries(st.sampled_from([*sorted(IMAGE), "new"]), ATTRIBUTES, max_size=2))}
        for name in draw(st.sets(st.sampled_from(["NewImage", "OldImage"])))
    }
    return {"dynamodb": {"SequenceNumber": str(draw(st.integers(1, 10**20))), **images}}


@pytest.mark.parametrize("function", ["publish_events", "count_spend"])
@fuzzed
@given(records=st.lists(stream_records(), max_size=3))
def test_a_record_that_cannot_be_read_is_named_and_stops_nothing(function: str, records: list[Any]) -> None:
    with stage() as here:
        # when the stream holds whatever it holds
        response = here.call(function, {"Records": records})
        # then the function says from where it has to come again, and has never raised
        assert not isinstance(response, Exception), response
        assert response.keys() == {"batchItemFailures"}
        numbers = {str(each["dynamodb"].get("SequenceNumber", "")) for each in records if each["dynamodb"]} | {""}
        assert {each["itemIdentifier"] for each in response["batchItemFailures"]} <= numbers
        # and Amazon was not asked
        assert here.world.amazon.sent == []
        here.nothing_is_told()


def test_a_good_record_of_the_stream_is_told() -> None:
    with stage() as here:
        before = encode_record(replace(record(), in_flight=True))
        images = {"OldImage": before, "NewImage": IMAGE, "SequenceNumber": "1"}
        assert here.call("publish_events", {"Records": [{"dynamodb": images}]}) == {"batchItemFailures": []}
        assert [event.type for event in here.bus.events] == ["GiftCardIssued"]


# ---- the workflows ------------------------------------------------------------------------------

#: Of a request that nobody has taken over yet.
EPOCH: Final = waiting().ledger.records.popitem()[1].epoch
TASKS: Final = st.one_of(
    st.sampled_from(["Look", "Repeat", "Reverse", "Probe", "Settle", "Reissue", "Escalate", "Mail", "Done", "Issue"]),
    TEXTS,
)
NUMBERS: Final = st.one_of(st.integers(), VALUES)


@fuzzed
@given(
    task=TASKS,
    epoch=NUMBERS.filter(lambda given_: not isinstance(given_, float | str) and given_ != EPOCH),
    known=st.booleans(),
    missing=st.sets(st.sampled_from(["task", "requestId", "epoch"])),
    other_id=VALUES,
)
def test_a_task_of_another_epoch_or_request_sends_nothing(
    task: str, epoch: Any, known: bool, missing: set[str], other_id: Any
) -> None:
    # given an open request in its first epoch
    with stage(waiting()) as here:
        (request_id,) = here.world.ledger.records
        writes = here.world.ledger.writes
        event = {"task": task, "requestId": request_id if known else other_id, "epoch": epoch}
        # when the workflow asks for a task of another one
        here.call("recover_request", {name: value for name, value in event.items() if name not in missing})
        # then nothing is sent and nothing is written
        assert here.world.amazon.sent == []
        assert here.world.ledger.writes == writes
        here.nothing_is_told()


def test_a_task_of_its_own_epoch_sends() -> None:
    with stage(waiting()) as here:
        (kept,) = here.world.ledger.records.values()
        here.call("recover_request", {"task": "Repeat", "requestId": kept.request_id, "epoch": EPOCH})
        assert here.world.amazon.names == ["CreateGiftCard"]
        here.nothing_is_told()


@fuzzed
@given(
    task=st.one_of(st.sampled_from(["Check", "Validate", "Issue", "Settle", "Done"]), TEXTS),
    round_=NUMBERS.filter(lambda given_: not isinstance(given_, float | str) and given_ != 1),
    members=st.dictionaries(st.sampled_from(["done", "settled", "waited", "batch", "secondsLeft"]), VALUES),
    missing=st.sets(st.sampled_from(["orderId", "round", "done", "batch", "secondsLeft"]), max_size=2),
)
def test_a_task_of_another_round_of_an_order_issues_nothing(
    task: str, round_: Any, members: dict[str, Any], missing: set[str]
) -> None:
    # given a bulk order in its first round, all its rows to be issued
    with stage() as here:
        order_id = _issuing(here)
        # when the workflow asks for a task of another round
        event = {"task": task, "orderId": order_id, "round": round_, **PROGRESS, **members}
        here.call("process_order", {name: value for name, value in event.items() if name not in missing})
        # then no row is issued
        assert here.world.amazon.sent == []
        here.nothing_is_told()


def test_a_task_of_its_own_round_issues_the_rows() -> None:
    with stage() as here:
        order_id = _issuing(here)
        here.call("process_order", {"task": "Issue", "orderId": order_id, "round": 1, **PROGRESS})
        assert here.world.amazon.names == ["CreateGiftCard"] * 2
        here.nothing_is_told()


PROGRESS: Final = {"done": -1, "settled": 0, "waited": 0, "batch": 1, "secondsLeft": 100}


def _issuing(here: Stage) -> str:
    order_id = here.bulk.place(rows_of(2))
    here.bulk.run(order_id, until=lambda done: done.next == "Issue")
    assert here.bulk.order(order_id).round == 1
    return order_id


# ---- schedules and operators --------------------------------------------------------------------


@pytest.mark.parametrize("function", ["sweep_requests", "watch_account"])
@fuzzed
@given(event=VALUES)
def test_a_schedules_event_says_nothing(function: str, event: Any) -> None:
    def once(given_: Any) -> Any:
        with stage(company=Company()) as here:
            response = here.call(function, given_)
            here.nothing_is_told()
            return response, len(here.world.amazon.sent)

    assert once(event) == once({})


ACCOUNTS: Final[st.SearchStrategy[Any]] = st.one_of(
    VALUES, st.sampled_from(["default", "../other", "a/b", "A", "#accounts", "a" * 64, "default\n", "*"])
)


@fuzzed
@given(event=st.fixed_dictionaries({}, optional={"account": ACCOUNTS, "watchSeconds": VALUES}))
def test_keys_are_rotated_of_accounts_only(event: dict[str, Any]) -> None:
    secrets = NoSecrets()
    with stage() as here, pytest.MonkeyPatch.context() as patch:
        prefix = "incentives-gateway/accounts"
        rotations = SimpleNamespace(read=lambda _: None)
        nothing: Callable[..., None] = _must_not_be_called
        keys = KeyDependencies(
            dependencies=here.world.dependencies,
            versions=SecretsManagerVersions(lambda: secrets, prefix),
            rotations=rotations,  # type: ignore[arg-type]
            notes=SimpleNamespace(key_notes=nothing),  # type: ignore[arg-type]
            bus=here.bus,
        )
        patch.setitem(vars(container), "key_dependencies", keys)
        # when an operator names something as the account
        here.call("rotate_keys", event)
        # then only secrets of accounts are looked at, by names that accounts can have
        for asked in secrets.asked:
            name = asked.removeprefix(f"{prefix}/")
            assert name.isascii()
            assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
            assert 0 < len(name) <= 63
        assert here.world.amazon.sent == []
        here.nothing_is_told()


def _must_not_be_called(*_: object) -> None:
    raise AssertionError("no key is there to be asked about")
