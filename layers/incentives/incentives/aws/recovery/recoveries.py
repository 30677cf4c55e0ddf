"""Starts recovery workflows: one Step Functions execution per request and epoch."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from incentives.aws.clients import AWS_ERRORS, error_code

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

#: A start that took effect before, or a name that a closed execution keeps for 90 days: in either case it has run.
_STARTED_BEFORE = frozenset({"ExecutionAlreadyExists"})


class StepFunctionsRecoveries:
    """`Recoveries` on one state machine.

    Args:
        client: a client, made only when it is first needed.
        state_machine_arn: the recovery workflow.
    """

    def __init__(self, client: Callable[[], SFNClient], state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn

    def start(self, request_id: str, epoch: int) -> bool:
        """Start the recovery of one epoch; starting twice is harmless.

        Returns:
            Whether it runs or has run. If not, the record's `wake_at` brings it back.
        """
        try:
            self._client().start_execution(
                stateMachineArn=self._state_machine_arn,
                name=f"{request_id}-{epoch}",
                input=json.dumps({"requestId": request_id, "epoch": epoch}),
            )
        except AWS_ERRORS as error:
            return error_code(error) in _STARTED_BEFORE
        return True
