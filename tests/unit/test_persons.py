"""Who is one person: from what API Gateway says of a signature, as AWS and the local cloud send it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from incentives.api.gateway import decode
from incentives.domain.persons import Identity, Person, RoleToLookUp
from incentives.usecases.persons import person_of

ACCOUNT: Final = "123456789012"
STS: Final = f"arn:aws:sts::{ACCOUNT}:assumed-role"
ROLES: Final = f"arn:aws:iam::{ACCOUNT}:role"
SSO: Final = f"{ROLES}/aws-reserved/sso.amazonaws.com"
FINANCE: Final = "AWSReservedSSO_Finance_0123456789abcdef"
ROLE_ID: Final = "AROAEXAMPLEEXAMPLE001"
MARY: Final = Person("sso:mary@example.com", "mary@example.com")


class Roles:
    """`RolePaths` that knows these ARNs, by name."""

    def __init__(self, **arns: str) -> None:
        self.arns = arns
        self.asked: list[RoleToLookUp] = []

    def arn_of(self, role: RoleToLookUp) -> str | None:
        self.asked.append(role)
        return self.arns.get(role.name)


def session(role: str, name: str, role_id: str = ROLE_ID) -> Identity:
    return Identity(f"{STS}/{role}/{name}", f"{role_id}:{name}", f"{role_id}:{name}")


def user(path_and_name: str, unique_id: str) -> Identity:
    return Identity(f"arn:aws:iam::{ACCOUNT}:user/{path_and_name}", unique_id, unique_id)


@pytest.mark.parametrize("region", ["", "/eu-west-1"])
def test_a_session_of_identity_center_is_its_name_whatever_the_permission_set(region: str) -> None:
    another = "AWSReservedSSO_Admin_fedcba9876543210"
    roles = Roles(**{FINANCE: f"{SSO}{region}/{FINANCE}", another: f"{SSO}{region}/{another}"})
    assert person_of(session(FINANCE, "mary@example.com"), roles) == MARY
    # and however it is spelled; people are shown it as it was
    other = person_of(session(another, "Mary@Example.com", "AROAEXAMPLEEXAMPLE002"), roles)
    assert other == Person(MARY.id, "Mary@Example.com")
    assert roles.asked == [RoleToLookUp(FINANCE, ROLE_ID), RoleToLookUp(another, "AROAEXAMPLEEXAMPLE002")]
    assert person_of(session(FINANCE, "john@example.com"), roles) != MARY


@pytest.mark.parametrize(
    "arn",
    [
        None,
        f"{ROLES}/{FINANCE}",
        f"{ROLES}/mine/aws-reserved/sso.amazonaws.com/{FINANCE}",
        f"{SSO}/eu-west-1/more/{FINANCE}",
        f"{SSO}/{FINANCE}2",
        f"{SSO}/AWSReservedSSO_Other_0123456789abcdef",
        # a role of this account, which another account's session is told by the name of
        f"{SSO}/{FINANCE}".replace(ACCOUNT, "210987654321"),
    ],
)
def test_a_role_that_only_calls_itself_one_of_theirs_is_nobody(arn: str | None) -> None:
    assert person_of(session(FINANCE, "mary@example.com"), Roles(**({FINANCE: arn} if arn else {}))) is None


def test_all_sessions_of_another_role_are_one_person() -> None:
    roles = Roles()
    deploy = Person(f"{ROLES}/Deploy", f"{ROLES}/Deploy")
    # whoever may assume it names sessions; made anew it is the same role
    for identity in (session("Deploy", "mary@example.com"), session("Deploy", "i-0abc", "AROAEXAMPLEEXAMPLE003")):
        assert person_of(identity, roles) == deploy
    assert person_of(session("Other", "mary@example.com"), roles) != deploy
    elsewhere = session("Deploy", "mary@example.com")
    elsewhere = replace(elsewhere, user_arn=str(elsewhere.user_arn).replace(ACCOUNT, "210987654321"))
    assert person_of(elsewhere, roles) not in {deploy, None}
    assert not roles.asked


def test_a_user_is_its_unique_id_whatever_it_is_called() -> None:
    before, renamed = user("mary", "AIDAEXAMPLEEXAMPLE001"), user("finance/mary", "AIDAEXAMPLEEXAMPLE001")
    again = user("mary", "AIDAEXAMPLEEXAMPLE002")
    found = [person_of(identity, Roles()) for identity in (before, renamed, again)]
    assert [person and person.id for person in found] == [each.caller for each in (before, renamed, again)]
    assert found[1] == Person("AIDAEXAMPLEEXAMPLE001", f"arn:aws:iam::{ACCOUNT}:user/finance/mary")


def test_other_partitions_have_people_too() -> None:
    arn = f"{SSO}/us-gov-west-1/{FINANCE}".replace("arn:aws:", "arn:aws-us-gov:")
    identity = session(FINANCE, "mary@example.com")
    identity = replace(identity, user_arn=str(identity.user_arn).replace("arn:aws:", "arn:aws-us-gov:"))
    assert person_of(identity, Roles(**{FINANCE: arn})) == MARY


MARYS: Final = session("Deploy", "mary")
USER: Final = user("mary", "AIDAEXAMPLEEXAMPLE001")


@pytest.mark.parametrize(
    "identity",
    [
        Identity(),
        Identity(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, ACCOUNT),
        Identity(f"arn:aws:sts::{ACCOUNT}:federated-user/mary", f"{ACCOUNT}:mary", f"{ACCOUNT}:mary"),
        Identity(f"arn:aws:sts::{ACCOUNT}:assumed-root/mary", f"{ACCOUNT}:mary", f"{ACCOUNT}:mary"),
        # forms that contradict themselves
        replace(MARYS, caller=f"{ROLE_ID}:john", user=f"{ROLE_ID}:john"),
        replace(MARYS, user=f"{ROLE_ID}:john"),
        replace(MARYS, user=None),
        replace(MARYS, caller=None, user=None),
        session("Deploy", "mary", "AIDAEXAMPLEEXAMPLE001"),
        session("Deploy", "mary/john"),
        session("Deploy", ""),
        user("mary", ROLE_ID),
        user("mary", ""),
        user("", "AIDAEXAMPLEEXAMPLE001"),
        replace(USER, user="AIDAEXAMPLEEXAMPLE002"),
        replace(USER, user_arn=f"{USER.user_arn}\n"),
        replace(USER, user_arn=None),
    ],
    ids=str,
)
def test_whoever_nobody_can_tell_is_nobody(identity: Identity) -> None:
    assert person_of(identity, Roles()) is None


@pytest.mark.parametrize(
    ("sent", "known"),
    [
        ({"userArn": USER.user_arn, "caller": USER.caller, "user": USER.user, "accountId": ACCOUNT}, USER),
        ({"cognitoIdentityId": None, "userArn": None, "caller": None, "user": None}, Identity()),
        (None, Identity()),
    ],
    ids=["user", "unsigned", "none"],
)
def test_the_identity_comes_from_the_event(sent: dict[str, Any] | None, known: Identity) -> None:
    assert decode({"requestContext": {"identity": sent}}).identity == known
