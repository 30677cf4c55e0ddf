"""The five policies for people, as deployed, on every route: who may call what is what docs/roles.md says, by denial.

API Gateway refuses with 403 `AccessDenied` before a function hears of a call. Whatever else comes back, the call was
let in.
"""

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.signing import Caller, Response
from local.target import of_local
from tests.stack.cloud import Cloud
from tests.stack.orders import OwnAccount, wait_until
from tests.template.rules_roles import roles, table

pytestmark = pytest.mark.stack

#: What stands for a route's parameters: nothing that is there, so that a call that is let in changes nothing.
NOBODYS = {
    "requestId": "SandbOFNOBODY", "orderId": "NOBODYSORDER", "account": "nobody", "day": "2020-01-31",
    "month": "2020-01", "differenceId": "0" * 24, "statementId": "nobodys", "name": "nobodys",
}  # fmt: skip
#: Calls at once: the emulator answers about ten a second.
AT_ONCE = 4


@pytest.fixture(scope="module")
def people(cloud: Cloud) -> Mapping[str, Caller]:
    """A person of each role: an IAM user with the role's policy and nothing else. `nobody` has none."""
    iam, resources = cloud.client("iam"), of_local(cloud.outputs).resources()
    made = {}
    for role in (*roles(), "nobody"):
        name = f"person-{role}"
        iam.create_user(UserName=name)
        if role != "nobody":
            iam.attach_user_policy(UserName=name, PolicyArn=resources[f"{role}Policy"])
        key = iam.create_access_key(UserName=name)["AccessKey"]
        made[role] = Caller(key["AccessKeyId"], key["SecretAccessKey"])
    return made


def _call(cloud: Cloud, route: str, caller: Caller) -> Response:
    method, path = route.split(" ")
    called = re.sub("{([A-Za-z]+)}", lambda found: NOBODYS[found[1]], path)
    return cloud.call(method, called, None if method == "GET" else {}, caller=caller)


def _is_denied(response: Response) -> bool:
    # The emulator refuses in words of its own, and names it as API Gateway does.
    return response.status == 403 and _error(response) == "AccessDeniedException"


def _error(response: Response) -> str:
    return response.headers.get("x-amzn-errortype", "")


@pytest.mark.parametrize("role", [*roles(), "nobody"])
def test_a_role_is_let_in_where_the_table_says_and_denied_everywhere_else(
    cloud: Cloud, people: Mapping[str, Caller], role: str
) -> None:
    routes = sorted(table())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        responses = dict(zip(routes, pool.map(lambda route: _call(cloud, route, people[role]), routes), strict=True))
    # Each route is there: who signs and is refused by no policy hears from a function.
    assert [route for route, response in responses.items() if _error(response).startswith("MissingAuth")] == []
    let_in = {route for route, response in responses.items() if not _is_denied(response)}
    assert let_in == {route for route in routes if role in table()[route]}


def test_the_arns_that_the_stack_tells_are_those_policies(cloud: Cloud) -> None:
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=cloud.outputs.stackName)["Stacks"]
    told = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    resources = of_local(cloud.outputs).resources()
    for role in roles():
        assert told[f"{role}PolicyArn"] == resources[f"{role}Policy"]


def test_what_a_person_decides_is_told_once_on_the_bus_and_in_the_log(
    cloud: Cloud, people: Mapping[str, Caller]
) -> None:
    own = OwnAccount(cloud)
    own.put(own.key("first"))
    account = own.account
    # when an operator freezes an account, unfreezes it, and asks for each twice
    for action in ("freeze", "freeze", "unfreeze", "unfreeze"):
        body = {"reason": "a drill"} if action == "freeze" else None
        assert cloud.call("POST", f"/accounts/{account}/{action}", body, caller=people["Operator"]).status == 200
    # and finance sets a budget twice
    budget = {"limit": {"amount": "12.00", "currencyCode": "USD"}, "period": "month", "active": True}
    for _ in range(2):
        assert cloud.call("PUT", "/budgets/roles", budget, caller=people["Finance"]).status == 200
    # then each is told once, with who did it
    wanted = {
        ("freeze", account, "user/person-Operator"),
        ("unfreeze", account, "user/person-Operator"),
        ("setBudget", "roles", "user/person-Finance"),
    }
    wait_until(lambda: len(_decisions(cloud)) >= len(wanted), "three decisions")
    found = [(each["decision"], each["subject"], each["caller"].split(":")[-1]) for each in _decisions(cloud)]
    assert sorted(found) == sorted(wanted)
    logged = [
        json.loads(line) for line in cloud.logs(cloud.outputs.functionNames["PublishEvents"]) if '"decision"' in line
    ]
    told = {each["eventId"] for each in _decisions(cloud)}
    assert sorted(line["eventId"] for line in logged if line["eventId"] in told) == sorted(told)


def test_a_function_that_dies_with_its_decision_written_and_not_answered_loses_nobodys_name(
    cloud: Cloud, people: Mapping[str, Caller]
) -> None:
    own = OwnAccount(cloud)
    own.put(own.key("first"))
    route, body = f"/accounts/{own.account}/freeze", {"reason": "a drill"}
    table = cloud.table(of_local(cloud.outputs).resources()["AccountTable"])
    key = {"account": own.account, "part": "freeze"}

    def told() -> list[str]:
        return [each["caller"] for each in _decisions(cloud) if each["subject"] == own.account]

    # when the function is killed while it waits for the last permit, before it answers
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(cloud.call, "POST", route, body, caller=people["Operator"])
        wait_until(lambda: "Item" in table.get_item(Key=key, ConsistentRead=True), "the account is frozen")
        for process in cloud.lambda_processes(cloud.outputs.functionNames["ControlAccount"]):
            process.kill()
        asked.result()
    # then it is told all the same who did it
    wait_until(told, "the decision is told")
    # and a repeat does what was left, and tells nothing more
    assert cloud.call("POST", route, body, caller=people["Operator"]).status == 200
    assert cloud.call("POST", f"/accounts/{own.account}/unfreeze", caller=people["Operator"]).status == 200
    wait_until(lambda: len(told()) > 1, "the account is frozen no more")
    assert [caller.split(":")[-1] for caller in told()] == ["user/person-Operator"] * 2


def _decisions(cloud: Cloud) -> list[dict[str, Any]]:
    """Of these tests."""
    return [
        each["detail"]
        for each in cloud.events()
        if each["detail-type"] == "DecisionMade" and "person-" in str(each["detail"]["caller"])
    ]
