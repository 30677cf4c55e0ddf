"""The files of bulk orders in S3. None of them ever holds a claim code.

orders/{orderId}/upload          as its caller put it
orders/{orderId}/rows-{digest}   the valid rows, padded to one width; the order says which digest is its own
orders/{orderId}/result.csv      what became of each row
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING, Final, Literal

from incentives.aws.clients import AwsErrors
from incentives.aws.objects import DOWNLOAD_FOR, UPLOAD_FOR, presigned_url, read_object
from incentives.domain.bulk_orders.bulk_order import BulkOrder, Download, FileFormat, Upload
from incentives.domain.bulk_orders.rows import Row, decode_rows
from incentives.domain.errors import OrderUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONTENT_TYPES: Final = {FileFormat.CSV: "text/csv", FileFormat.JSONL: "application/jsonl"}

#: Of a file in the making, this much stays in memory.
_IN_MEMORY_BYTES: Final = 16 * 1024 * 1024


def _unavailable(done: str) -> AwsErrors:
    return AwsErrors(lambda code: OrderUnavailable(f"the order's file could not be {done} ({code})"))


class S3OrderFiles:
    """`OrderFiles` on one S3 bucket.

    Args:
        client: a client, made with `FILES_CONFIG` when first needed.
        bucket: the bucket's name.
        now: aware UTC.
    """

    def __init__(self, client: Callable[[], S3Client], bucket: str, *, now: Callable[[], datetime]) -> None:
        self._client = client
        self._bucket = bucket
        self._now = now

    def upload(self, order_id: str, file_format: FileFormat) -> Upload:
        """Where an order's file is to be put."""
        content_type = CONTENT_TYPES[file_format]
        at = {"Bucket": self._bucket, "Key": _name(order_id, "upload"), "ContentType": content_type}
        url, expires_at = self._url("put_object", at, UPLOAD_FOR)
        return Upload(url=url, headers={"Content-Type": content_type}, expires_at=expires_at)

    @_unavailable("read")
    def read_upload(self, order_id: str, bytes_max: int) -> bytes | None:
        """The file that was put; of a longer one, one byte more than the limit. None: there is none."""
        return read_object(self._client(), self._bucket, _name(order_id, "upload"), bytes_max)

    def write_rows(self, order_id: str, rows: Iterable[bytes]) -> str:
        """Write the checked rows, under a name that says what is in them: whoever has it finds no others."""
        digest = hashlib.sha256()
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
            for row in rows:
                digest.update(row)
                file.write(row)
            name = _name(order_id, f"rows-{digest.hexdigest()[:32]}")
            self._put(name, file, "application/jsonl")
        return name

    @_unavailable("read")
    def read_rows(self, order: BulkOrder, numbers: range) -> Sequence[Row]:
        """Some rows that follow each other, by number from 0."""
        first, last = numbers.start * order.row_bytes, numbers.stop * order.row_bytes - 1
        response = self._client().get_object(
            Bucket=self._bucket, Key=order.rows_name or "", Range=f"bytes={first}-{last}"
        )
        with response["Body"] as body:
            data = body.read()
        if len(data) != len(numbers) * order.row_bytes:
            raise OrderUnavailable("the order's rows could not be read (they are not as they were written)")
        return decode_rows(data, order.row_bytes)

    def write_result(self, order_id: str, parts: Iterable[str]) -> None:
        """Write the result."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
            for part in parts:
                file.write(part.encode())
            self._put(_name(order_id, "result.csv"), file, "text/csv; charset=utf-8")

    def result(self, order_id: str) -> Download:
        """Where the result is."""
        at = {
            "Bucket": self._bucket,
            "Key": _name(order_id, "result.csv"),
            "ResponseContentDisposition": f'attachment; filename="{order_id}.csv"',
        }
        url, expires_at = self._url("get_object", at, DOWNLOAD_FOR)
        return Download(url=url, expires_at=expires_at)

    @_unavailable("written")
    def _put(self, name: str, file: IO[bytes], content_type: str) -> None:
        file.seek(0)
        self._client().put_object(Bucket=self._bucket, Key=name, Body=file, ContentType=content_type)

    @_unavailable("reached")
    def _url(
        self, operation: Literal["get_object", "put_object"], at: dict[str, str], lasts: timedelta
    ) -> tuple[str, datetime]:
        return presigned_url(self._client(), operation, at, lasts=lasts, now=self._now())


def _name(order_id: str, part: str) -> str:
    return f"orders/{order_id}/{part}"
