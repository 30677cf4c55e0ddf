"""Where a simulated history keeps its account's keys: Secrets Manager's labels, and what functions note of keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from incentives.aws.keys.key_versions import CURRENT, PREVIOUS
from incentives.domain.keys.rotation import Rotation
from tests.pacing.stage import Stage
from tests.pacing.table import Table, updates
from tests.support.fakes import START
from tests.workflow.amazon import PARTNER_ID

#: Of the account's secret.
PREFIX: Final = "accounts"

#: The key that every history begins with; the one that takes its place at once; and the one that is on trial first.
OLD: Final = "old"
NEW: Final = "new"
PROVEN: Final = "proven"


def access_key(name: str) -> str:
    return f"AKIDTEST{name.upper()}"


def secret_key(name: str) -> str:
    return f"secret-of-the-{name}-key"


@dataclass
class SecretStore:
    """A low-level Secrets Manager client for one secret; a version's id is its key's name.

    Attributes:
        stages: the version of each label.
        parks: what the secret says of requests that the balance does not cover.
        names: of all keys that were ever kept here.
    """

    stage: Stage
    parks: bool = False
    stages: dict[str, str] = field(default_factory=lambda: {CURRENT: OLD})
    names: list[str] = field(default_factory=lambda: [OLD])
    changed_at: datetime = START

    def put(self, name: str, label: str) -> None:
        """As an operator puts a key: at once the current one, or pending."""
        self.names.append(name)
        if label == CURRENT:
            self.stages[PREVIOUS] = self.stages[CURRENT]
        self.stages[label] = name
        self.changed_at = self.stage.time

    @property
    def current(self) -> str:
        return self.stages[CURRENT]

    def get_secret_value(self, **params: Any) -> dict[str, Any]:
        version = params.get("VersionId") or self.stages.get(params["VersionStage"])
        if version not in self.names:
            raise _refused("ResourceNotFoundException", "GetSecretValue")
        secret = {
            "partnerId": PARTNER_ID,
            "accessKeyId": access_key(version),
            "secretAccessKey": secret_key(version),
            "marketplace": "US",
            # In the order in which they were made.
            "keyCreatedAt": f"2026-02-{1 + self.names.index(version):02d}T00:00:00Z",
            "parkWhenUnfunded": self.parks,
        }
        labels = [label for label, name in self.stages.items() if name == version]
        return {"SecretString": json.dumps(secret), "VersionStages": labels}

    def describe_secret(self, **_: Any) -> dict[str, Any]:
        versions: dict[str, list[str]] = {}
        for label, name in self.stages.items():
            versions.setdefault(name, []).append(label)
        return {"VersionIdsToStages": versions, "LastChangedDate": self.changed_at}

    def update_secret_version_stage(self, **params: Any) -> None:
        label, left = params["VersionStage"], params["RemoveFromVersionId"]
        if self.stages.get(label) != left:
            raise _refused("InvalidParameterException", "UpdateSecretVersionStage")
        if "MoveToVersionId" in params:
            self.stages[label] = params["MoveToVersionId"]
            # Secrets Manager moves this one by itself.
            self.stages[PREVIOUS] = left
        else:
            del self.stages[label]
        self.changed_at = self.stage.time


class PacerTable(Table):
    """The rate limiter's table, on which functions also note what they meet of keys."""

    def __init__(self, on_look: Callable[[], None]) -> None:
        super().__init__()
        self._on_look = on_look

    def update_item(self, **params: Any) -> dict[str, Any]:
        self._on_look()
        if "ConditionExpression" in params:
            return super().update_item(**params)
        item = self.items.setdefault(params["Key"]["id"]["S"], {})
        values = {key: int(value["N"]) for key, value in params["ExpressionAttributeValues"].items()}
        for attribute, number in updates(params["UpdateExpression"]):
            found = number(item, values)
            assert found is not None
            item[attribute] = found
        return {}

    def get_item(self, **params: Any) -> dict[str, Any]:
        item = self.items.get(params["Key"]["id"]["S"], {})
        return {"Item": {key: {"N": str(value)} for key, value in item.items()}} if item else {}


@dataclass
class Rotations:
    kept: dict[str, Rotation] = field(default_factory=dict)

    def read(self, account: str) -> Rotation | None:
        return self.kept.get(account)

    def keep(self, rotation: Rotation) -> None:
        self.kept[rotation.account] = rotation


def _refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "refused"}}, operation)
