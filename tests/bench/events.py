"""Events of every function, and what must have happened before each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from incentives.bootstrap import container
from incentives.aws.budgets.budget_items import encode_budget
from incentives.aws.bulk_orders.order_items import ORDER
from incentives.aws.bulk_orders.order_items import key as key_of
from incentives.aws.items import Expression
from incentives.domain.budgets.budget import Budget, PeriodKind
from incentives.domain.rate_limit import WAIT_SECONDS_MAX
from incentives.domain.reconciliation.day_state import BooksDay
from tests.bench.stand import Stand
from tests.workflow.plots import ONE_TRY_SECONDS

Event = dict[str, Any]

_NUMBERS: Final = itertools.count()
_KEYS: Final = (f"key-{number}" for number in itertools.count())

MONEY: Final = {"amount": "25.00", "currencyCode": "USD"}
CARDS: Final = (f"600649{number:013}" for number in itertools.count(1))
_CUSTOMER: Final = {"id": "amzn1.account.BENCH", "type": "2"}
_LOST: Final = {"operation": "CreateGiftCard", "kind": "resend", "when": "after", "calls": {"every": True}}


def request(route: str, body: object = None, *, key: str | None = None, **path: str) -> Event:
    """An event of API Gateway's."""
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    return {
        "resource": route,
        "path": route,
        "headers": headers,
        "multiValueHeaders": {name: [text] for name, text in headers.items()},
        "pathParameters": path or None,
        "body": None if body is None else json.dumps(body),
        "requestContext": {"path": f"/v1{route}", "stage": "v1", "identity": {"userArn": "arn:aws:iam::0:user/bench"}},
        "isBase64Encoded": False,
    }


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return next(_KEYS)


def create(key: str | None = None, **more: object) -> Event:
    """POST /gift-cards, new unless the key is not."""
    return request("/gift-cards", MONEY | more, key=key or new_key())


def issued(stand: Stand) -> str:
    """A card that has been issued; its request id."""
    return _made(stand, "create_gift_card", create())


def activate() -> Event:
    """POST /activations, each of another card."""
    return request("/activations", MONEY | {"cardNumber": next(CARDS)}, key=new_key())


def top_up() -> Event:
    """POST /balance-loads."""
    return request("/balance-loads", MONEY | {"customerAccount": _CUSTOMER}, key=new_key())


def after_a_rest(stand: Stand) -> Event:
    """A create on an account that is idle."""
    # A process that does not know yet how busy the account is finds out by a write in vain if it is.
    stand.clock.sleep(60)
    return create()


def created_again(stand: Stand) -> Event:
    """A create whose key has issued a card already."""
    key = new_key()
    stand.call("create_gift_card", create(key))
    return create(key)


def budget(stand: Stand) -> str:
    """A budget that nobody has taken from; its name."""
    moment = stand.clock.now()
    made = Budget(
        name=f"bench-{next(_NUMBERS)}",
        limit=10_000_00,
        currency="USD",
        kind=PeriodKind.MONTH,
        active=True,
        version=1,
        created_at=moment,
        changed_at=moment,
    )
    stand.client().put_item(TableName=stand.environment["BUDGETS_TABLE"], Item=encode_budget(made))
    return made.name


def first_of_budget(stand: Stand) -> Event:
    """A create that is the first to take from a budget."""
    return create(budget=budget(stand))


def set_budget(name: str) -> Event:
    """PUT /budgets/{name}."""
    limit = {"amount": "20000.00", "currencyCode": "USD"}
    return request("/budgets/{name}", {"limit": limit, "period": "month", "active": True}, name=name)


def recounted(stand: Stand) -> Event:
    """A day's recount, when there is one budget alone."""
    client, table = stand.client(), stand.environment["BUDGETS_TABLE"]
    for item in client.scan(TableName=table)["Items"]:
        client.delete_item(TableName=table, Key={name: item[name] for name in ("budget", "part")})
    budget(stand)
    return {}


def of_budget(stand: Stand) -> Event:
    """A create of a budget that this process has taken from."""
    first = first_of_budget(stand)
    stand.call("create_gift_card", first)
    return create(budget=json.loads(first["body"])["budget"])


def later(stand: Stand) -> Event:
    """A create whose caller does not wait."""
    event = create()
    event["headers"]["Prefer"] = "respond-async"
    event["multiValueHeaders"]["Prefer"] = ["respond-async"]
    return event


def check_status() -> Event:
    """POST /activations/status-check, each of another card."""
    return request("/activations/status-check", {"cardNumber": next(CARDS)})


def new_order() -> Event:
    """POST /orders."""
    return request("/orders", {"format": "csv"}, key=new_key())


def on(route: str, make: Callable[[Stand], str]) -> Callable[[Stand], Event]:
    """A route of one record that is made first."""
    return lambda stand: request(route, requestId=make(stand))


