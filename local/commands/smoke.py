"""Tries a deployment: ``make smoke STACK=name`` makes a card, repeats and cancels it, rings an alarm, looks at mail.

First it looks whether the functions that are called have what was deployed last. No claim code is ever printed. What
was made is undone in any case.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeVar

import typer
from botocore.exceptions import BotoCoreError, ClientError

from local.settings import RefusedError
from local.signing import Response
from local.target import Target, functions_of, reach
from local.terminal import StackVariable, bar

#: For a request that was answered 202, or a workflow, to end.
PATIENCE_SECONDS: Final = 90.0
#: For an alarm to arrive by way of the topic; it takes a few seconds.
ALARM_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 1.0
#: The alarm that is rung: nothing acts on it but the notification.
ALARM: Final = "account-skipped"
#: Takes any mail, tells nobody, and may be written to from SES's sandbox.
MAIL_SIMULATOR: Final = "success@simulator.amazonses.com"
OPEN: Final = frozenset({"PENDING", "RECOVERING", "REVERSING"})


Found = TypeVar("Found")


class FailedError(Exception):
    """A step failed.

    Attributes:
        to_do: for whoever runs this.
    """

    def __init__(self, what: str, to_do: str) -> None:
        super().__init__(what)
        self.to_do = to_do


class SkippedError(Exception):
    """A step cannot be tried here; the message says why."""


@dataclass
class Smoke:
    """One run.

    Attributes:
        order: body of the create.
        key: its idempotency key; no other run has it.
        card: the created request, without its claim code.
        claim_code: compared, never shown.
    """

    target: Target
    order: Mapping[str, str]
    sleep: Callable[[float], None] = time.sleep
    key: str = field(default_factory=lambda: f"smoke-{uuid.uuid4().hex}")
    card: dict[str, Any] = field(default_factory=dict)
    claim_code: str = field(default="", repr=False)

    def parameters(self) -> str:
        """What the stack was deployed with last has come to every function, as it is called."""
        cloudformation = self.target.client("cloudformation")
        names = functions_of(self.target.resources())
        wanted = self._by_variable(cloudformation)
        old = [
            f"{parameter} of {called}"
            for called in sorted({*names.values(), *self._called_by_the_api()})
            for given in [self._environment(called)]
            for variable, parameter in wanted.items()
            if given.get(variable) != self.target.parameters[parameter]
        ]
        if old:
            to_do = "Deploy again. If it stays so, the function was changed by hand, or a version of it is called."
            raise FailedError(f"not as it was deployed: {', '.join(old[:3])}{' ...' if len(old) > 3 else ''}", to_do)  # noqa: PLR2004 - enough to find it
        return f"{len(wanted)} of them, as deployed, in {len(names)} functions"

    # ---- the API --------------------------------------------------------------------------------

    def funds(self) -> str:
        """Whether Amazon takes the account's key."""
        account = self.order.get("account")
        response = self.target.call("GET", "/funds" + (f"?account={account}" if account else ""))
        _expect(response, 200, "Put the account's keys with `make put-keys`; see the `detail` above.")
        body = response.body
        return f"{body['availableFunds']['amount']} {body['availableFunds']['currencyCode']} as of {body['asOf']}"

    def create(self) -> str:
        """One card."""
        response = self.target.call("POST", "/gift-cards", self.order, key=self.key)
        request_id = _id_of(response)
        self.card = {"requestId": request_id}
        _expect(response, (201, 202), "See the error's `errorType` in docs/errors.md.")
        record = response.body
        self.claim_code = record.pop("gcClaimCode", None) or ""
        if response.status == 202:  # noqa: PLR2004 - HTTP's Accepted
            record = self._ended()
        self.card = record
        if record["status"] != "SUCCEEDED":
            raise FailedError(f"it ended as {record['status']}", "See docs/errors.md for its `errorType`.")
        return f"request {request_id}"

    def repeat(self) -> str:
        """The same key gets the same card."""
        response = self.target.call("POST", "/gift-cards", self.order, key=self.key)
        _expect(response, 200, "The same key must get the stored result: this is a bug, stop and report it.")
        same = (response.body.get("requestId"), response.body.get("gcId")) == (
            self.card["requestId"],
            self.card["gcId"],
        )
        code = response.body.get("gcClaimCode") or ""
        if not same or response.headers.get("idempotent-replayed") != "true" or (self.claim_code or code) != code:
            raise FailedError("the answer is another one", "This is a bug: two cards for one key. Stop and report it.")
        self.claim_code = code
        return "the same request, the same card"

    def misuse(self) -> str:
        """The same key for another order is refused."""
        other = {**self.order, "externalReference": "another order"}
        response = self.target.call("POST", "/gift-cards", other, key=self.key)
        _expect(response, 422, "A key must name one order: this is a bug, stop and report it.")
        return "another order under the same key is refused"

    def reveal(self) -> str:
        """The claim code, once more."""
        response = self.target.call("POST", f"/gift-cards/{self.card['requestId']}/claim-code")
        _expect(response, 200, "The caller needs execute-api:Invoke on POST/gift-cards/*/claim-code.")
        code = response.body.get("gcClaimCode") or ""
        if not code or (self.claim_code and code != self.claim_code):
            raise FailedError("the claim code is another one", "This is a bug: stop and report it.")
        return "read from Amazon, and not shown"

    def cancel(self) -> str:
        """Undo it."""
        response = self.target.call("POST", f"/gift-cards/{self.card['requestId']}/cancel")
        to_do = "Cancel the card in Amazon's portal within 15 minutes, or it is paid for."
        _expect(response, (200, 202), to_do)
        status = self._ended()["status"]
        if status != "REVERSED":
            raise FailedError(f"it ended as {status}", to_do)
        return "nothing is charged"

    # ---- behind the API -------------------------------------------------------------------------

    def recovery(self) -> str:
        """The recovery workflow starts, reads the ledger, and finds that there is nothing to do.

        Amazon's sandbox answers by mock to fixed request ids only (F4000 and so on), and the gateway makes its request
        ids itself: an unknown result cannot be ordered. What can be proven is that the workflow works.
        """
        request_id = self.card["requestId"]
        workflows = self.target.client("stepfunctions")
        started = workflows.start_execution(
            stateMachineArn=self.target.resources()["RecoverRequestStateMachine"],
            name=f"{request_id}-{self.key}"[:80],
            input=json.dumps({"requestId": request_id, "epoch": 0}),
        )
        status = self._until(
            lambda: str(workflows.describe_execution(executionArn=started["executionArn"])["status"]),
            lambda status: status != "RUNNING",
        )
        if status != "SUCCEEDED":
            to_do = "Open the execution in the Step Functions console; then the log of recover_request."
            raise FailedError(f"its workflow ended as {status}", to_do)
        return "the workflow ran; a recovery itself cannot be ordered from Amazon (see docs/operate.md)"

    def alarm(self) -> str:
        """An alarm arrives where the operators subscribe."""
        topic, name = self.target.outputs["OperatorsTopicArn"], f"{self.target.stack}-{ALARM}"
        sqs, sns, watch = (self.target.client(service) for service in ("sqs", "sns", "cloudwatch"))
        url = sqs.create_queue(QueueName=self.key)["QueueUrl"]
        subscription = ""
        try:
            arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            allowed = {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            }
            policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
            subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)[
                "SubscriptionArn"
            ]
            # Only a change of state is told.
            for state in ("OK", "ALARM"):
                watch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="make smoke: nothing has happened")
            if not self._arrives(sqs, url, name):
                to_do = "See the topic's policy and key: CloudWatch must be allowed to publish and to encrypt."
                raise FailedError(f"{name} did not arrive by the topic", to_do)
        finally:
            if subscription:
                sns.unsubscribe(SubscriptionArn=subscription)
            sqs.delete_queue(QueueUrl=url)
            watch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="make smoke: it is over")
        return f"{name} arrived by the topic; tell the operators that it was you"

    def people(self) -> str:
        """Somebody is subscribed, and has confirmed."""
        pages = self.target.client("sns").get_paginator("list_subscriptions_by_topic")
        topic = self.target.outputs["OperatorsTopicArn"]
        arns = [each["SubscriptionArn"] for page in pages.paginate(TopicArn=topic) for each in page["Subscriptions"]]
        confirmed = sum(arn.startswith("arn:") for arn in arns)
        if not arns and self.target.is_local:
            raise SkippedError("the local cloud has nobody to tell")
        if not confirmed:
            waiting = " (one has not confirmed: follow the link in AWS's mail)" if arns else ""
            to_do = "Deploy with OperatorsEmail=ADDRESS and confirm, or subscribe to the topic by other means."
            raise FailedError(f"nobody hears of alarms{waiting}", to_do)
        return f"{confirmed} confirmed subscription(s)"

    def mail(self) -> str:
        """Cases can be mailed to Amazon."""
        sender = self.target.parameters.get("MailSender", "")
        if not sender or not self.target.parameters.get("AmazonSupportAddress"):
            raise SkippedError("MailSender and AmazonSupportAddress are not set: cases go to the operators")
        ses = self.target.client("sesv2")
        if not any(_is_verified(ses, identity) for identity in (sender, sender.partition("@")[2])):
            to_do = "Verify the sender or its domain in SES: aws sesv2 create-email-identity --email-identity ADDRESS"
            raise FailedError(f"{sender} is not verified", to_do)
        text = {"Subject": {"Data": "make smoke"}, "Body": {"Text": {"Data": "Nothing has happened."}}}
        ses.send_email(FromEmailAddress=sender, Destination={"ToAddresses": [MAIL_SIMULATOR]}, Content={"Simple": text})
        if not ses.get_account().get("ProductionAccessEnabled"):
            to_do = "In the SES console, choose Request production access. Until then cases go to the operators."
            raise FailedError("SES is in its sandbox: Amazon cannot be mailed", to_do)
        return f"{sender} is verified and may mail anybody"

    # ---- helpers --------------------------------------------------------------------------------

    def _by_variable(self, cloudformation: Any) -> dict[str, str]:  # noqa: ANN401 - a boto3 client
        """The parameters that functions have in their environment, by their names there."""
        body = cloudformation.get_template(StackName=self.target.stack, TemplateStage="Processed")["TemplateBody"]
        template = json.loads(body) if isinstance(body, str) else body
        return {
            variable: value["Ref"]
            for each in template["Resources"].values()
            if each["Type"] == "AWS::Lambda::Function"
            for variable, value in each["Properties"]["Environment"]["Variables"].items()
            if isinstance(value, dict) and value.get("Ref") in self.target.parameters
        }

    def _called_by_the_api(self) -> set[str]:
        """The functions that routes call, a version's or an alias's name behind them if that is what is called."""
        pages = self.target.client("apigateway").get_paginator("get_resources")
        return {
            method["methodIntegration"]["uri"].partition(":function:")[2].partition("/")[0]
            for page in pages.paginate(restApiId=self.target.outputs["ApiId"], embed=["methods"])
            for each in page["items"]
            for method in each.get("resourceMethods", {}).values()
        }

    def _environment(self, function: str) -> Mapping[str, str]:
        found = self.target.client("lambda").get_function_configuration(FunctionName=function)
        variables: Mapping[str, str] = found["Environment"]["Variables"]
        return variables

    def undo(self) -> str | None:
        """Cancel a card that a failed step has left; tells what is left for people."""
        if not self.card:
            return None
        try:
            if self.target.call("GET", f"/gift-cards/{self.card['requestId']}").body.get("status") in {
                "REVERSED",
                "REFUSED",
            }:
                return None
            self.cancel()
        except (FailedError, OSError, ValueError):
            return (
                f"The card of request {self.card['requestId']} may still be alive: cancel it within 15 minutes "
                f"(POST /gift-cards/{self.card['requestId']}/cancel)."
            )
        return None

    def _ended(self) -> dict[str, Any]:
        route = f"/gift-cards/{self.card['requestId']}"

        def read() -> dict[str, Any]:
            found: dict[str, Any] = self.target.call("GET", route).body
            return found

        return self._until(read, lambda record: record.get("status") not in OPEN)

    def _until(self, look: Callable[[], Found], is_over: Callable[[Found], bool]) -> Found:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not is_over(found := look()):
            if time.monotonic() > give_up:
                raise FailedError("it has not ended", "See docs/recovery.md; it goes on by itself for 24 hours.")
            self.sleep(LOOK_SECONDS)
        return found

    def _arrives(self, sqs: Any, url: str, name: str) -> bool:  # noqa: ANN401 - a boto3 client
        give_up = time.monotonic() + ALARM_SECONDS
        while time.monotonic() < give_up:
            for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", []):
                if name in message["Body"]:
                    return True
        return False


