"""`make watch` on the local cloud, and that the alarms and the dashboard of the template look at what is there."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from local.commands.watch import NAMESPACE, Screen, watch_accounts_once
from local.target import Target, of_local
from tests.stack.cloud import Cloud
from tests.stack.orders import Placed, wait_until


@pytest.fixture(scope="module")
def target(cloud: Cloud) -> Target:
    return of_local(cloud.outputs)


def test_figures_follow_what_happens(cloud: Cloud, target: Target) -> None:
    # given a look at one and the same stretch of time: what others did before must not slip out of it meanwhile
    soon = datetime.now(UTC) + timedelta(minutes=2)
    screen = Screen(target, lambda: soon)
    before = screen.figures()["requests"]
    # when two cards are issued, and one of them cancelled
    orders = [Placed(cloud), Placed(cloud)]
    for order in orders:
        assert order.place().status == 201
    assert cloud.call("POST", f"{orders[0].route}/cancel").status in {200, 202}
    # then the figures say so

    def counted() -> bool:
        now = screen.figures()["requests"]
        more = {name: now[name]["inTenMinutes"] - before[name]["inTenMinutes"] for name in ("issued", "reversed")}
        return more["issued"] >= 2 and more["reversed"] >= 1

    wait_until(counted, "both cards and the cancellation are counted")
    assert screen.figures()["pacedWaitMilliseconds"]["median"] is not None


def test_accounts_are_shown_with_funds_and_key_age(cloud: Cloud, target: Target) -> None:
    screen = Screen(target)
    watch_accounts_once(target)
    account = cloud.outputs.accountName

    def shown() -> bool:
        told = screen.figures()["accounts"].get(account, {})
        return None not in {told.get("funds"), told.get("keyAgeDays")}

    wait_until(shown, "the account's row has its funds and its key's age")


def test_open_requests_are_counted_by_the_sweep(cloud: Cloud, target: Target) -> None:
    # when
    cloud.invoke("SweepRequests")
    # then
    wait_until(
        lambda: Screen(target).figures()["open"]["unknown"] is not None, "the sweep's count of open requests is shown"
    )


def test_what_alarms_look_at_of_ours_is_there_under_the_very_dimensions(cloud: Cloud, target: Target) -> None:
    # given what a watch and a sweep count
    cloud.invoke("SweepRequests")
    cloud.invoke("WatchAccount")
    watch = cloud.client("cloudwatch")
    kept = {
        (each["MetricName"], tuple(sorted((one["Name"], one["Value"]) for one in each["Dimensions"])))
        for page in watch.get_paginator("list_metrics").paginate(Namespace=NAMESPACE)
        for each in page["Metrics"]
    }
    # then every alarm of these metrics finds them
    alarms = [each for page in watch.get_paginator("describe_alarms").paginate() for each in page["MetricAlarms"]]
    ours = {
        each["MetricName"]: tuple(sorted((one["Name"], one["Value"]) for one in each["Dimensions"]))
        for each in alarms
        if each["Namespace"] == NAMESPACE
    }
    for name in ("OpenUnknownOldest", "AccountFailed", "AccountSkipped"):
        assert (name, ours[name]) in kept
    # and those that are not counted yet would be found by the same dimension
    assert set(ours.values()) == {(("service", target.stack),)}


def test_the_dashboard_is_deployed_with_everything_put_in(cloud: Cloud, target: Target) -> None:
    body = cloud.client("cloudwatch").get_dashboard(DashboardName=target.stack)["DashboardBody"]
    assert "${" not in body
    names = set(re.findall(r'"FunctionName", "([^"]+)"', body))
    assert names == set(cloud.outputs.functionNames.values())
    assert json.loads(body)["widgets"]
