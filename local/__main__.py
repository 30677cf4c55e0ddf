"""`python -m local COMMAND`: each command is a module of `local.commands`, named as it."""

import inspect
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from types import ModuleType
from typing import Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from local.commands import (
    accounts,
    approve,
    audit,
    budgets,
    call,
    close,
    console,
    count_again,
    down,
    freeze,
    order,
    orders,
    put_keys,
    reconcile,
    reject,
    resume,
    rotate_keys,
    run,
    smoke,
    unfreeze,
    verify_books,
    watch,
)
from local.outputs import NotDeployedError
from local.settings import RefusedError
from local.terminal import complain

#: Commands by what they are about, in the order in which help shows them.
GROUPS: Final[Mapping[str, Sequence[ModuleType]]] = {
    "The local cloud": (run, down),
    "Look at a deployment, or work with it": (console, watch, call, smoke),
    "Requests and bulk orders": (order, orders, approve, reject, resume),
    "Budgets": (budgets, count_again),
    "Accounts and keys": (accounts, freeze, unfreeze, put_keys, rotate_keys),
    "The books": (reconcile, close, verify_books),
    "This project": (audit,),
}
#: Those that can have Amazon charge something, or give it back.
MOVE_MONEY: Final = frozenset({console, call, smoke, order, approve, resume, unfreeze})

ABOUT: Final = """
The Incentives Gateway's command line; the Makefile's targets call it.

A command works with the local cloud, or with a deployed one: --stack NAME, with the profile and region of the usual
AWS settings, whose rights decide what it may do. What is marked * can have Amazon charge something or give it back.
COMMAND --help tells the rest of each.
"""
ENDS: Final = """
Each ends with 0 when it did what was asked, with 1 if that came out badly or AWS refused, with 2 if it cannot be done
as asked, with 130 if whoever was asked said no. A command that counts otherwise says so.
"""


class Commands(TyperGroup):
    """Commands by group, each with the whole first paragraph of its help."""

    def format_commands(self, ctx: object, formatter: Any) -> None:  # noqa: ARG002, ANN401 - typer keeps its type to itself
        """Write the list."""
        width = max(len(name) for name in self.commands) + len(" *")
        for group, modules in GROUPS.items():
            rows = [(_name(each) + (" *" if each in MOVE_MONEY else ""), _about(each)) for each in modules]
            with formatter.section(group):
                formatter.write_dl([(shown.ljust(width), about) for shown, about in rows])


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2].replace("_", "-")


def _about(module: ModuleType) -> str:
    return " ".join(inspect.cleandoc(module.main.__doc__).partition("\n\n")[0].split())


# Plain help and errors: they go into logs as well. An exception is never shown with the values around it.
app = typer.Typer(
    cls=Commands,
    help=ABOUT,
    epilog=ENDS,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for module in chain.from_iterable(GROUPS.values()):
    app.command(_name(module))(module.main)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 2 for what cannot be done as asked, 1 if AWS refused."""
    try:
        status: int = app(arguments, prog_name="python -m local", standalone_mode=False)
    except typer.TyperException as error:
        return complain(error.format_message())
    except (RefusedError, NotDeployedError, ValueError) as error:
        return complain(str(error))
    except (ClientError, BotoCoreError) as error:
        return complain(f"AWS refused, or was not reached: {error}", status=1)
    except OSError as error:
        return complain(f"No response: {error}")
    except typer.Abort:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
