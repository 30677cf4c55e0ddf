"""One call to the Incentives API in the project's own words, and what remains of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from incentives.domain.outcomes import Outcome, ReversalOutcome

if TYPE_CHECKING:
    from incentives.domain.money import Money
    from incentives.domain.secret_text import Secret

#: A call that issues leaves within so much of its start, or not at all: enough for an address that does not answer, and
#: for the next one.
LEAVES_WITHIN_SECONDS: Final = 3.0

OutcomeT = TypeVar("OutcomeT", bound=Outcome | ReversalOutcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked of Amazon, before it is written as a body and signed.

    Attributes:
        name: Amazon's operation name, e.g. `CreateGiftCard` or `CancelGiftCard`.
        request_id: creationRequestId, activationRequestId or loadBalanceRequestId, by the operation.
        value: amount and currency; None where the operation takes none.
        gc_id: optional for CancelGiftCard.
        card_number: 19 digits, for physical cards only.
        options: optional fields as Amazon names them: externalReference, programId, productType,
            transactionSource, notification, and the `account` of a balance load.
    """

    name: str
    request_id: str
    value: Money | None = None
    gc_id: str | None = None
    card_number: Secret | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What support at Amazon asks for about one attempt. It never holds a claim code, a key or a signature.

    Attributes:
        url: full URL of the call.
        amz_date: x-amz-date of the signature, `YYYYMMDDTHHMMSSZ`.
        string_to_sign: SigV4's string to sign (a hash of the request; no secret).
        http_status: None when no response came.
        amazon_request_id: Amazon's `x-amzn-RequestId`.
        response: the readable fields of the response that are known to be harmless.
        fault: what happened when no response came, e.g. `ReadTimeout`.
    """

    url: str
    amz_date: str
    string_to_sign: str
    http_status: int | None = None
    amazon_request_id: str | None = None
    response: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Generic[OutcomeT]):
    """One attempt and what it came back with.

    Attributes:
        outcome: what the response says about this attempt alone.
        evidence: for the case file.
        amazon_date: Amazon's own clock (the response's Date header); None when no response came.
    """

    outcome: OutcomeT
    evidence: Evidence
    amazon_date: datetime | None = None