def on_card(action: str) -> Callable[[Stand], Event]:
    """A route of a card."""
    return on("/gift-cards/{requestId}" + action, issued)


def on_activation(action: str) -> Callable[[Stand], Event]:
    """A route of an activated card."""
    return on("/activations/{requestId}" + action, lambda stand: _made(stand, "activate_gift_card", activate()))


def on_load(action: str) -> Callable[[Stand], Event]:
    """A route of a balance that was loaded."""
    return on("/balance-loads/{requestId}" + action, lambda stand: _made(stand, "load_amazon_balance", top_up()))


def _made(stand: Stand, function: str, event: Event) -> str:
    request_id: str = stand.call(function, event)["requestId"]
    return request_id


def unknown(stand: Stand) -> str:
    """A card whose responses were all lost; its recovery has begun, and died."""
    # Without a wait for its permit: that would take the time of its only try, and what has not left is not unknown.
    stand.clock.sleep(WAIT_SECONDS_MAX)
    stand.sandbox.script.add(_LOST)
    told = stand.call("create_gift_card", create(), seconds=ONE_TRY_SECONDS)
    stand.sandbox.script.clear()
    request_id: str = told["requestId"]
    return request_id


def escalated(stand: Stand) -> str:
    """A card that nobody knows of after a day; its request id."""
    request_id = unknown(stand)
    stand.sandbox.script.add(_LOST)
    task, epoch = "Look", int(item_of(stand, request_id)["epoch"]["N"])
    while task not in {"Escalated", "Done"}:
        event = {"task": task, "requestId": request_id, "epoch": epoch}
        task = stand.run("recover_request", event, seconds=ONE_TRY_SECONDS)["next"]
        # Far faster than the workflow would, to whom the day is more than a hundred tries.
        stand.clock.sleep(6 * 3600)
    stand.sandbox.script.clear()
    return request_id


def recovered(task: str) -> Callable[[Stand], Event]:
    """A task of the workflow, for a card whose responses were all lost."""

    def event(stand: Stand) -> Event:
        request_id = unknown(stand)
        stand.clock.sleep(60)
        item = item_of(stand, request_id)
        return {"task": task, "requestId": request_id, "epoch": int(item["epoch"]["N"])}

    return event


def queued(stand: Stand) -> Event:
    """The message of a request that waits in the backlog."""
    return {"Records": [{"body": json.dumps({"requestId": _made(stand, "create_gift_card", later(stand))})}]}


def streamed(stand: Stand) -> Event:
    """The stream's record of a card that has just been issued."""
    stand.fresh_count()
    request_id = issued(stand)
    before = next(item for item in stand.calls.puts if item["id"]["S"] == request_id)
    number = new_key().removeprefix("key-")
    images = {"OldImage": before, "NewImage": item_of(stand, request_id), "SequenceNumber": number}
    return {"Records": [{"eventID": number, "eventName": "MODIFY", "dynamodb": images}]}


def item_of(stand: Stand, request_id: str) -> dict[str, Any]:
    """A record as the ledger holds it."""
    table = stand.environment["LEDGER_TABLE"]
    item: dict[str, Any] = stand.client().get_item(TableName=table, Key={"id": {"S": request_id}})["Item"]
    return item


def funds_were_asked(stand: Stand, seconds: float = 0.0) -> Event:
    """GET /funds, and the balance was told so long ago."""
    stand.call("get_available_funds", request("/funds"))
    stand.clock.sleep(seconds)
    return request("/funds")


def a_search(stand: Stand) -> Event:
    """GET /requests of today."""
    for _ in range(3):
        issued(stand)
    today = stand.clock.now().date().isoformat()
    return request("/requests") | {"queryStringParameters": {"from": today, "to": today}}


def a_key_is_looked_up(stand: Stand) -> Event:
    """GET /requests of a key that a card was issued under."""
    order = create()
    _made(stand, "create_gift_card", order)
    return request("/requests", key=order["headers"]["Idempotency-Key"])


def activity(stand: Stand) -> Event:
    """GET /activity of today, when it may be asked for again."""
    today = stand.clock.now().date().isoformat()
    stand.clock.sleep(120)
    return request("/activity") | {"queryStringParameters": {"from": today, "to": today}}


def an_order(stand: Stand, rows: int = 3) -> str:
    """A bulk order whose file is there; its id."""
    order_id: str = stand.call("create_order", new_order())["orderId"]
    lines = "key,amount,currency\n" + "".join(f"{order_id}-{number},10.00,USD\n" for number in range(rows))
    stand.client("s3").put_object(
        Bucket=stand.environment["ORDERS_BUCKET"], Key=f"orders/{order_id}/upload", Body=lines.encode()
    )
    return order_id


