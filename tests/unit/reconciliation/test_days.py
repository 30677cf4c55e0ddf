"""Booking days: in their zone, whatever its clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from incentives.domain.reconciliation.days import (
    bounds,
    day_of,
    days_between,
    days_of,
    next_month,
    previous_month,
    read_zone,
)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", date(2026, 3, 29), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),  # its midnight is skipped
        ("Africa/Cairo", date(2026, 4, 24), 23),  # likewise
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Asia/Kolkata", date(2026, 3, 29), 24),
    ],
)
def test_days_touch_and_every_second_is_in_one(zone: str, day: date, hours: float) -> None:
    place = read_zone(zone)
    start, end = bounds(day, place)
    assert end - start == timedelta(hours=hours)
    assert bounds(day + timedelta(days=1), place)[0] == end
    assert day_of(start, place) == day == day_of(end - timedelta(seconds=1), place)
    assert day_of(start - timedelta(seconds=1), place) == day - timedelta(days=1)


def test_a_stretch_touches_the_days_of_both_of_its_ends() -> None:
    late = datetime(2026, 11, 22, 23, 50, tzinfo=UTC)
    berlin = read_zone("Europe/Berlin")
    assert days_between(late, late + timedelta(minutes=20), read_zone("UTC")) == [
        date(2026, 11, 22),
        date(2026, 11, 23),
    ]
    assert days_between(late, late + timedelta(minutes=20), berlin) == [date(2026, 11, 23)]


def test_months_have_their_days() -> None:
    assert days_of("2028-02") == [date(2028, 2, n) for n in range(1, 30)]
    assert (previous_month("2026-01"), next_month("2026-12")) == ("2025-12", "2027-01")


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "0000-01", "0001-01", "9999-12", "2026-01 ", "", "2026/01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a month such as 2026-11"):
        days_of(text)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "/etc/passwd", "../zones", "tzdata.zi", "Europe", "Europe/"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        read_zone(name)
