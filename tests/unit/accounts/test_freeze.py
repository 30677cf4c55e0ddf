"""Freezing and unfreezing an account: what is done in which order, who may die or race, and who finishes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from incentives.domain.accounts.account import AccountFunds
from incentives.domain.accounts.freezing import LAST_CALL_LEAVES_AFTER, Freeze, next_version, shown_caller
from incentives.domain.accounts.funds import Snapshot
from incentives.domain.errors import AccountNotFound, AccountUnusable, InvalidInput, LedgerUnavailable
from incentives.domain.rate_limit import Frozen, Priority
from incentives.domain.reconciliation.words import NOTE_LENGTH_MAX
from incentives.usecases.accounts.dependencies import AccountDependencies
from incentives.usecases.accounts.freeze import freeze, keep_frozen, unfreeze, why_frozen
from incentives.usecases.accounts.get_accounts import PAGE_MAX, get_accounts
from tests.support.fakes import START, FakeAccountStates, World, account, usd, world
from tests.unit.builders import before, fails

ANNA = "arn:aws:sts::123456789012:assumed-role/Operators/anna@example.com"
BEN = "arn:aws:iam::123456789012:user/ben"
REASON = "The access key was found in a public repository"


@dataclass
class Desk:
    """An operator's."""

    world: World = field(default_factory=world)
    states: FakeAccountStates = field(default_factory=FakeAccountStates)

    @property
    def here(self) -> AccountDependencies:
        return AccountDependencies(
            dependencies=self.world.dependencies, freezes=self.world.freezes, states=self.states, default="default"
        )

    @property
    def truth(self) -> Freeze | None:
        return self.world.freezes.kept.get("default")

    @property
    def is_frozen(self) -> bool:
        """Whether a request that was never sent gets no permit."""
        reserved = self.world.rate_limiter.reserve("default", Priority.CALLER, never_sent=True)
        return isinstance(reserved, Frozen)

    @property
    def told(self) -> list[str]:
        return [subject for subject, _ in self.world.notifier.notices]

    def freeze(self, caller: str = ANNA, reason: str = REASON) -> Freeze:
        return freeze("default", reason, caller, self.here)

    def unfreeze(self, caller: str = ANNA) -> Freeze:
        return unfreeze("default", caller, self.here)

    def watch(self) -> None:
        keep_frozen(["default", "uk"], self.world.freezes, self.world.dependencies)


#: Of freezing, in order.
STEPS = (("freezes", "keep"), ("rate_limiter", "freeze"), ("notifier", "notify"), ("freezes", "note_told"))

FREEZE, UNFREEZE = "Frozen: Incentives account default", "Unfrozen: Incentives account default"


# ---- what it does -------------------------------------------------------------------------------


def test_an_account_is_frozen_and_everybody_told_who_did_it_and_why() -> None:
    desk = Desk()
    done = desk.freeze()
    assert desk.is_frozen
    assert (done.frozen, done.by, done.reason, done.caller) == (
        True, "assumed-role/Operators/anna@example.com", REASON, ANNA
    )  # fmt: skip
    assert done.told_at is not None
    ((subject, text),) = desk.world.notifier.notices
    assert subject == FREEZE
    assert all(each in text for each in ("anna@example.com", REASON, "2026-03-01 12:00:00 UTC", "unfreeze"))
    (line,) = [facts for event, facts in desk.world.telemetry.lines if event == "accountFrozen"]
    assert (line["account"], line["caller"]) == ("default", ANNA)
    # and unfrozen again
    desk.world.clock.sleep(60)
    unfrozen = desk.unfreeze(BEN)
    assert not desk.is_frozen
    assert (unfrozen.frozen, unfrozen.by, unfrozen.reason, unfrozen.caller) == (False, "user/ben", None, BEN)
    assert unfrozen.since == START + LAST_CALL_LEAVES_AFTER + timedelta(seconds=60)
    assert desk.told == [FREEZE, UNFREEZE]


def test_the_answer_comes_when_whoever_had_a_permit_has_left() -> None:
    # given
    desk = Desk()
    steps: list[str] = []
    of = desk.world

    def noted(port: object, method: str) -> None:
        before(port, method, lambda: steps.append(method), times=100)

    noted(of.clock, "sleep")
    for port, method in STEPS:
        noted(getattr(of, port), method)
    # when
    desk.freeze()
    # then
    after = START + LAST_CALL_LEAVES_AFTER
    assert steps == ["keep", "freeze", "notify", "note_told", "sleep"]
    assert desk.world.clock.now() == after
    assert timedelta(seconds=6) > LAST_CALL_LEAVES_AFTER
    # and unfreezing waits for nobody
    desk.unfreeze()
    assert desk.world.clock.now() == after


