"""Card numbers at rest: encrypted by KMS, for as long as a recovery or a deactivation may still need them.

An activation whose response was lost can only be repeated or undone with the card's number, perhaps by another process
hours later. The ledger therefore holds the number's last four digits in the clear and the whole as a ciphertext that
is bound to its order: moved to another one's record it cannot be opened.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from incentives.aws.clients import AWS_ERRORS, AwsClient, error_code
from incentives.domain.errors import VaultUnavailable


class KmsVault:
    """`Vault` on one KMS key.

    Args:
        client: a low-level KMS client, made only when it is first needed.
        key_id: id, ARN or alias of a symmetric key.
    """

    def __init__(self, client: Callable[[], AwsClient], key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def encrypt(self, key_hash: str, members: Mapping[str, Any]) -> str:
        """Encrypt members of an order that must not be readable at rest.

        Raises:
            VaultUnavailable: KMS did not do it; nothing was sent or written.
        """
        try:
            response = self._client().encrypt(
                KeyId=self._key_id,
                Plaintext=json.dumps(dict(members), separators=(",", ":")).encode(),
                EncryptionContext={"order": key_hash},
            )
        except AWS_ERRORS as error:
            raise VaultUnavailable(f"the request could not be sealed ({error_code(error)})") from error
        return base64.b64encode(response["CiphertextBlob"]).decode("ascii")

    def decrypt(self, key_hash: str, encrypted: str) -> dict[str, Any]:
        """The inverse of `encrypt`.

        Raises:
            VaultUnavailable: KMS did not do it.
        """
        try:
            response = self._client().decrypt(
                KeyId=self._key_id,
                CiphertextBlob=base64.b64decode(encrypted),
                EncryptionContext={"order": key_hash},
            )
        except AWS_ERRORS as error:
            raise VaultUnavailable(f"the request could not be unsealed ({error_code(error)})") from error
        members: dict[str, Any] = json.loads(response["Plaintext"])
        return members
