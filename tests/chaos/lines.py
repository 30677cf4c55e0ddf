"""What a run's result comes to, line by line."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from incentives.domain.rate_limit import REQUESTS_PER_SECOND_DEFAULT
from sandbox.model.throttle import most_in_any_second
from tests.chaos import checks
from tests.chaos.callers import Told
from tests.chaos.day import ENDED
from tests.chaos.plan import Blow
from tests.chaos.run import Result
from tests.chaos.table import Line
from tests.chaos.trouble import Kill

#: As many examples of what is wrong as help.
EXAMPLES: Final = 5

#: The pace is looked at in stretches this long: a machine that is too busy sends some calls late, and so in a bunch.
STRETCH_SECONDS: Final = 5.0
LATE_SECONDS_MAX: Final = 1.0


def lines_of(result: Result) -> list[Line]:
    return [*_load(result), *_trouble(result), *_money(result), *_responses(result)]


def _load(result: Result) -> list[Line]:
    wanted, told = result.wanted, result.told_during
    calls = result.report_then["calls"]
    ticks = sorted(call["tick"] for call in calls)
    stretch = max((bisect_left(ticks, start + STRETCH_SECONDS) - at for at, start in enumerate(ticks)), default=0)
    most = REQUESTS_PER_SECOND_DEFAULT * (STRETCH_SECONDS + LATE_SECONDS_MAX)
    by_status = Counter("no answer" if each.status is None else str(each.status) for each in told)
    return [
        Line(
            "Seconds of load (of the whole run), seed",
            f"{wanted.seconds:.0f} ({result.seconds_in_all:.0f}), {wanted.seed}",
        ),
        Line(
            "API calls: planned / made / a second",
            f"{result.crowd.planned} / {len(told)} / {len(told) / wanted.seconds:.1f}",
        ),
        Line("the last one later than planned by", f"{result.crowd.late:.1f} s"),
        Line("Answers by status", _counted(by_status)),
        Line("Answers by what was asked", _counted(Counter(str(each.what) for each in told))),
        Line("Orders recorded, with their successors", str(len(result.facts.records))),
        Line("Calls that reached Amazon", str(len(calls))),
        Line("in the fastest second", str(most_in_any_second(ticks))),
        Line("in the fastest five seconds", str(stretch), f"at most {most:.0f}", stretch <= most),
        Line("throttled by Amazon's own limit", str(_truly_throttled(result))),
    ]


def _trouble(result: Result) -> list[Line]:
    trouble, kills = result.trouble, result.facts.kills
    calls = result.report_then["calls"]
    faults = Counter(call["fault"] for call in calls if call["fault"])
    share = sum(faults.values()) / max(1, len(calls))
    one_by_one = [kill for kill in kills if kill.blow is Blow.KILL]
    at_once = [kill for kill in kills if kill.blow is Blow.KILL_ALL]
    restarts = ", ".join(f"{(each.until - each.since).total_seconds():.1f} s" for each in trouble.outages)
    return [
        Line("Processes killed one by one", str(len(one_by_one)), "some", bool(one_by_one)),
        Line(
            "by function",
            _counted(Counter(kill.function.partition("local-")[2].partition("Function")[0] for kill in one_by_one)),
        ),
        Line("killed all at once", str(len(at_once))),
        Line(
            "Emulator restarted, away for",
            restarts or "never",
            "once",
            len(trouble.outages) == 1,
            result.trouble_failed,
        ),
        Line("Sweep's schedule switched off for", f"{trouble.missed_seconds:.0f} s"),
        Line(
            "Calls that went wrong at Amazon",
            f"{share:.0%} ({sum(faults.values())})",
            f"about {result.wanted.faults:.0%}",
            abs(share - result.wanted.faults) < 0.08,
        ),
        Line("by fault", _counted(faults)),
    ]


def _money(result: Result) -> list[Line]:
    facts, day = result.facts, result.day
    apart = checks.differences(facts)
    states = Counter(record["status"] for record in facts.records.values())
    told = ("id", "operation", "intent", "cause", "attempts", "reversalAttempts", "error", "history")
    escalated = [
        {name: record.get(name) for name in told}
        for record in facts.records.values()
        if record["status"] == "ESCALATED"
    ]
    within = "never" if day.ended_within is None else _spoken(day.ended_within)
    nothing_open = not day.still_open and result.landed
    open_now = {key: record["status"] for key, record in facts.records.items() if record["status"] not in ENDED}
    return [
        Line("Recoveries", f"{sum(result.executions.values())} ({_counted(result.executions)})"),
        Line("Requests open when the load ended", str(day.open_at_first)),
        Line("the last of them ended within (simulated)", within, "24 hours", day.ended_within is not None),
        Line("Open 24 simulated hours later", str(len(day.still_open)), "0", nothing_open, str(day.still_open)),
        Line("Open in the end", str(len(open_now)), "0", not open_now, str(open_now)),
        Line("Requests ended as", _counted(states)),
        Line("Escalated", str(len(escalated)), "0", not escalated, "\n  ".join(map(str, escalated))),
        Line("Spent, by the ledger", f"{checks.ledger_total(facts):.2f} USD"),
        *(
            Line(f"difference to Amazon, {name}", f"{amount:.2f} {currency}", "0.00", not amount)
            for (name, currency), amount in sorted(apart.items())
        ),
        _none("Charges without a record", checks.charges_without_record(facts)),
        _none("Requests of which ledger and Amazon differ", checks.contradictions(facts)),
        _none("Keys with two live charges at any time", checks.keys_charged_twice(facts)),
        _none("Places that keep a claim code, a card number or a customer", result.leaks),
        Line(
            "Bulk orders: rows by outcome",
            "; ".join(_counted(Counter(each.order.get("counts", {}))) for each in result.bulk),
            "as at Amazon",
            not result.bulk_wrong,
            "; ".join(result.bulk_wrong),
        ),
        Line("begun again by an operator", str(sum(each.restarted for each in result.bulk))),
    ]


def _responses(result: Result) -> list[Line]:
    facts = result.facts
    errors = checks.server_errors(facts.told)
    left = checks.unexplained(errors, facts.kills, facts.outages)
    contract = Counter(each.body["errorType"] for each in facts.told if each.is_contract)
    odd = checks.unexpected(facts.told)
    return [
        Line("Server's errors and missing answers", str(len(errors))),
        Line("by kind", _counted(Counter(each.kind for each in errors))),
        Line(
            "of them with no process killed meanwhile",
            str(len(left)),
            "0",
            not left,
            "\n  ".join(_errors(left, facts.kills)),
        ),
        Line("Errors that the code did not foresee", _counted(result.unforeseen) or "0", "0", not result.unforeseen),
        Line("503 as described: nothing written, ask again", _counted(contract) or "0"),
        _none("of them with the record written", checks.written_all_the_same(facts, result.request_ids)),
        Line("Other answers than a caller may get", _counted(Counter(odd)) or "0", "0", not odd),
        _none("Responses that ledger or Amazon contradict", checks.told_wrongly(facts, result.request_ids)),
    ]


def _none(what: str, found: Iterable[str]) -> Line:
    found = list(found)
    return Line(what, str(len(found)), "0", not found, "; ".join(found[:EXAMPLES]))


def _errors(left: Iterable[Told], kills: Iterable[Kill]) -> list[str]:
    return [
        f"{each.what} of {each.order}: {each.status} of {each.function}, {each.asked_at:%H:%M:%S.%f} to "
        f"{each.answered_at:%H:%M:%S.%f}: {str(each.body)[:200]}; its processes were killed at "
        + ", ".join(f"{kill.at:%H:%M:%S.%f}" for kill in kills if kill.function == each.function)
        for each in list(left)[:EXAMPLES]
    ]


def _truly_throttled(result: Result) -> int:
    return sum(call["outcome"] == "ThrottlingException" and not call["fault"] for call in result.report_then["calls"])


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(counts.items(), key=lambda each: -each[1]) if count)


def _spoken(length: timedelta) -> str:
    minutes = length.total_seconds() / 60
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