def _expect(response: Response, statuses: int | Sequence[int], to_do: str) -> None:
    wanted = [statuses] if isinstance(statuses, int) else statuses
    if response.status in wanted:
        return
    try:
        told = response.body
    except ValueError:
        told = {}
    # Of a response that was not expected only what is known to hold no code.
    said = {name: told.get(name) for name in ("detail", "errorType", "message") if isinstance(told, dict)}
    if response.status == 403:  # noqa: PLR2004 - HTTP's Forbidden
        to_do = "Your AWS identity needs execute-api:Invoke on this API, and the account a key that Amazon takes."
    why = "; ".join(f"{name}: {value}" for name, value in said.items() if value)
    raise FailedError(f"HTTP {response.status}{f' ({why})' if why else ''}", to_do)


def _id_of(response: Response) -> str:
    try:
        return str(response.body.get("requestId") or "")
    except (ValueError, AttributeError):
        return ""


def _is_verified(ses: Any, identity: str) -> bool:  # noqa: ANN401 - a boto3 client
    try:
        return bool(ses.get_email_identity(EmailIdentity=identity).get("VerifiedForSendingStatus"))
    except ses.exceptions.NotFoundException:
        return False


#: In this order. Each step that fails ends those that need it; what needs nothing is tried all the same.
NEED_A_CARD: Final = ("repeat", "misuse", "reveal", "cancel", "recovery")
STEPS: Final = ("parameters", "funds", "create", *NEED_A_CARD, "alarm", "people", "mail")


