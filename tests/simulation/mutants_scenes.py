"""Circumstances for which a guard is there, turned up: few orders, and much of what may go wrong with them.

A plan that is `staged` does not depend on what other histories draw. Each scene is as possible as any drawn history,
only less likely there; with every guard in place it comes to a good end.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from incentives.agcod.client import SignedCall
from incentives.domain.errors import GatewayError, KeyReused, LedgerUnavailable
from incentives.domain.operations import Operation
from incentives.domain.single_requests.record import Change, Due, Intent, Status
from incentives.usecases.single_requests import issue as issuing
from sandbox.control.options import changed
from sandbox.http.gateway import make_account
from tests.simulation.keyring import OLD
from tests.simulation.life import Life
from tests.simulation.mutants_look import Watched
from tests.simulation.plan import HOUR, MINUTE, Plan, Rotation, Trial, Trouble, Visit, Wanted, What
from tests.simulation.plan_control import NOTHING
from tests.simulation.ports import Died
from tests.workflow.amazon import PARTNER_ID

CREATE: Final = Operation.CREATE_GIFT_CARD
ACTIVATE: Final = Operation.ACTIVATE_GIFT_CARD
LOAD: Final = Operation.LOAD_AMAZON_BALANCE

#: Arranges what a plan cannot say.
Scene = Callable[[Watched], None]

#: What somebody does about each order, and between which seconds after it was placed.
Later = tuple[What, float, float]


def staged(
    *,
    orders: int = 2,
    operations: Sequence[Operation] = (CREATE,),
    intents: Sequence[Intent] = (Intent.RETRY,),
    begins: float = 0.0,
    within: float = MINUTE,
    cents: int | None = None,
    first: What = What.ORDER,
    later: Sequence[Later] = (),
    calm_at: float = HOUR,
    **how: Any,
) -> Callable[[Plan], Plan]:
    """A history of its own.

    Args:
        orders: how many.
        operations: of which each order has one.
        intents: likewise.
        begins: seconds after which they are placed.
        within: seconds in which they are.
        cents: of each order; none: drawn.
        first: how they are placed.
        later: what is done about each of them.
        calm_at: seconds from which on nothing goes wrong.
        how: further attributes of the plan; nothing goes wrong unless they say so.
    """

    def plan(drawn: Plan) -> Plan:
        chance = random.Random(f"staged {drawn.seed}")
        wanted, visits = [], []
        for number in range(orders):
            operation, intent = chance.choice(operations), chance.choice(intents)
            wanted.append(Wanted(number, operation, intent, cents or chance.randint(100, 9999)))
            at = begins + chance.uniform(0, within)
            visits.append(Visit(at, first, number))
            visits += [Visit(at + chance.uniform(low, high), what, number) for what, low, high in later]
        nothing: dict[str, Any] = {
            "skews": (0.0, 0.0, 0.0), "amazon": 0.0, "aws": 0.0, "crashes": 0.0, "late": 0.0,
            "outages": (), "blocks": (), "rotations": (), "limits": (), "streams": False, "watches": (),
            "trial": None, "parks": False, "balances": (), "notifier": 0.0, "rounds": 0, "bulk": None,
            "signature": None, "control": NOTHING,
        }  # fmt: skip
        return replace(
            drawn,
            orders=tuple(wanted),
            visits=tuple(sorted(visits, key=lambda each: each.at)),
            calm_at=max(calm_at, max(each.at for each in visits) + 1),
            **(nothing | how),
        )

    return plan


def block(kind: str, begins: float, ends: float) -> tuple[Trouble, ...]:
    return (Trouble(begins, ends, kind),)


# ---- what Amazon does ------------------------------------------------------------------------------

#: Amazon takes a call for 15 minutes from its x-amz-date, and 5 more may go by until it has its effect.
LANDS_WITHIN: Final = timedelta(minutes=20)

Fault = Mapping[str, Any] | Callable[[Life, SignedCall, random.Random], Mapping[str, Any]] | None

#: Nothing goes wrong.
FINE: Final[Fault] = None
LOST: Final[Fault] = {"kind": "drop"}
#: Nobody at Amazon has seen the call.
SHUT: Final[Fault] = {"kind": "error503", "when": "before"}
DONE_AND_LOST: Final[Fault] = {"kind": "drop", "when": "after"}
THROTTLED: Final[Fault] = {"kind": "throttle"}
#: Of an operation: a plain refusal. Of a reversal: Amazon knows no such request, or the account may not do this.
NOT_PERMITTED: Final[Fault] = {"kind": "refuse", "errorType": "OperationNotPermitted"}
TOO_LATE: Final[Fault] = {"kind": "refuse", "errorType": "CancelRequestArrivedAfterTimeLimit"}
NO_PAGE: Final[Fault] = {"kind": "refuse", "errorType": "APIGetGiftCardActivityPageIsDisabled"}

#: What a call is to Amazon.
OPERATION: Final = "operation"
REVERSAL: Final = "reversal"
PAGE: Final = "page"


def lands_late(low: float, high: float) -> Fault:
    """It has its effect after so many seconds, as long as Amazon takes it; and is not answered."""

    def fault(life: Life, signed: SignedCall, chance: random.Random) -> Mapping[str, Any]:
        latest = (signed.sent_at + LANDS_WITHIN - life.stage.time).total_seconds()
        seconds = max(0.0, min(chance.uniform(low, high), latest))
        return {"kind": "lateEffect", "delaySeconds": seconds, "answer": "drop"}

    return fault


@dataclass(frozen=True)
class When:
    """What Amazon does with calls of one sort.

    Attributes:
        calls: `OPERATION`, `REVERSAL` or `PAGE`.
        faults: one of them, by chance.
        begins, ends: seconds between which it does so.
        numbers: of a request's calls of this sort, counted from 1, only those; none: all.
        generations: of which the request is one, counted by reissues.
    """

    calls: str
    faults: Sequence[Fault]
    begins: float = 0.0
    ends: float = float("inf")
    numbers: range | None = None
    generations: range = range(3)


def amazon(*does: When) -> Scene:
    """Whatever is first said of a call is what happens to it."""

    def arrange(life: Watched) -> None:
        chance, counts = random.Random(f"amazon's {life.plan.seed}"), Counter[tuple[str, str]]()

        def fault(signed: SignedCall) -> dict[str, Any] | None:
            name = signed.call.name
            sort = PAGE if name == "GetGiftCardActivityPage" else OPERATION if name in set(Operation) else REVERSAL
            counts[sort, signed.call.request_id] += 1
            number, seconds = counts[sort, signed.call.request_id], life.stage.seconds
            record = life.ledger.records.get(signed.call.request_id)
            generation = record.reissues if record else 0
            for each in does:
                if each.calls != sort or not each.begins <= seconds < each.ends or generation not in each.generations:
                    continue
                if each.numbers is None or number in each.numbers:
                    found = chance.choice(each.faults)
                    found = found(life, signed, chance) if callable(found) else found
                    return dict(found) if found is not None else None
            return None

        shore: Any = life.shore
        shore._fault = fault

    return arrange


FIRST: Final = range(1, 2)
SECOND: Final = range(2, 3)
THIRD: Final = range(3, 4)
NEVER: Final = float("inf")

REVERSE: Final = (Intent.REVERSE,)
REISSUE: Final = (Intent.REISSUE,)

#: The operation takes effect, and nobody hears of it.
UNHEARD: Final = When(OPERATION, [DONE_AND_LOST], ends=2 * MINUTE)
UNHEARD_FIRST: Final = When(OPERATION, [DONE_AND_LOST], numbers=FIRST)
REFUSED_SECOND: Final = When(OPERATION, [NOT_PERMITTED], numbers=SECOND)
NO_ACTIVITY: Final = When(PAGE, [NO_PAGE])
#: Nothing of an operation gets through in its first minutes.
SILENCE: Final = When(OPERATION, [LOST], ends=130)

#: Amazon shows the first card as another one than was ordered.
ANOTHER_CARD: Final = amazon(When(OPERATION, [{"kind": "wrongAmount"}, {"kind": "wrongCurrency"}], numbers=FIRST))

#: The account has no money, and nobody pays in.
PENNILESS: Final = ((0.0, 0),)
#: A new key is promoted, and somebody deactivates it while it is on trial.
SPOILED: Final = Trial(put_at=10, rotated_at=(20,), watch_seconds=600, known=True, spoiled_at=120)
#: The account's key is replaced: for some minutes processes still have the old one.
ROTATED: Final = (Rotation(100, 110, 120),)


def only_the_activity_tells(until: float) -> Scene:
    """Until then each order is charged for unheard, and its reversal is told that there is nothing."""
    return amazon(When(OPERATION, [DONE_AND_LOST], ends=until), When(REVERSAL, [NOT_PERMITTED], ends=until))


def _tells(secret: str) -> Mapping[str, Any]:
    """A reversal is refused for now, in words that hold a secret."""
    message = f"Card {secret} belongs to a blocked account"
    return {"kind": "refuse", "errorType": "CustomerAccountBlocked", "message": message}


def tells_the_code(life: Life, signed: SignedCall, chance: random.Random) -> Mapping[str, Any]:
    return _tells(life.shore.sandbox.world.claim_code(PARTNER_ID, signed.call.request_id))


def tells_the_number(life: Life, signed: SignedCall, chance: random.Random) -> Mapping[str, Any]:
    number = signed.call.card_number
    return _tells(number.reveal() if number else "")


# ---- what others do ---------------------------------------------------------------------------------


def scenes(*all_of_them: Scene) -> Scene:
    def arrange(life: Watched) -> None:
        for each in all_of_them:
            each(life)

    return arrange


def nobody_sweeps(until: float) -> Scene:
    def arrange(life: Watched) -> None:
        mine: Any = life
        swept = life._sweep
        mine._sweep = lambda: swept() if life.stage.seconds >= until else None

    return arrange


def workflows_fail(until: float, *, begun: bool = False) -> Scene:
    """No workflow can be started before then; or all that begin are aborted by somebody."""

    def arrange(life: Watched) -> None:
        mine: Any = life
        started, executed = life.start, life._execute
        if begun:

            def execute(request_id: str, epoch: int) -> None:
                if life.stage.seconds < until:
                    life.ends["died"] += 1
                else:
                    executed(request_id, epoch)

            mine._execute = execute
        else:
            mine.start = lambda *asked: life.stage.seconds >= until and started(*asked)

    return arrange


def dies_at_amazon(calls: str, numbers: range) -> Scene:
    """A process dies while Amazon carries out its call."""

    def arrange(life: Watched) -> None:
        shore: Any = life.shore
        deliver, counts = shore.deliver, Counter[str]()

        def die(signed: SignedCall) -> Any:
            delivery = deliver(signed)
            if (signed.call.name in set(Operation)) is (calls == OPERATION):
                counts[signed.call.request_id] += 1
                if counts[signed.call.request_id] in numbers:
                    life._here.is_dead = True
                    raise Died
            return delivery

        shore.deliver = die

    return arrange


def messages_doubled(apart: float) -> Scene:
    """Every message of the backlog comes out twice, so many seconds apart."""

    def arrange(life: Watched) -> None:
        mine: Any = life
        put = life.put

        def twice(request_id: str, *, delay_seconds: float = 0.0) -> bool:
            return put(request_id, delay_seconds=delay_seconds) and put(request_id, delay_seconds=delay_seconds + apart)

        mine.put = twice

    return arrange


def messages_lost(first: int) -> Scene:
    """The first messages about each request are never seen again."""

    def arrange(life: Watched) -> None:
        mine: Any = life
        put, seen = life.put, Counter[str]()

        def lose(request_id: str, *, delay_seconds: float = 0.0) -> bool:
            seen[request_id] += 1
            return seen[request_id] <= first or put(request_id, delay_seconds=delay_seconds)

        mine.put = lose

    return arrange


def faults_of_aws(kind: str, share: float) -> Scene:
    """Calls to AWS go wrong in one way only."""

    def arrange(life: Watched) -> None:
        mine: Any = life
        chance = random.Random(f"aws {life.plan.seed}")
        mine.aws_fault = lambda: kind if chance.random() < share and not life.shore.is_calm else None

    return arrange


def meanwhile(method: str, visit: What, *, after: bool = False) -> Scene:
    """While a write is on its way to the ledger, or its answer on its way back, somebody comes and is served first."""

    def arrange(life: Watched) -> None:
        ledger: Any = life.ledger
        real = getattr(ledger, method)

        def others_come() -> None:
            for each in life.plan.orders:
                life.begin(partial(life.come, Visit(life.stage.seconds, visit, each.number)))
            life.stage.sleep(0.2)

        def between(*asked: Any, **options: Any) -> Any:
            if not after:
                others_come()
            result = real(*asked, **options)
            if after:
                others_come()
            return result

        setattr(ledger, method, between)

    return arrange


def index_lags(life: Watched) -> None:
    """The index of what is due shows what was in the ledger two minutes ago."""
    ledger: Any = life.ledger

    def due(now: datetime, limit: int) -> Due:
        then = life.stage.time - 2 * timedelta(seconds=MINUTE)
        found = []
        for request_id, versions in life.states.items():
            wakes = [each.wake_at for at, each in versions if at <= then] or [versions[0][1].wake_at]
            if wakes[-1] is not None and wakes[-1] <= now:
                found.append(request_id)
        return Due(tuple(found[:limit]))

    ledger.due = due


def writes_are_slow(actor: str, seconds: float) -> Scene:
    """Between its reading and its write, somebody is held up."""

    def arrange(life: Watched) -> None:
        ledger: Any = life.ledger
        apply, chance = ledger.apply, random.Random(f"writes {life.plan.seed}")

        def slowly(change: Change, nonce: str) -> Any:
            if getattr(life._here, "actor", "") == actor:
                life.stage.sleep(chance.uniform(0, seconds))
            return apply(change, nonce)

        ledger.apply = slowly

    return arrange


def dies_after(method: str) -> Scene:
    """A process dies when its write has been carried out, the first time for each."""

    def arrange(life: Watched) -> None:
        ledger: Any = life.ledger
        real, seen = getattr(ledger, method), list[Any]()

        def die(*asked: Any, **options: Any) -> Any:
            result = real(*asked, **options)
            if len(seen) < len(life.plan.orders):
                seen.append(result)
                life._here.is_dead = True
                raise Died
            return result

        setattr(ledger, method, die)

    return arrange


def sweeps_are_slow(seconds: float, *, twice: bool = False) -> Scene:
    """Between its reading of a record and its write, a sweep is held up; perhaps two come at once."""

    def arrange(life: Watched) -> None:
        mine: Any = life
        ledger: Any = life.ledger
        get, swept, chance = ledger.get, life._sweep, random.Random(f"sweeps {life.plan.seed}")

        def slowly(request_id: str) -> Any:
            record = get(request_id)
            if getattr(life._here, "actor", "") == "sweep":
                life.stage.sleep(chance.uniform(0, seconds))
            return record

        def sweep() -> None:
            if twice:
                life.begin(swept)
            swept()

        ledger.get, mine._sweep = slowly, sweep

    return arrange


def secret_is(members: Mapping[str, Any], begins: float, ends: float) -> Scene:
    """For a while the account's secret says something else."""

    def arrange(life: Watched) -> None:
        keyring: Any = life.keyring
        read = keyring.get_secret_value

        def get_secret_value(**params: Any) -> dict[str, Any]:
            found: dict[str, Any] = read(**params)
            if not begins <= life.stage.seconds < ends:
                return found
            return {**found, "SecretString": json.dumps({**json.loads(found["SecretString"]), **members})}

        keyring.get_secret_value = get_secret_value

    return arrange


