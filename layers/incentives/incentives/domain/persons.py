"""Who is one person, for what two people have to do: from what API Gateway says of a call's signature.

    userArn                                 caller and user     is
    assumed-role/AWSReservedSSO_.../NAME    AROA...:NAME        the person NAME, with any permission set
    assumed-role/ROLE/SESSION               AROA...:SESSION     the role: whoever may assume it names sessions
    user/PATH/NAME                          AIDA...             the IAM user, by its unique id
    root, federated-user/NAME, others                           nobody that we know

A role's name proves nothing: anybody who makes roles may call one AWSReservedSSO_..., and name its sessions. Its path
does: nobody but AWS makes roles under `SSO_PATH`. STS leaves the path out, so it is looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Of roles that IAM Identity Center makes; in most regions the region's name follows.
SSO_PATH: Final = "/aws-reserved/sso.amazonaws.com/"
SSO_ROLE_PREFIX: Final = "AWSReservedSSO_"

# Not compiled here: every function of the API loads this, and two of them use it.
_ASSUMED_ROLE: Final = (
    r"arn:(?P<partition>aws[a-z-]*):sts::(?P<account>[0-9]{12}):assumed-role/"
    r"(?P<role>[A-Za-z0-9_+=,.@-]+)/(?P<session>[A-Za-z0-9_+=,.@-]+)"
)
_USER: Final = r"arn:aws[a-z-]*:iam::[0-9]{12}:user/[!-~]+"
_ROLE_ID: Final = r"AROA[A-Z0-9]{12,}"
_USER_ID: Final = r"AIDA[A-Z0-9]{12,}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose signature a call bears, as API Gateway tells it.

    Attributes:
        user_arn: ARN of the principal.
        caller: its unique id, of a role with the session's name.
        user: the same again.
    """

    user_arn: str | None = None
    caller: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as far as a signature tells.

    Attributes:
        id: equal for whatever the same person signs; compared, and kept.
        shown: to people.
    """

    id: str
    shown: str


@dataclass(frozen=True, slots=True)
class _Session:
    partition: str
    account: str
    role: str
    role_id: str
    name: str


@dataclass(frozen=True, slots=True)
class RoleToLookUp:
    """A role that calls itself one of IAM Identity Center.

    Attributes:
        name: without path.
        unique_id: by which IAM tells it from one of the same name that was there before, or is in another account.
    """

    name: str
    unique_id: str


def role_to_look_up(identity: Identity) -> RoleToLookUp | None:
    """The role whose ARN `person_of` needs; None: it needs none."""
    session = _session(identity)
    if session is None or not session.role.startswith(SSO_ROLE_PREFIX):
        return None
    return RoleToLookUp(session.role, session.role_id)


def person_of(identity: Identity, role_arn: str | None) -> Person | None:
    """Who has signed; None: nobody can tell.

    Args:
        identity: of the call.
        role_arn: with its path, of the role that `role_to_look_up` names; None if IAM knows none such.
    """
    session = _session(identity)
    if session is None:
        return _user(identity)
    if not session.role.startswith(SSO_ROLE_PREFIX):
        arn = f"arn:{session.partition}:iam::{session.account}:role/{session.role}"
        return Person(arn, arn)
    made_by_sso = (
        re.escape(f"arn:{session.partition}:iam::{session.account}:role{SSO_PATH}")
        + "(?:[a-z0-9-]+/)?"
        + re.escape(session.role)
    )
    if role_arn is None or not re.fullmatch(made_by_sso, role_arn):
        return None
    # Identity Center takes a user's name in any case: one person must not become two by a capital letter.
    return Person(f"sso:{session.name.lower()}", session.name)


def _session(identity: Identity) -> _Session | None:
    found = re.fullmatch(_ASSUMED_ROLE, identity.user_arn or "")
    role_id, _, name = (identity.caller or "").partition(":")
    # What contradicts itself is a form that we do not know.
    if not found or identity.caller != identity.user or name != found["session"] or not re.fullmatch(_ROLE_ID, role_id):
        return None
    return _Session(found["partition"], found["account"], found["role"], role_id, name)


def _user(identity: Identity) -> Person | None:
    arn, unique_id = identity.user_arn or "", identity.caller or ""
    if not re.fullmatch(_USER, arn) or unique_id != identity.user or not re.fullmatch(_USER_ID, unique_id):
        return None
    return Person(unique_id, arn)
