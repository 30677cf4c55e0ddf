"""Sealed members against KMS as moto has it: they open for their own order only, and nothing of them shows."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from incentives.api.problems import status_of
from incentives.aws.clients import CLIENT_CONFIG
from incentives.aws.vault import KmsVault
from incentives.domain.errors import VaultUnavailable

NUMBER: Final = "6006490000000001234"
MEMBERS: Final = {"cardNumber": NUMBER}
ORDER: Final = "ab" * 32
OTHER: Final = "cd" * 32


@pytest.fixture
def kms() -> Iterator[Any]:
    with mock_aws():
        made: Any = boto3
        yield made.client(
            "kms",
            # What the functions leave to AWS to check is checked here.
            config=CLIENT_CONFIG.merge(Config(parameter_validation=True)),
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture
def vault(kms: Any) -> KmsVault:
    return KmsVault(lambda: kms, kms.create_key()["KeyMetadata"]["Arn"])


@pytest.mark.parametrize(
    "members",
    [MEMBERS, {"account": {"id": "amzn1.account.\u00e9\u8336", "type": "2"}}, {"a": [1, None, True, {"b": ""}]}, {}],
    ids=["card", "customer", "nested", "none"],
)
def test_what_is_encrypted_can_be_opened(vault: KmsVault, members: dict[str, Any]) -> None:
    assert vault.decrypt(ORDER, vault.encrypt(ORDER, members)) == members


def test_an_encrypted_text_shows_nothing_and_is_another_each_time(vault: KmsVault) -> None:
    first, second = vault.encrypt(ORDER, MEMBERS), vault.encrypt(ORDER, MEMBERS)
    assert first != second
    for encrypted in (first, second):
        assert encrypted.isascii()
        assert NUMBER not in encrypted
        assert NUMBER.encode() not in base64.b64decode(encrypted, validate=True)


def test_it_opens_for_its_own_order_only(vault: KmsVault) -> None:
    encrypted = vault.encrypt(ORDER, MEMBERS)
    with pytest.raises(VaultUnavailable) as told:
        vault.decrypt(OTHER, encrypted)
    assert (status_of(told.value), told.value.retryable) == (503, True)
    assert "InvalidCiphertextException" in told.value.detail
    assert NUMBER not in repr(told.value)


def test_it_opens_with_its_own_key_only(kms: Any, vault: KmsVault) -> None:
    encrypted = vault.encrypt(ORDER, MEMBERS)
    other = KmsVault(lambda: kms, kms.create_key()["KeyMetadata"]["Arn"])
    with pytest.raises(VaultUnavailable):
        other.decrypt(ORDER, encrypted)


class Recorded:
    """A KMS that remembers how it was asked, and answers or fails as told."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def encrypt(self, **asked: Any) -> Any:
        return self._reply("encrypt", asked)

    def decrypt(self, **asked: Any) -> Any:
        return self._reply("decrypt", asked)

    def _reply(self, name: str, asked: dict[str, Any]) -> Any:
        self.asked.append((name, asked))
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


def test_the_key_and_the_order_are_named_in_both_directions() -> None:
    client = Recorded({"CiphertextBlob": b"encrypted", "Plaintext": b"{}"})
    vault = KmsVault(lambda: client, "the-key")
    vault.decrypt(ORDER, vault.encrypt(ORDER, MEMBERS))
    # Without the key's name Decrypt would take any key that the role may use.
    assert [(name, asked["KeyId"]) for name, asked in client.asked] == [("encrypt", "the-key"), ("decrypt", "the-key")]
    contexts = [asked["EncryptionContext"] for _, asked in client.asked]
    assert contexts[0] == contexts[1]
    assert ORDER in contexts[0].values()
    assert NUMBER not in repr(contexts)


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://kms.test"),
        ClientError({"Error": {"Code": "DisabledException", "Message": NUMBER}}, "Encrypt"),
    ],
    ids=["gone", "disabled"],
)
def test_a_kms_that_does_not_do_it_is_a_503(error: Exception) -> None:
    vault = KmsVault(lambda: Recorded(error), "the-key")
    for attempt in (
        lambda: vault.encrypt(ORDER, MEMBERS),
        lambda: vault.decrypt(ORDER, base64.b64encode(b"x").decode()),
    ):
        with pytest.raises(VaultUnavailable) as told:
            attempt()
        assert told.value.retry_after_seconds
        assert NUMBER not in told.value.detail


def test_no_client_is_made_before_it_is_needed() -> None:
    def fail() -> Any:
        raise AssertionError("made too early")

    KmsVault(fail, "the-key")
