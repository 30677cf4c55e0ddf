"""Keys of an account are put as the functions read them; the secret one never comes from the command line."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.backends import get_backend

from incentives.aws.accounts.accounts import read_secret
from local import keys
from local.__main__ import main
from local.settings import RefusedError
from local.signing import Caller
from local.target import Target

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
GIVEN = keys.AccountKeys("Local", "UK", "DUMMYKEY", "dummy-secret")


@pytest.fixture
def secrets_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "dummy")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "dummy")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        # Inside another mock of this process, moto still holds what was put into that.
        get_backend("secretsmanager").reset()
        yield boto3.client("secretsmanager")


def value(secrets_manager: Any) -> Any:
    return json.loads(secrets_manager.get_secret_value(SecretId="prefix/default")["SecretString"])


def test_secret_is_made_as_the_functions_read_it(secrets_manager: Any) -> None:
    assert keys.put(secrets_manager, "prefix/default", GIVEN, NOW) == "made"
    account = read_secret("default", secrets_manager.get_secret_value(SecretId="prefix/default")["SecretString"])
    assert (account.partner_id, account.marketplace, account.access_key_id) == ("Local", "UK", "DUMMYKEY")
    assert account.secret_access_key.reveal() == "dummy-secret"
    assert account.key_created_at == NOW


def test_existing_secret_is_updated(secrets_manager: Any) -> None:
    keys.put(secrets_manager, "prefix/default", GIVEN, NOW)
    newer = keys.AccountKeys("Local", "UK", "NEWERKEY", "newer-secret")
    assert keys.put(secrets_manager, "prefix/default", newer, NOW) == "updated"
    assert value(secrets_manager)["accessKeyId"] == "NEWERKEY"


def test_pending_key_is_put_beside_the_one_in_use(secrets_manager: Any) -> None:
    keys.put(secrets_manager, "prefix/default", GIVEN, NOW)
    # when one is put as pending, and another one instead
    for name in ("NEWERKEY", "NEWESTKEY"):
        keys.put_pending(secrets_manager, "prefix/default", keys.AccountKeys("Local", "UK", name, "newer"), NOW)
    # then the one in use still is, and the last one waits
    assert value(secrets_manager)["accessKeyId"] == "DUMMYKEY"
    pending = secrets_manager.get_secret_value(SecretId="prefix/default", VersionStage="AWSPENDING")
    assert json.loads(pending["SecretString"])["accessKeyId"] == "NEWESTKEY"


def test_without_a_key_in_use_nothing_can_be_pending(secrets_manager: Any) -> None:
    with pytest.raises(RefusedError, match="leave out PENDING=1"):
        keys.put_pending(secrets_manager, "prefix/default", GIVEN, NOW)
    assert secrets_manager.list_secrets()["SecretList"] == []


class DeletedSecret:
    """Secrets Manager with one secret that is marked for deletion; moto would overwrite such a one."""

    def __init__(self) -> None:
        self.deleted = True
        self.text = ""

    def get_secret_value(self, SecretId: str) -> None:  # noqa: N803 - boto3's names
        raise ClientError({"Error": {"Code": "InvalidRequestException"}}, "GetSecretValue")

    def put_secret_value(self, SecretId: str, SecretString: str) -> None:  # noqa: N803 - boto3's names
        if self.deleted:
            raise ClientError({"Error": {"Code": "InvalidRequestException"}}, "PutSecretValue")
        self.text = SecretString

    def restore_secret(self, SecretId: str) -> None:  # noqa: N803 - boto3's names
        self.deleted = False


def test_deleted_secret_is_called_back() -> None:
    secret = DeletedSecret()
    assert not keys.parks_now(secret, "prefix/default")
    assert keys.put(secret, "prefix/default", GIVEN, NOW) == "restored and updated"
    assert json.loads(secret.text)["keyCreatedAt"] == "2026-03-01T12:30:00Z"


def test_other_refusals_are_told() -> None:
    class Forbidden(DeletedSecret):
        def put_secret_value(self, SecretId: str, SecretString: str) -> None:  # noqa: N803 - boto3's names
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutSecretValue")

    with pytest.raises(ClientError, match="AccessDenied"):
        keys.put(Forbidden(), "prefix/default", GIVEN, NOW)


def test_secret_key_does_not_show() -> None:
    assert "dummy-secret" not in repr(GIVEN)


@pytest.fixture
def command(secrets_manager: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str], str], int]:
    """Runs the command with an environment and a standard input, in an AWS account with one stack."""

    def find(stack: str) -> Target:
        outputs = {"AccountSecretPrefix": "prefix"} if stack == "stack" else {}
        signer = Caller("AKIDEXAMPLE", "dummy")
        return Target(stack, "", "", lambda: signer, lambda _: secrets_manager, outputs, dict, {}, is_local=False)

    monkeypatch.setattr("local.commands.put_keys.find", find)
    for name in ("ACCOUNT", "STACK", "PARTNER_ID", "MARKETPLACE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "PENDING"):
        monkeypatch.delenv(name, raising=False)

    def run(environment: dict[str, str], typed: str) -> int:
        for name, given in environment.items():
            monkeypatch.setenv(name, given)
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return main(["put-keys"])

    return run


COMPLETE = {"STACK": "stack", "PARTNER_ID": "Local", "MARKETPLACE": "uk", "ACCESS_KEY_ID": "DUMMYKEY"}


def test_command_puts_keys_into_a_stack(
    command: Callable[[dict[str, str], str], int], secrets_manager: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    # when keys are put, the secret one by standard input
    assert command(COMPLETE, "dummy-secret\n") == 0
    # then they are there, and nothing that was printed shows the secret one
    assert value(secrets_manager)["secretAccessKey"] == "dummy-secret"
    assert value(secrets_manager)["marketplace"] == "UK"
    assert "dummy-secret" not in "".join(capsys.readouterr())


def test_command_puts_a_pending_key(
    command: Callable[[dict[str, str], str], int], secrets_manager: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    # given no keys yet, then there is nothing that it could be pending for
    assert command(COMPLETE | {"PENDING": "1"}, "dummy-secret") == 2
    assert "has no keys yet" in capsys.readouterr().err
    # given keys, then the new one waits
    assert command(COMPLETE | {"PENDING": ""}, "dummy-secret") == 0
    assert command(COMPLETE | {"PENDING": "1", "ACCESS_KEY_ID": "NEWERKEY"}, "newer-secret") == 0
    assert value(secrets_manager)["accessKeyId"] == "DUMMYKEY"
    said = "".join(capsys.readouterr())
    assert "make rotate-keys" in said
    assert "newer-secret" not in said


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({**COMPLETE, "ACCOUNT": "Not/Allowed"}, "ACCOUNT must be"),
        ({**COMPLETE, "STACK": "another"}, "is it an Incentives Gateway"),
        ({**COMPLETE, "PARTNER_ID": " "}, "PARTNER_ID= is missing"),
        (COMPLETE, "is empty"),
        ({**COMPLETE, "PARTNER_ID": "PartnerOf14let"}, "PARTNER_ID is not 1 to 10 letters and digits"),
        ({**COMPLETE, "ACCESS_KEY_ID": "DUMMY\u200bKEY"}, "ACCESS_KEY_ID holds a blank, an invisible"),
        ({**COMPLETE, "SECRET_ACCESS_KEY": "dummy\u200bsecret"}, "not ASCII; copy it again from the portal. Nothing"),
        ({**COMPLETE, "MARKETPLACE": "Germany"}, "Type DE for Germany."),
        ({**COMPLETE, "MARKETPLACE": "the netherlands"}, "Type NL for Netherlands."),
        ({**COMPLETE, "MARKETPLACE": "Atlantis"}, "Type one of: US for United States, CA for Canada,"),
    ],
)
@pytest.mark.parametrize("pending", ["", "1"])
def test_command_names_what_is_wrong_and_stores_nothing(
    environment: dict[str, str],
    complaint: str,
    pending: str,
    command: Callable[[dict[str, str], str], int],
    secrets_manager: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # given a key that works
    keys.put(secrets_manager, "prefix/default", GIVEN, NOW)
    before = secrets_manager.describe_secret(SecretId="prefix/default")["VersionIdsToStages"]
    # when another one is put that no function could read, then the one that works is untouched, and none is pending
    given = {"SECRET_ACCESS_KEY": "" if complaint == "is empty" else "newer-secret", **environment, "PENDING": pending}
    assert command(given, "") == 2
    assert complaint in capsys.readouterr().err
    assert secrets_manager.describe_secret(SecretId="prefix/default")["VersionIdsToStages"] == before
    assert len(secrets_manager.list_secrets()["SecretList"]) == 1


def test_whether_requests_park_is_kept_until_told_otherwise(
    secrets_manager: Any, command: Callable[[dict[str, str], str], int]
) -> None:
    def parks() -> bool:
        text = secrets_manager.get_secret_value(SecretId="prefix/default")["SecretString"]
        return read_secret("default", text).parks_unfunded

    assert command(COMPLETE, "dummy-secret\n") == 0
    assert not parks()
    assert command(COMPLETE | {"PARK_WHEN_UNFUNDED": "1"}, "dummy-secret\n") == 0
    assert parks()
    assert command(COMPLETE | {"ACCESS_KEY_ID": "DUMMYKEY2"}, "dummy-secret\n") == 0
    assert parks()
    assert command(COMPLETE | {"PARK_WHEN_UNFUNDED": "0"}, "dummy-secret\n") == 0
    assert not parks()
    assert command(COMPLETE | {"PARK_WHEN_UNFUNDED": "yes"}, "dummy-secret\n") == 2
