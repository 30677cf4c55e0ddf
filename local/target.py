"""Which deployment a tool works with: the local cloud, or a stack in the AWS account of the usual AWS settings."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import aws, outputs, settings
from local.settings import RefusedError
from local.signing import Caller, Response, send

# Sessions make one client at a time; clients may be used by several threads.
_MAKING = Lock()
# A person waits: what does not answer within seconds is told, not waited for.
_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 4, "mode": "standard"})


@dataclass(frozen=True)
class Target:
    """One deployment.

    Attributes:
        stack: its name.
        api_url: without the route.
        caller: who signs, asked each time: keys for a while are renewed under way.
        client: makes a boto3 client of a service; `config=` merges something into how it calls.
        outputs: the stack's.
        resources: finds what `resources` tells of the stack; not everybody who uses a tool may ask for that.
        parameters: the stack's.
        is_local: whether this is the emulated cloud.
    """

    stack: str
    region: str
    api_url: str
    caller: Callable[[], Caller] = field(repr=False)
    client: Callable[..., Any] = field(repr=False)
    outputs: Mapping[str, str]
    resources: Callable[[], Mapping[str, str]]
    parameters: Mapping[str, str]
    is_local: bool

    def call(self, method: str, route: str, body: object = None, *, key: str | None = None) -> Response:
        """Sign and send one request to the API. Raises `OSError` if there was no response."""
        headers = {"Idempotency-Key": key} if key else {}
        url = self.api_url + route
        return send(method, url, caller=self.caller(), region=self.region, body=body, headers=headers)


def find(stack: str | None) -> Target:
    """The deployed stack of that name; the local cloud without one.

    Raises:
        RefusedError: it is no Incentives Gateway, or nobody can sign.
        outputs.NotDeployedError: there is no local cloud.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: AWS refused, or was not reached.
    """
    if stack:
        return _deployed(stack)
    return of_local(outputs.load(settings.from_environment().outputs_file))


def reach(stack: str | None) -> Target:
    """`find`, but `RefusedError` when AWS refuses: for commands in which it has no other part."""
    try:
        return find(stack)
    except (ClientError, BotoCoreError) as error:
        raise RefusedError(f"AWS refused, or was not reached: {error}") from error


def resources(cloudformation: Any, stack: str) -> dict[str, str]:  # noqa: ANN401 - a boto3 client
    """The names (of queues the URLs, of workflows and topics the ARNs) of a stack's resources, by their names here."""
    # By pages: a stack has more resources than DescribeStackResources tells of.
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
    }


def functions_of(resources: Mapping[str, str]) -> dict[str, str]:
    """Of a stack's resources the functions, without the word: `CreateGiftCard` ..."""
    return {name.removesuffix("Function"): each for name, each in resources.items() if name.endswith("Function")}


def of_local(deployed: outputs.Outputs) -> Target:
    """A local cloud."""
    caller = Caller(deployed.accessKeyId, deployed.secretAccessKey)

    @cache
    def client(service: str, config: Config | None = None) -> Any:  # noqa: ANN401 - made at run time
        with _MAKING:
            if config:
                return aws.new_client(service, deployed.awsEndpointUrl, caller, config)
            return aws.client(service, deployed.awsEndpointUrl, caller)

    described = _described(client("cloudformation"), deployed.stackName)
    # The stack's own URL leads to AWS.
    return Target(
        deployed.stackName, deployed.region, deployed.apiUrl, lambda: caller, client, *described, is_local=True
    )


def _deployed(stack: str) -> Target:
    # Of the two names there are for it boto3 reads the other one alone.
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    credentials = session.get_credentials()
    if credentials is None or session.region_name is None:
        raise RefusedError("AWS credentials and a region are needed: set AWS_PROFILE and AWS_REGION.")
    try:
        credentials.get_frozen_credentials()
    except RuntimeError as error:
        # Keys for a while that stand in the environment are not renewed.
        raise RefusedError(f"Sign in again: {error}") from error

    def signer() -> Caller:
        frozen = credentials.get_frozen_credentials()
        return Caller(frozen.access_key or "", frozen.secret_key or "", frozen.token)

    @cache
    def client(service: str, config: Config | None = None) -> Any:  # noqa: ANN401 - made at run time
        merged = _CONFIG.merge(config) if config else _CONFIG
        with _MAKING:
            return session.client(service, config=merged)  # type: ignore[call-overload] # typed per literal name only

    described = _described(client("cloudformation"), stack)
    url = described[0].get("ApiUrl", "").rstrip("/")
    if not url:
        raise RefusedError(f"The stack {stack} has no output ApiUrl: is it an Incentives Gateway?")
    return Target(stack, session.region_name, url, signer, client, *described, is_local=False)


def _described(
    cloudformation: Any,  # noqa: ANN401 - a boto3 client
    stack: str,
) -> tuple[dict[str, str], Callable[[], dict[str, str]], dict[str, str]]:
    """Outputs, resources and parameters of a stack."""
    found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return (
        {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])},
        cache(lambda: resources(cloudformation, stack)),
        {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])},
    )
