"""Rotates an account's access key to the pending one: ``make rotate-keys ACCOUNT=``, after ``make put-keys PENDING=1``.

It takes about ten minutes, in which the new key is watched. Cut short, or run twice, it does no harm: run again, it
goes on, and once there is nothing left to do it tells when the old key may be deactivated.
"""

import json
from typing import Annotated, Final

import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.commands.put_keys import Account, checked
from local.settings import RefusedError
from local.target import find
from local.terminal import StackVariable, bar, complain

#: The stack's output that names the function.
FUNCTION: Final = "RotateKeysFunctionName"
# The function's own time-out is 15 minutes. A repeat by the SDK would be a second watch beside the first.
_PATIENT: Final = Config(connect_timeout=5, read_timeout=930, retries={"total_max_attempts": 1}, tcp_keepalive=True)

#: What the function returns when the account has a key that Amazon takes and nothing is left to be done.
_GOOD: Final = {"kept", "nothingToDo"}


def main(
    *,
    account: Account = "",
    watch_seconds: Annotated[float | None, typer.Option(envvar="WATCH_SECONDS", help="shorten the watch")] = None,
    stack: StackVariable = None,
) -> int:
    """Prove and promote a pending key, watch it, and tell when the old one may go.

    It takes ten minutes. Cut short, or run twice, it does no harm: run again, it goes on. Ends with 0 if the key was
    rotated or there was nothing to rotate, with 1 if the old key stays, or the call was lost.
    """
    asked = {"account": checked(account)} | ({} if watch_seconds is None else {"watchSeconds": watch_seconds})
    try:
        target = find(stack)
        function = target.outputs.get(FUNCTION)
        if function is None:
            raise RefusedError(f"The stack has no output {FUNCTION}: is it an Incentives Gateway of this version?")
        with bar(f"Rotating the key of account {asked['account']}; a new key is watched for ten minutes"):
            response = target.client("lambda", _PATIENT).invoke(FunctionName=function, Payload=json.dumps(asked))
    except (ClientError, BotoCoreError) as error:
        return complain(f"AWS refused, or the connection was lost: {error}\nRun this again: it goes on.", status=1)
    report = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        return complain("The function ended before its time; its log says why. Run this again: it goes on.", status=1)
    print(f"{report['outcome']}: {report['detail']}")
    return 0 if report["outcome"] in _GOOD else 1
