"""What one attempt at Amazon's Incentives API came back with.

An attempt is one HTTP call. What it means for the *request* (the ledger's record) is decided elsewhere
(`incentives.domain.recovery.rules`): the same refusal closes a request without a doubt and reverses one with a
doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from incentives.domain.secret_text import Secret

if TYPE_CHECKING:
    from incentives.domain.money import Money


class ClaimCode(Secret):
    """A gift card's claim code: it lives in memory and in the one HTTP response that delivers it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AmazonError:
    """An error as Amazon named it. Every part may be missing in a real response.

    Attributes:
        code: F-code, e.g. `F200`.
        type: errorType, e.g. `InvalidAmountValue`.
        message: Amazon's sentence, at most 500 characters, with anything that looks like a code removed.
    """

    code: str | None = None
    type: str | None = None
    message: str | None = None


#: errorTypes of a signature that is too old or too new: our clock is wrong, and the key may be as good as any.
CLOCK_REFUSED: Final = frozenset({"RequestExpired", "RequestTimeTooSkewed"})


def blames_key(error: AmazonError) -> bool:
    """Whether credentials were refused for their own sake, and not for our clock's."""
    return error.type not in CLOCK_REFUSED


class NotExecutedBecause(StrEnum):
    """Why an attempt certainly had no effect."""

    THROTTLED = "throttled"
    NOT_SENT = "notSent"  # no connection: name resolution, refused, TLS handshake
    CREDENTIALS = "credentials"  # signature, key or clock refused


class UnknownBecause(StrEnum):
    """Why nobody can tell whether an attempt had its effect."""

    RESEND = "resend"  # status RESEND or F400
    AMAZON_FAULT = "amazonFault"  # F100, F500, HTTP 5xx
    TIMED_OUT = "timedOut"
    CONNECTION_LOST = "connectionLost"
    OVERLOADED = "overloaded"  # something behind Amazon's front door was throttled, perhaps halfway
    NOT_READY = "notReady"  # SUCCESS, but its card is neither live nor ended yet
    UNREADABLE = "unreadable"  # a response, but none to what was asked
    NO_RESPONSE_RECORDED = "noAnswerRecorded"  # the process died between the send and its record


class ConflictKind(StrEnum):
    """A SUCCESS that must not be delivered."""

    REFUNDED = "refunded"  # cardStatus RefundedToPurchaser
    EXPIRED = "expired"
    VALUE = "value"  # another amount or currency than asked for


@dataclass(frozen=True, slots=True)
class Card:
    """A card as Amazon's SUCCESS describes it.

    Attributes:
        gc_id: opaque id of the card; None where the operation has none (balance loads, activations).
        claim_code: None where the operation has none.
        expires_at: aware UTC, None for cards that never expire.
        status: cardStatus, e.g. `Fulfilled`.
        value: what Amazon says it charged.
    """

    gc_id: str | None
    claim_code: ClaimCode | None = field(repr=False)
    expires_at: datetime | None
    status: str
    value: Money


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Amazon did what was asked: the card is live, with the amount and currency asked for."""

    card: Card


@dataclass(frozen=True, slots=True)
class Conflict:
    """SUCCESS, but not of a card that may be delivered."""

    kind: ConflictKind
    gc_id: str | None = None
    error: AmazonError = AmazonError()


@dataclass(frozen=True, slots=True)
class Refused:
    """Amazon says no. Closes the request only if no earlier attempt is unknown."""

    error: AmazonError


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell whether it happened."""

    because: UnknownBecause
    error: AmazonError = AmazonError()


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """It certainly did not happen."""

    because: NotExecutedBecause
    error: AmazonError = AmazonError()


Outcome = Succeeded | Conflict | Refused | Unknown | NotExecuted


@dataclass(frozen=True, slots=True)
class Reversed:
    """The reversal had its effect, now or before."""


@dataclass(frozen=True, slots=True)
class NoSuchRequest:
    """Amazon knows nothing of the request id. Proves nothing before the in-flight window is over."""

    error: AmazonError = AmazonError()


@dataclass(frozen=True, slots=True)
class TooLate:
    """The window to reverse is over. No proof that the card is alive."""

    error: AmazonError = AmazonError()


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Any other response to a reversal, or none: repeat until the deadline.

    Attributes:
        not_executed: set when the attempt certainly had no effect, so that pace and key can be mended.
        unknown: set when nobody can tell.
    """

    error: AmazonError = AmazonError()
    not_executed: NotExecutedBecause | None = None
    unknown: UnknownBecause | None = None


ReversalOutcome = Reversed | NoSuchRequest | TooLate | Unresolved
