"""The emulator's restart, on which the chaos run leans: what was written is there afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.cloud import processes, services
from local.settings import Settings
from tests.bench import cloud
from tests.chaos.trouble import StateLostError, restart_emulator
from tests.contract.tables import create_table

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    yield Settings(tmp_path, keeps_state=True)
    processes.stop("ministack", tmp_path)


def test_what_was_written_outlives_the_emulator(settings: Settings) -> None:
    _, url = services.start_ministack(settings)
    dynamodb = cloud.client(url)
    table = create_table(dynamodb, "PacerTable")
    key = {"id": {"S": "default"}}
    dynamodb.put_item(TableName=table, Item={**key, "note": {"S": "kept"}})
    restart_emulator(replace(settings, ministack_port=int(url.rpartition(":")[2])))
    assert dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["note"] == {"S": "kept"}


def test_an_emulator_that_keeps_nothing_is_noticed(settings: Settings) -> None:
    forgetful = replace(settings, keeps_state=False)
    services.start_ministack(forgetful)
    with pytest.raises(StateLostError):
        restart_emulator(forgetful)
