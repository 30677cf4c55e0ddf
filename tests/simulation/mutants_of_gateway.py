"""Guards beside the protocol's rules, each taken out: the ledger's conditions, sending, pacing, waking, keys, money.

The ledger is the one in memory, whose conditions are those of the table: both pass `tests.contract`, where the
expressions that are sent to DynamoDB are held word by word.
"""

from __future__ import annotations

from typing import Final

from incentives.aws.rate_limiter import DynamoDbRateLimiter
from incentives.domain.accounts.account import spend
from incentives.domain.recovery.rules import rules as recovery
from incentives.domain.recovery.rules import waits
from incentives.domain.single_requests import request_ids, transitions
from incentives.domain.single_requests.record import Change
from incentives.usecases import permits as pace
from incentives.usecases.recovery import look_up_activity as activity
from incentives.usecases.single_requests import drive, issue, issue_queued, reveal
from tests.simulation.mutants_amazon import (
    DONE_AND_LOST,
    LOST,
    NOT_PERMITTED,
    OPERATION,
    REVERSAL,
    TOO_LATE,
    When,
    amazon,
    lands_late,
)
from tests.simulation.mutants_cut import Mutant, cut
from tests.simulation.mutants_of_protocol import FIRST, REISSUE, REVERSE, SECOND, SILENCE, THIRD, UNHEARD
from tests.simulation.mutants_scenes import (
    block,
    dies_after,
    dies_at_amazon,
    faults_of_aws,
    messages_doubled,
    messages_lost,
    nobody_sweeps,
    responses_slow,
    scenes,
    secret_missing,
    staged,
    workflows_fail,
    writes_are_slow,
)
from tests.simulation.plan import HOUR, MINUTE, Rotation, What
from tests.support import account_states, fakes
from tests.support.fakes import FakeLedger

NEVER: Final = float("inf")

#: Refuses to write what has forgotten to wake somebody.
WAKES: Final = cut(Change.__post_init__, "if self.after.status.is_open and self.after.wake_at is None:", "if False:")

LEDGER: Final = [
    Mutant(
        "a write is conditional on the record's state",
        "I3",
        (cut(fakes._holds, '("status", "epoch", *change.requires)', '("epoch", *change.requires)'),),
        plan=staged(orders=4, within=10, later=[(What.RECOVER, 0, 1)]),
        scene=writes_are_slow("caller", 1),
    ),
    Mutant(
        "a write is conditional on the record's epoch",
        "I8",
        (cut(fakes._holds, '("status", "epoch", *change.requires)', '("status", *change.requires)'),),
        plan=staged(orders=4, later=[(What.RECOVER, 30, 120)] * 4),
        scene=scenes(amazon(SILENCE), writes_are_slow("execution", 3)),
    ),
    Mutant(
        "a write is conditional on what it requires",
        "I3",
        (cut(fakes._holds, '("status", "epoch", *change.requires)', '("status", "epoch")'),),
        plan=staged(orders=4, first=What.LATER),
        scene=scenes(
            messages_doubled(0),
            amazon(
                When(OPERATION, [lands_late(1, 5)], numbers=FIRST), When(OPERATION, [NOT_PERMITTED], numbers=SECOND)
            ),
        ),
    ),
    Mutant(
        "a write is conditional",
        "I6",
        (cut(FakeLedger.apply, "if current is None or not _holds(change, current):", "if current is None:"),),
        plan=staged(orders=4, later=[(What.CANCEL, 0.05, 0.5)]),
    ),
    Mutant(
        "a key has one item",
        "I3",
        # The record's own condition would keep the second order from being written.
        (
            cut(
                FakeLedger.open,
                "if taken is not None:",
                "if False:",
            ),
        ),
        plan=staged(orders=4, later=[(What.ORDER, 1, 60), (What.OTHER_BODY, 1, 60)]),
    ),
    Mutant(
        "a write that finds its own nonce had succeeded, and the sweep takes what nobody holds",
        "I3",
        # Who takes his own write for somebody else's lets go of the record, and the sweep finds it. Here none comes.
        (cut(FakeLedger.apply, "if current is not None and current.nonce == nonce:", "if False:"),),
        plan=staged(orders=3, calm_at=20 * MINUTE),
        scene=scenes(
            amazon(When(OPERATION, [LOST], ends=2 * MINUTE)), faults_of_aws("sent twice", 0.5), nobody_sweeps(NEVER)
        ),
    ),
    Mutant(
        "an order that finds its own nonce had been written, and the sweep takes what nobody holds",
        "I3",
        (
            cut(
                FakeLedger.open,
                "if taken.nonce == nonce else KeyTaken(taken)",
                "if False else KeyTaken(taken)",
            ),
        ),
        plan=staged(orders=3, calm_at=20 * MINUTE),
        scene=scenes(faults_of_aws("sent twice", 0.5), nobody_sweeps(NEVER)),
    ),
    Mutant(
        "what is due is found",
        "I3",
        (cut(FakeLedger.due, "r.wake_at <= until", "False"),),
        plan=staged(calm_at=20 * MINUTE),
        scene=dies_at_amazon(OPERATION, FIRST),
    ),
]

