"""Rotates an account's access key to the pending one: ``make rotate-keys ACCOUNT=``, after ``make put-keys PENDING=1``.

Without STACK it works on the local cloud; STACK=name takes a deployed stack in the AWS account and region of the usual
AWS settings. It takes about ten minutes, in which the new key is watched. Cut short, or run twice, it does no harm: run
again, it goes on, and once there is nothing left to do it tells when the old key may be deactivated.
WATCH_SECONDS shortens the watch.
"""

import json
import os
import sys
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import outputs, settings
from local.put_keys import RefusedError, read_account
from local.signing import Caller
from local.target import NoTargetError, find

#: The stack's output that names the function.
FUNCTION = "RotateKeysFunctionName"
# The function's own time-out is 15 minutes. A repeat by the SDK would be a second watch beside the first.
_PATIENT = Config(connect_timeout=5, read_timeout=930, retries={"total_max_attempts": 1}, tcp_keepalive=True)

#: What the function answers when the account has a key that Amazon takes and nothing is left to be done.
_GOOD = {"kept", "nothingToDo"}


def main() -> int:
    """Run; return the exit code."""
    try:
        account = read_account()
        lambda_client, function = _target(os.environ.get("STACK"))
        asked: dict[str, object] = {"account": account}
        if os.environ.get("WATCH_SECONDS"):
            asked["watchSeconds"] = float(os.environ["WATCH_SECONDS"])
        print(f"Rotating the key of account {account}; a new key is watched for ten minutes ...", flush=True)
        response = lambda_client.invoke(FunctionName=function, Payload=json.dumps(asked))
    except (RefusedError, NoTargetError, outputs.NotDeployedError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except (ClientError, BotoCoreError) as error:
        print(f"AWS refused, or the connection was lost: {error}\nRun this again: it goes on.", file=sys.stderr)
        return 1
    report = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        print("The function ended before its time; its log says why. Run this again: it goes on.", file=sys.stderr)
        return 1
    print(f"{report['outcome']}: {report['detail']}")
    return 0 if report["outcome"] in _GOOD else 1


def _target(stack: str | None) -> tuple[Any, str]:
    """The Lambda service to call, and the function's name."""
    function = find(stack).outputs.get(FUNCTION)
    if function is None:
        raise RefusedError(f"The stack has no output {FUNCTION}: is it an Incentives Gateway of this version?")
    if stack:
        return boto3.client("lambda", config=_PATIENT), function
    deployed = outputs.load(settings.from_environment().outputs_file)
    caller = Caller(deployed.accessKeyId, deployed.secretAccessKey)
    session = boto3.Session(
        aws_access_key_id=caller.access_key_id,
        aws_secret_access_key=caller.secret_access_key,
        region_name=deployed.region,
    )
    direct = _PATIENT.merge(Config(proxies={}))
    return session.client("lambda", endpoint_url=deployed.awsEndpointUrl, config=direct), function


if __name__ == "__main__":
    sys.exit(main())