def test_a_repeat_changes_nothing_and_tells_nobody() -> None:
    desk = Desk()
    first = desk.freeze()
    desk.world.clock.sleep(60)
    assert desk.freeze(BEN, "Another reason") == first
    assert desk.told == [FREEZE]
    unfrozen = desk.unfreeze()
    assert desk.unfreeze(BEN) == unfrozen
    assert desk.told == [FREEZE, UNFREEZE]


def test_what_is_no_reason_freezes_nothing() -> None:
    desk = Desk()
    for wrong in ("", " blank", "two\nlines", "x" * (NOTE_LENGTH_MAX + 1), "abcd-ef1234-5678", "6006490000000001234"):
        with pytest.raises(InvalidInput) as refused:
            desk.freeze(reason=wrong)
        assert [name for name, _ in refused.value.fields] == ["reason"]
        assert len(wrong) < 10 or wrong not in refused.value.detail
    assert desk.truth is None
    assert not desk.is_frozen


def test_an_account_that_nobody_knows_cannot_be_frozen() -> None:
    desk = Desk()
    for act in (lambda: freeze("nowhere", REASON, ANNA, desk.here), lambda: unfreeze("nowhere", ANNA, desk.here)):
        with pytest.raises(AccountNotFound):
            act()
    assert desk.world.freezes.kept == {}


def test_an_account_whose_keys_cannot_be_read_now_is_not_called_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    def get(name: str, **_: object) -> None:
        raise AccountUnusable(name, "has a secret that cannot be read (ThrottlingException)")

    monkeypatch.setattr(desk.world.accounts, "get", get)
    with pytest.raises(AccountUnusable, match="Throttling"):
        freeze("new", REASON, ANNA, desk.here)
    assert desk.world.freezes.kept == {}


def test_an_account_is_known_by_its_keys_or_by_what_it_did() -> None:
    desk = Desk()
    desk.world.accounts.accounts = {"new": account("new")}
    desk.states.states = {"old": desk.states.read("old", START.date())}
    for name in ("new", "old", "default"):
        assert freeze(name, REASON, ANNA, desk.here).frozen
    # and by having been frozen, whatever is gone since
    desk.world.accounts.accounts, desk.states.states = {}, {}
    assert not unfreeze("old", ANNA, desk.here).frozen


def test_an_account_that_was_never_frozen_can_be_unfrozen() -> None:
    """Its truth may have been lost with its table, and its copy not."""
    desk = Desk()
    desk.world.rate_limiter.freeze("default", frozen=True, version=next_version(None, START - timedelta(days=1)))
    assert desk.is_frozen
    assert not desk.unfreeze().frozen
    assert not desk.is_frozen


def test_who_asks_is_shown_without_the_account_number() -> None:
    assert [shown_caller(arn) for arn in (ANNA, BEN, None, "arn")] == [
        "assumed-role/Operators/anna@example.com", "user/ben", "unknown", "arn",
    ]  # fmt: skip


# ---- a process dies -----------------------------------------------------------------------------


class Died(BaseException):
    """Nothing can catch it."""


def dies(desk: Desk, port: str, method: str, *, after: bool) -> Callable[[], None]:
    """The process dies at the next call of a port; undo by calling what is returned."""
    of = getattr(desk.world, port)
    real = getattr(of, method)

    def call(*args: Any, **named: Any) -> None:
        if after:
            real(*args, **named)
        raise Died

    setattr(of, method, call)
    return lambda: setattr(of, method, real)


def deaths() -> Iterator[Any]:
    for port, method in STEPS:
        for after in (False, True):
            yield pytest.param(port, method, after, id=f"{'after' if after else 'before'} {port}.{method}")


