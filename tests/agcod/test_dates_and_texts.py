from __future__ import annotations

from datetime import UTC, datetime

import pytest

from incentives.agcod.reading.dates import parse_date, parse_http_date
from incentives.agcod.reading.envelope import MESSAGE_LENGTH_MAX, clean_text

NOON = datetime(2032, 6, 10, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Thu Jun 10 12:00:00 UTC 2032",
        "Thu Jun 10 12:00:00 GMT 2032",
        "Thu Jun 10 21:00:00 GMT+09:00 2032",
        "Thu Jun 10 05:00:00 GMT-07:00 2032",
        " Thu Jun 10 12:00:00 UTC 2032 ",
        "2032-06-10T12:00:00Z",
        "2032-06-10T12:00:00",
        "2032-06-10 12:00:00",
        "2032-06-10T14:00:00+02:00",
        "20320610T120000Z",
    ],
)
def test_dates_that_amazon_writes(text: str) -> None:
    assert parse_date(text) == NOON


@pytest.mark.parametrize(
    "text",
    [
        None,
        1,
        "",
        "never",
        "Thu Jun 10 12:00:00 PDT 2032",
        "Jeu juin 10 12:00:00 UTC 2032",
        "Thu Foo 10 12:00:00 UTC 2032",
        "Thu Jun 31 12:00:00 UTC 2032",
        "Thu Jun 10 25:00:00 UTC 2032",
        "Thu Jun 10 12:00:00 GMT+99:00 2032",
        "Sat Jan 01 00:00:00 GMT+09:00 0001",
        "2032-13-01",
        "99999999T999999Z",
        "x" * 10_000,
    ],
)
def test_anything_else_is_no_date(text: object) -> None:
    assert parse_date(text) is None


def test_http_dates() -> None:
    assert parse_http_date("Thu, 10 Jun 2032 12:00:00 GMT") == NOON
    for text in (None, "", "yesterday", "Thu, 99 Jun 2032 12:00:00 GMT", "x" * 1000, "Thu, 10 Jun 2032 12:00:00 +9999"):
        assert parse_http_date(text) is None


@pytest.mark.parametrize(
    "secret",
    [
        "LJ49-AKDUV6-UYCP",
        "lj49-akduv6-uycp",
        "LJ49AKDUV6UYCP",
        "LJ49 AKDUV6 UYCP",
        "LJ49_AKDUV6_UYCP",
        "LJ49/AKDUV6/UYCP",
        "LJ49\u2013AKDUV6\u2013UYCP",
        "ZYXW-VUTS-RQPO",
        "1400000005567585358",
        "1400 0000 0556 7585 358",
        "123456789012345678901234567890",
    ],
)
@pytest.mark.parametrize("around", ["{}", "Code {} is used", "x{}", "({})", '"{}"'])
def test_a_text_keeps_no_code(secret: str, around: str) -> None:
    cleaned = clean_text(around.format(secret))
    assert cleaned is not None
    assert "removed" in cleaned
    for part in (secret, "UYCP", "uycp", "RQPO", "7585", "567890"):
        assert part not in cleaned


def test_a_text_keeps_no_secret_of_its_response() -> None:
    assert clean_text("it is abcd1, really", ["ABCD1"]) == "it is [removed], really"


def test_a_secret_of_a_letter_or_two_does_not_blot_out_the_text() -> None:
    assert clean_text("No card of that number", ["N", "o", "ABC"]) == "No card of that number"
    assert clean_text("No card of that number", ["N", "that"]) == "No card of [removed] number"


@pytest.mark.parametrize(
    "text",
    [
        "Amount must be larger than 0",
        "Rate exceeded",
        "The security token included in the request is invalid.",
        "class java.lang.String is not an expected Json type",
        "Request Id Too Long, Max allowed length is 19",
        "The card was already activated with a different request id",
    ],
)
def test_amazons_own_sentences_stay(text: str) -> None:
    assert clean_text(text) == text


def test_a_text_is_short_and_printable() -> None:
    cleaned = clean_text("a b\x00\n\ud800 " * 2000)
    assert cleaned is not None
    assert len(cleaned) <= MESSAGE_LENGTH_MAX
    assert cleaned.isprintable()
    assert cleaned.encode()
    assert clean_text(None) is None
    assert clean_text(5) is None
    assert clean_text("\n") is None
