"""`python -m local COMMAND`: each command is a module of `local.commands`, named as it."""

import sys
from collections.abc import Sequence

import typer
from botocore.exceptions import BotoCoreError, ClientError

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

COMMANDS = (
    run, down, call, order, orders, approve, reject, budgets, count_again, accounts, freeze, unfreeze, reconcile, close,
    verify_books, watch, console, smoke, put_keys, rotate_keys, resume, audit,
)  # fmt: skip

# Plain help and errors: they go into logs as well. An exception is never shown with the values around it.
app = typer.Typer(
    help="The Incentives Gateway's tools.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for module in COMMANDS:
    app.command(module.__name__.rpartition(".")[2].replace("_", "-"))(module.main)


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
        return complain(f"No answer: {error}")
    except typer.Abort:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