def secret_missing(begins: float, ends: float) -> Scene:
    """The account's secret is gone; it is put back as soon as people are told of a request that suffers from it."""

    def arrange(life: Watched) -> None:
        keyring: Any = life.keyring
        read = keyring.get_secret_value

        def get_secret_value(**params: Any) -> dict[str, Any]:
            is_told = any(each.status is Status.ESCALATED for each in life.ledger.records.values())
            if begins <= life.stage.seconds < ends and not is_told:
                raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "GetSecretValue")
            found: dict[str, Any] = read(**params)
            return found

        keyring.get_secret_value = get_secret_value

    return arrange


#: Another partner, who has an account at Amazon, too.
ANOTHER_PARTNER: Final[Mapping[str, str]] = {"partnerId": "Test2", "accessKeyId": "AKIDTESTOTHER"}


def another_partner(life: Watched) -> None:
    """Amazon has him, and does not look whose prefix a request id has."""
    world = life.shore.sandbox.world
    world.put_account(make_account(ANOTHER_PARTNER["partnerId"], ANOTHER_PARTNER["accessKeyId"], "another-secret"))
    world.options = changed(world.options, {"strictIds": False})


def key_refused(begins: float, ends: float) -> Scene:
    """Somebody deactivates the account's key at Amazon, and activates it again."""

    def arrange(life: Watched) -> None:
        life.stage.spawn(lambda: life.shore.revoke(OLD), after_seconds=begins)
        life.stage.spawn(lambda: life.shore.allow(OLD), after_seconds=ends)

    return arrange


