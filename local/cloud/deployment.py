"""Builds and deploys template.yaml into the emulated cloud by the very commands that deploy it to AWS."""

import hashlib
import os
import sys
from typing import Any

from local.aws import client
from local.cloud import processes
from local.settings import (
    ARTIFACTS_BUCKET,
    MAIL_SENDER,
    OWNER_ACCESS_KEY_ID,
    OWNER_SECRET_ACCESS_KEY,
    REGION,
    ROOT,
    STACK_NAME,
    SUPPORT_ADDRESS,
    Settings,
    python_of,
)
from local.signing import Caller
from local.template import gateway_responses, read

TEMPLATE = ROOT / "template.yaml"
OWNER = Caller(OWNER_ACCESS_KEY_ID, OWNER_SECRET_ACCESS_KEY)
# Of the make that may have started us: its settings are not meant for the makes that sam starts. And sam may keep its
# bytecode in its environment, which saves seconds of every later start.
_NOT_PASSED_ON = (
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "PYTHON",
    "PYTHONDONTWRITEBYTECODE",
    "VIRTUAL_ENV",
)


def build(settings: Settings) -> bool:
    """Run ``sam build`` for this machine's interpreter and processor, unless what stands there was built from the same.

    Returns:
        Whether anything had to be built.

    Raises:
        processes.ServiceFailedError: it failed.
    """
    command = [
        *_sam("build"),
        "--template-file",
        str(TEMPLATE),
        "--build-dir",
        str(settings.build),
        "--cache-dir",
        str(settings.directory / "cache" / _recipe()),
    ]
    command += _parameters(settings)
    stamp = settings.directory / "build.stamp"
    wanted = _ingredients(command)
    if (settings.build / "template.yaml").is_file() and stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return False
    # Without it from here on: a build that is cut short is no build.
    stamp.unlink(missing_ok=True)
    processes.run_step("sam-build", command, settings.directory, _environment(settings), ROOT)
    stamp.write_text(wanted, encoding="utf-8")
    return True


def deploy(settings: Settings, ministack_url: str, incentives_endpoint: str) -> dict[str, str]:
    """Run ``sam deploy``; return the stack's outputs.

    Raises:
        processes.ServiceFailedError: it failed.
    """
    client("s3", ministack_url, OWNER).create_bucket(Bucket=ARTIFACTS_BUCKET)
    environment = _environment(settings) | {
        "AWS_ENDPOINT_URL": ministack_url,
        "AWS_ACCESS_KEY_ID": OWNER.access_key_id,
        "AWS_SECRET_ACCESS_KEY": OWNER.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
    }
    command = [*_sam("deploy"), "--template-file", str(settings.build / "template.yaml")]
    parameters = _parameters(settings, IncentivesEndpoint=incentives_endpoint, **settings.parameters)
    processes.run_step("sam-deploy", [*command, *parameters], settings.directory, environment, ROOT)
    stacks = client("cloudformation", ministack_url, OWNER).describe_stacks(StackName=STACK_NAME)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}
    _repeat_gateway_responses(client("apigateway", ministack_url, OWNER), outputs["ApiId"], outputs["ApiStage"])
    return outputs


def _repeat_gateway_responses(api_gateway: Any, api_id: str, stage: str) -> None:  # noqa: ANN401 - a boto3 client
    # AWS takes them from the deployed OpenAPI document; the emulator knows them, but only through their own calls.
    for name, response in gateway_responses(read(TEMPLATE)).items():
        api_gateway.put_gateway_response(restApiId=api_id, responseType=name, **response)
    api_gateway.create_deployment(restApiId=api_id, stageName=stage)


def _sam(command: str) -> list[str]:
    sam = python_of("sam").with_name("sam")
    return [str(sam), command, "--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local"]


def _parameters(settings: Settings, **more: str) -> list[str]:
    values = {
        "Environment": "local",
        "FunctionRuntime": settings.runtime,
        "FunctionArchitecture": settings.architecture,
        "AmazonSupportAddress": SUPPORT_ADDRESS,
        "MailSender": MAIL_SENDER,
        **more,
    }
    return ["--parameter-overrides", *(f"{name}={value}" for name, value in values.items())]


def _recipe() -> str:
    """Names the cache by what sam does not look at when it decides whether a cached layer is still good."""
    digest = hashlib.sha256()
    makefiles = (ROOT / "layers" / "Makefile", ROOT / "functions" / "Makefile")
    for file in sorted([*(ROOT / "layers").glob("*.py"), *makefiles]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _ingredients(command: list[str]) -> str:
    """One hash of all that a build is made from: sources, template, settings, interpreter, and sam itself."""
    digest = hashlib.sha256("\0".join([sys.version, *command]).encode())
    made_by_dependencies = {"__pycache__", ".pyc"}
    for file in sorted(
        [TEMPLATE, ROOT / "samconfig.toml", ROOT / "requirements" / "sam.txt"]
        + [file for folder in ("functions", "layers") for file in (ROOT / folder).rglob("*") if file.is_file()]
    ):
        if not made_by_dependencies & {*file.parts, file.suffix}:
            content = file.read_bytes()
            # With lengths, so that nothing can move from one file to the next unnoticed.
            digest.update(f"{file.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _environment(settings: Settings) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("AWS_") and name not in _NOT_PASSED_ON
    }
    nowhere = str(settings.directory / "no-aws-config")
    return kept | {
        # Nothing of this machine's AWS settings or accounts may have a part in this.
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(settings.directory / "sam"),
        # The emulator has deployed within seconds: sam looks more often than it would in the cloud.
        "SAM_CLI_POLL_DELAY": "0.2",
        # The interpreter that builds the layers is the one that runs them, hence their bytecode fits.
        "PYTHON": str(python_of("project")),
    }
