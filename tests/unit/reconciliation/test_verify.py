"""Closed books that somebody changed: the file is named, whichever it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from incentives.domain.reconciliation.close_files import canonical, sha256
from incentives.domain.reconciliation.days import days_of
from incentives.domain.reconciliation.findings import FileRef, Kind
from incentives.domain.reconciliation.verify import VerifiedMonth, months, verify, versions
from incentives.usecases.reconciliation.get_books import get_movements
from incentives.usecases.reconciliation.sign_off import sign_off
from tests.unit.reconciliation.months import ACCOUNT, BERT, MONTH, OPENING, Shop, finding, november

LATER = "2026-12"
FOLDER = f"{ACCOUNT}/closes/{MONTH}/v1/"


@pytest.fixture(scope="module")
def books() -> tuple[dict[str, bytes], str]:
    """Two closed months with everything in them, the first one signed off; and the hash of the head."""
    stranger = finding(Kind.UNKNOWN_TO_LEDGER, "Stranger1", date(2026, 11, 3))
    item = finding(Kind.IN_TRANSIT, "Parts9", date(2026, 11, 30), 2500)
    shop = november(
        Shop(),
        d3={"rows": (2000,), "findings": [stranger]},
        d10={"rows": (2000,), "deposit": 30000},
        d20={"rows": (2000,), "foreign": 700},
        d30={"rows": (2000,), "open_items": [item]},
    )
    shop.resolve(stranger, "ours")
    (moved,) = get_movements(ACCOUNT, MONTH, shop.here)
    shop.name(moved.movement.movement_id, ("300.00", date(2026, 11, 10)))
    first = shop.close(opening=OPENING)[0].close
    assert first.manifest is not None
    sign_off(ACCOUNT, MONTH, first.manifest.sha256, BERT, shop.here)
    for day in days_of(LATER)[2:] + days_of("2027-01")[:2]:
        shop.judge(day, rows=(1000,))
    shop.go_to(date(2027, 1, 4))
    second = shop.close(LATER)[0].close
    assert second.manifest is not None
    pinned = {name: content for name, content in shop.files.files.items() if "/2027-" not in name}
    return pinned, second.manifest.sha256


def look(files: dict[str, bytes], head: str | None = None, month: str = LATER) -> list[VerifiedMonth]:
    return list(verify(ACCOUNT, month, 1, files.get, head=head))


def wrong(found: list[VerifiedMonth]) -> list[str]:
    return sorted({each.name for month in found for each in month.wrong})


def test_books_that_nobody_changed_are_whole(books: tuple[dict[str, bytes], str]) -> None:
    files, head = books
    found = look(files, head)
    assert wrong(found) == []
    assert [(each.month, each.signed_off_by) for each in found] == [(LATER, None), (MONTH, "sso:bert")]
    assert found[0].sha256 == head
    # Each month has its days' rows and judgements, five files, the manifest; of those two, one is signed.
    assert [each.files for each in found] == [31 * 2 + 5, 30 * 2 + 5 + 1]
    assert months(files, ACCOUNT) == [MONTH, LATER]
    assert versions(files, ACCOUNT, MONTH) == [1]


def test_one_byte_in_any_file_or_a_file_that_is_gone_is_named(books: tuple[dict[str, bytes], str]) -> None:
    files, head = books
    unused = {name for name in files if "judged" in name or "transactions" in name} - named(files)
    assert unused == set()
    for name, content in files.items():
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        assert name in wrong(look({**files, name: flipped}, head)), name
        gone = {other: its for other, its in files.items() if other != name}
        if name.endswith("signoff.json"):
            # That it was there, nothing says; that it is not, the report does.
            assert [month.signed_off_by for month in look(gone, head)] == [None, None]
        else:
            assert name in wrong(look(gone, head)), name


def named(files: dict[str, bytes]) -> set[str]:
    manifests = [json.loads(content) for name, content in files.items() if name.endswith("manifest.json")]
    return {each["name"] for manifest in manifests for each in (*manifest["files"], *manifest["judged"])}


def forged(files: dict[str, bytes], name: str, change: Callable[[bytes], bytes], **manifest: Any) -> dict[str, bytes]:
    """The files with one of them changed, and a manifest that has the new hash: nobody knows the hash of the head."""
    after = change(files[name])
    document = json.loads(files[FOLDER + "manifest.json"])
    for file in document["files"]:
        if file["name"] == name:
            file["sha256"] = sha256(after)
    content = canonical(document | manifest)
    gone = FOLDER + "signoff.json"
    return {each: its for each, its in files.items() if each != gone} | {name: after, FOLDER + "manifest.json": content}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("summary.csv", b"charges,600.00", b"charges,500.00"),
        ("allocation.csv", b"600.00,5.00,595.00", b"600.00,4.00,596.00"),
        ("allocation.csv", b"USD,7.00", b"USD,8.00"),
        ("open-items.csv", b"25.00", b"24.00"),
        ("differences.csv", b"resolved", b"explained"),
        ("balances.csv", b"part,,,300.00", b"part,,,299.00"),
    ],
)
def test_sums_tell_of_a_file_that_was_forged_with_its_hash(
    file: str, old: bytes, new: bytes, books: tuple[dict[str, bytes], str]
) -> None:
    files, _ = books
    name = FOLDER + file
    assert old in files[name]
    changed = forged(files, name, lambda content: content.replace(old, new))
    assert wrong(look(changed, month=MONTH)) == [name]
    # The month after has the hash of the manifest as it was.
    assert FOLDER + "manifest.json" in wrong(look(changed))


def test_rows_that_were_forged_are_not_the_sums_any_more(books: tuple[dict[str, bytes], str]) -> None:
    files, _ = books
    (name,) = [each for each in files if "2026-11-03" in each and "transactions" in each]
    changed = forged(files, name, lambda content: content.replace(b"-20.00", b"-19.00"))
    assert wrong(look(changed, month=MONTH)) == [FOLDER + "allocation.csv", FOLDER + "manifest.json"]
    longer = forged(files, name, lambda content: content + content.splitlines(keepends=True)[-1])
    assert wrong(look(longer, month=MONTH)) == [name]


def test_figures_that_do_not_add_up_are_named(books: tuple[dict[str, bytes], str]) -> None:
    files, _ = books
    figures = json.loads(files[FOLDER + "manifest.json"])["figures"] | {"closing": "1.00", "ledger": "1.00"}
    summary = FOLDER + "summary.csv"
    found = look(forged(files, summary, bytes, figures=figures), month=MONTH)
    told = [each.what for each in found[0].wrong if each.name.endswith("manifest.json")]
    assert told == [
        "opening + movements - charges + refunds is not closing",
        "ledger + bridge is not charges - refunds",
    ]


def test_the_chain_is_whole_or_it_is_told(books: tuple[dict[str, bytes], str]) -> None:
    files, _ = books
    head = f"{ACCOUNT}/closes/{LATER}/v1/manifest.json"
    document = json.loads(files[head])
    for previous in ({**document["previous"], "month": "2026-10"}, {**document["previous"], "name": "elsewhere"}):
        changed = {**files, head: canonical(document | {"previous": previous})}
        assert len(wrong(look(changed))) == 1
    unread = {**files, head: canonical({"format": 1})}
    assert wrong(look(unread)) == [head]


def test_one_person_is_not_two(books: tuple[dict[str, bytes], str]) -> None:
    files, head = books
    name = FOLDER + "signoff.json"
    document = json.loads(files[name]) | {"signedOffBy": "sso:anna"}
    del document["sha256"]
    forgery = canonical(document | {"sha256": sha256(canonical(document))})
    assert wrong(look({**files, name: forgery}, head)) == [name]


def test_a_file_is_what_the_manifest_says(books: tuple[dict[str, bytes], str]) -> None:
    files, head = books
    manifest = json.loads(files[FOLDER + "manifest.json"])
    ref = next(FileRef(**each) for each in manifest["files"] if each["name"].endswith("balances.csv"))
    # 60 levels, a movement and its part, and both ends.
    assert ref.rows == 64
    assert look(files, "0" * 64)[0].wrong[0].what.endswith(f"its hash is {head}, and was {'0' * 64}")
