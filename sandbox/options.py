"""The switches of the sandbox: every rule that evidence leaves open, and every pace a test may want to change.

Defaults follow recorded traffic where there is any, otherwise the documentation, otherwise the more dangerous reading.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

Late: TypeAlias = Literal["revives", "refunded"]

# HTTP statuses that an error may have, and the longest time that an option may name (about four months).
_ERROR_STATUSES = range(400, 600)
_SECONDS_MAX = 10_000_000

_CHOICES: dict[str, tuple[str, ...]] = {
    "over_limit": ("OperationNotPermitted", "MaxAmountExceeded"),
    "late_activate": ("revives", "refunded"),
    "late_load": ("revives", "refunded"),
    "page_index": ("page", "offset"),
    "load_units": ("minor", "major"),
    "wrong_signature": ("InvalidSignatureException", "F200", "GeneralError"),
}


class OptionError(ValueError):
    """An option that does not exist, or a value that it cannot take; the text names both."""


@dataclass(frozen=True)
class Options:
    """All switches.

    Times are in seconds; rates count accepted calls in any sliding period; None switches a limit off.
    """

    seed: str = "sandbox"
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
    per_second: int | None = 10
    """Calls per sliding second and account, all operations together (documented limit)."""
    funds_per_second: int | None = 1
    """GetAvailableFunds' own limit (documented)."""
    activity_per_minute: int | None = 1
    """GetGiftCardActivityPage's own limit, per sliding 60 seconds (reported by users)."""
    over_limit: str = "OperationNotPermitted"
    """Error type of an amount above the account's maximum.

    Recorded F300 OperationNotPermitted, or F200 MaxAmountExceeded.
    """
    late_activate: str = "revives"
    """What an Activate does whose id was deactivated before: charge again, or answer the refunded card."""
    late_load: str = "revives"
    """The same for LoadAmazonBalance after its Void."""
    page_index: str = "page"
    """Whether pageIndex of the activity page counts pages or records."""
    load_units: str = "minor"
    """Whether a balance load's `amount.value` counts smallest units (cents) or major ones."""
    checksum: bool = False
    """Card numbers must end with the sandbox's own three check digits (Amazon's rule is unpublished)."""
    known_cards_only: bool = False
    """Only card numbers seeded by the control API exist."""
    cancel_window_seconds: float = 900.0
    """CancelGiftCard is possible for 15 minutes from the card's creation (documented)."""
    signature_window_seconds: float = 900.0
    """A signature is valid within 15 minutes of the server's clock, both ways (documented)."""
    wrong_signature: str = "InvalidSignatureException"
    """What a signature that does not hold is told as.

    The framework's exception (403), or a business error F200 (400) whose errorType is null or GeneralError.
    """
    throttle_status: int = 400
    """HTTP status of ThrottlingException (not recorded; 400 is what the service framework uses)."""
    resend_status: int = 400
    """HTTP status of F400, F100 and F500 answers (recorded as "not 200")."""
    latency_seconds: float = 0.0
    """Delay of every response, after the effect."""
    latency_before_seconds: float = 0.0
    """Delay of every call, before the effect."""
    hold_seconds: float = 30.0
    """How long a `timeout` fault holds the connection open when it does not say so itself."""


def option_names() -> dict[str, str]:
    """The control API's name (camelCase) of every option, with the field it sets."""
    return {_camel(field.name): field.name for field in fields(Options)}


def changed(options: Options, wanted: dict[str, object]) -> Options:
    """`options` with the camelCase members of `wanted` set.

    Raises OptionError, naming the member, and then changes nothing.
    """
    names = option_names()
    values: dict[str, object] = {}
    for camel, value in wanted.items():
        if camel not in names:
            raise OptionError(f"no option is called {camel!r}")
        values[names[camel]] = _checked(names[camel], value)
    return replace(options, **values)  # type: ignore[arg-type]


def as_json(options: Options) -> dict[str, object]:
    """All options under their camelCase names."""
    return {camel: getattr(options, name) for camel, name in option_names().items()}


def _checked(name: str, value: object) -> object:
    current = getattr(Options(), name)
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise OptionError(f"{_camel(name)} is one of {', '.join(_CHOICES[name])}")
        return value
    if name in {"per_second", "funds_per_second", "activity_per_minute"}:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise OptionError(f"{_camel(name)} is a whole number from 1, or null for no limit")
        return value
    if isinstance(current, bool):
        fits = isinstance(value, bool)
    elif isinstance(current, int):
        fits = isinstance(value, int) and value in _ERROR_STATUSES
    elif isinstance(current, float):
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _SECONDS_MAX
        value = float(value) if fits and isinstance(value, int | float) else value
    else:
        fits = isinstance(value, str) and value != ""
    if not fits:
        raise OptionError(f"{_camel(name)} cannot be {value!r}")
    return value


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