SENDING: Final = [
    Mutant(
        "an order is written before it is sent",
        "I1",
        (
            cut(
                issue.issue,
                "signed = dependencies.amazon.sign(call, account)\n",
                "signed = dependencies.amazon.sign(call, account)\n    dependencies.amazon.attempt(signed, seconds=8.0)\n",
            ),
        ),
        plan=staged(),
    ),
    Mutant(
        "a send is written before it leaves",
        "I1",
        (
            cut(
                drive._send,
                "here, held = write(here, mark(record, signed.sent_at, dependencies.clock.now()), dependencies)\n"
                "    if not held:\n"
                "        return here, False, False\n",
                "pass\n",
            ),
        ),
        plan=staged(later=[(What.CANCEL, 10, 30)]),
    ),
    Mutant(
        "a queued order that is being sent is not sent again, and a refusal names the attempts that it knows of",
        "I3",
        (
            cut(issue_queued.issue_queued, " or record.may_have_executed", ""),
            cut(
                recovery.after_operation,
                "return change_from(\n"
                '                record, read, requires=("attempts", "doubt"), status=Status.REFUSED, '
                "refusal=error, error=error\n",
                "return change_from(record, read, status=Status.REFUSED, refusal=error, error=error\n",
            ),
        ),
        plan=staged(first=What.LATER),
        scene=scenes(
            messages_doubled(2),
            amazon(
                When(OPERATION, [NOT_PERMITTED], numbers=FIRST), When(OPERATION, [lands_late(10, 60)], numbers=SECOND)
            ),
            responses_slow(5, range(1, 3)),
        ),
    ),
    Mutant(
        "whoever loses a record lets go of it",
        "I8",
        (
            cut(
                drive.drive,
                "reread_key, permit = False, None\n                if not held:\n                    return here",
                "reread_key, permit = False, None",
            ),
        ),
        plan=staged(orders=4, later=[(What.CANCEL, 1, 8)]),
        scene=amazon(When(OPERATION, [LOST], ends=3 * MINUTE), When(REVERSAL, [LOST], ends=3 * MINUTE)),
    ),
    Mutant(
        "whoever loses a new order lets go of it",
        "I8",
        (cut(issue._send_first, "if not held:\n        return here", "if False:\n        return here"),),
        plan=staged(orders=4, later=[(What.CANCEL, 0.05, 0.5)]),
        scene=amazon(When(OPERATION, [LOST], ends=3 * MINUTE), When(REVERSAL, [LOST], ends=3 * MINUTE)),
    ),
    Mutant(
        "an unknown answer leaves a doubt",
        "I3",
        (cut(recovery._unknown, "read, doubt=True, first", "read, first"),),
        plan=staged(),
        scene=amazon(When(OPERATION, [DONE_AND_LOST], numbers=FIRST), When(OPERATION, [NOT_PERMITTED], numbers=SECOND)),
    ),
    Mutant(
        "a code is read only of what has succeeded",
        "I7",
        (cut(reveal.reveal, "if record.status is not Status.SUCCEEDED:", "if False:"),),
        plan=staged(later=[(What.REVEAL, 60, 90)]),
        scene=amazon(When(OPERATION, [NOT_PERMITTED], numbers=FIRST)),
    ),
    Mutant(
        "each generation has an id of its own",
        "it never ends",
        (cut(request_ids.derive_request_id, "key_hash, str(generation))", "key_hash)"),),
        plan=staged(intents=REISSUE, calm_at=20 * MINUTE),
        scene=amazon(SILENCE),
    ),
    Mutant(
        "what was cancelled is not issued again",
        "I2",
        (cut(recovery._may_reissue, "record.intent is Intent.REISSUE\n        and ", ""),),
        plan=staged(intents=REISSUE, later=[(What.CANCEL, 3 * MINUTE, 20 * MINUTE)]),
        scene=amazon(SILENCE),
    ),
    Mutant(
        "a card that is read as refunded is reversed",
        "I3",
        (
            cut(
                recovery.after_probe,
                "return change_from(record, read, status=Status.REVERSED, card_seen=True, gc_id=gc_id, error=None)",
                "return _stays(record, read, now)",
            ),
        ),
        plan=staged(later=[(What.CANCEL, 10, 30)]),
        scene=amazon(When(REVERSAL, [DONE_AND_LOST], numbers=FIRST), When(REVERSAL, [TOO_LATE], numbers=SECOND)),
    ),
    Mutant(
        "what an earlier reversal was told says nothing about the next",
        "I3",
        (cut(transitions.accept_cancel, "too_late=None,\n        no_such", "no_such"),),
        plan=staged(later=[(What.CANCEL, 10, 20), (What.CANCEL, 60, 90)]),
        scene=amazon(
            When(REVERSAL, [TOO_LATE], numbers=range(1, 3)),
            When(REVERSAL, [DONE_AND_LOST], numbers=THIRD),
            When(REVERSAL, [TOO_LATE], numbers=range(4, 5)),
        ),
    ),
    Mutant(
        "only an account without a book does without it",
        "I3",
        (
            cut(
                activity._ask,
                "isinstance(response, Refused) and response.error.type == DISABLED",
                "isinstance(response, Refused)",
            ),
        ),
        plan=staged(within=2, intents=REVERSE, blocks=block("OperationNotPermitted", 3, 40 * MINUTE)),
        scene=amazon(When(OPERATION, [DONE_AND_LOST], ends=3)),
    ),
    Mutant(
        "the fence holds Amazon's 15 minutes",
        "I7",
        (
            cut(
                waits.in_flight_until,
                "record.last_sent_at + IN_FLIGHT_WINDOW",
                "record.last_sent_at + timedelta(minutes=5)",
            ),
        ),
        plan=staged(intents=REVERSE),
        scene=amazon(When(OPERATION, [lands_late(600, 1200)], ends=20 * MINUTE)),
    ),
    Mutant(
        "the fence holds 5 minutes for what was taken at the last moment",
        "I7",
        (
            cut(
                waits.in_flight_until,
                "record.last_sent_at + IN_FLIGHT_WINDOW",
                "record.last_sent_at + timedelta(minutes=15)",
            ),
        ),
        plan=staged(intents=REVERSE),
        scene=amazon(When(OPERATION, [lands_late(1100, 1200)], ends=20 * MINUTE)),
    ),
    Mutant(
        "a last try that cannot be made is none to wait for",
        "I3",
        (
            cut(
                recovery.postpone,
                "if now >= deadline(record) and Status.ESCALATED in EDGES[record.status]:",
                "if False:",
            ),
        ),
        plan=staged(orders=1, calm_at=30 * HOUR),
        scene=scenes(amazon(When(OPERATION, [LOST], ends=30 * HOUR)), secret_missing(MINUTE, 30 * HOUR)),
    ),
]

