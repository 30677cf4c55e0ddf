"""Verifies closed books from their files alone: ``make verify-books [MONTH=] [HEAD=]``.

Every file of a month and of all months before it is read and hashed, and its sums are made again. The hash of the head,
which went out when the month was closed, is what makes that a proof: without it, whoever can write the whole bucket
anew is not noticed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import boto3
import typer
from botocore.exceptions import ClientError

from incentives.domain.reconciliation.close_files import MANIFEST, name_of, sha256
from incentives.domain.reconciliation.verify import VerifiedMonth, months, verify, versions
from local.commands.close import check_month
from local.commands.put_keys import Account, checked
from local.settings import RefusedError
from local.target import find
from local.terminal import AsJson, StackVariable, bar, console, print_json, table

#: The stack's output that names the bucket.
BUCKET: Final = "BooksBucketName"
_NOT_THERE: Final = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True)
class Books:
    """Where the files are.

    Attributes:
        where: for people.
        get: reads a file; None: there is none.
        names: of all files under a folder.
    """

    where: str
    get: Callable[[str], bytes | None]
    names: Callable[[str], Iterable[str]]


def main(
    *,
    account: Account = "",
    month: Annotated[str, typer.Option(envvar="MONTH", help="such as 2026-11; the newest one if absent")] = "",
    head: Annotated[str, typer.Option(envvar="HEAD", help="SHA-256 of the month's manifest, from the message")] = "",
    folder: Annotated[Path | None, typer.Option(envvar="FOLDER", help="a downloaded copy of the bucket")] = None,
    bucket: Annotated[str, typer.Option(envvar="BUCKET", help="its name, where nobody may look at the stack")] = "",
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """Verify closed books. Ends with 1 if anything is not as it was closed."""
    name = checked(account)
    if month:
        check_month(month)
    books = _books(folder, bucket, stack)
    month, version, others = _head(books, name, month, head.strip().lower())
    found = []
    with bar(f"Reading {books.where}", silent=as_json) as show:
        for each in verify(name, month, version, books.get, head=head.strip().lower() or None):
            show(description=f"{each.month}: {each.files:,} files")
            found.append(each)
    if as_json:
        print_json({"account": name, "months": [asdict(each) for each in found]})
    else:
        _tell(found, name, books, head=head, others=others)
    return 1 if any(each.wrong for each in found) else 0


def _books(folder: Path | None, bucket: str, stack: str | None) -> Books:
    if folder is not None:
        if not folder.is_dir():
            raise RefusedError(f"{folder} is no folder")
        return _in_folder(folder)
    if bucket:
        return _in_bucket(boto3.client("s3"), bucket)
    target = find(stack)
    found = target.outputs.get(BUCKET)
    if found is None:
        raise RefusedError(f"The stack has no output {BUCKET}: is it an Incentives Gateway of this version?")
    return _in_bucket(target.client("s3"), found)


def _in_bucket(s3: Any, bucket: str) -> Books:  # noqa: ANN401 - a boto3 client
    def get(name: str) -> bytes | None:
        try:
            return bytes(s3.get_object(Bucket=bucket, Key=name)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_THERE:
                return None
            raise

    def names(prefix: str) -> Iterator[str]:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from (each["Key"] for each in page.get("Contents", []))

    return Books(f"the bucket {bucket}", get, names)


def _in_folder(folder: Path) -> Books:
    root = folder.resolve()

    def get(name: str) -> bytes | None:
        path = (root / name).resolve()
        # A manifest that was written anew may name anything.
        return path.read_bytes() if path.is_relative_to(root) and path.is_file() else None

    def names(prefix: str) -> Iterator[str]:
        yield from (each.relative_to(root).as_posix() for each in (root / prefix).rglob("*") if each.is_file())

    return Books(str(folder), get, names)


def _head(books: Books, account: str, month: str, head: str) -> tuple[str, int, list[str]]:
    """Month and version to begin with, and newer manifests than that."""
    names = list(books.names(f"{account}/closes/"))
    known = [month] if month else months(names, account)
    all_of = [(each, version) for each in known for version in versions(names, account, each)]
    if not all_of:
        which = f"{month} of account {account} is not" if month else f"No month of account {account} is"
        raise RefusedError(f"{which} closed in {books.where}.")
    for place in reversed(range(len(all_of))):
        content = books.get(name_of(account, *all_of[place], MANIFEST)) if head else None
        if content is not None and sha256(content) == head:
            break
    else:
        place = len(all_of) - 1
    return *all_of[place], [f"{each} version {version}" for each, version in all_of[place + 1 :]]


def _tell(found: list[VerifiedMonth], account: str, books: Books, *, head: str, others: list[str]) -> None:
    shown = table("Month", "Version", "Files", "Rows", "Closing balance", "Signed off by", "")
    for each in found:
        closing = each.figures.get("closing")
        shown.add_row(
            each.month,
            "?" if each.version is None else str(each.version),
            f"{each.files:,}",
            f"{each.rows:,}",
            f"{closing} {each.currency}" if closing else "-",
            each.signed_off_by or "nobody",
            f"{len(each.wrong)} wrong" if each.wrong else "whole",
        )
    console().print(shown)
    for month in found:
        for wrong in month.wrong:
            print(f"WRONG  {wrong.name}: {wrong.what}", flush=True)
    newest = found[0]
    print(f"\nAccount {account}, in {books.where}. The manifest of {newest.month} has the hash\n  {newest.sha256}")
    if not head:
        print("Compare it with the message in which it went out, or give it as HEAD=: nothing else proves the head.")
    if others:
        print(f"Closed later, and not looked at: {', '.join(others)}.")
