"""Signs and sends one request to the API, as any caller of it has to."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# API Gateway ends a call after 29 s; the emulator, busy starting processes, may take longer and does not cut it off.
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Caller:
    """Who signs. Without a caller a request goes out unsigned."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Response:
    """An HTTP response. Header names are in lower case; `content` is what `text` was read from."""

    status: int
    headers: Mapping[str, str]
    text: str = field(repr=False)
    content: bytes = field(default=b"", repr=False)

    @property
    def body(self) -> Any:  # noqa: ANN401 - whatever the JSON holds
        """The body read as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.text)


def send(
    method: str,
    url: str,
    *,
    caller: Caller | None,
    region: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Response:
    """Send one request and return its response, whatever its status.

    Args:
        method: the HTTP method.
        url: the whole URL; http and https only.
        caller: whose signature it carries, or None for none.
        region: AWS region of the API.
        body: text or bytes go out as they are, None as no body, anything else as JSON.
        headers: more headers.
        timeout_seconds: for connecting and for each read.

    Raises:
        OSError: there was no response.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError(f"Not an http(s) URL: {url}")
    data = _encoded(body)
    request = AWSRequest(method=method, url=url, data=data, headers=dict(headers or {}))
    if data is not None and "Content-Type" not in request.headers:
        request.headers["Content-Type"] = "application/json"
    if caller is not None:
        credentials = Credentials(caller.access_key_id, caller.secret_access_key, caller.session_token)
        SigV4Auth(credentials, "execute-api", region).add_auth(request)
    prepared = request.prepare()
    outgoing = urllib.request.Request(  # noqa: S310 - the scheme was checked above
        prepared.url, data=data, headers=dict(prepared.headers), method=method
    )
    # No proxy: the response of a proxy would be taken for the API's.
    # No redirect of what is signed: it would make a GET of a POST, whose success says nothing, and take the signature
    # elsewhere.
    redirects = _NoRedirects if caller else urllib.request.HTTPRedirectHandler
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), redirects)
    try:
        with opener.open(outgoing, timeout=timeout_seconds) as response:
            return _response(response.status, response.headers.items(), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return _response(error.code, error.headers.items(), error.read())
    except http.client.HTTPException as error:
        raise OSError(f"The response was cut off: {type(error).__name__}") from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Nowhere: the response is what it is."""


def _encoded(body: object) -> bytes | None:
    match body:
        case None | bytes():
            return body
        case str():
            return body.encode()
        case _:
            return json.dumps(body).encode()


def _response(status: int, headers: Any, content: bytes) -> Response:  # noqa: ANN401 - pairs, by either class of message
    text = content.decode("utf-8", errors="replace")
    return Response(status, {name.lower(): value for name, value in headers}, text, content)
