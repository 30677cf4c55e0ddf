"""The one way to the data: calls to the HTTP API, signed by the person who started the console.

Whatever comes back is a `Reply`, which a page shows as what it is. Nothing is raised for it, so that one missing right
or one failed call takes one part of a page away and never the page.
"""

import asyncio
import json
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, urlencode

from botocore.exceptions import BotoCoreError, ClientError

from console.document import misfit
from console.threads import NoRoomError, Threads
from incentives.domain.errors import BooksUnavailable, LedgerUnavailable, OrderUnavailable
from local.signing import Response, send
from local.target import Target

#: All that the console ever asks of the API. No single card is issued and no claim code is read here: a test holds this
#: list against the API's own.
CALLS: Final = frozenset(
    {
        ("GET", "/accounts"),
        ("POST", "/accounts/{account}/freeze"),
        ("POST", "/accounts/{account}/unfreeze"),
        ("GET", "/activations/{requestId}"),
        ("POST", "/activations/{requestId}/deactivate"),
        ("GET", "/balance-loads/{requestId}"),
        ("POST", "/balance-loads/{requestId}/void"),
        ("GET", "/budgets"),
        ("GET", "/budgets/{name}"),
        ("PUT", "/budgets/{name}"),
        ("GET", "/closes/{account}/{month}"),
        ("POST", "/closes/{account}/{month}"),
        ("POST", "/closes/{account}/{month}/sign-off"),
        ("GET", "/funds"),
        ("GET", "/gift-cards/{requestId}"),
        ("POST", "/gift-cards/{requestId}/cancel"),
        ("GET", "/orders"),
        ("POST", "/orders"),
        ("GET", "/orders/{orderId}"),
        ("POST", "/orders/{orderId}/approve"),
        ("POST", "/orders/{orderId}/pause"),
        ("POST", "/orders/{orderId}/reject"),
        ("POST", "/orders/{orderId}/resume"),
        ("POST", "/orders/{orderId}/start"),
        ("POST", "/orders/{orderId}/stop"),
        ("GET", "/reconciliations"),
        ("GET", "/reconciliations/{account}/movements"),
        ("POST", "/reconciliations/{account}/movements"),
        ("POST", "/reconciliations/{account}/statements"),
        ("POST", "/reconciliations/{account}/statements/{statementId}/read"),
        ("GET", "/reconciliations/{account}/{day}"),
        ("POST", "/reconciliations/{account}/{day}/differences/resolve"),
        ("POST", "/reconciliations/{account}/{day}/differences/{differenceId}/resolve"),
        ("POST", "/reconciliations/{account}/{day}/run"),
        ("GET", "/requests"),
        ("GET", "/requests/{requestId}/case-file"),
        ("POST", "/requests/{requestId}/recover"),
    }
)
#: What the names and ids in paths are made of; so are all that the API gives. Nothing else is sent: a path with dots or
#: slashes in it would be another route's.
IN_PATHS: Final = re.compile("[A-Za-z0-9_-]{1,64}")
#: Nobody was reached, so nobody was asked for anything.
UNREACHED: Final = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
#: What figures take, by the operation that AWS names when it refuses: those that do not go by the name of their part.
ACTIONS: Final[Mapping[str, str]] = {
    "ListMetrics": "cloudwatch:ListMetrics",
    "ListStackResources": "cloudformation:ListStackResources",
}
#: Told when a write's response was lost as well: it may have taken effect.
IN_DOUBT: Final = frozenset(each.code for each in (BooksUnavailable, LedgerUnavailable, OrderUnavailable))
#: What is being done at a time: more than a person begins.
DOING_MAX: Final = 16
#: Of what went wrong, fields that are shown, and characters of each text.
ERRORS_MAX: Final = 100
TEXT_LENGTH_MAX: Final = 2_000
#: A page waits for its slowest call.
GET_SECONDS_MAX: Final = 20.0
#: Longer than API Gateway lets a call take, so that what it answers in the end is heard.
POST_SECONDS_MAX: Final = 60.0
#: A file of the greatest size over a slow line.
FILE_SECONDS_MAX: Final = 600.0