def responses_slow(seconds: float, numbers: range) -> Scene:
    """Some of a request's responses are long on their way."""

    def arrange(life: Watched) -> None:
        shore: Any = life.shore
        deliver, counts = shore.deliver, Counter[str]()

        def slowly(signed: SignedCall) -> Any:
            delivery = deliver(signed)
            counts[signed.call.request_id] += 1
            if counts[signed.call.request_id] in numbers:
                life.stage.sleep(seconds)
            return delivery

        shore.deliver = slowly

    return arrange


def mails_fail(life: Watched) -> None:
    life.notifier.mail_fault = "MailFromDomainNotVerified"


def under_another(account: str) -> Scene:
    """Each order is placed once more under its key, for another account: nobody may get an response."""

    def arrange(life: Watched) -> None:
        def come(number: int) -> None:
            if life.key_of(number) is None:
                return
            order = replace(life.order_of(life.plan.orders[number]), account=account)
            try:
                life.invoke(lambda dependencies, budget: issuing.issue(order, dependencies, budget))
            except (KeyReused, LedgerUnavailable, Died):
                return
            except GatewayError:
                pass
            life.broken.append(f"I9 order {number} was answered to another account")

        for each in life.plan.orders:
            life.begin(partial(come, each.number), after_seconds=2 * MINUTE)

    return arrange
