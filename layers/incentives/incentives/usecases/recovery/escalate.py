"""Hand a request that could not be settled to people, with everything that Amazon's support asks for.

Written first, mailed later: the case file is stored with the very write that escalates the request, so that a mail
which cannot be sent loses nothing. The mail waits until no signature in it can be used any more.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from incentives import __version__
from incentives.agcod.bodies import body_of
from incentives.agcod.signatures import signature_of
from incentives.domain.errors import AccountUnusable, InvalidInput, StateConflict, VaultUnavailable
from incentives.domain.recovery.case_file import case_file, is_stale, stale_at
from incentives.domain.single_requests.record import Change, Lost, Record, Status, change
from incentives.usecases.operation_calls import account_of, decrypted, operation_call, reversal_call
from incentives.usecases.single_requests.drive import Progress, write
from incentives.usecases.single_requests.find import find

if TYPE_CHECKING:
    from incentives.domain.calls import Call
    from incentives.usecases.dependencies import Dependencies
    from incentives.usecases.ports import Ledger


def escalate(record: Record, closing: Change, dependencies: Dependencies) -> Record:
    """Write the state and the case file, in one."""
    now = dependencies.clock.now()
    text = case_file(closing.after, request_body=None, signature=None, version=__version__, now=now)
    with_case = replace(closing, after=replace(closing.after, case_file=text))
    return write(Progress(record), with_case, dependencies)[0].record


def is_case_due(record: Record, now: datetime) -> bool:
    """Whether the case may be mailed: nothing in it can be used any more."""
    return record.evidence is None or is_stale(record.evidence.amz_date, now)


def seconds_until_case(record: Record, now: datetime) -> int:
    """How long until it may be mailed."""
    if record.evidence is None:
        return 0
    return max(0, math.ceil((stale_at(record.evidence.amz_date) - now).total_seconds()))


def mail_case(record: Record, dependencies: Dependencies, support_address: str | None) -> Record:
    """Complete the case, store it, mail it to Amazon's support and tell the operators. At least once.

    A mail that cannot be sent is told to the operators with the reason; the case stays with the record.
    """
    now = dependencies.clock.now()
    if record.mailed_at is not None or not is_case_due(record, now):
        return record
    body, signature = _request_of(record, dependencies)
    text = case_file(record, request_body=body, signature=signature, version=__version__, now=now)
    subject = f"{record.partner_id}: {record.operation.value} {record.request_id} unresolved after 24 hours"
    unsent = dependencies.notifier.mail(support_address, subject, text) if support_address else "no address is set"
    mailed = (
        f"The case was NOT mailed to Amazon's support: {unsent}. Mail it by hand."
        if unsent
        else "The case was mailed to Amazon's support."
    )
    told = (
        f"Request {record.request_id} ({record.value}, account {record.account}) could not be settled with Amazon and "
        f"is ESCALATED. Do not order it again.\n\n{mailed}\n"
        f"Read it: GET /requests/{record.request_id}/case-file\n"
        f"Try another round: POST /requests/{record.request_id}/recover\n\n{text}"
    )
    untold = dependencies.notifier.notify(f"ESCALATED: {record.request_id}", told)
    dependencies.telemetry.log("caseMailed", requestId=record.request_id, because=unsent, cause=untold)
    dependencies.telemetry.count("CaseMailFailed", 1.0 if unsent else 0.0)
    result = dependencies.ledger.apply(
        change(record, case_file=text, mailed_at=now, updated_at=now), dependencies.new_nonce()
    )
    return (result.current or record) if isinstance(result, Lost) else result


def get_case_file(request_id: str, ledger: Ledger) -> str:
    """The case of an escalated request, as JSON text.

    Raises:
        NotFound, LedgerUnavailable
        StateConflict: the request is not escalated.
    """
    record = find(request_id, ledger)
    if record.status is not Status.ESCALATED or record.case_file is None:
        raise StateConflict(
            f"This request is {record.status.value}: only an ESCALATED one has a case.",
            request_id=record.request_id,
            status=record.status,
        )
    return record.case_file


def _request_of(record: Record, dependencies: Dependencies) -> tuple[str | None, str | None]:
    """The body of the last attempt, card number masked, and its signature; None for what cannot be made again."""
    if record.evidence is None:
        return None, None
    try:
        account = account_of(record, dependencies)
        members = decrypted(record, dependencies.vault)
    except (AccountUnusable, VaultUnavailable):
        return None, None
    reversal = record.evidence.url.endswith(f"/{record.operation.reversal}")
    call: Call = reversal_call(record, members) if reversal else operation_call(record, members)
    try:
        body = body_of(call, record.partner_id)
    except InvalidInput:
        return None, None
    for value in _texts(members):
        # As the body writes it: with everything but ASCII escaped.
        body = body.replace(json.dumps(value)[1:-1], json.dumps(record.subject or "***")[1:-1])
    return body, signature_of(record.evidence.string_to_sign, account.secret_access_key)


def _texts(members: object) -> list[str]:
    if isinstance(members, str):
        return [members] if len(members) > 4 else []  # noqa: PLR2004 - a type number is no secret
    return [text for each in members.values() for text in _texts(each)] if isinstance(members, dict) else []