@pytest.mark.parametrize("finishes", ["the same call", "another's call", "the watch"])
@pytest.mark.parametrize("unfreezes", [False, True])
@pytest.mark.parametrize(("port", "method", "after"), [*deaths()])
def test_what_a_process_that_died_has_begun_is_finished(
    port: str, method: str, after: bool, unfreezes: bool, finishes: str
) -> None:
    # given an account, and a process that dies while it freezes or unfreezes it
    desk = Desk()
    if unfreezes:
        desk.freeze()
    act = desk.unfreeze if unfreezes else desk.freeze
    revive = dies(desk, port, method, after=after)
    with pytest.raises(Died):
        act()
    revive()
    begun = desk.truth is not None and desk.truth.frozen is not unfreezes
    assert begun is not ((port, method, after) == ("freezes", "keep", False))
    # when somebody comes by
    match finishes:
        case "the same call":
            act()
        case "another's call":
            act(BEN)
        case "the watch":
            desk.watch()
    # then it is done, and told, by whoever began it
    done = begun or finishes != "the watch"
    assert desk.is_frozen is (done is not unfreezes)
    assert desk.truth is None or desk.truth.told_at is not None
    told = UNFREEZE if unfreezes else FREEZE
    assert (told in desk.told) is done
    assert desk.told.count(told) <= 2
    if begun:
        assert desk.truth is not None
        assert desk.truth.caller == ANNA


@pytest.mark.parametrize("takes_effect", [False, True])
@pytest.mark.parametrize(("port", "method"), [each for each in STEPS if each[1] != "notify"])
def test_a_table_out_of_reach_is_told_and_the_same_call_finishes_it(port: str, method: str, takes_effect: bool) -> None:
    desk = Desk()
    fails(getattr(desk.world, port), method, takes_effect=takes_effect)
    with pytest.raises(LedgerUnavailable):
        desk.freeze()
    assert desk.freeze().told_at is not None
    assert desk.is_frozen


def test_operators_who_cannot_be_told_are_told_by_the_watch() -> None:
    # given
    desk = Desk()
    desk.world.notifier.notice_fault = "SNS is down"
    # when, then it is frozen all the same
    assert desk.freeze().told_at is None
    assert desk.is_frozen
    desk.watch()
    assert desk.world.telemetry.counts["AlertNotTold"] == 2
    desk.world.notifier.notice_fault = None
    desk.watch()
    desk.watch()
    assert desk.told == [FREEZE]


# ---- the watch ----------------------------------------------------------------------------------


def test_a_copy_that_is_lost_is_restored_by_the_watch() -> None:
    desk = Desk()
    desk.freeze()
    desk.world.rate_limiter.copies.clear()
    assert not desk.is_frozen
    desk.watch()
    assert desk.is_frozen
    assert desk.told == [FREEZE]


def test_one_accounts_fault_keeps_no_other_from_being_restored() -> None:
    desk = Desk()
    freeze("default", REASON, ANNA, desk.here)
    desk.states.states = {"uk": desk.states.read("uk", START.date())}
    freeze("uk", REASON, ANNA, desk.here)
    fault: list[Exception] = [LedgerUnavailable("get", in_doubt=False), KeyError("since")]

    def get(account: str) -> Freeze | None:
        # the first one's table is out of reach, and then its item is none that can be read
        if account == "default" and fault:
            raise fault.pop(0)
        return desk.world.freezes.kept.get(account)

    desk.world.freezes.get = get  # type: ignore[method-assign]
    for number in (1, 2):
        desk.world.rate_limiter.copies.clear()
        desk.watch()
        assert desk.world.rate_limiter.copies.keys() == {"uk"}
        assert desk.world.telemetry.counts["AccountFailed"] == number


# ---- races --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("port", "method"), [*STEPS, ("freezes", "get")])
def test_of_a_freeze_and_a_unfreeze_at_once_the_one_that_was_written_last_holds(port: str, method: str) -> None:
    # given somebody who unfreezes the account while it is being frozen, at each step of it
    desk = Desk()
    desk.freeze()
    desk.unfreeze()
    before(getattr(desk.world, port), method, lambda: (desk.freeze(BEN), desk.unfreeze(BEN)))
    # when
    done = desk.freeze()
    # then the copy is as the truth, and what was answered is the truth
    assert desk.truth is not None
    assert desk.is_frozen is desk.truth.frozen is done.frozen
    assert desk.world.rate_limiter.copies["default"] == (desk.truth.frozen, desk.truth.version)
    assert desk.truth.told_at is not None


def test_an_unfreeze_that_nobody_was_told_of_is_told_by_who_freezes_it_again() -> None:
    # given somebody who died before the operators were told, in whose time requests have left
    desk = Desk()
    desk.freeze()
    revive = dies(desk, "notifier", "notify", after=False)
    with pytest.raises(Died):
        desk.unfreeze(BEN)
    revive()
    # when
    desk.freeze()
    # then
    assert desk.told == [FREEZE, UNFREEZE, FREEZE]


