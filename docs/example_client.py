"""A caller of the Incentives Gateway in one file: issue a gift card, wait where it is not known yet, reveal, cancel.

It needs `requests` and `requests-aws4auth`. Every request and answer of it is checked against openapi.json by the
project's tests. How to run it: README.md beside it.
"""
# ruff: noqa: INP001, T201 - a program in a folder of documents; it prints

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests_aws4auth import AWS4Auth

Json = dict[str, Any]

# The API answers within 29 s; whoever waits longer than this waits for nothing.
TIMEOUT_SECONDS: Final = 35.0
# After these nobody knows what happened, or it may work a little later: the same request, with the same key, is safe.
REPEAT_ON: Final = frozenset({429, 500, 502, 503, 504})
TRIES_MAX: Final = 5
# A longer wait, such as for a frozen account, is left to a human or a queue.
RETRY_AFTER_SECONDS_MAX: Final = 60.0
# How long to ask what became of a 202 before giving the order to a human. The gateway itself goes on for 24 hours.
PATIENCE_SECONDS: Final = 300.0
OPEN: Final = frozenset({"PENDING", "RECOVERING", "REVERSING"})


class ProblemError(Exception):
    """The API said no. `problem` is its response: `errorType`, `detail`, `retryable`, and `errors` by member.

    With status 503, and whatever else is `retryable`, nothing was charged, and the same key works once the cause is
    mended: a budget has enough again (402), an account is not frozen any more (503).
    """

    def __init__(self, problem: Json) -> None:
        super().__init__(f"{problem['status']} {problem['errorType']}: {problem['detail']}")
        self.problem = problem


