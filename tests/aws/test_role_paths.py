"""Where roles are, against IAM as moto has it; what moto never says is put into its mouth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from incentives.api.problems import status_of
from incentives.aws.role_paths import IamRolePaths
from incentives.domain.errors import IdentityUnavailable
from incentives.domain.persons import RoleToLookUp
from tests.contract import motos

NAME: Final = "AWSReservedSSO_Finance_0123456789abcdef"
PATH: Final = "/aws-reserved/sso.amazonaws.com/eu-west-1/"
THEIRS: Final = RoleToLookUp(NAME, "AROAEXAMPLEEXAMPLE001")


@pytest.fixture
def iam() -> Iterator[Any]:
    with mock_aws():
        yield motos.client("iam")


def test_a_role_is_asked_for_once_and_told_with_its_path(iam: Any) -> None:
    # given
    role = iam.create_role(RoleName=NAME, Path=PATH, AssumeRolePolicyDocument="{}")["Role"]
    role_paths, there = IamRolePaths(lambda: iam), RoleToLookUp(NAME, role["RoleId"])
    # when, then
    assert role_paths.arn_of(there) == f"arn:aws:iam::123456789012:role{PATH}{NAME}"
    iam.delete_role(RoleName=NAME)
    assert role_paths.arn_of(there) == role["Arn"]
    # and one made anew under its name is another
    iam.create_role(RoleName=NAME, Path="/mine/", AssumeRolePolicyDocument="{}")
    assert role_paths.arn_of(there) == role["Arn"]
    assert role_paths.arn_of(THEIRS) is None


def test_a_role_that_is_not_there_is_none(iam: Any) -> None:
    assert IamRolePaths(lambda: iam).arn_of(THEIRS) is None


def test_a_role_that_was_not_there_or_could_not_be_read_is_asked_for_again(iam: Any) -> None:
    """IAM knows a new role a little later than the first who signs with it comes; and rights are mended."""
    role_paths, found = IamRolePaths(lambda: iam), {"Path": PATH, "RoleName": NAME, "RoleId": THEIRS.unique_id}
    arn = f"arn:aws:iam::123456789012:role{PATH}{NAME}"
    with Stubber(iam) as says:
        says.add_client_error("get_role", "AccessDenied", http_status_code=403, expected_params={"RoleName": NAME})
        says.add_client_error("get_role", "NoSuchEntity")
        says.add_response("get_role", {"Role": {**found, "Arn": arn, "CreateDate": datetime(2026, 3, 1, tzinfo=UTC)}})
        assert [role_paths.arn_of(THEIRS) for _ in range(4)] == [None, None, arn, arn]


@pytest.mark.parametrize("code", ["Throttling", "ServiceFailure", "InvalidClientTokenId"])
def test_whatever_else_goes_wrong_says_nothing_of_the_role(iam: Any, code: str) -> None:
    role_paths = IamRolePaths(lambda: iam)
    with Stubber(iam) as says:
        says.add_client_error("get_role", code)
        with pytest.raises(IdentityUnavailable, match=code) as failure:
            role_paths.arn_of(THEIRS)
        assert (status_of(failure.value), failure.value.retryable) == (503, True)
        says.add_client_error("get_role", "NoSuchEntity")
        assert role_paths.arn_of(THEIRS) is None
