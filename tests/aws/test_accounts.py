"""The accounts' keys in Secrets Manager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from incentives.api.problems import status_of
from incentives.aws.accounts.accounts import SecretsManagerAccounts, read_secret
from incentives.domain.accounts.account import SECRET_KEPT_FOR, Account
from incentives.domain.errors import AccountUnusable, InvalidInput
from incentives.domain.secret_text import Secret
from tests.contract import motos
from tests.support.fakes import FakeClock

PREFIX = "incentives-gateway/accounts"

#: No key: an obvious dummy that must not be found in any text.
CANARY = "not-a-real-secret"

SECRET = {
    "partnerId": "Test1", "accessKeyId": "AKIDTESTTESTTEST", "secretAccessKey": CANARY, "marketplace": "US",
    "keyCreatedAt": "2026-01-02T03:04:05Z",
}  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with mock_aws():
        yield motos.client("secretsmanager")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def accounts(client: Any, clock: FakeClock) -> SecretsManagerAccounts:
    return SecretsManagerAccounts(lambda: client, PREFIX, now=clock.now)


def put(client: Any, name: str, secret: object) -> None:
    text = secret if isinstance(secret, str) else json.dumps(secret)
    try:
        client.create_secret(Name=f"{PREFIX}/{name}", SecretString=text)
    except client.exceptions.ResourceExistsException:
        client.put_secret_value(SecretId=f"{PREFIX}/{name}", SecretString=text)


def test_an_account_is_read_whole(client: Any, accounts: SecretsManagerAccounts) -> None:
    put(client, "whole", SECRET)
    assert accounts.get("whole") == Account(
        name="whole",
        partner_id="Test1",
        marketplace="US",
        access_key_id="AKIDTESTTESTTEST",
        secret_access_key=Secret(CANARY),
        key_created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


def test_a_new_key_arrives_within_five_minutes(client: Any, accounts: SecretsManagerAccounts, clock: FakeClock) -> None:
    # given a key in memory
    put(client, "rotated", SECRET)
    accounts.get("rotated")
    # when another is put
    put(client, "rotated", SECRET | {"accessKeyId": "AKIDNEWNEWNEWNEW"})
    # then it is not seen for five minutes, and then it is
    clock.sleep((SECRET_KEPT_FOR - timedelta(seconds=1)).total_seconds())
    assert accounts.get("rotated").access_key_id == "AKIDTESTTESTTEST"
    clock.sleep(1)
    assert accounts.get("rotated").access_key_id == "AKIDNEWNEWNEWNEW"


def test_a_key_that_amazon_refused_is_read_anew(client: Any, accounts: SecretsManagerAccounts) -> None:
    put(client, "refused", SECRET)
    accounts.get("refused")
    put(client, "refused", SECRET | {"accessKeyId": "AKIDNEWNEWNEWNEW"})
    assert accounts.get("refused", fresh=True).access_key_id == "AKIDNEWNEWNEWNEW"
    # and the new one is what is kept
    assert accounts.get("refused").access_key_id == "AKIDNEWNEWNEWNEW"


def test_a_key_is_on_trial_while_its_version_is_both_current_and_pending(
    client: Any, accounts: SecretsManagerAccounts
) -> None:
    # given a key in use, and a pending one
    put(client, "trial", SECRET)
    old = client.get_secret_value(SecretId=f"{PREFIX}/trial")["VersionId"]
    text = json.dumps(SECRET | {"accessKeyId": "AKIDNEWNEWNEWNEW"})
    new = client.put_secret_value(SecretId=f"{PREFIX}/trial", SecretString=text, VersionStages=["AWSPENDING"])[
        "VersionId"
    ]
    assert not accounts.get("trial").on_trial
    # when the pending one is made current, then it is on trial
    labels = {"SecretId": f"{PREFIX}/trial", "VersionStage": "AWSCURRENT"}
    client.update_secret_version_stage(**labels, MoveToVersionId=new, RemoveFromVersionId=old)
    account = accounts.get("trial", fresh=True)
    assert (account.access_key_id, account.on_trial) == ("AKIDNEWNEWNEWNEW", True)
    # until it is pending no longer
    client.update_secret_version_stage(SecretId=f"{PREFIX}/trial", VersionStage="AWSPENDING", RemoveFromVersionId=new)
    assert not accounts.get("trial", fresh=True).on_trial


def test_the_key_at_hand_is_the_one_read_last(client: Any, clock: FakeClock) -> None:
    noted: list[tuple[str, str]] = []
    accounts = SecretsManagerAccounts(
        lambda: client, PREFIX, now=clock.now, note_refusal=lambda *refusal: noted.append(refusal)
    )
    # given none, then there is none to be refused, and nothing is read for it
    assert accounts.key_at_hand("unread") is None
    accounts.refused("unread")
    assert noted == []
    # given one, it is known by its print alone, also when it is too old to be used
    put(client, "at-hand", SECRET)
    account = accounts.get("at-hand")
    clock.sleep(SECRET_KEPT_FOR.total_seconds() + 1)
    assert accounts.key_at_hand("at-hand") == account.key_fingerprint
    accounts.refused("at-hand")
    assert noted == [("at-hand", account.key_fingerprint)]


def test_no_client_is_made_before_it_is_needed(clock: FakeClock) -> None:
    made = []
    accounts = SecretsManagerAccounts(lambda: made.append(1), PREFIX, now=clock.now)
    with pytest.raises(InvalidInput):
        accounts.get("../other")
    assert made == []


@pytest.mark.parametrize("name", ["", "UPPER", "a/b", "a" * 64, "-a", "a b", "ä", "a\n"])
def test_what_cannot_be_an_accounts_name_is_the_callers_fault(accounts: SecretsManagerAccounts, name: str) -> None:
    with pytest.raises(InvalidInput) as failure:
        accounts.get(name)
    assert failure.value.field == "account"


def test_a_missing_secret_names_the_account(accounts: SecretsManagerAccounts) -> None:
    with pytest.raises(AccountUnusable, match=r"account 'nobody' has no secret") as failure:
        accounts.get("nobody")
    assert (status_of(failure.value), failure.value.has_secret) == (503, False)


def test_a_missing_secret_is_looked_for_each_time(client: Any, accounts: SecretsManagerAccounts) -> None:
    with pytest.raises(AccountUnusable):
        accounts.get("late")
    put(client, "late", SECRET)
    assert accounts.get("late").partner_id == "Test1"


def test_a_deleted_secret_says_so(client: Any, accounts: SecretsManagerAccounts) -> None:
    put(client, "deleted", SECRET)
    client.delete_secret(SecretId=f"{PREFIX}/deleted", RecoveryWindowInDays=7)
    with pytest.raises(AccountUnusable, match="'deleted' has a secret that is marked for deletion"):
        accounts.get("deleted")


def test_a_secret_that_may_not_be_read_says_why(clock: FakeClock) -> None:
    class Denied:
        def get_secret_value(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": CANARY}}, "GetSecretValue")

    accounts = SecretsManagerAccounts(Denied, PREFIX, now=clock.now)
    with pytest.raises(AccountUnusable, match=r"cannot be read \(AccessDeniedException\)") as failure:
        accounts.get("default")
    assert CANARY not in str(failure.value)
    assert failure.value.has_secret


def without(member: str) -> dict[str, str]:
    return {name: value for name, value in SECRET.items() if name != member}


REQUIRED = ["partnerId", "accessKeyId", "secretAccessKey", "marketplace"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *[pytest.param(json.dumps(without(name)), f"without {name}", id=f"no {name}") for name in REQUIRED],
        *[pytest.param(json.dumps(SECRET | {name: ""}), f"without {name}", id=f"empty {name}") for name in REQUIRED],
        *[pytest.param(json.dumps(SECRET | {name: 7}), f"without {name}", id=f"number {name}") for name in REQUIRED],
        *[pytest.param(json.dumps(SECRET | {name: None}), f"without {name}", id=f"null {name}") for name in REQUIRED],
        *[
            pytest.param(json.dumps(SECRET | {name: f"{CANARY}\n"}), f"whose {name} holds", id=f"line feed {name}")
            for name in REQUIRED
        ],
        pytest.param(json.dumps(SECRET | {"partnerId": CANARY}), "whose partnerId", id="partnerId with hyphens"),
        pytest.param(json.dumps(SECRET | {"partnerId": "Test123456789"}), "whose partnerId", id="long partnerId"),
        pytest.param(json.dumps(SECRET | {"marketplace": CANARY}), "whose marketplace is none", id="marketplace"),
        pytest.param(json.dumps(SECRET | {"accessKeyId": f"{CANARY}\u200b"}), "whose accessKeyId", id="zero width"),
        pytest.param(json.dumps(SECRET | {"keyCreatedAt": CANARY}), "whose keyCreatedAt", id="keyCreatedAt"),
        pytest.param(json.dumps(SECRET | {"keyCreatedAt": ["x"]}), "whose keyCreatedAt", id="keyCreatedAt list"),
        pytest.param(
            json.dumps(SECRET | {"keyCreatedAt": "0001-01-01T00:00:00+23:00"}), "whose keyCreatedAt", id="before time"
        ),
        pytest.param(json.dumps(SECRET)[:-1], "no JSON document", id="truncated"),
        pytest.param("", "no JSON document", id="empty"),
        pytest.param(CANARY, "no JSON document", id="the bare key"),
        pytest.param("[" * 20_000, "no JSON document", id="bottomless"),
        pytest.param(json.dumps([CANARY]), "no JSON object", id="a list"),
        pytest.param(json.dumps(CANARY), "no JSON object", id="a string"),
        pytest.param("null", "no JSON object", id="null"),
    ],
)  # fmt: skip
def test_a_malformed_secret_names_the_member_and_quotes_nothing(text: str, why: str) -> None:
    with pytest.raises(AccountUnusable, match=why) as failure:
        read_secret("default", text)
    shown = f"{failure.value} {failure.value!r} {failure.value.fields} {failure.value.__cause__!r}"
    assert CANARY not in shown
    # nor does what it was raised from, to whoever prints the chain
    assert failure.value.__suppress_context__ or failure.value.__context__ is None
    assert "'default'" in str(failure.value)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        (None, None),
    ],
)
def test_the_keys_age(text: str | None, moment: datetime | None) -> None:
    account = read_secret("default", json.dumps(SECRET | {"keyCreatedAt": text}))
    assert account.key_created_at == moment
    if moment is not None:
        assert account.key_created_at is not None
        assert account.key_created_at.tzinfo is UTC


def test_the_keys_age_may_be_unknown() -> None:
    assert read_secret("default", json.dumps(without("keyCreatedAt"))).key_created_at is None
