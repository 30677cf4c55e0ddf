"""Shows a deployment live: ``make watch``, the figures of the dashboard in the terminal, until Ctrl-C.

Figures come from CloudWatch's metrics, and so are up to a minute old.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table

from local.target import Target, find
from local.terminal import AsJson, StackVariable, console, print_json, table

NAMESPACE: Final = "IncentivesGateway"
REFRESH_SECONDS: Final = 5.0
MINUTE: Final = timedelta(minutes=1)
#: Rates are of the last whole and the running minute together; a minute's figures come some seconds after its end.
RECENT: Final = timedelta(minutes=2)
LATELY: Final = timedelta(minutes=10)
#: The watch comes every quarter of an hour: what is older than three of them is out of date.
WATCHED: Final = timedelta(minutes=45)
ENDS: Final = ("Succeeded", "Refused", "Reversed", "Escalated")
#: CloudWatch takes so many for one call.
QUERIES_MAX: Final = 500
#: A page of them; of more it is told that there are more.
RECOVERIES_MAX: Final = 1000
#: What is told of an account, by the metric that it is.
OF_ACCOUNT: Final = {
    "AvailableFunds": "funds",
    "AverageDailySpend": "aDay",
    "DaysRemaining": "daysLeft",
    "AccessKeyAgeDays": "keyAgeDays",
}


@dataclass(frozen=True)
class Asked:
    """One figure of one metric, which has these dimensions beside the service.

    Attributes:
        stat: Sum and SampleCount add up what there is since then; of any other the latest value counts.
        since: how far back.
    """

    metric: str
    stat: str = "Maximum"
    since: timedelta = LATELY
    dimensions: tuple[tuple[str, str], ...] = ()


class Screen:
    """Asks for the figures of a deployment."""

    def __init__(self, target: Target, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._target = target
        self._now = now

    def figures(self) -> dict[str, Any]:
        """All of `make watch`, as JSON; null is what nobody has counted."""
        return {
            "stack": self._target.stack,
            **self.metrics(),
            "recoveries": self.recoveries(),
            "backlog": self.backlog(),
        }

    def metrics(self) -> dict[str, Any]:
        """What is in CloudWatch's metrics."""
        operations = [("operation", each) for each in self._values_of("operation", [f"Request{end}" for end in ENDS])]
        accounts = self._values_of("account", ["AvailableFunds", "AccessKeyAgeDays"])
        requests = {
            (end, since): [Asked(f"Request{end}", "Sum", since, (each,)) for each in operations]
            for end in ENDS
            for since in (RECENT, LATELY)
        }
        of_account = {
            (account, metric): Asked(metric, "Average", WATCHED, (("account", account),))
            for account in accounts
            for metric in OF_ACCOUNT
        }
        single = {
            "unknown": Asked("OpenUnknown"),
            "oldestSeconds": Asked("OpenUnknownOldest"),
            "waiting": Asked("OpenWaiting"),
            "median": Asked("PermitWait", "p50"),
            "p99": Asked("PermitWait", "p99"),
            # One value for each permit that was taken; those that came too late are counted apart.
            "permits": Asked("PermitWait", "SampleCount", RECENT),
            "permitsMissed": Asked("PermitMissed", "Sum"),
            "throttled": Asked("Throttled", "Sum"),
        }
        now = self._now()
        found = self._fetched(now, [*chain(*requests.values()), *of_account.values(), *single.values()])

        def total(end: str, since: timedelta) -> float:
            return sum(found[each] or 0.0 for each in requests[end, since])

        def each_of(*names: str) -> dict[str, float | None]:
            return {name: found[single[name]] for name in names}

        permits = found[single["permits"]]
        return {
            "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "requests": {
                label: {"aMinute": total(end, RECENT) * (MINUTE / RECENT), "inTenMinutes": total(end, LATELY)}
                for label, end in zip(("issued", "refused", "reversed", "escalated"), ENDS, strict=True)
            },
            "open": each_of("unknown", "oldestSeconds", "waiting"),
            "pacedWaitMilliseconds": each_of("median", "p99"),
            "pace": {
                **each_of("permitsMissed", "throttled"),
                "permitsAMinute": None if permits is None else permits * (MINUTE / RECENT),
                "allowedAMinute": self._allowed_a_minute(),
            },
            "accounts": {
                account: {told: found[of_account[account, metric]] for metric, told in OF_ACCOUNT.items()}
                for account in accounts
            },
        }

    def recoveries(self) -> int:
        """How many recoveries are under way; more than a page of them are not counted."""
        page = self._target.client("stepfunctions").list_executions(
            stateMachineArn=self._target.resources()["RecoverRequestStateMachine"],
            statusFilter="RUNNING",
            maxResults=RECOVERIES_MAX,
        )
        return len(page["executions"])

    def backlog(self) -> dict[str, int]:
        """How many messages there are in the queues."""
        return {
            "queued": self._length("BacklogQueue"),
            "deadLetters": self._length("BacklogDeadLetters"),
            "failuresOfSchedules": self._length("FailuresQueue"),
        }

    def alarms(self) -> list[dict[str, Any]]:
        """The stack's alarms that ring, by name: `name` without the stack's, what it says, since when (RFC 3339)."""
        # Another stack's name may begin with this one's.
        ours = set(self._target.resources().values())
        start = f"{self._target.stack}-"
        pages = (
            self._target.client("cloudwatch")
            .get_paginator("describe_alarms")
            .paginate(AlarmNamePrefix=start, StateValue="ALARM", AlarmTypes=["MetricAlarm"])
        )
        return [
            {
                "name": each["AlarmName"].removeprefix(start),
                "description": each.get("AlarmDescription", ""),
                "since": f"{each['StateUpdatedTimestamp'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            }
            for page in pages
            for each in page["MetricAlarms"]
            if each["AlarmName"] in ours
        ]

    def _allowed_a_minute(self) -> float | None:
        """Permits that one account may take; None where the stack does not say."""
        a_second = self._target.parameters.get("PaceRequestsPerSecond")
        return float(a_second) * MINUTE.total_seconds() if a_second else None

    def _fetched(self, now: datetime, asked: Sequence[Asked]) -> dict[Asked, float | None]:
        """What came of each; None if there is no such figure."""
        paginator = self._target.client("cloudwatch").get_paginator("get_metric_data")
        queries = [self._query(f"m{number}", each) for number, each in enumerate(asked)]
        points: dict[str, dict[datetime, float]] = defaultdict(dict)
        for first in range(0, len(queries), QUERIES_MAX):
            pages = paginator.paginate(
                MetricDataQueries=queries[first : first + QUERIES_MAX],
                StartTime=now - max(each.since for each in asked),
                EndTime=now + timedelta(minutes=1),
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    points[result["Id"]] |= zip(result["Timestamps"], result["Values"], strict=True)
        return {each: _value(each, points[f"m{number}"], now) for number, each in enumerate(asked)}

    def _query(self, name: str, asked: Asked) -> dict[str, Any]:
        dimensions = [
            {"Name": key, "Value": value} for key, value in (("service", self._target.stack), *asked.dimensions)
        ]
        metric = {"Namespace": NAMESPACE, "MetricName": asked.metric, "Dimensions": dimensions}
        stat = {"Metric": metric, "Period": int(MINUTE.total_seconds()), "Stat": asked.stat}
        return {"Id": name, "MetricStat": stat, "ReturnData": True}

    def _values_of(self, dimension: str, metrics: Sequence[str]) -> list[str]:
        """The values that a dimension has taken lately."""
        found = set()
        pages = self._target.client("cloudwatch").get_paginator("list_metrics")
        for metric in metrics:
            for page in pages.paginate(Namespace=NAMESPACE, MetricName=metric):
                for each in page["Metrics"]:
                    named = {one["Name"]: one["Value"] for one in each["Dimensions"]}
                    if named.get("service") == self._target.stack and dimension in named:
                        found.add(named[dimension])
        return sorted(found)

    def _length(self, queue: str) -> int:
        """How many messages there are in a queue, those in hand included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._target.client("sqs").get_queue_attributes(
            QueueUrl=self._target.resources()[queue], AttributeNames=names
        )["Attributes"]
        return sum(int(found.get(name, 0)) for name in names)


def watch_accounts_once(target: Target) -> None:
    """Have the local cloud watch its accounts now: its schedule would come in a quarter of an hour."""
    name = target.resources()["WatchAccountFunction"]
    target.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")


def _value(asked: Asked, points: Mapping[datetime, float], now: datetime) -> float | None:
    recent = {at: value for at, value in points.items() if at > now - asked.since}
    if not recent:
        return None
    return sum(recent.values()) if asked.stat in {"Sum", "SampleCount"} else recent[max(recent)]


def shown(figures: dict[str, Any]) -> Group:
    """The figures, as tables of text."""
    requests = table("requests", "a minute", "in 10 minutes")
    for label, each in figures["requests"].items():
        requests.add_row(f"  {label}", _text(each["aMinute"], digits=1), _text(each["inTenMinutes"]))
    opened, backlog, wait, pace = (figures[name] for name in ("open", "backlog", "pacedWaitMilliseconds", "pace"))
    oldest = timedelta(seconds=int(opened["oldestSeconds"])) if opened["oldestSeconds"] else "-"
    recoveries = f"{figures['recoveries']}{'+' if figures['recoveries'] == RECOVERIES_MAX else ''}"
    queued, dead, failures = backlog.values()
    rest = Table.grid(padding=(0, 3, 0, 0))
    for label, text in (
        (
            "open",
            f"{_text(opened['unknown'])} unknown (oldest {oldest}), {_text(opened['waiting'])} waiting or being sent",
        ),
        ("recoveries", f"{recoveries} under way"),
        ("backlog", f"{queued} in the queue, {dead} dead letters, {failures} failures of schedules"),
        ("paced wait", f"{_text(wait['median'], ' ms')} median, {_text(wait['p99'], ' ms')} p99"),
        ("the rate", f"{_text(pace['permitsAMinute'])} permits a minute of {_text(pace['allowedAMinute'])} an account"),
        ("the pace", f"{_text(pace['permitsMissed'])} permits missed, {_text(pace['throttled'])} throttled by Amazon"),
    ):
        rest.add_row(label, text)
    accounts = table("accounts", "funds", "a day", "days left", "key age")
    for name, each in figures["accounts"].items():
        funds, spend = _text(each["funds"], digits=2), _text(each["aDay"], digits=2)
        accounts.add_row(f"  {name}", funds, spend, _text(each["daysLeft"], digits=1), _text(each["keyAgeDays"], " d"))
    if not figures["accounts"]:
        accounts.add_row("  none watched yet: the watch comes every quarter of an hour")
    return Group(f"{figures['stack']}  {figures['at']}", "", requests, "", rest, "", accounts)


def _text(value: float | None, unit: str = "", digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}{unit}"


def main(
    *,
    once: Annotated[bool, typer.Option("--once", help="print once and end")] = False,
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """Show a deployment's figures live, until Ctrl-C.

    They are CloudWatch's, up to a minute old. Into a file or a pipe they are printed line by line.
    """
    try:
        target = find(stack)
        if target.is_local:
            watch_accounts_once(target)
        screen, here = Screen(target), console()
        if as_json:
            print_json(screen.figures())
        elif once or not here.is_terminal:
            here.print(shown(screen.figures()))
            while not once:
                time.sleep(REFRESH_SECONDS)
                here.print(shown(screen.figures()))
        else:
            with Live(shown(screen.figures()), console=here, auto_refresh=False) as live:
                while True:
                    time.sleep(REFRESH_SECONDS)
                    live.update(shown(screen.figures()), refresh=True)
    except KeyboardInterrupt:
        print()
    return 0
