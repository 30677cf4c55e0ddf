"""What the stack tests of the console share: consoles of several persons, as processes, and what they served."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import requests

from local import settings
from local.signing import Caller
from local.target import of_local
from tests.console.served import Browser
from tests.stack.cloud import Cloud

#: Of the emulated cloud's folder: all that consoles served, where the canaries look for it.
SERVED: Final = "console"
#: A machine under load starts it in some seconds.
START_SECONDS_MAX: Final = 60.0
END_SECONDS_MAX: Final = 20.0

_numbers = itertools.count()


def keep(cloud: Cloud, text: str) -> None:
    """Keep something that a console served."""
    folder = cloud.directory / SERVED
    folder.mkdir(exist_ok=True)
    (folder / f"{os.getpid()}-{next(_numbers)}.txt").write_text(text, encoding="utf-8")


@dataclass
class Console:
    """A console that runs as somebody.

    Attributes:
        folder: where it finds its deployment, and whose keys it signs with.
        address: that it printed.
        seconds: after its command until it printed it.
    """

    cloud: Cloud
    folder: Path
    process: subprocess.Popen[str]
    address: str
    seconds: float

    def browser(self) -> Browser:
        """One that has opened the address, and keeps all that it is served."""
        made = Browser(self.address)
        made.session.hooks["response"].append(self._keep)
        return made.open()

    def _keep(self, response: requests.Response, *_: object, **__: object) -> None:
        keep(self.cloud, f"{response.url}\n{response.headers}\n{response.text}")

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C: its status, and what it has said since its start. Nothing of it is left then."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=END_SECONDS_MAX)
        keep(self.cloud, said)
        return self.process.returncode, said

    @property
    def group_is_left(self) -> bool:
        """Whether it, or anything that it started, is still there."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


@contextmanager
def console(cloud: Cloud, folder: Path, caller: Caller | None = None) -> Iterator[Console]:
    """A console of whoever's keys these are; the developer's if None."""
    caller = caller or cloud.developer
    folder.mkdir(exist_ok=True)
    replace(cloud.outputs, accessKeyId=caller.access_key_id, secretAccessKey=caller.secret_access_key).save(
        settings.Settings(folder).outputs_file
    )
    begun = time.monotonic()
    process = command(folder, PORT="0")
    try:
        yield Console(cloud, folder, process, _address(process), time.monotonic() - begun)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def command(folder: Path, **variables: str) -> subprocess.Popen[str]:
    """`python -m local console` with these environment variables, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "local", "console"],
        cwd=settings.ROOT,
        env={**os.environ, "INCENTIVES_LOCAL_DIR": str(folder), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise AssertionError(f"The console did not start: {said}")


def person(cloud: Cloud, roles: Sequence[str], *, denied: Sequence[str] = ()) -> Caller:
    """Somebody new with these roles, as docs/roles.md has people made, who reads the stack as every tool does.

    Args:
        cloud: where.
        roles: of docs/roles.md.
        denied: routes that are denied all the same, as ARNs end: `POST/accounts/*/freeze`.
    """
    iam, name = cloud.client("iam"), f"console-{uuid.uuid4().hex[:8]}"
    resources = of_local(cloud.outputs).resources()
    iam.create_user(UserName=name)
    for role in roles:
        iam.attach_user_policy(UserName=name, PolicyArn=resources[f"{role}Policy"])
    statements: list[Mapping[str, Any]] = [
        {"Effect": "Allow", "Action": "cloudformation:DescribeStacks", "Resource": "*"}
    ]
    if denied:
        arns = [f"arn:aws:execute-api:*:*:{cloud.outputs.apiId}/*/{each}" for each in denied]
        statements.append({"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": arns})
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Caller(key["AccessKeyId"], key["SecretAccessKey"])


def rows_of(workbook: bytes) -> list[dict[str, str]]:
    """The rows of an .xlsx file's first sheet by their header, each cell as text. Empty ones are not in the file."""
    name = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        sheet = ET.fromstring(parts.read("xl/worksheets/sheet1.xml"))
        strings = ET.fromstring(parts.read("xl/sharedStrings.xml"))
    shared = ["".join(each.itertext()) for each in strings.iter(f"{name}si")]

    def text(cell: ET.Element) -> str:
        value = "".join(cell.itertext())
        return shared[int(value)] if cell.get("t") == "s" else value

    head, *rows = [
        {str(cell.get("r")).rstrip("0123456789"): text(cell) for cell in row.iter(f"{name}c")}
        for row in sheet.iter(f"{name}row")
    ]
    return [{title: row.get(column, "") for column, title in head.items()} for row in rows]
