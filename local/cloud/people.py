"""Makes the IAM users of the emulated account: who signs calls here signs as one of them, never as the account's owner.

The emulator checks users' signatures and policies, but believes whoever names the owner's key.
"""

import json
from typing import Any

from local.signing import Caller

DEVELOPER = "local-developer"
INVOKER = "local-invoker"


def make_developer(iam: Any) -> Caller:  # noqa: ANN401 - a boto3 client
    """The developer, who may do anything in this account, as in one of their own: call, look, break, repair."""
    return _make_user(iam, DEVELOPER, "*", "*")


def make_invoker(iam: Any, api_arn: str) -> Caller:  # noqa: ANN401 - a boto3 client
    """A caller as production knows them: may call this API's routes, and nothing else."""
    return _make_user(iam, INVOKER, "execute-api:Invoke", f"{api_arn}/*")


def _make_user(iam: Any, name: str, action: str, resource: str) -> Caller:  # noqa: ANN401 - a boto3 client
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Caller(key["AccessKeyId"], key["SecretAccessKey"])
