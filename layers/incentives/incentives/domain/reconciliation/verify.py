"""Are closed books still what they were? Told from their files alone: hashes, sums, and the chain from month to month.

    the head's hash  ->  manifest  ->  files, judged days, the manifest of the month before  ->  ...

Whoever kept the hash of the head elsewhere, such as the mail in which it went out, proves every file of every month by
it. Without it, a head that was written anew as a whole is not noticed.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from incentives.domain.reconciliation.close_files import (
    ALLOCATION,
    BALANCES,
    DIFFERENCES,
    MANIFEST,
    OPEN_ITEMS,
    SIGN_OFF,
    SUMMARY,
    canonical,
    name_of,
    sha256,
)
from incentives.domain.reconciliation.close_plan import FORMAT
from incentives.domain.reconciliation.days import days_of, previous_month

Get = Callable[[str], "bytes | None"]

#: What a month of ours is never without.
_MONTH_FILES: Final = (SUMMARY, ALLOCATION, OPEN_ITEMS, DIFFERENCES, BALANCES)

#: What reading a file raises that somebody wrote anew.
_UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, InvalidOperation, csv.Error)


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is not as it was closed: a file, and what is wrong with it."""

    name: str
    what: str


@dataclass(slots=True, kw_only=True)
class VerifiedMonth:
    """One month of the chain.

    Attributes:
        files: that were read and hashed.
        rows: of the files that the manifest names.
        signed_off_by: None: nobody has signed it.
        manifest: name and hash, as found.
        figures: as the manifest tells them.
    """

    month: str
    version: int | None = None
    manifest: str
    sha256: str | None = None
    currency: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)
    files: int = 0
    rows: int = 0
    signed_off_by: str | None = None
    wrong: list[Wrong] = field(default_factory=list)


def versions(names: Iterable[str], account: str, month: str) -> list[int]:
    """The versions of a month that have a manifest, of all names in the bucket."""
    pattern = re.compile(re.escape(f"{account}/closes/{month}/v") + "([1-9][0-9]*)/" + re.escape(MANIFEST))
    return sorted(int(found[1]) for name in names if (found := pattern.fullmatch(name)))


def months(names: Iterable[str], account: str) -> list[str]:
    """The months that have a manifest."""
    pattern = re.compile(re.escape(f"{account}/closes/") + "([0-9]{4}-[0-9]{2})/v[1-9][0-9]*/" + re.escape(MANIFEST))
    return sorted({found[1] for name in names if (found := pattern.fullmatch(name))})


def verify(account: str, month: str, version: int, get: Get, *, head: str | None = None) -> Iterator[VerifiedMonth]:
    """Verify a month and all months that it goes on from, newest first.

    Args:
        account: whose.
        month: the newest one.
        version: of it.
        get: reads a file by its whole name; None: there is none.
        head: hash that its manifest must have; None: whichever it has.
    """
    name, expected, later = name_of(account, month, version, MANIFEST), head, None
    while True:
        found = VerifiedMonth(month=month, manifest=name)
        manifest = _manifest(found, get, expected)
        if manifest is None:
            yield found
            return
        previous: Mapping[str, str] | None = None
        try:
            previous = _look_into(found, account, manifest, get)
            if later is not None:
                found.wrong += _beside_the_later(later, manifest)
        except _UNREADABLE:
            found.wrong.append(Wrong(name, "it is not written as this version writes it"))
        yield found
        if previous is None:
            return
        later, name, expected, month = manifest, previous["name"], previous["sha256"], previous["month"]


def _manifest(found: VerifiedMonth, get: Get, expected: str | None) -> dict[str, Any] | None:
    content = get(found.manifest)
    if content is None:
        found.wrong.append(Wrong(found.manifest, "is missing"))
        return None
    found.sha256 = sha256(content)
    if expected is not None and found.sha256 != expected:
        found.wrong.append(Wrong(found.manifest, f"was changed: its hash is {found.sha256}, and was {expected}"))
    try:
        manifest = json.loads(content)
        if canonical(manifest) != content or manifest["format"] != FORMAT:
            raise ValueError
    except _UNREADABLE:
        found.wrong.append(Wrong(found.manifest, "was changed: it is not written as this version writes it"))
        return None
    return dict(manifest)