class NotKnownYetError(Exception):
    """The outcome is still open. Do not order again under another key: ask again later, for `request_id`."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"The outcome of {request_id} is not known yet; ask again later.")
        self.request_id = request_id


class NotIssuedError(Exception):
    """The order ended without a card; `request` says how.

    Where its `errorType` is `AccountKeyRefused` or `notSent`, Amazon never looked at it: order again with the same key
    once the cause is mended.
    """

    def __init__(self, request: Json) -> None:
        super().__init__(f"{request['requestId']} ended as {request['status']} ({request['errorType']})")
        self.request = request


@dataclass(frozen=True)
class Later:
    """A card that was asked for without waiting.

    Attributes:
        request: how it stands; its `dueAt` says about when it will be sent to Amazon.
        location: where to ask; None where it is issued already, and `request` is the card with its claim code.
        seconds: when asking makes sense.
    """

    request: Json = field(repr=False)
    location: str | None
    seconds: float


@dataclass(frozen=True)
class Gateway:
    """One deployment.

    Attributes:
        api_url: the stack's output ApiUrl.
        session: signs; see `signed_session`.
        sleep: passed in by tests.
    """

    api_url: str
    session: requests.Session = field(repr=False)
    sleep: Callable[[float], None] = time.sleep

    def create(self, amount: str, currency_code: str, *, key: str, **optional: object) -> Json:
        """Issue a card and return it with its claim code.

        Args:
            amount: a decimal string.
            currency_code: of the account's marketplace.
            key: your own name of this order. Keep it before you call: after a crash the same key gets the same card.
            **optional: `account`, `budget`, `externalReference`, `onUnknown` and so on.

        Raises:
            ProblemError, NotIssuedError: there is no card, and there will be none under this key unless they say so.
            NotKnownYetError: ask again, with the same key.
        """
        body = {"amount": amount, "currencyCode": currency_code, **optional}
        return self.wait_for(_later(self._send("POST", "/gift-cards", body=body, key=key)))

    def create_later(self, amount: str, currency_code: str, *, key: str, **optional: object) -> Later:
        """Ask for a card without waiting: it is issued in its turn. Ask for many, then `wait_for` each.

        Args:
            amount: a decimal string.
            currency_code: of the account's marketplace.
            key: as for `create`. After a crash ask again with the same key: it is the same card.
            **optional: as for `create`.

        Raises:
            ProblemError: there is no card, and there will be none under this key unless it says so.
        """
        body = {"amount": amount, "currencyCode": currency_code, **optional}
        return _later(self._send("POST", "/gift-cards", body=body, key=key, prefer="respond-async"))

    def wait_for(self, later: Later) -> Json:
        """Return a card that was asked for, with its claim code, once it is issued. Raises as `create` does."""
        if later.location is None:
            return later.request
        request = self._settle(later)
        if request["status"] != "SUCCEEDED":
            raise NotIssuedError(request)
        return self.reveal(request["requestId"])

    def read(self, request_id: str) -> Json:
        """How a request stands; never with its claim code."""
        return _json(self._send("GET", f"/gift-cards/{request_id}"))

    def reveal(self, request_id: str) -> Json:
        """A card with its claim code, which the gateway asks Amazon for each time.

        Raises:
            NotKnownYetError: Amazon did not show it in time.
        """
        for _ in range(TRIES_MAX):
            response = self._send("POST", f"/gift-cards/{request_id}/claim-code")
            if response.status_code != requests.codes.accepted:
                return _json(response)
            self.sleep(float(response.headers["Retry-After"]))
        raise NotKnownYetError(request_id)

    def cancel(self, request_id: str) -> Json:
        """Make sure that nothing is charged.

        Raises:
            ProblemError: 409 where it is too late: the card stays charged.
        """
        response = self._send("POST", f"/gift-cards/{request_id}/cancel")
        return self._settle(_later(response)) if response.status_code == requests.codes.accepted else _json(response)

    def _settle(self, later: Later) -> Json:
        """Ask at Location, after Retry-After, until the outcome is known."""
        location = self._absolute(later.location or "")
        seconds = later.seconds
        waited = 0.0
        while waited < PATIENCE_SECONDS:
            self.sleep(seconds)
            request = _json(self._send("GET", location))
            # Waiting for its turn is no doubt: it was not sent yet.
            waited += seconds if request["dueAt"] is None else 0.0
            if request["status"] == "ESCALATED":
                # Not found out in 24 hours: people are on it. Nobody may take this for a failure.
                break
            if request["status"] not in OPEN:
                return request
            seconds = min(seconds * 2, 60.0)
        raise NotKnownYetError(later.request["requestId"])

    def _absolute(self, location: str) -> str:
        """A Location as a URL. Whatever serves the API under a longer path than it knows of keeps the beginning."""
        base = urlsplit(self.api_url)
        path = base.path.rstrip("/")
        stage = f"/{path.rpartition('/')[2]}"
        unknown_to_it = path.removesuffix(stage) if location.startswith(f"{stage}/") else ""
        return f"{base.scheme}://{base.netloc}{unknown_to_it}{location}"

    def _send(
        self, method: str, route: str, *, body: object = None, key: str | None = None, prefer: str | None = None
    ) -> requests.Response:
        url = route if route.startswith("http") else f"{self.api_url.rstrip('/')}{route}"
        given = {"Idempotency-Key": key, "Prefer": prefer}
        headers = {name: text for name, text in given.items() if text is not None}
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                response = self.session.request(method, url, json=body, headers=headers, timeout=TIMEOUT_SECONDS)
            except (requests.ConnectionError, requests.Timeout):
                if not tries_left:
                    raise
                self.sleep(1.0)
                continue
            if response.ok:
                return response
            problem = _json(response)
            seconds = float(response.headers.get("Retry-After", 1))
            soon = problem["retryable"] and seconds <= RETRY_AFTER_SECONDS_MAX
            if response.status_code not in REPEAT_ON or not soon or not tries_left:
                raise ProblemError(problem)
            self.sleep(seconds)
        raise AssertionError("unreachable: the last try returns or raises")


def _json(response: requests.Response) -> Json:
    found: Json = response.json()
    return found


def _later(response: requests.Response) -> Later:
    if response.status_code != requests.codes.accepted:
        return Later(_json(response), None, 0.0)
    return Later(_json(response), response.headers["Location"], float(response.headers["Retry-After"]))


def signed_session(
    access_key_id: str, secret_access_key: str, region: str, session_token: str | None = None
) -> requests.Session:
    """A session that signs each request with AWS Signature Version 4, for API Gateway."""
    session = requests.Session()
    # The machine's own .netrc would otherwise take the signature's place.
    session.trust_env = False
    session.auth = AWS4Auth(access_key_id, secret_access_key, region, "execute-api", session_token=session_token)
    return session


def gateway_of(settings: Mapping[str, str]) -> Gateway:
    """A gateway from `INCENTIVES_API_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID` and so on."""
    session = signed_session(
        settings["AWS_ACCESS_KEY_ID"],
        settings["AWS_SECRET_ACCESS_KEY"],
        settings["AWS_REGION"],
        settings.get("AWS_SESSION_TOKEN"),
    )
    return Gateway(settings["INCENTIVES_API_URL"], session)


def local_settings(outputs: Path) -> dict[str, str]:
    """The same settings of a local cloud, from its outputs.json."""
    found = json.loads(outputs.read_text(encoding="utf-8"))
    return {
        "INCENTIVES_API_URL": found["apiUrl"],
        "AWS_REGION": found["region"],
        "AWS_ACCESS_KEY_ID": found["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": found["secretAccessKey"],
    }


def main(arguments: Sequence[str]) -> int:
    """Run one command; print its response as JSON."""
    parser = argparse.ArgumentParser(description="Issue, read, reveal and cancel gift cards.")
    parser.add_argument("--outputs", type=Path, help="outputs.json of a local cloud, instead of the environment")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="issue a card and print it with its claim code")
    create.add_argument("amount", help='a decimal, such as "25.00"')
    create.add_argument("currency", help="such as USD")
    create.add_argument("--key", required=True, help="your own name of this order; the same key gets the same card")
    create.add_argument("--later", action="store_true", help="do not wait for Amazon: print when its turn is, and end")
    for name, text in (("read", "how a request stands"), ("reveal", "its claim code"), ("cancel", "take it back")):
        commands.add_parser(name, help=text).add_argument("request_id")
    given = parser.parse_args(arguments)
    gateway = gateway_of(local_settings(given.outputs) if given.outputs else os.environ)
    try:
        if given.command == "create" and given.later:
            response = gateway.create_later(given.amount, given.currency, key=given.key).request
        elif given.command == "create":
            response = gateway.create(given.amount, given.currency, key=given.key)
        else:
            response = getattr(gateway, given.command)(given.request_id)
    except (ProblemError, NotIssuedError, NotKnownYetError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(response, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
