"""Settings come from the checkout and the environment, and outputs survive the file."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from local import outputs, settings, target
from local.settings import RefusedError

ASKED_FOR = {
    "apiUrl",
    "awsEndpointUrl",
    "region",
    "stackName",
    "tableName",
    "accountName",
    "partnerId",
    "accountSecretId",
    "incentivesEndpoint",
    "accessKeyId",
    "secretAccessKey",
}


def some_outputs() -> outputs.Outputs:
    return outputs.Outputs(
        apiUrl="http://127.0.0.1:1/api",
        awsEndpointUrl="http://127.0.0.1:1",
        region="us-east-1",
        stackName="stack",
        tableName="ledger",
        accountName="default",
        partnerId="Local",
        accountSecretId="prefix/default",
        incentivesEndpoint="http://127.0.0.1:2",
        accessKeyId="DUMMY",
        secretAccessKey="dummy",
        pacerTableName="rate_limiter",
        apiId="api",
        stageName="v1",
        sandboxUrl=None,
        invokerAccessKeyId="DUMMY2",
        invokerSecretAccessKey="dummy2",
        functionNames={"CreateGiftCard": "stack-create-gift-card"},
        logsDir="logs",
        temporaryDir="tmp",
        ministackPid=1,
        sandboxPid=None,
    )


def test_defaults() -> None:
    chosen = settings.from_environment({})
    assert chosen.directory == settings.ROOT / ".local"
    assert (chosen.ministack_port, chosen.sandbox_port, chosen.incentives_endpoint) == (None, None, None)


def test_environment_decides() -> None:
    given = {
        "INCENTIVES_LOCAL_DIR": ".local-other",
        "MINISTACK_PORT": "4566",
        "SANDBOX_PORT": "8080",
        "INCENTIVES_ENDPOINT": "https://incentives.example/",
    }
    chosen = settings.from_environment(given)
    assert chosen.directory == settings.ROOT / ".local-other"
    assert (chosen.ministack_port, chosen.sandbox_port) == (4566, 8080)
    assert chosen.incentives_endpoint == "https://incentives.example"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "1.5"])
def test_port_must_be_one(port: str) -> None:
    with pytest.raises(settings.RefusedError, match="MINISTACK_PORT must be a port number"):
        settings.from_environment({"MINISTACK_PORT": port})


def test_outputs_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    some_outputs().save(file)
    assert outputs.load(file) == some_outputs()
    assert file.stat().st_mode & 0o077 == 0


def test_outputs_have_all_that_tools_ask_for() -> None:
    assert asdict(some_outputs()).keys() >= ASKED_FOR


def test_missing_outputs_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(outputs.NotDeployedError, match="make up"):
        outputs.load(tmp_path / "outputs.json")


def test_outputs_of_another_version_are_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps({"apiUrl": "http://127.0.0.1:1"}))
    with pytest.raises(outputs.NotDeployedError, match="another version"):
        outputs.load(file)


def test_keys_of_the_environment_whose_time_is_over_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "SESSION_TOKEN": "c"}
    for name, value in (given | {"CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z", "REGION": "us-east-1"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(RefusedError, match="Sign in again"):
        target.find("gateway")