def _look_into(found: VerifiedMonth, account: str, manifest: Mapping[str, Any], get: Get) -> Mapping[str, str] | None:
    """Check one month; return what names the month before it."""
    found.version, found.figures = manifest["version"], manifest["figures"]
    found.currency = manifest["currencyCode"]
    its_name = name_of(account, found.month, manifest["version"], MANIFEST)
    if (manifest["account"], manifest["month"], its_name) != (account, found.month, found.manifest):
        found.wrong.append(Wrong(found.manifest, f"is of {manifest['account']} {manifest['month']}"))
    contents = _files(found, manifest, get)
    for judged in manifest["judged"]:
        _same(found, judged, get)
    _sign_off(found, manifest, get)
    folder = found.manifest.removesuffix(MANIFEST)
    named = {file["name"] for file in manifest["files"]}
    for file in _MONTH_FILES:
        if folder + file not in named:
            found.wrong.append(Wrong(found.manifest, f"does not name {file}"))
    if len(contents) == len(manifest["files"]) and not found.wrong:
        # What was changed or is missing was told; sums of it would tell it again.
        found.wrong += _sums(manifest, folder, contents)
    previous = manifest["previous"]
    if previous is None:
        return None
    if previous["month"] != previous_month(found.month):
        found.wrong.append(Wrong(found.manifest, f"goes on from {previous['month']}"))
        return None
    return {name: str(previous[name]) for name in ("month", "name", "sha256")}


def _files(found: VerifiedMonth, manifest: Mapping[str, Any], get: Get) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    for file in manifest["files"]:
        content = _same(found, file, get)
        if content is None:
            continue
        contents[file["name"]] = content
        found.rows += file["rows"]
        if (rows := _rows(content)) != file["rows"]:
            found.wrong.append(Wrong(file["name"], f"has {rows} rows, and had {file['rows']}"))
    return contents


def _same(found: VerifiedMonth, file: Mapping[str, Any], get: Get) -> bytes | None:
    content = get(file["name"])
    if content is None:
        found.wrong.append(Wrong(file["name"], "is missing"))
        return None
    found.files += 1
    if sha256(content) != file["sha256"]:
        found.wrong.append(Wrong(file["name"], f"was changed: its hash is {sha256(content)}, and was {file['sha256']}"))
        return None
    return content


def _sign_off(found: VerifiedMonth, manifest: Mapping[str, Any], get: Get) -> None:
    name = found.manifest.removesuffix(MANIFEST) + SIGN_OFF
    content = get(name)
    if content is None:
        return
    found.files += 1
    try:
        document = json.loads(content)
        own = document.pop("sha256")
        is_whole = own == sha256(canonical(document)) and canonical(document | {"sha256": own}) == content
        signed, by = document["manifest"]["sha256"], document["signedOffBy"]
        version, closed_by = document["version"], document["closedBy"]
    except _UNREADABLE:
        is_whole, signed, by, version, closed_by = False, None, None, None, None
    if not is_whole:
        found.wrong.append(Wrong(name, "was changed: it is not what was signed"))
    elif (signed, version) != (found.sha256, manifest["version"]):
        found.wrong.append(Wrong(name, f"is for a manifest with the hash {signed}"))
    elif by == closed_by:
        found.wrong.append(Wrong(name, f"is by {by}, who closed the month"))
    else:
        found.signed_off_by = by


# ---- sums ------------------------------------------------------------------------------------------------------------


def _table(content: bytes) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)


def _rows(content: bytes) -> int:
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        return sum(1 for _ in lines) - 1
    except _UNREADABLE:
        return -1


def _sums(manifest: Mapping[str, Any], folder: str, contents: Mapping[str, bytes]) -> Iterator[Wrong]:
    figures = {name: Decimal(value) for name, value in manifest["figures"].items() if name != "currencyCode"}
    yield from _sums_of_figures(folder + MANIFEST, figures, has_balance=manifest["hasBalance"])
    told = {line["figure"]: line["value"] for line in _table(contents[folder + SUMMARY])}
    for name, value in manifest["figures"].items():
        if told.get(name) != value:
            yield Wrong(folder + SUMMARY, f"says {told.get(name)} of {name}, and the manifest {value}")
    yield from _sums_of_rows(manifest, folder, figures, contents)
    yield from _sums_of_open_items(
        folder + OPEN_ITEMS, figures, manifest["currencyCode"], contents[folder + OPEN_ITEMS]
    )
    if manifest["hasBalance"]:
        yield from _sums_of_balances(folder + BALANCES, figures, contents[folder + BALANCES])
    standing = [line["standing"] for line in _table(contents[folder + DIFFERENCES])]
    if any(figures[f"differences.{each}"] != standing.count(each) for each in ("resolved", "cleared")):
        yield Wrong(folder + DIFFERENCES, "has other differences than the manifest counts")


@dataclass(slots=True)
class _Sums:
    """Charges and refunds in one currency."""

    charges: Decimal = Decimal(0)
    refunds: Decimal = Decimal(0)
    charges_count: int = 0
    refunds_count: int = 0

    def add(self, signed: Decimal) -> None:
        if signed < 0:
            self.charges, self.charges_count = self.charges - signed, self.charges_count + 1
        else:
            self.refunds, self.refunds_count = self.refunds + signed, self.refunds_count + 1


