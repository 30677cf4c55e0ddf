"""Counts what could not be counted: ``make count-again [STACK=]``.

Batches of the ledger's stream that count_spend could not take for six hours lie in the bucket of failed events. Each is
given to that function once more, as the stream gave it, and deleted once the function has taken all of it. The function
counts nothing twice, so this may be run again and again, by two at once, and be cut short. Batches of other functions
are left alone.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from botocore.config import Config

from local.settings import RefusedError
from local.target import Target, find, functions_of
from local.terminal import AsJson, StackVariable, bar, print_json

#: The stack's output that names the bucket.
BUCKET: Final = "FailedEventsBucketName"
#: As the template calls the function.
FUNCTION: Final = "CountSpend"
# Longer than the function's own time-out.
_PATIENT: Final = Config(read_timeout=60)

TAKEN, LEFT, OTHERS, UNREADABLE, GONE = "taken", "left", "ofOthers", "unreadable", "gone"


@dataclass(frozen=True)
class Batch:
    """What Lambda writes of a batch that it gives up.

    Attributes:
        key: of the object.
        function: the name of the function that could not take it.
        event: what the function was given.
    """

    key: str
    function: str
    event: Mapping[str, Any]


def main(
    *,
    looking: Annotated[bool, typer.Option("--look", help="only tell what there is, and count nothing")] = False,
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """Give batches that could not be counted to count_spend again; delete those that it takes.

    Ends with 0 if nothing is left uncounted, with 1 if something is.
    """
    target = find(stack)
    bucket, function = target.outputs.get(BUCKET), functions_of(target.resources()).get(FUNCTION)
    if bucket is None or function is None:
        raise RefusedError(f"The stack {target.stack} has no {BUCKET} or no {FUNCTION}: is it an Incentives Gateway?")
    found: Counter[str] = Counter()
    objects = tuple(_objects(target, bucket))
    with bar(f"{len(objects):,} objects in {bucket}", len(objects) or None, silent=as_json) as show:
        for key in objects:
            outcome, said = _one(target, bucket, function, key, looking=looking)
            found[outcome] += 1
            if said and not as_json:
                print(f"{key}: {said}", flush=True)
            show(advance=1)
    if as_json:
        print_json({name: found[name] for name in (TAKEN, LEFT, UNREADABLE, OTHERS)})
    else:
        print(summary(found, looking=looking), flush=True)
    return 1 if found[LEFT] or found[UNREADABLE] else 0


def summary(found: Mapping[str, int], *, looking: bool = False) -> str:
    """What was done, in words."""
    taken, left, strange, others = (found[name] for name in (TAKEN, LEFT, UNREADABLE, OTHERS))
    if looking:
        lines = [f"{_batches(left)} {'waits' if left == 1 else 'wait'} to be counted."]
    else:
        lines = [f"{_batches(taken)} {'was' if taken == 1 else 'were'} counted and deleted."]
        if left:
            said = "was not taken, and stays" if left == 1 else "were not taken, and stay"
            lines.append(f"{_batches(left)} {said}. The log of count_spend says why; then run this again.")
    if strange:
        lines.append(f"{strange:,} of the objects cannot be read as what Lambda writes, and stay.")
    if others:
        lines.append(f"{_batches(others)} of other functions (events that were not told): left alone.")
    return "\n".join(lines)


def _batches(number: int) -> str:
    return f"{number:,} {'batch' if number == 1 else 'batches'}" if number else "No batches"


def _objects(target: Target, bucket: str) -> Iterator[str]:
    """The keys of the bucket, oldest batch first within what one reader of the stream has left."""
    pages = target.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    for page in pages:
        for each in page.get("Contents", []):
            yield each["Key"]


def _one(target: Target, bucket: str, function: str, key: str, *, looking: bool) -> tuple[str, str]:
    """Count one batch; what became of it, and what a person has to hear of that."""
    s3 = target.client("s3")
    try:
        batch = batch_of(key, s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except s3.exceptions.NoSuchKey:
        # Somebody else counts at the same time.
        return GONE, ""
    except ValueError as error:
        return UNREADABLE, f"not read: {error}"
    if batch.function != function:
        return OTHERS, ""
    if looking:
        return LEFT, f"{len(batch.event['Records']):,} records"
    why = _refused(target, batch)
    if why is not None:
        return LEFT, why
    s3.delete_object(Bucket=bucket, Key=key)
    return TAKEN, ""


def batch_of(key: str, content: bytes) -> Batch:
    """Read what Lambda has written.

    Raises:
        ValueError: it is nothing of the kind.
    """
    try:
        found = json.loads(content)
        function = str(found["requestContext"]["functionArn"]).split(":function:")[1].partition(":")[0]
        payload = found["payload"]
        event = json.loads(payload) if isinstance(payload, str) else payload
        records = event["Records"]
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError("it is no batch that Lambda gave up") from error
    if not isinstance(records, list) or not records:
        raise ValueError("it has no records")
    return Batch(key, function, {"Records": records})


def _refused(target: Target, batch: Batch) -> str | None:
    """Give the function a batch; None once it has taken all of it, else what it did not take."""
    response = target.client("lambda", _PATIENT).invoke(FunctionName=batch.function, Payload=json.dumps(batch.event))
    result = json.loads(response["Payload"].read() or b"null")
    if "FunctionError" in response:
        return f"the function failed: {response['FunctionError']}"
    match result:
        case {"batchItemFailures": []}:
            return None
        case {"batchItemFailures": [{"itemIdentifier": number}, *_]}:
            return f"not taken from record {number} on"
        case _:
            return "the function did not say what it has taken"
