"""Card numbers at rest: encrypted by KMS, for as long as a recovery or a deactivation may still need them.

An activation whose response was lost can only be repeated or undone with the card's number, perhaps by another process
hours later. The ledger therefore holds the number's last four digits in the clear and the whole as a ciphertext that
is bound to its order: moved to another one's record it cannot be opened.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from incentives.aws.clients import AwsErrors
from incentives.domain.errors import VaultUnavailable

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient


class KmsVault:
    """`Vault` on one KMS key.

    Args:
        client: a client, made only when it is first needed.
        key_id: id, ARN or alias of a symmetric key.
    """

    def __init__(self, client: Callable[[], KMSClient], key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    @AwsErrors(lambda code: VaultUnavailable(f"the request could not be sealed ({code})"))
    def encrypt(self, key_hash: str, members: Mapping[str, Any]) -> str:
        """Encrypt fields of a request that must not be readable at rest.

        Raises:
            VaultUnavailable: KMS did not do it; nothing was sent or written.
        """
        response = self._client().encrypt(
            KeyId=self._key_id,
            Plaintext=json.dumps(dict(members), separators=(",", ":")).encode(),
            EncryptionContext={"order": key_hash},
        )
        return base64.b64encode(response["CiphertextBlob"]).decode("ascii")

    @AwsErrors(lambda code: VaultUnavailable(f"the request could not be unsealed ({code})"))
    def decrypt(self, key_hash: str, encrypted: str) -> dict[str, Any]:
        """The inverse of `encrypt`.

        Raises:
            VaultUnavailable: KMS did not do it.
        """
        response = self._client().decrypt(
            KeyId=self._key_id, CiphertextBlob=base64.b64decode(encrypted), EncryptionContext={"order": key_hash}
        )
        members: dict[str, Any] = json.loads(response["Plaintext"])
        return members
