"""Shows a deployment live: ``make watch``, the figures of the dashboard in the terminal, until Ctrl-C.

Without STACK it works on the local cloud; STACK=name takes a deployed stack in the AWS account and region of the usual
AWS settings. ``--once`` prints once and ends. Figures come from CloudWatch's metrics, and so are up to a minute old.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from local import outputs
from local.target import NoTargetError, Target, find

NAMESPACE: Final = "IncentivesGateway"
REFRESH_SECONDS: Final = 5.0
MINUTE: Final = 60
#: Rates are of the last whole and the running minute together; a minute's figures come some seconds after its end.
RECENT: Final = timedelta(minutes=2)
LATELY: Final = timedelta(minutes=10)
#: The watch comes every hour.
HOURLY: Final = timedelta(hours=3)
ENDS: Final = ("Succeeded", "Refused", "Reversed", "Escalated")
QUEUES: Final = ("BacklogQueue", "BacklogDeadLetters", "FailuresQueue")
#: Metrics of the whole deployment, each with how it is told.
SINGLE: Final = (
    ("OpenUnknown", "Maximum"),
    ("OpenUnknownOldest", "Maximum"),
    ("OpenWaiting", "Maximum"),
    ("PermitWait", "p50"),
    ("PermitWait", "p99"),
    ("PermitMissed", "Sum"),
    ("Throttled", "Sum"),
)
OF_ACCOUNT: Final = ("AvailableFunds", "AverageDailySpend", "DaysRemaining", "AccessKeyAgeDays")
CLEAR: Final = "\x1b[H\x1b[2J"


@dataclass(frozen=True)
class Asked:
    """One figure of one metric.

    Attributes:
        stat: Sum adds up what there is since then; of any other the latest value counts.
        since: how far back.
    """

    metric: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str
    since: timedelta


@dataclass
class Figures:
    """What is asked of CloudWatch in one go."""

    target: Target
    now: datetime
    _asked: dict[str, Asked] = field(default_factory=dict)
    _found: dict[Asked, dict[datetime, float]] = field(default_factory=dict)

    def ask(self, *asked: Asked) -> None:
        """Have these ready."""
        numbers = count(len(self._asked))
        self._asked |= {f"m{next(numbers)}": each for each in asked}

    def fetch(self) -> None:
        """Get all that was asked for."""
        watch = self.target.client("cloudwatch")
        queries = [_query(name, each) for name, each in self._asked.items()]
        pages = watch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries,
            StartTime=self.now - max((each.since for each in self._asked.values()), default=LATELY),
            EndTime=self.now + timedelta(minutes=1),
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                found = self._found.setdefault(self._asked[result["Id"]], {})
                found |= zip(result["Timestamps"], result["Values"], strict=True)

    def value(self, asked: Asked) -> float | None:
        """What came of it; None if there is no such figure."""
        recent = {at: value for at, value in self._found.get(asked, {}).items() if at > self.now - asked.since}
        if not recent:
            return None
        return sum(recent.values()) if asked.stat == "Sum" else recent[max(recent)]


def _query(name: str, asked: Asked) -> dict[str, Any]:
    dimensions = [{"Name": key, "Value": value} for key, value in asked.dimensions]
    metric = {"Namespace": NAMESPACE, "MetricName": asked.metric, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": MINUTE, "Stat": asked.stat}, "ReturnData": True}


class Screen:
    """Asks for the figures of a deployment and lays them out."""

    def __init__(self, target: Target, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._target = target
        self._now = now

    def lines(self) -> list[str]:
        """The figures, as lines of plain text."""
        figures = Figures(self._target, self._now())
        operations = self._values_of("operation", [f"Request{end}" for end in ENDS])
        accounts = self._values_of("account", ["AvailableFunds", "AccessKeyAgeDays"])
        for since in (RECENT, LATELY):
            figures.ask(
                *(self._by(f"Request{end}", "Sum", since, operation=each) for end in ENDS for each in operations)
            )
        figures.ask(*(self._by(name, stat, LATELY) for name, stat in SINGLE))
        figures.ask(*(self._by(name, "Average", HOURLY, account=each) for each in accounts for name in OF_ACCOUNT))
        figures.fetch()
        return [
            f"{self._target.stack}  {figures.now:%Y-%m-%d %H:%M:%S} UTC",
            "",
            *self._requests(figures, operations),
            "",
            *self._machinery(figures),
            "",
            *self._accounts(figures, accounts),
        ]

    def _requests(self, figures: Figures, operations: Sequence[str]) -> Iterator[str]:
        def total(end: str, since: timedelta) -> float:
            asked = (self._by(f"Request{end}", "Sum", since, operation=each) for each in operations)
            return sum(figures.value(each) or 0.0 for each in asked)

        yield f"{'requests':<14}{'a minute':>10}{'in 10 minutes':>16}"
        for label, end in zip(("issued", "refused", "reversed", "escalated"), ENDS, strict=True):
            a_minute = total(end, RECENT) / (RECENT.total_seconds() / MINUTE)
            yield f"  {label:<12}{a_minute:>10,.1f}{total(end, LATELY):>16,.0f}"

    def _machinery(self, figures: Figures) -> Iterator[str]:
        def of(name: str, stat: str, unit: str = "") -> str:
            return _text(figures.value(self._by(name, stat, LATELY)), unit)

        oldest = figures.value(self._by("OpenUnknownOldest", "Maximum", LATELY))
        age = timedelta(seconds=int(oldest)) if oldest else "-"
        unknown, waiting = of("OpenUnknown", "Maximum"), of("OpenWaiting", "Maximum")
        yield f"open           {unknown} unknown (oldest {age}), {waiting} waiting or being sent"
        yield f"recoveries     {self._recoveries()} under way"
        queued, dead, failures = (self._length(queue) for queue in QUEUES)
        yield f"backlog        {queued} in the queue, {dead} dead letters, {failures} failures of schedules"
        yield f"paced wait     {of('PermitWait', 'p50', ' ms')} median, {of('PermitWait', 'p99', ' ms')} p99"
        yield f"the pace       {of('PermitMissed', 'Sum')} slots missed, {of('Throttled', 'Sum')} throttled by Amazon"

    def _accounts(self, figures: Figures, accounts: Sequence[str]) -> Iterator[str]:
        yield f"{'accounts':<20}{'funds':>14}{'a day':>12}{'days left':>11}{'key age':>10}"
        for account in accounts:
            found = {name: figures.value(self._by(name, "Average", HOURLY, account=account)) for name in OF_ACCOUNT}
            funds, spend = _text(found["AvailableFunds"], digits=2), _text(found["AverageDailySpend"], digits=2)
            days, age = _text(found["DaysRemaining"], digits=1), _text(found["AccessKeyAgeDays"], " d")
            yield f"  {account:<18}{funds:>14}{spend:>12}{days:>11}{age:>10}"
        if not accounts:
            yield "  none watched yet: the watch comes every hour"

    def _by(self, metric: str, stat: str, since: timedelta, **dimensions: str) -> Asked:
        return Asked(metric, (("service", self._target.stack), *dimensions.items()), stat, since)

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

    def _recoveries(self) -> str:
        """How many recoveries there are; more than a page of them is many."""
        page = self._target.client("stepfunctions").list_executions(
            stateMachineArn=self._target.resources()["RecoverRequestStateMachine"],
            statusFilter="RUNNING",
            maxResults=1000,
        )
        return f"{len(page['executions'])}{'+' if page.get('nextToken') else ''}"


def _text(value: float | None, unit: str = "", digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}{unit}"


def watch_accounts_once(target: Target) -> None:
    """Have the local cloud watch its accounts now: its schedule would come in an hour."""
    name = target.resources()["WatchAccountFunction"]
    target.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")


def _frames(screen: Screen, *, once: bool) -> Iterator[str]:
    yield "\n".join(screen.lines())
    while not once:
        time.sleep(REFRESH_SECONDS)
        yield "\n".join(screen.lines())


def main(arguments: Sequence[str]) -> int:
    """Run; return the exit code."""
    once = "--once" in arguments
    try:
        target = find(os.environ.get("STACK"))
        if target.is_local:
            watch_accounts_once(target)
        for frame in _frames(Screen(target), once=once):
            # Without a terminal there is nothing to clear.
            print((CLEAR if not once and sys.stdout.isatty() else "") + frame, flush=True)
    except (NoTargetError, outputs.NotDeployedError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except (ClientError, BotoCoreError) as error:
        print(f"AWS refused, or was not reached: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
