"""The promises about what stands around the ledger: its stream, events, alerts, keys, bulk orders and case files."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from incentives.domain.accounts.alerts import Alert
from incentives.domain.bulk_orders.bulk_order import OrderStatus, row_outcome
from incentives.domain.events import event_of
from incentives.domain.keys.rotation import Outcome
from incentives.domain.recovery.rules import KEY_REFUSED
from incentives.domain.single_requests.parking import is_unfunded
from incentives.domain.single_requests.record import Record, Status, TooLateStage
from tests.simulation.bulk import name_of
from tests.simulation.keyring import OLD, PROVEN
from tests.simulation.life import Life

#: Amazon takes a signature for so long, by its own clock.
SIGNATURE_VALID_FOR: Final = timedelta(minutes=15)

#: What Amazon's support asks for.
_IN_A_CASE: Final = frozenset(
    {"partnerId", "requestId", "operation", "amount", "currencyCode", "attempts", "firstSentAt", "lastSentAt"}
    | {"timeZone", "programmingLanguage", "recentChanges", "history", "lastRequest", "lastAnswer", "writtenAt"}
)
_IN_A_REQUEST: Final = frozenset({"method", "url", "x-amz-date", "body", "stringToSign", "signature"})
_WITHHELD: Final = "withheld while it could still be used"


def check_stream(life: Life) -> Iterator[str]:
    """I3 and I6: whoever reads the stream, in whatever pieces, knows what is charged and how each request stands."""
    stream = life.stream
    if stream is None:
        return
    counted = sum(tally.minor for kinds in stream.known.days.values() for tally in kinds.values())
    if counted != cents_charged(life):
        yield f"I3 {counted} cents were counted as spent, and {cents_charged(life)} are"
    expected: dict[str, list[str]] = defaultdict(list)
    for before, after in life.ledger.stream:
        event = event_of(before, after)
        if event is not None:
            expected[after.request_id].append(event.event_id)
    told: dict[str, list[str]] = defaultdict(list)
    for event in life.events:
        request_id = event.event_id.split("#")[0]
        if event.event_id not in told[request_id]:
            told[request_id].append(event.event_id)
    for request_id, ids in expected.items():
        if told[request_id] != ids:
            yield f"I6 of {request_id} the bus was told {told[request_id]} instead of {ids}"


def check_alerts(life: Life) -> Iterator[str]:
    """That an account runs out of money is noticed at once; with a watch, people are told of whatever stands."""
    stream = life.stream
    if stream is None:
        return
    short = [after for _, after in life.ledger.stream if is_unfunded(after.refusal) or is_unfunded(after.error)]
    standing = stream.known.standing.alerts
    alerts = [event.event_id for event in life.events if event.type == "AccountAlert"]
    subjects = [subject for subject, _ in life.notifier.notices]
    if short and not life.plan.watches and Alert.INSUFFICIENT_FUNDS not in standing:
        yield "an account has run out of money, and no alert stands"
    if life.plan.watches:
        untold = [alert.value for alert, raised in standing.items() if not raised.told]
        if untold:
            yield f"nobody was told of {untold}"
        if standing and not subjects:
            yield f"{set(standing)} stand, and nobody was told"
    if len(alerts) > len(subjects):
        yield "an alert was told to programs and not to people"


def cents_charged(life: Life) -> int:
    return sum(
        int(each.value.amount * 100)
        for each in life.ledger.records.values()
        if each.status is Status.SUCCEEDED or (each.status is Status.ESCALATED and each.answered_at is not None)
    )


def check_keys(life: Life) -> Iterator[str]:
    """A wrong key refuses no order for good; rotating one refuses none, and leaves one in use that Amazon takes."""
    for each in life.ledger.records.values():
        refusal = each.refusal if each.status is Status.REFUSED else None
        if refusal and refusal.type != KEY_REFUSED.type and "signature" in (refusal.message or ""):
            yield f"{each.request_id} was refused for good, and all that Amazon refused was its signature"
    if life.plan.trial is None or not life.staff.reports:
        return
    outcomes = {report.outcome for report in life.staff.reports}
    spoiled_in_use = life.keyring.current == PROVEN and not life.shore.takes(PROVEN)
    if not life.shore.takes(life.keyring.current) and not spoiled_in_use:
        yield f"Amazon does not take the key in use, {life.keyring.current}"
    if (
        outcomes & {Outcome.REFUSED, Outcome.ROLLED_BACK}
        and Outcome.KEPT not in outcomes
        and life.keyring.current != OLD
        # It may be one that came after the refusal, and has not come to its report.
        and not life.staff.left_undone
    ):
        yield f"{life.keyring.current} is in use although it was refused"
    if not spoiled_in_use:
        refused = [
            each.request_id
            for each in life.ledger.records.values()
            if each.status is Status.REFUSED and each.refusal and each.refusal.type == KEY_REFUSED.type
        ]
        if refused:
            yield f"{refused} were refused while a key was rotated"


def check_bulk(life: Life) -> Iterator[str]:
    """I3: a bulk order comes to an end, and its result tells of every row how it stands."""
    desk, plan = life.bulk, life.plan.bulk
    if desk is None or plan is None:
        return
    order = desk.order
    if order is None or order.status is not OrderStatus.FINISHED:
        yield f"I3 the bulk order is {order.status.value if order else 'not there'}"
        return
    if desk.approvers.approved and order.rows_name not in {*desk.approvers.approved, None}:
        yield "approval: other rows than those that were approved were issued"
    if order.rows_name in desk.approvers.sent_back and any(desk.key_of(row) for row in plan.rows):
        yield "approval: rows that were sent back were issued"
    result = desk.files.files.get(f"{order.order_id}/result.csv")
    if result is None:
        if any(desk.key_of(row) for row in plan.rows):
            yield "I3 rows were issued, and there is no result"
        return
    shown = {row["key"]: row["outcome"] for row in csv.DictReader(result.decode("utf-8-sig").splitlines())}
    for row in plan.rows:
        key = desk.key_of(row)
        record = life.ledger.records.get(key.request_id) if key else None
        while record is not None and record.replaced_by is not None:
            record = life.ledger.records[record.replaced_by]
        outcome = row_outcome(record).value
        # Operators may have had a word with Amazon since.
        if shown.get(name_of(row)) not in {outcome, "escalated"}:
            yield f"I3 the result says that {name_of(row)} is {shown.get(name_of(row))}, and it is {outcome}"


def check_case(record: Record, life: Life) -> Iterator[str]:
    """I8: what was given up was given up late enough, has a complete case, and people know of it."""
    name = f"{record.request_id} ({record.status.value})"
    given_up = record.conflict is not None or record.too_late is TooLateStage.FINAL
    if not given_up and (record.deadline_at is None or record.updated_at < record.deadline_at.replace(microsecond=0)):
        yield f"I8 {name} was given up before its 24 hours were over"
    case = json.loads(record.case_file) if record.case_file else {}
    if not case.keys() >= _IN_A_CASE or case["requestId"] != record.request_id:
        yield f"I8 {name} has no complete case file"
        return
    request = case["lastRequest"]
    if request.keys() != _IN_A_REQUEST or len(case["history"]) == 0:
        yield f"I8 the case file of {name} does not tell what was sent"
    # An execution that has died for good has an alarm of its own.
    if record.mailed_at is None and not life.ends["died"]:
        yield f"I8 {name} was told to nobody"
    # While the account's secret cannot be read, a case is mailed without it rather than late.
    if (
        record.mailed_at is not None
        and not life.plan.aws
        and (request["body"] is None or request["signature"] == _WITHHELD)
    ):
        yield f"I8 the case file of {name} was mailed without the request"


def check_mails(life: Life) -> Iterator[str]:
    """I8: no mail shows a signature that Amazon would still take."""
    for at, text in life.notifier.mailed:
        request = _case_in(text).get("lastRequest", {})
        if request.get("signature") not in {None, _WITHHELD}:
            signed_at = datetime.strptime(request["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            if at < signed_at + SIGNATURE_VALID_FOR:
                yield f"I8 a signature of {request['x-amz-date']} was shown at {at}, and is still taken"


def _case_in(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
