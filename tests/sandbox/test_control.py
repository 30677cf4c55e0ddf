from __future__ import annotations

from typing import Any

import pytest

from sandbox.control.options import Options, as_json
from tests.sandbox.callers import KEY, PARTNER, Api, create_body


def refused(api: Api, name: str, body: object) -> str:
    response = api.session.post(f"{api.url}/_sandbox/{name}", json=body, timeout=5)
    assert response.status_code == 400
    return str(response.json()["error"])


def test_the_report_tells_cards_charges_and_calls(api: Api) -> None:
    api.create("Sandb1", 25)
    api.create("Sandb2", 10)
    api.cancel("Sandb2")
    report = api.report()
    first, second = report["cards"]
    assert (first["requestId"], first["amount"], first["currencyCode"], first["status"]) == (
        "Sandb1", "25.00", "USD", "Fulfilled",
    )  # fmt: skip
    assert (second["status"], second["account"]) == ("RefundedToPurchaser", PARTNER)
    assert second["cancelledAt"] > second["createdAt"]
    assert (report["charges"], report["chargesGross"]) == ({"USD": "25.00"}, {"USD": "35.00"})
    assert report["chargesByAccount"] == {PARTNER: {"USD": "25.00"}}
    assert report["funds"] == {PARTNER: {"USD": "999975.00"}}
    call = report["calls"][2]
    assert (call["operation"], call["requestId"], call["outcome"], call["fault"]) == (
        "CancelGiftCard", "Sandb2", "SUCCESS", None,
    )  # fmt: skip
    assert call["amzDate"].endswith("Z")


def test_keys_are_added_and_revoked_for_rotation(api: Api) -> None:
    added = api.control("keys", {"add": {"accessKeyId": "NEW-KEY", "secretAccessKey": "new-secret"}})
    assert added == {"account": PARTNER, "accessKeyIds": [KEY, "NEW-KEY"]}
    assert api.create(key="NEW-KEY", secret="new-secret").status_code == 200
    assert api.create().status_code == 200
    api.control("keys", {"revoke": KEY})
    assert api.create().status_code == 403
    assert api.create(key="NEW-KEY", secret="new-secret").status_code == 200
    assert "revoke" in refused(api, "keys", {"revoke": "NEVER"})
    assert refused(api, "keys", {})
    assert refused(api, "keys", {"add": {"accessKeyId": ""}})


def test_accounts_are_added_with_their_own_country(api: Api) -> None:
    api.control(
        "accounts",
        {
            "partnerId": "Aptjp",
            "accessKeyId": "JP-KEY",
            "secretAccessKey": "jp-secret",
            "currencies": {"JPY": {"least": 100, "most": 50000}},
            "funds": {"JPY": 5000},
        },
    )
    body = create_body("Aptjp1", 1000, "JPY") | {"partnerId": "Aptjp"}
    card = api.post("CreateGiftCard", body, key="JP-KEY", secret="jp-secret", region="us-west-2").json()
    assert card["cardInfo"]["value"] == {"amount": 1000.0, "currencyCode": "JPY"}
    assert card["gcExpirationDate"] is not None
    wrong = api.post("CreateGiftCard", body, key="JP-KEY", secret="jp-secret", region="us-east-1")
    assert wrong.status_code == 403
    api.control("options", {"checkRegion": False})
    assert api.post("CreateGiftCard", body, key="JP-KEY", secret="jp-secret", region="us-east-1").status_code == 200
    funds = api.post("GetAvailableFunds", {"partnerId": "Aptjp"}, key="JP-KEY", secret="jp-secret").json()
    assert funds["availableFunds"] == {"amount": 4000.0, "currencyCode": "JPY"}
    assert api.create("Aptjp1").json()["errorType"] == "RequestIdMustStartWithPartnerName"
    shown = api.control("accounts", method="GET")["accounts"]
    assert [each["partnerId"] for each in shown] == [PARTNER, "Aptjp"]
    assert "secret" not in str(shown)


