"""What each function needs under load: memory, CPU, and the smallest Lambda size that both fit into.

The real function in a process of its own, against the local AWS and the sandbox over HTTP. Lambda gives a function a
share of a processor in proportion to its memory, so that less memory is also a slower function.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from incentives.domain.bulk_orders.rows import ROWS_MAX
from tests.bench import cloud, events
from tests.bench.artifact import Artifact, function_names, function_properties
from tests.bench.events import Event, progress, request
from tests.bench.prices import MEGABYTES_PER_PROCESSOR
from tests.bench.report import Line
from tests.bench.warm import serving
from tests.support.bulk import rows_of

INVOCATIONS: Final = 30

#: Those that take long: the balance may be asked for once a second, and a file is validated at a time.
_FEWER: Final = {"watch_account": 5, "process_order": 2}

#: What may still come: a longer page, a larger file, another version of a library.
MARGIN: Final = 1.25

#: What Lambda's own runtime adds to what a process of this machine has, about.
RUNTIME_MB: Final = 30

#: Sizes that are worth choosing between, in MB.
SIZES: Final = (128, 192, 256, 384, 512, 768, 1024, 1536, 1769)

#: Seconds that a function may wait besides its own work: for a permit, for Amazon's response, for its calls to AWS. The
#: clients' own limits: whoever waits longer hands over or gives up.
WAITS: Final = 2.0 + 6.0 + 3.0

_MEGA: Final = 1024 * 1024

Told = Mapping[str, Any]
Makers = Mapping[str, Callable[[], Event]]


def serve_all(artifact: Artifact, variables: Mapping[str, str]) -> dict[str, Told]:
    """What a process of each function tells after its invocations."""
    found: dict[str, Told] = {}

    def serve(makers: Makers) -> None:
        for name, make in makers.items():
            with serving(artifact, {"path": artifact.ours(name)}, variables) as invoke:
                told = invoke([make() for _ in range(_FEWER.get(name, INVOCATIONS))])
            if all(status.startswith("5") for status in told["statuses"]):
                raise RuntimeError(f"{name} does not work: {told['statuses']}")
            found[name] = told

    serve(
        {
            "create_gift_card": events.create,
            "activate_gift_card": events.activate,
            "load_amazon_balance": events.top_up,
            "create_order": events.new_order,
        }
    )
    cards, activations, loads, orders = (told["ids"] for told in found.values())
    streamed = _streamed(variables, cards)
    _put_files(variables, orders[: _FEWER["process_order"]])
    # In this order: what is to be read is read before it is cancelled.
    serve(
        {
            "get_gift_card": _on("/gift-cards/{requestId}", cards),
            "reveal_claim_code": _on("/gift-cards/{requestId}/claim-code", cards),
            "get_case_file": _on("/requests/{requestId}/case-file", cards),
            "start_recovery": _on("/requests/{requestId}/recover", cards),
            "get_activation": _on("/activations/{requestId}", activations),
            "deactivate_gift_card": _on("/activations/{requestId}/deactivate", activations),
            "get_balance_load": _on("/balance-loads/{requestId}", loads),
            "void_amazon_balance_load": _on("/balance-loads/{requestId}/void", loads),
            "get_order": _on("/orders/{orderId}", orders, "orderId"),
            "control_order": _on("/orders/{orderId}/start", orders, "orderId"),
            "check_activation_status": events.check_status,
            "search_requests": lambda: request("/requests"),
            "get_available_funds": lambda: request("/funds"),
            "get_activity": _activity,
            "get_accounts": lambda: request("/accounts"),
            "control_account": lambda: request("/accounts/{account}/unfreeze", account="default"),
            "recover_request": _each(cards, lambda known: {"task": "Look", "requestId": known, "epoch": 0}),
            "issue_queued": _each(cards, lambda known: {"Records": [{"body": json.dumps({"requestId": known})}]}),
            "cancel_gift_card": _on("/gift-cards/{requestId}/cancel", cards),
            "process_order": _each(orders, lambda known: progress(known, "Validate")),
            "publish_events": lambda: streamed,
            "count_spend": lambda: streamed,
            "sweep_requests": dict,
            "watch_account": dict,
            "rotate_keys": dict,
            "get_books": lambda: request("/reconciliations"),
            "control_books": lambda: events.run(f"{datetime.now(UTC):%Y-%m-%d}"),
            "reconcile_account": _a_round,
            "close_month": lambda: request("/closes/{account}/{month}", account="default", month="2026-01"),
        }
    )
    if missing := set(function_names()) - set(found):
        raise RuntimeError(f"nothing is known of {', '.join(sorted(missing))}")
    return found


def needs_of_functions(found: Mapping[str, Told]) -> Iterable[Line]:
    """A line for each function, and the smallest size for it beside the template's."""
    for name, told in found.items():
        properties = function_properties(name)
        template, timeout = int(properties["MemorySize"]), float(properties["Timeout"])
        # The first call makes what the process keeps; it is no more typical than the init.
        slow = max(told["cpu"][1:])
        fits = [size for size in SIZES if (told["rss"] / _MEGA + RUNTIME_MB) * MARGIN <= size]
        smallest = next((size for size in fits if _seconds(slow, size) <= timeout), SIZES[-1] + 1)
        yield Line(
            f"memory of {name}",
            f"{told['rss'] / _MEGA:.0f} MB, at most {slow:.0f} ms CPU",
            f"<= the template's {template}",
            smallest <= template,
            baseline=f"smallest size {smallest} MB: {_seconds(slow, smallest):.1f} of {timeout:.0f} s; "
            f"at {template}: {_seconds(slow, template):.1f} s",
        )


def _seconds(cpu: float, size: int) -> float:
    return cpu / 1000 / min(1.0, size / MEGABYTES_PER_PROCESSOR) + WAITS


def _put_files(variables: Mapping[str, str], orders: Sequence[str]) -> None:
    """The largest files that there may be, as their callers put them."""
    file = rows_of(ROWS_MAX).encode()
    client = cloud.client(variables["AWS_ENDPOINT_URL"], "s3")
    for known in orders:
        client.put_object(Bucket=variables["ORDERS_BUCKET"], Key=f"orders/{known}/upload", Body=file)


def _streamed(variables: Mapping[str, str], cards: Sequence[str]) -> Event:
    """A batch of the stream: all of these cards, just issued."""
    client = cloud.client(variables["AWS_ENDPOINT_URL"])
    records = []
    for number, known in enumerate(cards):
        after = client.get_item(TableName=variables["LEDGER_TABLE"], Key={"id": {"S": known}})["Item"]
        before = after | {"status": {"S": "PENDING"}}
        images = {"OldImage": before, "NewImage": after, "SequenceNumber": str(number)}
        records.append({"eventID": str(number), "eventName": "MODIFY", "dynamodb": images})
    return {"Records": records}


def _activity() -> Event:
    return request("/activity") | {"queryStringParameters": {"from": "2026-01-01", "to": "2026-01-02"}}


def _a_round() -> Event:
    """A round that has ended; what judging a day takes, the bench of the books tells."""
    return events.a_task({"next": "Plan", "account": "default", "day": "2026-01-01", "round": 1, "pages": 0})


def _each(ids: Sequence[str], make: Callable[[str], Event]) -> Callable[[], Event]:
    around = itertools.cycle(ids)
    return lambda: make(next(around))


def _on(route: str, ids: Sequence[str], name: str = "requestId") -> Callable[[], Event]:
    return _each(ids, lambda known: request(route, **{name: known}))
