"""The books' files in S3, and statements until they are read. None of them ever holds a claim code.

books bucket    whatever the use cases name; written once, never overwritten or deleted
orders bucket   statements/{statementId}, as a person put it; deleted by the call that reads it
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from incentives.aws.clients import AwsErrors, error_code
from incentives.aws.objects import DOWNLOAD_FOR, UPLOAD_FOR, presigned_url, read_object
from incentives.domain.bulk_orders.bulk_order import Download, Upload
from incentives.domain.errors import BooksConflict, BooksUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: There is an object of that name; or another write of it is under way.
_TAKEN: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})

#: Of a file whose name is being written by somebody else, who may fail.
_TRIES_MAX: Final = 3

_YEAR: Final = timedelta(days=366)

_STATEMENT_TYPE: Final = "text/csv"


def _unavailable(what: str) -> AwsErrors:
    return AwsErrors(lambda code: BooksUnavailable(f"{what} ({code})"))


class S3BooksFiles:
    """`BooksFiles` on one S3 bucket.

    Args:
        client: a client, made with `FILES_CONFIG` when first needed.
        bucket: the bucket's name.
        lock_years: for how long nobody at all can delete a file, counted from its writing; None: nothing is locked.
        now: aware UTC.
    """

    def __init__(
        self, client: Callable[[], S3Client], bucket: str, *, lock_years: int | None, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._lock_years = lock_years
        self._now = now

    @_unavailable("a file of the books could not be written")
    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Write a file, unless it is there already.

        Raises:
            BooksConflict: other bytes are there.
            BooksUnavailable: it could not be written; writing it again is harmless.
        """
        for _ in range(_TRIES_MAX):
            try:
                self._client().put_object(
                    Bucket=self._bucket,
                    Key=name,
                    Body=content,
                    ContentType=content_type,
                    IfNoneMatch="*",
                    **self._locked(),
                )
            except ClientError as error:
                if error_code(error) not in _TAKEN:
                    raise
            else:
                return
            there = read_object(self._client(), self._bucket, name)
            if there == content:
                return
            if there is not None:
                raise BooksConflict(f"the books have another file of the name {name}")
        raise BooksUnavailable("a file of the books is being written by somebody else")

    @_unavailable("a file of the books could not be read")
    def get(self, name: str) -> bytes | None:
        """Read a file; None: there is none."""
        return read_object(self._client(), self._bucket, name)

    @_unavailable("a file of the books could not be reached")
    def link(self, name: str, file_name: str) -> Download:
        """Where a file is, for a quarter of an hour."""
        at = {"Bucket": self._bucket, "Key": name, "ResponseContentDisposition": f'attachment; filename="{file_name}"'}
        url, expires_at = presigned_url(self._client(), "get_object", at, lasts=DOWNLOAD_FOR, now=self._now())
        return Download(url=url, expires_at=expires_at)

    def _locked(self) -> dict[str, Any]:
        if self._lock_years is None:
            return {}
        # GOVERNANCE is lifted by whoever has the right to lift it; what an auditor trusts, nobody can undo.
        return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": self._now() + self._lock_years * _YEAR}


class S3StatementUploads:
    """`StatementUploads` in the bucket of bulk orders, which forgets.

    Args:
        client: a client, made with `FILES_CONFIG` when first needed.
        bucket: the bucket's name.
        now: aware UTC.
    """

    def __init__(self, client: Callable[[], S3Client], bucket: str, *, now: Callable[[], datetime]) -> None:
        self._client = client
        self._bucket = bucket
        self._now = now

    @_unavailable("the statement's upload could not be prepared")
    def upload(self, statement_id: str) -> Upload:
        """Where a statement is to be put."""
        at = {"Bucket": self._bucket, "Key": _name(statement_id), "ContentType": _STATEMENT_TYPE}
        url, expires_at = presigned_url(self._client(), "put_object", at, lasts=UPLOAD_FOR, now=self._now())
        return Upload(url=url, headers={"Content-Type": _STATEMENT_TYPE}, expires_at=expires_at)

    @_unavailable("the statement could not be read")
    def read(self, statement_id: str, bytes_max: int) -> bytes | None:
        """What was put; of a longer one, one byte more than the limit. None: there is nothing."""
        return read_object(self._client(), self._bucket, _name(statement_id), bytes_max)

    @_unavailable("the statement could not be deleted")
    def delete(self, statement_id: str) -> None:
        """Forget it, for good."""
        self._client().delete_object(Bucket=self._bucket, Key=_name(statement_id))


def _name(statement_id: str) -> str:
    return f"statements/{statement_id}"