def test_one_id_in_two_accounts_is_two_requests(api: Api) -> None:
    api.control("options", {"strictIds": False})
    api.control("accounts", {"partnerId": "Other", "accessKeyId": "OTHER", "secretAccessKey": "other-secret"})
    body = create_body("Sandb1") | {"partnerId": "Other"}
    one = api.create("Sandb1").json()
    other = api.post("CreateGiftCard", body, key="OTHER", secret="other-secret").json()
    assert one["gcId"] != other["gcId"]
    assert "several accounts" in refused(api, "claim", {"requestId": "Sandb1"})
    assert api.control("claim", {"requestId": "Sandb1", "account": "Other"})["claimed"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"partnerId": "New"},
        {"partnerId": "New", "accessKeyId": KEY, "secretAccessKey": "x"},
        {"partnerId": "New", "accessKeyId": "K", "secretAccessKey": "x", "currencies": ["XXX"]},
        {"partnerId": "New", "accessKeyId": "K", "secretAccessKey": "x", "currencies": []},
        {"partnerId": PARTNER, "blocked": "NoSuchType"},
        {"partnerId": PARTNER, "activityDisabled": "yes"},
        {"partnerId": PARTNER, "funds": {"EUR": 1}},
        {"partnerId": PARTNER, "funds": {"USD": "much"}},
    ],
)
def test_accounts_that_make_no_sense_are_refused(api: Api, body: dict[str, Any]) -> None:
    assert refused(api, "accounts", body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("clock", {}),
        ("clock", {"frozenAt": "yesterday"}),
        ("clock", {"running": True, "offsetSeconds": 1}),
        ("clock", {"offsetSeconds": 1e300}),
        ("clock", {"offsetSeconds": "1"}),
        ("throttle", {}),
        ("throttle", {"perMinute": 1}),
        ("latency", {"seconds": -1}),
        ("latency", {"minutes": 1}),
        ("funds", {"amount": "NaN"}),
        ("funds", {"amount": True}),
        ("funds", {"amount": 1, "currencyCode": "EUR"}),
        ("funds", {"amount": 1, "account": "Nobody"}),
        ("options", {"noSuch": 1}),
        ("options", {"pageIndex": "row"}),
        ("options", {"strictIds": 1}),
        ("options", {"throttleStatus": 200}),
        ("options", {"seed": ""}),
        ("cards", {"cardNumber": "1"}),
        ("cards", {"cardNumber": "1" * 19, "denomination": 5}),
        ("cards", {"cardNumber": "1" * 19, "blocked": 1}),
        ("customers", {"id": "a", "state": "sleepy"}),
        ("customers", {"id": 3}),
        ("claim", {"requestId": "Sandb404"}),
        ("faults", {"kind": "nothing"}),
        ("faults", {"faults": [3]}),
        ("faults", [1]),
    ],
)
def test_controls_that_make_no_sense_are_refused_and_change_nothing(api: Api, name: str, body: object) -> None:
    before = api.control("options", method="GET")
    assert refused(api, name, body)
    assert api.control("options", method="GET") == before
    assert api.control("faults", method="GET")["faults"] == []


def test_an_unknown_control_lists_the_known_ones(api: Api) -> None:
    response = api.session.get(f"{api.url}/_sandbox/nothing", timeout=5)
    assert response.status_code == 404
    assert "POST /_sandbox/reset" in response.json()["controls"]


def test_several_faults_in_one_call_and_their_hits(api: Api) -> None:
    added = api.control("faults", {"faults": [{"kind": "resend", "calls": {"first": 1}}, {"kind": "error503"}]})
    assert [rule["number"] for rule in added["faults"]] == [1, 2]
    assert [api.create().status_code for _ in range(3)] == [400, 503, 503]
    listed = api.control("faults", method="GET")["faults"]
    assert [(rule["seen"], rule["hits"]) for rule in listed] == [(3, 1), (3, 2)]
    assert api.control("faults", method="DELETE") == {"faults": []}
    assert api.create().status_code == 200


def test_options_are_listed_and_set_by_name(api: Api) -> None:
    shown = api.control("options", {"strictIds": False, "cancelWindowSeconds": 5})
    assert (shown["strictIds"], shown["cancelWindowSeconds"]) == (False, 5.0)
    assert set(shown) == set(as_json(Options()))


def test_cards_can_be_seeded_by_their_code(api: Api) -> None:
    api.control("options", {"checksum": True, "knownCardsOnly": True})
    number = api.control("cards", {"wac": "1400000005567585"})["cardNumber"]
    body = {
        "activationRequestId": "Sandb1",
        "partnerId": PARTNER,
        "cardNumber": number,
        "value": {"amount": 5, "currencyCode": "USD"},
    }
    assert api.post("ActivateGiftCard", body).json()["cardInfo"]["cardStatus"] == "Activated"
    activation = api.report()["activations"][0]
    assert (activation["cardNumber"], activation["status"], activation["times"]) == (number, "Activated", 1)