PACING: Final = [
    Mutant(
        "an order takes a slot",
        "I5",
        (
            cut(
                issue.issue,
                "found = take_permit(account.name, priority, dependencies)",
                "found = Permit(dependencies.clock.now())",
            ),
        ),
        plan=staged(orders=16, within=0.5),
    ),
    Mutant(
        "whoever has a slot waits for it",
        "I5",
        # A call that is early is none that is late.
        (
            cut(
                pace.take_permit,
                "dependencies.clock.sleep((permit.at - dependencies.clock.now()).total_seconds())\n",
                "pass\n",
            ),
        ),
        plan=staged(orders=16, within=0.5),
    ),
    Mutant(
        "a repeat and a reversal take a slot",
        "I5",
        (
            cut(
                drive._try_with_key,
                "reserved = permit or take_permit(record.account, priority, dependencies)",
                "reserved = permit or Permit(dependencies.clock.now())",
            ),
        ),
        plan=staged(orders=24, within=4, later=[(What.CANCEL, 20, 20.1)]),
    ),
    Mutant(
        "a reading of a code takes a slot",
        "I5",
        (
            cut(
                reveal.read_card,
                "reserved, permit = permit or take_permit(record.account, Priority.CALLER, dependencies), None",
                "reserved, permit = permit or Permit(dependencies.clock.now()), None",
            ),
        ),
        plan=staged(orders=24, within=4, later=[(What.REVEAL, 20, 20.1)]),
    ),
    Mutant(
        "slots are an interval apart",
        "I5",
        (cut(DynamoDbRateLimiter.reserve, 'values |= {"interval": interval,', 'values |= {"interval": 1,'),),
        plan=staged(orders=24, within=0.5),
    ),
    Mutant(
        "a call that was held up takes another slot",
        "I5",
        (cut(pace.reacquire_if_late, "if not is_late(permit, dependencies):", "if True:"),),
        plan=staged(orders=30, within=3),
        scene=faults_of_aws("conflict", 0.6),
    ),
    Mutant(
        "what Amazon throttles slows everybody down",
        "I5",
        (
            cut(
                pace.on_throttled,
                "if because not in {NotExecutedBecause.THROTTLED, UnknownBecause.OVERLOADED}:",
                "if True:",
            ),
        ),
        plan=staged(orders=30, within=1, limits=((0.0, 2), (HOUR, 10))),
    ),
]

