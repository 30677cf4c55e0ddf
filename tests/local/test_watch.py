"""How `make watch` works out its figures; the local cloud shows that they are there."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from local.commands.watch import Screen, shown
from local.signing import Caller
from local.target import Target
from local.terminal import console

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Key = tuple[str, tuple[tuple[str, str], ...], str]


class Cloud:
    """CloudWatch, SQS and Step Functions with what they are given.

    Args:
        metrics: values by minutes ago, of a metric by its dimensions (without the service) and statistic.
        ringing: names of alarms, of which each page has one.
    """

    def __init__(self, metrics: dict[Key, dict[float, float]], ringing: Sequence[str] = ()) -> None:
        self.metrics = metrics
        self.ringing = ringing
        self.paginated = ""

    def get_paginator(self, name: str) -> Cloud:
        self.paginated = name
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        if self.paginated == "list_metrics":
            yield {"Metrics": list(self._listed(asked["MetricName"]))}
            return
        if self.paginated == "describe_alarms":
            assert asked["StateValue"] == "ALARM"
            for name in self.ringing:
                assert name.startswith(asked["AlarmNamePrefix"])
                yield {"MetricAlarms": [{"AlarmName": name, "AlarmDescription": "Look.", "StateUpdatedTimestamp": NOW}]}
            return
        assert len(asked["MetricDataQueries"]) <= 500
        # One page for each metric: a figure may be spread over pages.
        for query in asked["MetricDataQueries"]:
            metric, stat = query["MetricStat"]["Metric"], query["MetricStat"]["Stat"]
            dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
            assert dimensions.pop("service") == "stack"
            values = self.metrics.get((metric["MetricName"], tuple(dimensions.items()), stat), {})
            for ago, value in values.items():
                at = NOW - timedelta(minutes=ago)
                yield {"MetricDataResults": [{"Id": query["Id"], "Timestamps": [at], "Values": [value]}]}

    def _listed(self, name: str) -> Iterator[dict[str, Any]]:
        for metric, dimensions, _ in self.metrics:
            for service in ("stack", "another"):
                named = [*dimensions, ("service", service)] if service == "stack" else [("service", service)]
                if metric == name:
                    yield {"Dimensions": [{"Name": key, "Value": value} for key, value in named]}

    def get_queue_attributes(self, **asked: Any) -> dict[str, Any]:
        waiting = {"backlog": 3}.get(asked["QueueUrl"], 0)
        return {
            "Attributes": {"ApproximateNumberOfMessages": str(waiting), "ApproximateNumberOfMessagesNotVisible": "1"}
        }

    def list_executions(self, **asked: object) -> dict[str, Any]:
        assert asked["statusFilter"] == "RUNNING"
        return {"executions": [{}, {}]}


def lines(metrics: dict[Key, dict[float, float]], **parameters: str) -> list[str]:
    """What is shown where there is no terminal."""
    said = io.StringIO()
    console(said).print(shown(screen(Cloud(metrics), **parameters).figures()))
    return [line.rstrip() for line in said.getvalue().splitlines()]


def screen(cloud: Cloud, **parameters: str) -> Screen:
    target = Target(
        stack="stack",
        region="us-east-1",
        api_url="https://api.example",
        caller=lambda: Caller("AKIDEXAMPLE", "dummy"),
        client=lambda _: cloud,
        outputs={},
        resources=lambda: {
            "RecoverRequestStateMachine": "machine",
            "BacklogQueue": "backlog",
            "BacklogDeadLetters": "dead",
            "FailuresQueue": "failures",
            "UnknownOldAlarm": "stack-unknown-old",
        },
        parameters=parameters,
        is_local=True,
    )
    return Screen(target, lambda: NOW)


def test_requests_are_added_up_over_operations_and_minutes() -> None:
    card, load = ((("operation", name),) for name in ("CreateGiftCard", "LoadAmazonBalance"))
    seen = lines(
        {
            ("RequestSucceeded", card, "Sum"): {0.5: 3, 1.5: 4, 5: 10, 11: 100},
            ("RequestSucceeded", load, "Sum"): {1: 1},
            ("RequestRefused", card, "Sum"): {9: 2},
        }
    )
    assert [line.split() for line in seen[3:5]] == [["issued", "4.0", "18"], ["refused", "0.0", "2"]]


def test_the_latest_of_a_gauge_counts() -> None:
    seen = lines(
        {
            ("OpenUnknown", (), "Maximum"): {8: 90, 1: 2, 3: 5},
            ("OpenUnknownOldest", (), "Maximum"): {1: 3723},
            ("OpenWaiting", (), "Maximum"): {1: 40},
        }
    )
    assert "open         2 unknown (oldest 1:02:03), 40 waiting or being sent" in seen


def test_what_nobody_has_counted_is_not_zero() -> None:
    seen = lines({})
    assert "open         - unknown (oldest -), - waiting or being sent" in seen
    assert "recoveries   2 under way" in seen
    assert "backlog      4 in the queue, 1 dead letters, 1 failures of schedules" in seen
    assert seen[-1] == "  none watched yet: the watch comes every quarter of an hour"


def test_accounts_have_the_figures_of_their_last_watch() -> None:
    seen = lines(
        {
            ("AvailableFunds", (("account", "default"),), "Average"): {200: 1, 100: 1234.5, 40: 999.5},
            ("AverageDailySpend", (("account", "default"),), "Average"): {40: 100},
            ("DaysRemaining", (("account", "default"),), "Average"): {40: 9.9},
            ("AccessKeyAgeDays", (("account", "japan"),), "Average"): {40: 171},
        }
    )
    assert [line.split() for line in seen[-2:]] == [
        ["default", "999.50", "100.00", "9.9", "-"],
        ["japan", "-", "-", "-", "171", "d"],
    ]


def test_more_figures_than_one_call_takes_are_asked_for_by_several() -> None:
    funds: dict[Key, dict[float, float]] = {
        ("AvailableFunds", (("account", f"a{number:03}"),), "Average"): {1: number} for number in range(200)
    }
    seen = lines(funds)
    assert [line.split()[:2] for line in (seen[-200], seen[-1])] == [["a000", "0.00"], ["a199", "199.00"]]


def test_the_rate_is_of_permits_taken_beside_what_an_account_may_take() -> None:
    taken: dict[Key, dict[float, float]] = {("PermitWait", (), "SampleCount"): {0.5: 100, 1.5: 140, 3: 1000}}
    assert "the rate     120 permits a minute of 480 an account" in lines(taken, PaceRequestsPerSecond="8")
    assert "the rate     - permits a minute of - an account" in lines({})


def test_alarms_are_those_of_the_stack_and_of_no_other_whose_name_begins_alike() -> None:
    ringing = ["stack-dev-unknown-old", "stack-unknown-old"]
    assert screen(Cloud({}, ringing)).alarms() == [
        {"name": "unknown-old", "description": "Look.", "since": "2026-03-01T12:00:00Z"}
    ]
