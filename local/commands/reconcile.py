"""The books day by day: ``make reconcile``; one, run and watched: ``make reconcile ARGS="--day 2026-11-22 --watch"``.

``make reconcile STATEMENT=download.csv`` uploads what a person downloaded from Amazon's portal: its columns are mapped
on this machine, and nothing but the mapped ones leaves it.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer

from incentives.domain.reconciliation.days import day_of, read_zone
from incentives.domain.reconciliation.rows import FAILED, SUCCESS, read_activity_types
from incentives.domain.reconciliation.statement_files import FILE_BYTES_MAX, REQUIRED
from local.calls import called, listed, put
from local.settings import RefusedError
from local.statement import CONSTANTS, SIGNS, Mapped, Reading, check_columns, header_of, mapped, words_of
from local.target import Target, reach
from local.terminal import AsJson, StackVariable, bar, console, print_json, table

Day = dict[str, Any]

LOOK_SECONDS: Final = 2.0
#: Of differences that are shown: more than a person reads.
SHOWN_MAX: Final = 200
#: Of rows that are shown as they were understood.
ROWS_SHOWN: Final = 5

#: What to do about each kind, in a line; docs/month-end.md has the rest.
ADVICE: Final[Mapping[str, str]] = {
    "inTransit": "ends by itself",
    "escalated": "settle it: settledCharged or settledRefunded",
    "unknownToLedger": "somebody else has the key? See docs/month-end.md",
    "missingAtAmazon": "ask Amazon: we hold it as issued",
    "refundedUnexpectedly": "ask Amazon: money came back for a live card",
    "chargedUnexpectedly": "ask Amazon: a charge for what was refused or reversed",
    "chargedTwice": "ask Amazon: one charge too many",
    "amountDiffers": "ask Amazon: another amount than was ordered",
    "unreadableRow": "look at the row at Amazon",
}


@dataclass(frozen=True)
class Books:
    """The books of one account of a deployment."""

    target: Target
    account: str

    def call(self, method: str, route: str, body: object = None) -> dict[str, Any]:
        """See `calls.called`."""
        return called(self.target, method, route, body)

    def days(self, first: date | None, last: date | None) -> Iterator[Day]:
        """Days, oldest first."""
        query = {"account": self.account}
        query |= {"from": first.isoformat()} if first else {}
        query |= {"to": last.isoformat()} if last else {}
        return listed(self.target, "/reconciliations", "days", query)

    def day(self, day: str, kind: str | None = None) -> Day:
        """One day, with its first differences."""
        found: Day = {}
        query = {"kind": kind} if kind else {}
        while True:
            page = self.call("GET", f"{self._of(day)}?{urlencode(query)}")
            found = {**page, "differences": [*found.get("differences", []), *page["differences"]]}
            if page["cursor"] is None or len(found["differences"]) >= SHOWN_MAX:
                return found
            query["cursor"] = page["cursor"]

    def run(self, day: str) -> Day:
        """Begin a round of a day."""
        return self.call("POST", f"{self._of(day)}/run")

    def take(self, content: bytes, sha256: str, first: date, last: date) -> list[Day]:
        """Upload a statement in canonical columns, and have it read."""
        body = {"from": first.isoformat(), "to": last.isoformat(), "sha256": sha256}
        made = self.call("POST", f"/reconciliations/{self.account}/statements", body)
        put(self.target, made["upload"], content, "statement")
        route = f"/reconciliations/{self.account}/statements/{made['statementId']}/read"
        return list(self.call("POST", route)["days"])

    def _of(self, day: str) -> str:
        return f"/reconciliations/{self.account}/{day}"


def main(
    *,
    account: Annotated[str | None, typer.Option(help="of the deployment; its default one if absent")] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="first booking day")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="last booking day")] = None,
    day: Annotated[str | None, typer.Option(metavar="DAY", help="show this one, with its differences")] = None,
    kind: Annotated[str | None, typer.Option(help="with --day: only differences of this kind")] = None,
    run: Annotated[bool, typer.Option("--run", help="with --day: begin another round")] = False,
    watching: Annotated[bool, typer.Option("--watch", help="with --day: the same, and watch it")] = False,
    statement: Annotated[Path | None, typer.Option(envvar="STATEMENT", help="a download from Amazon's portal")] = None,
    mapping: Annotated[Path | None, typer.Option(help="how it is read, as --keep-mapping wrote it")] = None,
    keep_mapping: Annotated[Path | None, typer.Option(help="write how it is read into this file")] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--map", help="requestId=Order ID ...; currencyCode==USD: the same for all rows")
    ] = None,
    zone: Annotated[str, typer.Option(help="of the download's times, such as Europe/Berlin")] = "",
    time_format: Annotated[str, typer.Option(help="of its times, such as %m/%d/%Y %H:%M:%S")] = "",
    twice: Annotated[str, typer.Option(help="which hour is meant when clocks are set back: first or second")] = "",
    signs: Annotated[str, typer.Option(help=f"whose amounts have a minus sign: {', '.join(SIGNS)}")] = "",
    decimal: Annotated[str, typer.Option(help="begins the decimals of its amounts")] = "",
    thousands: Annotated[str, typer.Option(help="groups the digits of its amounts")] = "",
    types: Annotated[str, typer.Option(help="Gift card=GCCreation,Deposit= (empty: leave such rows out)")] = "",
    statuses: Annotated[str, typer.Option(help="Completed=Success,Declined=Failed")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="upload without asking")] = False,
    stack: StackVariable = None,
    as_json: AsJson = False,
) -> int:
    """Show how days stand; reconcile one and watch it; or upload a statement.

    Ends with 0 if nothing is unresolved, 1 if something is, 2 for what cannot be done as asked, 3 while it goes on.
    """
    _refuse_nonsense(day, of_a_day={"--kind": kind is not None, "--run": run, "--watch": watching}, statement=statement)
    target = reach(stack)
    books = Books(target, account or target.parameters.get("DefaultAccount") or "default")
    try:
        if statement is not None:
            reading = Reading.load(mapping) if mapping else Reading()
            reading = reading.with_said(
                columns=_pairs(columns or [], "--map"),
                zone=zone,
                time_format=time_format,
                twice=twice,
                signs=signs,
                decimal=decimal,
                thousands=thousands,
                types=_pairs(types.split(",") if types else [], "--types"),
                statuses=_pairs(statuses.split(",") if statuses else [], "--statuses"),
            )
            days = _upload(
                books,
                statement,
                reading,
                first=_day(first, "--from"),
                last=_day(last, "--to"),
                keep=keep_mapping,
                yes=yes,
            )
            return _told(days, as_json=as_json)
        if day is None:
            found = list(books.days(_day(first, "--from"), _day(last, "--to")))
            return _told(found, as_json=as_json)
        on = _day(day, "--day")
        if on is None:
            raise RefusedError("name a day")
        if run or watching:
            started = books.run(on.isoformat())
            if watching:
                watch(books, started, silent=as_json)
        shown = books.day(on.isoformat(), kind)
    except KeyboardInterrupt:
        print("\nThe round goes on by itself.")
        return 3
    if as_json:
        print_json(shown)
    else:
        console().print(days_table([shown]))
        print("\n".join(differences(shown)), flush=True)
    return status_of([shown])


def _refuse_nonsense(day: str | None, *, of_a_day: Mapping[str, bool], statement: Path | None) -> None:
    # What is not said of a day would begin nothing, and look as if it had.
    given = [name for name, is_given in of_a_day.items() if is_given]
    if day is None and given:
        raise RefusedError(f"{' and '.join(given)} {'need' if len(given) > 1 else 'needs'} --day: of which day?")
    if statement is not None and day is not None:
        raise RefusedError("--day shows a day, STATEMENT uploads a download: one at a time")


def watch(books: Books, day: Day, *, silent: bool = False) -> Day:
    """Show how far a round is until it has ended; return the day as it then stands."""
    said = ""
    with bar("", silent=silent) as show:
        while day["underWay"]:
            line = progress(day)
            reading = day["reading"] or {"read": 0, "windows": None}
            show(description=line, completed=reading["read"], total=reading["windows"])
            if line != said and not silent and not console().is_terminal:
                print(line, flush=True)
                said = line
            time.sleep(LOOK_SECONDS)
            day = next(books.days(date.fromisoformat(day["day"]), date.fromisoformat(day["day"])))
    return day


def progress(day: Day) -> str:
    """One line: how far the round is."""
    reading = day["reading"]
    if reading is None:
        return f"{day['day']}: round {day['round']} is under way"
    return f"{day['day']}: {reading['read']} of {reading['windows']} pages read, one a minute"


def days_table(days: Sequence[Day]) -> Any:  # noqa: ANN401 - of the library that prints it
    """Days as a table."""
    made = table("Day", "Status", "Charges", "Amount", "Refunds", "Amount", "Open", "Unresolved", "Source")
    for each in days:
        sums = [
            cell
            for name in ("charges", "refunds")
            for cell in ((f"{each[name]['count']:,}", each[name]["amount"]) if each[name] else ("", ""))
        ]
        made.add_row(
            each["day"], each["status"], *sums, str(each["openItems"]), str(each["unresolved"]), each["source"] or ""
        )
    return made


def differences(day: Day) -> Iterator[str]:
    """A day's differences and open items, one line each, by kind."""
    if day["incomplete"]:
        yield f"Not all of its rows can be read: {day['incomplete']}."
    kind = None
    for each in day["differences"]:
        if each["kind"] != kind:
            kind = each["kind"]
            yield f"\n{kind}: {ADVICE.get(kind, '')}"
        resolution = each["resolution"]
        ledger = each["ledger"]
        parts = [
            each["requestId"] or each["amazon"]["unreadable"] or "a row without a request id",
            f"{each['amount']} {each['currencyCode']}",
            f"here {ledger['status']} {ledger['amount']}" if ledger else "not in the ledger",
            f"Amazon: {each['amazon']['charges']} charged, {each['amazon']['refunds']} refunded",
            f"id {each['differenceId']}",
            f"resolved {resolution['reason']}: {resolution['note']}" if resolution else "",
        ]
        yield "  " + "  ".join(part for part in parts if part)
    if not day["differences"]:
        yield "\nNo differences, and nothing open."
    if day["cursor"] is not None:
        yield f"\nThere are more than these {len(day['differences'])}: --kind shows those of one kind."


