"""Callers' texts: one rule for all ways in."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incentives.domain.texts import TEXT_PATTERN, shown, why_no_text

#: Seen by nobody, or they turn the direction of what is seen.
UNSEEN = "\x00\n\x7f\x85\u00ad\u200b\u2028\u2029\u202e\u2066\ufeff\ud800\U000e0041"
#: Also a word of Persian with U+200C in it, and two people who are one emoji by U+200D.
WRITTEN = ["invoice 17", "J\u00fcrgen", "\u0645\u06cc\u200c\u062e", "\U0001f469\u200d\U0001f467", "a\u00a0b"]


@pytest.mark.parametrize("text", [f"a{each}b" for each in UNSEEN] + [" a", "a ", "a\u00a0", "\u3000a"], ids=ascii)
def test_what_nobody_sees_is_refused(text: str) -> None:
    assert why_no_text(text)


@pytest.mark.parametrize("text", WRITTEN, ids=ascii)
def test_what_people_write_is_taken(text: str) -> None:
    assert why_no_text(text) is None


def test_no_control_character_no_separator_and_no_half_is_forgotten() -> None:
    barred = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in {"Cc", "Cs", "Zl", "Zp"}]
    assert [each for each in barred if why_no_text(f"a{each}b") is None] == []


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1))
def test_the_documented_pattern_is_the_rule(text: str) -> None:
    assert bool(re.search(TEXT_PATTERN, text)) == (why_no_text(text) is None)


def test_a_text_is_shown_short_and_so_that_blanks_can_be_seen() -> None:
    assert shown("USD ") == '"USD "'
    assert shown("tw-1\u00a0\u200b") == '"tw-1<U+00A0><U+200B>"'
    assert shown("k" * 999 + " ") == f'"{"k" * 25}\u2026{"k" * 23} "'
