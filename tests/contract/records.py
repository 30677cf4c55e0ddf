"""Records to write: a plain one, one in any state, and arbitrary ones."""

from __future__ import annotations

import itertools
import string
import uuid
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, get_args

from hypothesis import strategies as st

from incentives.domain.calls import Evidence
from incentives.domain.money import CURRENCY_DECIMALS, Money
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError
from incentives.domain.recovery.rules import KEY_REFUSED
from incentives.domain.single_requests.record import Intent, KeyItem, Record, Reissue, Status, change
from incentives.domain.single_requests.renewal import renewal
from incentives.domain.single_requests.transitions import LEASE
from tests.support.record_types import RECORD_TYPES

START: Final = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

#: What a request is, as against how it stands: no change ever writes these.
CONSTANT: Final = frozenset(
    {
        "request_id", "operation", "account", "partner_id", "value", "key_hash", "created_at", "generation", "replaces",
        "details", "caller", "budget", "budget_period", "order_id", "version", "nonce", "status", "epoch",
    }
)  # fmt: skip

#: Every field that some change may write; a new field of `Record` is in it by itself.
CHANGEABLE: Final = tuple(field.name for field in fields(Record) if field.name not in CONSTANT)

_numbers = itertools.count()
_run = uuid.uuid4().hex[:12].upper()


def new_nonce() -> str:
    return uuid.uuid4().hex


def new_record(**updates: Any) -> Record:
    """A pending record that nobody else has; tables may be shared."""
    number = next(_numbers)
    base = Record(
        request_id=f"Test1{_run}{number:08d}",
        operation=Operation.CREATE_GIFT_CARD,
        account="default",
        partner_id="Test1",
        value=Money(Decimal("25.00"), "USD"),
        key_hash=f"{_run}{number:08d}",
        status=Status.PENDING,
        intent=Intent.RETRY,
        created_at=START,
        updated_at=START,
        wake_at=START + LEASE,
    )
    return replace(base, **updates)


def in_state(status: Status, **updates: Any) -> Record:
    """A record in a state; only open ones have a `wake_at`."""
    return new_record(status=status, wake_at=START + LEASE if status.is_open else None, **updates)


def key_of(record: Record, **updates: Any) -> KeyItem:
    base = KeyItem(
        key_hash=record.key_hash,
        request_id=record.request_id,
        account=record.account,
        operation=record.operation,
        fingerprint={"amount": "0123456789abcdef", "currencyCode": "fedcba9876543210"},
    )
    return replace(base, **updates)


def reissue_of(record: Record, now: datetime = START) -> Reissue:
    """What closes a record that is being reversed and opens its next generation."""
    successor_id = new_record().request_id
    successor = new_record(
        request_id=successor_id,
        key_hash=record.key_hash,
        intent=record.intent,
        generation=record.generation + 1,
        replaces=record.request_id,
        wake_at=now,
    )
    close = change(
        record, requires=("intent",), status=Status.REVERSED, replaced_by=successor_id, updated_at=now, error=None
    )
    return Reissue(close=close, successor=successor)


def refused() -> Record:
    """A record that ended without Amazon having looked at it."""
    return in_state(Status.REFUSED, epoch=2, refusal=KEY_REFUSED)


def renewal_of(record: Record, now: datetime = START) -> Reissue:
    """What opens the generation that follows a refused record; nobody else has its id."""
    successor = new_record(key_hash=record.key_hash, generation=1, renewals=1, replaces=record.request_id)
    return renewal(record, successor, now)


def two_values(field: str) -> tuple[Any, Any]:
    """Two different values of a field."""
    kind = _kind(field)
    if kind in _TWO:
        return _TWO[kind]
    assert issubclass(kind, Enum), f"no two values of a {kind}"
    first, second, *_ = kind
    return first, second


def is_optional(field: str) -> bool:
    return type(None) in get_args(RECORD_TYPES[field])


def _kind(field: str) -> type[Any]:
    hint = RECORD_TYPES[field]
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] if is_optional(field) else [hint]
    kind: type[Any] = kinds[0]
    return kind


_TWO: Final[Mapping[Any, tuple[Any, Any]]] = {
    bool: (False, True),
    int: (1, 2),
    str: ("one", "two"),
    tuple[str, ...]: ((), ("one", "two")),
    datetime: (START + timedelta(seconds=1), START + timedelta(seconds=2, milliseconds=5)),
    AmazonError: (AmazonError(code="F400"), AmazonError(code="F200", type="InvalidAmountValue", message="no")),
    Evidence: (
        Evidence(url="https://amazon.test/one", amz_date="20260301T120000Z", string_to_sign="one"),
        Evidence(
            url="https://amazon.test/two", amz_date="20260301T120001Z", string_to_sign="two", http_status=500,
            amazon_request_id="id", response={"status": "FAILURE"}, fault="ReadTimeout",
        ),
    ),
}  # fmt: skip


# ---- arbitrary records --------------------------------------------------------------------------

#: Any character that can be written as UTF-8.
_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_ID: Final = st.text(string.ascii_letters + string.digits, min_size=1, max_size=40)
_TIME: Final = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def _money(draw: st.DrawFn) -> Money:
    currency = draw(st.sampled_from(sorted(CURRENCY_DECIMALS)))
    units = draw(st.integers(1, 10**9) | st.integers(1, 10**7).map(lambda tens: tens * 100))
    return Money(Decimal(units).scaleb(-CURRENCY_DECIMALS[currency]), currency)


#: What JSON can hold when its numbers with a point are read as decimals.
_JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.decimals(allow_nan=False, allow_infinity=False, places=2)
    | _TEXT
    | st.just(""),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)

_ERROR: Final = st.builds(
    AmazonError, code=st.none() | _TEXT, type=st.none() | _TEXT, message=st.none() | _TEXT | st.just("")
)
_EVIDENCE: Final = st.builds(
    Evidence,
    url=_TEXT,
    amz_date=_TEXT,
    string_to_sign=_TEXT | st.just(""),
    http_status=st.none() | st.integers(100, 599),
    amazon_request_id=st.none() | _TEXT,
    response=st.dictionaries(_TEXT, _TEXT, max_size=3),
    fault=st.none() | _TEXT,
)

_BY_KIND: Final[Mapping[Any, st.SearchStrategy[Any]]] = {
    bool: st.booleans(),
    int: st.integers(0, 10**9),
    str: _TEXT,
    datetime: _TIME,
    Money: _money(),
    AmazonError: _ERROR,
    Evidence: _EVIDENCE,
    tuple[str, ...]: st.lists(_TEXT | st.just(""), max_size=3).map(tuple),
    Mapping[str, Any]: st.dictionaries(_TEXT, _JSON, max_size=3),
}


def _strategy(field: str) -> st.SearchStrategy[Any]:
    kind = _kind(field)
    known = _BY_KIND.get(kind)
    if known is None:
        assert issubclass(kind, Enum), f"no way to make up a {kind}"
        known = st.sampled_from(list(kind))
    return st.none() | known if is_optional(field) else known


_make_record: Callable[..., st.SearchStrategy[Record]] = st.builds


def records() -> st.SearchStrategy[Record]:
    """Arbitrary records, far beyond what the policy would ever write."""
    strategies = {field.name: _strategy(field.name) for field in fields(Record)}
    strategies |= {"request_id": _ID, "key_hash": _ID, "nonce": _ID.map(lambda text: text[:36]), "account": _ID}
    return _make_record(Record, **strategies)
