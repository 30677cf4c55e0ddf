"""What is read off the code about metrics is what it counts."""

import json

import pytest

from incentives.aws.telemetry import PowertoolsTelemetry
from tests.template.emitted import FAMILIES, NAMESPACE, counted, exists, logged, ours


def test_what_is_read_off_the_code_is_what_it_counts() -> None:
    # plain ones, by operation, put together, and of one account: each kind of call is understood
    assert {
        ("Swept", frozenset[str]()),
        ("CardWithheld", frozenset({"operation"})),
        ("Request*", frozenset({"operation"})),
        ("Account*", frozenset[str]()),
        ("DaysRemaining", frozenset({"account"})),
    } <= counted()
    assert {name for name, _ in counted() if name.endswith("*")} == FAMILIES.keys()
    assert {"RequestSucceeded", "AttemptUnknown", "AccountFailed"} <= ours().keys()
    assert {"attempt", "failed", "alertNotTold"} <= logged()


@pytest.mark.parametrize("dimensions", [{}, {"operation": "CreateGiftCard"}, {"account": "default"}])
def test_a_metric_is_kept_by_the_dimensions_that_alarms_look_at(
    dimensions: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry = PowertoolsTelemetry("stack", NAMESPACE)
    name = {"operation": "RequestRefused", "account": "DaysRemaining"}.get(next(iter(dimensions), ""), "KeyRefused")
    # when it is counted
    telemetry.count(name, **dimensions)
    telemetry.flush()
    # then the log line says: by these dimensions and the service, together
    (directive,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], [each["Name"] for each in directive["Metrics"]]) == (NAMESPACE, [name])
    (kept_by,) = directive["Dimensions"]
    assert set(kept_by) == {"service", *dimensions}
    # and so they say
    assert exists(NAMESPACE, name, frozenset(kept_by))
    assert not exists(NAMESPACE, name, frozenset(dimensions))
