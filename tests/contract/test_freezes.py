"""Which accounts are frozen: the table on moto, and the fake, by one suite."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incentives.aws.accounts.freezes import DynamoDbFreezes
from incentives.domain.accounts.freezing import Freeze
from incentives.domain.errors import LedgerUnavailable
from incentives.usecases.ports import Freezes
from tests.contract import motos
from tests.contract.subject import THREADS, all_at_once
from tests.contract.tables import create_table
from tests.support.freezes import FakeFreezes
from tests.support.holds import states_of

AT = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
NAMES = (f"account-{number}" for number in itertools.count())

MakeFreezes = Callable[[], Freezes]


def frozen(account: str, version: int = 1, **updates: Any) -> Freeze:
    base = Freeze(
        account=account,
        frozen=True,
        since=AT,
        version=version,
        reason="A key has leaked",
        by="user/anna",
        caller="arn:aws:iam::123456789012:user/anna",
        nonce=f"nonce-{version}",
    )
    return replace(base, **updates)


@pytest.fixture
def account() -> str:
    """One that nobody else uses."""
    return next(NAMES)


class FreezesContract:
    """The promises of `incentives.usecases.ports.Freezes`."""

    def test_what_was_kept_is_read(self, freezes: Freezes, account: str) -> None:
        assert freezes.get(account) is None
        whole = frozen(account)
        assert {each.name for each in fields(Freeze) if getattr(whole, each.name) in {None, ""}} == {"told_at"}
        assert freezes.keep(None, whole) == whole
        assert freezes.get(account) == whole
        assert freezes.note_told(whole, AT) == replace(whole, told_at=AT)
        assert freezes.get(account) == replace(whole, told_at=AT)
        # and of what follows, nothing stays that it does not say
        unfrozen = Freeze(account=account, frozen=False, since=AT + timedelta(hours=1), version=2)
        assert freezes.keep(whole, unfrozen) == unfrozen
        assert freezes.get(account) == unfrozen

    def test_times_are_kept_to_the_millisecond(self, freezes: Freezes, account: str) -> None:
        fine = frozen(account, since=AT + timedelta(microseconds=456))
        assert freezes.keep(None, fine) == replace(fine, since=AT)
        assert freezes.note_told(fine, AT + timedelta(microseconds=999)) == replace(fine, since=AT, told_at=AT)

    def test_whoever_comes_second_is_told_how_it_stands(self, freezes: Freezes, account: str) -> None:
        first, second = frozen(account), frozen(account, nonce="other")
        freezes.keep(None, first)
        assert freezes.keep(None, second) == first
        # a repeat of the first recognises itself
        assert freezes.keep(None, first) == first
        third = frozen(account, 2, frozen=False, reason=None)
        freezes.keep(first, third)
        assert freezes.keep(first, frozen(account, 3)) == third

    def test_of_an_older_version_nobody_can_be_told_any_more(self, freezes: Freezes, account: str) -> None:
        first, second = frozen(account), frozen(account, 2, frozen=False, reason=None)
        assert freezes.note_told(first, AT) is None
        freezes.keep(None, first)
        freezes.keep(first, second)
        assert freezes.note_told(first, AT) == second
        assert freezes.get(account) == second

    def test_of_many_at_once_one_is_kept(self, make_freezes: MakeFreezes, account: str) -> None:
        mine = [frozen(account, nonce=f"nonce-{number}") for number in range(THREADS)]
        results = all_at_once(*(lambda each=each: make_freezes().keep(None, each) for each in mine))
        assert len({result.nonce for result in results if result is not None}) == 1
        assert make_freezes().get(account) == results[0]


class TestFakeFreezes(FreezesContract):
    @pytest.fixture
    def make_freezes(self) -> MakeFreezes:
        fake = FakeFreezes()
        return lambda: fake

    @pytest.fixture
    def freezes(self, make_freezes: MakeFreezes) -> Freezes:
        return make_freezes()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        yield motos.client()


@pytest.fixture(scope="module")
def table(client: Any) -> str:
    return create_table(client, "AccountTable")


class TestDynamoDbFreezesOnMoto(FreezesContract):
    @pytest.fixture
    def make_freezes(self, client: Any, table: str) -> MakeFreezes:
        return lambda: DynamoDbFreezes(client, table)

    @pytest.fixture
    def freezes(self, make_freezes: MakeFreezes) -> Freezes:
        return make_freezes()

    def test_a_frozen_account_is_listed_and_nothing_else_of_it_is_disturbed(
        self, client: Any, table: str, freezes: Freezes, account: str
    ) -> None:
        states = states_of(client, table)
        before = states.read(account, AT.date())
        freezes.keep(None, frozen(account))
        assert account in states.accounts()
        assert states.read(account, AT.date()) == before

    @pytest.mark.parametrize("act", ["get", "keep", "note_told"])
    def test_a_table_out_of_reach(self, client: Any, act: str, account: str) -> None:
        freezes, one = DynamoDbFreezes(client, "no-such-table"), frozen(account)
        arguments: tuple[Any, ...] = {"get": (account,), "keep": (None, one), "note_told": (one, AT)}[act]
        with pytest.raises(LedgerUnavailable, match="ResourceNotFoundException"):
            getattr(freezes, act)(*arguments)
