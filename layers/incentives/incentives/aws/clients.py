"""How AWS is called: the clients' limits, and whether a failed write may have taken effect all the same."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeAlias

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError

from incentives import __version__

#: A low-level client of botocore, or what makes one: their classes come into being at run time.
AwsClient: TypeAlias = Any

#: A function of 25 s cannot wait a minute for DynamoDB. A third of a call's CPU would go into checking what we have
#: built ourselves, which AWS checks again, and into telling AWS on what the call was made: both are left out.
CLIENT_CONFIG: Final = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"total_max_attempts": 3, "mode": "standard"},
    tcp_keepalive=True,
    parameter_validation=False,
    user_agent=f"incentives-gateway/{__version__}",
)


#: botocore's names of the services that are called.
SERVICES: Final = ("dynamodb", "events", "kms", "s3", "secretsmanager", "sesv2", "sns", "sqs", "stepfunctions")


class _Loader(Loader):
    """Reads botocore's models of services, and knows by itself which there are.

    To find out, botocore looks twice into each folder of all four hundred: a fifth of the time to make a client.
    """

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's own signature
        return [*SERVICES]


@cache
def _session() -> botocore.session.Session:
    session = botocore.session.get_session()
    session.register_component("data_loader", _Loader())
    return session


def make_client(service: str, config: Config) -> AwsClient:
    """A low-level client: boto3's own, without boto3, which would load its resources and the transfer of files too."""
    return _session().create_client(service, config=config)


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

    def __init__(self, client: AwsClient, *operations: str) -> None:
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
        self,
        response_dict: Mapping[str, object] | None = None,
        exception: BaseException | None = None,
        **_: object,
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