class Kind(StrEnum):
    """What a reply is, in the words that pages use."""

    ANSWERED = "answered"
    DENIED = "denied"
    NOT_FOUND = "not found"
    FROZEN = "frozen"
    REFUSED = "refused"
    # Something may have happened: it is neither done nor not done.
    UNKNOWN = "unknown"
    # Nothing happened, and it may work later.
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Reply:
    """What became of one call.

    Attributes:
        call: method and path as the API's document has them, or the action of AWS that it was.
        status: HTTP's; None without a response.
        body: JSON; of what is no JSON nothing.
        at: when it came.
        error: why there is no response, in words.
        never_sent: there is none because nothing was sent.
        held_back: the console did not send it: what the person had seen is not so any more, or not all was said.
    """

    call: str
    status: int | None
    body: Mapping[str, Any]
    at: datetime
    error: str = ""
    never_sent: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    held_back: bool = False

    @property
    def ok(self) -> bool:
        """Whether it succeeded; 202 is success."""
        return self.kind is Kind.ANSWERED

    @property
    def kind(self) -> Kind:
        """What it is."""
        if self.held_back:
            return Kind.REFUSED
        if self.status is None:
            return Kind.UNAVAILABLE if self.is_query or self.never_sent else Kind.UNKNOWN
        if self.status < HTTPStatus.MULTIPLE_CHOICES:
            return Kind.ANSWERED
        if self.status < HTTPStatus.BAD_REQUEST or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self._kind_of_failure
        if self._is_denied:
            return Kind.DENIED
        return Kind.NOT_FOUND if self.status == HTTPStatus.NOT_FOUND else Kind.REFUSED

    @property
    def _is_denied(self) -> bool:
        """By IAM, in the words of the deployment, or of API Gateway where they are others. Amazon's have a code."""
        said = self._error_type or self.headers.get("x-amzn-errortype", "").partition(":")[0]
        return said in {"AccessDenied", "AccessDeniedException"} and self.body.get("errorCode") is None

    @property
    def _error_type(self) -> str:
        return str(self.body.get("errorType") or "")

    @property
    def _kind_of_failure(self) -> Kind:
        """Of a status that is neither success nor a refusal."""
        said = self._error_type
        if said == "AccountFrozen":
            return Kind.FROZEN
        # A 503 of the gateway's own says that nothing happened, unless what it could not reach may have been written.
        # Any other may come from whatever stands before it.
        certain = self.status == HTTPStatus.SERVICE_UNAVAILABLE and said and said not in IN_DOUBT
        return Kind.UNAVAILABLE if self.is_query or certain else Kind.UNKNOWN

    @property
    def is_query(self) -> bool:
        """Whether it changes nothing."""
        return not self.call.startswith(("POST ", "PUT "))

    @property
    def detail(self) -> str:
        """What went wrong, as the API says it."""
        if self.error:
            return self.error
        for name in ("detail", "message", "Message"):
            if self.body.get(name):
                return _shown(self.body[name])
        return f"HTTP {self.status}"

    @property
    def errors(self) -> list[tuple[str, str]]:
        """Each field that is wrong: its name, and what is."""
        found = self.body.get("errors")
        told = [each for each in found[:ERRORS_MAX] if isinstance(each, Mapping)] if isinstance(found, list) else []
        return [(_shown(each.get("field")), _shown(each.get("message"))) for each in told]


