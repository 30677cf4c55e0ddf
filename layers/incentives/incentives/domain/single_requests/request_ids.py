"""Request ids and idempotency keys.

A request id is derived once from what the caller asks for, so that a crash can only ever repeat the same id
and Amazon itself removes the duplicate. Then it is stored, and from there on read, never derived again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import InvalidInput

if TYPE_CHECKING:
    from incentives.domain.operations import Operation

#: Amazon's limit for creationRequestId, activationRequestId and loadBalanceRequestId.
REQUEST_ID_LENGTH_MAX: Final = 40

IDEMPOTENCY_KEY_LENGTH_MAX: Final = 255

IDEMPOTENCY_KEY_FIELD: Final = "Idempotency-Key"


def parse_idempotency_key(key: str | None) -> str:
    """Return a usable key: the same rule for a header, of which this is what is left without HTTP's own, and for files.

    A key that begins or ends with a quotation mark is none: it could be told from the quoted form of another by nobody.

    Raises:
        InvalidInput: it is missing, longer than 255 characters, holds anything but printable ASCII, or begins or ends
            with a blank or a quotation mark.
    """
    if key is None or not key:
        raise InvalidInput(
            IDEMPOTENCY_KEY_FIELD, "is required: send a header of 1 to 255 printable characters that names your order"
        )
    if len(key) > IDEMPOTENCY_KEY_LENGTH_MAX:
        raise InvalidInput(IDEMPOTENCY_KEY_FIELD, f"must have at most {IDEMPOTENCY_KEY_LENGTH_MAX} characters")
    if not (key.isascii() and key.isprintable()):
        odd = next(each for each in key if not (each.isascii() and each.isprintable()))
        raise InvalidInput(
            IDEMPOTENCY_KEY_FIELD, f"must hold printable ASCII characters only, of which U+{ord(odd):04X} is none"
        )
    if key != key.strip(' "'):
        raise InvalidInput(IDEMPOTENCY_KEY_FIELD, "must not begin or end with a blank or a quotation mark")
    return key


def hash_key(key: str) -> str:
    """SHA-256 of an idempotency key, in hex: the ledger holds this and never the key."""
    return hashlib.sha256(key.encode()).hexdigest()


def derive_request_id(partner_id: str, account: str, operation: Operation, key_hash: str, generation: int) -> str:
    """Return the request id of one generation of a request: partner id + base32 of a SHA-256, 40 characters.

    Base32 keeps it alphanumeric. With a partner id of five characters, 175 bits of the hash remain.
    None of the hashed parts can hold a line feed, so no two requests hash the same text.
    """
    text = "\n".join((account, operation.value, key_hash, str(generation)))
    digest = base64.b32encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return (partner_id + digest)[:REQUEST_ID_LENGTH_MAX]


def fingerprint(key: str, fields: Mapping[str, str | None]) -> dict[str, str]:
    """Fingerprint each field of a request's body, so that a later request can be told which of its fields differ.

    Absent fields are left out. The idempotency key salts the hashes: whoever reads the ledger, which holds only
    the key's hash, cannot try out values.
    """
    return {
        name: hashlib.sha256(f"{key}\n{name}\n{value}".encode()).hexdigest()[:16]
        for name, value in sorted(fields.items())
        if value is not None
    }


def differing_fields(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Names of the fields whose fingerprints differ, sorted."""
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