def _sums_of_rows(
    manifest: Mapping[str, Any], folder: str, figures: Mapping[str, Decimal], contents: Mapping[str, bytes]
) -> Iterator[Wrong]:
    name, currency = folder + MANIFEST, manifest["currencyCode"]
    days = [file["name"] for file in manifest["files"] if not file["name"].startswith(folder)]
    first = date.fromisoformat(manifest["firstDay"])
    expected = [day.isoformat() for day in days_of(manifest["month"]) if day >= first]
    if len(days) != len(expected) or [judged["day"] for judged in manifest["judged"]] != expected:
        yield Wrong(name, f"names the transactions of {len(days)} days, and the month has {len(expected)}")
    rows: dict[str, _Sums] = {currency: _Sums()}
    for line in (line for day in days for line in _table(contents[day])):
        rows.setdefault(line["currencyCode"], _Sums()).add(Decimal(line["signedAmount"]))
    groups: dict[str, list[Decimal]] = {code: [Decimal(0)] * 4 for code in rows}
    for line in _table(contents[folder + ALLOCATION]):
        group = groups.setdefault(line["currencyCode"], [Decimal(0)] * 4)
        for place, column in enumerate(("gross", "refunds", "net", "rows")):
            group[place] += Decimal(line[column])
    for code, group in sorted(groups.items()):
        its = rows.get(code, _Sums())
        if group != [its.charges, its.refunds, its.charges - its.refunds, its.charges_count + its.refunds_count]:
            yield Wrong(folder + ALLOCATION, f"its sums in {code} are not those of the days' transactions")
        suffix = "" if code == currency else f".{code}"
        if (figures.get(f"charges{suffix}"), figures.get(f"refunds{suffix}")) != (its.charges, its.refunds):
            yield Wrong(name, f"its charges and refunds in {code} are not those of the days' transactions")
    its = rows[currency]
    if [figures["charges.count"], figures["refunds.count"]] != [its.charges_count, its.refunds_count]:
        yield Wrong(name, "it counts other charges and refunds than the days' transactions have")


def _sums_of_figures(name: str, figures: Mapping[str, Decimal], *, has_balance: bool) -> Iterator[Wrong]:
    net = figures["charges"] - figures["refunds"]
    if has_balance and figures["opening"] + figures["movements"] - net != figures["closing"]:
        yield Wrong(name, "opening + movements - charges + refunds is not closing")
    bridge = sum((amount for figure, amount in figures.items() if figure.startswith("bridge.")), Decimal(0))
    if figures["ledger"] + bridge != net:
        yield Wrong(name, "ledger + bridge is not charges - refunds")
    for end in ("", ".count"):
        opening, new, ended, closing = (figures[f"openItems.{n}{end}"] for n in ("opening", "new", "ended", "closing"))
        if opening + new - ended != closing:
            yield Wrong(name, "open items: opening + new - ended is not closing")


def _sums_of_open_items(name: str, figures: Mapping[str, Decimal], currency: str, content: bytes) -> Iterator[Wrong]:
    changes = {"opening": {"carried", "ended"}, "new": {"new"}, "ended": {"ended"}, "closing": {"carried", "new"}}
    lines = list(_table(content))
    for figure, kinds in changes.items():
        its = [line for line in lines if line["change"] in kinds]
        amount = sum((Decimal(line["amount"]) for line in its if line["currencyCode"] == currency), Decimal(0))
        if [figures[f"openItems.{figure}.count"], figures[f"openItems.{figure}"]] != [Decimal(len(its)), amount]:
            yield Wrong(name, f"its {figure} open items are not those of the manifest")


def _sums_of_balances(name: str, figures: Mapping[str, Decimal], content: bytes) -> Iterator[Wrong]:
    lines = list(_table(content))

    def total(record: str) -> Decimal:
        return sum((Decimal(line["amount"]) for line in lines if line["record"] == record), Decimal(0))

    for figure, record in {"opening": "opening", "movements": "part", "closing": "closing"}.items():
        if total(record) != figures[figure]:
            yield Wrong(name, f"its {figure} is not that of the manifest")


def _beside_the_later(later: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[Wrong]:
    """What a month ends with is what the next begins with."""
    name = name_of(later["account"], later["month"], later["version"], MANIFEST)
    pairs = {"openItems.closing": "openItems.opening", "openItems.closing.count": "openItems.opening.count"}
    if later["hasBalance"] and manifest["hasBalance"]:
        pairs["closing"] = "opening"
    for end, start in pairs.items():
        if manifest["figures"][end] != later["figures"][start]:
            yield Wrong(name, f"begins with another {start} than {manifest['month']} ended with")