def test_what_is_told_last_is_how_it_stands() -> None:
    # given somebody who unfreezes the account while whoever froze it waits for those who have a permit
    desk = Desk()
    before(desk.world.clock, "sleep", lambda: desk.unfreeze(BEN))
    # when
    assert not desk.freeze().frozen
    # then
    assert desk.told == [FREEZE, UNFREEZE]


@pytest.mark.parametrize("unfreezes", [False, True])
def test_a_watch_that_was_held_up_does_not_undo_what_was_done_since(unfreezes: bool) -> None:
    # given a watch that has read how the account stands
    desk = Desk()
    desk.freeze()
    if not unfreezes:
        desk.unfreeze()
    before(desk.world.rate_limiter, "freeze", desk.unfreeze if unfreezes else desk.freeze)
    # when it writes that
    desk.watch()
    # then
    assert desk.truth is not None
    assert desk.is_frozen is desk.truth.frozen is not unfreezes


def test_too_many_at_once_are_told_to_come_again() -> None:
    desk = Desk()
    desk.freeze()
    desk.unfreeze()

    def others() -> None:
        known = desk.truth
        assert known is not None
        desk.world.freezes.kept["default"] = replace(known, version=known.version + 1, nonce="other")

    before(desk.world.freezes, "keep", others, times=100)
    with pytest.raises(LedgerUnavailable):
        desk.freeze()


def test_versions_rise_whatever_the_clock() -> None:
    desk = Desk()
    versions = [desk.freeze().version]
    desk.world.clock.time -= timedelta(days=1)
    versions += [desk.unfreeze().version, desk.freeze().version]
    assert versions == sorted(set(versions))
    assert desk.is_frozen


# ---- what is told of it -------------------------------------------------------------------------


def test_why_it_is_frozen_is_told_to_who_waits() -> None:
    desk = Desk()
    assert "was frozen" in why_frozen("default", desk.world.freezes)
    desk.freeze()
    why = why_frozen("default", desk.world.freezes)
    assert "anna@example.com" in why
    assert REASON in why
    desk.unfreeze()
    assert "was frozen" in why_frozen("default", desk.world.freezes)


def test_the_accounts_are_listed_as_they_stand() -> None:
    # given one frozen, one with a balance, one without keys, and the default one of which nothing is known
    desk = Desk()
    at = START - timedelta(days=28, hours=23)
    desk.world.accounts.accounts["uk"] = replace(account("uk"), key_created_at=at)
    desk.states.keep_funds(Snapshot(AccountFunds("uk", usd("12.50"), START), START))
    desk.states.states["gone"] = desk.states.read("gone", START.date())
    desk.states.states["gone-and-frozen"] = desk.states.read("gone", START.date())
    freeze("gone-and-frozen", REASON, ANNA, desk.here)
    # when
    page = get_accounts(None, desk.here)
    # then
    assert page.cursor is None
    assert [(each.account, each.state.value) for each in page.accounts] == [
        ("default", "ACTIVE"), ("gone", "UNUSABLE"), ("gone-and-frozen", "FROZEN"), ("uk", "ACTIVE"),
    ]  # fmt: skip
    uk = page.accounts[3]
    assert (uk.key_created_at, uk.key_age_days, uk.freeze) == (at, 28, None)
    assert uk.funds is not None
    assert uk.funds.available == usd("12.50")
    frozen = page.accounts[2]
    assert frozen.freeze is not None
    assert (frozen.freeze.reason, frozen.key_age_days, frozen.funds) == (REASON, None, None)


@pytest.mark.parametrize("number", [0, 1, PAGE_MAX, PAGE_MAX + 1, 2 * PAGE_MAX, 2 * PAGE_MAX + 1])
def test_each_account_is_listed_once(number: int) -> None:
    desk = Desk()
    nothing = desk.states.read("default", START.date())
    desk.states.states = {f"account-{each}": nothing for each in range(number)}
    names, cursor = [], None
    for _ in range(4):
        page = get_accounts(cursor, desk.here)
        names += [each.account for each in page.accounts]
        cursor = page.cursor
        if cursor is None:
            break
    assert cursor is None
    assert names == sorted({*desk.states.states, "default"})


def test_without_a_default_account_none_is_made_up() -> None:
    desk = Desk()
    assert get_accounts(None, replace(desk.here, default=None)).accounts == ()
    with pytest.raises(InvalidInput, match="cursor"):
        get_accounts("No cursor", desk.here)
