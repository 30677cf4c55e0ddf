"""The same signed call to Amazon by four clients: ours, and what a Python user would pick instead."""

# ruff: noqa: PLC0415 - each way imports its own client only
# ruff: noqa: ANN001, ANN201, ANN202 - short programs, as somebody writes them
import json
import os

SECRET = json.loads(os.environ["BENCH_SECRET"])
AMAZON = os.environ["INCENTIVES_ENDPOINT"]
CA_FILE = os.environ["REQUESTS_CA_BUNDLE"]


def ours():
    """This project's client, from the call to the judged outcome."""
    from decimal import Decimal

    from incentives.agcod.amazon import Amazon
    from incentives.agcod.client import IncentivesClient
    from incentives.domain.accounts.account import Account
    from incentives.domain.calls import Call
    from incentives.domain.money import Money
    from incentives.domain.secret_text import Secret

    account = Account(
        name="default",
        partner_id=SECRET["partnerId"],
        marketplace=SECRET["marketplace"],
        access_key_id=SECRET["accessKeyId"],
        secret_access_key=Secret(SECRET["secretAccessKey"]),
    )
    amazon = Amazon(IncentivesClient(AMAZON, verify=CA_FILE))
    value = Money(Decimal("25.00"), "USD")

    def call(event, _context):
        signed = amazon.sign(Call(name="CreateGiftCard", request_id=event["requestId"], value=value), account)
        outcome = amazon.attempt(signed, seconds=8).outcome
        return {"statusCode": 200 if type(outcome).__name__ == "Succeeded" else 500}

    return call


def agcod():
    """The public client, as its documentation shows it, aimed at the sandbox."""
    import agcod.client as public

    public.SANDBOX_HOST = AMAZON.removeprefix("https://")
    public.partner_id = SECRET["partnerId"]
    public.aws_key_id, public.aws_secret_key = SECRET["accessKeyId"], SECRET["secretAccessKey"]

    def call(event, _context):
        response = public.create_gift_card(event["requestId"], 25.0, "USD")
        return {"statusCode": 200 if response.get("status") == "SUCCESS" else 500}

    return call


def plain(session=None):
    """The usual two packages, as somebody writes it in ten lines."""
    import requests
    from requests_aws4auth import AWS4Auth

    signed = ("accept", "content-type", "host", "x-amz-date", "x-amz-target")
    auth = AWS4Auth(SECRET["accessKeyId"], SECRET["secretAccessKey"], "us-east-1", "AGCODService", include_hdrs=signed)
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        "x-amz-target": "com.amazonaws.agcod.AGCODService.CreateGiftCard",
    }

    def call(event, _context):
        body = {
            "creationRequestId": event["requestId"],
            "partnerId": SECRET["partnerId"],
            "value": {"currencyCode": "USD", "amount": 25.0},
        }
        response = (session or requests).post(
            f"{AMAZON}/CreateGiftCard", data=json.dumps(body), headers=headers, auth=auth, timeout=(2, 6)
        )
        return {"statusCode": 200 if response.json().get("status") == "SUCCESS" else 500}

    return call


def kept():
    """The same with a session, which keeps its connection."""
    import requests

    return plain(requests.Session())


WAYS = {"ours": ours, "agcod": agcod, "plain": plain, "kept": kept}
