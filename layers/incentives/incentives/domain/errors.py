"""What goes wrong, as one tree.

    GatewayError                everything that a caller or an operator gets to read
    +-- InvalidInput            a field of the caller's request is wrong; nothing was sent, nothing written
    |   +-- BodyTooLarge        the body is over its limit
    +-- NotFound                the ledger has no such request
    +-- OrderNotFound           there is no such bulk order
    +-- KeyReused               the Idempotency-Key belongs to another request
    +-- StateConflict           the request's state does not allow it
    |   +-- CancelWindowOver    Amazon's 15 minutes are surely over
    +-- OrderConflict           the bulk order's state does not allow it
    +-- RefusedByAmazon         Amazon said no, for good; a stored result; or never looked at it (`RefusedFor`)
    +-- AccountUnusable         the account has no usable key
    +-- LedgerUnavailable       the ledger could not be read or written
    +-- AmazonUnavailable       a query that moves no money was not answered: not reached, no response, or a fault
    |   +-- RateInUse           it was not asked: all of the request rate is in use
    |   +-- AmazonThrottled     Amazon is asked too often
    |   +-- AmazonUnreadable    Amazon's response is none to what was asked
    +-- VaultUnavailable        a card number could not be encrypted or decrypted
    +-- OrderUnavailable        a bulk order, its file or its workflow could not be reached
    +-- IdentityUnavailable     IAM could not be asked who calls
    +-- BooksUnavailable        the books could not be read or written
    +-- BooksConflict           the books do not stand as the caller thinks, or their state does not allow it
    +-- BooksNotFound           the books have no such day, difference, movement, statement or close
    +-- StatementRefused        a statement holds what none may hold
    +-- NotThisPerson           somebody else has to do it
    +-- BudgetUnusable          the budget that is named, or the lack of one, allows no request
    +-- BudgetExceeded          the budget has too little left
    +-- BudgetBusy              too many at once took from the budget
    +-- BudgetNotFound          there is no such budget
    +-- BudgetConflict          the budget cannot be changed so
    +-- AccountFrozen           somebody has frozen the account
    +-- OrderClosed             the batch of a bulk order takes no more rows
    +-- AccountNotFound         there is no such account

Each carries a stable `code` for programs, and `retryable`: whether trying again later can succeed. Which HTTP
status a caller gets is `incentives.api.problems`' to say.
"""

# ruff: noqa: N818 - these names are sentences of the domain; their base class says that they are errors

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar


