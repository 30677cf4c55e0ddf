"""How AWS is called: the clients' limits, and whether a failed write may have taken effect all the same."""

from __future__ import annotations

import threading
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

#: A function of 25 s cannot wait a minute for DynamoDB.
CLIENT_CONFIG: Final = Config(
    connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3, "mode": "standard"}, tcp_keepalive=True
)

AWS_ERRORS: Final = (ClientError, BotoCoreError)

_NEVER_ARRIVED: Final = (EndpointConnectionError, ConnectTimeoutError)

_HTTP_SERVER_ERROR: Final = 500


class DoubtWatch:
    """Watches every try of a client's writes, also those that the SDK repeats by itself.

    A write is in doubt if any of its tries ended without an answer that says no: the SDK's last word may be
    "throttled" although its first try, whose answer was lost, took effect.
    """

    def __init__(self, client: Any, *operations: str) -> None:
        self._state = threading.local()
        service = client.meta.service_model.service_id.hyphenize()
        for operation in operations:
            client.meta.events.register(f"response-received.{service}.{operation}", self._watch)

    def begin(self) -> None:
        """Forget what came before: a write begins."""
        self._state.in_doubt = False

    @property
    def in_doubt(self) -> bool:
        """Whether any try since `begin` may have taken effect."""
        return bool(getattr(self._state, "in_doubt", False))

    def _watch(self, response_dict: Any = None, exception: BaseException | None = None, **_: Any) -> None:
        if exception is not None:
            self._state.in_doubt = self.in_doubt or not isinstance(exception, _NEVER_ARRIVED)
        elif response_dict is not None and response_dict.get("status_code", 0) >= _HTTP_SERVER_ERROR:
            self._state.in_doubt = True


def error_code(error: BaseException) -> str:
    """AWS's code of an error, e.g. `ResourceNotFoundException`; the class name where there is none."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__