@dataclass(frozen=True)
class Gateway:
    """The deployment's HTTP API, and where it says that files go or are.

    Attributes:
        executor: for queries, and nothing else, so that slow ones hold up no page that needs none.
        doing: for the others: a card's 15 minutes do not wait for pages that renew themselves.
    """

    target: Target
    executor: Executor
    now: Callable[[], datetime]
    doing: Executor = field(default_factory=lambda: Threads(DOING_MAX))

    async def get(
        self, template: str, /, query: Mapping[str, str | None] | None = None, *, key: str | None = None, **values: str
    ) -> Reply:
        """Ask for something.

        Args:
            template: the path, as in the API's document.
            query: empty values are left out.
            key: the Idempotency-Key that is looked for.
            values: of the path's parameters.
        """
        return await self._call("GET", template, values, query=query or {}, key=key)

    async def send(
        self, method: str, template: str, body: object = None, /, *, key: str | None = None, **values: str
    ) -> Reply:
        """Have something done; it is sent once, and never again by itself."""
        return await self._call(method, template, values, body=body, key=key)

    def held_back(self, method: str, template: str, why: str, /, *errors: tuple[str, str]) -> Reply:
        """What comes of something that is not sent after all, and why.

        Args:
            method: of what is not called.
            template: likewise.
            why: says that nothing was sent.
            errors: each field of the form that is to blame, and what is wrong with it.
        """
        body = {"errors": [{"field": name, "message": what} for name, what in errors]}
        return Reply(f"{method} {template}", None, body, self.now(), why, never_sent=True, held_back=True)

    async def put_file(self, upload: Mapping[str, Any], content: bytes) -> Reply:
        """Put a file where the API said. The address is a secret for as long as it works, and so is in no reply."""
        headers = dict(upload["headers"])
        return await self._sent("PUT file", upload["method"], upload["url"], body=content, headers=headers)

    async def file(self, url: str) -> tuple[Reply, bytes]:
        """A file from where the API said. The bytes are empty if it did not come."""
        found: list[Response] = []
        reply = await self._sent("GET file", "GET", url, found=found)
        return reply, found[0].content if found and reply.ok else b""

    async def aws(self, action: str, ask: Callable[[], Mapping[str, Any]]) -> Reply:
        """Ask AWS itself, for figures that the API does not have. `action` is the main IAM action that it takes."""

        def asked() -> Reply:
            try:
                return Reply(action, HTTPStatus.OK, ask(), self.now())
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
                denied = "Denied" in code or "Unauthorized" in code or code == "AuthorizationError"
                body = {"errorType": "AccessDenied" if denied else code, "detail": f"{error.operation_name}: {code}"}
                call = ACTIONS.get(error.operation_name, action)
                return Reply(call, HTTPStatus.FORBIDDEN if denied else status, body, self.now())
            except Exception as error:  # noqa: BLE001 - as `_sent`; figures of a stack that lacks a resource, too
                return Reply(action, None, {}, self.now(), _words(error))

        try:
            return await asyncio.get_running_loop().run_in_executor(self.executor, asked)
        except NoRoomError as error:
            return Reply(action, None, {}, self.now(), str(error), never_sent=True)

    async def _call(
        self,
        method: str,
        template: str,
        values: Mapping[str, str],
        *,
        body: object = None,
        query: Mapping[str, str | None] = MappingProxyType({}),
        key: str | None = None,
    ) -> Reply:
        if (method, template) not in CALLS:
            raise ValueError(f"The console does not call {method} {template}")
        for name, value in values.items():
            if not IN_PATHS.fullmatch(value):
                return self.held_back(method, template, f"There is no such {name}, and none can be. Nothing was sent.")
        if key is not None and not (key.isascii() and key.isprintable() and key.strip()):
            # No header can hold it, or it would come as none.
            wrong = ("Idempotency-Key", "must hold printable ASCII characters only, and one that is no blank")
            return self.held_back(method, template, "It can be no key. Nothing was sent.", wrong)
        path = template.format_map(values)
        asked = {name: value for name, value in query.items() if value}
        # A blank as %20: a plus sign is signed as one, and read as a blank.
        url = self.target.api_url + path + (f"?{urlencode(asked, quote_via=quote)}" if asked else "")
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self._sent(f"{method} {template}", method, url, signed=True, body=body, headers=headers)

    async def _sent(
        self,
        call: str,
        method: str,
        url: str,
        *,
        signed: bool = False,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        found: list[Response] | None = None,
    ) -> Reply:
        seconds = GET_SECONDS_MAX if method == "GET" else POST_SECONDS_MAX

        def sent() -> Reply:
            try:
                # Keys for a while are renewed under way: by calls, files, programs; each fails in its own way.
                caller = self.target.caller() if signed else None
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody has signed
                why = f"No AWS credentials to sign with: {_words(error)}"
                return Reply(call, None, {}, self.now(), why, never_sent=True)
            try:
                response = send(
                    method,
                    url,
                    caller=caller,
                    region=self.target.region,
                    body=body,
                    headers=headers,
                    timeout_seconds=seconds if signed else FILE_SECONDS_MAX,
                )
            except OSError as error:
                return Reply(call, None, {}, self.now(), _words(error), isinstance(_cause(error), UNREACHED))
            except ValueError:
                # Of where a file goes or is, which is a secret.
                return Reply(call, None, {}, self.now(), "What was to be called is no address.", never_sent=True)
            if found is not None:
                found.append(response)
                return Reply(call, response.status, {}, self.now())
            told = _json(response)
            wrong = ""
            if signed and told is None and response.status < HTTPStatus.BAD_REQUEST:
                wrong = "the API"
            elif signed and told is not None and response.status < HTTPStatus.MULTIPLE_CHOICES:
                misfits = misfit(call, response.status, told)
                wrong = misfits and f"as the API's document has it: {misfits}"
            if wrong:
                return Reply(call, None, {}, self.now(), f"The response of {response.status} is not {wrong}.")
            return Reply(call, response.status, told or {}, self.now(), headers=response.headers)

        executor = self.executor if method == "GET" else self.doing
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, sent)
        except NoRoomError as error:
            return Reply(call, None, {}, self.now(), str(error), never_sent=True)


def _json(response: Response) -> Mapping[str, Any] | None:
    """The body, if it is what all of the API's are."""
    try:
        found = response.body
        if "\\ud" in response.text.lower():
            # Halves of characters, which no page can hold.
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _shown(value: object) -> str:
    return str(value)[:TEXT_LENGTH_MAX]


def _cause(error: BaseException) -> object:
    """Why an address could not be opened, where the library wraps it."""
    return getattr(error, "reason", error)


def _words(error: Exception) -> str:
    """Why nothing came, without the address, which may hold a signature."""
    if not isinstance(error, OSError):
        told = isinstance(error, (BotoCoreError, ClientError, RuntimeError))
        return f"AWS was not reached: {error if told else type(error).__name__}"
    cause = _cause(error)
    if isinstance(cause, TimeoutError):
        return "No response in time."
    return f"No response: {getattr(cause, 'strerror', None) or type(cause).__name__}."