def on_order(action: str) -> Callable[[Stand], Event]:
    """A route of a bulk order that is made first."""
    return lambda stand: request("/orders/{orderId}" + action, orderId=an_order(stand))


def approved(stand: Stand) -> Event:
    """A second person's approval of an order, as it is shown."""
    order_id, digest, until = an_order(stand), "0" * 64, stand.clock.now() + timedelta(days=1)
    maker = ["arn:aws:iam::123456789012:user/maker", "AIDAMAKERMAKER000001"]
    waiting = {
        "status": "AWAITING_APPROVAL",
        "round": 1,
        "rows": 3,
        "rowsName": f"orders/{order_id}/rows",
        "rowsDigest": order_id,
        "totals": '{"USD": "30.00"}',
        "makers": [maker],
        "approvalDigest": digest,
        "approvalUntil": until,
    }
    expression = Expression()
    sets = [f"{expression.name(name)} = {expression.value(value)}" for name, value in waiting.items()]
    stand.client("dynamodb").update_item(
        TableName=stand.environment["ORDERS_TABLE"],
        Key=key_of(order_id, ORDER),
        UpdateExpression=f"SET {', '.join(sets)}",
        **expression.arguments,
    )
    body = {"digest": digest, "total": {"amount": "30.00", "currencyCode": "USD"}}
    event = request("/orders/{orderId}/approve", body, orderId=order_id)
    who = {"userArn": "arn:aws:iam::123456789012:user/approver", "caller": "AIDAAPPROVER00000001"}
    event["requestContext"] |= {"identity": who | {"user": who["caller"]}}
    return event


def progress(order_id: str, task: str, **more: object) -> Event:
    """The event of one of the order workflow's tasks."""
    return {"orderId": order_id, "task": task, "round": 1, "done": 0, "settled": 0, "waited": 0} | more


def swept(stand: Stand) -> Event:
    """The schedule's event, when nothing is left to take up."""
    # Whatever others have left open is taken up now.
    stand.run("sweep_requests", {})
    return {}


def watched(stand: Stand) -> Event:
    """The schedule's event, a quarter of an hour after the last one, about noon, while a request is open."""
    unknown(stand)
    to_noon(stand, days=1)
    # What has changed since then is not told again.
    stand.run("watch_account", {})
    stand.clock.sleep(900)
    return {}


def frozen(stand: Stand) -> Event:
    """POST /accounts/default/unfreeze, of an account that is frozen."""
    stand.call(
        "control_account", request("/accounts/{account}/freeze", {"reason": "A key has leaked"}, account="default")
    )
    return request("/accounts/{account}/unfreeze", account="default")


def book_day(stand: Stand) -> str:
    """A booking day that has begun, and on which nothing has happened yet."""
    to_noon(stand, days=3)
    return stand.clock.now().date().isoformat()


def to_noon(stand: Stand, days: int) -> None:
    """Long after whatever was before: noon of a later day."""
    noon = stand.clock.now().replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=days)
    stand.clock.sleep((noon - stand.clock.now()).total_seconds())


def run(day: str) -> Event:
    """POST .../run of a booking day."""
    return request("/reconciliations/{account}/{day}/run", account="default", day=day)


def a_task(told: Event) -> Event:
    """The next event of a round's workflow."""
    return {"task": told["next"]} | {name: told[name] for name in ("account", "day", "round", "pages")}


def begun_round(stand: Stand, *tasks: str) -> Event:
    """The event of the next task of a round, whose first tasks are done."""
    told = stand.call("control_books", run(book_day(stand))) | {"next": "Plan", "pages": 0}
    for task in tasks:
        if told["next"] != task:
            raise RuntimeError(f"{task} was to come, not {told['next']}")
        told = stand.run("reconcile_account", a_task(told))
    return a_task(told)


def on_judged_day(stand: Stand) -> Event:
    """GET of a booking day that is judged."""
    day = begun_round(stand, "Plan", "Fetch", "Judge")["day"]
    return request("/reconciliations/{account}/{day}", account="default", day=day)


def blocked_close(stand: Stand) -> Event:
    """POST /closes of a month of which a day was begun and never read."""
    last = stand.clock.now().date().replace(day=1) - timedelta(days=1)
    name = f"closing-{next(_NUMBERS)}"
    container.books.keep_day(None, BooksDay(account=name, day=last))
    return request("/closes/{account}/{month}", account=name, month=last.isoformat()[:7])


def started(stand: Stand) -> str:
    """A bulk order that was told to start; its id."""
    order_id = an_order(stand)
    stand.call("control_order", request("/orders/{orderId}/start", orderId=order_id))
    return order_id


def validated(stand: Stand) -> str:
    """A bulk order whose rows may be issued; its id."""
    order_id = started(stand)
    stand.run("process_order", progress(order_id, "Validate"))
    return order_id
