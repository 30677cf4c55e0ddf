"""A bare handler: the same three DynamoDB calls and one signed POST as `POST /gift-cards`, and nothing else.

No validation, no pace, no log, no metric, no reading of Amazon's response beyond its JSON, no thought of what may go
wrong. What it writes has the attributes and conditions of what the real function writes.
"""

# ruff: noqa: ANN001, ANN201 - a program as somebody writes it in an hour
import hashlib
import json
import os
import time
import uuid

import boto3
import requests
from requests_aws4auth import AWS4Auth

DYNAMODB = boto3.client("dynamodb")
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


def handler(event, _context):
    """Issue one card."""
    body, key = json.loads(event["body"]), event["headers"]["Idempotency-Key"]
    key_hash = hashlib.sha256(key.encode()).hexdigest()
    request_id = SECRET["partnerId"] + key_hash[:35].upper()
    nonce, now = uuid.uuid4().hex, int(time.time() * 1000)
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now / 1000))
    take_permit(now)
    key_item = {
        "id": {"S": f"KEY#{key_hash}"},
        "requestId": {"S": request_id},
        "account": {"S": "default"},
        "operation": {"S": "CreateGiftCard"},
        "fingerprint": {"S": '{"amount":"8505cd8081a52542","currencyCode":"215e282c0d45600a","onUnknown":"5f2ed2bd"}'},
        "nonce": {"S": nonce},
    }
    DYNAMODB.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": LEDGER, "Item": key_item, **NEW}},
            {"Put": {"TableName": LEDGER, "Item": record(request_id, key_hash, nonce, at, body), **NEW}},
        ],
        ClientRequestToken=nonce,
    )
    card = call_amazon(request_id, body)
    close(request_id, nonce, at, card["gcId"])
    response = {
        "requestId": request_id,
        "status": "SUCCEEDED",
        "gcId": card["gcId"],
        "gcClaimCode": card["gcClaimCode"],
    }
    return {"statusCode": 201, "headers": {"Content-Type": "application/json"}, "body": json.dumps(response)}


def take_permit(now):
    """The pace's item."""
    values = {":now": now, ":next": now + 1, ":idle": now + 60_000, ":absurd": now + 3_600_000}
    values |= {":soon": now + 2000, ":forgotten": now - 85_000, ":apart_from": now + 1000}
    DYNAMODB.update_item(
        TableName=RATE_LIMITER,
        Key={"id": {"S": "default"}},
        UpdateExpression="SET clockBefore = if_not_exists(clockAt, :now), clockAt = :now, tat = :next, used = :now",
        ConditionExpression=(
            "(attribute_not_exists(tat) OR tat < :idle OR tat > :absurd)"
            " AND (attribute_not_exists(lineTat) OR lineTat <= :soon)"
            " AND (attribute_not_exists(slowedAt) OR slowedAt < :forgotten)"
            " AND (attribute_not_exists(clockAt) OR clockAt <= :apart_from)"
        ),
        ExpressionAttributeValues={name: {"N": str(value)} for name, value in values.items()},
        ReturnValues="ALL_NEW",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )


def record(request_id, key_hash, nonce, at, body):
    """The request's item."""
    return {
        "id": {"S": request_id},
        "operation": {"S": "CreateGiftCard"},
        "account": {"S": "default"},
        "partnerId": {"S": SECRET["partnerId"]},
        "keyHash": {"S": key_hash},
        "status": {"S": "PENDING"},
        "intent": {"S": "retry"},
        "createdAt": {"S": at},
        "updatedAt": {"S": at},
        "epoch": {"N": "0"},
        "version": {"N": "1"},
        "generation": {"N": "0"},
        "caller": {"S": "arn:aws:iam::0:user/bench"},
        "attempts": {"N": "1"},
        "inFlight": {"BOOL": True},
        "doubt": {"BOOL": False},
        "firstSentAt": {"S": at},
        "lastSentAt": {"S": at},
        "cardSeen": {"BOOL": False},
        "reversalAttempts": {"N": "0"},
        "undone": {"BOOL": False},
        "wakeAt": {"S": at},
        "gaveUp": {"BOOL": False},
        "history": {"L": []},
        "amount": {"N": body["amount"]},
        "currencyCode": {"S": body["currencyCode"]},
        "accountDay": {"S": f"default#{at[:10]}"},
        "createdKey": {"S": f"{at}#{request_id}"},
        "wakePartition": {"S": "open"},
        "nonce": {"S": nonce},
    }


def call_amazon(request_id, body):
    """One signed POST."""
    response = SESSION.post(
        f"{AMAZON}/CreateGiftCard",
        data=json.dumps(
            {
                "creationRequestId": request_id,
                "partnerId": SECRET["partnerId"],
                "value": {"currencyCode": body["currencyCode"], "amount": float(body["amount"])},
            }
        ),
        headers={
            "accept": "application/json",
            "content-type": "application/json",
            "x-amz-target": "com.amazonaws.agcod.AGCODService.CreateGiftCard",
        },
        auth=AUTH,
        timeout=(2, 6),
    )
    response.raise_for_status()
    return response.json()


def close(request_id, nonce, at, gc_id):
    """The closing write."""
    names = ("status", "epoch", "version", "nonce", "updatedAt", "inFlight", "answeredAt", "cardSeen", "gcId")
    DYNAMODB.update_item(
        TableName=LEDGER,
        Key={"id": {"S": request_id}},
        UpdateExpression=(
            "SET #version = #version + :one, #nonce = :nonce, #status = :done, #updatedAt = :at, #inFlight = :no,"
            " #answeredAt = :at, #cardSeen = :yes, #gcId = :card, #evidence = :evidence REMOVE #wakeAt, #wakePartition"
        ),
        ConditionExpression="#status = :open AND (#epoch = :zero OR attribute_not_exists(#epoch))",
        ExpressionAttributeNames={f"#{name}": name for name in (*names, "evidence", "wakeAt", "wakePartition")},
        ExpressionAttributeValues={
            ":open": {"S": "PENDING"},
            ":zero": {"N": "0"},
            ":one": {"N": "1"},
            ":nonce": {"S": nonce},
            ":done": {"S": "SUCCEEDED"},
            ":at": {"S": at},
            ":no": {"BOOL": False},
            ":yes": {"BOOL": True},
            ":card": {"S": gc_id},
            ":evidence": {"S": EVIDENCE},
        },
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
        ReturnValues="ALL_NEW",
    )
