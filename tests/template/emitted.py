"""Every metric that can be looked at, with the dimensions it is kept by: ours as the code counts them, and AWS's."""

import ast
import typing
from collections.abc import Iterator
from functools import cache

from incentives.domain.outcomes import Outcome, ReversalOutcome
from incentives.domain.single_requests.record import Status
from tests.template.transformed import ROOT

Dimensions = frozenset[str]
NAMESPACE = "IncentivesGateway"
# Powertools adds it to every metric.
SERVICE = "service"

_ENDS = tuple(each.__name__ for kind in (Outcome, ReversalOutcome) for each in typing.get_args(kind))
#: What the code puts together, and all that can come of it.
FAMILIES: dict[str, frozenset[str]] = {
    "Attempt*": frozenset(f"Attempt{name}" for name in _ENDS),
    "Request*": frozenset(f"Request{status.value.title()}" for status in Status),
    "Account*": frozenset({"AccountWatched", "AccountFailed", "AccountSkipped"}),
}

#: By namespace and metric: the sets of dimensions that AWS keeps it by.
# Sources: the metrics' pages in the guides of Lambda, Step Functions, SQS and API Gateway (REST).
_BY_FUNCTION = [frozenset({"FunctionName"})]
_BY_MAPPING = [frozenset({"EventSourceMappingUUID"})]
_BY_MACHINE = [frozenset({"StateMachineArn"})]
_BY_QUEUE = [frozenset({"QueueName"})]
_BY_API = [frozenset({"ApiName"}), frozenset({"ApiName", "Stage"})]
OF_AWS: dict[tuple[str, str], list[Dimensions]] = {
    **{
        ("AWS/Lambda", name): _BY_FUNCTION for name in ("Invocations", "Errors", "Throttles", "Duration", "IteratorAge")
    },
    ("AWS/Lambda", "OnFailureDestinationDeliveredEventCount"): _BY_MAPPING,
    **{
        ("AWS/States", f"Executions{end}"): _BY_MACHINE
        for end in ("Started", "Succeeded", "Failed", "TimedOut", "Aborted")
    },
    **{
        ("AWS/SQS", name): _BY_QUEUE
        for name in (
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateAgeOfOldestMessage",
        )
    },
    **{("AWS/ApiGateway", name): _BY_API for name in ("Count", "4XXError", "5XXError", "Latency")},
}


def exists(namespace: str, metric: str, dimensions: Dimensions) -> bool:
    """Whether anybody keeps such a metric by these dimensions."""
    if namespace == NAMESPACE:
        return dimensions in ours().get(metric, set())
    return dimensions in OF_AWS.get((namespace, metric), [])


@cache
def ours() -> dict[str, set[Dimensions]]:
    """Our own metrics, read off the calls that count them."""
    found: dict[str, set[Dimensions]] = {}
    for name, dimensions in counted():
        for each in FAMILIES[name] if name.endswith("*") else {name}:
            found.setdefault(each, set()).add(dimensions | {SERVICE})
    return found


@cache
def counted() -> frozenset[tuple[str, Dimensions]]:
    """Name (or what a name begins with, and a star) and dimensions of every call of `telemetry.count`."""
    return frozenset(each for tree in _trees() for each in _counted_in(tree))


@cache
def logged() -> frozenset[str]:
    """What log lines say: the first word of every call of `telemetry.log`."""
    calls = (node for tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.Call))
    return frozenset(
        argument.value
        for call in calls
        if (isinstance(call.func, ast.Attribute) and call.func.attr == "log")
        or (isinstance(call.func, ast.Name) and call.func.id == "log")
        for argument in _choices(call.args[0])
        if isinstance(argument.value, str)
    )


def _choices(node: ast.expr) -> Iterator[ast.Constant]:
    match node:
        case ast.Constant():
            yield node
        case ast.IfExp():
            yield from (*_choices(node.body), *_choices(node.orelse))
        case _:
            return


def _trees() -> list[ast.Module]:
    folders = (ROOT / "layers" / "incentives" / "incentives", ROOT / "functions")
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return [ast.parse(file.read_text(encoding="utf-8"), str(file)) for file in files]


def _counted_in(tree: ast.Module) -> Iterator[tuple[str, Dimensions]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=of, attr="count"), args=[name, *_]) if _is_telemetry(of):
                dimensions = frozenset(str(word.arg) for word in node.keywords if word.arg != "unit")
                match name:
                    case ast.Constant(value=str(text)):
                        yield text, dimensions
                    case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
                        yield f"{text}*", dimensions
                    case ast.Name():
                        # Names of the figures of one account are the keywords of its caller.
                        yield from ((figure, dimensions) for figure in _figures(tree))
                    case _:
                        raise AssertionError(f"cannot tell what is counted: {ast.unparse(node)}")
            case _:
                pass


def _figures(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_measure":
            yield from (str(word.arg) for word in node.keywords)


def _is_telemetry(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id == "telemetry") or (
        isinstance(node, ast.Attribute) and node.attr in {"telemetry", "_telemetry"}
    )
