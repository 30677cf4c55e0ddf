"""The backlog on SQS: a standard queue, so its order is approximate and a message may come out twice."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from incentives.aws.clients import AWS_ERRORS

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: SQS delays no message longer.
DELAY_SECONDS_MAX: Final = 900


class SqsBacklog:
    """`Backlog` on one queue.

    Args:
        client: makes a client, when first needed.
        queue_url: the queue.
    """

    def __init__(self, client: Callable[[], SQSClient], queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def put(self, request_id: str, *, delay_seconds: float = 0.0) -> bool:
        """Add a request. False: it could not be added now."""
        try:
            self._client().send_message(
                QueueUrl=self._queue_url,
                MessageBody=json.dumps({"requestId": request_id}),
                DelaySeconds=min(math.ceil(delay_seconds), DELAY_SECONDS_MAX),
            )
        except AWS_ERRORS:
            return False
        return True


def read_message(message: Mapping[str, Any]) -> str:
    """The request id of a message as Lambda hands it over.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        request_id = json.loads(message["body"])["requestId"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError("the message names no request") from None
    if not isinstance(request_id, str) or not request_id:
        raise ValueError("the message names no request")
    return request_id
