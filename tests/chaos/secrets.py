"""Claim codes, card numbers and customers' ids, looked for wherever something is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.stack.cloud import Cloud


def found_at_rest(cloud: Cloud, report: Mapping[str, Any]) -> list[str]:
    """Places that hold any of what Amazon's activity says must not be kept; never the secret itself."""
    codes = {card["claimCode"] for card in report["cards"]}
    canaries = codes | {code.replace("-", "") for code in codes}
    canaries |= {each["cardNumber"] for each in report["activations"]}
    canaries |= {each["customer"]["id"] for each in report["loads"]}
    machine = cloud.client("stepfunctions")
    pages = machine.get_paginator("list_executions").paginate(stateMachineArn=cloud.outputs.orderStateMachineArn)
    orders = [each for page in pages for each in page["executions"]]
    places: dict[str, Any] = {
        "ledger": cloud.items(cloud.ledger),
        "rate_limiter": cloud.items(cloud.rate_limiter),
        "bulk orders": cloud.items(cloud.table(cloud.outputs.ordersTableName)),
        "files": _files(cloud),
        "logs": cloud.logs(),
        "metrics": cloud.client("cloudwatch").list_metrics()["Metrics"],
        "events": cloud.events(),
        "notices": cloud.notices(),
        "mails": cloud.mails(),
        "workflows": [cloud.history(each["executionArn"]) for each in (*cloud.executions(), *orders)],
    }
    return sorted(name for name, content in places.items() if _holds(json.dumps(content, default=str), canaries))


def _holds(text: str, canaries: set[str]) -> bool:
    return any(canary in text for canary in canaries)


def _files(cloud: Cloud) -> list[str]:
    s3, bucket = cloud.client("s3"), cloud.outputs.ordersBucketName
    return [
        s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read().decode()
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for each in page.get("Contents", [])
    ]
