from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from requests_aws4auth import AWS4Auth

from sandbox.http.server import BODY_BYTES_MAX
from sandbox.model.amazon import OPERATIONS
from tests.sandbox.callers import KEY, PARTNER, SECRET, Api, create_body, send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSRequest

    from sandbox.http.delivery import Delivery
    from sandbox.http.gateway import Arrival

XML = {"accept": "*/*", "content-type": "application/xml"}
CREATE_XML = (
    b"<CreateGiftCardRequest><creationRequestId>Sandb1</creationRequestId><partnerId>Sandb</partnerId>"
    b"<value><currencyCode>USD</currencyCode><amount>25.00</amount></value></CreateGiftCardRequest>"
)


def xml_of(body: bytes) -> ET.Element:
    return ET.fromstring(body)


def test_json_is_sorted_compact_and_keeps_its_nulls(api: Api) -> None:
    response = api.create()
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", response.headers["X-Amzn-Requestid"])
    assert re.fullmatch(
        r'\{"cardInfo":\{"cardNumber":null,"cardStatus":"Fulfilled","expirationDate":null,'
        r'"value":\{"amount":25\.0,"currencyCode":"USD"\}\},"creationRequestId":"Sandb1",'
        r'"gcClaimCode":"[A-Z0-9]{4}-[A-Z0-9]{6}-[A-Z0-9]{4}","gcExpirationDate":null,"gcId":"[0-9]{16}","status":"SUCCESS"\}',
        response.text,
    )


def test_a_business_error_has_the_recorded_envelope_to_the_byte(api: Api) -> None:
    response = api.create(amount=0)
    assert response.status_code == 400
    assert response.text == (
        '{"agcodResponse":{"__type":"CreateGiftCardResponse:http://internal.amazon.com/coral/com.amazonaws.agcod/",'
        '"cardInfo":null,"creationRequestId":"Sandb1","gcClaimCode":null,"gcExpirationDate":null,"gcId":null,'
        '"status":"FAILURE"},"errorCode":"F200","errorType":"InvalidAmountValue",'
        '"message":"Amount must be larger than 0"}'
    )


def test_members_are_sorted_whatever_the_response(api: Api) -> None:
    card = {"activationRequestId": "Sandb1", "partnerId": PARTNER, "cardNumber": "1" * 19}
    value = {"amount": 5, "currencyCode": "USD"}
    responses = [
        api.post("ActivateGiftCard", card | {"value": value}),
        api.post("GetAvailableFunds", {"partnerId": PARTNER}),
        api.create(secret="another"),
    ]
    for response in responses:
        sorted_again = json.dumps(response.json(), sort_keys=True, separators=(",", ":"))
        assert response.text == sorted_again


