"""The signature of a string to sign, made again from the key: for Amazon's support, once it is too old to be used."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incentives.domain.secret_text import Secret

#: Lines of a SigV4 string to sign: algorithm, date, scope, hash.
_LINES = 4


def signature_of(string_to_sign: str, key: Secret) -> str | None:
    """The hexadecimal signature; None if the text is no string to sign."""
    lines = string_to_sign.split("\n")
    scope = lines[2].split("/") if len(lines) == _LINES else []
    if len(scope) != _LINES:
        return None
    # Loaded only here, with all of the HTTP library: who reads a case without sending anything hardly ever signs.
    from requests_aws4auth.aws4signingkey import AWS4SigningKey  # noqa: PLC0415

    date, region, service, _ = scope
    signing_key = AWS4SigningKey(key.reveal(), region, service, date)
    return hmac.digest(signing_key.key, string_to_sign.encode(), hashlib.sha256).hex()
