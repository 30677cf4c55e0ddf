"""A fresh process that begins as a function does, and says what that cost: ``python -ISB fresh.py SPEC``.

SPEC is JSON: the way, its path, the AWS services that the first call needs, whether it asks Amazon and whether
it serves the API. It prints the
milliseconds of CPU since the process began.
"""

# ruff: noqa: PLC0415 - importing is what is measured
# ruff: noqa: ANN001, ANN201, ANN202 - typing would be one more import to measure
import gc
import json
import sys
import time


def ours(spec):
    """The function as it is deployed; a client that its first call needs and that it has not made yet is made here."""
    import handler

    begun = time.process_time()
    # What the function has frozen is looked through, too.
    gc.unfreeze()
    base = getattr(sys.modules.get("botocore.client"), "BaseClient", ())
    kinds = {id(each): each for each in gc.get_objects() if issubclass(type(each), base)}
    made = {client.meta.service_model.service_name for client in kinds.values()}
    spec["not_counted"] = time.process_time() - begun
    return handler, clients(set(spec["services"]) - made)


def usual(spec):
    """The same packages as their documentation shows them, and a client of each service.

    The environment is a model; who serves the API has Powertools' resolver, which validates bodies and writes responses
    by pydantic's models; DynamoDB is a resource, whose items are plain values.
    """
    import os

    # The template's; by themselves few know of it.
    os.environ.pop("PYDANTIC_DISABLE_PLUGINS", None)
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from pydantic import BaseModel, Field

    if spec["requests"]:
        import requests
        from requests_aws4auth import AWS4Auth

        session, auth = requests.Session(), AWS4Auth("key", "secret", "us-east-1", "AGCODService")
    logger, metrics = Logger(service="usual"), Metrics(service="usual", namespace="usual")
    made = [table_of_documents(), *clients(each for each in spec["services"] if each != "dynamodb")]

    class Settings(BaseModel):
        LEDGER_TABLE: str
        OPERATORS_TOPIC: str
        SUPPORT_ADDRESS: str | None = None

    class Order(BaseModel):
        amount: str = Field(pattern=r"^\d+(\.\d+)?$")
        currencyCode: str = Field(min_length=3, max_length=3)  # noqa: N815 - as the API names it
        account: str | None = None
        externalReference: str | None = Field(default=None, max_length=100)  # noqa: N815 - as above

    class Response(BaseModel):
        requestId: str  # noqa: N815 - as above
        status: str

    Settings.model_validate(dict(os.environ))

    def create(order: Order) -> Response:
        response = session.post("https://amazon.test", json=order.model_dump(), auth=auth)
        return Response.model_validate(response.json())

    if spec["serves"]:
        from aws_lambda_powertools.event_handler import APIGatewayRestResolver

        app = APIGatewayRestResolver(enable_validation=True)
        app.post("/gift-cards")(create)

    @logger.inject_lambda_context
    @metrics.log_metrics
    def handler(event: dict, context: LambdaContext):
        return app.resolve(event, context) if spec["serves"] else create(Order.model_validate(event))

    return handler, made


def pydantic(_spec):
    """One model alone."""
    from pydantic import BaseModel

    class Order(BaseModel):
        amount: str

    return Order


def boto3(_spec):
    """One client alone."""
    return clients(["dynamodb"])


def nothing(_spec):
    """The interpreter alone."""


def table_of_documents():
    """DynamoDB as boto3's guide shows it: a resource, whose items are plain values."""
    import boto3

    return boto3.resource("dynamodb").Table("usual")


def clients(services):
    """Of these, by boto3."""
    if services:
        import boto3

        return [boto3.client(service) for service in sorted(services)]
    return []


def main():
    """Begin, and tell."""
    spec = json.loads(sys.argv[1])
    sys.path[:0] = spec["path"]
    kept = {way.__name__: way for way in (ours, usual, pydantic, boto3, nothing)}[spec["way"]](spec)
    cpu = time.process_time() - spec.get("not_counted", 0)
    sys.stdout.write(str(cpu * 1000))
    return kept


if __name__ == "__main__":
    main()