def status_of(days: Sequence[Day]) -> int:
    """The exit status for days that are shown."""
    if any(each["unresolved"] or each["status"] == "INCOMPLETE" for each in days):
        return 1
    return 0


def _told(days: Sequence[Day], *, as_json: bool) -> int:
    if as_json:
        print_json(days)
    elif days:
        console().print(days_table(days))
    else:
        print("The books have none of these days yet.")
    return status_of(days)


def _day(text: str | None, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise RefusedError(f"{option} must be a day such as 2026-11-22") from None


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise RefusedError(f"{option} takes NAME=WORD, not {text!r}")
        found[name.strip()] = value.strip()
    return found


# ---- a statement -------------------------------------------------------------------------------------------------


def _upload(
    books: Books, file: Path, reading: Reading, *, first: date | None, last: date | None, keep: Path | None, yes: bool
) -> list[Day]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RefusedError(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise RefusedError(f"{file} has more than {FILE_BYTES_MAX:,} bytes: download fewer days at once.")
    first = first or _day(_ask("What is the first booking day that the download has whole?", "--from"), "--from")
    last = last or _day(_ask("And the last one?", "--to"), "--to")
    if first is None or last is None:
        raise RefusedError("--from and --to are needed: the days that the download has whole")
    parameters = books.target.parameters
    types = read_activity_types(parameters["ActivityTypes"])
    zone = read_zone(parameters.get("BooksTimeZone") or "UTC")
    reading = completed(content, reading, tuple(types))
    found = mapped(content, reading, first=first, last=last, books_zone=zone, types=types)
    console().print(understood(found, zone.key))
    print(f"{len(found.rows):,} rows from {first} to {last}, {found.left_out:,} others left out. {sums(found)}")
    print("Nothing but these columns leaves this machine.", flush=True)
    if keep is not None:
        keep.write_text(json.dumps(asdict(reading), indent=2) + "\n", encoding="utf-8")
    if not yes and not typer.confirm("Is that right?"):
        raise RefusedError("Nothing was uploaded.")
    return books.take(found.content, hashlib.sha256(content).hexdigest(), first, last)


def completed(content: bytes, reading: Reading, types: Sequence[str]) -> Reading:
    """A reading of which everything is said; what is not is asked for.

    Raises:
        RefusedError: there is nobody to ask.
    """
    names = header_of(content)
    for ours in REQUIRED:
        if ours not in reading.columns:
            same = " (or =USD, if it is the same for all rows)" if ours in CONSTANTS else ""
            said = _ask(f"Which column is {ours}{same}? {', '.join(names)}.", f"--map {ours}=...")
            reading = reading.with_said(columns={ours: said})
    check_columns(reading.columns, names)
    if not reading.time_format:
        example = words_of(content, reading.columns["activityTime"])[:1]
        said = _ask(f"How are times written, such as {example}? %m/%d/%Y %I:%M:%S %p ...", "--time-format")
        reading = reading.with_said(time_format=said)
    if not reading.zone and "%z" not in reading.time_format:
        reading = reading.with_said(zone=_ask("In which zone are its times? Europe/Berlin ...", "--zone"))
    if reading.signs not in SIGNS:
        said = _ask(f"Whose amounts have a minus sign? {', '.join(SIGNS)}", "--signs")
        if said not in SIGNS:
            raise RefusedError(f"--signs must be one of {', '.join(SIGNS)}")
        reading = reading.with_said(signs=said)
    for ours, option, known, words in (
        ("type", "types", reading.types, types),
        ("status", "statuses", reading.statuses, (SUCCESS, FAILED)),
    ):
        column = reading.columns[ours]
        for word in words_of(content, column) if not column.startswith("=") else ():
            if word not in known:
                said = _ask(f"What is the {ours} {word!r}? {', '.join(words)}; - leaves it out", f"--{option}")
                reading = reading.with_said(**{option: {word: "" if said == "-" else said}})
    return reading


def _ask(question: str, option: str) -> str:
    if not console().is_terminal:
        raise RefusedError(f"{question} Say it with {option}: nothing is guessed.")
    answer: str = typer.prompt(question)
    return answer.strip()


def understood(found: Mapped, zone: str) -> Any:  # noqa: ANN401 - of the library that prints it
    """The first rows, as they were understood."""
    made = table("Request", f"Day ({zone})", "Time (UTC)", "Type", "Status", "Amount", "Card")
    for row in found.rows[:ROWS_SHOWN]:
        at: datetime | None = row.time
        made.add_row(
            row.request_id,
            day_of(at, read_zone(zone)).isoformat() if at else "",
            f"{at:%Y-%m-%d %H:%M:%S}" if at else "",
            row.type,
            row.status,
            str(row.value or ""),
            row.gc_id or "",
        )
    return made


def sums(found: Mapped) -> str:
    """Rows and amounts by type, to hold against what the portal says."""
    rows: Counter[str] = Counter()
    amounts: dict[tuple[str, str], Decimal] = {}
    for row in found.rows:
        if row.status == SUCCESS and row.type:
            rows[row.type] += 1
            if row.value is not None:
                key = (row.type, row.value.currency)
                amounts[key] = amounts.get(key, Decimal(0)) + row.value.amount
    said = [
        f"{number:,} {kind}" + "".join(f", {total} {code}" for (of, code), total in amounts.items() if of == kind)
        for kind, number in sorted(rows.items())
    ]
    return "; ".join(said) + "." if said else "None of them succeeded."
