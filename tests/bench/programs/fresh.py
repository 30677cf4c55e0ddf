"""A fresh process that begins as a function does, and says what that cost: ``python -ISB fresh.py SPEC``.

SPEC is JSON: the way (`ours`, `floor`, `usual`), its path, the AWS clients that the function needs, and for `ours` what
it takes from the container. It prints JSON: milliseconds of CPU since the process began, and modules.
"""

# ruff: noqa: PLC0415 - importing is what is measured
# ruff: noqa: ANN001, ANN201, ANN202 - typing would be one more import to measure
import json
import sys
import time


def ours(spec):
    """The function as it is deployed, and what its first invocation would make."""
    import handler  # noqa: F401 - importing it is the point

    from incentives.bootstrap import client, container

    for name in spec["makes"]:
        made = getattr(container, name)
        if name == "ready_for_amazon":
            made()
    for service in spec["services"]:
        client(service)


def floor(spec):
    """What no function that calls AWS and Amazon can do without."""
    import boto3

    if spec["requests"]:
        import requests  # noqa: F401 - importing it is the point
    for service in spec["services"]:
        boto3.client(service)


def usual(spec):
    """Powertools for all of it: event handler with validation, Tracer, idempotency; as its documentation shows."""
    import boto3
    import requests  # noqa: F401 - as above
    from aws_lambda_powertools import Logger, Metrics, Tracer
    from aws_lambda_powertools.event_handler import APIGatewayRestResolver
    from aws_lambda_powertools.utilities.idempotency import (
        DynamoDBPersistenceLayer,
        IdempotencyConfig,
        idempotent_function,
    )
    from pydantic import BaseModel
    from requests_aws4auth import AWS4Auth  # noqa: F401 - as above

    logger, metrics, tracer = Logger(service="usual"), Metrics(service="usual", namespace="usual"), Tracer()
    app = APIGatewayRestResolver(enable_validation=True)
    kept = DynamoDBPersistenceLayer(table_name="idempotency")
    made = [boto3.client(service) for service in spec["services"] if service != "dynamodb"]

    class Order(BaseModel):
        amount: str
        currencyCode: str  # noqa: N815 - as the API names it
        account: str | None = None
        externalReference: str | None = None  # noqa: N815 - as above

    @app.post("/gift-cards")
    @tracer.capture_method
    def create(order: Order) -> dict[str, str]:
        return issue(order=order)

    @idempotent_function(data_keyword_argument="order", persistence_store=kept, config=IdempotencyConfig())
    def issue(order: Order) -> dict[str, str]:
        return {"amount": order.amount}

    @logger.inject_lambda_context
    @tracer.capture_lambda_handler
    @metrics.log_metrics
    def handler(event, context):
        return app.resolve(event, context)

    return handler, made, create


def main():
    """Begin, and tell."""
    spec = json.loads(sys.argv[1])
    sys.path[:0] = spec["path"]
    kept = {"ours": ours, "floor": floor, "usual": usual}[spec["way"]](spec)
    cpu = time.process_time() * 1000
    sys.stdout.write(json.dumps({"cpu": cpu, "modules": len(sys.modules)}))
    return kept


if __name__ == "__main__":
    main()
