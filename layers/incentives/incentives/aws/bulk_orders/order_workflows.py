"""Starts the workflows that work on bulk orders: one Step Functions execution per order and round."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from incentives.aws.clients import AWS_ERRORS, error_code
from incentives.domain.bulk_orders.bulk_order import Started

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsOrderWorkflows:
    """`OrderWorkflows` on one state machine.

    Args:
        client: a client, made only when it is first needed.
        state_machine_arn: the workflow.
    """

    def __init__(self, client: Callable[[], SFNClient], state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn

    def start(self, order_id: str, round_number: int) -> Started:
        """Start the workflow of one round; starting twice is harmless."""
        try:
            self._client().start_execution(
                stateMachineArn=self._state_machine_arn,
                name=f"{order_id}-{round_number}",
                input=json.dumps({"orderId": order_id, "round": round_number}),
            )
        except AWS_ERRORS as error:
            # For one that still runs, AWS responds as it did the first time: this one has ended.
            return Started.ENDED if error_code(error) == "ExecutionAlreadyExists" else Started.FAILED
        return Started.RUNNING
