"""Amazon, as the use cases see it: sign a call, attempt it, read what it came back with.

A use case records the signature's date between `sign` and `attempt`: nothing is sent that the ledger does not know.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from incentives.agcod.client import IncentivesClient, SignedCall
from incentives.agcod.reading.dates import parse_http_date
from incentives.agcod.reading.evidence import evidence_of
from incentives.agcod.reading.responses import (
    UNREADABLE,
    Failure,
    Funds,
    judge_card_state,
    judge_failure,
    judge_funds,
    judge_outcome,
    judge_reversal,
    open_response,
)
from incentives.agcod.transport import Fault, HttpResponse
from incentives.domain.accounts.account import CardState
from incentives.domain.calls import LEAVES_WITHIN_SECONDS, Attempt, Call
from incentives.domain.outcomes import (
    NotExecuted,
    NotExecutedBecause,
    Outcome,
    ReversalOutcome,
    Unknown,
    UnknownBecause,
    Unresolved,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from incentives.agcod.activity import ActivityPage
    from incentives.agcod.reading.envelope import Envelope
    from incentives.domain.accounts.account import Account
    from incentives.domain.secret_text import Secret

#: What a query (funds, card state, activity) comes back with when there is no response to it.
FundsResponse: TypeAlias = Funds | Failure
CardStateResponse: TypeAlias = CardState | Failure
ActivityResponse: TypeAlias = "ActivityPage | Failure"

__all__ = [
    "ActivityResponse",
    "Amazon",
    "CardState",
    "CardStateResponse",
    "Failure",
    "Funds",
    "FundsResponse",
    "SignedCall",
]

_NO_ID: Final = ""


class Amazon:
    """The Incentives API. Only `sign` raises, and only for a call that nothing was sent of."""

    def __init__(self, client: IncentivesClient) -> None:
        self._client = client

    def sign(self, call: Call, account: Account, now: datetime | None = None) -> SignedCall:
        """Sign a call, as of now.

        Raises:
            InvalidInput: names the field of the call that is missing or out of its limits.
        """
        return self._client.sign(call, account, now)

    def attempt(self, signed: SignedCall, *, seconds: float) -> Attempt[Outcome]:
        """Send a Create, Activate or Load once; one that is slow to be connected does not leave.

        Args:
            signed: the call, signed just now.
            seconds: for all of it; the attempt ends by then, with or without a response.
        """
        # Somebody may freeze the account meanwhile, and waits no longer than this for it.
        result = self._client.send(replace(signed, leaves_within=LEAVES_WITHIN_SECONDS), seconds=seconds)
        envelope = _open(result, signed.call)
        return Attempt(
            outcome=_outcome(result, envelope, signed.call, self._client),
            evidence=evidence_of(signed, result, envelope),
            amazon_date=_date(result),
        )

    def attempt_reversal(self, signed: SignedCall, *, seconds: float) -> Attempt[ReversalOutcome]:
        """Send a Cancel, Deactivate or Void once; otherwise as `attempt`."""
        result = self._client.send(signed, seconds=seconds)
        envelope = _open(result, signed.call)
        return Attempt(
            outcome=_reversal(result, envelope, signed.call),
            evidence=evidence_of(signed, result, envelope),
            amazon_date=_date(result),
        )

    def funds(self, account: Account, *, seconds: float) -> FundsResponse:
        """What is left in the account (at most once a second; Amazon ignores more)."""
        call = Call(name="GetAvailableFunds", request_id=_NO_ID)
        result = self._client.send(self._client.sign(call, account), seconds=seconds)
        if isinstance(result, Fault):
            return _lost(result)
        try:
            return judge_funds(_open(result, call), result.status, call, _date(result))
        except Exception:  # noqa: BLE001 - the reader never raises
            return UNREADABLE

    def activation_status(
        self, account: Account, *, request_id: str, card_number: Secret, seconds: float
    ) -> CardStateResponse:
        """Whether a physical card is active.

        Args:
            account: whose card it is.
            request_id: the activationRequestId of the activation asked about.
            card_number: 19 digits.
            seconds: for all of it.

        Raises:
            InvalidInput: names `cardNumber`: not 19 digits.
        """
        call = Call(name="ActivationStatusCheck", request_id=request_id, card_number=card_number)
        result = self._client.send(self._client.sign(call, account), seconds=seconds)
        if isinstance(result, Fault):
            return _lost(result)
        try:
            return judge_card_state(_open(result, call), result.status, call)
        except Exception:  # noqa: BLE001 - the reader never raises
            return UNREADABLE

    def activity_page(
        self, account: Account, *, request_id: str, query: Mapping[str, object], seconds: float
    ) -> ActivityResponse:
        """One page of the account's activity (about once a minute).

        Args:
            account: whose activity it is.
            request_id: any id; it need not begin with the partner id.
            query: `activity.query_of`'s fields.
            seconds: for all of it.
        """
        # Few functions ever ask for one.
        from incentives.agcod.activity import judge_activity  # noqa: PLC0415

        call = Call(name="GetGiftCardActivityPage", request_id=request_id, options=query)
        result = self._client.send(self._client.sign(call, account), seconds=seconds)
        if isinstance(result, Fault):
            return _lost(result)
        try:
            envelope = _open(result, call)
            failure = judge_failure(envelope, result.status, call)
            return failure or judge_activity(envelope, call) or UNREADABLE
        except Exception:  # noqa: BLE001 - the reader never raises
            return UNREADABLE


def _open(result: HttpResponse | Fault, call: Call) -> Envelope | None:
    if isinstance(result, Fault):
        return None
    try:
        return open_response(result, call)
    except Exception:  # noqa: BLE001 - the reader never raises
        return None


def _outcome(result: HttpResponse | Fault, envelope: Envelope | None, call: Call, client: IncentivesClient) -> Outcome:
    if isinstance(result, Fault):
        return _lost(result)
    try:
        return judge_outcome(envelope, result.status, call, client.load_units)
    except Exception:  # noqa: BLE001 - whatever is wrong with the response or with us: the money may have moved
        return UNREADABLE


def _reversal(result: HttpResponse | Fault, envelope: Envelope | None, call: Call) -> ReversalOutcome:
    if isinstance(result, Fault):
        match result.because:
            case NotExecutedBecause():
                return Unresolved(not_executed=result.because)
            case UnknownBecause():
                return Unresolved(unknown=result.because)
            case _:
                assert_never(result.because)
    try:
        return judge_reversal(envelope, result.status, call)
    except Exception:  # noqa: BLE001 - as above
        return Unresolved(unknown=UnknownBecause.UNREADABLE)


def _lost(fault: Fault) -> Unknown | NotExecuted:
    match fault.because:
        case NotExecutedBecause():
            return NotExecuted(fault.because)
        case UnknownBecause():
            return Unknown(fault.because)
        case _:
            assert_never(fault.because)


def _date(result: HttpResponse | Fault) -> datetime | None:
    return parse_http_date(result.headers.get("date")) if isinstance(result, HttpResponse) else None
