"""Objects in S3, as every adapter of files has them. What goes wrong is AWS's own error."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from botocore.exceptions import ClientError

from incentives.aws.clients import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Long enough for a person to put a file; the same call gives another one.
UPLOAD_FOR: Final = timedelta(hours=1)
DOWNLOAD_FOR: Final = timedelta(minutes=15)

_NOT_THERE: Final = frozenset({"NoSuchKey", "404"})


def read_object(client: S3Client, bucket: str, name: str, bytes_max: int | None = None) -> bytes | None:
    """What an object holds; of a longer one, one byte more than the limit. None: there is none."""
    try:
        response = client.get_object(Bucket=bucket, Key=name)
    except ClientError as error:
        if error_code(error) in _NOT_THERE:
            return None
        raise
    with response["Body"] as body:
        return body.read(None if bytes_max is None else bytes_max + 1)


def presigned_url(
    client: S3Client,
    operation: Literal["get_object", "put_object"],
    at: dict[str, str],
    *,
    lasts: timedelta,
    now: datetime,
) -> tuple[str, datetime]:
    """A URL that does one thing for whoever has it, and when it ends."""
    url = client.generate_presigned_url(operation, Params=at, ExpiresIn=int(lasts.total_seconds()))
    return url, now + lasts
