"""Name a movement: finance says what changed the balance although no row does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from incentives.domain.errors import BooksNotFound, BooksUnavailable, InvalidInput
from incentives.domain.reconciliation.balance import MovementName, MovementPart
from incentives.domain.reconciliation.movements import PARTS_MAX, REFERENCE_LENGTH_MAX, Movement, check_parts
from incentives.domain.reconciliation.words import check_words
from incentives.usecases.reconciliation.get_books import NamedMovement, months_around, movements_in

if TYPE_CHECKING:
    from incentives.usecases.reconciliation.dependencies import BooksDependencies

#: A movement lies between two balances, a quarter of an hour from each other in general.
DAYS_APART_MAX: Final = 31

LOOKS_MAX: Final = 5


def name_movement(
    account: str, movement_id: str, parts: Sequence[MovementPart], by: str, here: BooksDependencies
) -> NamedMovement:
    """Say what a movement is made of. A repeat changes nothing; another naming is added to the first, and counts.

    It is looked for in the months that the parts' days are in or border on.

    Raises:
        InvalidInput: names the field: also parts that do not sum to the movement.
        BooksNotFound: there is no such movement: what was read since may have made another one of it.
        BooksUnavailable: it may have been done; the same call says.
    """
    if not 0 < len(parts) <= PARTS_MAX:
        raise InvalidInput("parts", f"must be 1 to {PARTS_MAX}")
    for number, part in enumerate(parts):
        check_words(f"parts.{number}.reference", part.reference, REFERENCE_LENGTH_MAX)
    first, last = min(part.on for part in parts), max(part.on for part in parts)
    if (last - first).days > DAYS_APART_MAX:
        raise InvalidInput("parts", f"must not be more than {DAYS_APART_MAX} days apart")
    movement = _find(account, movement_id, months_around(first, last), here)
    check_parts(movement, parts)
    for _ in range(LOOKS_MAX):
        before = here.books.movement_names(account).get(movement_id)
        if before is not None and (before.parts, before.by) == (tuple(parts), by):
            return NamedMovement(movement, before)
        after = MovementName(
            account=account,
            movement_id=movement_id,
            parts=tuple(parts),
            by=by,
            at=here.dependencies.clock.now(),
            revision=before.revision + 1 if before else 1,
        )
        if here.books.keep_movement_name(before, after):
            here.dependencies.telemetry.log("movementNamed", account=account, caller=by)
            return NamedMovement(movement, after)
    raise BooksUnavailable("The movement is named by others all the time. Repeat the call.")


def _find(account: str, movement_id: str, months: Sequence[str], here: BooksDependencies) -> Movement:
    for month in months:
        for each in movements_in(account, month, here):
            if each.movement_id == movement_id:
                return each
    raise BooksNotFound(f"{account} has no such movement in {' or '.join(months)}.")
