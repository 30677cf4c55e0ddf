"""The switches of the sandbox: every rule that evidence leaves open, and every pace a test may want to change.

Defaults follow recorded traffic where there is any, otherwise the documentation, otherwise the more dangerous reading.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field

from sandbox.control.models import Body, Count, Seconds, Text
from sandbox.model.log import ACTIVITY_TYPES

Late: TypeAlias = Literal["revives", "refunded"]


def _by_operation(names: dict[str, str]) -> dict[str, str]:
    if not names.keys() <= ACTIVITY_TYPES.keys():
        raise ValueError(f"is an object by operation, of {', '.join(ACTIVITY_TYPES)}")
    return ACTIVITY_TYPES | names


ActivityTypes: TypeAlias = Annotated[dict[str, Text], AfterValidator(_by_operation)]
ErrorStatus: TypeAlias = Annotated[int, Field(ge=400, le=599)]


class Options(Body):
    """All switches.

    Times are in seconds; rates count accepted calls in any sliding period; None switches a limit off.
    """

    seed: Text = "sandbox"
    """Claim codes, gift card ids and answer ids are derived from it: the same seed gives the same ones."""
    strict_ids: bool = True
    """Request ids must be alphanumeric, at most 40 characters and start with the partner id.

    Otherwise only not empty and not too long.
    """
    strict_target: bool = False
    """Require x-amz-target to name the operation.

    Clients that send none or a malformed one are known to have worked.
    """
    check_region: bool = True
    """The credential scope must name the account's signing region."""
    zero_funds: bool = False
    """GetAvailableFunds always answers 0, as Amazon's own sandbox does."""
    per_second: Count | None = 10
    """Calls per sliding second and account, all operations together (documented limit)."""
    funds_per_second: Count | None = 1
    """GetAvailableFunds' own limit (documented)."""
    activity_per_minute: Count | None = 1
    """GetGiftCardActivityPage's own limit, per sliding 60 seconds (reported by users)."""
    over_limit: Literal["OperationNotPermitted", "MaxAmountExceeded"] = "OperationNotPermitted"
    """Error type of an amount above the account's maximum.

    Recorded F300 OperationNotPermitted, or F200 MaxAmountExceeded.
    """
    late_activate: Late = "revives"
    """What an Activate does whose id was deactivated before: charge again, or answer the refunded card."""
    late_load: Late = "revives"
    """The same for LoadAmazonBalance after its Void."""
    page_index: Literal["page", "offset"] = "page"
    """Whether pageIndex of the activity page counts pages or records."""
    activity_types: ActivityTypes = Field(default_factory=ACTIVITY_TYPES.copy)
    """activityType by operation; what is not named has its default.

    Amazon's own names are known for cards by code only.
    """
    refund_amounts: bool = False
    """Whether rows of cancellations, deactivations and voids have a cardValue. Recorded ones have none."""
    activity_late_seconds: Seconds = 0.0
    """How long after its time a row is shown, by the sandbox's clock; a row keeps what held when it was written."""
    activity_late: Literal["all", "drawn"] = "all"
    """Whether every row is that late, or each by a time drawn from the seed, up to that."""
    load_units: Literal["minor", "major"] = "minor"
    """Whether a balance load's `amount.value` counts smallest units (cents) or major ones."""
    checksum: bool = False
    """Card numbers must end with the sandbox's own three check digits (Amazon's rule is unpublished)."""
    known_cards_only: bool = False
    """Only card numbers seeded by the control API exist."""
    cancel_window_seconds: Seconds = 900.0
    """CancelGiftCard is possible for 15 minutes from the card's creation (documented)."""
    signature_window_seconds: Seconds = 900.0
    """A signature is valid within 15 minutes of the server's clock, both ways (documented)."""
    wrong_signature: Literal["InvalidSignatureException", "F200", "GeneralError"] = "InvalidSignatureException"
    """What a signature that does not hold is told as.

    The framework's exception (403), or a business error F200 (400) whose errorType is null or GeneralError.
    """
    throttle_status: ErrorStatus = 400
    """HTTP status of ThrottlingException (not recorded; 400 is what the service framework uses)."""
    resend_status: ErrorStatus = 400
    """HTTP status of F400, F100 and F500 answers (recorded as "not 200")."""
    latency_seconds: Seconds = 0.0
    """Delay of every response, after the effect."""
    latency_before_seconds: Seconds = 0.0
    """Delay of every call, before the effect."""
    hold_seconds: Seconds = 30.0
    """How long a `timeout` fault holds the connection open when it does not say so itself."""


def changed(options: Options, wanted: dict[str, object]) -> Options:
    """`options` with the camelCase fields of `wanted` set; pydantic's ValidationError names what is wrong."""
    return Options.model_validate({**as_json(options), **wanted}, by_alias=True, by_name=False)


def as_json(options: Options) -> dict[str, Any]:
    """All options under their camelCase names."""
    return options.model_dump(by_alias=True)