WAKING: Final = [
    Mutant(
        "a new order wakes somebody",
        "I3",
        (cut(transitions.first_send, "wake_at=now + LEASE,", "wake_at=None,"),),
        plan=staged(calm_at=20 * MINUTE),
        scene=dies_at_amazon(OPERATION, FIRST),
    ),
    Mutant(
        "an order in line wakes somebody",
        "I3",
        (cut(transitions.queued_until, "wake_at=due_at + IN_BACKLOG", "wake_at=None"),),
        plan=staged(first=What.LATER, calm_at=20 * MINUTE),
        scene=messages_lost(1),
    ),
    Mutant(
        "an order that is put into line again wakes somebody",
        "I3",
        (cut(transitions.put_again, "wake_at=max(now, record.due_at or now) + IN_BACKLOG,", "wake_at=None,"), WAKES),
        plan=staged(first=What.LATER, calm_at=20 * MINUTE),
        scene=messages_lost(2),
    ),
    Mutant(
        "a successor wakes somebody",
        "I3",
        (
            cut(
                recovery._reissue,
                "wake_at=now + LEASE,\n            # Inherited",
                "wake_at=None,\n            # Inherited",
            ),
        ),
        plan=staged(intents=REISSUE),
        scene=scenes(amazon(SILENCE), dies_after("reissue")),
    ),
    Mutant(
        "a record that is taken over wakes somebody",
        "I3",
        (cut(transitions.take_over, "wake_at=max(now, record.due_at or now) + LEASE,", "wake_at=None,"), WAKES),
        plan=staged(calm_at=20 * MINUTE),
        scene=scenes(amazon(UNHEARD), dies_at_amazon(OPERATION, FIRST), workflows_fail(10 * MINUTE)),
    ),
    Mutant(
        "a cancel wakes somebody",
        "I3",
        (
            cut(
                transitions.accept_cancel,
                "due_at=now,\n        wake_at=now + LEASE,",
                "due_at=now,\n        wake_at=None,",
            ),
            WAKES,
        ),
        plan=staged(calm_at=20 * MINUTE, later=[(What.CANCEL, 40, 90)]),
        scene=scenes(amazon(UNHEARD), workflows_fail(10 * MINUTE)),
    ),
    Mutant(
        "a send wakes somebody",
        "I3",
        (cut(transitions.record_send, "wake_at=now + LEASE,", "wake_at=None,"), WAKES),
        plan=staged(calm_at=20 * MINUTE),
        scene=scenes(amazon(UNHEARD), dies_at_amazon(OPERATION, SECOND)),
    ),
    Mutant(
        "a reversal that is sent wakes somebody",
        "I3",
        (cut(transitions.record_reversal_send, "wake_at=now + LEASE,", "wake_at=None,"), WAKES),
        plan=staged(calm_at=20 * MINUTE, later=[(What.CANCEL, 40, 90)]),
        scene=dies_at_amazon(REVERSAL, FIRST),
    ),
    Mutant(
        "a wait wakes somebody",
        "I3",
        (
            cut(recovery._wait_on, "due_at=due_at, wake_at=due_at + LEASE)", "due_at=due_at, wake_at=None)"),
            WAKES,
        ),
        plan=staged(calm_at=20 * MINUTE),
        scene=scenes(amazon(UNHEARD), workflows_fail(10 * MINUTE, begun=True), dies_after("apply")),
    ),
]

