"""A bare handler: body and Amazon's response by pydantic, the three DynamoDB calls and the signed POST of a create.

No pace, no log, no metric, no thought of what may go wrong. What it writes has the attributes and conditions of what
the real function writes.
"""

# ruff: noqa: ANN001, ANN201 - a program as somebody writes it in an hour
import hashlib
import json
import os
import time
import uuid
from decimal import Decimal

import boto3
import requests
from boto3.dynamodb.types import TypeSerializer
from pydantic import BaseModel, ConfigDict, Field
from requests_aws4auth import AWS4Auth

DYNAMODB, SERIALIZER = boto3.client("dynamodb"), TypeSerializer()
SECRET = json.loads(os.environ["BENCH_SECRET"])
LEDGER, RATE_LIMITER, AMAZON = (
    os.environ["LEDGER_TABLE"],
    os.environ["RATE_LIMITER_TABLE"],
    os.environ["INCENTIVES_ENDPOINT"],
)
SESSION = requests.Session()
SESSION.trust_env = False
AUTH = AWS4Auth(
    SECRET["accessKeyId"],
    SECRET["secretAccessKey"],
    "us-east-1",
    "AGCODService",
    include_hdrs=("accept", "content-type", "host", "x-amz-date", "x-amz-target"),
)
NEW = {"ConditionExpression": "attribute_not_exists(id)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
EVIDENCE = json.dumps({"answer": "SUCCESS", "amz_date": "20260101T000000Z", "string_to_sign": "x" * 500})


class Order(BaseModel):
    """What callers send."""

    model_config = ConfigDict(extra="forbid")
    amount: Decimal = Field(gt=0, max_digits=12)
    currencyCode: str = Field(pattern=r"^[A-Z]{3}$")  # noqa: N815 - as the API names it
    account: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,40}$")
    externalReference: str | None = Field(default=None, max_length=100)  # noqa: N815 - as above


class Card(BaseModel):
    """What Amazon answers."""

    gcId: str = Field(min_length=1)  # noqa: N815 - as above
    gcClaimCode: str = Field(min_length=1)  # noqa: N815 - as above
    status: str


class Response(BaseModel):
    """What callers get."""

    requestId: str  # noqa: N815 - as above
    status: str
    gcId: str  # noqa: N815 - as above
    gcClaimCode: str  # noqa: N815 - as above


def handler(event, _context):
    """Issue one card."""
    body = Order.model_validate_json(event["body"])
    key_hash = hashlib.sha256(event["headers"]["Idempotency-Key"].encode()).hexdigest()
    request_id = SECRET["partnerId"] + key_hash[:35].upper()
    nonce, now = uuid.uuid4().hex, int(time.time() * 1000)
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now / 1000))
    take_permit(now)
    key = {"id": f"KEY#{key_hash}", "requestId": request_id, "account": "default", "operation": "CreateGiftCard"}
    key |= {"nonce": nonce, "fingerprint": '{"amount":"8505cd8081a52542","currencyCode":"215e282c0d45600a"}'}
    items = (key, record(request_id, key_hash, nonce, at, body))
    DYNAMODB.transact_write_items(
        TransactItems=[{"Put": {"TableName": LEDGER, "Item": encoded(item), **NEW}} for item in items],
        ClientRequestToken=nonce,
    )
    card = call_amazon(request_id, body)
    close(request_id, nonce, at, card.gcId)
    made = Response(requestId=request_id, status="SUCCEEDED", gcId=card.gcId, gcClaimCode=card.gcClaimCode)
    return {"statusCode": 201, "headers": {"Content-Type": "application/json"}, "body": made.model_dump_json()}


def encoded(plain):
    """As DynamoDB's client takes it."""
    return {name: SERIALIZER.serialize(value) for name, value in plain.items()}


def take_permit(now):
    """The pace's item."""
    values = {":now": now, ":next": now + 1, ":idle": now + 60_000, ":absurd": now + 3_600_000}
    values |= {":soon": now + 2000, ":forgotten": now - 85_000, ":apart_from": now + 1000}
    DYNAMODB.update_item(
        TableName=RATE_LIMITER,
        Key=encoded({"id": "default"}),
        UpdateExpression="SET clockBefore = if_not_exists(clockAt, :now), clockAt = :now, tat = :next, used = :now",
        ConditionExpression=(
            "(attribute_not_exists(tat) OR tat < :idle OR tat > :absurd)"
            " AND (attribute_not_exists(lineTat) OR lineTat <= :soon)"
            " AND (attribute_not_exists(slowedAt) OR slowedAt < :forgotten)"
            " AND (attribute_not_exists(clockAt) OR clockAt <= :apart_from)"
        ),
        ExpressionAttributeValues=encoded(values),
        ReturnValues="ALL_NEW",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )


def record(request_id, key_hash, nonce, at, body):
    """The request's item."""
    item = {"id": request_id, "operation": "CreateGiftCard", "account": "default", "partnerId": SECRET["partnerId"]}
    item |= {"keyHash": key_hash, "status": "PENDING", "intent": "retry", "createdAt": at, "updatedAt": at}
    item |= {"epoch": 0, "version": 1, "generation": 0, "attempts": 1, "caller": "arn:aws:iam::0:user/bench"}
    item |= {"inFlight": True, "doubt": False, "cardSeen": False, "undone": False, "gaveUp": False, "history": []}
    item |= {"firstSentAt": at, "lastSentAt": at, "reversalAttempts": 0, "wakeAt": at, "wakePartition": "open"}
    item |= {"amount": body.amount, "currencyCode": body.currencyCode, "nonce": nonce}
    return item | {"accountDay": f"default#{at[:10]}", "createdKey": f"{at}#{request_id}"}


def call_amazon(request_id, body):
    """One signed POST."""
    value = {"currencyCode": body.currencyCode, "amount": float(body.amount)}
    asked = {"creationRequestId": request_id, "partnerId": SECRET["partnerId"], "value": value}
    target = "com.amazonaws.agcod.AGCODService.CreateGiftCard"
    headers = {"accept": "application/json", "content-type": "application/json", "x-amz-target": target}
    response = SESSION.post(
        f"{AMAZON}/CreateGiftCard", data=json.dumps(asked), headers=headers, auth=AUTH, timeout=(2, 6)
    )
    response.raise_for_status()
    return Card.model_validate_json(response.content)


def close(request_id, nonce, at, gc_id):
    """The closing write."""
    names = ("status", "epoch", "version", "nonce", "updatedAt", "inFlight", "answeredAt", "cardSeen", "gcId")
    values = {":open": "PENDING", ":zero": 0, ":one": 1, ":nonce": nonce, ":done": "SUCCEEDED", ":at": at}
    values |= {":no": False, ":yes": True, ":card": gc_id, ":evidence": EVIDENCE}
    DYNAMODB.update_item(
        TableName=LEDGER,
        Key=encoded({"id": request_id}),
        UpdateExpression=(
            "SET #version = #version + :one, #nonce = :nonce, #status = :done, #updatedAt = :at, #inFlight = :no,"
            " #answeredAt = :at, #cardSeen = :yes, #gcId = :card, #evidence = :evidence REMOVE #wakeAt, #wakePartition"
        ),
        ConditionExpression="#status = :open AND (#epoch = :zero OR attribute_not_exists(#epoch))",
        ExpressionAttributeNames={f"#{name}": name for name in (*names, "evidence", "wakeAt", "wakePartition")},
        ExpressionAttributeValues=encoded(values),
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
        ReturnValues="ALL_NEW",
    )
