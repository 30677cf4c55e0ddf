"""How AWS is called: the clients' limits, its errors as ours, and whether a failed write may have taken effect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ContextDecorator
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from incentives import __version__
from incentives.domain.errors import GatewayError, LedgerUnavailable

#: A function of 25 s cannot wait a minute for DynamoDB. Checking what we have built ourselves, which AWS checks again,
#: and telling AWS on what the call was made take a sixth of a warm create's CPU (`make bench`): both are left out.
CLIENT_CONFIG: Final = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"total_max_attempts": 3, "mode": "standard"},
    tcp_keepalive=True,
    parameter_validation=False,
    user_agent=f"incentives-gateway/{__version__}",
)

#: For the files of bulk orders. A hundred thousand rows are written in one go. Only URLs of this style name the
#: bucket's region: any other host would respond with a redirect, which a signed PUT does not survive.
FILES_CONFIG: Final = Config(
    connect_timeout=2,
    read_timeout=20,
    retries={"total_max_attempts": 3, "mode": "standard"},
    signature_version="s3v4",
    s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
)

if TYPE_CHECKING:
    # Its stubs know the class of each service's client.
    make_client = boto3.client
else:

    def make_client(service: str, config: Config = CLIENT_CONFIG) -> BaseClient:
        """A client of an AWS service, with our limits."""
        return boto3.client(service, config=config)


#: botocore has two errors outside its tree: a response that it cannot parse is one of them.
AWS_ERRORS: Final = (ClientError, BotoCoreError, ResponseParserError)

_NEVER_ARRIVED: Final = (EndpointConnectionError, ConnectTimeoutError)

#: HTTP 4xx: AWS has read the call and says no.
_REFUSALS: Final = range(400, 500)


class DoubtWatch:
    """Watches every try of a client's writes, also those that the SDK repeats by itself.

    A write is in doubt unless each of its tries ended with AWS saying no, or without a connection: the SDK's last
    word may be "throttled" although its first try, whose response was lost, took effect.
    """

    def __init__(self, client: BaseClient, *operations: str) -> None:
        self._state = threading.local()
        service = client.meta.service_model.service_id.hyphenize()
        for operation in operations:
            client.meta.events.register(f"before-send.{service}.{operation}", self._leaves)
            client.meta.events.register(f"response-received.{service}.{operation}", self._ended)

    def begin(self) -> None:
        """Forget what came before: a write begins."""
        self._state.unsettled = 0

    @property
    def in_doubt(self) -> bool:
        """Whether any try since `begin` may have taken effect."""
        return self._unsettled > 0

    @property
    def _unsettled(self) -> int:
        # Per thread: the SDK carries out a call, with all its tries, in the thread that asked for it.
        count: int = getattr(self._state, "unsettled", 0)
        return count

    def _leaves(self, **_: object) -> None:
        self._state.unsettled = self._unsettled + 1

    def _ended(
        self, response_dict: Mapping[str, object] | None = None, exception: BaseException | None = None, **_: object
    ) -> None:
        refused = response_dict is not None and response_dict.get("status_code") in _REFUSALS
        if refused or isinstance(exception, _NEVER_ARRIVED):
            self._state.unsettled = self._unsettled - 1


def error_code(error: BaseException) -> str:
    """AWS's code of an error, e.g. `ResourceNotFoundException`; the class name where there is none."""
    code = response_of(error).get("Error", {}).get("Code")
    return str(code) if code else type(error).__name__


def response_of(error: BaseException) -> Mapping[str, Any]:
    """What AWS said with an error; nothing where it said nothing. A time-out's `response` is None, not missing."""
    return error.response if isinstance(error, ClientError) else {}


def condition_failed(error: BaseException) -> bool:
    """Whether DynamoDB did not write because the write's condition does not hold."""
    return error_code(error) == "ConditionalCheckFailedException"


class AwsErrors(ContextDecorator):
    """Raises one of our errors, made from AWS's code, for one of AWS's: around a call, or as a method's decorator."""

    def __init__(self, ours: Callable[[str], GatewayError]) -> None:
        self._ours = ours

    def __enter__(self) -> None:
        """Nothing happens until an error does."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Other errors go on as they are."""
        if isinstance(error, AWS_ERRORS):
            raise self._ours(error_code(error)) from error


def unavailable(what: str, *, in_doubt: bool = False) -> AwsErrors:
    """AWS's errors as `LedgerUnavailable`, which says what could not be done."""
    return AwsErrors(lambda code: LedgerUnavailable(f"{what} ({code})", in_doubt=in_doubt))
