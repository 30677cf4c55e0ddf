"""Takes up an open request by hand: ``make resume REQUEST_ID=... [STACK=name]``.

Works on the local cloud, or with STACK on a deployed stack in the AWS account and region of the usual AWS settings. It waits
until the request's holder is presumed dead, takes the record over and carries it on, one step of the recovery policy at a
time, until it has ended or SECONDS (default 120) are over; what is left then can be resumed again. It runs under the
operator's own rights: read and write the ledger and the pacer, read the account's secret. No claim code is ever shown.
"""

import os
import sys
import time
from typing import Any

import boto3

from incentives import bootstrap
from incentives.domain.errors import GatewayError, StateConflict
from incentives.domain.ledger import Record
from incentives.usecases.find import find
from incentives.usecases.resume import resume
from incentives.usecases.tools import Budget
from local import outputs, settings

SECONDS_DEFAULT = 120.0
# One round of steps; then the record's state is shown and the next round begins.
ROUND_SECONDS = 25.0
# Between two looks at a record that is in somebody's hands.
LOOK_SECONDS = 1.0


def main() -> int:
    """Run; return the exit code: 0 when the request has ended, 3 when it is still open."""
    request_id = (sys.argv[1] if len(sys.argv) > 1 else os.environ.get("REQUEST_ID", "")).strip()
    if not request_id:
        print("REQUEST_ID= is missing: which request?", file=sys.stderr)
        return 2
    try:
        seconds = float(os.environ.get("SECONDS") or SECONDS_DEFAULT)
        stack = os.environ.get("STACK")
        os.environ.update(_of_stack(stack) if stack else _of_local_cloud())
        record = carry_on(request_id, time.monotonic() + seconds)
    except (GatewayError, outputs.NotDeployedError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{record.request_id} is {record.status.value}")
    return 3 if record.status.is_open else 0


def carry_on(request_id: str, until: float) -> Record:
    """Resume a request, round after round, until it has ended or the time (monotonic) is over.

    Raises:
        GatewayError: there is no such request, or the ledger cannot be reached.
    """
    tools = bootstrap.tools()
    while True:
        try:
            record = resume(
                request_id, tools, Budget(lambda end=time.monotonic() + ROUND_SECONDS: end - time.monotonic())
            )
        except StateConflict as held:
            print(held.detail)
            record = find(request_id, tools.ledger)
        seconds_left = until - time.monotonic()
        if not record.status.is_open or seconds_left <= 0:
            return record
        print(f"{record.request_id} is {record.status.value}, next try due {record.due_at or record.wake_at}")
        time.sleep(min(LOOK_SECONDS, seconds_left))


def _of_local_cloud() -> dict[str, str]:
    deployed = outputs.load(settings.from_environment().outputs_file)
    return {
        "LEDGER_TABLE": deployed.tableName,
        "PACER_TABLE": deployed.pacerTableName,
        "ACCOUNT_SECRET_PREFIX": deployed.accountSecretId.removesuffix(f"/{deployed.accountName}"),
        "AMAZON_ENVIRONMENT": "sandbox",
        "INCENTIVES_ENDPOINT": deployed.incentivesEndpoint,
        "PACE_REQUESTS_PER_SECOND": "8",
        "AWS_ENDPOINT_URL": deployed.awsEndpointUrl,
        "AWS_DEFAULT_REGION": deployed.region,
        "AWS_ACCESS_KEY_ID": deployed.accessKeyId,
        "AWS_SECRET_ACCESS_KEY": deployed.secretAccessKey,
    }


def _of_stack(stack: str) -> dict[str, str]:
    found: dict[str, Any] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    named = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    chosen = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in found.get("Parameters", [])}
    return {
        "LEDGER_TABLE": named["LedgerTableName"],
        "PACER_TABLE": named["PacerTableName"],
        "ACCOUNT_SECRET_PREFIX": named["AccountSecretPrefix"],
        "AMAZON_ENVIRONMENT": chosen["AmazonEnvironment"],
        "INCENTIVES_ENDPOINT": chosen["IncentivesEndpoint"],
        "PACE_REQUESTS_PER_SECOND": chosen["PaceRequestsPerSecond"],
    }


if __name__ == "__main__":
    sys.exit(main())