def test_requests_aws4auth_is_understood_as_well(api: Api) -> None:
    auth = AWS4Auth(KEY, SECRET, "us-east-1", "AGCODService")
    headers = {"accept": "application/json", "content-type": "application/json"}
    response = api.session.post(f"{api.url}/CreateGiftCard", json=create_body(), headers=headers, auth=auth, timeout=5)
    assert response.json()["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("accept", "root"), [("*/*", "CreateGiftCardResponse"), ("application/xml", "CreateGiftCardResponse")]
)
def test_anything_but_json_is_answered_in_xml(api: Api, accept: str, root: str) -> None:
    response = api.create(headers={"accept": accept})
    tree = xml_of(response.content)
    assert response.headers["Content-Type"] == "application/xml"
    assert tree.tag == root
    assert tree.findtext("cardInfo/value/amount") == "25.00"
    assert tree.findtext("status") == "SUCCESS"
    assert tree.find("gcExpirationDate") is None


def test_xml_in_and_out(api: Api) -> None:
    tree = xml_of(api.post("CreateGiftCard", CREATE_XML, headers=XML).content)
    assert tree.findtext("cardInfo/cardStatus") == "Fulfilled"
    cancel = (
        b"<CancelGiftCardRequest><creationRequestId>Sandb1</creationRequestId>"
        b"<partnerId>Sandb</partnerId></CancelGiftCardRequest>"
    )
    assert b"<status>SUCCESS</status>" in api.post("CancelGiftCard", cancel, headers=XML).content
    funds = api.post(
        "GetAvailableFunds",
        b"<GetAvailableFundsRequest><partnerId>Sandb</partnerId></GetAvailableFundsRequest>",
        headers=XML,
    )
    assert xml_of(funds.content).tag == "GetAvailableFunds"
    page = (
        b"<GetGiftCardActivityPageRequest><partnerId>Sandb</partnerId><requestId>1</requestId><pageIndex>0</pageIndex>"
        b"<pageSize>10</pageSize><utcStartDate>2000-01-01T00:00:00</utcStartDate><utcEndDate>2100-01-01T00:00:00</utcEndDate>"
        b"<showNoOps>true</showNoOps></GetGiftCardActivityPageRequest>"
    )
    rows = xml_of(api.post("GetGiftCardActivityPage", page, headers=XML).content)
    assert [row.findtext("activityType") for row in rows.iterfind("cardActivityList/member")] == [
        "GCCreation",
        "GCCancellation",
    ]
    assert api.report()["charges"] == {"USD": "0.00"}


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (CREATE_XML.replace(b"25.00", b"-1"), b"<errorType>InvalidAmountValue</errorType>"),
        (CREATE_XML.replace(b"25.00", b"lots"), b"<SerializationException>"),
        (CREATE_XML.replace(b"25.00", b""), b"<SerializationException>"),
        (CREATE_XML.replace(b"CreateGift", b"CancelGift"), b"<SerializationException>"),
        (CREATE_XML[:-5], b"<SerializationException>"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]>' + CREATE_XML, b"<SerializationException>"),
        (b"", b"<errorType>InvalidRequestInput</errorType>"),
    ],
)
def test_bad_xml_is_refused_in_xml(api: Api, body: bytes, part: bytes) -> None:
    response = api.post("CreateGiftCard", body, headers=XML)
    assert response.status_code == 400
    assert part in response.content
    assert b"Message>" in response.content
    assert api.report()["cards"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"x"',
        b"\xff",
        b'{"value":{"amount":NaN}}',
        b"[" * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_gets_the_bare_message(api: Api, body: bytes) -> None:
    response = api.post("CreateGiftCard", body)
    assert response.status_code == 400
    assert list(response.json()) == ["Message"]


def test_an_empty_body_is_a_null_request(api: Api) -> None:
    response = api.post("CreateGiftCard", b"")
    assert (response.status_code, response.json()["errorType"]) == (400, "InvalidRequestInput")


def test_json_sent_as_xml_is_not_read(api: Api) -> None:
    assert api.create(headers={"content-type": "text/plain"}).json().keys() == {"Message"}


def test_throttle_responses(api: Api) -> None:
    api.control("throttle", {"perSecond": 1})
    responses = [api.create() for _ in range(2)]
    in_xml = api.create(headers={"accept": "*/*"})
    assert responses[1].status_code == 400
    assert responses[1].json() == {"message": "Rate exceeded"}
    assert in_xml.text == "<ThrottlingException><Message>Rate exceeded</Message></ThrottlingException>"
    assert api.report()["throttledCalls"] == 2


@pytest.mark.parametrize(
    ("rest", "status", "name"),
    [
        ({"secret": "another"}, 403, "InvalidSignatureException"),
        ({"region": "eu-west-1"}, 403, "InvalidSignatureException"),
        ({"key": "NO-SUCH-KEY"}, 403, "UnrecognizedClientException"),
    ],
)
def test_unknown_callers_are_turned_away(api: Api, rest: dict[str, Any], status: int, name: str) -> None:
    response = api.create(**rest)
    assert (response.status_code, response.json()["__type"], response.headers["X-Amzn-Errortype"]) == (
        status,
        name,
        name,
    )
    in_xml = api.create(headers={"accept": "*/*"}, **rest)
    assert xml_of(in_xml.content).tag == name
    assert api.report()["cards"] == []


def test_a_call_without_signature_is_turned_away(api: Api) -> None:
    response = api.session.post(f"{api.url}/CreateGiftCard", json=create_body(), timeout=5)
    assert response.status_code == 403
    assert b"MissingAuthenticationTokenException" in response.content


@pytest.mark.parametrize(("seconds", "status"), [(900, 200), (901, 400), (-900, 200), (-901, 400)])
def test_a_signature_holds_fifteen_minutes_to_the_second_either_way(api: Api, seconds: int, status: int) -> None:
    api.control("clock", {"frozenAt": "2031-01-01T00:00:00Z"})
    response = api.create(at=datetime(2031, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
    assert response.status_code == status
    if status == 400:
        assert response.json() == {"__type": "RequestExpired", "message": "Request has expired."}
        assert api.report()["calls"][-1]["outcome"] == "RequestExpired"


def test_the_date_header_tells_the_sandbox_time(api: Api) -> None:
    api.control("clock", {"frozenAt": "2031-01-01T00:00:00Z"})
    at = datetime(2031, 1, 1, tzinfo=UTC)
    response = api.create(at=at)
    assert response.headers["Date"] == "Wed, 01 Jan 2031 00:00:00 GMT"
    api.control("clock", {"advanceSeconds": 901})
    late = api.post(
        "CancelGiftCard", {"creationRequestId": "Sandb1", "partnerId": PARTNER}, at=at + timedelta(seconds=901)
    )
    assert late.json()["errorType"] == "CancelRequestArrivedAfterTimeLimit"
    api.control("clock", {"running": True})
    api.control("clock", {"offsetSeconds": -3600})
    shown = parsedate_to_datetime(api.session.get(f"{api.url}/sping", timeout=5).headers["Date"])
    assert abs(shown + timedelta(hours=1) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/Nothing"), ("GET", "/CreateGiftCard"), ("PUT", "/"), ("HEAD", "/x")]
)
def test_unknown_operations(api: Api, method: str, path: str) -> None:
    response = api.session.request(method, api.url + path, timeout=5)
    assert response.status_code == 404
    assert response.headers["X-Amzn-Errortype"] == "UnknownOperationException"


def test_the_target_header_is_optional_unless_strict(api: Api) -> None:
    odd = {"x-amz-target": "com.amazonaws.agcod.AGCODService./CreateGiftCard"}
    assert api.create(headers=odd).status_code == 200
    api.control("options", {"strictTarget": True})
    assert api.create(headers=odd).status_code == 400
    assert api.create().status_code == 200


def test_bodies_need_a_length_within_reason(api: Api) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"{}"

    assert api.session.post(f"{api.url}/CreateGiftCard", data=chunks(), timeout=5).status_code == 413
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=5)
    connection.putrequest("POST", "/CreateGiftCard")
    connection.putheader("Content-Length", str(BODY_BYTES_MAX + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_every_operation_is_served(api: Api) -> None:
    for operation in OPERATIONS:
        response = api.post(operation, {"partnerId": "Wrong"})
        assert response.status_code == 400
        assert response.json()["errorType"] == "AccessDenied"
        assert response.json()["agcodResponse"]["__type"].startswith(f"{operation}Response:")


def test_one_connection_serves_many_calls(api: Api) -> None:
    address = urlsplit(api.url).netloc
    connection = http.client.HTTPConnection(address, timeout=5)
    sockets = set()
    for _ in range(5):
        connection.request("GET", "/sping")
        assert connection.getresponse().read() == b"healthy"
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1


def test_many_callers_with_one_id_get_one_card(api: Api) -> None:
    api.control("latency", {"beforeSeconds": 0.01})
    # Signed beforehand, so that the calls truly arrive together.
    signed = [api.signed("CreateGiftCard", create_body()) for _ in range(30)]
    start = threading.Barrier(30)

    def send_at_once(request: AWSRequest) -> requests.Response:
        start.wait()
        return send(request)

    with ThreadPoolExecutor(30) as pool:
        responses = list(pool.map(send_at_once, signed))
    assert {response.status_code for response in responses} == {200}
    assert len({response.text for response in responses}) == 1
    report = api.report()
    assert len(report["cards"]) == 1
    assert report["charges"] == {"USD": "25.00"}
    assert len(report["calls"]) == 30


def test_concurrent_callers_never_break_the_throttle(api: Api) -> None:
    api.control("throttle", {"perSecond": 10})
    signed = [api.signed("CreateGiftCard", create_body(f"Sandb{number}")) for number in range(40)]

    with ThreadPoolExecutor(8) as pool:
        statuses = [response.status_code for response in pool.map(send, signed)]
    report = api.report()
    assert report["mostCallsInAnySecond"] <= 10
    assert report["throttledCalls"] == statuses.count(400)
    assert len(report["cards"]) == statuses.count(200) >= 10


def test_dropped_connections_and_their_effect(api: Api) -> None:
    api.control("faults", {"kind": "drop", "operation": "CreateGiftCard", "calls": {"nth": [1]}, "when": "before"})
    api.control("faults", {"kind": "drop", "operation": "CreateGiftCard", "calls": {"nth": [2]}, "when": "after"})
    for cards in (0, 1):
        with pytest.raises(requests.ConnectionError):
            api.create()
        assert len(api.report()["cards"]) == cards
    assert api.create().status_code == 200
    assert [call["fault"] for call in api.report()["calls"]] == ["drop", "drop", None]


@pytest.mark.parametrize(("when", "cards"), [("before", 0), ("after", 1)])
def test_a_timeout_holds_the_connection_and_then_closes_it(api: Api, when: str, cards: int) -> None:
    api.control("faults", {"kind": "timeout", "holdSeconds": 0.3, "when": when})
    request = api.signed("CreateGiftCard", create_body())
    with pytest.raises(requests.ReadTimeout):
        send(request, timeout=0.1)
    assert len(api.report()["cards"]) == cards
    with pytest.raises(requests.ConnectionError):
        api.create()


def test_waiting_calls_hold_nobody_up_and_a_reset_lets_them_go(api: Api) -> None:
    api.control("faults", {"kind": "timeout", "holdSeconds": 60, "requestId": "Sandb1"})
    request = api.signed("CreateGiftCard", create_body())
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(send, request)
        while not api.report()["calls"]:
            time.sleep(0.005)
        assert api.create("Sandb2").status_code == 200
        assert not held.done()
        # The call is in the report a moment before its connection begins to wait: reset until it is let go.
        while not held.done():
            api.control("reset")
        assert isinstance(held.exception(), requests.ConnectionError)


def test_a_dripping_answer_arrives_in_pieces_and_whole(api: Api) -> None:
    api.control("faults", {"kind": "slowDrip", "dripSeconds": 0.2})
    request = api.signed("CreateGiftCard", create_body())
    with requests.post(
        str(request.url), data=request.body, headers=dict(request.headers), timeout=5, stream=True
    ) as response:
        pieces = list(response.raw.stream(1))
    assert json.loads(b"".join(pieces))["status"] == "SUCCESS"


def test_a_late_effect_lands_by_advancing_the_clock(api: Api) -> None:
    api.control(
        "faults", {"kind": "lateEffect", "operation": "CreateGiftCard", "delaySeconds": 1000, "calls": {"first": 1}}
    )
    with pytest.raises(requests.ConnectionError):
        api.create()
    assert api.cancel().json()["errorType"] == "OperationNotPermitted"
    assert api.report()["cards"] == []
    api.control("clock", {"advanceSeconds": 1001})
    report = api.report()
    assert [card["status"] for card in report["cards"]] == ["Fulfilled"]
    assert report["landings"][0]["requestId"] == "Sandb1"


def test_reset_brings_everything_back(api: Api) -> None:
    api.create()
    api.control("faults", {"kind": "drop"})
    api.control("throttle", {"perSecond": 1})
    api.control("clock", {"offsetSeconds": 100_000})
    api.control("funds", {"amount": 0})
    api.control("keys", {"revoke": KEY})
    api.control("reset")
    report = api.report()
    assert (report["cards"], report["calls"], report["charges"], report["throttledCalls"]) == ([], [], {}, 0)
    assert api.control("faults", method="GET") == {"faults": [], "pendingEffects": 0}
    assert [api.create().status_code for _ in range(3)] == [200, 200, 200]


def test_a_caller_that_dies_in_the_middle_of_its_request_has_no_effect(api: Api) -> None:
    request = api.signed("CreateGiftCard", create_body())
    assert isinstance(request.data, bytes)
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=5)
    connection.putrequest("POST", "/CreateGiftCard", skip_host=True, skip_accept_encoding=True)
    for name, value in (*request.headers.items(), ("Host", urlsplit(api.url).netloc)):
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(request.data)))
    connection.endheaders(request.data[:-1])
    assert connection.sock is not None
    connection.sock.shutdown(socket.SHUT_WR)
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()
    connection.close()
    assert api.report()["calls"] == []


def test_a_mistake_of_the_sandbox_itself_is_shown(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(arrival: Arrival) -> Delivery:
        raise RuntimeError(arrival.operation)

    monkeypatch.setattr(api.server.served.sandbox, "exchange", broken)
    with pytest.raises(requests.ConnectionError):
        api.create()
    assert "RuntimeError: CreateGiftCard" in capsys.readouterr().err