class GatewayError(Exception):
    """Base of every error that the gateway answers with.

    Attributes:
        code: stable name for programs, e.g. `InvalidInput`.
        title: the same in words, without particulars.
        retryable: whether trying again later can succeed.
        detail: what happened to this request, in a sentence that a caller can act on.
        request_id: the request that it is about, if there is one.
        retry_after_seconds: when trying again makes sense.
    """

    code: ClassVar[str] = "GatewayError"
    title: ClassVar[str] = "The gateway failed"
    retryable: bool = False

    def __init__(self, detail: str, *, request_id: str | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """Which fields of the caller's request are to blame, each with what is wrong with it."""
        return ()


class InvalidInput(GatewayError):
    """A field of the request is missing or wrong."""

    code = "InvalidInput"
    title = "The request is malformed"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """See `GatewayError.fields`."""
        return ((self.field, self.message),)


class BodyTooLarge(InvalidInput):
    """The body is larger than any valid request."""

    code = "BodyTooLarge"
    title = "The request body is too large"


class NotFound(GatewayError):
    """The ledger has no such request."""

    code = "NotFound"
    title = "There is no such request"

    def __init__(self, request_id: str) -> None:
        super().__init__("requestId is not known to this gateway", request_id=request_id)

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """See `GatewayError.fields`."""
        return (("requestId", "is not known to this gateway"),)


class KeyReused(GatewayError):
    """The Idempotency-Key was used before, for something else."""

    code = "KeyReused"
    title = "The Idempotency-Key belongs to another request"

    def __init__(self, differing: Sequence[str], *, request_id: str) -> None:
        names = ", ".join(differing)
        super().__init__(
            f"This Idempotency-Key was used for a request with another {names}. Nothing was sent. "
            "Repeat the request as it was, or use a new key for a new order.",
            request_id=request_id,
        )
        self.differing = tuple(differing)

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """See `GatewayError.fields`."""
        return tuple(
            (name, "differs from the request that this Idempotency-Key was used for") for name in self.differing
        )


class StateConflict(GatewayError):
    """The request's state does not allow what was asked."""

    code = "StateConflict"
    title = "The request's state does not allow this"

    def __init__(self, detail: str, *, request_id: str, status: str, retryable: bool = False) -> None:
        super().__init__(detail, request_id=request_id)
        self.request_status = status
        self.retryable = retryable


class CancelWindowOver(StateConflict):
    """Amazon cancels a card only within 15 minutes, and they are surely over."""

    code = "CancelWindowOver"
    title = "The time to cancel is over"


class RefusedFor(StrEnum):
    """What a refusal is about: whoever mends that can order again."""

    REQUEST = "request"
    STATE = "state"
    FUNDS = "funds"
    ACCOUNT = "account"
    #: Amazon never looked at the request, and a repeat orders again.
    UNSEEN = "unseen"


class RefusedByAmazon(GatewayError):
    """Amazon refused the request: a stored result that a repeat of the request gets again.

    Attributes:
        refused_for: what it is about.
        error_code: Amazon's F-code, if it sent one.
        error_type: Amazon's errorType.
    """

    code = "RefusedByAmazon"
    title = "Amazon refused the request"

    def __init__(
        self,
        detail: str,
        *,
        request_id: str | None,
        refused_for: RefusedFor,
        retryable: bool,
        error_code: str | None,
        error_type: str | None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(detail, request_id=request_id, retry_after_seconds=retry_after_seconds)
        self.refused_for = refused_for
        self.retryable = retryable
        self.error_code = error_code
        self.error_type = error_type


class AccountUnusable(GatewayError):
    """The account has no secret, or one that cannot be used, or Amazon refuses its key.

    Attributes:
        has_secret: False: it surely has none.
    """

    code = "AccountUnusable"
    title = "The account has no usable key"
    retryable = True

    def __init__(self, account: str, why: str, *, has_secret: bool = True) -> None:
        super().__init__(f"account {account!r} {why}", retry_after_seconds=60)
        self.account = account
        self.why = why
        self.has_secret = has_secret

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """See `GatewayError.fields`."""
        return (("account", self.why),)


class LedgerUnavailable(GatewayError):
    """The ledger could not be read or written.

    Attributes:
        in_doubt: a write may have taken effect all the same.
    """

    code = "LedgerUnavailable"
    title = "The ledger cannot be reached"
    retryable = True

    def __init__(self, detail: str, *, in_doubt: bool) -> None:
        super().__init__(detail, retry_after_seconds=5)
        self.in_doubt = in_doubt


class AmazonUnavailable(GatewayError):
    """A query that moves no money was not answered."""

    code = "AmazonUnavailable"
    title = "Amazon did not answer"
    retryable = True

    def __init__(self, detail: str, *, retry_after_seconds: int = 2) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)


class RateInUse(AmazonUnavailable):
    """Nothing was asked: others use all of the rate that there is."""

    code = "RateInUse"
    title = "The request rate is in use"


class AmazonThrottled(AmazonUnavailable):
    """Amazon says that it is asked too often."""

    code = "AmazonThrottled"
    title = "Amazon is asked too often"


class AmazonUnreadable(AmazonUnavailable):
    """Amazon's response is none to what was asked. The next one may be."""

    code = "AmazonUnreadable"
    title = "Amazon's answer cannot be read"


class VaultUnavailable(GatewayError):
    """A card number could not be encrypted or decrypted."""

    code = "VaultUnavailable"
    title = "Card numbers cannot be sealed now"
    retryable = True

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_seconds=5)


class OrderNotFound(GatewayError):
    """There is no such bulk order."""

    code = "OrderNotFound"
    title = "There is no such order"

    def __init__(self, order_id: str) -> None:
        super().__init__("orderId is not known to this gateway")
        self.order_id = order_id

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """See `GatewayError.fields`."""
        return (("orderId", "is not known to this gateway"),)


class OrderConflict(GatewayError):
    """The bulk order's state does not allow what was asked.

    Attributes:
        order_status: the state.
    """

    code = "OrderConflict"
    title = "The order's state does not allow this"

    def __init__(self, detail: str, *, order_id: str, status: str) -> None:
        super().__init__(detail)
        self.order_id = order_id
        self.order_status = status


class OrderUnavailable(GatewayError):
    """A bulk order, its file or its workflow could not be reached. What is asked for may be asked for again."""

    code = "OrderUnavailable"
    title = "The order cannot be reached"
    retryable = True

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_seconds=5)


