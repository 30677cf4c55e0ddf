"""Starts the workflows that reconcile days: one Step Functions execution per account, day and round."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

from incentives.aws.clients import AWS_ERRORS, error_code

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsReconciliations:
    """`Reconciliations` on one state machine.

    Args:
        client: a client, made only when it is first needed.
        state_machine_arn: the workflow.
    """

    def __init__(self, client: Callable[[], SFNClient], state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn

    def start(self, account: str, day: date, round_number: int) -> bool:
        """Start the workflow of one round; starting twice is harmless.

        Returns:
            Whether it runs or has run. If not, the round's lease ends, and the watch starts another.
        """
        try:
            self._client().start_execution(
                stateMachineArn=self._state_machine_arn,
                # An execution's name has 80 characters: enough for an account's 63 and a round of four digits.
                name=f"{account}-{day.isoformat()}-r{round_number}",
                input=json.dumps({"account": account, "day": day.isoformat(), "round": round_number}),
            )
        except AWS_ERRORS as error:
            return error_code(error) == "ExecutionAlreadyExists"
        return True