def run(smoke: Smoke, say: Callable[[str], None] = print) -> bool:
    """Try all steps, each told in a line; whether everything was well."""
    failed: set[str] = set()
    try:
        for step in STEPS:
            if step in NEED_A_CARD and "create" in failed:
                say(f"  -       {step}: needs a card")
            elif not _is_well(smoke, step, say):
                failed.add(step)
    finally:
        if left := smoke.undo():
            say(f"  LEFT    {left}")
    return not failed


def _is_well(smoke: Smoke, step: str, say: Callable[[str], None]) -> bool:
    started = time.monotonic()
    try:
        found: str = getattr(smoke, step)()
    except SkippedError as why:
        say(f"  -       {step}: {why}")
    except FailedError as error:
        say(f"  FAILED  {step}: {error}\n          {error.to_do}")
        return False
    except (ClientError, BotoCoreError) as error:
        say(f"  FAILED  {step}: {error}\n          Your AWS identity may not do this, or AWS was not reached.")
        return False
    except (OSError, ValueError, LookupError) as error:
        # The class alone: what could not be read may hold anything.
        say(f"  FAILED  {step}: {type(error).__name__}\n          No response, or none that can be read. Try again.")
        return False
    else:
        say(f"  ok      {step}: {found} ({time.monotonic() - started:.1f} s)")
    return True