class BooksUnavailable(GatewayError):
    """The books could not be read or written. What is asked for may be asked for again."""

    code = "BooksUnavailable"
    title = "The books cannot be reached"
    retryable = True

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_seconds=5)


class BooksConflict(GatewayError):
    """The books do not stand as the caller thinks: somebody has written since, or their state does not allow it."""

    code = "BooksConflict"
    title = "The books do not allow it"


class BooksNotFound(GatewayError):
    """The books have no such day, difference, movement, statement or close."""

    code = "BooksNotFound"
    title = "The books have no such thing"


class NotThisPerson(GatewayError):
    """Somebody else has to do it: one person may not do both."""

    code = "NotThisPerson"
    title = "Another person has to do it"


class IdentityUnavailable(GatewayError):
    """IAM could not be asked who calls. Nothing was done."""

    code = "IdentityUnavailable"
    title = "Who calls cannot be found out now"
    retryable = True

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_seconds=5)


class StatementRefused(GatewayError):
    """A statement holds what none may hold. It was deleted.

    Attributes:
        wrong: columns, or lines, each with what is wrong with it; never empty.
    """

    code = "StatementRefused"
    title = "The statement is refused"

    def __init__(self, wrong: Sequence[tuple[str, str]]) -> None:
        field, message = wrong[0]
        super().__init__(f"{field} {message}. What was put has been deleted.")
        self.wrong = tuple(wrong)

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """See `GatewayError.fields`."""
        return self.wrong


class BudgetUnusable(GatewayError):
    """The budget is unknown, inactive or in another currency, or none is named where one must be. Nothing was written.

    Attributes:
        why: as said of the field `budget`.
    """

    code = "BudgetUnusable"
    title = "The budget cannot be used"

    def __init__(self, why: str) -> None:
        super().__init__(f"budget {why}")
        self.why = why

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """See `GatewayError.fields`."""
        return (("budget", self.why),)


class BudgetExceeded(GatewayError):
    """The budget has less left than is asked for. Nothing was written: the same key works once there is enough."""

    code = "BudgetExceeded"
    title = "The budget does not allow it"
    retryable = True


class BudgetBusy(GatewayError):
    """Too many took from the budget at this moment. Nothing was written: the same key works."""

    code = "BudgetBusy"
    title = "The budget is busy"
    retryable = True

    def __init__(self, name: str) -> None:
        super().__init__(
            f"budget {name!r} is taken from by too many at once; nothing was done. Repeat the same call, with its key.",
            retry_after_seconds=1,
        )


class BudgetNotFound(GatewayError):
    """There is no such budget."""

    code = "BudgetNotFound"
    title = "There is no such budget"

    def __init__(self, name: str) -> None:
        super().__init__(f"budget {name!r} is not known to this gateway")

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """See `GatewayError.fields`."""
        return (("name", "is not known to this gateway"),)


class BudgetConflict(GatewayError):
    """The budget cannot be changed so, or somebody else has just changed it."""

    code = "BudgetConflict"
    title = "The budget cannot be changed so"


class AccountFrozen(GatewayError):
    """Somebody has frozen the account: nothing new leaves for Amazon. Nothing was recorded."""

    code = "AccountFrozen"
    title = "The account is frozen"
    retryable = True

    def __init__(self, account: str) -> None:
        super().__init__(
            f"account {account!r} is frozen; GET /accounts says by whom and why. Nothing was sent: repeat the request "
            "under this key once it is unfrozen.",
            retry_after_seconds=900,
        )
        self.account = account

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """See `GatewayError.fields`."""
        return (("account", "is frozen"),)


class OrderClosed(GatewayError):
    """The row's batch is settled or being settled: it takes no more rows. Nothing was written."""

    code = "OrderClosed"
    title = "The order is closed"

    def __init__(self, order_id: str) -> None:
        super().__init__(f"order {order_id} is being settled: none of its rows is issued any more")
        self.order_id = order_id


class AccountNotFound(GatewayError):
    """Nothing is known of such an account, neither keys nor anything it ever did."""

    code = "AccountNotFound"
    title = "There is no such account"

    def __init__(self, account: str) -> None:
        super().__init__(f"account {account!r} is not known to this gateway")
        self.account = account

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """See `GatewayError.fields`."""
        return (("account", "is not known to this gateway"),)
