"""What a local deployment is made of, as ``outputs.json`` tells it to tools and tests."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast


class NotDeployedError(Exception):
    """There is no local deployment to work with; the message says how to get one."""


@dataclass(frozen=True)
class Outputs:
    """Names are those of the JSON keys. All keys are dummies that only the emulated cloud knows."""

    apiUrl: str  # noqa: N815
    awsEndpointUrl: str  # noqa: N815
    region: str
    stackName: str  # noqa: N815
    tableName: str  # noqa: N815
    accountName: str  # noqa: N815
    partnerId: str  # noqa: N815
    accountSecretId: str  # noqa: N815
    incentivesEndpoint: str  # noqa: N815
    accessKeyId: str  # noqa: N815
    secretAccessKey: str  # noqa: N815
    pacerTableName: str  # noqa: N815
    apiId: str  # noqa: N815
    stageName: str  # noqa: N815
    sandboxUrl: str | None  # noqa: N815
    invokerAccessKeyId: str  # noqa: N815
    invokerSecretAccessKey: str  # noqa: N815
    functionNames: dict[str, str]  # noqa: N815
    logsDir: str  # noqa: N815
    temporaryDir: str  # noqa: N815
    ministackPid: int  # noqa: N815
    sandboxPid: int | None  # noqa: N815
    stateMachineArn: str = ""  # noqa: N815
    eventBusName: str = ""  # noqa: N815
    operatorsTopicArn: str = ""  # noqa: N815
    cardVaultKeyArn: str = ""  # noqa: N815
    failuresQueueUrl: str = ""  # noqa: N815
    backlogQueueUrl: str = ""  # noqa: N815
    backlogDeadLettersUrl: str = ""  # noqa: N815
    accountTableName: str = ""  # noqa: N815
    ordersTableName: str = ""  # noqa: N815
    ordersBucketName: str = ""  # noqa: N815
    orderStateMachineArn: str = ""  # noqa: N815

    def save(self, file: Path) -> None:
        """Write the file at once or not at all, readable by its owner only."""
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        partial.chmod(0o600)
        partial.replace(file)


def load(file: Path) -> Outputs:
    """Read the file.

    Raises:
        NotDeployedError: there is none, or another version of this code wrote it.
    """
    try:
        found = cast("dict[str, Any]", json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise NotDeployedError("There is no local cloud; start one with `make up` or `make run`.") from None
    names = {field.name for field in fields(Outputs)}
    if names - found.keys():
        raise NotDeployedError("The local cloud is of another version; start it again with `make up`.")
    return Outputs(**{name: found[name] for name in names})