#: The account's key is replaced: for some minutes processes still have the old one.
ROTATED: Final = (Rotation(100, 110, 120),)

KEYS_AND_MONEY: Final = [
    Mutant(
        "an order is refused for its key only after the secret was read anew",
        "I6",
        (
            cut(
                recovery.after_operation,
                "case NotExecuted(because=NotExecutedBecause.CREDENTIALS, error=error) if key_was_fresh and not",
                "case NotExecuted(because=NotExecutedBecause.CREDENTIALS, error=error) if not",
            ),
        ),
        plan=staged(orders=12, within=250, rotations=ROTATED),
    ),
    Mutant(
        "an order that the balance does not cover waits for money",
        "I6",
        (
            cut(
                recovery.after_operation,
                "case Refused(error) if parks and is_unfunded(error) and record.status is Status.PENDING:",
                "case Refused(error) if False:",
            ),
        ),
        plan=staged(parks=True, balances=((0.0, 0), (HOUR, 1_000_000)), calm_at=2 * HOUR),
    ),
    Mutant(
        "a version of a record counts once",
        "I3",
        (
            cut(
                account_states.FakeAccountStates.count,
                "if seen is not None and seen[0] >= record.version:",
                "if False:",
            ),
        ),
        plan=staged(orders=5, later=[(What.CANCEL, 10, 30)]),
    ),
    Mutant(
        "what was reversed is no longer spent",
        "I3",
        (
            cut(
                spend.charge_of,
                "if record.answered_at is None or record.status in {Status.REVERSED, Status.REFUSED}:",
                "if record.answered_at is None:",
            ),
        ),
        plan=staged(later=[(What.CANCEL, 10, 30)]),
    ),
]

MUTANTS: Final = [*LEDGER, *SENDING, *PACING, *WAKING, *KEYS_AND_MONEY]
