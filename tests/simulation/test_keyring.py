"""The secret of a simulated history moves its labels as Secrets Manager does: held against moto, move by move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from incentives.aws.keys.key_versions import CURRENT, PENDING, SecretsManagerVersions
from incentives.domain.errors import AccountUnusable
from incentives.domain.keys.rotation import Labels
from tests.contract import motos
from tests.pacing.stage import Stage
from tests.simulation.keyring import NEW, OLD, PREFIX, PROVEN, SecretStore
from tests.support.fakes import START

NAME = "default"


class Moto:
    def __init__(self, client: Any, store: SecretStore) -> None:
        self._client, self._store = client, store
        text = self._text(OLD)
        made = client.create_secret(Name=f"{PREFIX}/{NAME}", SecretString=text)
        self.version_of = {OLD: made["VersionId"]}
        self.versions = SecretsManagerVersions(lambda: client, PREFIX)

    def put(self, key: str, label: str) -> None:
        self._store.put(key, label)
        put = self._client.put_secret_value(
            SecretId=f"{PREFIX}/{NAME}", SecretString=self._text(key), VersionStages=[label]
        )
        self.version_of[key] = put["VersionId"]

    def labels(self) -> tuple[str | None, ...]:
        key_of = {version: key for key, version in self.version_of.items()}
        found = self.versions.labels(NAME)
        return tuple(key_of[each] if each else None for each in (found.current, found.pending, found.previous))

    def _text(self, key: str) -> str:
        text: str = self._store.get_secret_value(VersionId=key)["SecretString"]
        return text


@pytest.fixture
def both() -> Iterator[tuple[SecretStore, Moto]]:
    with pytest.MonkeyPatch.context() as patch, motos.dynamodb(patch):
        store = SecretStore(Stage(START, START))
        yield store, Moto(motos.client("secretsmanager"), store)


def test_labels_move_alike(both: tuple[SecretStore, Moto]) -> None:
    store, moto = both
    ours = SecretsManagerVersions(lambda: store, PREFIX)
    moves: list[tuple[str, Any]] = [
        ("put", (PROVEN, PENDING)),
        ("make_current", (PROVEN, OLD)),
        ("make_current", (PROVEN, OLD)),
        ("end_trial", PROVEN),
        ("end_trial", PROVEN),
        ("make_current", (OLD, PROVEN)),
        ("give_up", PROVEN),
        ("put", (NEW, CURRENT)),
    ]

    for move, what in moves:
        match move:
            case "put":
                moto.put(*what)
            case "make_current":
                key, left = what
                moved = moto.versions.make_current(NAME, moto.version_of[key], instead_of=moto.version_of[left])
                assert ours.make_current(NAME, key, instead_of=left) is moved
            case _:
                getattr(moto.versions, move)(NAME, moto.version_of[what])
                getattr(ours, move)(NAME, what)
        found: Labels = ours.labels(NAME)
        assert (found.current, found.pending, found.previous) == moto.labels(), move


def test_a_version_that_is_not_there_cannot_be_read(both: tuple[SecretStore, Moto]) -> None:
    store, _ = both

    with pytest.raises(AccountUnusable):
        SecretsManagerVersions(lambda: store, PREFIX).read(NAME, "nobody")
