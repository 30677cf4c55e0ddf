"""What commands have in common: their options, a bar for what takes time, tables, and one line for what is wrong.

Without a terminal everything is plain text, at its full width.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, TextIO, TypeAlias

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

_STACK_HELP = "a deployed stack, in the AWS account and region of the usual AWS settings, instead of the local cloud"
#: The deployment that a command works with.
Stack: TypeAlias = Annotated[str | None, typer.Option(metavar="NAME", help=_STACK_HELP)]
#: The same, of a command whose make target takes `STACK=`.
StackVariable: TypeAlias = Annotated[str | None, typer.Option(metavar="NAME", envvar="STACK", help=_STACK_HELP)]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="print JSON, and nothing else")]

# Wider than any line, where nobody looks at it.
_WIDTH = 10_000


def console(stream: TextIO | None = None) -> Console:
    """Standard output, or another stream; nothing but its being a terminal makes it one."""
    file = stream or sys.stdout
    on_terminal = file.isatty()
    return Console(
        file=file,
        force_terminal=on_terminal,
        no_color=None if on_terminal else True,
        width=None if on_terminal else _WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )


def complain(why: str, status: int = 2) -> int:
    """Say what is wrong, and return the exit status."""
    print(why, file=sys.stderr, flush=True)
    return status


def print_json(value: object) -> None:
    """Print what a program reads."""
    print(json.dumps(value, indent=2), flush=True)


def agree(about: str, question: str, *, yes: bool, as_json: bool) -> None:
    """Show what is about to be done, and ask; beside what a program reads, where one does.

    Raises:
        typer.Abort: whoever was asked does not want it.
    """
    if not (yes and as_json):
        print(about, file=sys.stderr if as_json else sys.stdout, flush=True)
    if not yes and not typer.confirm(question, err=as_json):
        raise typer.Abort


def table(*columns: str) -> Table:
    """A table of aligned text: the first column to the left, figures to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for number, name in enumerate(columns):
        made.add_column(name, justify="right" if number else "left", no_wrap=True)
    return made


@contextmanager
def bar(what: str, total: float | None = None, *, silent: bool = False) -> Iterator[Callable[..., None]]:
    """A bar while something takes its time; where there is no terminal, a plain line instead (none for an empty text).

    Yields:
        What moves it: `advance=`, or `completed=`, `total=` and `description=`. Lines may be printed meanwhile.
    """
    here = console()
    if what and not here.is_terminal and not silent:
        print(f"{what} ...", flush=True)
    columns: Sequence[SpinnerColumn | TextColumn | BarColumn | TimeElapsedColumn] = (
        SpinnerColumn(),
        BarColumn(bar_width=24),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=here, transient=True, disable=silent or not here.is_terminal) as progress:
        yield partial(progress.update, progress.add_task(what, total=total))