def main(
    *,
    account: Annotated[str | None, typer.Option(envvar="ACCOUNT", help="whose card; the default one if absent")] = None,
    amount: Annotated[str, typer.Option(envvar="AMOUNT", help="of the card")] = "1.00",
    currency: Annotated[str, typer.Option(envvar="CURRENCY", help="of the amount")] = "USD",
    budget: Annotated[str, typer.Option(envvar="BUDGET", help="what the card is taken from, until its end")] = "",
    really: Annotated[str, typer.Option(envvar="REALLY", help="yes: order a real card on production")] = "",
    stack: StackVariable = None,
) -> int:
    """Try a deployment: one card, repeated and cancelled, an alarm, subscriptions, mail.

    What it made is undone in any case, and no claim code is printed. On Amazon's production it wants REALLY=yes. Ends
    with 0 if everything was well, with 1 if something was not, with 2 if nothing could be tried.
    """
    order = {"amount": amount, "currencyCode": currency}
    order |= {name: given for name, given in {"account": account, "budget": budget}.items() if given}
    target = reach(stack)
    production = target.parameters.get("AmazonEnvironment") == "production"
    if production and really != "yes":
        raise RefusedError(
            f"{target.stack} calls Amazon's production: this would order a real card. Set REALLY=yes if you mean it."
        )
    if target.parameters.get("RequireBudget") == "true" and not budget:
        raise RefusedError(f"{target.stack} takes no request without a budget: say which with BUDGET=.")
    with bar(
        f"Trying {target.stack} at {target.api_url} ({'production' if production else 'sandbox'})", len(STEPS)
    ) as show:

        def say(line: str) -> None:
            print(line, flush=True)
            show(advance=1)

        well = run(Smoke(target, order), say)
    print("Everything is well." if well else "Something is not well; see FAILED above and docs/operate.md.")
    return 0 if well else 1
