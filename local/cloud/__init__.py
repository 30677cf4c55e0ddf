"""Brings the whole local system up and takes it down again, with one progress line a step."""

import fcntl
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from local import keys, outputs, target
from local.aws import client
from local.cloud import deployment, people, processes, services
from local.settings import (
    ACCOUNT_NAME,
    MAIL_SENDER,
    MARKETPLACE,
    PARTNER_ACCESS_KEY_ID,
    PARTNER_ID,
    PARTNER_SECRET_ACCESS_KEY,
    REGION,
    STACK_NAME,
    Settings,
)

Result = TypeVar("Result")
Say = Callable[[str], None]

# The order in which they end: first what sends, then what is sent to.
SERVICES = ("ministack", "sandbox")
#: How many lines a start says at most, one for each step.
STEPS = 5


def up(settings: Settings, say: Say) -> outputs.Outputs:
    """Start everything and deploy; what an earlier start left running is ended first.

    Raises:
        processes.ServiceFailedError: a service or a step failed; nothing is left running then.
    """
    settings.directory.mkdir(parents=True, exist_ok=True)
    with _alone(settings):
        if _stop_services(settings):
            say("  stopped what was still running")
        _clean(settings)
        try:
            return _up(settings, say)
        except BaseException:
            _stop_services(settings)
            raise


def down(settings: Settings) -> bool:
    """End everything that was started, and forget the deployment; tell whether anything was running."""
    if not settings.directory.is_dir():
        return False
    with _alone(settings):
        running = _stop_services(settings)
        _clean(settings)
        return running


def is_up(settings: Settings, deployed: outputs.Outputs) -> bool:
    """Whether the services of a deployment are still running."""
    groups = [pid for pid in (deployed.ministackPid, deployed.sandboxPid) if pid is not None]
    return all(processes.group_members(pid, settings.directory) for pid in groups)


def is_current(settings: Settings, deployed: outputs.Outputs) -> bool:
    """Whether a deployment is the one that stands in its folder, and not one that a later start has replaced."""
    try:
        return outputs.load(settings.outputs_file) == deployed
    except outputs.NotDeployedError:
        return False


def _up(settings: Settings, say: Say) -> outputs.Outputs:
    ministack, ministack_url = _step(say, "MiniStack", lambda: services.start_ministack(settings))
    sandbox: processes.Service | None = None
    sandbox_url: str | None = None
    if settings.incentives_endpoint is None:
        sandbox, sandbox_url = _step(say, "sandbox", lambda: services.start_sandbox(settings))
    endpoint = settings.incentives_endpoint or sandbox_url or ""
    _step(say, "sam build", lambda: deployment.build(settings))
    stack = _step(say, "sam deploy", lambda: deployment.deploy(settings, ministack_url, endpoint))

    def put_secret() -> str:
        secret_id = f"{stack['AccountSecretPrefix']}/{ACCOUNT_NAME}"
        account = keys.AccountKeys(PARTNER_ID, MARKETPLACE, PARTNER_ACCESS_KEY_ID, PARTNER_SECRET_ACCESS_KEY)
        keys.put(client("secretsmanager", ministack_url, developer), secret_id, account, datetime.now(UTC))
        return secret_id

    resources = target.resources(client("cloudformation", ministack_url, deployment.OWNER), STACK_NAME)
    iam = client("iam", ministack_url, deployment.OWNER)
    account_id = client("sts", ministack_url, deployment.OWNER).get_caller_identity()["Account"]
    developer = people.make_developer(iam)
    invoker = people.make_invoker(iam, f"arn:aws:execute-api:{REGION}:{account_id}:{stack['ApiId']}")
    secret_id = _step(say, "secret", put_secret)
    # As the owner of a sender's address does by the link in SES's mail.
    client("sesv2", ministack_url, developer).create_email_identity(EmailIdentity=MAIL_SENDER)
    deployed = outputs.Outputs(
        # The host name that the stack's output has leads to AWS; this path leads to the same API in the emulator.
        apiUrl=f"{ministack_url}/_aws/execute-api/{stack['ApiId']}/{stack['ApiStage']}",
        awsEndpointUrl=ministack_url,
        region=REGION,
        stackName=STACK_NAME,
        tableName=resources["LedgerTable"],
        accountName=ACCOUNT_NAME,
        partnerId=PARTNER_ID,
        accountSecretId=secret_id,
        incentivesEndpoint=endpoint,
        accessKeyId=developer.access_key_id,
        secretAccessKey=developer.secret_access_key,
        pacerTableName=resources["PacerTable"],
        stateMachineArn=resources["RecoverRequestStateMachine"],
        eventBusName=stack["EventBusName"],
        operatorsTopicArn=stack["OperatorsTopicArn"],
        cardVaultKeyArn=f"arn:aws:kms:{REGION}:{account_id}:key/{resources['CardVaultKey']}",
        failuresQueueUrl=stack["FailuresQueueUrl"],
        backlogQueueUrl=resources["BacklogQueue"],
        backlogDeadLettersUrl=resources["BacklogDeadLetters"],
        accountTableName=resources["AccountTable"],
        ordersTableName=resources["OrdersTable"],
        ordersBucketName=resources["OrdersBucket"],
        orderStateMachineArn=resources["ProcessOrderStateMachine"],
        apiId=stack["ApiId"],
        stageName=stack["ApiStage"],
        sandboxUrl=sandbox_url,
        invokerAccessKeyId=invoker.access_key_id,
        invokerSecretAccessKey=invoker.secret_access_key,
        functionNames=target.functions_of(resources),
        logsDir=str(settings.logs),
        temporaryDir=str(settings.temporary),
        ministackPid=ministack.pid,
        sandboxPid=sandbox.pid if sandbox else None,
    )
    deployed.save(settings.outputs_file)
    return deployed


def _step(say: Say, name: str, work: Callable[[], Result]) -> Result:
    started = time.monotonic()
    result = work()
    say(f"  {name:<16} {time.monotonic() - started:5.1f} s")
    return result


def _stop_services(settings: Settings) -> bool:
    ended = [processes.stop(name, settings.directory) for name in SERVICES]
    return any(ended)


def _clean(settings: Settings) -> None:
    # What holds keys or only meant something while the services ran; build, cache and logs stay.
    settings.outputs_file.unlink(missing_ok=True)
    for folder in (settings.temporary, settings.directory / "s3", settings.directory / "state"):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Only one command at a time starts or stops the local cloud in one folder."""
    with (settings.directory / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("  waiting for another start or stop to end ...", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
